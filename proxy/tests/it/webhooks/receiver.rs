//! A receiver of webhooks on a loopback port: keeps what it is sent, and answers as it is told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::api_server::read_ask;
use crate::support::{Answer, eventually};

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) target: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Delivery {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn id(&self) -> &str {
        &self.headers["x-weir-delivery"]
    }
}

type Script = dyn Fn(usize) -> Answer + Send + Sync;

/// The receiver; dropping it ends it.
pub(crate) struct Receiver {
    address: SocketAddr,
    got: Arc<Mutex<Vec<Delivery>>>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Takes everything.
    pub(crate) async fn start() -> Self {
        Self::answering(|_| Answer::new(200, &[], b"ok")).await
    }

    /// Answers by `script`, which is told how many requests came before.
    pub(crate) async fn answering(script: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let got: Arc<Mutex<Vec<Delivery>>> = Arc::default();
        let script: Arc<Script> = Arc::new(script);
        let log = Arc::clone(&got);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(converse(stream, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self { address, got, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook/secret", self.address)
    }

    pub(crate) fn got(&self) -> Vec<Delivery> {
        self.got.lock().unwrap().clone()
    }

    /// Everything that came, once it is so many requests.
    pub(crate) async fn until(&self, count: usize) -> Vec<Delivery> {
        eventually("a notification", || async { Some(self.got()).filter(|got| got.len() >= count) }).await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(stream: TcpStream, script: Arc<Script>, log: Arc<Mutex<Vec<Delivery>>>) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    while let Some(ask) = read_ask(&mut reader).await {
        assert_eq!(ask.method, "POST");
        let mut body = vec![0; ask.header("content-length").unwrap().parse().unwrap()];
        reader.read_exact(&mut body).await.unwrap();
        let before = {
            let mut log = log.lock().unwrap();
            log.push(Delivery { target: ask.target, headers: ask.headers, body });
            log.len() - 1
        };
        if writer.write_all(&script(before).bytes).await.is_err() {
            return;
        }
    }
}
