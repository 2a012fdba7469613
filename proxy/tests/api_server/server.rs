//! An API server on a loopback port: lists in pages and as streams, watches, their expiry, and everything that goes wrong
//! with them when a test says so. Byte for byte on a socket, as the registry beside it, so that a connection can end within
//! an event.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use weir_storage::index::WatchedKind;

use super::answer::status;
use super::ask::{Ask, Gate, read_ask};
use super::reply::{Reply, reply};
use super::rules::Rules;
use super::store::Store;
use super::stream::WatchStream;

/// Whether the server streams lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Streams {
    /// It does.
    Yes,
    /// It says that it does not.
    Refused,
    /// It takes the request for a watch like any other, as servers before 1.27 do.
    Ignored,
}

/// What kind of a server it is.
#[derive(Clone, Debug)]
pub(crate) struct Behaviour {
    /// Its minor version.
    pub(crate) minor: u32,
    pub(crate) streams: Streams,
    /// Whether a version that is too old is refused by the answer's status, rather than by an event.
    pub(crate) gone_as_status: bool,
    /// The bearer token it wants.
    pub(crate) token: String,
    /// What it allows to whoever has the token; `None` for everything.
    pub(crate) rules: Option<Rules>,
    /// Kinds it does not have.
    pub(crate) absent: Vec<WatchedKind>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            minor: 31,
            streams: Streams::Yes,
            gone_as_status: false,
            token: "token-of-weir".to_owned(),
            rules: None,
            absent: Vec::new(),
        }
    }
}

/// What is done with one request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// It is answered.
    Serve,
    /// It is refused with this status and reason.
    Refuse(u16, &'static str),
    /// It is answered when the gate is open.
    Hold(Gate),
    /// It is answered by this many bytes of the body, then the connection ends.
    Cut(usize),
}

type Hook = Box<dyn FnMut(&Ask, &mut Store) -> Act + Send>;

/// What all connections see.
pub(super) struct Shared {
    pub(super) behaviour: Behaviour,
    pub(super) store: Mutex<Store>,
    hook: Mutex<Hook>,
    asked: Mutex<Vec<Ask>>,
    pub(super) signals: watch::Sender<Signals>,
    connections: Mutex<CancellationToken>,
}

/// What open watches are told to do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signals {
    /// Counts changes of the store.
    pub(super) changes: u64,
    /// Counts the bookmarks that each watch is to send.
    pub(super) bookmarks: u64,
    /// Counts disconnections; a watch that began before the last one ends this many bytes later.
    pub(super) cuts: u64,
    pub(super) cut_after: usize,
    /// Counts orderly ends of all watches.
    pub(super) ends: u64,
}

/// The API server; dropping it ends it.
pub(crate) struct ApiServer {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl ApiServer {
    /// A server without objects.
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            behaviour,
            store: Mutex::default(),
            hook: Mutex::new(Box::new(|_, _| Act::Serve)),
            asked: Mutex::default(),
            signals: watch::Sender::default(),
            connections: Mutex::default(),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, task }
    }

    /// A kubeconfig for it.
    pub(crate) fn kubeconfig(&self) -> String {
        kubeconfig(&format!("http://{}", self.address), &self.shared.behaviour.token)
    }

    /// Changes the store, and lets open watches see it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        let changed = change(&mut self.store());
        self.shared.signals.send_modify(|signals| signals.changes += 1);
        changed
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.shared.store.lock().unwrap()
    }

    /// Decides on each request from now on, before it is answered.
    pub(crate) fn on_request(&self, hook: impl FnMut(&Ask, &mut Store) -> Act + Send + 'static) {
        *self.shared.hook.lock().unwrap() = Box::new(hook);
    }

    /// Sends a bookmark on every open watch.
    pub(crate) fn bookmark(&self) {
        self.shared.signals.send_modify(|signals| signals.bookmarks += 1);
    }

    /// Ends every open watch after `bytes` more bytes of its body: at once with 0, else within what it says next.
    pub(crate) fn disconnect(&self, bytes: usize) {
        self.shared.signals.send_modify(|signals| {
            signals.cuts += 1;
            signals.cut_after = bytes;
        });
    }

    /// Ends every open watch in the orderly way, as after `timeoutSeconds`.
    pub(crate) fn end_watches(&self) {
        self.shared.signals.send_modify(|signals| signals.ends += 1);
    }

    /// Drops every connection and forgets the history.
    pub(crate) fn restart(&self) {
        self.store().compact();
        let mut connections = self.shared.connections.lock().unwrap();
        std::mem::take(&mut *connections).cancel();
    }

    /// The requests so far, as `METHOD target`.
    pub(crate) fn asked(&self) -> Vec<Ask> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// How many requests had a target that contains every one of these.
    pub(crate) fn count(&self, parts: &[&str]) -> usize {
        self.asked().iter().filter(|ask| parts.iter().all(|part| ask.target.contains(part))).count()
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A kubeconfig of one cluster and one user with a token.
pub(crate) fn kubeconfig(server: &str, token: &str) -> String {
    json!({"apiVersion": "v1", "kind": "Config", "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "users": [{"name": "test", "user": {"token": token}}]})
    .to_string()
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let ended = shared.connections.lock().unwrap().clone();
        let shared = Arc::clone(&shared);
        connections.spawn(async move { ended.run_until_cancelled(converse(stream, &shared)).await });
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(stream: TcpStream, shared: &Shared) -> Option<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let ask = read_ask(&mut reader).await?;
        shared.asked.lock().unwrap().push(ask.clone());
        let act = (shared.hook.lock().unwrap())(&ask, &mut shared.store.lock().unwrap());
        let mut cut = None;
        match act {
            Act::Serve => {}
            Act::Refuse(code, reason) => {
                send(&mut writer, code, &status(code, reason, "as the test wants it"), None).await?;
                continue;
            }
            Act::Hold(gate) => gate.pass().await,
            Act::Cut(bytes) => cut = Some(bytes),
        }
        match reply(shared, &ask) {
            Reply::Whole(code, body) => send(&mut writer, code, &body, cut).await?,
            Reply::Watch(question, from, first) => {
                WatchStream::new(shared, question, from, cut).run(&mut writer, first).await?;
                return None;
            }
        }
    }
}

/// An answer with its length; `None` when the connection is over.
async fn send(writer: &mut (impl AsyncWriteExt + Unpin), code: u16, body: &Value, cut: Option<usize>) -> Option<()> {
    let body = body.to_string();
    let head = format!("HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    let sent = cut.unwrap_or(body.len()).min(body.len());
    writer.write_all(head.as_bytes()).await.ok()?;
    writer.write_all(&body.as_bytes()[..sent]).await.ok()?;
    if cut.is_some() {
        writer.shutdown().await.ok()?;
        return None;
    }
    Some(())
}
