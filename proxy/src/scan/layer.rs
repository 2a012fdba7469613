//! One layer: waits until its bytes are there or come, reads them once, keeps the outcome for every image that shares it.

use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;
use weir_scanner::layer::{Reason, ReasonCode, scan_layer};
use weir_scanner::oci::Digest;
use weir_storage::index::{ImageLayer, IndexError, LayerOutcome};

use super::fold::unreadable;
use super::{Occasion, Scanner};
use crate::pull::{Location, Purpose};

impl Scanner {
    /// What the layer holds. Kept outcomes are answered at once; `expected` comes from a manifest that was verified.
    pub(super) async fn layer(
        &self,
        location: &Location,
        layer: &ImageLayer,
        occasion: Occasion,
    ) -> Result<LayerOutcome, IndexError> {
        if let Some(reason) = unreadable(&layer.media_type) {
            return Ok(LayerOutcome::Unsupported(reason));
        }
        let _place = self.0.queue.enter(layer.digest, self.0.clock.now());
        let _turn = self.0.turns.take(layer.digest).await;
        let (digest, fingerprint) = (layer.digest, self.0.fingerprint.clone());
        if let Some(outcome) = self.0.index.run(move |index| index.layers().get(&digest, &fingerprint)).await? {
            return Ok(outcome);
        }
        let began = Instant::now();
        let outcome = self.read_layer(location, layer, occasion).await;
        self.count(&outcome, began.elapsed().as_secs_f64());
        if self.is_lasting(&digest, &outcome).await {
            let (fingerprint, kept) = (self.0.fingerprint.clone(), outcome.clone());
            self.0.index.run(move |index| index.layers().put(&digest, &fingerprint, &kept)).await?;
        }
        Ok(outcome)
    }

    async fn read_layer(&self, location: &Location, layer: &ImageLayer, occasion: Occasion) -> LayerOutcome {
        let missing = |detail: String| LayerOutcome::Failed(Reason::new(ReasonCode::MissingLayers, detail));
        let on_its_way = match occasion {
            Occasion::Requested => self.0.blobs.has(&layer.digest).await,
            Occasion::Pulled | Occasion::Left => self.wait_for_client(layer).await,
        };
        // The slot is held until the layer is read: it bounds what is fetched ahead of the scanner.
        let _slot = if on_its_way {
            None
        } else {
            let Some(slot) = self.0.budget.take(layer.size, self.0.clock.now()).await else {
                return missing("this hour's budget of background fetches is spent; weir tries again".into());
            };
            Some(slot)
        };
        let Some(identity) = self.0.puller.reader_identity(location) else {
            return missing("the layer was not pulled through weir, and nobody who may read it is known now".into());
        };
        let blob = match self.0.puller.blob(location, layer.digest, &identity, Purpose::Scan).await {
            Ok(blob) => blob,
            Err(error) => return missing(error.to_string()),
        };
        let reader = blob.reader.unverified();
        let (limits, detectors, runtime) = (self.0.limits, Arc::clone(&self.0.detectors), Handle::current());
        let buffers = self.0.buffers.clone();
        // Whether the diff ID is the configuration's is settled when the image is folded: a layer is read once for all images.
        let read = move || scan_layer(reader, None, &detectors, &limits, &buffers, &runtime);
        // The reader's end waits for the digest: what was read to its end was verified.
        match self.0.tasks.blocking("layer-scan", &self.0.class, read).await {
            Ok(Ok(inventory)) => LayerOutcome::Read(inventory),
            Ok(Err(reason)) => LayerOutcome::Failed(reason),
            Err(error) => LayerOutcome::Failed(Reason::new(ReasonCode::ScannerFailed, error.to_string())),
        }
    }

    /// Gives clients time to ask for the layer; `true` when its bytes are stored or coming.
    async fn wait_for_client(&self, layer: &ImageLayer) -> bool {
        let mut started = self.0.started.subscribe();
        let coming = async {
            while !self.0.blobs.has(&layer.digest).await {
                if started.changed().await.is_err() {
                    break;
                }
            }
        };
        tokio::time::timeout(self.0.grace, coming).await.is_ok()
    }

    /// Whether another try would give the same: an outage passes, a broken archive does not. A failed scan may have ended before
    /// the bytes did, so it counts only for bytes that were verified, and those are stored.
    async fn is_lasting(&self, digest: &Digest, outcome: &LayerOutcome) -> bool {
        match outcome {
            LayerOutcome::Read(_) | LayerOutcome::Unsupported(_) => true,
            LayerOutcome::Failed(reason)
                if matches!(reason.code, ReasonCode::FetchFailed | ReasonCode::MissingLayers) =>
            {
                false
            }
            LayerOutcome::Failed(_) => self.0.blobs.stored(digest).await.is_some(),
        }
    }

    fn count(&self, outcome: &LayerOutcome, seconds: f64) {
        let (result, reason) = match outcome {
            LayerOutcome::Read(inventory) => match inventory.reasons.first() {
                None => ("complete", "none"),
                Some(reason) => ("partial", reason.code.name()),
            },
            LayerOutcome::Unsupported(reason) => ("unsupported", reason.code.name()),
            LayerOutcome::Failed(reason) => ("failed", reason.code.name()),
        };
        self.0.metrics.layer_done(result, reason, seconds);
    }
}
