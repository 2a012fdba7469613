//! Stored forms of an image's findings.
//!
//! The second form keeps each text once: findings of one image share most of theirs, packages with each other, names and ratings with
//! the same vulnerability's other findings.

use rustc_hash::{FxBuildHasher, FxHashMap};
use serde::{Deserialize, Serialize};
use weir_scanner::advisory::{Rating, RatingValue};
use weir_scanner::finding::{CvssScore, Finding, FixState, ImageFindings, Uncovered, UncoveredReason};

use super::advisory::StoredFeedV1;
use super::common::{StoredSeverity, all, mirrored};
use super::{Record, Unreadable, seal, unseal};
use crate::index::FindingsRecord;

#[derive(Debug, Deserialize)]
struct StoredCvssV1 {
    version: String,
    score: f64,
    vector: String,
}

#[derive(Debug, Deserialize)]
struct StoredFindingV1 {
    id: String,
    aliases: Vec<String>,
    advisories: Vec<String>,
    package: String,
    layer: u32,
    severity: StoredSeverity,
    cvss: Option<StoredCvssV1>,
    fixed_version: Option<String>,
    summary: String,
}

impl From<StoredFindingV1> for Finding {
    fn from(stored: StoredFindingV1) -> Self {
        let StoredFindingV1 { id, aliases, advisories, package, layer, severity, cvss, fixed_version, summary } =
            stored;
        let cvss = cvss.map(|StoredCvssV1 { version, score, vector }| CvssScore { version, score, vector });
        let fix_state = if fixed_version.is_some() { FixState::Fixed } else { FixState::None };
        let severity = severity.into();
        Self {
            id,
            aliases,
            advisories,
            package,
            layer,
            severity,
            cvss,
            fixed_version,
            fix_state,
            summary,
            ..Self::default()
        }
    }
}

#[derive(Debug, Deserialize)]
struct StoredFindingsV1 {
    findings: Vec<StoredFindingV1>,
    feeds: Vec<StoredFeedV1>,
    missing_feeds: Vec<String>,
    uncovered_packages: u64,
    matched_at: i64,
    /// Id, package URL, time.
    first_seen: Vec<(String, String, i64)>,
}

impl From<StoredFindingsV1> for FindingsRecord {
    fn from(stored: StoredFindingsV1) -> Self {
        let findings = ImageFindings {
            findings: all(stored.findings),
            feeds: all(stored.feeds),
            missing_feeds: stored.missing_feeds,
            uncovered_packages: stored.uncovered_packages,
            uncovered: Vec::new(),
        };
        let first_seen = stored.first_seen.into_iter().map(|(id, package, at)| ((id, package), at)).collect();
        Self { findings, matched_at: stored.matched_at, matched_by: String::new(), first_seen }
    }
}

/// The number of a text in its record.
pub(super) type Text = u32;

mirrored! { StoredFixState = FixState { None, Fixed, Pro } }

