//! What lists show: the items of the API, which console and CSV show too.
//!
//! Plain data with every value as it is told outside. Made by [`super::model`] and by the tabs of one image, and written as they are.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weir_scanner::finding::Severity;
use weir_scanner::verdict::SeverityCounts;

use super::schema::{SeverityName, SeverityNumbers};

/// Counts of one thing seen two ways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Counts {
    /// Distinct vulnerabilities by severity, each as its worst finding.
    #[schemars(with = "SeverityNumbers")]
    pub(super) vulnerabilities: SeverityCounts,
    /// How many of them a newer version fixes.
    pub(super) fixable: u64,
    /// How many of them are known to be exploited.
    pub(super) known_exploited: u64,
}

/// A repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct RepositoryItem {
    /// `<upstream>/<repository>`.
    pub(super) name: String,
    /// The images that are meant.
    pub(super) images: u64,
    /// How many of them were read and matched: `counts` speaks of these alone.
    pub(super) scanned_images: u64,
    /// How many images there are of each scan status.
    pub(super) scan_statuses: BTreeMap<String, u64>,
    /// The union over its images; `null` until one was read and matched.
    pub(super) counts: Option<Counts>,
    /// The clusters that run it.
    pub(super) clusters: Vec<String>,
    /// Workloads that are meant and run it now.
    pub(super) running_resources: u64,
    /// The tag of the image that was scanned last.
    pub(super) latest_scanned_tag: Option<String>,
    /// That image.
    pub(super) latest_scanned_image: Option<String>,
    /// When a finding that is still there was first seen: the oldest.
    pub(super) oldest_finding: Option<String>,
    /// The id of the exception that all its images stand under, where they do.
    pub(super) exception: Option<String>,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct ImageItem {
    pub(super) digest: String,
    /// A tag that leads to it, else its repository and digest.
    pub(super) reference: Option<String>,
    pub(super) repositories: Vec<String>,
    /// Every tag known to lead to it, as `<upstream>/<repository>:<tag>`.
    pub(super) tags: Vec<String>,
    pub(super) platform: Option<String>,
    /// `running`, `idle` or `retired`.
    pub(super) image_status: String,
    /// Workloads that run it now.
    pub(super) running_resources: u64,
    /// The clusters they are in.
    pub(super) clusters: Vec<String>,
    pub(super) scan_status: String,
    /// Why it was not read whole, or could not be fetched.
    pub(super) reason: Option<String>,
    pub(super) detail: Option<String>,
    pub(super) first_seen: String,
    /// When a client last pulled it through weir; `null` if none ever did.
    pub(super) last_pulled: Option<String>,
    /// When it last ran; `null` if it never did.
    pub(super) last_run: Option<String>,
    pub(super) matched_at: Option<String>,
    /// Distinct vulnerabilities by severity; `null` until the image was read and matched.
    #[schemars(with = "Option<SeverityNumbers>")]
    pub(super) vulnerabilities: Option<SeverityCounts>,
    /// How many of them a newer version fixes.
    pub(super) fixable: Option<u64>,
    /// How many of them are known to be exploited.
    pub(super) known_exploited: Option<u64>,
    /// The id of the exception that its repositories stand under, where all of them do.
    pub(super) exception: Option<String>,
}

/// A vulnerability across images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct VulnerabilityItem {
    pub(super) id: String,
    pub(super) aliases: Vec<String>,
    pub(super) summary: String,
    /// Its worst rating among the findings that are meant.
    #[schemars(with = "SeverityName")]
    pub(super) severity: Severity,
    /// The highest score.
    pub(super) cvss: Option<f64>,
    pub(super) epss: Option<f64>,
    pub(super) known_exploited: Option<bool>,
    /// Whether any finding of it has a fix.
    pub(super) fixable: bool,
    /// Images it is in.
    pub(super) images: u64,
    /// Repositories of these.
    pub(super) repositories: u64,
    /// Workloads that run one of these.
    pub(super) running_resources: u64,
    pub(super) clusters: Vec<String>,
    /// Packages it is in, without versions.
    pub(super) packages: Vec<String>,
    pub(super) first_seen: String,
}

/// The numbers above a list, for the same filter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Statistics {
    pub(super) repositories: u64,
    pub(super) images: u64,
    /// Images that were read and matched: the counts below speak of these alone.
    pub(super) scanned_images: u64,
    /// Images by status.
    pub(super) image_statuses: BTreeMap<String, u64>,
    /// Images by scan status.
    pub(super) scan_statuses: BTreeMap<String, u64>,
    pub(super) clusters: u64,
    pub(super) namespaces: u64,
    pub(super) running_resources: u64,
    /// Distinct vulnerabilities; `null` where no image that is meant was read and matched.
    pub(super) vulnerabilities: Option<Counts>,
    /// Workload times package times vulnerability, by severity.
    #[schemars(with = "SeverityNumbers")]
    pub(super) findings: SeverityCounts,
    pub(super) fixable_findings: u64,
    pub(super) known_exploited_findings: u64,
    /// Findings that should be gone by now (`report.due`).
    pub(super) overdue_findings: u64,
    /// Distinct vulnerabilities that would be counted but for an exception.
    pub(super) excepted_vulnerabilities: u64,
    /// Repositories that would be listed but for an exception.
    pub(super) excepted_repositories: u64,
}

/// The values a parameter of the filter can have, each with what choosing it would show.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Facet {
    /// The parameter.
    pub(super) parameter: String,
    pub(super) values: Vec<FacetValue>,
}

