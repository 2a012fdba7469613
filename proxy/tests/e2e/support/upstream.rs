//! A registry in this process that sends its blobs as slowly as a test wants, so that something can happen midway.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use weir_scanner::oci::Digest;

/// How a content is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// At once.
    Fast,
    /// `bytes` at a time with a pause after each.
    Slow { bytes: usize, pause: Duration },
}

#[derive(Clone)]
struct Content {
    media_type: String,
    bytes: Arc<Vec<u8>>,
    pace: Pace,
}

#[derive(Default)]
struct Shared {
    /// By digest, and by tag.
    contents: Mutex<HashMap<String, Content>>,
    refusing: AtomicBool,
    stopping: AtomicBool,
    sent: AtomicU64,
    /// Requests by digest or tag.
    asked: Mutex<HashMap<String, u64>>,
}

/// The registry: whatever the repository, it holds the same contents. Dropping it ends it.
pub(crate) struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl Upstream {
    /// Starts one that holds nothing.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared: Arc<Shared> = Arc::default();
        let state = Arc::clone(&shared);
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if state.stopping.load(Ordering::Acquire) {
                    return;
                }
                let (Ok(stream), state) = (stream, Arc::clone(&state)) else { continue };
                // A client that leaves midway is the everyday case here.
                std::thread::spawn(move || drop(converse(stream, &state)));
            }
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Holds `bytes` from now on, under their digest.
    pub(crate) fn hold(&self, media_type: &str, bytes: impl Into<Arc<Vec<u8>>>, pace: Pace) -> Digest {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        let content = Content { media_type: media_type.to_owned(), bytes, pace };
        self.contents().insert(digest.to_string(), content);
        digest
    }

    /// Lets `tag` name the content of `digest`.
    pub(crate) fn tag(&self, tag: &str, digest: &Digest) {
        let content = self.contents()[&digest.to_string()].clone();
        self.contents().insert(tag.to_owned(), content);
    }

    /// Answers every request with 503, or no longer.
    pub(crate) fn refuse(&self, refusing: bool) {
        self.shared.refusing.store(refusing, Ordering::Release);
    }

    /// Bytes of bodies sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Acquire)
    }

    /// Requests so far for a digest or a tag.
    pub(crate) fn asked(&self, name: impl std::fmt::Display) -> u64 {
        let asked = self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(&name.to_string()).copied().unwrap_or(0)
    }

    fn contents(&self) -> std::sync::MutexGuard<'_, HashMap<String, Content>> {
        self.shared.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        // Wakes the accept.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn converse(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let Some((method, path, start)) = read_request(&mut reader)? else { return Ok(()) };
        let name = path.rsplit('/').next().unwrap_or_default();
        *shared.asked.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default() += 1;
        if shared.refusing.load(Ordering::Acquire) {
            writer.write_all(b"HTTP/1.1 503 Refusing\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        }
        let content = shared.contents.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let Some(content) = content else {
            writer.write_all(b"HTTP/1.1 404 Nothing\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        };
        write!(writer, "{}", head(&content, start))?;
        if method == "GET" {
            send(&mut writer, &content.bytes[start.unwrap_or(0)..], content.pace, &shared.sent)?;
        }
    }
}

fn head(content: &Content, start: Option<usize>) -> String {
    let (total, digest) = (content.bytes.len(), Digest::of(&content.bytes));
    let common = format!("Content-Type: {}\r\nDocker-Content-Digest: {digest}\r\n\r\n", content.media_type);
    match start {
        None => format!("HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n{common}"),
        Some(start) => format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{}/{total}\r\n{common}",
            total - start,
            total - 1
        ),
    }
}

fn send(writer: &mut TcpStream, bytes: &[u8], pace: Pace, sent: &AtomicU64) -> io::Result<()> {
    let (piece, pause) = match pace {
        Pace::Fast => (256 * 1024, Duration::ZERO),
        Pace::Slow { bytes, pause } => (bytes, pause),
    };
    for piece in bytes.chunks(piece) {
        writer.write_all(piece)?;
        sent.fetch_add(piece.len() as u64, Ordering::AcqRel);
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
    }
    Ok(())
}

/// Method, path, and where a `Range: bytes=N-` begins.
fn read_request(reader: &mut BufReader<TcpStream>) -> io::Result<Option<(String, String, Option<usize>)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let (method, path) = (method.to_owned(), target.split('?').next().unwrap_or_default().to_owned());
    let mut start = None;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("range") {
            start = value.trim().strip_prefix("bytes=").and_then(|range| range.split('-').next()?.parse().ok());
        }
    }
    Ok(Some((method, path, start)))
}
