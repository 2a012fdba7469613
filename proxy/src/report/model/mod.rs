//! The report's read model: every image that weir has seen or that runs, with its findings, in memory.
//!
//! Made of three things that change on their own: the [`Catalog`] of the index, the fleet's view of what runs, and the rules of
//! exceptions. A [`Model`] is one moment of all three; whoever holds one sees no other. Lists and statistics are worked out from it by
//! one [`select::Selection`], so that they add up. Leaves to [`super::fleet`] when it is made, and to the endpoints how it is told.

mod catalog;
mod count;
mod cursor;
mod digests;
mod except;
mod facets;
mod finding;
#[cfg(test)]
mod following;
mod holders;
mod images;
mod kinds;
mod names;
#[cfg(test)]
mod orders;
mod preview;
#[cfg(test)]
mod properties;
mod read;
mod repositories;
mod row;
#[cfg(test)]
pub(in crate::report) mod sample;
mod search;
mod select;
mod shared;
mod sieve;
mod statistics;
mod texts;
mod vulnerabilities;
mod vulnerability;
mod work;

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;
use weir_scanner::exception::{Place as RulePlace, Rules};
use weir_scanner::oci::Digest;

use super::Report;
use super::filter::{ImageFacts, ImageStatus};
use super::fleet::{Due, FleetView, Place, RunningImage};
use super::problem::Problem;
use crate::workload::Workload;

pub(in crate::report) use catalog::Catalog;
pub(in crate::report) use cursor::{Listed, Page};
pub(in crate::report) use digests::RepositoryImage;
use except::Decisions;
pub(in crate::report) use images::SORTS as IMAGE_SORTS;
use names::Names;
pub(in crate::report) use repositories::SORTS as REPOSITORY_SORTS;
pub(in crate::report) use row::ImageRow;
pub(in crate::report) use shared::Shared;
use texts::Repository;
pub(in crate::report) use vulnerabilities::SORTS as VULNERABILITY_SORTS;
pub(in crate::report) use vulnerability::VulnerabilityDetail;
pub(in crate::report) use work::Work;

/// Questions at work at the same time: fewer than the index lets in, so that pulls, which read it too, do not wait behind lists.
static QUESTIONS: Semaphore = Semaphore::const_new(4);

/// For how long a model stands where nothing but the time changes.
const CURRENT_SECONDS: i64 = 5;

/// What a [`Model`] is made from.
struct ModelParts {
    catalog: Arc<Catalog>,
    view: Arc<FleetView>,
    rules: Arc<Rules>,
    /// Images that run and that weir has not seen.
    unseen: Vec<Arc<ImageRow>>,
    /// Every repository, those of unseen images too.
    repositories: Arc<Vec<Arc<Repository>>>,
    settings: Settings,
    /// The time, seconds since the epoch.
    now: i64,
}

/// What the configuration says of the report's numbers.
#[derive(Clone, Debug, Default)]
pub(in crate::report) struct Settings {
    /// When findings are due to be gone.
    pub(in crate::report) due: Arc<Due>,
    /// Seconds after its last use from which on an image is no longer idle.
    pub(in crate::report) idle_seconds: i64,
}

/// Every image and what is wrong with it, at one moment.
#[derive(Default)]
pub(in crate::report) struct Model {
    catalog: Arc<Catalog>,
    view: Arc<FleetView>,
    rules: Arc<Rules>,
    repositories: Arc<Vec<Arc<Repository>>>,
    /// First seen last first, those of one moment by digest.
    images: Vec<Image>,
    by_digest: HashMap<Digest, u32>,
    /// What exceptions say of each image.
    decided: Vec<Option<Arc<Decisions>>>,
    /// The workloads that run each image, by their numbers.
    users: Vec<u32>,
    /// Every workload's place, by its number.
    places: Vec<Place>,
    /// Made when they are asked for first.
    names: OnceLock<Arc<Names>>,
    settings: Settings,
    now: i64,
    /// Until when no exception expires.
    decided_until: Option<i64>,
    /// Until when no image is retired.
    used_until: Option<i64>,
}

/// An image as it is used.
struct Image {
    row: Arc<ImageRow>,
    status: ImageStatus,
    last_run: Option<i64>,
    /// Where its workloads are among [`Model::users`].
    users: Range<usize>,
}

