//! A port that stays where it is while the server behind it comes and goes, and that loses answers when told to.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(super) struct Relay {
    pub(super) address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    target: Mutex<Option<SocketAddr>>,
    /// Whether each of the next answers passes; those after them do.
    script: Mutex<VecDeque<bool>>,
    connections: AtomicUsize,
    lost: AtomicUsize,
    passed: AtomicUsize,
    resyncs: AtomicUsize,
}

impl Relay {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state: Arc<State> = Arc::default();
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(pass(client, Arc::clone(&shared)));
            }
        });
        Self { address, state, task }
    }

    /// Where connections go from now on; `None` drops them.
    pub(super) fn lead_to(&self, target: Option<SocketAddr>) {
        *self.state.target.lock().unwrap() = target;
    }

    /// Lets so many answers pass and loses so many after them: their requests have reached the server by then.
    pub(super) fn lose(&self, passing: usize, lost: usize) {
        let script = std::iter::repeat_n(true, passing).chain(std::iter::repeat_n(false, lost));
        *self.state.script.lock().unwrap() = script.collect();
    }

    /// Answers lost so far.
    pub(super) fn lost(&self) -> usize {
        self.state.lost.load(Ordering::SeqCst)
    }

    /// Answers that reached the agent so far; over TLS, pieces of them.
    pub(super) fn passed(&self) -> usize {
        self.state.passed.load(Ordering::SeqCst)
    }

    /// How many of them asked for a new snapshot; over TLS nobody can tell.
    pub(super) fn resyncs(&self) -> usize {
        self.state.resyncs.load(Ordering::SeqCst)
    }

    /// Connections that came so far.
    pub(super) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(client: TcpStream, state: Arc<State>) {
    state.connections.fetch_add(1, Ordering::SeqCst);
    let target = *state.target.lock().unwrap();
    let Some(target) = target else { return };
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = async {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
        let _ = to_server.shutdown().await;
    };
    let back = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            // An answer is small and comes in one piece.
            let answer = &buffer[..count];
            if !state.script.lock().unwrap().pop_front().unwrap_or(true) {
                state.lost.fetch_add(1, Ordering::SeqCst);
                return;
            }
            state.passed.fetch_add(1, Ordering::SeqCst);
            if answer.starts_with(b"HTTP/1.1 409") {
                state.resyncs.fetch_add(1, Ordering::SeqCst);
            }
            if to_client.write_all(answer).await.is_err() {
                return;
            }
        }
    };
    // Both ways end together, as a connection that breaks does.
    tokio::select! {
        () = there => {}
        () = back => {}
    }
}
