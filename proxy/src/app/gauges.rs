//! What changes without a word, put into the metrics now and then: the store, the file system below it, which upstreams fail, and how long
//! the certificate is valid.

use std::time::Duration;

use weir_storage::blob::{BlobStore, Usage};

use crate::http::TlsListener;
use crate::metrics::{ServeMetrics, Store};
use crate::pull::Puller;
use crate::tasks::{PermitClass, Tasks};

/// How often all of it is looked at.
const EVERY: Duration = Duration::from_secs(5);

/// What is looked at, and where it is shown.
pub(super) struct Gauges {
    pub(super) blobs: BlobStore,
    /// Bytes that blobs may take.
    pub(super) budget: u64,
    pub(super) puller: Puller,
    pub(super) tls: Option<TlsListener>,
    pub(super) metrics: ServeMetrics,
    pub(super) tasks: Tasks,
}

impl Gauges {
    /// Looks until cancelled.
    pub(super) async fn run(self) {
        let (token, class) = (self.tasks.token(), PermitClass::new("gauges", 1));
        let mut tick = tokio::time::interval(EVERY);
        while token.run_until_cancelled(tick.tick()).await.is_some() {
            let blobs = self.blobs.clone();
            let available = self.tasks.blocking("gauges", &class, move || blobs.available().ok()).await.ok().flatten();
            let Usage { blob_bytes: bytes, evicted_blobs, evicted_bytes, .. } = self.blobs.usage();
            self.metrics.store(Store { bytes, budget: self.budget, evicted_blobs, evicted_bytes, available });
            self.puller.failing().for_each(|(upstream, is_open)| self.metrics.breaker(upstream, is_open));
            if let Some(at) = self.tls.as_ref().and_then(TlsListener::not_after) {
                self.metrics.certificate_not_after(at);
            }
        }
    }
}
