//! Instruments of the mirror: requests, blobs, upstreams, the store.

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    register_histogram_vec_with_registry, register_int_counter_vec_with_registry, register_int_counter_with_registry,
    register_int_gauge_vec_with_registry, register_int_gauge_with_registry,
};

/// What became of a request for a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobResult {
    /// Served from the store.
    Stored,
    /// Followed a fetch another request had begun.
    Joined,
    /// Began a fetch.
    Fetched,
    /// Answered with an error.
    Error,
}

impl BlobResult {
    const ALL: [Self; 4] = [Self::Stored, Self::Joined, Self::Fetched, Self::Error];

    const fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Joined => "joined",
            Self::Fetched => "fetched",
            Self::Error => "error",
        }
    }
}

/// The mirror's instruments.
#[derive(Clone)]
pub struct ServeMetrics {
    requests: IntCounterVec,
    durations: HistogramVec,
    blob_requests: IntCounterVec,
    blob_bytes: IntCounterVec,
    upstream_requests: IntCounterVec,
    cache_size: IntGauge,
    blobs_evicted: IntGauge,
    pulls_dropped: IntCounter,
}

impl ServeMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let build: IntGaugeVec = register_int_gauge_vec_with_registry!(
            Opts::new("weir_build_info", "Always 1; the label says which version runs."),
            &["version"],
            registry
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let durations =
            HistogramOpts::new("weir_http_request_duration_seconds", "Time from a request to the head of its answer.");
        Ok(Self {
            requests: register_int_counter_vec_with_registry!(
                Opts::new("weir_http_requests_total", "Requests answered, by route, method and status."),
                &["route", "method", "code"],
                registry
            )?,
            durations: register_histogram_vec_with_registry!(durations, &["route"], registry)?,
            blob_requests: register_int_counter_vec_with_registry!(
                Opts::new("weir_blob_requests_total", "Requests for blobs, by upstream and what became of them."),
                &["upstream", "result"],
                registry
            )?,
            blob_bytes: register_int_counter_vec_with_registry!(
                Opts::new(
                    "weir_blob_bytes_total",
                    "Bytes of blobs sent to clients (source=store) and received (source=upstream)."
                ),
                &["upstream", "source"],
                registry
            )?,
            upstream_requests: register_int_counter_vec_with_registry!(
                Opts::new("weir_upstream_requests_total", "Requests sent to upstreams, by status or \"error\"."),
                &["upstream", "code"],
                registry
            )?,
            cache_size: register_int_gauge_with_registry!(
                Opts::new("weir_cache_size_bytes", "Bytes of blobs on disk."),
                registry
            )?,
            blobs_evicted: register_int_gauge_with_registry!(
                Opts::new("weir_cache_evicted_blobs", "Blobs evicted under the budget since the start."),
                registry
            )?,
            pulls_dropped: register_int_counter_with_registry!(
                Opts::new("weir_pulls_dropped_total", "Pulls served of which no record could be kept."),
                registry
            )?,
        })
    }

    /// Shows an upstream's series at zero before its first request.
    pub fn start(&self, upstream: &str) {
        for result in BlobResult::ALL {
            self.blob_requests.with_label_values(&[upstream, result.name()]);
        }
        for source in ["store", "upstream"] {
            self.blob_bytes.with_label_values(&[upstream, source]);
        }
    }

    /// Counts an answered request; `seconds` is the time to the head of the answer.
    pub fn answered(&self, route: &'static str, method: &'static str, code: u16, seconds: f64) {
        self.requests.with_label_values(&[route, method, &code.to_string()]).inc();
        self.durations.with_label_values(&[route]).observe(seconds);
    }

    /// Counts a request for a blob.
    pub fn blob_request(&self, upstream: &str, result: BlobResult) {
        self.blob_requests.with_label_values(&[upstream, result.name()]).inc();
    }

    /// The counter of bytes sent to clients for one upstream.
    pub fn bytes_served(&self, upstream: &str) -> IntCounter {
        self.blob_bytes.with_label_values(&[upstream, "store"])
    }

    /// The counter of bytes received from one upstream.
    pub fn bytes_fetched(&self, upstream: &str) -> IntCounter {
        self.blob_bytes.with_label_values(&[upstream, "upstream"])
    }

    /// Counts a request sent to an upstream; `code` is its status, or `error`.
    pub fn upstream_request(&self, upstream: &str, code: &str) {
        self.upstream_requests.with_label_values(&[upstream, code]).inc();
    }

    /// Counts pulls of which no record is kept.
    pub fn pulls_dropped(&self, count: u64) {
        self.pulls_dropped.inc_by(count);
    }

    /// States what the store holds.
    pub fn store(&self, bytes: u64, evicted: u64) {
        self.cache_size.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.blobs_evicted.set(i64::try_from(evicted).unwrap_or(i64::MAX));
    }
}
