//! One image: its row, its configuration, its layers side by side, and the fold of what they hold.

use tokio::io::AsyncReadExt as _;
use weir_scanner::image::ScanStatus;
use weir_scanner::layer::{Reason, ReasonCode};
use weir_scanner::oci::{Digest, Document, ImageConfig, ImageManifest, MAX_MANIFEST_BYTES};
use weir_storage::index::{ImageLayer, ImageRecord, IndexError, InventoryRecord, LayerOutcome};

use super::fold::{Folded, fold};
use super::{Composed, Occasion, Scanner};
use crate::pull::{Location, Purpose};

/// Most layers of an image weir reads; runtimes stop at 127 or so.
const MOST_LAYERS: usize = 1024;
/// Most repositories remembered for one image.
const MOST_NAMES: usize = 64;

impl Scanner {
    /// Reads an image as far as it is not read yet, stores its inventory, and announces it for matching.
    pub(super) async fn read_image(
        &self,
        location: &Location,
        digest: Digest,
        occasion: Occasion,
    ) -> Result<(), IndexError> {
        let Some(manifest) = self.image_manifest(digest).await? else { return Ok(()) };
        let record = self.admit(location, digest, &manifest, occasion).await?;
        let current = record.inventory_fingerprint.as_deref() == Some(self.fingerprint());
        if current && matches!(record.status, ScanStatus::Complete | ScanStatus::Unsupported) {
            return Ok(());
        }
        // An image read before keeps what is known of it while it is read again.
        if record.inventory_fingerprint.is_none() {
            self.set_status(digest, ScanStatus::Scanning).await?;
        }
        let layers: Vec<_> = record
            .layers
            .iter()
            .map(|layer| {
                let (scanner, location, layer) = (self.clone(), location.clone(), layer.clone());
                self.0.tasks.spawn("layer", async move { scanner.layer(&location, &layer, occasion).await })
            })
            .collect();
        let config = self.read_config(location, record.config).await;
        let mut outcomes = Vec::with_capacity(layers.len());
        for layer in layers {
            outcomes.push(match layer.await {
                Ok(outcome) => outcome?,
                Err(error) => LayerOutcome::Failed(Reason::new(ReasonCode::ScannerFailed, error.to_string())),
            });
        }
        self.finish(digest, config, manifest.annotations, &outcomes).await
    }

    pub(super) async fn image_manifest(&self, digest: Digest) -> Result<Option<ImageManifest>, IndexError> {
        let Some(record) = self.0.index.run(move |index| index.manifests().get(&digest)).await? else {
            return Ok(None);
        };
        match Document::parse(&record.bytes) {
            Ok(Document::Image(manifest)) if manifest.is_image() => Ok(Some(*manifest)),
            _ => Ok(None),
        }
    }

    /// Makes or updates the image's row.
    pub(super) async fn admit(
        &self,
        location: &Location,
        digest: Digest,
        manifest: &ImageManifest,
        occasion: Occasion,
    ) -> Result<ImageRecord, IndexError> {
        let now = self.0.clock.now();
        let name = (location.upstream.clone(), location.repository.clone());
        let restricted = self.0.puller.is_restricted(location);
        let config = manifest.config.digest;
        let layers: Vec<ImageLayer> = manifest
            .layers
            .iter()
            .take(MOST_LAYERS)
            .map(|layer| ImageLayer {
                digest: layer.digest,
                size: layer.size,
                media_type: layer.media_type.clone(),
                diff_id: None,
            })
            .collect();
        let change = move |old: Option<&ImageRecord>| {
            let mut record = old.cloned().unwrap_or_else(|| ImageRecord {
                status: ScanStatus::Queued,
                reasons: Vec::new(),
                platform: None,
                config,
                layers,
                history: Vec::new(),
                base: None,
                names: Vec::new(),
                access_restricted: restricted,
                first_seen: now,
                last_pulled: None,
                inventory_fingerprint: None,
                matched_at: None,
            });
            if occasion == Occasion::Pulled {
                record.last_pulled = Some(now);
            }
            // Public anywhere is public: the restriction holds while every place that has the image is restricted.
            record.access_restricted &= restricted;
            if !record.names.contains(&name) && record.names.len() < MOST_NAMES {
                record.names.push(name);
            }
            Some(record)
        };
        let record = self.0.index.run(move |index| index.images().update(&digest, change)).await?;
        Ok(record.expect("update answers with the row it wrote"))
    }

    async fn set_status(&self, digest: Digest, status: ScanStatus) -> Result<(), IndexError> {
        let change = move |old: Option<&ImageRecord>| old.map(|old| ImageRecord { status, ..old.clone() });
        self.0.index.run(move |index| index.images().update(&digest, change).map(drop)).await
    }

    async fn read_config(&self, location: &Location, digest: Digest) -> Result<ImageConfig, Reason> {
        let failed =
            |detail: String| Reason::new(ReasonCode::FetchFailed, format!("the image's configuration: {detail}"));
        let identity = self
            .0
            .puller
            .reader_identity(location)
            .ok_or_else(|| failed("nobody who may read it is known now".into()))?;
        let blob = self
            .0
            .puller
            .blob(location, digest, &identity, Purpose::Scan)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let mut bytes = Vec::new();
        let limit = MAX_MANIFEST_BYTES as u64 + 1;
        blob.reader.take(limit).read_to_end(&mut bytes).await.map_err(|error| failed(error.to_string()))?;
        ImageConfig::parse(&bytes)
            .map_err(|error| Reason::new(ReasonCode::MalformedDatabase, format!("the image's configuration: {error}")))
    }

    /// Folds the layers, stores the inventory and the image's state, and announces both.
    async fn finish(
        &self,
        digest: Digest,
        config: Result<ImageConfig, Reason>,
        annotations: std::collections::BTreeMap<String, String>,
        outcomes: &[LayerOutcome],
    ) -> Result<(), IndexError> {
        let diff_ids = config.as_ref().map(|config| config.rootfs.diff_ids.clone()).unwrap_or_default();
        let known = diff_ids.clone();
        let find = move |index: &weir_storage::index::Index| super::base::find(index, &digest, &known, &annotations);
        let found = self.0.index.run(find).await?;
        let Folded { inventory, status, reasons } = fold(outcomes, Some(&config), found.history);
        let ecosystems = weir_scanner::finding::ecosystems(&inventory);
        let fingerprint = self.0.fingerprint.clone();
        let change = {
            let fingerprint = fingerprint.clone();
            move |old: Option<&ImageRecord>| {
                let mut record = old?.clone();
                record.status = status;
                record.reasons = reasons;
                record.inventory_fingerprint = Some(fingerprint);
                record.matched_at = None;
                record.base = found.base;
                if let Ok(config) = config {
                    record.platform = config.platform();
                    record.history = config.history;
                    if diff_ids.len() == record.layers.len() {
                        for (layer, diff_id) in record.layers.iter_mut().zip(diff_ids) {
                            layer.diff_id = Some(diff_id);
                        }
                    }
                }
                Some(record)
            }
        };
        let stored = InventoryRecord { fingerprint, inventory };
        let store = move |index: &weir_storage::index::Index| {
            index.inventories().put(&digest, &stored)?;
            index.images().update(&digest, change).map(drop)
        };
        self.0.index.run(store).await?;
        tracing::info!(image.digest = %digest, status = status.name(), layers = outcomes.len(), "image scanned");
        if self.0.composed.try_send(Composed { digest, ecosystems }).is_err() {
            tracing::debug!(image.digest = %digest, "matching is busy; the next round will find this image");
        }
        Ok(())
    }
}
