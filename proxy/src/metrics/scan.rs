//! Instruments of scanning: layers read, how long it took, what waits.

use prometheus::{
    Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, register_histogram_with_registry,
    register_int_counter_vec_with_registry, register_int_gauge_with_registry,
};

use super::catalogue::Catalogue;

/// The scanner's instruments.
#[derive(Clone)]
pub struct ScanMetrics {
    layers: IntCounterVec,
    durations: Histogram,
    queue_length: IntGauge,
    queue_oldest: IntGauge,
}

impl ScanMetrics {
    pub(super) fn register(registry: &Catalogue) -> Result<Self, prometheus::Error> {
        let buckets = vec![0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
        let durations = HistogramOpts::new(
            "weir_layer_scan_duration_seconds",
            "Time from the start of a layer's scan to its result.",
        );
        Ok(Self {
            layers: register_int_counter_vec_with_registry!(
                Opts::new(
                    "weir_layer_scans_total",
                    "Layers scanned, by result and by the first reason it is not complete."
                ),
                &["result", "reason"],
                registry
            )?,
            durations: register_histogram_with_registry!(durations.buckets(buckets), registry)?,
            queue_length: register_int_gauge_with_registry!(
                Opts::new("weir_scan_queue_length", "Layers waiting to be scanned or being scanned."),
                registry
            )?,
            queue_oldest: register_int_gauge_with_registry!(
                Opts::new(
                    "weir_scan_queue_oldest_timestamp_seconds",
                    "When the longest waiting layer was queued; 0 when none waits."
                ),
                registry
            )?,
        })
    }

    /// Counts a scanned layer. `result` is `complete`, `partial`, `unsupported` or `failed`; `reason` a stable code or `none`.
    pub fn layer_done(&self, result: &'static str, reason: &'static str, seconds: f64) {
        self.layers.with_label_values(&[result, reason]).inc();
        self.durations.observe(seconds);
    }

    /// States what waits: how many layers, and since when (seconds since the epoch) the oldest.
    pub fn queue(&self, length: usize, oldest: Option<i64>) {
        self.queue_length.set(i64::try_from(length).unwrap_or(i64::MAX));
        self.queue_oldest.set(oldest.unwrap_or(0));
    }
}