impl Model {
    /// Joins the parts. Of the model before, what exceptions say of images that are the same is kept.
    fn new(parts: ModelParts, before: &Self) -> Self {
        let ModelParts { catalog, view, rules, unseen, repositories, settings, now } = parts;
        let mut model = Self {
            images: Vec::with_capacity(catalog.images.len() + unseen.len()),
            catalog,
            view,
            rules,
            repositories,
            settings,
            now,
            ..Self::default()
        };
        let mut firsts = Vec::with_capacity(model.view.inventory.clusters.len());
        for (at, cluster) in model.view.inventory.clusters.iter().enumerate() {
            firsts.push(model.places.len());
            model.places.extend((0..cluster.workloads.len()).map(|index| (at, index)));
        }
        let mut rows: Vec<Arc<ImageRow>> = model.catalog.images.iter().cloned().chain(unseen).collect();
        catalog::sort(&mut rows, |row| row);
        for row in rows {
            let running = model.view.images.get(&row.digest);
            let start = model.users.len();
            for (cluster, index) in running.map(|image| image.users.as_slice()).unwrap_or_default() {
                model.users.push(u32::try_from(firsts[*cluster] + index).unwrap_or(u32::MAX));
            }
            let (status, last_run) = used(&row, running, model.view.inventory.at, model.settings.idle_seconds, now);
            if let ImageStatus::Idle = status {
                let retired_at = last_used(&row).saturating_add(model.settings.idle_seconds).saturating_add(1);
                model.used_until = Some(model.used_until.map_or(retired_at, |until| until.min(retired_at)));
            }
            model.by_digest.insert(row.digest, u32::try_from(model.images.len()).unwrap_or(u32::MAX));
            model.images.push(Image { row, status, last_run, users: start..model.users.len() });
        }
        if Arc::ptr_eq(&model.view, &before.view) {
            model.names = before.names.clone();
        }
        except::decide(&mut model, before);
        model
    }

    /// The fleet it is made from.
    pub(in crate::report) fn view(&self) -> &Arc<FleetView> {
        &self.view
    }

    /// Whether it is made from these.
    pub(in crate::report) fn is_of(&self, catalog: &Arc<Catalog>, rules: &Rules) -> bool {
        Arc::ptr_eq(&self.catalog, catalog) && self.rules.revision() == rules.revision()
    }

    /// The images of the index it is made from.
    pub(in crate::report) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// When it was made, seconds since the epoch.
    pub(in crate::report) fn now(&self) -> i64 {
        self.now
    }

    /// Whether it still stands at `now` (seconds since the epoch): no exception expired since, no image was retired, and what became
    /// overdue did so [`CURRENT_SECONDS`] ago at most.
    fn is_current(&self, now: i64) -> bool {
        let age = now.saturating_sub(self.now);
        let changes_at = [self.decided_until, self.used_until].into_iter().flatten().min();
        (0..CURRENT_SECONDS).contains(&age) && changes_at.is_none_or(|at| now < at)
    }

    /// The number of an image, by its manifest's digest.
    fn number(&self, digest: &Digest) -> Option<u32> {
        self.by_digest.get(digest).copied()
    }

    fn image(&self, number: u32) -> &Image {
        &self.images[number as usize]
    }

    /// The numbers of the workloads that run an image.
    fn users_of(&self, number: u32) -> &[u32] {
        &self.users[self.image(number).users.clone()]
    }

    fn workload(&self, number: u32) -> &Workload {
        self.view.workload(self.places[number as usize])
    }

    fn cluster_of(&self, workload: u32) -> usize {
        self.places[workload as usize].0
    }

    fn cluster_name(&self, cluster: usize) -> &str {
        &self.view.inventory.clusters[cluster].status.name
    }

    /// The clusters of some workloads, in order.
    fn clusters(&self, workloads: impl Iterator<Item = u32>) -> Vec<String> {
        let clusters: BTreeSet<usize> = workloads.map(|workload| self.cluster_of(workload)).collect();
        clusters.into_iter().map(|cluster| self.cluster_name(cluster).to_owned()).collect()
    }

    /// A workload as rules ask about it.
    fn rule_place(&self, workload: u32) -> RulePlace<'_> {
        let Workload { key, labels, .. } = self.workload(workload);
        RulePlace { cluster: &key.cluster, namespace: &key.namespace, labels }
    }

    fn names(&self) -> &Names {
        self.names.get_or_init(|| Arc::new(Names::of(&self.view)))
    }

    fn repository_name(&self, number: u32) -> &str {
        &self.repositories[number as usize].name
    }

    fn facts(&self, number: u32) -> ImageFacts {
        let image = self.image(number);
        ImageFacts {
            status: image.status,
            scan_status: image.row.status,
            pulled: image.row.last_pulled.is_some(),
            ran: image.last_run.is_some(),
        }
    }
}

/// How an image is used, and when it last ran.
fn used(
    row: &ImageRow,
    running: Option<&RunningImage>,
    at: i64,
    idle_seconds: i64,
    now: i64,
) -> (ImageStatus, Option<i64>) {
    if running.is_some() {
        return (ImageStatus::Running, Some(at));
    }
    let is_idle = now.saturating_sub(last_used(row)) <= idle_seconds;
    (if is_idle { ImageStatus::Idle } else { ImageStatus::Retired }, row.last_run)
}

/// When an image that does not run was used last, seconds since the epoch.
fn last_used(row: &ImageRow) -> i64 {
    row.last_pulled.max(row.last_run).unwrap_or(row.first_seen)
}

impl Report {
    /// The model as it was made last.
    pub(super) fn model(&self) -> Arc<Model> {
        self.fleet.model()
    }

    /// Asks it what goes through many findings, where blocking is allowed: the threads that carry pulls do not wait for a list.
    ///
    /// # Errors
    /// What `ask` meets.
    pub(super) async fn ask_model<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Model) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        // Nobody closes it.
        let turn = QUESTIONS.acquire().await;
        let model = self.model();
        self.index
            .run(move |_| {
                let answer = ask(&model);
                drop(turn);
                answer
            })
            .await
    }
}
