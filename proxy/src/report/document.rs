//! weir's own result JSON, schema version 1: what one image holds, what was matched, and how much of either is known.
//!
//! Built from stored facts by pure functions. `vulnerabilities` is an array only where reading and matching have both said
//! something; an unknown is `null`, never an empty list.

use serde::Serialize;
use weir_scanner::advisory::Feed;
use weir_scanner::finding::{CvssScore, Severity};
use weir_scanner::image::{ImageInventory, ImageReason, ImageRisk, ScanStatus};
use weir_scanner::oci::Digest;
use weir_scanner::risk::RiskKind;
use weir_storage::index::{FindingsRecord, ImageRecord};

use crate::clock::rfc3339;

/// The result of one image.
#[derive(Debug, Serialize)]
pub struct ResultDocument {
    schema_version: u32,
    image: ImagePart,
    scan: ScanPart,
    coverage: CoveragePart,
    layers: Vec<LayerPart>,
    build_history: Vec<HistoryPart>,
    packages: Vec<PackagePart>,
    vulnerabilities: Option<Vec<VulnerabilityPart>>,
    risks: Vec<RiskPart>,
}

#[derive(Debug, Serialize)]
struct ImagePart {
    reference: Option<String>,
    digest: Option<Digest>,
    platform: Option<String>,
    os: Option<OsPart>,
}

#[derive(Debug, Serialize)]
struct OsPart {
    id: String,
    version: String,
    pretty_name: Option<String>,
    supported: bool,
    /// Not known to this version: it carries no table of dates.
    end_of_life: Option<bool>,
}

#[derive(Debug, Serialize)]
struct ScanPart {
    status: ScanStatus,
    reasons: Vec<ImageReason>,
    matched_at: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct CoveragePart {
    feeds: Vec<FeedPart>,
    missing_feeds: Vec<String>,
    uncovered_packages: Option<u64>,
}

/// One feed, as coverage and the list of feeds show it.
#[derive(Debug, Serialize)]
pub(super) struct FeedPart {
    ecosystem: String,
    records: u64,
    as_of: Option<String>,
    fetched_at: String,
    stale: bool,
}

#[derive(Debug, Serialize)]
struct LayerPart {
    index: u32,
    digest: Digest,
    diff_id: Option<Digest>,
    size_bytes: u64,
    created_by: Option<String>,
    /// Not known to this version: it recognises no base images.
    base: Option<bool>,
}

#[derive(Debug, Serialize)]
struct HistoryPart {
    created_by: Option<String>,
    created: Option<String>,
    layer: Option<u32>,
}

#[derive(Debug, Serialize)]
struct PackagePart {
    purl: String,
    #[serde(rename = "type")]
    package_type: &'static str,
    name: String,
    version: String,
    architecture: Option<String>,
    source: Option<SourcePart>,
    layer: u32,
    paths: Vec<String>,
    /// The system package whose files it is made of, as a package URL.
    owner: Option<String>,
}

#[derive(Debug, Serialize)]
struct RiskPart {
    kind: RiskKind,
    rule: String,
    severity: Severity,
    detail: String,
    /// `null` for the image's configuration.
    layer: Option<u32>,
    path: Option<String>,
    line: Option<u32>,
    visible: bool,
}

#[derive(Debug, Serialize)]
struct SourcePart {
    name: String,
    version: String,
}

#[derive(Debug, Serialize)]
struct VulnerabilityPart {
    id: String,
    aliases: Vec<String>,
    advisories: Vec<String>,
    summary: String,
    package: String,
    layer: u32,
    severity: Severity,
    cvss: Option<CvssScore>,
    fixed_version: Option<String>,
    /// Not known to this version: it reads no list of exploited vulnerabilities.
    known_exploited: Option<bool>,
    /// Not known to this version.
    epss: Option<f64>,
    first_seen: String,
}

/// What a result is made of.
pub struct ResultInput<'a> {
    /// The image's digest: its platform manifest's; none for what has no manifest.
    pub digest: Option<Digest>,
    /// A name to show it under.
    pub reference: Option<String>,
    /// Its row.
    pub image: &'a ImageRecord,
    /// Its inventory, once its layers were read.
    pub inventory: Option<&'a ImageInventory>,
    /// Its findings, once it was matched.
    pub findings: Option<&'a FindingsRecord>,
    /// Seconds after which a feed is stale.
    pub stale_after: i64,
    /// The time, seconds since the epoch.
    pub now: i64,
}