mirrored! { StoredUncoveredReason = UncoveredReason { NoFeed, MissingFeed, ThirdParty, Unnamed } }

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum StoredRatingValue {
    Cvss(Text),
    Word(Text),
    Score(Text),
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredFinding {
    id: Text,
    aliases: Vec<Text>,
    advisories: Vec<Text>,
    package: Text,
    layer: u32,
    severity: StoredSeverity,
    /// Version, score, vector.
    cvss: Option<(Text, f64, Text)>,
    rated_by: Option<Text>,
    ratings: Vec<(Text, StoredRatingValue)>,
    fixed_version: Option<Text>,
    fix_state: StoredFixState,
    other_fixes: Vec<Text>,
    imports: Vec<Text>,
    covered_by: Option<Text>,
    summary: Text,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredUncovered {
    ecosystem: String,
    reason: StoredUncoveredReason,
    packages: u64,
    examples: Vec<Text>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredFindingsV2<'a> {
    #[serde(borrow)]
    texts: Vec<&'a str>,
    findings: Vec<StoredFinding>,
    feeds: Vec<StoredFeedV1>,
    missing_feeds: Vec<String>,
    uncovered_packages: u64,
    uncovered: Vec<StoredUncovered>,
    matched_at: i64,
    matched_by: String,
    /// Id, package URL, time.
    first_seen: Vec<(Text, Text, i64)>,
}

/// Gives every text its number.
pub(super) struct Texts<'a> {
    numbers: FxHashMap<&'a str, Text>,
    texts: Vec<&'a str>,
}

/// Texts that a finding brings on average.
const TEXTS_OF_FINDING: usize = 8;

impl<'a> Texts<'a> {
    pub(super) fn of(findings: usize) -> Self {
        let texts = findings.saturating_mul(TEXTS_OF_FINDING);
        let numbers = FxHashMap::with_capacity_and_hasher(texts, FxBuildHasher);
        Self { numbers, texts: Vec::with_capacity(texts) }
    }

    pub(super) fn number(&mut self, text: &'a str) -> Text {
        *self.numbers.entry(text).or_insert_with(|| {
            self.texts.push(text);
            Text::try_from(self.texts.len() - 1).expect("a record of four billion texts does not fit in memory")
        })
    }

    /// The texts, by their numbers.
    pub(super) fn into_texts(self) -> Vec<&'a str> {
        self.texts
    }

    pub(super) fn all(&mut self, texts: &'a [String]) -> Vec<Text> {
        texts.iter().map(|text| self.number(text)).collect()
    }

    fn finding(&mut self, finding: &'a Finding) -> StoredFinding {
        let rating = |texts: &mut Self, rating: &'a Rating| {
            let value = match &rating.value {
                RatingValue::Cvss(vector) => StoredRatingValue::Cvss(texts.number(vector)),
                RatingValue::Word(word) => StoredRatingValue::Word(texts.number(word)),
                RatingValue::Score(score) => StoredRatingValue::Score(texts.number(score)),
            };
            (texts.number(&rating.source), value)
        };
        StoredFinding {
            id: self.number(&finding.id),
            aliases: self.all(&finding.aliases),
            advisories: self.all(&finding.advisories),
            package: self.number(&finding.package),
            layer: finding.layer,
            severity: finding.severity.into(),
            cvss: finding.cvss.as_ref().map(|cvss| (self.number(&cvss.version), cvss.score, self.number(&cvss.vector))),
            rated_by: finding.rated_by.as_ref().map(|by| self.number(by)),
            ratings: finding.ratings.iter().map(|given| rating(self, given)).collect(),
            fixed_version: finding.fixed_version.as_ref().map(|fix| self.number(fix)),
            fix_state: finding.fix_state.into(),
            other_fixes: self.all(&finding.other_fixes),
            imports: self.all(&finding.imports),
            covered_by: finding.covered_by.as_ref().map(|owner| self.number(owner)),
            summary: self.number(&finding.summary),
        }
    }
}

