//! When feeds are fetched and images matched.
//!
//! A feed is fetched when an image first needs it, when it is configured, and once every `advisory.refresh`. An image is matched
//! when its inventory is new and its feeds have been asked for, and again after any feed changed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use weir_scanner::image::ScanStatus;
use weir_scanner::oci::Digest;
use weir_storage::index::{Index, IndexError};

use super::import::{ImportReport, import_feed};
use super::source::{FeedSource, Fetched};
use crate::clock::Clock;
use crate::metrics::AdvisoryMetrics;
use crate::scan::{Composed, match_image};
use crate::tasks::Tasks;

/// Images matched between two looks at whether weir is stopping.
const PAGE: usize = 64;
/// How often images that were missed are looked for.
const ROUND: Duration = Duration::from_secs(60);

/// What the service is built from.
pub struct AdvisoryParts {
    /// Where feeds come from.
    pub source: FeedSource,
    /// Ecosystems fetched before an image needs them.
    pub configured: Vec<String>,
    /// Time between refreshes.
    pub refresh: Duration,
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
pub struct AdvisoryService(Arc<Inner>);

struct Inner {
    parts: AdvisoryParts,
    /// Ecosystems whose feed was asked for since the start, with or without success.
    asked: Mutex<BTreeSet<String>>,
    /// One import at a time: two of the same feed would undo each other, and memory stays one batch.
    importing: tokio::sync::Mutex<()>,
}

/// What a refresh of one feed came to.
#[derive(Clone, Debug)]
pub enum Refreshed {
    /// The source has nothing newer.
    Unchanged,
    /// The source has no such feed.
    Absent,
    /// It was imported.
    Imported(ImportReport),
    /// It failed, and why.
    Failed(String),
}

impl AdvisoryService {
    /// Builds the service; nothing is fetched yet.
    pub fn new(parts: AdvisoryParts) -> Self {
        Self(Arc::new(Inner { parts, asked: Mutex::default(), importing: tokio::sync::Mutex::new(()) }))
    }

    /// Matches what the scanner announces and refreshes feeds until cancelled.
    pub async fn run(self, mut composed: mpsc::Receiver<Composed>) {
        let token = self.0.parts.tasks.token();
        let work = async {
            self.begin().await;
            let mut refresh =
                tokio::time::interval_at(tokio::time::Instant::now() + self.0.parts.refresh, self.0.parts.refresh);
            let mut round = tokio::time::interval_at(tokio::time::Instant::now() + ROUND, ROUND);
            loop {
                tokio::select! {
                    image = composed.recv() => match image {
                        Some(image) => self.image_composed(image).await,
                        None => return,
                    },
                    _ = refresh.tick() => self.refresh_all().await,
                    _ = round.tick() => self.match_left().await,
                }
            }
        };
        token.run_until_cancelled(work).await;
    }

    /// The feeds known from before show their age at once; configured and known ones are refreshed.
    async fn begin(&self) {
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
        self.refresh_all().await;
        self.match_left().await;
    }

    async fn image_composed(&self, image: Composed) {
        let new: BTreeSet<String> = {
            let asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
            image
                .ecosystems
                .iter()
                .map(|ecosystem| ecosystem.name().to_owned())
                .filter(|name| !asked.contains(name))
                .collect()
        };
        let mut changed = false;
        for ecosystem in new {
            changed |= matches!(self.refresh(&ecosystem).await, Refreshed::Imported(_));
        }
        if changed {
            // Other images may hold packages of a feed that was met now; this one is among them.
            self.match_all().await;
        } else {
            self.match_one(image.digest).await;
        }
    }

    /// Refreshes every feed that is configured or was imported before.
    pub async fn refresh_all(&self) {
        let stored = self.0.parts.index.run(|index| index.advisories().imports()).await.unwrap_or_default();
        let names: BTreeSet<String> =
            stored.into_iter().map(|(name, _)| name).chain(self.0.parts.configured.iter().cloned()).collect();
        let mut changed = false;
        for ecosystem in names {
            changed |= matches!(self.refresh(&ecosystem).await, Refreshed::Imported(_));
        }
        if changed {
            self.match_all().await;
        }
    }

