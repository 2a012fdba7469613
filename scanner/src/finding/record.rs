//! Findings: what matching an image's inventory against advisories says, as plain data.

use serde::{Deserialize, Serialize};

use crate::advisory::Feed;

/// How bad a vulnerability is, after the CVSS qualitative scale; `Unknown` where no source rates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// No rating was found.
    Unknown,
    /// Score 0.
    None,
    /// Score 0.1 to 3.9.
    Low,
    /// Score 4.0 to 6.9.
    Medium,
    /// Score 7.0 to 8.9.
    High,
    /// Score 9.0 to 10.
    Critical,
}

impl Severity {
    /// Every severity, worst first.
    pub const ALL: [Self; 6] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::None, Self::Unknown];

    /// The name in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// A CVSS score with the vector it was computed from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CvssScore {
    /// `2.0`, `3.0`, `3.1` or `4.0`.
    pub version: String,
    /// The base score, 0 to 10 with one decimal.
    pub score: f64,
    /// The vector as its source wrote it.
    pub vector: String,
}

/// One vulnerability of one package in one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The id it is shown under: its CVE where it has one.
    pub id: String,
    /// Its other names, sorted.
    pub aliases: Vec<String>,
    /// The records that matched, sorted: ids of advisories.
    pub advisories: Vec<String>,
    /// The affected package's package URL.
    pub package: String,
    /// Index of the layer that brought the package.
    pub layer: u32,
    /// Its severity.
    pub severity: Severity,
    /// The score the severity was taken from, where it came from a vector.
    pub cvss: Option<CvssScore>,
    /// The smallest version above the installed one that fixes it.
    pub fixed_version: Option<String>,
    /// One line for people.
    pub summary: String,
}

/// What matching one image gave.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageFindings {
    /// The findings, in the default order: severest first, then score, then id and package.
    pub findings: Vec<Finding>,
    /// The feeds that spoke.
    pub feeds: Vec<Feed>,
    /// Ecosystems of packages in the image that no feed has records for, by name, sorted.
    pub missing_feeds: Vec<String>,
    /// Packages that no feed could speak for.
    pub uncovered_packages: u64,
}
