//! Reads one image once, from wherever it lies, and keeps nothing: what `weir scan` does.
//!
//! Owns the ways to an image outside the mirror: a registry, an OCI layout, the archives of skopeo and docker, a root file
//! system. What is done with its layers is what the mirror does: the same reading, the same fold.

mod archive;
mod blob;
mod docker;
mod layout;
mod registry;
mod rootfs;
mod target;

use std::sync::Arc;

use tokio::runtime::Handle;
use weir_scanner::content::Buffers;
use weir_scanner::detect::DetectorSet;
use weir_scanner::image::{ImageInventory, ScanStatus, find_base};
use weir_scanner::layer::{LayerLimits, Reason, ReasonCode, scan_layer};
use weir_scanner::oci::{Digest, ImageConfig, Platform, Reference};
use weir_storage::index::{ImageLayer, ImageRecord, LayerOutcome};

use super::fold::{fold, unreadable};
use crate::pull::Puller;
use crate::tasks::{PermitClass, Tasks};
use archive::Files;
use blob::{Blob, verify};

pub use blob::Progress;
pub use target::{Target, TargetError};

/// An image that was found, its layers not read yet.
pub struct OpenImage {
    /// The name it was asked for by.
    reference: String,
    /// Its manifest's digest; none for what has no manifest.
    digest: Option<Digest>,
    annotations: std::collections::BTreeMap<String, String>,
    /// None where it has none, as a root file system.
    config: Option<Result<ImageConfig, Reason>>,
    layers: Vec<(ImageLayer, Blob)>,
}

/// An image that was read.
pub struct ReadImage {
    /// The name it was asked for by.
    pub reference: String,
    /// Its manifest's digest; none for what has no manifest.
    pub digest: Option<Digest>,
    /// Its row, as the mirror would keep it.
    pub record: ImageRecord,
    /// What it holds.
    pub inventory: ImageInventory,
}

/// What reading needs.
pub struct OnceParts {
    /// What reads files of interest.
    pub detectors: DetectorSet,
    /// Limits for one layer.
    pub limits: LayerLimits,
    /// What files of interest are held in while they are looked at.
    pub buffers: Buffers,
    /// Layers read at once.
    pub readers: usize,
    /// Owner of its tasks.
    pub tasks: Tasks,
    /// Told of every layer and its bytes.
    pub progress: Arc<dyn Progress>,
    /// The time, seconds since the epoch.
    pub now: i64,
}

/// Finds the image a target names. An index is followed to `platform`, by default this machine's; `registry` gives the pull path
/// where the target is a registry's image.
///
/// # Errors
/// What is not there, cannot be read, or is no image.
pub async fn open(
    target: &Target,
    platform: Option<&Platform>,
    registry: impl AsyncFnOnce(&Reference) -> Result<Puller, TargetError>,
) -> Result<OpenImage, TargetError> {
    match target {
        Target::Registry(reference) => registry::open(&registry(reference).await?, reference, platform).await,
        Target::Layout { directory, tag } => {
            layout::open(&Files::Directory(directory.clone()), target, tag.as_deref(), platform)
        }
        Target::OciArchive { file, tag } => layout::open(&Files::open(file)?, target, tag.as_deref(), platform),
        Target::DockerArchive { file } => docker::open(&Files::open(file)?, target),
        Target::Tree(root) => rootfs::open(root, target),
    }
}

