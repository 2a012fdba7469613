//! Refreshes of everything that is due, one at a time, counted and told.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use weir_storage::index::{CveCounts, CveKind};

use super::cve::{CveRefreshed, CveSources, refresh_cves};
use super::import::ImportReport;
use super::refresh::{Refreshed, refresh_feed};
use super::schedule::{AdvisoryService, locked};
use super::source::FeedSource;
use super::unconfigured::forget_unconfigured;

/// What a refresh of one feed or one source of CVEs came to, for people and for the local socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshLine {
    /// The ecosystem, or `kev`, `epss`, `cvss`.
    pub source: String,
    /// Records now stored of it, where it was imported.
    pub records: Option<u64>,
    /// Records that were new, changed or removed, where they were counted.
    pub changed: Option<u64>,
    /// Records that could not be read.
    pub skipped: u64,
    /// `imported`, `unchanged`, `absent`, or why it failed.
    pub outcome: String,
    /// Whether it failed.
    pub failed: bool,
}

impl RefreshLine {
    fn plain(source: String, outcome: String, failed: bool) -> Self {
        Self { source, records: None, changed: Some(0), skipped: 0, outcome, failed }
    }

    /// The line of a feed.
    pub fn of_feed(ecosystem: String, refreshed: Refreshed) -> Self {
        match refreshed {
            Refreshed::Imported(ImportReport { counts, skipped, .. }) => Self {
                source: ecosystem,
                records: Some(counts.records),
                changed: Some(counts.changed + counts.removed),
                skipped,
                outcome: "imported".into(),
                failed: false,
            },
            Refreshed::Unchanged => Self::plain(ecosystem, "unchanged".into(), false),
            Refreshed::Absent => Self::plain(ecosystem, "absent".into(), false),
            Refreshed::Failed(error) => Self::plain(ecosystem, error, true),
        }
    }

    fn of_cves(kind: CveKind, refreshed: CveRefreshed) -> Self {
        let source = kind.to_string();
        match refreshed {
            CveRefreshed::Imported(CveCounts { records, .. }) => Self {
                source,
                records: Some(records),
                // A set is replaced whole.
                changed: None,
                skipped: 0,
                outcome: "imported".into(),
                failed: false,
            },
            CveRefreshed::Unchanged => Self::plain(source, "unchanged".into(), false),
            CveRefreshed::Failed(error) => Self::plain(source, error, true),
        }
    }
}

impl AdvisoryService {
    /// Refreshes the sources of CVEs and every feed that is configured or was imported before; says what each came to.
    pub async fn refresh_all(&self) -> Vec<RefreshLine> {
        let mut lines = self.refresh_sources().await;
        let stored = self.0.parts.index.run(|index| index.advisories().imports()).await.unwrap_or_default();
        let names: BTreeSet<String> =
            stored.into_iter().map(|(name, _)| name).chain(self.0.parts.configured.iter().cloned()).collect();
        for ecosystem in names {
            // What an image waits for goes before what is only due.
            let wanted = std::mem::take(&mut locked(&self.0.wanted).ecosystems);
            for first in wanted {
                self.refresh(&first).await;
            }
            let outcome = self.refresh(&ecosystem).await;
            lines.push(RefreshLine::of_feed(ecosystem, outcome));
        }
        lines
    }

    /// Refreshes what is known of single CVEs.
    pub async fn refresh_sources(&self) -> Vec<RefreshLine> {
        let source = &self.0.parts.source;
        let sources = match source.cves(&self.0.parts.cves).await {
            Ok(sources) => sources,
            // What an artifact brings is not known, so that nothing is forgotten either.
            Err(error) => {
                tracing::error!(%error, "the sources of CVEs could not be found; what is stored stays");
                return vec![RefreshLine::plain("artifact".into(), error.to_string(), true)];
            }
        };
        let lines = self.take_cves(&sources).await;
        let location = source.location();
        let forget = self.0.parts.index.run(move |index| forget_unconfigured(index, &sources, &location));
        if let Err(error) = forget.await {
            tracing::error!(%error, "sources of CVEs that are no longer configured could not be forgotten");
        }
        lines
    }

    /// Takes what an artifact brings of single CVEs; nothing of any other source.
    pub async fn import_cves(&self, source: &FeedSource) -> Vec<RefreshLine> {
        if !source.is_artifact() {
            return Vec::new();
        }
        match source.cves(&CveSources::default()).await {
            Ok(sources) => self.take_cves(&sources).await,
            Err(error) => vec![RefreshLine::plain("artifact".into(), error.to_string(), true)],
        }
    }

    async fn take_cves(&self, sources: &CveSources) -> Vec<RefreshLine> {
        let _importing = self.0.importing.lock().await;
        let now = self.0.parts.clock.now();
        let outcomes = refresh_cves(&self.0.parts.index, sources, now).await;
        self.0.fetched.notify_one();
        let told = |(kind, outcome)| {
            let line = RefreshLine::of_cves(kind, outcome);
            if line.failed {
                tracing::error!(
                    source = line.source,
                    error = line.outcome,
                    "a source of CVEs could not be refreshed; what is stored stays"
                );
            } else if let Some(records) = line.records {
                tracing::info!(source = line.source, records, "what is known of CVEs was imported");
            }
            self.0.parts.metrics.refreshed(&line.source, !line.failed, now);
            line
        };
        outcomes.into_iter().map(told).collect()
    }

    /// Fetches one feed from the configured source where it changed, and imports it.
    pub async fn refresh(&self, ecosystem: &str) -> Refreshed {
        self.refresh_from(&self.0.parts.source, ecosystem).await
    }

    /// The same from any source.
    pub async fn refresh_from(&self, source: &FeedSource, ecosystem: &str) -> Refreshed {
        let _importing = self.0.importing.lock().await;
        let now = self.0.parts.clock.now();
        let outcome = refresh_feed(&self.0.parts.index, source, ecosystem, now).await;
        locked(&self.0.asked).insert(ecosystem.to_owned());
        self.0.fetched.notify_one();
        match &outcome {
            Refreshed::Imported(report) => {
                tracing::info!(
                    ecosystem,
                    records = report.counts.records,
                    changed = report.counts.changed,
                    removed = report.counts.removed,
                    skipped = report.skipped,
                    "advisories imported"
                );
                for example in &report.examples {
                    tracing::warn!(ecosystem, "an advisory was skipped: {example}");
                }
            }
            Refreshed::Failed(error) => {
                tracing::error!(ecosystem, error, "advisories could not be refreshed; what is stored stays");
            }
            Refreshed::Absent => tracing::info!(ecosystem, "the source has no feed of this name"),
            Refreshed::Unchanged => {}
        }
        if !matches!(outcome, Refreshed::Absent) {
            self.0.parts.metrics.refreshed(ecosystem, !matches!(outcome, Refreshed::Failed(_)), now);
        }
        outcome
    }
}
