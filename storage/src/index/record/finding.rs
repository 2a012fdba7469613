//! Stored form of an image's findings.

use serde::{Deserialize, Serialize};
use weir_scanner::finding::{CvssScore, Finding, ImageFindings};

use super::advisory::StoredFeedV1;
use super::common::{StoredSeverity, all};
use super::{Record, Unreadable, first_version, seal, unseal};
use crate::index::FindingsRecord;

#[derive(Debug, Serialize, Deserialize)]
struct StoredCvss {
    version: String,
    score: f64,
    vector: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredFinding {
    id: String,
    aliases: Vec<String>,
    advisories: Vec<String>,
    package: String,
    layer: u32,
    severity: StoredSeverity,
    cvss: Option<StoredCvss>,
    fixed_version: Option<String>,
    summary: String,
}

impl From<&Finding> for StoredFinding {
    fn from(finding: &Finding) -> Self {
        let Finding { id, aliases, advisories, package, layer, severity, cvss, fixed_version, summary } =
            finding.clone();
        let cvss = cvss.map(|CvssScore { version, score, vector }| StoredCvss { version, score, vector });
        Self { id, aliases, advisories, package, layer, severity: severity.into(), cvss, fixed_version, summary }
    }
}

impl From<StoredFinding> for Finding {
    fn from(stored: StoredFinding) -> Self {
        let StoredFinding { id, aliases, advisories, package, layer, severity, cvss, fixed_version, summary } = stored;
        let cvss = cvss.map(|StoredCvss { version, score, vector }| CvssScore { version, score, vector });
        Self { id, aliases, advisories, package, layer, severity: severity.into(), cvss, fixed_version, summary }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredFindingsV1 {
    findings: Vec<StoredFinding>,
    feeds: Vec<StoredFeedV1>,
    missing_feeds: Vec<String>,
    uncovered_packages: u64,
    matched_at: i64,
    /// Id, package URL, time.
    first_seen: Vec<(String, String, i64)>,
}

impl From<&FindingsRecord> for StoredFindingsV1 {
    fn from(record: &FindingsRecord) -> Self {
        let first_seen = record.first_seen.iter().map(|((id, package), at)| (id.clone(), package.clone(), *at));
        Self {
            findings: all(&record.findings.findings),
            feeds: all(&record.findings.feeds),
            missing_feeds: record.findings.missing_feeds.clone(),
            uncovered_packages: record.findings.uncovered_packages,
            matched_at: record.matched_at,
            first_seen: first_seen.collect(),
        }
    }
}

impl From<StoredFindingsV1> for FindingsRecord {
    fn from(stored: StoredFindingsV1) -> Self {
        let findings = ImageFindings {
            findings: all(stored.findings),
            feeds: all(stored.feeds),
            missing_feeds: stored.missing_feeds,
            uncovered_packages: stored.uncovered_packages,
        };
        let first_seen = stored.first_seen.into_iter().map(|(id, package, at)| ((id, package), at)).collect();
        Self { findings, matched_at: stored.matched_at, first_seen }
    }
}

first_version!(FindingsRecord as StoredFindingsV1);
