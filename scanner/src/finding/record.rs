//! Findings: what matching an image's inventory against advisories says, as plain data.

use serde::{Deserialize, Serialize};

use crate::advisory::{Feed, Rating};

/// How bad a vulnerability is, after the CVSS qualitative scale; `Unknown` where no source rates it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// No rating was found.
    #[default]
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

/// What can be had against a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FixState {
    /// No fix is known.
    #[default]
    None,
    /// A fixed version is there for everybody, or for what this image subscribes to.
    Fixed,
    /// Only subscribers get a fixed version (Ubuntu Pro's, SUSE's long-term support's), and this image is not known to be one's.
    Pro,
}

impl FixState {
    /// The name in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Fixed => "fixed",
            Self::Pro => "pro",
        }
    }
}

/// One vulnerability of one package in one image.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// Who gave the rating the severity was taken from: an advisory's id, a source of scores, a distribution.
    pub rated_by: Option<String>,
    /// Every rating there is, those that count first.
    pub ratings: Vec<Rating>,
    /// The smallest version above the installed one that fixes it.
    pub fixed_version: Option<String>,
    /// Whether that can be had.
    pub fix_state: FixState,
    /// Fixed versions of other branches above the installed one, in ascending order.
    pub other_fixes: Vec<String>,
    /// The packages of a Go module it is about, where it is not about the whole module: a program that imports none of them is not
    /// affected. Empty for everything else.
    pub imports: Vec<String>,
    /// The system package that brought the package, as a package URL, where its distribution's feed speaks for that: the
    /// distribution may have mended it under a version of its own.
    pub covered_by: Option<String>,
    /// One line for people.
    pub summary: String,
}

/// Why packages are not covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UncoveredReason {
    /// No feed this version knows speaks of such packages.
    NoFeed,
    /// The feed is not there, or has no records for the release.
    MissingFeed,
    /// They come from somebody else than the distribution, whose feed does not speak for them.
    ThirdParty,
    /// Their names or versions are such that the feed could not know them.
    Unnamed,
}

impl UncoveredReason {
    /// The name in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoFeed => "no_feed",
            Self::MissingFeed => "missing_feed",
            Self::ThirdParty => "third_party",
            Self::Unnamed => "unnamed",
        }
    }
}

/// Packages of one ecosystem that no feed spoke for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uncovered {
    /// The ecosystem, or what stands for one: `npm`, `Debian:12`, `fedora:39`.
    pub ecosystem: String,
    /// Why.
    pub reason: UncoveredReason,
    /// How many.
    pub packages: u64,
    /// Package URLs of some of them.
    pub examples: Vec<String>,
}

impl Uncovered {
    /// The most examples that are kept.
    pub const MAX_EXAMPLES: usize = 5;
}

/// What matching one image gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageFindings {
    /// The findings, in the default order: severest first, then score, then id and package.
    pub findings: Vec<Finding>,
    /// The feeds that spoke.
    pub feeds: Vec<Feed>,
    /// Ecosystems of packages in the image that no feed has records for, by name, sorted.
    pub missing_feeds: Vec<String>,
    /// Packages that no feed could speak for.
    pub uncovered_packages: u64,
    /// The same by ecosystem and reason.
    pub uncovered: Vec<Uncovered>,
}
