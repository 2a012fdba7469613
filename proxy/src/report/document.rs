//! weir's own result JSON, schema version 1: what one image holds, what was matched, and how much of either is known.
//!
//! Built from stored facts by pure functions. `vulnerabilities` is an array only where reading and matching have both said
//! something; an unknown is `null`, never an empty list.

use schemars::JsonSchema;
use serde::Serialize;
use weir_scanner::advisory::{Feed, Rating, RatingValue};
use weir_scanner::exception::{Justification, Kind, Target};
use weir_scanner::finding::{
    CvssScore, EndedRuntime, Finding, FixState, Severity, Uncovered, UncoveredReason, ended_runtimes,
};
use weir_scanner::image::{Base, ImageInventory, ImageReason, ImageRisk, ScanStatus, history_layers};
use weir_scanner::oci::Digest;
use weir_scanner::package::{EndOfLife, end_of_life, end_of_life_table_date};
use weir_scanner::risk::RiskKind;
use weir_scanner::version::Scheme;
use weir_storage::index::{FindingsRecord, ImageRecord};

use super::current::Current;
use super::schema::{
    CvssPart, DigestText, FixStateName, ReasonPart, RiskKindName, ScanStatusName, SeverityName, UncoveredReasonName,
};
use crate::clock::rfc3339;

/// The result of one image.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Result")]
pub struct ResultDocument {
    pub(super) schema_version: u32,
    pub(super) image: ImagePart,
    pub(super) scan: ScanPart,
    pub(super) coverage: CoveragePart,
    pub(super) layers: Vec<LayerPart>,
    pub(super) build_history: Vec<HistoryPart>,
    pub(super) packages: Vec<PackagePart>,
    pub(super) vulnerabilities: Option<Vec<VulnerabilityPart>>,
    pub(super) risks: Vec<RiskPart>,
}

