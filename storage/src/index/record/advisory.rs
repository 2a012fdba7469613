//! Stored forms of advisories, feeds and the state of imports.

use serde::{Deserialize, Serialize};
use weir_scanner::advisory::{Advisory, Affected, AffectedRange, Feed, RangeEvent, Rating, RatingValue};
use weir_scanner::package::Ecosystem;

use super::common::all;
use super::{Record, Unreadable, first_version, seal, unseal};
use crate::index::ImportRecord;

#[derive(Debug, Serialize, Deserialize)]
enum StoredRatingValue {
    Cvss(String),
    Word(String),
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredRating {
    source: String,
    value: StoredRatingValue,
}

impl From<&Rating> for StoredRating {
    fn from(rating: &Rating) -> Self {
        let value = match rating.value.clone() {
            RatingValue::Cvss(vector) => StoredRatingValue::Cvss(vector),
            RatingValue::Word(word) => StoredRatingValue::Word(word),
        };
        Self { source: rating.source.clone(), value }
    }
}

impl From<StoredRating> for Rating {
    fn from(stored: StoredRating) -> Self {
        let value = match stored.value {
            StoredRatingValue::Cvss(vector) => RatingValue::Cvss(vector),
            StoredRatingValue::Word(word) => RatingValue::Word(word),
        };
        Self { source: stored.source, value }
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum StoredEvent {
    Introduced(String),
    Fixed(String),
    LastAffected(String),
    Limit(String),
}

impl From<&RangeEvent> for StoredEvent {
    fn from(event: &RangeEvent) -> Self {
        match event.clone() {
            RangeEvent::Introduced(version) => Self::Introduced(version),
            RangeEvent::Fixed(version) => Self::Fixed(version),
            RangeEvent::LastAffected(version) => Self::LastAffected(version),
            RangeEvent::Limit(version) => Self::Limit(version),
        }
    }
}

impl From<StoredEvent> for RangeEvent {
    fn from(stored: StoredEvent) -> Self {
        match stored {
            StoredEvent::Introduced(version) => Self::Introduced(version),
            StoredEvent::Fixed(version) => Self::Fixed(version),
            StoredEvent::LastAffected(version) => Self::LastAffected(version),
            StoredEvent::Limit(version) => Self::Limit(version),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredAffected {
    ecosystem: String,
    package: String,
    ranges: Vec<Vec<StoredEvent>>,
    versions: Vec<String>,
    ratings: Vec<StoredRating>,
}

impl From<&Affected> for StoredAffected {
    fn from(affected: &Affected) -> Self {
        Self {
            ecosystem: affected.ecosystem.as_str().to_owned(),
            package: affected.package.clone(),
            ranges: affected.ranges.iter().map(|range| all(&range.events)).collect(),
            versions: affected.versions.clone(),
            ratings: all(&affected.ratings),
        }
    }
}

impl From<StoredAffected> for Affected {
    fn from(stored: StoredAffected) -> Self {
        Self {
            ecosystem: Ecosystem::parse(&stored.ecosystem),
            package: stored.package,
            ranges: stored.ranges.into_iter().map(|events| AffectedRange { events: all(events) }).collect(),
            versions: stored.versions,
            ratings: all(stored.ratings),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredAdvisoryV1 {
    id: String,
    modified: i64,
    withdrawn: Option<i64>,
    aliases: Vec<String>,
    upstream: Vec<String>,
    related: Vec<String>,
    summary: String,
    ratings: Vec<StoredRating>,
    affected: Vec<StoredAffected>,
}

impl From<&Advisory> for StoredAdvisoryV1 {
    fn from(advisory: &Advisory) -> Self {
        Self {
            id: advisory.id.clone(),
            modified: advisory.modified,
            withdrawn: advisory.withdrawn,
            aliases: advisory.aliases.clone(),
            upstream: advisory.upstream.clone(),
            related: advisory.related.clone(),
            summary: advisory.summary.clone(),
            ratings: all(&advisory.ratings),
            affected: all(&advisory.affected),
        }
    }
}

impl From<StoredAdvisoryV1> for Advisory {
    fn from(stored: StoredAdvisoryV1) -> Self {
        Self {
            id: stored.id,
            modified: stored.modified,
            withdrawn: stored.withdrawn,
            aliases: stored.aliases,
            upstream: stored.upstream,
            related: stored.related,
            summary: stored.summary,
            ratings: all(stored.ratings),
            affected: all(stored.affected),
        }
    }
}

first_version!(Advisory as StoredAdvisoryV1);

/// A feed's stored form, shared with the findings that name it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredFeedV1 {
    ecosystem: String,
    records: u64,
    as_of: Option<i64>,
    fetched_at: i64,
}

impl From<&Feed> for StoredFeedV1 {
    fn from(feed: &Feed) -> Self {
        Self {
            ecosystem: feed.ecosystem.as_str().to_owned(),
            records: feed.records,
            as_of: feed.as_of,
            fetched_at: feed.fetched_at,
        }
    }
}

impl From<StoredFeedV1> for Feed {
    fn from(stored: StoredFeedV1) -> Self {
        let ecosystem = Ecosystem::parse(&stored.ecosystem);
        Self { ecosystem, records: stored.records, as_of: stored.as_of, fetched_at: stored.fetched_at }
    }
}

first_version!(Feed as StoredFeedV1);

/// The generation of the import that last saw a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MarkRecord {
    /// The folder's generation.
    pub(crate) generation: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredMarkV1(u64);

impl From<&MarkRecord> for StoredMarkV1 {
    fn from(mark: &MarkRecord) -> Self {
        Self(mark.generation)
    }
}

impl From<StoredMarkV1> for MarkRecord {
    fn from(stored: StoredMarkV1) -> Self {
        Self { generation: stored.0 }
    }
}

first_version!(MarkRecord as StoredMarkV1);

#[derive(Debug, Serialize, Deserialize)]
struct StoredImportV1 {
    generation: u64,
    imported_at: Option<i64>,
    checked_at: Option<i64>,
    records: u64,
    etag: Option<String>,
    last_modified: Option<String>,
}

impl From<&ImportRecord> for StoredImportV1 {
    fn from(import: &ImportRecord) -> Self {
        let ImportRecord { generation, imported_at, checked_at, records, etag, last_modified } = import.clone();
        Self { generation, imported_at, checked_at, records, etag, last_modified }
    }
}

impl From<StoredImportV1> for ImportRecord {
    fn from(stored: StoredImportV1) -> Self {
        let StoredImportV1 { generation, imported_at, checked_at, records, etag, last_modified } = stored;
        Self { generation, imported_at, checked_at, records, etag, last_modified }
    }
}

first_version!(ImportRecord as StoredImportV1);
