//! The part of an image's findings that lists count, read from the stored form without what they do not show.
//!
//! Owns no form of its own: it reads those of [`super::finding`], the current one in place, older ones through the whole record.

use std::fmt;
use std::marker::PhantomData;

use rustc_hash::FxHashMap;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

use super::common::StoredSeverity;
use super::finding::{StoredFixState, StoredRatingValue, Text, Texts};
use super::{Unreadable, unseal};
use crate::index::{FindingBrief, FindingsBrief, FindingsRecord};

use weir_scanner::finding::FixState;

use crate::index::record::Record as _;

/// A sequence that is passed over.
struct Skipped<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Skipped<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Skipped(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Skipped<T> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<T>()?.is_some() {}
        Ok(self)
    }
}

/// The second form of a finding, field by field as [`super::finding`] writes it.
#[derive(serde::Deserialize)]
struct BriefFinding {
    id: Text,
    aliases: Vec<Text>,
    _advisories: Skipped<Text>,
    package: Text,
    layer: u32,
    severity: StoredSeverity,
    cvss: Option<(Text, f64, Text)>,
    _rated_by: Option<Text>,
    _ratings: Skipped<(Text, StoredRatingValue)>,
    fixed_version: Option<Text>,
    fix_state: StoredFixState,
    _other_fixes: Skipped<Text>,
    _imports: Skipped<Text>,
    covered_by: Option<Text>,
    summary: Text,
}

/// The second form of the record, up to where the last thing asked for is.
#[derive(serde::Deserialize)]
struct BriefFindings<'a> {
    #[serde(borrow)]
    texts: Vec<&'a str>,
    findings: Vec<BriefFinding>,
    feeds: Vec<super::advisory::StoredFeedV1>,
    _missing_feeds: Skipped<&'a str>,
    _uncovered_packages: u64,
    _uncovered: Skipped<super::finding::StoredUncovered>,
    matched_at: i64,
    _matched_by: &'a str,
    first_seen: Vec<(Text, Text, i64)>,
}

/// Hands the brief form of a stored record of some version to `take`.
pub(crate) fn read_brief<R>(
    version: u8,
    body: &[u8],
    take: impl FnOnce(&FindingsBrief<'_>) -> R,
) -> Result<R, Unreadable> {
    if version != FindingsRecord::VERSION {
        let record = FindingsRecord::read(version, body)?;
        return Ok(take(&of_record(&record)));
    }
    let stored: BriefFindings<'_> = unseal(body)?;
    let known = stored.texts.len();
    let first_seen: FxHashMap<(Text, Text), i64> =
        stored.first_seen.iter().map(|(id, package, at)| ((*id, *package), *at)).collect();
    let findings = stored.findings.into_iter().map(|finding| {
        let BriefFinding { id, aliases, package, layer, severity, cvss, summary, .. } = finding;
        // Whoever reads the texts by these numbers need not ask whether they are there.
        for number in aliases.iter().chain([&id, &package, &summary]).chain(&finding.fixed_version) {
            if usize::try_from(*number).map_or(true, |number| number >= known) {
                return Err(Unreadable::Body(format!("there is no text {number}")));
            }
        }
        Ok(FindingBrief {
            id,
            aliases,
            package,
            layer,
            severity: severity.into(),
            cvss: cvss.map(|(_, score, _)| score),
            fixed_version: finding.fixed_version,
            is_fixable: FixState::from(finding.fix_state) == FixState::Fixed,
            is_covered: finding.covered_by.is_some(),
            summary,
            first_seen: first_seen.get(&(id, package)).copied().unwrap_or(stored.matched_at),
        })
    });
    let findings = findings.collect::<Result<_, _>>()?;
    let has_feeds = !stored.feeds.is_empty();
    Ok(take(&FindingsBrief { texts: stored.texts, findings, has_feeds }))
}

fn of_record(record: &FindingsRecord) -> FindingsBrief<'_> {
    let mut texts = Texts::of(record.findings.findings.len());
    let findings = record.findings.findings.iter().map(|finding| FindingBrief {
        id: texts.number(&finding.id),
        aliases: texts.all(&finding.aliases),
        package: texts.number(&finding.package),
        layer: finding.layer,
        severity: finding.severity,
        cvss: finding.cvss.as_ref().map(|cvss| cvss.score),
        fixed_version: finding.fixed_version.as_ref().map(|fix| texts.number(fix)),
        is_fixable: finding.fix_state == FixState::Fixed,
        is_covered: finding.covered_by.is_some(),
        summary: texts.number(&finding.summary),
        first_seen: record.first_seen(finding),
    });
    let findings = findings.collect();
    FindingsBrief { findings, has_feeds: !record.findings.feeds.is_empty(), texts: texts.into_texts() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use weir_scanner::finding::{CvssScore, Finding, ImageFindings, Severity};

    use super::*;
    use crate::index::record::encode;

    fn record() -> FindingsRecord {
        let finding = |id: &str, package: &str| Finding {
            id: id.into(),
            aliases: vec!["GHSA-1".into()],
            advisories: vec!["DSA-1".into()],
            package: package.into(),
            layer: 3,
            severity: Severity::High,
            cvss: Some(CvssScore { version: "3.1".into(), score: 7.5, vector: "CVSS:3.1/AV:N".into() }),
            fixed_version: Some("2".into()),
            fix_state: FixState::Fixed,
            other_fixes: vec!["3".into()],
            summary: "a hole".into(),
            ..Finding::default()
        };
        let covered = Finding { covered_by: Some("pkg:deb/a@1".into()), ..finding("CVE-2", "pkg:npm/b@1") };
        FindingsRecord {
            findings: ImageFindings { findings: vec![finding("CVE-1", "pkg:npm/a@1"), covered], ..Default::default() },
            matched_at: 100,
            matched_by: "1".into(),
            first_seen: BTreeMap::from([(("CVE-1".into(), "pkg:npm/a@1".into()), 50)]),
        }
    }

    /// What a list sees of a brief form.
    fn shown(brief: &FindingsBrief<'_>) -> Vec<String> {
        let text = |number: u32| brief.text(number);
        let shown = brief.findings.iter().map(|finding| {
            let aliases: Vec<&str> = finding.aliases.iter().map(|alias| text(*alias)).collect();
            let (id, package, summary) = (text(finding.id), text(finding.package), text(finding.summary));
            let FindingBrief { layer, severity, cvss, is_fixable, is_covered, first_seen, .. } = finding;
            let (severity, fix) = (severity.name(), finding.fixed_version.map(text));
            format!("{id} {aliases:?} {package} {summary} {layer} {severity} {cvss:?} {fix:?} {is_fixable} {is_covered} {first_seen}")
        });
        shown.collect()
    }

    #[test]
    fn the_stored_form_and_the_whole_record_say_the_same() {
        let record = record();
        let bytes = encode(&record);
        let stored = read_brief(bytes[0], &bytes[1..], shown).unwrap();
        assert_eq!(stored, shown(&of_record(&record)));
        assert_eq!(
            stored,
            [
                "CVE-1 [\"GHSA-1\"] pkg:npm/a@1 a hole 3 high Some(7.5) Some(\"2\") true false 50",
                "CVE-2 [\"GHSA-1\"] pkg:npm/b@1 a hole 3 high Some(7.5) Some(\"2\") true true 100",
            ]
        );
    }

    #[test]
    fn bytes_that_are_cut_are_an_error() {
        let bytes = encode(&record());
        for end in 1..bytes.len() {
            assert!(read_brief(bytes[0], &bytes[1..end], |_| ()).is_err(), "{end}");
        }
    }
}
