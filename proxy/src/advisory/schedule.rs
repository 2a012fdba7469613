//! When feeds are fetched and images matched.
//!
//! A feed is fetched when an image first needs it, when it is configured, and once every `advisory.refresh`. An image is matched
//! when its inventory is new and its feeds have been asked for, and again when an import touched a package it holds. Fetching
//! and matching go on side by side: a feed that stalls keeps only the images that wait for it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, interval_at};
use weir_scanner::finding::ecosystems;
use weir_scanner::image::ScanStatus;
use weir_scanner::oci::Digest;
use weir_scanner::package::Ecosystem;
use weir_storage::index::{Index, IndexError};

use super::cve::CveSources;
use super::exploitation;
use super::rematch::{Rematch, Step};
use super::source::FeedSource;
use super::upgrade::upgrade;
use crate::clock::Clock;
use crate::metrics::AdvisoryMetrics;
use crate::scan::Composed;
use crate::tasks::Tasks;

/// Images listed at a time.
const PAGE: usize = 64;
/// How often images that were missed are looked for, and old events removed.
const ROUND: Duration = Duration::from_secs(60);

/// What the service is built from.
pub struct AdvisoryParts {
    /// Where feeds come from.
    pub source: FeedSource,
    /// Where what is known of single CVEs comes from.
    pub cves: CveSources,
    /// Ecosystems fetched before an image needs them.
    pub configured: Vec<String>,
    /// Time between refreshes.
    pub refresh: Duration,
    /// How long events are kept.
    pub event_retention: Duration,
    /// The index.
    pub index: Index,
    /// The advisories' instruments.
    pub metrics: AdvisoryMetrics,
    /// Owner of its tasks.
    pub tasks: Tasks,
    /// The time.
    pub clock: Clock,
}

/// The service. Clones share everything.
#[derive(Clone)]
pub struct AdvisoryService(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) parts: AdvisoryParts,
    /// Ecosystems whose feed was asked for since the start, with or without success.
    pub(super) asked: Mutex<BTreeSet<String>>,
    /// What is to be fetched soon.
    pub(super) wanted: Mutex<Wanted>,
    wanting: Notify,
    /// Feeds were asked for: waiting images may go on, and packages may have been touched.
    pub(super) fetched: Notify,
    /// One import at a time: two of the same feed would undo each other, and memory stays one batch.
    pub(super) importing: tokio::sync::Mutex<()>,
    rematch: Arc<Mutex<Rematch>>,
}

#[derive(Default)]
pub(super) struct Wanted {
    all: bool,
    pub(super) ecosystems: BTreeSet<String>,
}

impl AdvisoryService {
    /// Builds the service; nothing is fetched yet.
    pub fn new(parts: AdvisoryParts) -> Self {
        Self(Arc::new(Inner {
            parts,
            asked: Mutex::default(),
            wanted: Mutex::default(),
            wanting: Notify::new(),
            fetched: Notify::new(),
            importing: tokio::sync::Mutex::new(()),
            rematch: Arc::default(),
        }))
    }

    /// Matches what the scanner announces and refreshes feeds until cancelled.
    pub async fn run(self, composed: mpsc::Receiver<Composed>) {
        let token = self.0.parts.tasks.token();
        let work = async { tokio::join!(self.keep_fresh(), self.keep_matched(composed)) };
        token.run_until_cancelled(work).await;
    }

    /// Asks for a refresh of everything, soon.
    pub fn refresh_soon(&self) {
        locked(&self.0.wanted).all = true;
        self.0.wanting.notify_one();
    }

    async fn keep_fresh(&self) {
        self.show_ages().await;
        self.refresh_all().await;
        let refresh = self.0.parts.refresh;
        let mut due = interval_at(Instant::now() + refresh, refresh);
        loop {
            tokio::select! {
                () = self.0.wanting.notified() => {
                    let Wanted { all, ecosystems } = std::mem::take(&mut *locked(&self.0.wanted));
                    for ecosystem in ecosystems {
                        self.refresh(&ecosystem).await;
                    }
                    if all {
                        self.refresh_all().await;
                    }
                }
                _ = due.tick() => drop(self.refresh_all().await),
            }
        }
    }

    /// The feeds known from before show their age at once.
    async fn show_ages(&self) {
        match self.0.parts.index.run(|index| index.advisories().imports()).await {
            Ok(imports) => {
                for (ecosystem, import) in imports {
                    if let Some(fetched) = import.checked_at.or(import.imported_at) {
                        self.0.parts.metrics.known(&ecosystem, fetched);
                    }
                }
            }
            Err(error) => tracing::error!(%error, "the stored feeds could not be listed"),
        }
    }

