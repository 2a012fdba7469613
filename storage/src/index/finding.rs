//! Findings: what the last matching of an image gave, and when each of its vulnerabilities was first seen.
//!
//! Owns the rule that a first time never moves forward: not by matching again, not when a finding is gone for a while
//! because a feed was, and not when a vulnerability gets another name. What a matching changed becomes events in the same batch.

use std::collections::{BTreeMap, HashSet};

use weir_scanner::finding::{Finding, ImageFindings, Rematched, Severity};
use weir_scanner::image::ImageInventory;
use weir_scanner::oci::Digest;

use super::engine::{Batch, Table};
use super::event::{EventRecord, FindingEvent};
use super::finding_change::{Side, changes, names};
use super::{Index, IndexError, key, lock, record};

/// The findings of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct FindingsRecord {
    /// What the last matching gave.
    pub findings: ImageFindings,
    /// When a matching first gave that, seconds since the epoch.
    pub matched_at: i64,
    /// What read the image and matched it: a finding that goes while this changes is not gone from the image.
    pub matched_by: String,
    /// When each vulnerability of each package was first seen: by id and package URL, seconds since the epoch. Holds those
    /// that are gone too.
    pub first_seen: FirstSeen,
}

/// First times by id and package URL, seconds since the epoch.
pub type FirstSeen = BTreeMap<(String, String), i64>;

/// The findings of one image as lists count them, texts borrowed from the stored row.
#[derive(Debug)]
pub struct FindingsBrief<'a> {
    pub(super) texts: Vec<&'a str>,
    /// The findings, in the record's order.
    pub findings: Vec<FindingBrief>,
    /// Whether any feed spoke: without one nothing was compared with anything.
    pub has_feeds: bool,
}

impl<'a> FindingsBrief<'a> {
    /// A text by its number in one of the findings.
    pub fn text(&self, number: u32) -> &'a str {
        self.texts[number as usize]
    }

    /// How many texts there are: every number in the findings is below it.
    pub fn texts(&self) -> usize {
        self.texts.len()
    }
}

/// One finding as lists count it. Texts are numbers of [`FindingsBrief::text`].
#[derive(Clone, Debug, PartialEq)]
pub struct FindingBrief {
    /// The id it is shown under.
    pub id: u32,
    /// Its other names.
    pub aliases: Vec<u32>,
    /// The package URL.
    pub package: u32,
    /// Index of the layer that brought the package.
    pub layer: u32,
    /// Its severity.
    pub severity: Severity,
    /// The score the severity was taken from, 0 to 10.
    pub cvss: Option<f64>,
    /// The smallest version above the installed one that fixes it.
    pub fixed_version: Option<u32>,
    /// Whether that can be had.
    pub is_fixable: bool,
    /// Whether a distribution's feed speaks for the package, so that it counts nowhere.
    pub is_covered: bool,
    /// One line for people.
    pub summary: u32,
    /// When it was first seen, seconds since the epoch.
    pub first_seen: i64,
}

/// One matching of an image.
pub struct Matching<'a> {
    /// When it is, seconds since the epoch.
    pub at: i64,
    /// What read the image and matches it.
    pub by: String,
    /// What the image holds.
    pub inventory: &'a ImageInventory,
}

impl FindingsRecord {
    /// The record of an image that was never matched before, at `matched_at` (seconds since the epoch) by `matched_by`.
    pub fn first(findings: ImageFindings, matched_at: i64, matched_by: String) -> Self {
        let rematched = Rematched { found: findings, ..Rematched::default() };
        Self::next(FirstSeen::new(), rematched, matched_at, matched_by)
    }

    /// The record after a matching, given the first times before it.
    fn next(mut first_seen: FirstSeen, rematched: Rematched, matched_at: i64, matched_by: String) -> Self {
        for finding in &rematched.found.findings {
            let known =
                names(finding).filter_map(|name| first_seen.get(&(name.to_owned(), finding.package.clone()))).min();
            let first = known.copied().unwrap_or(matched_at);
            first_seen.insert((finding.id.clone(), finding.package.clone()), first);
        }
        Self { findings: rematched.whole(), matched_at, matched_by, first_seen }
    }

    /// When a finding of this record was first seen, seconds since the epoch.
    pub fn first_seen(&self, finding: &Finding) -> i64 {
        let key = (finding.id.clone(), finding.package.clone());
        self.first_seen.get(&key).copied().unwrap_or(self.matched_at)
    }
}

/// The table of findings.
pub struct Findings<'a> {
    index: &'a Index,
}

