//! One request of a conversation byte by byte, and a gate that an answer waits behind.

use std::collections::HashMap;

use tokio::io::AsyncBufReadExt;
use tokio::sync::watch;

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: String,
    /// Path with query.
    pub(crate) target: String,
    /// Headers by lowercase name.
    pub(crate) headers: HashMap<String, String>,
}

impl Ask {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Where a `Range: bytes=N-` begins.
    pub(crate) fn range_start(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.split('-').next()?.parse().ok()
    }
}

/// Closed at first; what waits behind it goes on when it is opened.
#[derive(Clone, Debug)]
pub(crate) struct Gate(watch::Sender<bool>);

impl Default for Gate {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Gate {
    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    pub(crate) async fn pass(&self) {
        // The gate itself keeps the channel open.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

/// One request off a connection, without a body; `None` where there is none any more.
pub(crate) async fn read_ask(reader: &mut (impl AsyncBufReadExt + Unpin)) -> Option<Ask> {
    let mut line = String::new();
    if reader.read_line(&mut line).await.ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Some(Ask { method, target, headers })
}
