//! Stored forms of images and image inventories.

use serde::{Deserialize, Serialize};
use weir_scanner::image::{ImageInventory, ImagePackage, ImageReason, ScanStatus};
use weir_scanner::oci::{HistoryEntry, MediaType, Repository};

use super::common::{StoredDigest, StoredDistribution, StoredPackage, StoredPlatform, StoredReason, all, mirrored};
use super::{Record, Unreadable, first_version, seal, unseal};
use crate::index::{ImageLayer, ImageRecord, InventoryRecord};

mirrored! { StoredStatus = ScanStatus { Queued, Scanning, Complete, Partial, Failed, Unsupported, NoAccess, NeverSeen } }

#[derive(Debug, Serialize, Deserialize)]
struct StoredImageReason {
    layer: Option<u32>,
    reason: StoredReason,
}

impl From<&ImageReason> for StoredImageReason {
    fn from(reason: &ImageReason) -> Self {
        Self { layer: reason.layer, reason: (&reason.reason).into() }
    }
}

impl From<StoredImageReason> for ImageReason {
    fn from(stored: StoredImageReason) -> Self {
        Self { layer: stored.layer, reason: stored.reason.into() }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredImageLayer {
    digest: StoredDigest,
    size: u64,
    media_type: String,
    diff_id: Option<StoredDigest>,
}

impl From<&ImageLayer> for StoredImageLayer {
    fn from(layer: &ImageLayer) -> Self {
        Self {
            digest: (&layer.digest).into(),
            size: layer.size,
            media_type: layer.media_type.as_str().to_owned(),
            diff_id: layer.diff_id.as_ref().map(Into::into),
        }
    }
}

impl From<StoredImageLayer> for ImageLayer {
    fn from(stored: StoredImageLayer) -> Self {
        let media_type = MediaType::new(&stored.media_type);
        Self { digest: stored.digest.into(), size: stored.size, media_type, diff_id: stored.diff_id.map(Into::into) }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredHistoryEntry {
    created: Option<String>,
    created_by: Option<String>,
    empty_layer: bool,
}

impl From<&HistoryEntry> for StoredHistoryEntry {
    fn from(entry: &HistoryEntry) -> Self {
        let HistoryEntry { created, created_by, empty_layer } = entry.clone();
        Self { created, created_by, empty_layer }
    }
}

impl From<StoredHistoryEntry> for HistoryEntry {
    fn from(stored: StoredHistoryEntry) -> Self {
        let StoredHistoryEntry { created, created_by, empty_layer } = stored;
        Self { created, created_by, empty_layer }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredImageV1 {
    status: StoredStatus,
    reasons: Vec<StoredImageReason>,
    platform: Option<StoredPlatform>,
    config: StoredDigest,
    layers: Vec<StoredImageLayer>,
    history: Vec<StoredHistoryEntry>,
    /// Upstream and repository.
    names: Vec<(String, String)>,
    access_restricted: bool,
    first_seen: i64,
    last_pulled: i64,
    inventory_fingerprint: Option<String>,
    matched_at: Option<i64>,
}

impl From<&ImageRecord> for StoredImageV1 {
    fn from(image: &ImageRecord) -> Self {
        Self {
            status: image.status.into(),
            reasons: all(&image.reasons),
            platform: image.platform.as_ref().map(Into::into),
            config: (&image.config).into(),
            layers: all(&image.layers),
            history: all(&image.history),
            names: image
                .names
                .iter()
                .map(|(upstream, repository)| (upstream.clone(), repository.to_string()))
                .collect(),
            access_restricted: image.access_restricted,
            first_seen: image.first_seen,
            last_pulled: image.last_pulled,
            inventory_fingerprint: image.inventory_fingerprint.clone(),
            matched_at: image.matched_at,
        }
    }
}

impl TryFrom<StoredImageV1> for ImageRecord {
    type Error = Unreadable;

    fn try_from(stored: StoredImageV1) -> Result<Self, Unreadable> {
        let names =
            stored.names.into_iter().map(|(upstream, repository)| Ok((upstream, Repository::parse(&repository)?)));
        Ok(Self {
            status: stored.status.into(),
            reasons: all(stored.reasons),
            platform: stored.platform.map(Into::into),
            config: stored.config.into(),
            layers: all(stored.layers),
            history: all(stored.history),
            names: names.collect::<Result<_, Unreadable>>()?,
            access_restricted: stored.access_restricted,
            first_seen: stored.first_seen,
            last_pulled: stored.last_pulled,
            inventory_fingerprint: stored.inventory_fingerprint,
            matched_at: stored.matched_at,
        })
    }
}

first_version!(ImageRecord as StoredImageV1);

#[derive(Debug, Serialize, Deserialize)]
struct StoredImagePackage {
    package: StoredPackage,
    purl: String,
    layer: u32,
    paths: Vec<String>,
}

impl From<&ImagePackage> for StoredImagePackage {
    fn from(package: &ImagePackage) -> Self {
        Self {
            package: (&package.package).into(),
            purl: package.purl.clone(),
            layer: package.layer,
            paths: package.paths.clone(),
        }
    }
}

impl From<StoredImagePackage> for ImagePackage {
    fn from(stored: StoredImagePackage) -> Self {
        Self { package: stored.package.into(), purl: stored.purl, layer: stored.layer, paths: stored.paths }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredImageInventoryV1 {
    fingerprint: String,
    status: StoredStatus,
    reasons: Vec<StoredImageReason>,
    distribution: Option<StoredDistribution>,
    packages: Vec<StoredImagePackage>,
}

impl From<&InventoryRecord> for StoredImageInventoryV1 {
    fn from(record: &InventoryRecord) -> Self {
        let inventory = &record.inventory;
        Self {
            fingerprint: record.fingerprint.clone(),
            status: inventory.status.into(),
            reasons: all(&inventory.reasons),
            distribution: inventory.distribution.as_ref().map(Into::into),
            packages: all(&inventory.packages),
        }
    }
}

impl From<StoredImageInventoryV1> for InventoryRecord {
    fn from(stored: StoredImageInventoryV1) -> Self {
        let inventory = ImageInventory {
            status: stored.status.into(),
            reasons: all(stored.reasons),
            distribution: stored.distribution.map(Into::into),
            packages: all(stored.packages),
        };
        Self { fingerprint: stored.fingerprint, inventory }
    }
}

first_version!(InventoryRecord as StoredImageInventoryV1);
