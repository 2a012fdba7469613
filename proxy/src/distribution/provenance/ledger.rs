//! Writes noticed pulls down, a batch at a time, and forgets them when their time is over.

use std::time::Duration;

use tokio::sync::mpsc;
use weir_storage::index::{Index, IndexError, PullRecord};

use super::Pulled;
use crate::clock::Clock;
use crate::metrics::ServeMetrics;
use crate::tasks::Tasks;

/// How long pulls are gathered before they are written together.
const GATHER: Duration = Duration::from_secs(1);
/// Most pulls written together.
const MOST: usize = 1024;
/// How often old pulls are looked for, in seconds of the clock.
const TRIM_SECONDS: i64 = 3600;
/// How often the clock is looked at while nobody pulls.
const IDLE: Duration = Duration::from_secs(60);

/// What a [`PullLedger`] is built from.
pub struct LedgerParts {
    /// Where pulls are kept.
    pub index: Index,
    /// How long.
    pub retention: Duration,
    /// The mirror's instruments.
    pub metrics: ServeMetrics,
    /// Says when weir stops.
    pub tasks: Tasks,
    /// The time.
    pub clock: Clock,
}

/// Writes pulls down.
pub struct PullLedger {
    parts: LedgerParts,
    trimmed_at: Option<i64>,
}

impl PullLedger {
    /// A ledger that begins once [`PullLedger::run`] does.
    pub const fn new(parts: LedgerParts) -> Self {
        Self { parts, trimmed_at: None }
    }

    /// Writes what comes until nobody notices pulls any more: the mirror's last connection has closed, and all is written.
    pub async fn run(mut self, mut pulls: mpsc::Receiver<Pulled>) {
        loop {
            match tokio::time::timeout(IDLE, pulls.recv()).await {
                Ok(Some(first)) => {
                    let batch = gather(first, &mut pulls).await;
                    self.write(batch).await;
                }
                Ok(None) => return,
                Err(_) => {}
            }
            self.trim().await;
        }
    }

    async fn write(&self, batch: Vec<Pulled>) {
        let count = batch.len();
        let write = move |index: &Index| {
            let records = batch.into_iter().map(|pulled| named(index, pulled)).collect::<Result<Vec<_>, _>>()?;
            index.pulls().add(&records)
        };
        if let Err(error) = self.parts.index.run(write).await {
            tracing::error!(%error, pulls = count, "{count} pulls could not be written down");
            self.parts.metrics.pulls_dropped(count as u64);
        }
    }

    /// Forgets pulls that are older than the retention, about once an hour.
    async fn trim(&mut self) {
        let now = self.parts.clock.now();
        if self.trimmed_at.is_some_and(|at| now.saturating_sub(at) < TRIM_SECONDS) {
            return;
        }
        self.trimmed_at = Some(now);
        let retention = i64::try_from(self.parts.retention.as_secs()).unwrap_or(i64::MAX);
        let before = now.saturating_sub(retention);
        let token = self.parts.tasks.token();
        while !token.is_cancelled() {
            match self.parts.index.run(move |index| index.pulls().trim(before)).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => return tracing::error!(%error, "old pulls could not be removed"),
            }
        }
    }
}

/// What comes within a moment after `first`, with it.
async fn gather(first: Pulled, pulls: &mut mpsc::Receiver<Pulled>) -> Vec<Pulled> {
    let mut batch = vec![first];
    let mut end = std::pin::pin!(tokio::time::sleep(GATHER));
    while batch.len() < MOST {
        let room = MOST - batch.len();
        let received = tokio::select! {
            () = end.as_mut() => break,
            received = pulls.recv_many(&mut batch, room) => received,
        };
        if received == 0 {
            break;
        }
    }
    batch
}

/// The record with its tag, where the image belongs to an index that one of the puller's tags named.
fn named(index: &Index, pulled: Pulled) -> Result<PullRecord, IndexError> {
    let Pulled { mut record, candidates } = pulled;
    if !candidates.is_empty() {
        let parents = index.aliases().parents(&record.image)?;
        let leads = |named| parents.iter().any(|edge| edge.parent == named);
        record.tag = candidates.into_iter().find(|(_, named)| leads(*named)).map(|(tag, _)| tag);
    }
    Ok(record)
}
