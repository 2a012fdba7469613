//! The metrics registry and one struct of instruments per subsystem.
//!
//! Owns names and labels; subsystems hold their struct and count. Label values come from enums or from the settings:
//! nothing a client or an image chooses (tag, digest, path, pod, vulnerability) ever becomes one.

mod advisory;
mod catalogue;
mod exception;
mod inventory;
mod notify;
mod scan;
mod serve;

use std::sync::Arc;

use prometheus::{Encoder, Registry, TextEncoder};

pub use advisory::{AdvisoryMetrics, ClustersOf};
use catalogue::Catalogue;
pub use catalogue::Described;
pub use exception::ExceptionMetrics;
pub use inventory::{InventoryMetrics, Sample, gauges};
pub use notify::{DeliveryResult, NotifyMetrics};
pub use scan::ScanMetrics;
pub use serve::{BlobResult, ServeMetrics, Store};

/// Every instrument of the process.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    described: Arc<[Described]>,
    /// The mirror's.
    pub serve: ServeMetrics,
    /// The scanner's.
    pub scan: ScanMetrics,
    /// The advisories'.
    pub advisory: AdvisoryMetrics,
    /// What runs where, and what is wrong with it.
    pub inventory: InventoryMetrics,
    /// What was decided.
    pub exceptions: ExceptionMetrics,
    /// The webhooks'.
    pub notify: NotifyMetrics,
}

impl Metrics {
    /// Registers every instrument in a registry of its own.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Catalogue::default();
        #[cfg(target_os = "linux")]
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let metrics = Self {
            serve: ServeMetrics::register(&registry)?,
            scan: ScanMetrics::register(&registry)?,
            advisory: AdvisoryMetrics::register(&registry)?,
            inventory: InventoryMetrics::register(&registry)?,
            exceptions: ExceptionMetrics::register(&registry)?,
            notify: NotifyMetrics::register(&registry)?,
            registry: Registry::new(),
            described: Arc::default(),
        };
        let (registry, described) = registry.finish();
        Ok(Self { registry, described: described.into(), ..metrics })
    }

    /// How every instrument describes itself, by name, but for the series of the inventory, which come and go with it.
    pub fn described(&self) -> &[Described] {
        &self.described
    }

    /// The page, in the Prometheus text format 0.0.4.
    pub fn page(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut page = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut page)?;
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_contract_s_names_before_anything_happened() {
        let metrics = Metrics::new().unwrap();
        metrics.serve.start("docker.io");
        metrics.scan.layer_done("complete", "none", 0.1);
        metrics.advisory.refreshed("PyPI", true, 1);
        let page = String::from_utf8(metrics.page().unwrap()).unwrap();
        for name in [
            "weir_build_info",
            "weir_blob_requests_total",
            "weir_blob_bytes_total",
            "weir_cache_size_bytes",
            "weir_layer_scans_total",
            "weir_layer_scan_duration_seconds",
            "weir_scan_queue_length",
            "weir_scan_queue_oldest_timestamp_seconds",
            "weir_advisory_source_updated_timestamp_seconds",
            "weir_advisory_refreshes_total",
        ] {
            assert!(page.contains(&format!("# TYPE {name} ")), "{name} is missing");
        }
    }
}