    async fn keep_matched(&self, mut composed: mpsc::Receiver<Composed>) {
        if let Err(error) = self.0.parts.index.run(upgrade).await {
            tracing::error!(%error, "images of an earlier version could not be prepared for matching");
        }
        let mut waiting = Vec::new();
        let mut round = tokio::time::interval(ROUND);
        let mut busy = true;
        loop {
            tokio::select! {
                biased;
                image = composed.recv() => match image {
                    Some(image) => waiting.extend(self.admit(image).await),
                    None => return,
                },
                () = self.0.fetched.notified() => {
                    let images = std::mem::take(&mut waiting);
                    for image in images {
                        waiting.extend(self.admit(image).await);
                    }
                    busy = true;
                }
                _ = round.tick() => {
                    self.look_around().await;
                    // Those that waited until now are matched with what is there, and again when their feeds come.
                    waiting.clear();
                }
                // Always ready: what is above goes first, and this goes on while there is something to do.
                () = std::future::ready(()), if busy => busy = self.step().await.is_some(),
            }
        }
    }

    /// Matches an image, or gives it back while a feed it needs was never asked for.
    async fn admit(&self, image: Composed) -> Option<Composed> {
        if self.want(&image.ecosystems) {
            return Some(image);
        }
        self.match_one(image.digest).await;
        None
    }

    /// Asks for the feeds that nobody asked for yet; whether there are any.
    fn want(&self, ecosystems: &[Ecosystem]) -> bool {
        let unasked: Vec<String> = {
            let asked = locked(&self.0.asked);
            let names = ecosystems.iter().map(|ecosystem| ecosystem.name().to_owned());
            names.filter(|name| !asked.contains(name)).collect()
        };
        if unasked.is_empty() {
            return false;
        }
        locked(&self.0.wanted).ecosystems.extend(unasked);
        self.0.wanting.notify_one();
        true
    }

    async fn match_one(&self, digest: Digest) {
        let (now, rematch) = (self.0.parts.clock.now(), Arc::clone(&self.0.rematch));
        match self.0.parts.index.run(move |index| locked(&rematch).one(index, &digest, now)).await {
            Ok(events) => events.iter().for_each(|event| self.0.parts.metrics.finding(&digest, event)),
            Err(error) => tracing::error!(image.digest = %digest, %error, "the image could not be matched"),
        }
    }

    /// Matches again all that imports touched, and tells what became known of exploitation; answers with the number of images looked at.
    pub async fn settle(&self) -> usize {
        let mut matched = 0;
        while let Some(images) = self.step().await {
            matched += images;
        }
        matched
    }

    /// Matches again a few of the images that imports touched, or tells what became known of the exploitation of what a few have; how
    /// many, or `None` where nothing more is to be done.
    async fn step(&self) -> Option<usize> {
        let (now, rematch) = (self.0.parts.clock.now(), Arc::clone(&self.0.rematch));
        let step = move |index: &Index| {
            let step = locked(&rematch).step(index, now)?;
            if step.more { Ok::<_, IndexError>(step) } else { exploitation::step(index, now) }
        };
        match self.0.parts.index.run(step).await {
            Ok(Step { images, events, more }) => {
                if !events.is_empty() {
                    tracing::info!(images, changes = events.len(), "findings changed with the advisories");
                }
                for (image, event) in &events {
                    self.0.parts.metrics.finding(image, event);
                }
                more.then_some(images)
            }
            Err(error) => {
                // The rows are still there, so the next round tries again.
                tracing::error!(%error, "images could not be matched again, or news of exploitation not told");
                None
            }
        }
    }

    /// Matches images that were read and not matched since, tries again what failed, and removes events that are too old.
    async fn look_around(&self) {
        for status in [ScanStatus::Complete, ScanStatus::Partial] {
            if let Err(error) = self.match_left(status).await {
                tracing::error!(%error, "images could not be listed for matching");
            }
        }
        let retention = i64::try_from(self.0.parts.event_retention.as_secs()).unwrap_or(i64::MAX);
        let before = self.0.parts.clock.now().saturating_sub(retention);
        loop {
            match self.0.parts.index.run(move |index| index.events().trim(before)).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "old events could not be removed");
                    break;
                }
            }
        }
        self.0.fetched.notify_one();
    }

    async fn match_left(&self, status: ScanStatus) -> Result<(), IndexError> {
        let mut after = None;
        loop {
            let from = after.take();
            let page =
                self.0.parts.index.run(move |index| index.images().list_by_status(status, from.as_ref(), PAGE)).await?;
            for (digest, record) in page.images {
                if record.matched_at.is_none() {
                    // Whoever announced it may have been stopped before its feeds were asked for.
                    let inventory = self.0.parts.index.run(move |index| index.inventories().get(&digest)).await?;
                    if let Some(stored) = inventory {
                        self.want(&ecosystems(&stored.inventory));
                    }
                    self.match_one(digest).await;
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
