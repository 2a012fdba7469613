//! What runs where: worked out in the background, joined with the index in [`super::model`], read by the report and the metrics.
//!
//! Owns when it is made: soon after something changed, at most every so often, however much changes. Whoever reads gets the
//! last one whole. What runs is told to the blob store, to whoever fetches what weir has not seen, and to the index's record of lives.

mod counts;
#[cfg(test)]
mod properties;
mod retention;
#[cfg(test)]
mod sample;
mod series;
mod view;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use weir_scanner::exception::Rules;
use weir_scanner::oci::Digest;
use weir_storage::blob::BlobStore;
use weir_storage::index::{Index, IndexError};

use crate::clock::Clock;
use crate::metrics::InventoryMetrics;
use crate::report::exceptions::Exceptions;
use crate::report::model::{Catalog, Model, Settings, Shared as SharedModel};
use crate::report::nodes::{NodeChecks, NodeMaker};
use crate::tasks::{PermitClass, Tasks};
use crate::workload::{Clusters, Inventory, InventoryMaker, LifeKeeper, Unseen};

pub use counts::Due;
pub(in crate::report) use counts::FindingCounts;
pub use retention::{RetentionParts, forget_unused};
pub use view::FleetView;
pub(in crate::report) use view::{Known, Place, RunningImage, image_of, running_images};

/// The least time between the beginnings of two makings.
const PAUSE: Duration = Duration::from_millis(500);
/// After a making it rests this many times as long as that took, up to [`MOST_REST`]: a large fleet that changes without end leaves more of
/// the machine to pulls.
const REST: u32 = 4;
/// The longest rest: with two makings of a quarter of a second around it, what happens in a cluster is in the report within a second.
const MOST_REST: Duration = Duration::from_millis(500);
/// How often it is made where nothing in the clusters changed: scans end, advisories come, times pass.
const IDLE: Duration = Duration::from_secs(2);
/// The same where there is no cluster and nothing changed: an image becomes idle, a finding overdue. Whoever asks sees that at once.
const REST_SECONDS: i64 = 60;

/// The fleet. Clones share it.
#[derive(Clone, Default)]
pub struct Fleet(Arc<Shared>);

#[derive(Default)]
struct Shared {
    model: SharedModel,
    /// Whether it was made once, or could not be.
    made: watch::Sender<bool>,
}

/// What the fleet is made from.
pub struct FleetParts {
    /// The clusters.
    pub clusters: Clusters,
    /// The index.
    pub index: Index,
    /// What nodes told of themselves.
    pub checks: NodeChecks,
    /// How long pulls are kept, and count.
    pub pull_retention: Duration,
    /// What was decided.
    pub exceptions: Exceptions,
    /// Told what runs.
    pub blobs: BlobStore,
    /// Told what runs unseen.
    pub unseen: Unseen,
    /// Where its numbers are shown.
    pub metrics: InventoryMetrics,
    /// Owner of its task.
    pub tasks: Tasks,
    /// The time.
    pub clock: Clock,
}

impl Fleet {
    /// A fleet that was not made yet: when its findings are due to be gone, and how long after its last use an image is idle.
    pub fn new(due: Due, idle_after: Duration) -> Self {
        let idle_seconds = i64::try_from(idle_after.as_secs()).unwrap_or(i64::MAX);
        let model = SharedModel::new(Settings { due: Arc::new(due), idle_seconds });
        Self(Arc::new(Shared { model, ..Shared::default() }))
    }

    /// The fleet as it was made last.
    pub fn view(&self) -> Arc<FleetView> {
        Arc::clone(self.model().view())
    }

    /// The same joined with the index.
    pub(in crate::report) fn model(&self) -> Arc<Model> {
        self.0.model.model()
    }

    /// Takes up what changed in the index a moment ago and what exceptions say now, at `now` (seconds since the epoch), so that who changed
    /// it sees it. Blocks.
    ///
    /// # Errors
    /// The index cannot be read.
    pub(in crate::report) fn refresh(&self, index: &Index, rules: Arc<Rules>, now: i64) -> Result<(), IndexError> {
        self.0.model.refresh(index, rules, now)
    }

    /// Waits until it was made once, or could not be: before, what was heard before a restart is not in it.
    pub async fn made(&self) {
        // The sender is in the same place as this receiver's.
        let _: Result<_, watch::error::RecvError> = self.0.made.subscribe().wait_for(|made| *made).await;
    }

