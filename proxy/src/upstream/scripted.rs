//! A server for tests that answers with exactly the bytes it is told to, so that it can lie in every way.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::tasks::Tasks;

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// `GET /path`.
    pub(crate) line: String,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
}

impl Recorded {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What happens after the bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum After {
    Keep,
    Close,
    /// Nothing more, until the client gives up.
    Stall,
}

/// An answer: bytes, and what follows them.
pub(crate) type Reply = (String, After);

/// A running server.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    scheme: &'static str,
    requests: Arc<Mutex<Vec<Recorded>>>,
    _tasks: Tasks,
}

impl Scripted {
    /// Starts one that answers by `script`, which is given each request and how many came before it.
    pub(crate) async fn start(script: impl Fn(&Recorded, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(script, None).await
    }

    /// The same over TLS.
    pub(crate) async fn start_tls(
        acceptor: tokio_rustls::TlsAcceptor,
        script: impl Fn(&Recorded, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listen(script, Some(acceptor)).await
    }

    async fn listen(
        script: impl Fn(&Recorded, usize) -> Reply + Send + Sync + 'static,
        tls: Option<tokio_rustls::TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tasks, requests, script) = (Tasks::new(), Arc::new(Mutex::new(Vec::new())), Arc::new(script));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (spawner, log) = (tasks.clone(), requests.clone());
        tasks.spawn("scripted", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, log, tls) = (script.clone(), log.clone(), tls.clone());
                spawner.spawn("scripted-connection", async move {
                    match tls {
                        None => converse(stream, &*script, &log).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => converse(stream, &*script, &log).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Self { address, scheme, requests, _tasks: tasks }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.line).collect()
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    script: &(impl Fn(&Recorded, usize) -> Reply + ?Sized),
    log: &Mutex<Vec<Recorded>>,
) -> Option<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let request = parse(&head);
        let before = {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push(request.clone());
            log.len() - 1
        };
        let (bytes, after) = script(&request, before);
        stream.write_all(bytes.as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
        match after {
            After::Keep => {}
            After::Close => return stream.shutdown().await.ok(),
            After::Stall => {
                let mut rest = Vec::new();
                return stream.read_to_end(&mut rest).await.ok().map(|_| ());
            }
        }
    }
}

fn parse(head: &[u8]) -> Recorded {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Recorded { line, headers }
}

/// An answer with a length, kept alive.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Reply {
    (format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()), After::Keep)
}
