//! Reads what passes: follows each layer while it streams, keeps its inventory, and folds images once their layers are known.
//!
//! Owns the order of work and the states of an image. Reading a layer is `weir_scanner`'s, fetching what no client asked for
//! is [`crate::pull`]'s, matching with advisories is asked for through [`Composed`]. A scan that fails is a result; nothing here
//! is ever waited for by a pull.

mod base;
mod budget;
mod fold;
mod image;
mod layer;
mod matching;
pub mod once;
mod queue;
mod request;
mod sweep;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use weir_scanner::content::Buffers;
use weir_scanner::detect::DetectorSet;
use weir_scanner::layer::LayerLimits;
use weir_scanner::oci::Digest;
use weir_scanner::package::Ecosystem;
use weir_storage::blob::BlobStore;
use weir_storage::index::{Index, IndexError};

use crate::clock::Clock;
use crate::metrics::ScanMetrics;
use crate::pull::{Location, Puller, Seen, Turns};
use crate::tasks::{PermitClass, Tasks};

pub use budget::FetchBudget;
pub use matching::match_image;
pub use request::{RequestRefused, ScanRequestParts, ScanRequests};

/// Images worked on at once; further ones stay queued in the index for the sweeper.
const MOST_IMAGES: usize = 32;
/// Seconds after which a served image's last pull is written again.
const NOTE_SECONDS: i64 = 300;
/// Images whose last note is remembered.
const MOST_NOTED: usize = 16_384;

/// Why an image is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occasion {
    /// A client asked for it just now, and will ask for its layers.
    Pulled,
    /// It was left unread, or only partly read.
    Left,
    /// weir itself was asked to, so no client is waited for.
    Requested,
}

/// What becomes of an image that is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    /// It is being read.
    Reading,
    /// Too many are being read now: it waits.
    Busy,
    /// Its manifest is not stored, or is no image's.
    NotStored,
}

/// An image's inventory is stored: whoever matches may begin.
#[derive(Clone, Debug)]
pub struct Composed {
    /// The image's manifest.
    pub digest: Digest,
    /// The ecosystems its packages belong to.
    pub ecosystems: Vec<Ecosystem>,
}

/// What the scanner is built from.
pub struct ScannerParts {
    /// The pull path, for bytes.
    pub puller: Puller,
    /// The blob store, to see what is there or on its way.
    pub blobs: BlobStore,
    /// The index.
    pub index: Index,
    /// What reads files of interest.
    pub detectors: DetectorSet,
    /// Limits for one layer.
    pub limits: LayerLimits,
    /// What files of interest are held in while they are looked at.
    pub buffers: Buffers,
    /// Layers read at once.
    pub readers: usize,
    /// Fetches in the background.
    pub budget: FetchBudget,
    /// How long a layer is left to the clients before weir fetches it itself.
    pub grace: Duration,
    /// Where finished inventories are announced.
    pub composed: mpsc::Sender<Composed>,
    /// The scanner's instruments.
    pub metrics: ScanMetrics,
    /// Owner of its tasks.
    pub tasks: Tasks,
    /// The time.
    pub clock: Clock,
}

/// The scanner. Clones share everything.
#[derive(Clone)]
pub struct Scanner(Arc<Inner>);

struct Inner {
    puller: Puller,
    blobs: BlobStore,
    index: Index,
    detectors: Arc<DetectorSet>,
    fingerprint: String,
    limits: LayerLimits,
    buffers: Buffers,
    class: PermitClass,
    budget: FetchBudget,
    grace: Duration,
    /// One reader for each layer, however many images share it.
    turns: Turns<Digest>,
    /// Changes whenever a blob's fetch begins.
    started: watch::Sender<u64>,
    working: Mutex<HashSet<Digest>>,
    noted: Mutex<HashMap<Digest, i64>>,
    queue: queue::Queue,
    composed: mpsc::Sender<Composed>,
    metrics: ScanMetrics,
    tasks: Tasks,
    clock: Clock,
}

