//! A registry on a loopback port that answers what a script says, byte for byte, and remembers what it was asked.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use weir_scanner::fixture::BuiltImage;
use weir_scanner::oci::{Digest, MediaType};

use crate::api_server::{Ask, Gate, read_ask};

/// How a connection goes on after an answer's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Open for the next request.
    KeepAlive,
    /// Closed.
    Close,
}

/// Bytes to send, and what follows them.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ending: Ending,
    /// How many of the bytes may go before which gate is open.
    pub(crate) gate: Option<(usize, Gate)>,
}

impl Answer {
    /// A complete answer with its length.
    pub(crate) fn new(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let mut text = format!("HTTP/1.1 {status} Scripted\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(body);
        Self { bytes, ending: Ending::KeepAlive, gate: None }
    }

    /// Exactly these bytes, then this ending.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>, ending: Ending) -> Self {
        Self { bytes: bytes.into(), ending, gate: None }
    }

    fn body_start(&self) -> usize {
        self.bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4
    }

    /// The same without its body, for HEAD.
    pub(crate) fn head_only(mut self) -> Self {
        self.bytes.truncate(self.body_start());
        self.gate = None;
        self
    }

    /// The same, of which only `count` bytes of the body come before `gate` is opened.
    pub(crate) fn gated(mut self, count: usize, gate: &Gate) -> Self {
        self.gate = Some((self.body_start() + count, gate.clone()));
        self
    }

    /// The same, cut `count` bytes into its body and closed.
    pub(crate) fn cut(mut self, count: usize) -> Self {
        self.bytes.truncate(self.body_start() + count);
        self.ending = Ending::Close;
        self
    }
}

type Script = dyn Fn(&Ask) -> Answer + Send + Sync;

/// The registry; dropping it ends it.
pub(crate) struct Registry {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Ask>>>,
    task: JoinHandle<()>,
}

impl Registry {
    /// Starts a registry that answers by `script`. HEAD answers are stripped of their bodies.
    pub(crate) async fn start(script: impl Fn(&Ask) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Ask>>> = Arc::default();
        let script: Arc<Script> = Arc::new(script);
        let log = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(converse(stream, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self { address, asked, task }
    }

    /// A registry that holds images and answers truthfully, except where `lie` has another answer.
    pub(crate) async fn with_images(
        images: &[&Image],
        lie: impl Fn(&Ask) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let images: Vec<Image> = images.iter().map(|image| (*image).clone()).collect();
        Self::start(move |ask| lie(ask).unwrap_or_else(|| truth(&images, ask))).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Ask> {
        self.asked.lock().unwrap().clone()
    }

    /// How many requests had this method and a path that ends so.
    pub(crate) fn count(&self, method: &str, end: &str) -> usize {
        self.asked().iter().filter(|ask| ask.method == method && ask.path().ends_with(end)).count()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(stream: TcpStream, script: Arc<Script>, log: Arc<Mutex<Vec<Ask>>>) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let Some(ask) = read_ask(&mut reader).await else { return };
        log.lock().unwrap().push(ask.clone());
        let mut answer = script(&ask);
        if ask.method == "HEAD" {
            answer = answer.head_only();
        }
        let (first, rest) = answer.bytes.split_at(answer.gate.as_ref().map_or(answer.bytes.len(), |(count, _)| *count));
        if writer.write_all(first).await.is_err() {
            return;
        }
        if let Some((_, gate)) = &answer.gate {
            gate.pass().await;
            if writer.write_all(rest).await.is_err() {
                return;
            }
        }
        match answer.ending {
            Ending::KeepAlive => {}
            Ending::Close => {
                let _ = writer.shutdown().await;
                // Reading to the end lets the close be a FIN: unread bytes would make it a reset.
                let _ = reader.read_to_end(&mut Vec::new()).await;
                return;
            }
        }
    }
}

/// An image as a registry holds it: contents by digest, and the manifest its tags name.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) repository: String,
    pub(crate) tag: String,
    /// Digest and media type of what the tag names.
    pub(crate) manifest: (Digest, String),
    /// Every content by digest, with its media type.
    pub(crate) contents: HashMap<Digest, (String, Vec<u8>)>,
}

impl Image {
    /// A built image under one tag, which names its index.
    pub(crate) fn of(repository: &str, tag: &str, built: &BuiltImage) -> Self {
        let mut contents = HashMap::from([
            (built.index_digest, (MediaType::OCI_INDEX.to_owned(), built.index.clone())),
            (built.manifest_digest, (MediaType::OCI_MANIFEST.to_owned(), built.manifest.clone())),
            (built.config_digest, ("application/vnd.oci.image.config.v1+json".to_owned(), built.config.clone())),
        ]);
        for layer in &built.layers {
            contents.insert(layer.digest, (layer.media_type.as_str().to_owned(), layer.bytes.clone()));
        }
        let manifest = (built.index_digest, MediaType::OCI_INDEX.to_owned());
        Self { repository: repository.to_owned(), tag: tag.to_owned(), manifest, contents }
    }

    /// Blobs alone, in a repository whose tag names nothing.
    pub(crate) fn of_blobs(repository: &str, blobs: &[&[u8]]) -> Self {
        let contents = blobs.iter().map(|bytes| (Digest::of(bytes), (String::new(), bytes.to_vec()))).collect();
        let manifest = (Digest::of(b"no manifest"), String::new());
        Self { repository: repository.to_owned(), tag: "latest".to_owned(), manifest, contents }
    }

    pub(crate) fn content(&self, digest: &Digest) -> &[u8] {
        &self.contents[digest].1
    }
}

/// Bytes that look like a compressed layer's, other ones for each seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

/// What an honest registry answers.
pub(crate) fn truth(images: &[Image], ask: &Ask) -> Answer {
    if ask.path() == "/v2/" {
        return Answer::new(200, &[], b"{}");
    }
    let missing = || {
        Answer::new(
            404,
            &[("Content-Type", "application/json")],
            br#"{"errors":[{"code":"NAME_UNKNOWN","message":"no"}]}"#,
        )
    };
    let Some(rest) = ask.path().strip_prefix("/v2/") else { return missing() };
    for image in images {
        let Some(rest) = rest.strip_prefix(&image.repository).and_then(|rest| rest.strip_prefix('/')) else { continue };
        let Some((kind, name)) = rest.split_once('/') else { continue };
        if kind == "tags" {
            let body = format!(r#"{{"name":"{}","tags":["{}"]}}"#, image.repository, image.tag);
            return Answer::new(200, &[("Content-Type", "application/json")], body.as_bytes());
        }
        let digest =
            if kind == "manifests" && name == image.tag { Some(image.manifest.0) } else { Digest::parse(name).ok() };
        let Some(digest) = digest else { continue };
        let Some((media_type, bytes)) = image.contents.get(&digest) else { continue };
        let (name, media_type) =
            (digest.to_string(), if kind == "blobs" { "application/octet-stream" } else { media_type.as_str() });
        let headers = [("Content-Type", media_type), ("Docker-Content-Digest", name.as_str())];
        return match ask.range_start() {
            Some(start) if kind == "blobs" => {
                let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
                Answer::new(206, &[headers[0], headers[1], ("Content-Range", &range)], &bytes[start..])
            }
            _ => Answer::new(200, &headers, bytes),
        };
    }
    missing()
}
