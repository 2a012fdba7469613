//! Answers of the API as pages read them, where [`crate::report::shape`] has no struct: only the members that are shown.

use std::collections::BTreeMap;

use serde::Deserialize;
use weir_scanner::finding::Severity;

use crate::report::shape::{Counts, ImageItem, ImageVulnerability, VulnerabilityItem};

/// A page of a list.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    pub(super) next_cursor: Option<String>,
    pub(super) total: Option<u64>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { items: Vec::new(), next_cursor: None, total: None }
    }
}

/// `images/{digest}`: the images a digest means.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ImageDocument {
    pub(super) digest: String,
    pub(super) images: Vec<Child>,
}

/// One of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Child {
    /// Known here.
    Known(Box<ImageItem>),
    /// An index names it, and nobody asked for it yet.
    Unknown { digest: String, platform: Option<String>, scan_status: String },
}

impl Child {
    pub(super) fn digest(&self) -> &str {
        match self {
            Self::Known(image) => &image.digest,
            Self::Unknown { digest, .. } => digest,
        }
    }

    pub(super) fn platform(&self) -> Option<&str> {
        match self {
            Self::Known(image) => image.platform.as_deref(),
            Self::Unknown { platform, .. } => platform.as_deref(),
        }
    }

    pub(super) fn scan_status(&self) -> &str {
        match self {
            Self::Known(image) => &image.scan_status,
            Self::Unknown { scan_status, .. } => scan_status,
        }
    }
}

/// `repositories/{name}`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RepositoryDocument {
    pub(super) exception: Option<String>,
    pub(super) digests: List<RepositoryImage>,
}

/// One of its images.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RepositoryImage {
    #[serde(flatten)]
    pub(super) image: ImageItem,
    pub(super) delta: Option<Delta>,
}

/// How its vulnerabilities differ from those of the image before it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Delta {
    pub(super) previous: String,
    pub(super) added: u64,
    pub(super) removed: u64,
}

/// A workload.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Workload {
    pub(super) cluster: String,
    pub(super) namespace: String,
    pub(super) kind: String,
    pub(super) name: String,
}

/// Where an image runs or ran.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Affected {
    #[serde(flatten)]
    pub(super) workload: Workload,
    pub(super) running: bool,
    pub(super) created_at: Option<String>,
    pub(super) first_seen: Option<String>,
    pub(super) last_seen: Option<String>,
    pub(super) pods: Option<u32>,
    #[serde(default)]
    pub(super) containers: Vec<Container>,
}

/// A container of it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Container {
    pub(super) container: String,
    pub(super) served_as: Option<String>,
}

/// What opened, changed or closed.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Event {
    pub(super) at: String,
    pub(super) kind: String,
    pub(super) reason: Option<String>,
    pub(super) image: String,
    pub(super) vulnerability: String,
    pub(super) package: String,
    pub(super) severity: Severity,
    pub(super) previous_severity: Option<Severity>,
    pub(super) fixed_version: Option<String>,
}

/// A cluster.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) source: String,
    pub(super) status: String,
    pub(super) synced_at: String,
    pub(super) age_seconds: i64,
    pub(super) first_seen: String,
    pub(super) kubernetes_version: Option<String>,
    pub(super) agent_version: Option<String>,
    pub(super) nodes: u64,
    pub(super) node_states: BTreeMap<String, u64>,
    pub(super) pods: u64,
    pub(super) workloads: u64,
    pub(super) namespaces: Vec<String>,
    pub(super) running_images: BTreeMap<String, u64>,
    pub(super) unresolved_image_ids: u64,
    pub(super) problems: Vec<ClusterProblem>,
}

/// What fails in it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ClusterProblem {
    pub(super) kind: String,
    pub(super) detail: String,
}

/// A node.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Node {
    pub(super) cluster: String,
    pub(super) name: String,
    pub(super) platform: Option<String>,
    pub(super) pods: Option<u32>,
    pub(super) state: String,
    pub(super) reason: String,
    pub(super) last_pull: Option<LastPull>,
    pub(super) check: Option<NodeCheck>,
}

/// What it pulled last.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct LastPull {
    pub(super) at: String,
    pub(super) reference: String,
    pub(super) image: String,
}