    /// Makes the fleet whenever something changed, until cancelled.
    pub async fn run(self, parts: FleetParts) {
        let (token, class) = (parts.tasks.token(), PermitClass::new("fleet", 1));
        let (mut changed, mut decided) = (parts.clusters.changed(), parts.exceptions.changed());
        let mut maker = Maker::new(&parts);
        loop {
            let began = Instant::now();
            let now = parts.clock.now();
            let fleet = self.clone();
            let made = parts.tasks.blocking("fleet", &class, move || {
                let made = maker.make(&fleet.0.model, now);
                (maker, made)
            });
            match made.await {
                Ok((back, made)) => {
                    maker = back;
                    match made {
                        Ok(view) => parts.unseen.look(&view.inventory),
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
            let rest = (began.elapsed() * REST).min(MOST_REST);
            let next = (began + PAUSE).max(Instant::now() + rest);
            if token.run_until_cancelled(tokio::time::sleep_until(next)).await.is_none() {
                return;
            }
            tokio::select! {
                () = token.cancelled() => return,
                _ = changed.changed() => {}
                _ = decided.changed() => {}
                () = tokio::time::sleep(IDLE) => {}
            }
        }
    }
}

/// Makes one fleet after the other.
struct Maker {
    inventory: InventoryMaker,
    life: LifeKeeper,
    nodes: NodeMaker,
    /// Blobs of what runs, as the store was told last.
    running: HashSet<Digest>,
    /// What was made last, where there was no cluster.
    resting: Option<Arc<Model>>,
    index: Index,
    exceptions: Exceptions,
    blobs: BlobStore,
    unseen: Unseen,
    metrics: InventoryMetrics,
}

impl Maker {
    fn new(parts: &FleetParts) -> Self {
        Self {
            inventory: InventoryMaker::new(parts.clusters.clone(), parts.index.clone()),
            life: LifeKeeper::default(),
            nodes: NodeMaker::new(parts.checks.clone(), parts.index.clone(), parts.pull_retention),
            running: HashSet::new(),
            resting: None,
            index: parts.index.clone(),
            exceptions: parts.exceptions.clone(),
            blobs: parts.blobs.clone(),
            unseen: parts.unseen.clone(),
            metrics: parts.metrics.clone(),
        }
    }

    fn make(&mut self, shared: &SharedModel, now: i64) -> Result<Arc<FleetView>, IndexError> {
        let inventory = self.inventory.make(now)?;
        // A disk that is full keeps no times; what runs is shown all the same.
        if let Err(error) = self.life.note(&inventory, &self.index) {
            tracing::warn!(%error, "when images began and ceased to run could not be written");
        }
        // After what runs was looked up, so that what leads to an image here finds it there.
        let catalog = shared.follow(&self.index)?;
        let may_rest = inventory.clusters.is_empty() && self.nodes.is_idle();
        // Without a cluster nothing runs: while neither the index nor the rules change, all stays as it is, but for what time changes.
        let is_same = |last: &&Arc<Model>| {
            last.is_of(&catalog, &self.exceptions.rules()) && now.saturating_sub(last.now()) < REST_SECONDS
        };
        if let Some(last) = self.resting.as_ref().filter(|_| may_rest).filter(is_same) {
            return Ok(Arc::clone(last.view()));
        }
        let images = self.images(&inventory, &catalog);
        let nodes = self.nodes.make(&inventory, &images, now)?;
        let view = FleetView { inventory, images, nodes };
        let model = shared.set_view(view, || self.exceptions.rules(), &self.index, now)?;
        self.tell_blobs(&model);
        self.metrics.publish(series::families(&model));
        let view = Arc::clone(model.view());
        self.resting = may_rest.then_some(model);
        Ok(view)
    }

    /// Drops all that is held: what changed meanwhile was asked for once and is not told again.
    fn start_over(&mut self) {
        self.inventory.start_over();
        self.resting = None;
    }

    fn images(&self, inventory: &Inventory, catalog: &Catalog) -> HashMap<Digest, RunningImage> {
        let mut images: HashMap<Digest, RunningImage> = HashMap::new();
        for (at, cluster) in inventory.clusters.iter().enumerate() {
            for (index, workload) in cluster.workloads.iter().enumerate() {
                for digest in running_images(workload) {
                    let first_seen = self.life.first_seen(&workload.key, &digest).unwrap_or(inventory.at);
                    let image = images.entry(digest).or_insert_with(|| {
                        let known = match catalog.image(&digest) {
                            Some(row) => Known::Seen(Arc::clone(row)),
                            None => Known::Unseen(self.unseen.state(&digest)),
                        };
                        RunningImage { known, users: Vec::new(), first_seen }
                    });
                    image.first_seen = image.first_seen.min(first_seen);
                    image.users.push((at, index));
                }
            }
        }
        images
    }

    /// Names the blobs of what runs to the store, so that they are the last to be evicted.
    fn tell_blobs(&mut self, model: &Model) {
        let rows = model.view().images.values().filter_map(RunningImage::row);
        let running: HashSet<Digest> = rows.flat_map(|row| model.catalog().blobs_of(row)).collect();
        if running != self.running {
            self.blobs.set_running(running.clone());
            self.running = running;
        }
    }
}
