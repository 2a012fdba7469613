//! Stored forms of images and image inventories.

use serde::{Deserialize, Serialize};
use weir_scanner::image::{Base, ImageInventory, ImagePackage, ImageReason, ImageRisk, ScanStatus};
use weir_scanner::oci::{HistoryEntry, MediaType, Repository};

use super::common::{
    StoredChannel, StoredDigest, StoredDistribution, StoredPackage, StoredPackageV1, StoredPlatform, StoredReason,
    StoredRisk, all, mirrored,
};
use super::{Record, Unreadable, seal, unseal};
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

/// The fields of the first form. `P` is the last pull: an `i64` in the first two, when a pull alone made an image
/// known.
#[derive(Debug, Serialize, Deserialize)]
struct StoredFields<P> {
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
    last_pulled: P,
    inventory_fingerprint: Option<String>,
    matched_at: Option<i64>,
}

impl From<&ImageRecord> for StoredFields<Option<i64>> {
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

impl<P: Into<Option<i64>>> TryFrom<StoredFields<P>> for ImageRecord {
    type Error = Unreadable;

    fn try_from(stored: StoredFields<P>) -> Result<Self, Unreadable> {
        let names =
            stored.names.into_iter().map(|(upstream, repository)| Ok((upstream, Repository::parse(&repository)?)));
        Ok(Self {
            status: stored.status.into(),
            reasons: all(stored.reasons),
            platform: stored.platform.map(Into::into),
            config: stored.config.into(),
            layers: all(stored.layers),
            history: all(stored.history),
            base: None,
            names: names.collect::<Result<_, Unreadable>>()?,
            access_restricted: stored.access_restricted,
            first_seen: stored.first_seen,
            last_pulled: stored.last_pulled.into(),
            inventory_fingerprint: stored.inventory_fingerprint,
            matched_at: stored.matched_at,
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredBase {
    name: Option<String>,
    digest: Option<StoredDigest>,
    layers: Option<u32>,
}

type StoredImageV1 = StoredFields<i64>;

/// The second form has what the image was built on, the third may lack a pull.
#[derive(Debug, Serialize, Deserialize)]
struct StoredImage<P> {
    fields: StoredFields<P>,
    base: Option<StoredBase>,
}

type StoredImageV2 = StoredImage<i64>;
type StoredImageV3 = StoredImage<Option<i64>>;

impl<P: Into<Option<i64>>> TryFrom<StoredImage<P>> for ImageRecord {
    type Error = Unreadable;

    fn try_from(stored: StoredImage<P>) -> Result<Self, Unreadable> {
        let base = stored.base.map(|StoredBase { name, digest, layers }| Base {
            name,
            digest: digest.map(Into::into),
            layers,
        });
        Ok(Self { base, ..stored.fields.try_into()? })
    }
}

impl Record for ImageRecord {
    const VERSION: u8 = 3;

    fn write(&self, out: Vec<u8>) -> Vec<u8> {
        let base = self.base.as_ref().map(|Base { name, digest, layers }| StoredBase {
            name: name.clone(),
            digest: digest.as_ref().map(Into::into),
            layers: *layers,
        });
        seal(&StoredImageV3 { fields: self.into(), base }, out)
    }

    fn read(version: u8, body: &[u8]) -> Result<Self, Unreadable> {
        match version {
            1 => unseal::<StoredImageV1>(body)?.try_into(),
            2 => unseal::<StoredImageV2>(body)?.try_into(),
            3 => unseal::<StoredImageV3>(body)?.try_into(),
            _ => Err(Unreadable::Version),
        }
    }
}

/// A package of an image as the first form of inventories holds it.
#[derive(Debug, Deserialize)]
struct StoredImagePackageV1 {
    package: StoredPackageV1,
    purl: String,
    layer: u32,
    paths: Vec<String>,
}

impl From<StoredImagePackageV1> for ImagePackage {
    fn from(stored: StoredImagePackageV1) -> Self {
        let StoredImagePackageV1 { package, purl, layer, paths } = stored;
        Self { package: package.into(), purl, layer, paths, owner: None }
    }
}

#[derive(Debug, Deserialize)]
struct StoredImageInventoryV1 {
    fingerprint: String,
    status: StoredStatus,
    reasons: Vec<StoredImageReason>,
    distribution: Option<StoredDistribution>,
    packages: Vec<StoredImagePackageV1>,
}

impl From<StoredImageInventoryV1> for InventoryRecord {
    fn from(stored: StoredImageInventoryV1) -> Self {
        let inventory = ImageInventory {
            status: stored.status.into(),
            reasons: all(stored.reasons),
            distribution: stored.distribution.map(Into::into),
            channels: Vec::new(),
            packages: all(stored.packages),
            risks: Vec::new(),
        };
        Self { fingerprint: stored.fingerprint, inventory }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredImagePackage {
    package: StoredPackage,
    purl: String,
    layer: u32,
    paths: Vec<String>,
    owner: Option<String>,
}

impl From<&ImagePackage> for StoredImagePackage {
    fn from(package: &ImagePackage) -> Self {
        let ImagePackage { package, purl, layer, paths, owner } = package;
        Self { package: package.into(), purl: purl.clone(), layer: *layer, paths: paths.clone(), owner: owner.clone() }
    }
}

impl From<StoredImagePackage> for ImagePackage {
    fn from(stored: StoredImagePackage) -> Self {
        let StoredImagePackage { package, purl, layer, paths, owner } = stored;
        Self { package: package.into(), purl, layer, paths, owner }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredImageRisk {
    risk: StoredRisk,
    layer: Option<u32>,
    path: Option<String>,
    visible: bool,
}

impl From<&ImageRisk> for StoredImageRisk {
    fn from(risk: &ImageRisk) -> Self {
        Self { risk: (&risk.risk).into(), layer: risk.layer, path: risk.path.clone(), visible: risk.visible }
    }
}

impl From<StoredImageRisk> for ImageRisk {
    fn from(stored: StoredImageRisk) -> Self {
        let StoredImageRisk { risk, layer, path, visible } = stored;
        Self { risk: risk.into(), layer, path, visible }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredImageInventoryV2 {
    fingerprint: String,
    status: StoredStatus,
    reasons: Vec<StoredImageReason>,
    distribution: Option<StoredDistribution>,
    channels: Vec<StoredChannel>,
    packages: Vec<StoredImagePackage>,
    risks: Vec<StoredImageRisk>,
}

impl From<&InventoryRecord> for StoredImageInventoryV2 {
    fn from(record: &InventoryRecord) -> Self {
        let inventory = &record.inventory;
        Self {
            fingerprint: record.fingerprint.clone(),
            status: inventory.status.into(),
            reasons: all(&inventory.reasons),
            distribution: inventory.distribution.as_ref().map(Into::into),
            channels: all(&inventory.channels),
            packages: all(&inventory.packages),
            risks: all(&inventory.risks),
        }
    }
}

impl From<StoredImageInventoryV2> for InventoryRecord {
    fn from(stored: StoredImageInventoryV2) -> Self {
        let inventory = ImageInventory {
            status: stored.status.into(),
            reasons: all(stored.reasons),
            distribution: stored.distribution.map(Into::into),
            channels: all(stored.channels),
            packages: all(stored.packages),
            risks: all(stored.risks),
        };
        Self { fingerprint: stored.fingerprint, inventory }
    }
}

impl Record for InventoryRecord {
    const VERSION: u8 = 2;

    fn write(&self, out: Vec<u8>) -> Vec<u8> {
        seal(&StoredImageInventoryV2::from(self), out)
    }

    fn read(version: u8, body: &[u8]) -> Result<Self, Unreadable> {
        match version {
            1 => Ok(unseal::<StoredImageInventoryV1>(body)?.into()),
            2 => Ok(unseal::<StoredImageInventoryV2>(body)?.into()),
            _ => Err(Unreadable::Version),
        }
    }
}
