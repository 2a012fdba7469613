//! A client that reads an answer byte by byte off a connection, and says whether its body was whole.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::tls::{Line, Trust};

/// Without a byte for this long, an answer has failed.
const IDLE: Duration = Duration::from_secs(60);

/// An answer with its body read as far as it came.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Whether the body reached the end its headers announce.
    pub(crate) whole: bool,
}

impl Got {
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// An answer whose body is still to be read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HashMap<String, String>,
    reader: BufReader<Box<dyn Line>>,
    read: Vec<u8>,
}

/// Asks for `target` by GET and reads the answer.
///
/// # Errors
/// The connection was refused, or broke before the headers had come.
pub(crate) fn get(address: SocketAddr, target: &str) -> io::Result<Got> {
    get_by(&Trust::default(), address, target)
}

/// Posts JSON to `target` and reads the answer.
///
/// # Errors
/// As [`get`].
pub(crate) fn post(address: SocketAddr, target: &str, body: &serde_json::Value) -> io::Result<Got> {
    let body = body.to_string();
    let head = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    Ok(ask(&Trust::default(), address, &format!("POST {target}"), &head, body.as_bytes())?.finish())
}

/// The same of a server that may speak TLS.
///
/// # Errors
/// As [`get`], and the server is not who it should be.
pub(crate) fn get_by(trust: &Trust, address: SocketAddr, target: &str) -> io::Result<Got> {
    Ok(open_by(trust, address, target)?.finish())
}

/// The same as far as the headers.
///
/// # Errors
/// As [`get`].
pub(crate) fn open(address: SocketAddr, target: &str) -> io::Result<Answer> {
    open_by(&Trust::default(), address, target)
}

fn open_by(trust: &Trust, address: SocketAddr, target: &str) -> io::Result<Answer> {
    ask(trust, address, &format!("GET {target}"), "", b"")
}

fn ask(trust: &Trust, address: SocketAddr, what: &str, headers: &str, body: &[u8]) -> io::Result<Answer> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(IDLE))?;
    let mut stream = trust.over(stream, address)?;
    write!(stream, "{what} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n")?;
    stream.write_all(body)?;
    stream.flush()?;
    let mut reader = BufReader::new(stream);
    let line = line(&mut reader)?;
    let status = line.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status line: {line:?}")))?;
    let mut headers = HashMap::new();
    loop {
        let line = self::line(&mut reader)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Ok(Answer { status, headers, reader, read: Vec::new() })
}

fn line(reader: &mut impl io::BufRead) -> io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

impl Answer {
    /// Reads until this many bytes of the body are there, or it ends. For bodies with a length.
    pub(crate) fn read_at_least(&mut self, count: usize) {
        let missing = count.saturating_sub(self.read.len());
        let _ = (&mut self.reader).take(missing as u64).read_to_end(&mut self.read);
    }

    /// Reads the rest. A reset counts as short: what came before it is kept.
    pub(crate) fn finish(mut self) -> Got {
        let whole = match self.headers.get("content-length") {
            Some(length) => {
                let length: usize = length.parse().unwrap();
                self.read_at_least(length);
                self.read.len() == length
            }
            None if self.headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") => self.chunks(),
            None => self.reader.read_to_end(&mut self.read).is_ok(),
        };
        Got { status: self.status, body: self.read, whole }
    }

    fn chunks(&mut self) -> bool {
        loop {
            let mut size = String::new();
            if self.reader.read_line(&mut size).unwrap_or(0) == 0 {
                return false;
            }
            let Ok(size) = usize::from_str_radix(size.trim(), 16) else { return false };
            let before = self.read.len();
            let _ = (&mut self.reader).take(size as u64 + 2).read_to_end(&mut self.read);
            let came = self.read.len() - before;
            self.read.truncate(before + size);
            if came != size + 2 || size == 0 {
                return came == size + 2;
            }
        }
    }
}