    /// Fetches one feed from the configured source where it changed, and imports it.
    pub async fn refresh(&self, ecosystem: &str) -> Refreshed {
        self.refresh_from(&self.0.parts.source, ecosystem).await
    }

    /// The same from any source.
    pub async fn refresh_from(&self, source: &FeedSource, ecosystem: &str) -> Refreshed {
        let _importing = self.0.importing.lock().await;
        let outcome = self.fetch_and_import(source, ecosystem).await;
        self.0.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(ecosystem.to_owned());
        let now = self.0.parts.clock.now();
        match &outcome {
            Refreshed::Imported(report) => {
                tracing::info!(
                    ecosystem,
                    records = report.counts.records,
                    changed = report.counts.changed,
                    skipped = report.skipped,
                    "advisories imported"
                );
                for example in &report.examples {
                    tracing::warn!(ecosystem, "an advisory was skipped: {example}");
                }
            }
            Refreshed::Failed(error) => {
                tracing::error!(ecosystem, error, "advisories could not be refreshed; what is stored stays")
            }
            Refreshed::Absent => tracing::info!(ecosystem, "the source has no feed of this name"),
            Refreshed::Unchanged => {}
        }
        if !matches!(outcome, Refreshed::Absent) {
            self.0.parts.metrics.refreshed(ecosystem, !matches!(outcome, Refreshed::Failed(_)), now);
        }
        outcome
    }

    async fn fetch_and_import(&self, source: &FeedSource, ecosystem: &str) -> Refreshed {
        let (name, now) = (ecosystem.to_owned(), self.0.parts.clock.now());
        let known = self.0.parts.index.run({
            let name = name.clone();
            move |index| index.advisories().import(&name)
        });
        let known = match known.await {
            Ok(known) => known,
            Err(error) => return Refreshed::Failed(error.to_string()),
        };
        let outcome = match source.fetch(ecosystem, known.as_ref()).await {
            Ok(Fetched::Unchanged) => self
                .0
                .parts
                .index
                .run(move |index| index.advisories().unchanged(&name, now))
                .await
                .map(|()| Refreshed::Unchanged),
            Ok(Fetched::Absent) => Ok(Refreshed::Absent),
            Ok(Fetched::Archive(archive)) => {
                let import = move |index: &Index| Ok::<_, IndexError>(import_feed(index, &name, archive, now));
                self.0.parts.index.run(import).await.map(|result| match result {
                    Ok(report) => Refreshed::Imported(report),
                    Err(error) => Refreshed::Failed(error.to_string()),
                })
            }
            Err(error) => return Refreshed::Failed(error.to_string()),
        };
        outcome.unwrap_or_else(|error| Refreshed::Failed(error.to_string()))
    }

    async fn match_one(&self, digest: Digest) {
        let now = self.0.parts.clock.now();
        match self.0.parts.index.run(move |index| match_image(index, &digest, now)).await {
            Ok(_) => tracing::debug!(image.digest = %digest, "image matched"),
            Err(error) => tracing::error!(image.digest = %digest, %error, "the image could not be matched"),
        }
    }

    /// Matches every image that was read.
    pub async fn match_all(&self) {
        self.match_where(|_| true).await;
    }

    /// Matches images that were read and not matched since.
    async fn match_left(&self) {
        self.match_where(|matched_at| matched_at.is_none()).await;
    }

    async fn match_where(&self, wanted: impl Fn(Option<i64>) -> bool) {
        for status in [ScanStatus::Complete, ScanStatus::Partial] {
            let mut after = None;
            loop {
                let from = after.take();
                let page = match self
                    .0
                    .parts
                    .index
                    .run(move |index| index.images().list_by_status(status, from.as_ref(), PAGE))
                    .await
                {
                    Ok(page) => page,
                    Err(error) => {
                        tracing::error!(%error, "images could not be listed for matching");
                        return;
                    }
                };
                for (digest, record) in page.images {
                    if wanted(record.matched_at) {
                        self.match_one(digest).await;
                    }
                }
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
        }
    }
}
