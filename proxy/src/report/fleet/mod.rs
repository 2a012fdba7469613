//! The read model over the index and the workloads: made in the background, held in memory, read by the report and the metrics.
//!
//! Owns when it is made: soon after something changed, at most every so often, however much changes. Whoever reads gets the
//! last one whole. What runs is told to the blob store, to whoever fetches what weir has not seen, and to the index's record of lives.

mod posture;
#[cfg(test)]
mod properties;
mod retention;
#[cfg(test)]
mod sample;
mod series;
mod view;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use weir_scanner::oci::Digest;
use weir_storage::blob::BlobStore;
use weir_storage::index::{CveKind, Index, IndexError};

use crate::clock::Clock;
use crate::metrics::InventoryMetrics;
use crate::tasks::{PermitClass, Tasks};
use crate::workload::{Clusters, Inventory, InventoryMaker, LifeKeeper, Touched, Unseen};

pub use posture::{Due, FindingCounts, Judged, Posture};
pub use retention::{RetentionParts, forget_unused};
pub use view::{FleetView, Known, Place, RunningImage};
pub(in crate::report) use view::{image_of, running_images};

/// The least time between two makings: what changes is shown within a second.
const PAUSE: Duration = Duration::from_millis(500);
/// How often it is made where nothing in the clusters changed: scans end, advisories come, times pass.
const IDLE: Duration = Duration::from_secs(2);

/// The fleet. Clones share it.
#[derive(Clone, Default)]
pub struct Fleet(Arc<Shared>);

#[derive(Default)]
struct Shared {
    view: RwLock<Arc<FleetView>>,
    /// Whether it was made once, or could not be.
    made: watch::Sender<bool>,
}

/// What the fleet is made from.
pub struct FleetParts {
    /// The clusters.
    pub clusters: Clusters,
    /// The index.
    pub index: Index,
    /// Told what runs.
    pub blobs: BlobStore,
    /// Told what runs unseen.
    pub unseen: Unseen,
    /// When findings are due.
    pub due: Due,
    /// Where its numbers are shown.
    pub metrics: InventoryMetrics,
    /// Owner of its task.
    pub tasks: Tasks,
    /// The time.
    pub clock: Clock,
}

