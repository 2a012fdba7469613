//! `layers/{digest}`: what one layer holds, by its compressed digest.

use hyper::Response;
use serde::Serialize;
use weir_scanner::detect::DetectorSet;
use weir_scanner::image::ScanStatus;
use weir_scanner::layer::{Fact, LayerInventory, Reason};
use weir_scanner::oci::Digest;
use weir_storage::index::LayerOutcome;

use super::problem::Problem;
use super::{Parameters, Report, json};
use crate::http::Body;

/// Images named in a layer's document.
const MOST_USERS: usize = 100;

#[derive(Serialize)]
struct LayerDocument {
    digest: Digest,
    scan: LayerScan,
    diff_id: Option<Digest>,
    uncompressed_bytes: Option<u64>,
    paths: Option<usize>,
    files: Vec<FileItem>,
    images: Vec<Digest>,
}

#[derive(Serialize)]
struct LayerScan {
    status: ScanStatus,
    reasons: Vec<Reason>,
    detectors: String,
}

/// A file that detectors read.
#[derive(Serialize)]
struct FileItem {
    path: String,
    distribution: Option<String>,
    packages: Vec<PackageItem>,
    unread: Vec<Reason>,
}

#[derive(Serialize)]
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
    let item = |(path, facts): (&String, &Vec<Fact>)| {
        let mut item = FileItem { path: path.clone(), distribution: None, packages: Vec::new(), unread: Vec::new() };
        for fact in facts {
            match fact {
                Fact::Package(package) => item.packages.push(PackageItem {
                    package_type: package.package_type.name(),
                    name: package.name.clone(),
                    version: package.version.clone(),
                }),
                Fact::Distribution(distribution) => {
                    item.distribution = Some(format!("{} {}", distribution.id, distribution.version))
                }
                Fact::Unread(reason) => item.unread.push(reason.clone()),
            }
        }
        item
    };
    inventory.facts.iter().map(item).collect()
}
