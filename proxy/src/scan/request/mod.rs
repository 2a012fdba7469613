//! Images scanned on request: a reference comes in, is fetched in weir's own name, and its images are scanned like any other.
//!
//! Owns the requests' life: queued, fetching, scanning, then done or failed. The queue is the index, so that a restart takes up
//! what was left. Leaves fetching to [`crate::pull`] and reading to [`Scanner`]. Invariant: a request ends, if only by its deadline,
//! and an image that was only requested counts as never pulled.

mod failure;
mod images;
mod work;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use weir_scanner::oci::{InvalidReference, Platform, Reference};
use weir_storage::index::{Index, IndexError, ScanRequestRecord, ScanRequestState};

use super::Scanner;
use crate::clock::Clock;
use crate::pull::Puller;
use crate::tasks::Tasks;

/// Requests that may wait or be worked on at once.
const MOST_UNFINISHED: usize = 256;
/// Requests worked on at once.
const WORKERS: usize = 2;
/// Requests remembered, and for how long.
const MOST_KEPT: usize = 10_000;
const KEPT_SECONDS: i64 = 30 * 24 * 3600;

/// Why a request is not taken.
#[derive(Debug, thiserror::Error)]
pub enum RequestRefused {
    /// The reference is none.
    #[error(transparent)]
    Reference(#[from] InvalidReference),
    /// No upstream of that name is configured.
    #[error("{0:?} is not a configured upstream of this mirror")]
    UnknownUpstream(String),
    /// Too many wait already; later there may be room.
    #[error("{MOST_UNFINISHED} requests wait already")]
    Full,
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// What [`ScanRequests`] is built from.
pub struct ScanRequestParts {
    /// What fetches manifests.
    pub puller: Puller,
    /// What reads images.
    pub scanner: Scanner,
    /// Where requests are kept.
    pub index: Index,
    /// Owner of the work.
    pub tasks: Tasks,
    /// The time.
    pub clock: Clock,
}

/// The requests. Clones share everything.
#[derive(Clone)]
pub struct ScanRequests(Arc<Inner>);

struct Inner {
    parts: ScanRequestParts,
    /// Held while a request is added, so that the same one is not added twice.
    adding: tokio::sync::Mutex<()>,
    /// The requests that are worked on, by id.
    working: Mutex<HashSet<String>>,
    added: Notify,
}

impl ScanRequests {
    /// The requests in an index; they are worked on once [`ScanRequests::run`] is.
    pub fn new(parts: ScanRequestParts) -> Self {
        Self(Arc::new(Inner {
            parts,
            adding: tokio::sync::Mutex::default(),
            working: Mutex::default(),
            added: Notify::new(),
        }))
    }

    /// Takes a request; the same one, where it is not finished yet, is answered with again.
    ///
    /// # Errors
    /// [`RequestRefused`], as it says.
    pub async fn ask(&self, reference: &str, platform: Option<Platform>) -> Result<ScanRequestRecord, RequestRefused> {
        let reference: Reference = reference.parse()?;
        if !self.0.parts.puller.knows(&reference.upstream) {
            return Err(RequestRefused::UnknownUpstream(reference.upstream));
        }
        let reference = reference.to_string();
        let now = self.0.parts.clock.now();
        let _adding = self.0.adding.lock().await;
        let add = move |index: &Index| {
            let unfinished = index.scan_requests().unfinished()?;
            let same = |known: &&ScanRequestRecord| known.reference == reference && known.platform == platform;
            if let Some(known) = unfinished.iter().find(same) {
                return Ok(Some(known.clone()));
            }
            if unfinished.len() >= MOST_UNFINISHED {
                return Ok(None);
            }
            let record = ScanRequestRecord {
                id: format!("{:016x}", fastrand::u64(..)),
                reference,
                platform,
                requested_at: now,
                updated_at: now,
                state: ScanRequestState::Queued,
                images: Vec::new(),
            };
            index.scan_requests().put(&record)?;
            Ok::<_, IndexError>(Some(record))
        };
        let record = self.0.parts.index.run(add).await?.ok_or(RequestRefused::Full)?;
        self.0.added.notify_one();
        Ok(record)
    }

    /// Works on requests until cancelled; what is not finished then is taken up by the next start.
    pub async fn run(self) {
        let workers: Vec<_> =
            (0..WORKERS).map(|_| self.0.parts.tasks.spawn("scan-request-worker", self.clone().work())).collect();
        for worker in workers {
            // A panic was logged under the worker's name; the other one goes on.
            let _: Result<(), _> = worker.await;
        }
    }

    /// The oldest request nobody works on, now taken.
    async fn next(&self) -> Result<Option<Taken>, IndexError> {
        let before = self.0.parts.clock.now().saturating_sub(KEPT_SECONDS);
        let read = move |index: &Index| {
            // Those added since the last look count too.
            index.scan_requests().trim(before, MOST_KEPT - MOST_UNFINISHED)?;
            index.scan_requests().unfinished()
        };
        let waiting = self.0.parts.index.run(read).await?;
        let mut working = self.0.working.lock().unwrap_or_else(PoisonError::into_inner);
        let free = waiting.into_iter().find(|record| !working.contains(&record.id));
        Ok(free.map(|record| {
            working.insert(record.id.clone());
            Taken { requests: self.clone(), record }
        }))
    }
}

/// A request that is worked on; dropping it lets another take it up.
struct Taken {
    requests: ScanRequests,
    record: ScanRequestRecord,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.requests.0.working.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.record.id);
    }
}
