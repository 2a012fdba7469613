//! Instruments of the advisories: how fresh each feed is and how its refreshes went.

use std::sync::{Arc, OnceLock};

use prometheus::{
    IntCounterVec, IntGaugeVec, Opts, register_int_counter_vec_with_registry, register_int_gauge_vec_with_registry,
};
use weir_scanner::oci::Digest;
use weir_storage::index::{EventKind, FindingEvent};

use super::catalogue::Catalogue;

/// Tells the clusters that run an image.
pub type ClustersOf = Box<dyn Fn(&Digest) -> Vec<String> + Send + Sync>;

/// The advisories' instruments. `source` is an ecosystem's name: a closed list that the feeds' publisher sets.
#[derive(Clone)]
pub struct AdvisoryMetrics {
    updated: IntGaugeVec,
    refreshes: IntCounterVec,
    opened: IntCounterVec,
    closed: IntCounterVec,
    clusters: Arc<OnceLock<ClustersOf>>,
}

impl AdvisoryMetrics {
    pub(super) fn register(registry: &Catalogue) -> Result<Self, prometheus::Error> {
        Ok(Self {
            updated: register_int_gauge_vec_with_registry!(
                Opts::new(
                    "weir_advisory_source_updated_timestamp_seconds",
                    "When a feed was last fetched or confirmed unchanged."
                ),
                &["source"],
                registry
            )?,
            refreshes: register_int_counter_vec_with_registry!(
                Opts::new("weir_advisory_refreshes_total", "Refreshes of a feed, by result: success or failure."),
                &["source", "result"],
                registry
            )?,
            opened: register_int_counter_vec_with_registry!(
                Opts::new(
                    "weir_findings_opened_total",
                    "Findings that appeared: new_image, advisory or detector_changed."
                ),
                &["cluster", "severity", "reason"],
                registry
            )?,
            closed: register_int_counter_vec_with_registry!(
                Opts::new(
                    "weir_findings_closed_total",
                    "Findings that went: fixed_in_feed, withdrawn, image_changed or detector_changed."
                ),
                &["cluster", "severity", "reason"],
                registry
            )?,
            clusters: Arc::default(),
        })
    }

    /// Counts a refresh of `ecosystem` that ended at `now` (seconds since the epoch).
    pub fn refreshed(&self, ecosystem: &str, success: bool, now: i64) {
        self.refreshes.with_label_values(&[ecosystem, if success { "success" } else { "failure" }]).inc();
        if success {
            self.updated.with_label_values(&[ecosystem]).set(now);
        }
    }

    /// Says who knows where images run; the first word counts.
    pub fn runs_by(&self, clusters: ClustersOf) {
        // A second word would come from a second start, and there is one.
        let _: Result<(), _> = self.clusters.set(clusters);
    }

    /// Counts a change of a finding in an image, once for each cluster that runs it; under an empty name where none does.
    pub fn finding(&self, image: &Digest, event: &FindingEvent) {
        let counter = match event.kind {
            EventKind::Opened(_) => &self.opened,
            EventKind::Closed(_) => &self.closed,
            EventKind::Rerated(_) | EventKind::Exploitation(_) => return,
        };
        let mut clusters = self.clusters.get().map(|clusters| clusters(image)).unwrap_or_default();
        if clusters.is_empty() {
            clusters.push(String::new());
        }
        for cluster in clusters {
            let reason = event.kind.reason().unwrap_or_default();
            counter.with_label_values(&[cluster.as_str(), event.severity.name(), reason]).inc();
        }
    }

    /// States when a feed already in the index was fetched.
    pub fn known(&self, ecosystem: &str, fetched_at: i64) {
        self.updated.with_label_values(&[ecosystem]).set(fetched_at);
    }
}
