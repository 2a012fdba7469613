//! Advisories as weir keeps them: the parts of an OSV record that matching and the report use.
//!
//! Follows the OSV schema 1.7. Reading a record is [`super::osv`]'s; deciding whether it matches is [`crate::finding`]'s.

use crate::package::Ecosystem;

/// One advisory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advisory {
    /// Its id: `DSA-5417-1`, `GHSA-…`, `PYSEC-…`.
    pub id: String,
    /// When it last changed, seconds since the epoch, UTC.
    pub modified: i64,
    /// When it was withdrawn, where it was; such a record never matches.
    pub withdrawn: Option<i64>,
    /// The same vulnerability's ids elsewhere.
    pub aliases: Vec<String>,
    /// The ids a distribution's record was made for (a DSA's CVEs).
    pub upstream: Vec<String>,
    /// Related ids, which are not the same vulnerability except where a feed says otherwise (AlmaLinux).
    pub related: Vec<String>,
    /// One line for people; empty where the record has none.
    pub summary: String,
    /// Ratings of the record as a whole.
    pub ratings: Vec<Rating>,
    /// What it affects.
    pub affected: Vec<Affected>,
}

/// One affected package of an advisory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affected {
    /// The ecosystem with its release.
    pub ecosystem: Ecosystem,
    /// The package's name as that ecosystem's advisories key it.
    pub package: String,
    /// Affected ranges, GIT ranges left out.
    pub ranges: Vec<AffectedRange>,
    /// Affected versions by name.
    pub versions: Vec<String>,
    /// The binary packages built from the source package it names, where the feed lists those it speaks of (SUSE); empty
    /// where it does not.
    pub binaries: Vec<String>,
    /// The packages of a Go module that are affected, where it is not the whole module.
    pub imports: Vec<String>,
    /// Ratings for this package alone; they outrank the record's.
    pub ratings: Vec<Rating>,
}

/// The events of one range, sorted by version when matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AffectedRange {
    /// The events, as written.
    pub events: Vec<RangeEvent>,
}

/// One event of a range, as the OSV schema defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeEvent {
    /// Affected from this version on; `0` is before every version.
    Introduced(String),
    /// No longer affected from this version on.
    Fixed(String),
    /// The last version affected.
    LastAffected(String),
    /// Versions from this one on are outside the range.
    Limit(String),
}

impl RangeEvent {
    /// The version at which it happens.
    pub fn version(&self) -> &str {
        match self {
            Self::Introduced(at) | Self::Fixed(at) | Self::LastAffected(at) | Self::Limit(at) => at,
        }
    }
}

/// One rating with its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rating {
    /// Who says so: the record's id, or the feed's own word.
    pub source: String,
    /// What they say.
    pub value: RatingValue,
}

/// A rating as its source gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RatingValue {
    /// A CVSS vector of any version.
    Cvss(String),
    /// A word: `CRITICAL`, `moderate`, a distribution's urgency.
    Word(String),
    /// A CVSS base score whose vector nobody wrote down, as written: `6.1`.
    Score(String),
}

/// What is known of one feed: one release of one ecosystem, or an ecosystem without releases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// The ecosystem with its release.
    pub ecosystem: Ecosystem,
    /// Records that speak for it.
    pub records: u64,
    /// The newest record's `modified` that is not in the future, seconds since the epoch.
    pub as_of: Option<i64>,
    /// When it was fetched, seconds since the epoch.
    pub fetched_at: i64,
}