/// Reads an image's layers side by side and folds them. What cannot be read is in the status and its reasons.
pub async fn read(image: OpenImage, parts: OnceParts) -> ReadImage {
    let class = PermitClass::new("layer-scan", parts.readers);
    let shared = Arc::new(parts);
    let readings: Vec<_> = image
        .layers
        .into_iter()
        .map(|(layer, blob)| {
            let (class, shared) = (class.clone(), Arc::clone(&shared));
            let (described, is_tree) = (layer.clone(), matches!(blob, Blob::Tree(_)));
            let task = shared.tasks.clone().spawn("layer", async move { one(&described, blob, &class, &shared).await });
            (layer, is_tree, task)
        })
        .collect();
    let (mut layers, mut outcomes) = (Vec::new(), Vec::new());
    for (mut layer, is_tree, task) in readings {
        let outcome = task.await.unwrap_or_else(|error| failed(ReasonCode::ScannerFailed, error));
        if let LayerOutcome::Read(inventory) = &outcome {
            layer.diff_id = Some(inventory.diff_id);
            if is_tree {
                // The tar it would be has a digest only once it was packed.
                (layer.digest, layer.size) = (inventory.diff_id, inventory.uncompressed_bytes);
            }
        }
        layers.push(layer);
        outcomes.push(outcome);
    }
    let diff_ids: Vec<_> = layers.iter().map_while(|layer: &ImageLayer| layer.diff_id).collect();
    // Nothing else is known here: only the image itself can name its base.
    let base = find_base(&diff_ids, &image.annotations, &[]);
    let folded = fold(&outcomes, image.config.as_ref(), 0);
    let stated = image.config.as_ref().and_then(|config| config.as_ref().ok());
    let record = ImageRecord {
        status: folded.status,
        reasons: folded.reasons,
        platform: stated.and_then(ImageConfig::platform),
        config: image.digest.unwrap_or_else(|| Digest::of(b"")),
        layers,
        history: stated.map(|config| config.history.clone()).unwrap_or_default(),
        base,
        names: Vec::new(),
        access_restricted: false,
        first_seen: shared.now,
        last_pulled: None,
        inventory_fingerprint: Some(shared.detectors.fingerprint().to_owned()),
        matched_at: None,
    };
    ReadImage { reference: image.reference, digest: image.digest, record, inventory: folded.inventory }
}

async fn one(layer: &ImageLayer, blob: Blob, class: &PermitClass, parts: &Arc<OnceParts>) -> LayerOutcome {
    if let Some(reason) = unreadable(&layer.media_type) {
        return LayerOutcome::Unsupported(reason);
    }
    let progress = parts.progress.layer(&layer.digest, layer.size);
    // A file is hashed beside the reading, on a thread of its own; a registry's reader ends only once its digest was verified.
    let verifying = blob.file().map(|region| {
        let (region, expected) = (region.clone(), layer.digest);
        parts
            .tasks
            .spawn("layer-verify", async move { tokio::task::spawn_blocking(move || verify(&region, &expected)).await })
    });
    let opened = match blob.open(progress, parts).await {
        Ok(opened) => opened,
        Err(reason) => return LayerOutcome::Failed(reason),
    };
    let (shared, runtime) = (Arc::clone(parts), Handle::current());
    let read = move || {
        let OnceParts { detectors, limits, buffers, .. } = &*shared;
        opened.read(|reader| scan_layer(reader, None, detectors, limits, buffers, &runtime))
    };
    let outcome = match parts.tasks.blocking("layer-scan", class, read).await {
        Ok(Ok(inventory)) => LayerOutcome::Read(inventory),
        Ok(Err(reason)) => LayerOutcome::Failed(reason),
        Err(error) => failed(ReasonCode::ScannerFailed, error),
    };
    match verifying {
        None => outcome,
        Some(task) => match task.await {
            Ok(Ok(Ok(()))) => outcome,
            Ok(Ok(Err(reason))) => LayerOutcome::Failed(reason),
            Ok(Err(error)) => failed(ReasonCode::ScannerFailed, error),
            Err(error) => failed(ReasonCode::ScannerFailed, error),
        },
    }
}

fn failed(code: ReasonCode, error: impl std::fmt::Display) -> LayerOutcome {
    LayerOutcome::Failed(Reason::new(code, error.to_string()))
}

/// Whether a status says that something was read.
pub fn was_read(status: ScanStatus) -> bool {
    matches!(status, ScanStatus::Complete | ScanStatus::Partial)
}