impl ResultDocument {
    /// Whether somebody decided about one of its findings.
    pub(super) fn is_decided(&self) -> bool {
        self.vulnerabilities.iter().flatten().any(|finding| finding.exception.is_some())
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ImagePart {
    pub(super) reference: Option<String>,
    #[schemars(with = "Option<DigestText>")]
    pub(super) digest: Option<Digest>,
    pub(super) platform: Option<String>,
    pub(super) os: Option<OsPart>,
    /// Runtimes of languages whose makers have stopped to update them, as far as this version's table of dates knows them, without those
    /// a distribution still mends.
    pub(super) runtimes_end_of_life: Vec<RuntimePart>,
    /// What it was built on, where that is known.
    pub(super) base: Option<BasePart>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct BasePart {
    pub(super) name: Option<String>,
    #[schemars(with = "Option<DigestText>")]
    pub(super) digest: Option<Digest>,
    /// How many of the layers are the base's, bottom first; `null` where only an annotation names the base.
    pub(super) layers: Option<u32>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct OsPart {
    pub(super) id: String,
    pub(super) version: String,
    pub(super) pretty_name: Option<String>,
    pub(super) supported: bool,
    /// Whether its maintainers have stopped to update it for everybody; `null` where this version's table of dates does not know it.
    pub(super) end_of_life: Option<bool>,
}

/// A runtime past its end of life.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RuntimePart {
    pub(super) name: &'static str,
    pub(super) version: String,
    /// The package URL of a package that holds it.
    pub(super) package: String,
    /// The first instant without updates.
    pub(super) ended: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ScanPart {
    #[schemars(with = "ScanStatusName")]
    pub(super) status: ScanStatus,
    #[schemars(with = "Vec<ReasonPart>")]
    pub(super) reasons: Vec<ImageReason>,
    pub(super) matched_at: Option<String>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct CoveragePart {
    pub(super) feeds: Vec<FeedPart>,
    pub(super) missing_feeds: Vec<String>,
    pub(super) uncovered_packages: Option<u64>,
    /// The same by ecosystem and reason, with a few examples.
    pub(super) uncovered: Vec<UncoveredPart>,
    /// When this version's table of ends of life was last looked over; what appeared later is unknown to it.
    pub(super) end_of_life_table_date: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct UncoveredPart {
    pub(super) ecosystem: String,
    #[schemars(with = "UncoveredReasonName")]
    pub(super) reason: UncoveredReason,
    pub(super) packages: u64,
    pub(super) examples: Vec<String>,
}

/// One feed, as coverage and the list of feeds show it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct FeedPart {
    pub(super) ecosystem: String,
    pub(super) records: u64,
    pub(super) as_of: Option<String>,
    pub(super) fetched_at: String,
    pub(super) stale: bool,
    /// Why the last refresh failed, where it did.
    pub(super) error: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct LayerPart {
    pub(super) index: u32,
    #[schemars(with = "DigestText")]
    pub(super) digest: Digest,
    #[schemars(with = "Option<DigestText>")]
    pub(super) diff_id: Option<Digest>,
    pub(super) size_bytes: u64,
    pub(super) created_by: Option<String>,
    /// Whether it is the base image's; `null` where no base is known, or not how many layers it has.
    pub(super) base: Option<bool>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct HistoryPart {
    pub(super) created_by: Option<String>,
    pub(super) created: Option<String>,
    pub(super) layer: Option<u32>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PackagePart {
    pub(super) purl: String,
    #[serde(rename = "type")]
    pub(super) package_type: &'static str,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) architecture: Option<String>,
    pub(super) source: Option<SourcePart>,
    pub(super) layer: u32,
    pub(super) paths: Vec<String>,
    /// The system package whose files it is made of, as a package URL.
    pub(super) owner: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RiskPart {
    #[schemars(with = "RiskKindName")]
    pub(super) kind: RiskKind,
    pub(super) rule: String,
    #[schemars(with = "SeverityName")]
    pub(super) severity: Severity,
    pub(super) detail: String,
    /// `null` for the image's configuration.
    pub(super) layer: Option<u32>,
    pub(super) path: Option<String>,
    pub(super) line: Option<u32>,
    pub(super) visible: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SourcePart {
    pub(super) name: String,
    pub(super) version: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct VulnerabilityPart {
    pub(super) id: String,
    pub(super) aliases: Vec<String>,
    pub(super) advisories: Vec<String>,
    pub(super) summary: String,
    pub(super) package: String,
    pub(super) layer: u32,
    #[schemars(with = "SeverityName")]
    pub(super) severity: Severity,
    #[schemars(with = "Option<CvssPart>")]
    pub(super) cvss: Option<CvssScore>,
    /// Who gave the rating the severity was taken from.
    pub(super) rated_by: Option<String>,
    /// Every rating there is, those that count first.
    pub(super) ratings: Vec<RatingPart>,
    pub(super) fixed_version: Option<String>,
    /// Whether that can be had: `none`, `fixed`, or `pro` where only Ubuntu Pro has it.
    #[schemars(with = "FixStateName")]
    pub(super) fix_state: FixState,
    /// Fixed versions of other branches.
    pub(super) other_fixes: Vec<String>,
    /// Packages of a Go module it is about, where it is not about all of it: a program that imports none is not affected.
    pub(super) imports: Vec<String>,
    /// The system package that brought the package, where its distribution's feed speaks for that.
    pub(super) covered_by: Option<String>,
    /// `null` where no list of exploited vulnerabilities was read.
    pub(super) known_exploited: Option<bool>,
    /// `null` where no likelihood is known.
    pub(super) epss: Option<f64>,
    pub(super) first_seen: String,
    /// The decision it stands under, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exception: Option<ExceptionPart>,
}

/// A decision that a finding stands under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct ExceptionPart {
    pub(super) id: String,
    /// `repository` where the whole image is excepted.
    #[schemars(with = "String")]
    pub(super) target: Target,
    /// `under_investigation` excepts nothing.
    #[schemars(with = "String")]
    pub(super) kind: Kind,
    #[schemars(with = "Option<String>")]
    pub(super) justification: Option<Justification>,
    pub(super) reason: String,
    pub(super) by: String,
    pub(super) at: String,
    pub(super) expires_at: Option<String>,
}

/// One rating: a vector, a word or a number, as its source wrote it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RatingPart {
    pub(super) source: String,
    pub(super) value: String,
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
    /// What stands beside them and changes by itself.
    pub current: &'a Current,
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
            // Findings that came out the same are not written again; the image tells when it was matched last.
            matched_at: findings.map(|findings| rfc3339(input.image.matched_at.unwrap_or(findings.matched_at))),
        },
        coverage: CoveragePart {
            end_of_life_table_date: rfc3339(end_of_life_table_date()),
            ..findings
                .map(|findings| coverage(findings, input.current, input.stale_after, input.now))
                .unwrap_or_default()
        },
        layers: layers(input.image),
        build_history: history(input.image),
        packages: input.inventory.filter(|_| read).map(packages).unwrap_or_default(),
        // Without any feed nothing was compared with anything: that is not an empty result.
        vulnerabilities: findings
            .filter(|findings| !findings.findings.feeds.is_empty())
            .map(|findings| vulnerabilities(findings, input.current)),
        risks: input.inventory.filter(|_| read).map(risks).unwrap_or_default(),
    }
}

fn image(input: &ResultInput<'_>) -> ImagePart {
    let os = input.inventory.and_then(|inventory| inventory.distribution.as_ref()).map(|distribution| OsPart {
        id: distribution.id.clone(),
        version: distribution.version.clone(),
        pretty_name: distribution.pretty_name.clone(),
        // A feed whose versions cannot be compared speaks for nothing.
        supported: distribution.ecosystem().is_some_and(|ecosystem| Scheme::of(&ecosystem).is_some()),
        end_of_life: match end_of_life(distribution, input.now) {
            EndOfLife::Ended { .. } => Some(true),
            EndOfLife::Supported { .. } | EndOfLife::Rolling => Some(false),
            EndOfLife::Unknown => None,
        },
    });
    let runtimes = input.inventory.map(|inventory| ended_runtimes(inventory, input.now)).unwrap_or_default();
    let base = input.image.base.clone().map(|Base { name, digest, layers }| BasePart { name, digest, layers });
    let platform = input.image.platform.as_ref().map(ToString::to_string);
    ImagePart {
        reference: input.reference.clone(),
        digest: input.digest,
        platform,
        os,
        runtimes_end_of_life: runtimes.into_iter().map(runtime).collect(),
        base,
    }
}

fn runtime(ended: EndedRuntime) -> RuntimePart {
    let EndedRuntime { name, version, package, ended } = ended;
    RuntimePart { name, version, package, ended: rfc3339(ended) }
}

/// What spoke for an image, with the age of each feed judged at `now`; all but the date of the table of ends of life.
pub(super) fn coverage(record: &FindingsRecord, current: &Current, stale_after: i64, now: i64) -> CoveragePart {
    let shown = |known: &Feed| feed(known, current.failure(known), stale_after, now);
    let uncovered = record.findings.uncovered.iter().map(|uncovered| {
        let Uncovered { ecosystem, reason, packages, examples } = uncovered.clone();
        UncoveredPart { ecosystem, reason, packages, examples }
    });
    CoveragePart {
        feeds: current.feeds.iter().map(shown).collect(),
        missing_feeds: record.findings.missing_feeds.clone(),
        uncovered_packages: Some(record.findings.uncovered_packages),
        uncovered: uncovered.collect(),
        ..CoveragePart::default()
    }
}

/// One feed with its age judged at `now`.
pub(super) fn feed(feed: &Feed, error: Option<&str>, stale_after: i64, now: i64) -> FeedPart {
    FeedPart {
        ecosystem: feed.ecosystem.to_string(),
        records: feed.records,
        as_of: feed.as_of.map(rfc3339),
        fetched_at: rfc3339(feed.fetched_at),
        stale: now.saturating_sub(feed.fetched_at) > stale_after,
        error: error.map(str::to_owned),
    }
}

fn layers(image: &ImageRecord) -> Vec<LayerPart> {
    let made_by = history_layers(&image.history, image.layers.len());
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
            base: image.base.as_ref().and_then(|base| base.layers).map(|layers| index < layers),
        })
        .collect()
}

fn history(image: &ImageRecord) -> Vec<HistoryPart> {
    let entries = image.history.iter().zip(history_layers(&image.history, image.layers.len()));
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

fn vulnerabilities(record: &FindingsRecord, current: &Current) -> Vec<VulnerabilityPart> {
    let part = |finding: &Finding| VulnerabilityPart {
        id: finding.id.clone(),
        aliases: finding.aliases.clone(),
        advisories: finding.advisories.clone(),
        summary: finding.summary.clone(),
        package: finding.package.clone(),
        layer: finding.layer,
        severity: finding.severity,
        cvss: finding.cvss.clone(),
        rated_by: finding.rated_by.clone(),
        ratings: finding.ratings.iter().map(rating).collect(),
        fixed_version: finding.fixed_version.clone(),
        fix_state: finding.fix_state,
        other_fixes: finding.other_fixes.clone(),
        imports: finding.imports.clone(),
        covered_by: finding.covered_by.clone(),
        known_exploited: current.exploited(finding),
        epss: current.likelihood(finding),
        first_seen: rfc3339(record.first_seen(finding)),
        exception: None,
    };
    let mut parts: Vec<_> = record.findings.findings.iter().map(part).collect();
    // What is exploited goes first; the rest stays in the order of matching, severest first.
    parts.sort_by_key(|part| part.known_exploited != Some(true));
    parts
}

fn rating(rating: &Rating) -> RatingPart {
    let (RatingValue::Cvss(value) | RatingValue::Word(value) | RatingValue::Score(value)) = &rating.value;
    RatingPart { source: rating.source.clone(), value: value.clone() }
}