impl Fleet {
    /// The fleet as it was made last.
    pub fn view(&self) -> Arc<FleetView> {
        Arc::clone(&self.0.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until it was made once, or could not be: before, what was heard before a restart is not in it.
    pub async fn made(&self) {
        // The sender is in the same place as this receiver's.
        let _: Result<_, watch::error::RecvError> = self.0.made.subscribe().wait_for(|made| *made).await;
    }

    fn set(&self, view: Arc<FleetView>) {
        *self.0.view.write().unwrap_or_else(PoisonError::into_inner) = view;
    }

    /// Makes the fleet whenever something changed, until cancelled.
    pub async fn run(self, parts: FleetParts) {
        let (token, class) = (parts.tasks.token(), PermitClass::new("fleet", 1));
        let mut changed = parts.clusters.changed();
        let mut maker = Maker::new(&parts);
        loop {
            let began = Instant::now();
            let now = parts.clock.now();
            let made = parts.tasks.blocking("fleet", &class, move || {
                let made = maker.make(now);
                (maker, made)
            });
            // Without a cluster nothing runs, whatever is scanned meanwhile.
            let mut rests = false;
            match made.await {
                Ok((back, made)) => {
                    maker = back;
                    match made {
                        Ok(view) => {
                            rests = view.inventory.clusters.is_empty();
                            parts.unseen.look(&view.inventory);
                            self.set(Arc::new(view));
                        }
                        Err(error) => {
                            tracing::error!(%error, "what runs where could not be worked out");
                            maker.start_over();
                        }
                    }
                }
                // The log has the panic; the next making begins from nothing.
                Err(_) => maker = Maker::new(&parts),
            }
            self.0.made.send_replace(true);
            if token.run_until_cancelled(tokio::time::sleep_until(began + PAUSE)).await.is_none() {
                return;
            }
            tokio::select! {
                () = token.cancelled() => return,
                _ = changed.changed() => {}
                () = tokio::time::sleep(IDLE), if !rests => {}
            }
        }
    }
}

/// Makes one fleet after the other.
struct Maker {
    inventory: InventoryMaker,
    life: LifeKeeper,
    /// Of images that run.
    postures: HashMap<Digest, Arc<Posture>>,
    /// The list of exploited vulnerabilities that the postures were made with.
    exploited: Option<u64>,
    /// Blobs of what runs, as the store was told last.
    running: HashSet<Digest>,
    index: Index,
    blobs: BlobStore,
    unseen: Unseen,
    due: Due,
    metrics: InventoryMetrics,
}

impl Maker {
    fn new(parts: &FleetParts) -> Self {
        Self {
            inventory: InventoryMaker::new(parts.clusters.clone(), parts.index.clone()),
            life: LifeKeeper::default(),
            postures: HashMap::new(),
            exploited: None,
            running: HashSet::new(),
            index: parts.index.clone(),
            blobs: parts.blobs.clone(),
            unseen: parts.unseen.clone(),
            due: parts.due.clone(),
            metrics: parts.metrics.clone(),
        }
    }

    fn make(&mut self, now: i64) -> Result<FleetView, IndexError> {
        let (inventory, touched) = self.inventory.make(now)?;
        // A disk that is full keeps no times; what runs is shown all the same.
        if let Err(error) = self.life.note(&inventory, &self.index) {
            tracing::warn!(%error, "when images began and ceased to run could not be written");
        }
        self.forget(&touched)?;
        let images = self.images(&inventory)?;
        self.postures.retain(|digest, _| images.contains_key(digest));
        let view = FleetView { inventory, images };
        self.tell_blobs(&view);
        self.metrics.publish(series::families(&view, &self.due, now));
        Ok(view)
    }

    /// Drops all that is held: what changed meanwhile was asked for once and is not told again.
    fn start_over(&mut self) {
        self.inventory.start_over();
        self.postures.clear();
    }

    /// Drops what was read of images that changed since.
    fn forget(&mut self, touched: &Touched) -> Result<(), IndexError> {
        let exploited = self.index.cves().source(CveKind::Kev)?.and_then(|state| state.current);
        match touched {
            Touched::These(digests) if exploited == self.exploited => {
                for digest in digests {
                    self.postures.remove(digest);
                }
            }
            _ => self.postures.clear(),
        }
        self.exploited = exploited;
        Ok(())
    }

    fn images(&mut self, inventory: &Inventory) -> Result<HashMap<Digest, RunningImage>, IndexError> {
        let mut images: HashMap<Digest, RunningImage> = HashMap::with_capacity(self.postures.len());
        for (at, cluster) in inventory.clusters.iter().enumerate() {
            for (index, workload) in cluster.workloads.iter().enumerate() {
                for digest in running_images(workload) {
                    let first_seen = self.life.first_seen(&workload.key, &digest).unwrap_or(inventory.at);
                    let image = match images.entry(digest) {
                        std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                        std::collections::hash_map::Entry::Vacant(entry) => {
                            let known = match posture(&mut self.postures, &self.index, &digest)? {
                                Some(posture) => Known::Seen(posture),
                                None => Known::Unseen(self.unseen.state(&digest)),
                            };
                            entry.insert(RunningImage { known, users: Vec::new(), first_seen })
                        }
                    };
                    image.first_seen = image.first_seen.min(first_seen);
                    image.users.push((at, index));
                }
            }
        }
        Ok(images)
    }

    /// Names the blobs of what runs to the store, so that they are the last to be evicted.
    fn tell_blobs(&mut self, view: &FleetView) {
        let mut running = HashSet::with_capacity(self.running.len());
        for posture in view.images.values().filter_map(RunningImage::posture) {
            running.insert(posture.record.config);
            running.extend(posture.record.layers.iter().map(|layer| layer.digest));
        }
        if running != self.running {
            self.blobs.set_running(running.clone());
            self.running = running;
        }
    }
}

/// What is known of an image, read where it is not held.
fn posture(
    held: &mut HashMap<Digest, Arc<Posture>>,
    index: &Index,
    digest: &Digest,
) -> Result<Option<Arc<Posture>>, IndexError> {
    if let Some(known) = held.get(digest) {
        return Ok(Some(Arc::clone(known)));
    }
    let Some(read) = Posture::read(index, digest)?.map(Arc::new) else { return Ok(None) };
    held.insert(*digest, Arc::clone(&read));
    Ok(Some(read))
}