impl<'a> Findings<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// The findings of an image, by its manifest's digest.
    pub fn get(&self, manifest: &Digest) -> Result<Option<FindingsRecord>, IndexError> {
        self.index.get(Table::Findings, &key::encode(manifest))
    }

    /// Hands the findings of an image, by its manifest's digest, to `take` as lists count them, without making the rest of
    /// [`Self::get`]. `None` where it was never matched.
    pub fn brief<R>(
        &self,
        manifest: &Digest,
        take: impl FnOnce(&FindingsBrief<'_>) -> R,
    ) -> Result<Option<R>, IndexError> {
        let key = key::encode(manifest);
        let row = self.index.engine.get(Table::Findings, &key)?;
        Ok(row.map(|bytes| record::decode_brief(&key, &bytes, take)).transpose()?)
    }

    /// Matches an image by `find` and keeps what that gives, with first times carried over, and the events of what it changed.
    /// Answers with these. `find` is given what an earlier matching gave, where the same read and matched the image then; it
    /// must not match another image.
    ///
    /// # Errors
    /// What `find` meets, and what reading and writing do.
    pub fn update(
        &self,
        manifest: &Digest,
        matching: Matching<'_>,
        find: impl FnOnce(Option<ImageFindings>) -> Result<Rematched, IndexError>,
    ) -> Result<Vec<FindingEvent>, IndexError> {
        let _guard = lock(&self.index.locks.findings);
        let Matching { at, by, inventory } = matching;
        let mut old = self.get(manifest)?;
        let earlier = old.as_mut().map(|old| std::mem::take(&mut old.findings));
        let same_makers = old.as_ref().is_some_and(|old| old.matched_by == by);
        let rematched = if same_makers {
            find(earlier)?
        } else {
            let before = earlier.map(|earlier| earlier.findings).unwrap_or_default();
            Rematched { before, ..find(None)? }
        };
        // Most images of a refresh are as they were: writing them all again would cost more than matching them.
        if same_makers && rematched.is_same() {
            return Ok(Vec::new());
        }
        let held: HashSet<&str> = inventory.packages.iter().map(|package| package.purl.as_str()).collect();
        let before = old.as_ref().map(|old| Side { findings: &rematched.before, matched_by: &old.matched_by });
        let after = Side { findings: &rematched.found.findings, matched_by: &by };
        let changes = changes(
            before.as_ref(),
            &after,
            |package| held.contains(package),
            |id| self.index.advisories().is_gone(id),
        )?;
        let first_seen = old.map(|old| old.first_seen).unwrap_or_default();
        let next = FindingsRecord::next(first_seen, rematched, at, by);
        let mut batch = Batch::new();
        batch.put(Table::Findings, key::encode(manifest), record::encode(&next));
        let event = EventRecord { at, image: *manifest, changes };
        if !event.changes.is_empty() {
            self.index.events().add(&mut batch, std::slice::from_ref(&event))?;
        }
        self.index.write(batch)?;
        Ok(event.changes)
    }
}

#[cfg(test)]
mod tests {
    use weir_scanner::fixture::{finding, inventory};

    use super::*;

    fn put(index: &Index, image: &Digest, findings: Vec<Finding>, at: i64) -> Vec<FindingEvent> {
        let matching = Matching { at, by: "1".into(), inventory: &inventory(None, &[]) };
        let found = ImageFindings { findings, ..ImageFindings::default() };
        let find = |earlier: Option<ImageFindings>| {
            let before = earlier.map(|earlier| earlier.findings).unwrap_or_default();
            Ok(Rematched { before, found, ..Rematched::default() })
        };
        index.findings().update(image, matching, find).unwrap()
    }

    #[test]
    fn the_first_time_stays_through_matching_again_absence_and_renaming() {
        let (index, image) = (Index::in_memory(), Digest::of(b"image"));
        put(&index, &image, vec![finding("GHSA-1", &[], "pkg:npm/a@1"), finding("CVE-2", &[], "pkg:npm/a@1")], 100);
        put(&index, &image, vec![finding("GHSA-1", &[], "pkg:npm/a@1")], 200);
        let named = finding("CVE-1", &["GHSA-1"], "pkg:npm/a@1");
        let (back, elsewhere) = (finding("CVE-2", &[], "pkg:npm/a@1"), finding("CVE-2", &[], "pkg:npm/b@1"));
        put(&index, &image, vec![named.clone(), back.clone(), elsewhere.clone()], 300);
        let stored = index.findings().get(&image).unwrap().unwrap();
        assert_eq!(
            (stored.first_seen(&named), stored.first_seen(&back), stored.first_seen(&elsewhere)),
            (100, 100, 300)
        );
        assert_eq!(stored.matched_at, 300);
    }

    #[test]
    fn a_matching_that_changes_nothing_writes_nothing() {
        let (index, image) = (Index::in_memory(), Digest::of(b"image"));
        let found = vec![finding("CVE-1", &[], "pkg:npm/a@1")];
        assert_eq!(put(&index, &image, found.clone(), 100).len(), 1);
        assert_eq!(put(&index, &image, found, 200), []);
        assert_eq!(index.findings().get(&image).unwrap().unwrap().matched_at, 100);
        assert_eq!(index.events().list(Some(&image), None, 10).unwrap().events.len(), 1);
    }
}
