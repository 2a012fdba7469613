//! One open watch of the test API server.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::answer::{Question, event, line, status};
use super::server::{Shared, Signals};

/// A watch from a version on, until it ends.
pub(super) struct WatchStream<'a> {
    shared: &'a Shared,
    question: Question,
    version: u64,
    /// How many more bytes go out, where the connection is to end.
    left: Option<usize>,
    signals: watch::Receiver<Signals>,
    seen: Signals,
}

impl<'a> WatchStream<'a> {
    pub(super) fn new(shared: &'a Shared, question: Question, version: u64, left: Option<usize>) -> Self {
        let signals = shared.signals.subscribe();
        let seen = *signals.borrow();
        Self { shared, question, version, left, signals, seen }
    }

    /// Sends what there is and what comes; `None` when the connection is over. `first` goes out before everything else.
    pub(super) async fn run(mut self, writer: &mut (impl AsyncWriteExt + Unpin), first: String) -> Option<()> {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        writer.write_all(head.as_bytes()).await.ok()?;
        let seconds = self.question.parameter("timeoutSeconds").parse().unwrap_or(1800);
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut text = first;
        loop {
            let signals = *self.signals.borrow_and_update();
            let over = self.next(&mut text, signals);
            for part in text.split_inclusive('\n') {
                self.chunk(writer, part).await?;
            }
            text.clear();
            if self.left == Some(0) {
                writer.shutdown().await.ok()?;
                return None;
            }
            if over || signals.ends > self.seen.ends {
                writer.write_all(b"0\r\n\r\n").await.ok()?;
                return None;
            }
            self.seen.bookmarks = signals.bookmarks;
            tokio::select! {
                changed = self.signals.changed() => changed.ok()?,
                () = sleep_until(end) => {
                    writer.write_all(b"0\r\n\r\n").await.ok()?;
                    return None;
                }
            }
        }
    }

    /// Adds what is to be sent now; whether the watch is over then.
    fn next(&mut self, text: &mut String, signals: Signals) -> bool {
        if signals.cuts > self.seen.cuts && self.left.is_none() {
            self.left = Some(signals.cut_after);
        }
        let store = self.shared.store.lock().unwrap();
        let Some(changes) = store.since(self.question.kind, self.version) else {
            text.push_str(&line(&event("ERROR", status(410, "Expired", "too old resource version"))));
            return true;
        };
        for change in changes {
            text.push_str(&line(&event(change.what, self.question.shown(&change.object))));
        }
        // A history that was set back must not be followed from a version it does not have; servers go on from their own.
        self.version = store.version();
        if signals.bookmarks > self.seen.bookmarks {
            text.push_str(&line(&self.question.bookmark(self.version, false)));
        }
        false
    }

    async fn chunk(&mut self, writer: &mut (impl AsyncWriteExt + Unpin), part: &str) -> Option<()> {
        if self.left == Some(0) {
            return Some(());
        }
        writer.write_all(format!("{:x}\r\n", part.len()).as_bytes()).await.ok()?;
        let sent = self.left.unwrap_or(part.len()).min(part.len());
        writer.write_all(&part.as_bytes()[..sent]).await.ok()?;
        if let Some(left) = &mut self.left {
            *left -= sent;
            if *left == 0 {
                return Some(());
            }
        }
        writer.write_all(b"\r\n").await.ok()
    }
}