/// One value of a facet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct FacetValue {
    pub(super) value: String,
    /// Images that would be listed with this value of this parameter and the rest of the filter as it is.
    pub(super) images: u64,
    /// Whether the filter has it.
    pub(super) selected: bool,
}

/// A finding of one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct ImageVulnerability {
    pub(super) id: String,
    pub(super) aliases: Vec<String>,
    pub(super) summary: String,
    /// The affected package's package URL.
    pub(super) package: String,
    pub(super) package_name: String,
    pub(super) package_version: String,
    /// `os` or `application`.
    pub(super) package_kind: String,
    pub(super) layer: u32,
    #[schemars(with = "SeverityName")]
    pub(super) severity: Severity,
    pub(super) cvss: Option<f64>,
    pub(super) cvss_version: Option<String>,
    pub(super) cvss_vector: Option<String>,
    /// Who gave the rating.
    pub(super) rated_by: Option<String>,
    pub(super) epss: Option<f64>,
    pub(super) known_exploited: Option<bool>,
    pub(super) fixed_version: Option<String>,
    pub(super) fixable: bool,
    pub(super) other_fixes: Vec<String>,
    pub(super) advisories: Vec<String>,
    pub(super) paths: Vec<String>,
    /// The system package whose feed speaks for the package: such a finding counts nowhere.
    pub(super) covered_by: Option<String>,
    pub(super) first_seen: String,
    pub(super) exception: Option<FindingException>,
}

/// The decision a finding stands under.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct FindingException {
    pub(super) id: String,
    /// `false_positive`, `accepted_risk` or `under_investigation`, the last of which excepts nothing.
    pub(super) kind: String,
    pub(super) reason: String,
    pub(super) by: String,
    pub(super) at: String,
    pub(super) expires_at: Option<String>,
}

/// A package of one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct PackageItem {
    pub(super) purl: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) version: String,
    /// `os` or `application`.
    pub(super) package_kind: String,
    pub(super) layer: u32,
    pub(super) paths: Vec<String>,
    /// Its findings; `null` until the image was matched.
    pub(super) counts: Option<Counts>,
    /// The version that fixes all that can be fixed, where the comparison of versions knows one.
    pub(super) fixed_version: Option<String>,
    /// How many vulnerabilities that version clears.
    pub(super) clears: u64,
}

/// A layer of one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct LayerItem {
    pub(super) index: u32,
    pub(super) digest: String,
    pub(super) diff_id: Option<String>,
    pub(super) size_bytes: u64,
    /// The command that made it; `null` without metadata of the build.
    pub(super) created_by: Option<String>,
    pub(super) created: Option<String>,
    /// Whether the base image brought it; `null` where the base is not known.
    pub(super) base: Option<bool>,
    /// `null` until the image was read.
    pub(super) packages: Option<u64>,
    /// Findings of the packages it brought; `null` until the image was matched.
    pub(super) counts: Option<Counts>,
}

/// A decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct ExceptionItem {
    pub(super) id: String,
    /// `repository` or `vulnerability`.
    pub(super) target: String,
    /// `false_positive`, `accepted_risk` or `under_investigation`.
    pub(super) kind: String,
    /// `active`, `expired` or `cancelled`.
    pub(super) state: String,
    /// The name it was decided by; `null` for a repository.
    pub(super) vulnerability: Option<String>,
    /// Its other names when that was.
    pub(super) aliases: Vec<String>,
    pub(super) scope: ScopeItem,
    /// Why it is not affected, in a word of VEX.
    pub(super) justification: Option<String>,
    pub(super) reason: String,
    pub(super) created_by: String,
    pub(super) created_at: String,
    pub(super) expires_at: Option<String>,
    pub(super) expire_on_fix: bool,
    pub(super) cancelled: Option<CancelledItem>,
    /// The VEX document it came from.
    pub(super) document: Option<String>,
}

/// Where a decision holds: all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) struct ScopeItem {
    pub(super) cluster: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) labels: Vec<String>,
    pub(super) repository: Option<String>,
    pub(super) image: Option<String>,
    pub(super) package: Option<String>,
}

/// How a decision was cancelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) struct CancelledItem {
    pub(super) at: String,
    pub(super) by: String,
    pub(super) reason: String,
}

/// What a decision would except that is there now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Preview {
    pub(super) images: u64,
    pub(super) repositories: u64,
    /// Image times package times vulnerability.
    pub(super) findings: u64,
    pub(super) vulnerabilities: u64,
    /// Workloads that run one of the images and are in scope.
    pub(super) workloads: u64,
    /// What to think of before it is set.
    pub(super) warning: Option<String>,
    /// The first few.
    pub(super) examples: Vec<PreviewExample>,
}

/// One thing that a decision would except.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) struct PreviewExample {
    pub(super) image: String,
    pub(super) repository: Option<String>,
    /// `null` where the whole image is meant.
    pub(super) vulnerability: Option<String>,
    pub(super) package: Option<String>,
}

/// A decision that was not made yet, and what it would except.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct PreviewedException {
    pub(super) exception: ExceptionItem,
    pub(super) preview: Preview,
}

/// Something that somebody did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) struct AuditItem {
    pub(super) id: u64,
    pub(super) at: String,
    pub(super) by: String,
    pub(super) action: String,
    pub(super) subject: String,
    pub(super) detail: String,
}