impl Scanner {
    /// Builds the scanner; it works once [`Scanner::run`] does.
    pub fn new(parts: ScannerParts) -> Self {
        Self(Arc::new(Inner {
            fingerprint: parts.detectors.fingerprint().to_owned(),
            detectors: Arc::new(parts.detectors),
            puller: parts.puller,
            blobs: parts.blobs,
            index: parts.index,
            limits: parts.limits,
            buffers: parts.buffers,
            class: PermitClass::new("layer-scan", parts.readers),
            budget: parts.budget,
            grace: parts.grace,
            turns: Turns::default(),
            started: watch::Sender::new(0),
            working: Mutex::default(),
            noted: Mutex::default(),
            queue: queue::Queue::new(parts.metrics.clone()),
            composed: parts.composed,
            metrics: parts.metrics,
            tasks: parts.tasks,
            clock: parts.clock,
        }))
    }

    /// The detectors' fingerprint: inventories made under another one are made again.
    pub fn fingerprint(&self) -> &str {
        &self.0.fingerprint
    }

    /// Takes what the pull path saw, and looks for unfinished images from time to time, until cancelled.
    pub async fn run(self, mut seen: mpsc::Receiver<Seen>, sweep_every: Duration) {
        let token = self.0.tasks.token();
        let mut sweep = tokio::time::interval(sweep_every);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = token.cancelled() => return,
                _ = sweep.tick() => self.sweep().await,
                seen = seen.recv() => match seen {
                    Some(Seen::Manifest { location, digest }) => self.manifest_seen(location, digest),
                    Some(Seen::BlobStarted { .. }) => self.0.started.send_modify(|count| *count += 1),
                    None => return,
                },
            }
        }
    }

    /// Begins work on an image that was served, unless it was a moment ago.
    fn manifest_seen(&self, location: Location, digest: Digest) {
        let now = self.0.clock.now();
        {
            let mut noted = self.0.noted.lock().unwrap_or_else(PoisonError::into_inner);
            if noted.get(&digest).is_some_and(|at| now.saturating_sub(*at) < NOTE_SECONDS) {
                return;
            }
            if noted.len() >= MOST_NOTED {
                noted.clear();
            }
            noted.insert(digest, now);
        }
        if self.start(location.clone(), digest, Occasion::Pulled) {
            return;
        }
        // It is being read already, or has to wait for the sweeper: its row says for now that it was pulled.
        let scanner = self.clone();
        self.0.tasks.spawn("image-note", async move {
            if let Err(error) = scanner.note_pulled(&location, digest).await {
                tracing::error!(image.digest = %digest, %error, "the image's pull could not be recorded");
            }
        });
    }

    async fn note_pulled(&self, location: &Location, digest: Digest) -> Result<(), IndexError> {
        match self.image_manifest(digest).await? {
            Some(manifest) => self.admit(location, digest, &manifest, Occasion::Pulled).await.map(drop),
            None => Ok(()),
        }
    }

    /// Has an image read that no client asked for. Its row is written at once, so that the sweeper knows it from here on.
    ///
    /// # Errors
    /// The image's row cannot be written.
    pub async fn request(&self, location: &Location, digest: Digest) -> Result<Requested, IndexError> {
        let Some(manifest) = self.image_manifest(digest).await? else { return Ok(Requested::NotStored) };
        self.admit(location, digest, &manifest, Occasion::Requested).await?;
        let begun = self.start(location.clone(), digest, Occasion::Requested) || self.is_reading(&digest);
        Ok(if begun { Requested::Reading } else { Requested::Busy })
    }

    /// Whether an image is being read now.
    pub fn is_reading(&self, digest: &Digest) -> bool {
        self.0.working.lock().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }

    /// Starts a task for an image unless one is at it, or too many are.
    fn start(&self, location: Location, digest: Digest, occasion: Occasion) -> bool {
        {
            let mut working = self.0.working.lock().unwrap_or_else(PoisonError::into_inner);
            if working.len() >= MOST_IMAGES || !working.insert(digest) {
                return false;
            }
        }
        let scanner = self.clone();
        self.0.tasks.spawn("image-scan", async move {
            // Leaves the set however the task ends, so that a panic does not keep the image out for ever.
            let _working = Working { scanner: &scanner, digest };
            let token = scanner.0.tasks.token();
            if let Some(Err(error)) = token.run_until_cancelled(scanner.read_image(&location, digest, occasion)).await {
                tracing::error!(image.digest = %digest, %error, "the image's scan could not be recorded");
            }
        });
        true
    }
}

struct Working<'a> {
    scanner: &'a Scanner,
    digest: Digest,
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.scanner.0.working.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.digest);
    }
}