/// What it told of itself.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct NodeCheck {
    pub(super) at: String,
    pub(super) old: bool,
    pub(super) runtime: String,
    pub(super) version: Option<String>,
    pub(super) config_path: Option<String>,
    pub(super) findings: Vec<NodeFinding>,
}

/// Something that it found.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct NodeFinding {
    pub(super) level: String,
    pub(super) code: String,
    pub(super) detail: String,
}

/// A container whose image could not be told.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Unresolved {
    #[serde(flatten)]
    pub(super) workload: Workload,
    pub(super) container: String,
    pub(super) image: String,
    pub(super) image_id: Option<String>,
    pub(super) reason: String,
}

/// A feed, or a source of what is known of CVEs.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Feed {
    pub(super) kind: String,
    pub(super) ecosystem: String,
    pub(super) records: u64,
    pub(super) as_of: Option<String>,
    pub(super) fetched_at: Option<String>,
    pub(super) stale: bool,
    pub(super) error: Option<Failure>,
}

/// What went wrong, and when.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Failure {
    pub(super) at: String,
    pub(super) detail: String,
}

/// A tab of one image.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Tab<T> {
    /// `null` until there is something to tell.
    pub(super) items: Option<Vec<T>>,
    pub(super) next_cursor: Option<String>,
    pub(super) total: Option<u64>,
    /// When the oldest feed that spoke was fetched.
    pub(super) advisories_as_of: Option<String>,
    pub(super) matched_at: Option<String>,
}

impl<T> Default for Tab<T> {
    fn default() -> Self {
        Self { items: None, next_cursor: None, total: None, advisories_as_of: None, matched_at: None }
    }
}

/// An upgrade, and what it clears.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Fix {
    pub(super) package: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) version: String,
    pub(super) fixed_version: String,
    pub(super) clears: u64,
    pub(super) counts: Counts,
    pub(super) layers: Vec<u32>,
}

/// `compare`: two images side by side.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Comparison {
    pub(super) a: Compared,
    pub(super) b: Compared,
    pub(super) fixed: Option<Vec<ImageVulnerability>>,
    pub(super) new: Option<Vec<ImageVulnerability>>,
    pub(super) unchanged: Option<Vec<ImageVulnerability>>,
    pub(super) packages: Option<Vec<PackageChange>>,
    pub(super) layers: Option<SharedLayers>,
}

/// One of them.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Compared {
    pub(super) digest: String,
    pub(super) reference: Option<String>,
    pub(super) platform: Option<String>,
    pub(super) scan: ComparedScan,
}

/// How far it was read.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ComparedScan {
    pub(super) status: String,
}

/// A package that is not the same in both.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PackageChange {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) change: String,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
}

/// Layers that both have, from the bottom up.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct SharedLayers {
    pub(super) shared: u64,
    pub(super) shared_bytes: u64,
    pub(super) a: u64,
    pub(super) b: u64,
}

/// `vulnerabilities/{id}`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct VulnerabilityDetail {
    #[serde(flatten)]
    pub(super) item: VulnerabilityItem,
    pub(super) affected: List<AffectedImage>,
    pub(super) fixing: Vec<Fixing>,
}

/// One finding of it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct AffectedImage {
    pub(super) image: String,
    pub(super) reference: Option<String>,
    pub(super) platform: Option<String>,
    pub(super) image_status: String,
    pub(super) package: String,
    pub(super) fixed_version: Option<String>,
    pub(super) fixable: bool,
    pub(super) severity: Severity,
    pub(super) running_resources: u64,
    pub(super) clusters: Vec<String>,
    pub(super) first_seen: String,
    pub(super) exception: Option<String>,
}

/// A newer image without it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Fixing {
    pub(super) repository: String,
    pub(super) tag: String,
    pub(super) image: String,
    pub(super) platform: Option<String>,
}

/// A token, without its secret.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Token {
    pub(super) id: String,
    pub(super) role: String,
    pub(super) name: String,
    pub(super) cluster: Option<String>,
    /// `active`, `expired` or `revoked`.
    pub(super) state: String,
    pub(super) created_at: String,
    pub(super) expires_at: Option<String>,
    pub(super) revoked_at: Option<String>,
}
