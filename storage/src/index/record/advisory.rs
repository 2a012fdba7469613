//! Stored forms of advisories, feeds and the state of imports.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use weir_scanner::advisory::{Advisory, Affected, AffectedRange, Feed, RangeEvent, Rating, RatingValue};
use weir_scanner::package::Ecosystem;

use super::common::all;
use super::{Record, Unreadable, first_version, seal, unseal};

#[derive(Clone, Debug, Serialize, Deserialize)]
enum StoredRatingValue {
    Cvss(String),
    Word(String),
    Score(String),
}

/// A rating's stored form, shared with what is known of CVEs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredRating {
    source: String,
    value: StoredRatingValue,
}

impl From<&Rating> for StoredRating {
    fn from(rating: &Rating) -> Self {
        let value = match rating.value.clone() {
            RatingValue::Cvss(vector) => StoredRatingValue::Cvss(vector),
            RatingValue::Word(word) => StoredRatingValue::Word(word),
            RatingValue::Score(score) => StoredRatingValue::Score(score),
        };
        Self { source: rating.source.clone(), value }
    }
}

impl From<StoredRating> for Rating {
    fn from(stored: StoredRating) -> Self {
        let value = match stored.value {
            StoredRatingValue::Cvss(vector) => RatingValue::Cvss(vector),
            StoredRatingValue::Word(word) => RatingValue::Word(word),
            StoredRatingValue::Score(score) => RatingValue::Score(score),
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

#[derive(Debug, Deserialize)]
struct StoredAffectedV1 {
    ecosystem: String,
    package: String,
    ranges: Vec<Vec<StoredEvent>>,
    versions: Vec<String>,
    ratings: Vec<StoredRating>,
}

impl From<StoredAffectedV1> for Affected {
    fn from(stored: StoredAffectedV1) -> Self {
        Self {
            ecosystem: Ecosystem::parse(&stored.ecosystem),
            package: stored.package,
            ranges: stored.ranges.into_iter().map(|events| AffectedRange { events: all(events) }).collect(),
            versions: stored.versions,
            binaries: Vec::new(),
            imports: Vec::new(),
            ratings: all(stored.ratings),
        }
    }
}

#[derive(Debug, Deserialize)]
struct StoredAdvisoryV1 {
    id: String,
    modified: i64,
    withdrawn: Option<i64>,
    aliases: Vec<String>,
    upstream: Vec<String>,
    related: Vec<String>,
    summary: String,
    ratings: Vec<StoredRating>,
    affected: Vec<StoredAffectedV1>,
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

/// The head of the second form. What is said of each package follows, with its length, so that a reader takes the parts it asks for and
/// passes over the others undecoded: a kernel's record names hundreds of packages.
#[derive(Debug, Serialize, Deserialize)]
struct StoredHeadV2 {
    id: String,
    modified: i64,
    withdrawn: Option<i64>,
    aliases: Vec<String>,
    upstream: Vec<String>,
    related: Vec<String>,
    summary: String,
    ratings: Vec<StoredRating>,
    /// The vectors and scores of packages, each once.
    measured: Vec<StoredRating>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredPartV2<'a> {
    ecosystem: Cow<'a, str>,
    package: Cow<'a, str>,
    #[serde(borrow)]
    body: Cow<'a, [u8]>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredBodyV2 {
    ranges: Vec<Vec<StoredEvent>>,
    versions: Vec<String>,
    binaries: Vec<String>,
    imports: Vec<String>,
    ratings: Vec<StoredRating>,
}

impl From<&Advisory> for StoredHeadV2 {
    fn from(advisory: &Advisory) -> Self {
        let mut measured: Vec<&Rating> = Vec::new();
        for rating in advisory.affected.iter().flat_map(|affected| &affected.ratings) {
            if !matches!(rating.value, RatingValue::Word(_)) && !measured.contains(&rating) {
                measured.push(rating);
            }
        }
        Self {
            id: advisory.id.clone(),
            modified: advisory.modified,
            withdrawn: advisory.withdrawn,
            aliases: advisory.aliases.clone(),
            upstream: advisory.upstream.clone(),
            related: advisory.related.clone(),
            summary: advisory.summary.clone(),
            ratings: all(&advisory.ratings),
            measured: all(measured),
        }
    }
}

impl StoredHeadV2 {
    fn with(self, affected: Vec<Affected>) -> Advisory {
        Advisory {
            id: self.id,
            modified: self.modified,
            withdrawn: self.withdrawn,
            aliases: self.aliases,
            upstream: self.upstream,
            related: self.related,
            summary: self.summary,
            ratings: all(self.ratings),
            affected,
        }
    }
}

impl From<&Affected> for StoredPartV2<'static> {
    fn from(affected: &Affected) -> Self {
        let body = StoredBodyV2 {
            ranges: affected.ranges.iter().map(|range| all(&range.events)).collect(),
            versions: affected.versions.clone(),
            binaries: affected.binaries.clone(),
            imports: affected.imports.clone(),
            ratings: all(&affected.ratings),
        };
        Self {
            ecosystem: affected.ecosystem.as_str().to_owned().into(),
            package: affected.package.clone().into(),
            body: seal(&body, Vec::new()).into(),
        }
    }
}

/// An entry that says nothing of its package.
fn nothing(ecosystem: Ecosystem, package: String) -> Affected {
    Affected {
        ecosystem,
        package,
        ranges: Vec::new(),
        versions: Vec::new(),
        binaries: Vec::new(),
        imports: Vec::new(),
        ratings: Vec::new(),
    }
}

impl StoredPartV2<'_> {
    /// Its package alone.
    fn name(&self) -> Affected {
        nothing(Ecosystem::parse(&self.ecosystem), self.package.clone().into_owned())
    }

    fn read(&self) -> Result<Affected, Unreadable> {
        let body: StoredBodyV2 = unseal(&self.body)?;
        Ok(Affected {
            ecosystem: Ecosystem::parse(&self.ecosystem),
            package: self.package.clone().into_owned(),
            ranges: body.ranges.into_iter().map(|events| AffectedRange { events: all(events) }).collect(),
            versions: body.versions,
            binaries: body.binaries,
            imports: body.imports,
            ratings: all(body.ratings),
        })
    }
}

/// Which parts of a record are read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AdvisoryParts<'a> {
    /// All of it.
    All,
    /// What it says of one package of one ecosystem, in every release.
    Package {
        /// The ecosystem's name, without a release.
        ecosystem: &'a str,
        /// The package's key.
        package: &'a str,
    },
    /// Which packages it speaks of, and nothing of what it says.
    Names,
    /// Nothing of packages but how severe it is there: one entry that names none, where vectors or scores are given.
    Ratings,
}

/// Reads some parts of a record of any version; of the first version, which has no parts, all.
pub(crate) fn read_parts(version: u8, body: &[u8], parts: AdvisoryParts<'_>) -> Result<Advisory, Unreadable> {
    if version == 1 {
        return Ok(unseal::<StoredAdvisoryV1>(body)?.into());
    }
    if version != Advisory::VERSION {
        return Err(Unreadable::Version);
    }
    let (head, rest) = postcard::take_from_bytes::<StoredHeadV2>(body)?;
    if matches!(parts, AdvisoryParts::Ratings) {
        let ratings: Vec<Rating> = all(head.measured.iter().cloned());
        let entry = Affected { ratings, ..nothing(Ecosystem::parse(""), String::new()) };
        let entries = if entry.ratings.is_empty() { Vec::new() } else { vec![entry] };
        return Ok(head.with(entries));
    }
    let stored: Vec<StoredPartV2<'_>> = unseal(rest)?;
    let wanted = |part: &&StoredPartV2<'_>| match parts {
        AdvisoryParts::Package { ecosystem, package } => {
            part.package == package && Ecosystem::parse(&part.ecosystem).name() == ecosystem
        }
        AdvisoryParts::All | AdvisoryParts::Names | AdvisoryParts::Ratings => true,
    };
    if matches!(parts, AdvisoryParts::Names) {
        return Ok(head.with(stored.iter().map(StoredPartV2::name).collect()));
    }
    let affected: Vec<Affected> =
        stored.iter().filter(wanted).map(StoredPartV2::read).collect::<Result<_, Unreadable>>()?;
    Ok(head.with(affected))
}

impl Record for Advisory {
    const VERSION: u8 = 2;

    fn write(&self, out: Vec<u8>) -> Vec<u8> {
        let parts: Vec<StoredPartV2<'static>> = all(&self.affected);
        seal(&parts, seal(&StoredHeadV2::from(self), out))
    }

    fn read(version: u8, body: &[u8]) -> Result<Self, Unreadable> {
        read_parts(version, body, AdvisoryParts::All)
    }
}

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
