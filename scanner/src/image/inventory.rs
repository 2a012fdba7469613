//! What an image holds once its layers are folded, and which layer brought it.

use serde::{Deserialize, Serialize};

use crate::layer::{Channel, LayerInventory, Reason};
use crate::package::{Distribution, Package};
use crate::risk::Risk;

/// One layer as composition gets it, bottom first.
#[derive(Clone, Copy, Debug)]
pub enum LayerInput<'a> {
    /// The layer was read, wholly or partly.
    Read(&'a LayerInventory),
    /// The layer will never be read by this version: foreign, encrypted, no tar.
    Unsupported(&'a Reason),
    /// The layer was tried and could not be read, or could not be had.
    Failed(&'a Reason),
}

/// How completely an image was read. Says nothing of matching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScanStatus {
    /// Waiting for its turn.
    Queued,
    /// Some layers are read, others on their way.
    Scanning,
    /// Every layer read to its end.
    Complete,
    /// Something was left out; the reasons say what.
    Partial,
    /// Nothing could be read.
    Failed,
    /// Not an image this version reads.
    Unsupported,
    /// The registry does not let weir read it.
    NoAccess,
    /// Runs somewhere, but weir has no bytes of it.
    NeverSeen,
}

impl ScanStatus {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Scanning,
        Self::Complete,
        Self::Partial,
        Self::Failed,
        Self::Unsupported,
        Self::NoAccess,
        Self::NeverSeen,
    ];

    /// The name in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Scanning => "scanning",
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Unsupported => "unsupported",
            Self::NoAccess => "no_access",
            Self::NeverSeen => "never_seen",
        }
    }
}

/// A reason with the layer it concerns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ImageReason {
    /// Index of the layer, bottom first; `None` for the image as a whole.
    pub layer: Option<u32>,
    /// Why.
    #[serde(flatten)]
    pub reason: Reason,
}

/// A package visible in the finished image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePackage {
    /// The package.
    pub package: Package,
    /// Its package URL, with the distribution's qualifier for system packages.
    pub purl: String,
    /// Index of the layer that brought it: the lowest of its current uninterrupted run.
    pub layer: u32,
    /// The files that state it, sorted.
    pub paths: Vec<String>,
    /// The system package whose files it is made of, as a package URL, where it was installed by the distribution: the
    /// distribution's feed speaks for it.
    pub owner: Option<String>,
}

/// A risk with its place in the image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageRisk {
    /// What is wrong.
    pub risk: Risk,
    /// Index of the layer whose file shows it; `None` for the image's configuration.
    pub layer: Option<u32>,
    /// The file; `None` for the image's configuration.
    pub path: Option<String>,
    /// Whether the finished image still shows it. A secret that an upper layer removed is still in the image's bytes.
    pub visible: bool,
}

/// What an image holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageInventory {
    /// Complete, partial, failed or unsupported.
    pub status: ScanStatus,
    /// Why the status is not complete.
    pub reasons: Vec<ImageReason>,
    /// The distribution, where one was identified.
    pub distribution: Option<Distribution>,
    /// Where its system packages come from, sorted.
    pub channels: Vec<Channel>,
    /// The packages, sorted by type, name, version, architecture.
    pub packages: Vec<ImagePackage>,
    /// What is wrong besides, those of its files.
    pub risks: Vec<ImageRisk>,
}
