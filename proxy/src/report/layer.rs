//! `layers/{digest}`: what one layer holds, by its compressed digest.

use hyper::Response;
use schemars::JsonSchema;
use serde::Serialize;
use weir_scanner::detect::DetectorSet;
use weir_scanner::finding::Severity;
use weir_scanner::image::ScanStatus;
use weir_scanner::layer::{Fact, LayerInventory, Reason};
use weir_scanner::oci::Digest;
use weir_scanner::package::Package;
use weir_scanner::risk::{Risk, RiskKind};
use weir_storage::index::LayerOutcome;

use super::problem::Problem;
use super::schema::{DigestText, ReasonPart, RiskKindName, ScanStatusName, SeverityName};
use super::{Parameters, Report, json};
use crate::http::Body;

/// Images named in a layer's document.
const MOST_USERS: usize = 100;

#[derive(Serialize, JsonSchema)]
pub(super) struct LayerDocument {
    #[schemars(with = "DigestText")]
    digest: Digest,
    scan: LayerScan,
    #[schemars(with = "Option<DigestText>")]
    diff_id: Option<Digest>,
    uncompressed_bytes: Option<u64>,
    paths: Option<usize>,
    files: Vec<FileItem>,
    #[schemars(with = "Vec<DigestText>")]
    images: Vec<Digest>,
}

#[derive(Serialize, JsonSchema)]
struct LayerScan {
    #[schemars(with = "ScanStatusName")]
    status: ScanStatus,
    #[schemars(with = "Vec<ReasonPart>")]
    reasons: Vec<Reason>,
    detectors: String,
}

/// A file that detectors read.
#[derive(Serialize, JsonSchema)]
struct FileItem {
    path: String,
    distribution: Option<String>,
    packages: Vec<PackageItem>,
    /// Packages a bill of materials states.
    stated: Vec<PackageItem>,
    /// How many paths the packages here own.
    owned_paths: usize,
    channels: Vec<String>,
    risks: Vec<RiskItem>,
    #[schemars(with = "Vec<ReasonPart>")]
    unread: Vec<Reason>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LayerRisk")]
struct RiskItem {
    #[schemars(with = "RiskKindName")]
    kind: RiskKind,
    rule: String,
    #[schemars(with = "SeverityName")]
    severity: Severity,
    detail: String,
    line: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LayerPackage")]
struct PackageItem {
    #[serde(rename = "type")]
    package_type: &'static str,
    name: String,
    version: String,
}

impl Report {
    pub(super) async fn layer(&self, digest: Digest, parameters: &Parameters) -> Result<Response<Body>, Problem> {
        parameters.only(&[])?;
        let detectors = DetectorSet::standard().fingerprint().to_owned();
        let fingerprint = detectors.clone();
        let load = move |index: &weir_storage::index::Index| {
            let outcome = index.layers().get(&digest, &fingerprint)?;
            Ok::<_, weir_storage::index::IndexError>((outcome, index.layers().users(&digest, MOST_USERS)?))
        };
        let (outcome, images) = self.index.run(load).await?;
        if outcome.is_none() && images.is_empty() {
            return Err(Problem::not_found(digest));
        }
        json(&document(digest, detectors, outcome, images))
    }
}

fn document(digest: Digest, detectors: String, outcome: Option<LayerOutcome>, images: Vec<Digest>) -> LayerDocument {
    let (status, reasons, inventory) = match outcome {
        None => (ScanStatus::Queued, Vec::new(), None),
        Some(LayerOutcome::Unsupported(reason)) => (ScanStatus::Unsupported, vec![reason], None),
        Some(LayerOutcome::Failed(reason)) => (ScanStatus::Failed, vec![reason], None),
        Some(LayerOutcome::Read(inventory)) => {
            let status = if inventory.is_complete() { ScanStatus::Complete } else { ScanStatus::Partial };
            (status, inventory.reasons.clone(), Some(inventory))
        }
    };
    LayerDocument {
        digest,
        scan: LayerScan { status, reasons, detectors },
        diff_id: inventory.as_ref().map(|inventory| inventory.diff_id),
        uncompressed_bytes: inventory.as_ref().map(|inventory| inventory.uncompressed_bytes),
        paths: inventory.as_ref().map(|inventory| inventory.paths.len()),
        files: inventory.as_ref().map(files).unwrap_or_default(),
        images,
    }
}

fn files(inventory: &LayerInventory) -> Vec<FileItem> {
    inventory.facts.iter().map(|(path, facts)| file(path, facts)).collect()
}

fn file(path: &str, facts: &[Fact]) -> FileItem {
    let mut item = FileItem {
        path: path.to_owned(),
        distribution: None,
        packages: Vec::new(),
        stated: Vec::new(),
        owned_paths: 0,
        channels: Vec::new(),
        risks: Vec::new(),
        unread: Vec::new(),
    };
    for fact in facts {
        match fact {
            Fact::Package(package) => item.packages.push(PackageItem::from(package)),
            Fact::Stated(package) => item.stated.push(PackageItem::from(package)),
            Fact::Distribution(distribution) => {
                item.distribution = Some(format!("{} {}", distribution.id, distribution.version))
            }
            Fact::Owned { paths, .. } => item.owned_paths += paths.len(),
            Fact::Channel(channel) => item.channels.push(channel.name.clone()),
            Fact::Risk(risk) => item.risks.push(RiskItem::from(risk)),
            Fact::Unread(reason) => item.unread.push(reason.clone()),
        }
    }
    item
}

impl From<&Package> for PackageItem {
    fn from(package: &Package) -> Self {
        let (name, version) = (package.name.clone(), package.version.clone());
        Self { package_type: package.package_type.name(), name, version }
    }
}

impl From<&Risk> for RiskItem {
    fn from(risk: &Risk) -> Self {
        let Risk { kind, rule, severity, detail, line } = risk.clone();
        Self { kind, rule, severity, detail, line }
    }
}