/// Puts a result together.
pub fn result(input: &ResultInput<'_>) -> ResultDocument {
    let read = matches!(input.image.status, ScanStatus::Complete | ScanStatus::Partial);
    let findings = input.findings.filter(|_| read);
    ResultDocument {
        schema_version: 1,
        image: image(input),
        scan: ScanPart {
            status: input.image.status,
            reasons: input.image.reasons.clone(),
            matched_at: findings.map(|findings| rfc3339(findings.matched_at)),
        },
        coverage: findings.map(|findings| coverage(findings, input)).unwrap_or_default(),
        layers: layers(input.image),
        build_history: history(input.image),
        packages: input.inventory.filter(|_| read).map(packages).unwrap_or_default(),
        // Without any feed nothing was compared with anything: that is not an empty result.
        vulnerabilities: findings.filter(|findings| !findings.findings.feeds.is_empty()).map(vulnerabilities),
        risks: input.inventory.filter(|_| read).map(risks).unwrap_or_default(),
    }
}

fn image(input: &ResultInput<'_>) -> ImagePart {
    let os = input.inventory.and_then(|inventory| inventory.distribution.as_ref()).map(|distribution| OsPart {
        id: distribution.id.clone(),
        version: distribution.version.clone(),
        pretty_name: distribution.pretty_name.clone(),
        supported: distribution.ecosystem().is_some(),
        end_of_life: None,
    });
    let platform = input.image.platform.as_ref().map(ToString::to_string);
    ImagePart { reference: input.reference.clone(), digest: input.digest, platform, os }
}

fn coverage(record: &FindingsRecord, input: &ResultInput<'_>) -> CoveragePart {
    CoveragePart {
        feeds: record.findings.feeds.iter().map(|known| feed(known, input.stale_after, input.now)).collect(),
        missing_feeds: record.findings.missing_feeds.clone(),
        uncovered_packages: Some(record.findings.uncovered_packages),
    }
}

/// One feed with its age judged at `now`.
pub(super) fn feed(feed: &Feed, stale_after: i64, now: i64) -> FeedPart {
    FeedPart {
        ecosystem: feed.ecosystem.to_string(),
        records: feed.records,
        as_of: feed.as_of.map(rfc3339),
        fetched_at: rfc3339(feed.fetched_at),
        stale: now.saturating_sub(feed.fetched_at) > stale_after,
    }
}

/// For each history entry the layer it made, where the entries with a layer are as many as the layers.
fn history_layers(image: &ImageRecord) -> Vec<Option<u32>> {
    let made = image.history.iter().filter(|entry| !entry.empty_layer).count();
    let mut next = 0;
    let numbered = image.history.iter().map(|entry| {
        (made == image.layers.len() && !entry.empty_layer).then(|| {
            next += 1;
            next - 1
        })
    });
    numbered.collect()
}

fn layers(image: &ImageRecord) -> Vec<LayerPart> {
    let made_by = history_layers(image);
    let created_by = |index: u32| {
        let at = made_by.iter().position(|layer| *layer == Some(index))?;
        image.history[at].created_by.clone()
    };
    (0..)
        .zip(&image.layers)
        .map(|(index, layer)| LayerPart {
            index,
            digest: layer.digest,
            diff_id: layer.diff_id,
            size_bytes: layer.size,
            created_by: created_by(index),
            base: None,
        })
        .collect()
}

fn history(image: &ImageRecord) -> Vec<HistoryPart> {
    let entries = image.history.iter().zip(history_layers(image));
    entries
        .map(|(entry, layer)| HistoryPart {
            created_by: entry.created_by.clone(),
            created: entry.created.clone(),
            layer,
        })
        .collect()
}

fn packages(inventory: &ImageInventory) -> Vec<PackagePart> {
    let part = |found: &weir_scanner::image::ImagePackage| PackagePart {
        purl: found.purl.clone(),
        package_type: found.package.package_type.name(),
        name: found.package.name.clone(),
        version: found.package.version.clone(),
        architecture: found.package.architecture.clone(),
        source: found
            .package
            .source
            .as_ref()
            .map(|source| SourcePart { name: source.name.clone(), version: source.version.clone() }),
        layer: found.layer,
        paths: found.paths.clone(),
        owner: found.owner.clone(),
    };
    inventory.packages.iter().map(part).collect()
}

fn risks(inventory: &ImageInventory) -> Vec<RiskPart> {
    let part = |found: &ImageRisk| RiskPart {
        kind: found.risk.kind,
        rule: found.risk.rule.clone(),
        severity: found.risk.severity,
        detail: found.risk.detail.clone(),
        layer: found.layer,
        path: found.path.clone(),
        line: found.risk.line,
        visible: found.visible,
    };
    inventory.risks.iter().map(part).collect()
}

fn vulnerabilities(record: &FindingsRecord) -> Vec<VulnerabilityPart> {
    let part = |finding: &weir_scanner::finding::Finding| VulnerabilityPart {
        id: finding.id.clone(),
        aliases: finding.aliases.clone(),
        advisories: finding.advisories.clone(),
        summary: finding.summary.clone(),
        package: finding.package.clone(),
        layer: finding.layer,
        severity: finding.severity,
        cvss: finding.cvss.clone(),
        fixed_version: finding.fixed_version.clone(),
        known_exploited: None,
        epss: None,
        first_seen: rfc3339(record.first_seen(finding)),
    };
    record.findings.findings.iter().map(part).collect()
}