/// Gives numbers their texts back.
struct Read<'a>(&'a [&'a str]);

impl Read<'_> {
    fn text(&self, number: Text) -> Result<String, Unreadable> {
        let text = usize::try_from(number).ok().and_then(|number| self.0.get(number));
        text.map(|text| (*text).to_owned()).ok_or_else(|| Unreadable::Body(format!("there is no text {number}")))
    }

    fn all(&self, numbers: Vec<Text>) -> Result<Vec<String>, Unreadable> {
        numbers.into_iter().map(|number| self.text(number)).collect()
    }

    fn maybe(&self, number: Option<Text>) -> Result<Option<String>, Unreadable> {
        number.map(|number| self.text(number)).transpose()
    }

    fn rating(&self, (source, value): (Text, StoredRatingValue)) -> Result<Rating, Unreadable> {
        let value = match value {
            StoredRatingValue::Cvss(vector) => RatingValue::Cvss(self.text(vector)?),
            StoredRatingValue::Word(word) => RatingValue::Word(self.text(word)?),
            StoredRatingValue::Score(score) => RatingValue::Score(self.text(score)?),
        };
        Ok(Rating { source: self.text(source)?, value })
    }

    fn finding(&self, stored: StoredFinding) -> Result<Finding, Unreadable> {
        let cvss = stored.cvss.map(|(version, score, vector)| {
            Ok::<_, Unreadable>(CvssScore { version: self.text(version)?, score, vector: self.text(vector)? })
        });
        Ok(Finding {
            id: self.text(stored.id)?,
            aliases: self.all(stored.aliases)?,
            advisories: self.all(stored.advisories)?,
            package: self.text(stored.package)?,
            layer: stored.layer,
            severity: stored.severity.into(),
            cvss: cvss.transpose()?,
            rated_by: self.maybe(stored.rated_by)?,
            ratings: stored.ratings.into_iter().map(|rating| self.rating(rating)).collect::<Result<_, _>>()?,
            fixed_version: self.maybe(stored.fixed_version)?,
            fix_state: stored.fix_state.into(),
            other_fixes: self.all(stored.other_fixes)?,
            imports: self.all(stored.imports)?,
            covered_by: self.maybe(stored.covered_by)?,
            summary: self.text(stored.summary)?,
        })
    }

    fn uncovered(&self, stored: StoredUncovered) -> Result<Uncovered, Unreadable> {
        let StoredUncovered { ecosystem, reason, packages, examples } = stored;
        Ok(Uncovered { ecosystem, reason: reason.into(), packages, examples: self.all(examples)? })
    }
}

impl Record for FindingsRecord {
    const VERSION: u8 = 2;

    fn write(&self, out: Vec<u8>) -> Vec<u8> {
        let mut texts = Texts::of(self.findings.findings.len());
        let findings = self.findings.findings.iter().map(|finding| texts.finding(finding)).collect();
        let uncovered = self.findings.uncovered.iter().map(|uncovered| StoredUncovered {
            ecosystem: uncovered.ecosystem.clone(),
            reason: uncovered.reason.into(),
            packages: uncovered.packages,
            examples: texts.all(&uncovered.examples),
        });
        let uncovered = uncovered.collect();
        let first_seen =
            self.first_seen.iter().map(|((id, package), at)| (texts.number(id), texts.number(package), *at));
        let first_seen = first_seen.collect();
        let stored = StoredFindingsV2 {
            findings,
            feeds: all(&self.findings.feeds),
            missing_feeds: self.findings.missing_feeds.clone(),
            uncovered_packages: self.findings.uncovered_packages,
            uncovered,
            matched_at: self.matched_at,
            matched_by: self.matched_by.clone(),
            first_seen,
            texts: texts.into_texts(),
        };
        seal(&stored, out)
    }

    fn read(version: u8, body: &[u8]) -> Result<Self, Unreadable> {
        match version {
            1 => Ok(unseal::<StoredFindingsV1>(body)?.into()),
            2 => {
                let stored: StoredFindingsV2<'_> = unseal(body)?;
                let texts = Read(&stored.texts);
                let findings = ImageFindings {
                    findings: stored
                        .findings
                        .into_iter()
                        .map(|finding| texts.finding(finding))
                        .collect::<Result<_, _>>()?,
                    feeds: all(stored.feeds),
                    missing_feeds: stored.missing_feeds,
                    uncovered_packages: stored.uncovered_packages,
                    uncovered: stored
                        .uncovered
                        .into_iter()
                        .map(|left| texts.uncovered(left))
                        .collect::<Result<_, _>>()?,
                };
                let first_seen = stored
                    .first_seen
                    .into_iter()
                    .map(|(id, package, at)| Ok(((texts.text(id)?, texts.text(package)?), at)))
                    .collect::<Result<_, Unreadable>>()?;
                Ok(Self { findings, matched_at: stored.matched_at, matched_by: stored.matched_by, first_seen })
            }
            _ => Err(Unreadable::Version),
        }
    }
}
