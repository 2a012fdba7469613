//! Instruments of the mirror: requests, blobs, upstreams, the store.

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    register_histogram_vec_with_registry, register_int_counter_vec_with_registry, register_int_counter_with_registry,
    register_int_gauge_vec_with_registry, register_int_gauge_with_registry,
};

use super::catalogue::Catalogue;

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

/// What the blob store holds, and what it holds it in.
#[derive(Clone, Copy, Debug)]
pub struct Store {
    /// Bytes of blobs.
    pub bytes: u64,
    /// Bytes they may take.
    pub budget: u64,
    /// Blobs evicted since the start.
    pub evicted_blobs: u64,
    /// Their bytes.
    pub evicted_bytes: u64,
    /// Bytes the file system has left, where it says.
    pub available: Option<u64>,
}

/// The mirror's instruments.
#[derive(Clone)]
pub struct ServeMetrics {
    requests: IntCounterVec,
    durations: HistogramVec,
    blob_requests: IntCounterVec,
    blob_bytes: IntCounterVec,
    blobs_not_stored: IntCounterVec,
    upstream_requests: IntCounterVec,
    breakers: IntGaugeVec,
    cache_size: IntGauge,
    cache_budget: IntGauge,
    certificate: IntGaugeVec,
    blobs_evicted: IntGauge,
    bytes_evicted: IntCounter,
    available: IntGauge,
    pulls_dropped: IntCounter,
}

impl ServeMetrics {
    pub(super) fn register(registry: &Catalogue) -> Result<Self, prometheus::Error> {
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
            blobs_not_stored: register_int_counter_vec_with_registry!(
                Opts::new(
                    "weir_blobs_not_stored_total",
                    "Blobs passed on to clients and not kept, because the disk took no more bytes."
                ),
                &["upstream"],
                registry
            )?,
            upstream_requests: register_int_counter_vec_with_registry!(
                Opts::new("weir_upstream_requests_total", "Requests sent to upstreams, by status or \"error\"."),
                &["upstream", "code"],
                registry
            )?,
            breakers: register_int_gauge_vec_with_registry!(
                Opts::new(
                    "weir_upstream_breaker_open",
                    "1 while an upstream that failed too often in a row is asked by single probes only, until one succeeds."
                ),
                &["upstream"],
                registry
            )?,
            cache_size: register_int_gauge_with_registry!(
                Opts::new("weir_cache_size_bytes", "Bytes of blobs on disk."),
                registry
            )?,
            cache_budget: register_int_gauge_with_registry!(
                Opts::new("weir_cache_budget_bytes", "Bytes that blobs may take on disk: data.blob_budget."),
                registry
            )?,
            blobs_evicted: register_int_gauge_with_registry!(
                Opts::new("weir_cache_evicted_blobs", "Blobs evicted under the budget since the start."),
                registry
            )?,
            bytes_evicted: register_int_counter_with_registry!(
                Opts::new("weir_cache_evicted_bytes_total", "Bytes of blobs evicted under the budget."),
                registry
            )?,
            available: register_int_gauge_with_registry!(
                Opts::new("weir_data_available_bytes", "Bytes left on the file system that blobs are stored on."),
                registry
            )?,
            // Without labels, and absent where there is no TLS.
            certificate: register_int_gauge_vec_with_registry!(
                Opts::new(
                    "weir_tls_certificate_not_after_timestamp_seconds",
                    "When the first certificate of listen.tls's chain ceases to be valid; absent without TLS."
                ),
                &[],
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
        self.blobs_not_stored(upstream);
        self.breaker(upstream, false);
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

    /// The counter of blobs of one upstream that were passed on and not kept.
    pub fn blobs_not_stored(&self, upstream: &str) -> IntCounter {
        self.blobs_not_stored.with_label_values(&[upstream])
    }

    /// States whether an upstream's breaker is open.
    pub fn breaker(&self, upstream: &str, is_open: bool) {
        self.breakers.with_label_values(&[upstream]).set(i64::from(is_open));
    }

    /// Counts pulls of which no record is kept.
    pub fn pulls_dropped(&self, count: u64) {
        self.pulls_dropped.inc_by(count);
    }

    /// States when TLS's certificate ceases to be valid, seconds since the epoch.
    pub fn certificate_not_after(&self, at: i64) {
        self.certificate.with_label_values(&[] as &[&str]).set(at);
    }

    /// States what the store holds.
    pub fn store(&self, store: Store) {
        let gauge = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.cache_size.set(gauge(store.bytes));
        self.cache_budget.set(gauge(store.budget));
        self.blobs_evicted.set(gauge(store.evicted_blobs));
        self.bytes_evicted.inc_by(store.evicted_bytes.saturating_sub(self.bytes_evicted.get()));
        if let Some(available) = store.available {
            self.available.set(gauge(available));
        }
    }
}
