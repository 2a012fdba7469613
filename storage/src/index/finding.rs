//! Findings: what the last matching of an image gave, and when each of its vulnerabilities was first seen.
//!
//! Owns the rule that a first time never moves forward: not by matching again, not when a finding is gone for a while
//! because a feed was, and not when a vulnerability gets another name. What a matching changed becomes events in the same batch.

use std::collections::{BTreeMap, HashSet};

use weir_scanner::advisory::Feed;
use weir_scanner::finding::{Finding, ImageFindings};
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
    pub first_seen: BTreeMap<(String, String), i64>,
}

/// One matching of an image.
pub struct Matched<'a> {
    /// What it gave.
    pub findings: ImageFindings,
    /// When it was, seconds since the epoch.
    pub at: i64,
    /// What read the image and matched it.
    pub by: String,
    /// What the image holds.
    pub inventory: &'a ImageInventory,
}

impl FindingsRecord {
    /// The record after a matching, given the one before.
    pub fn next(previous: Option<&Self>, findings: ImageFindings, matched_at: i64, matched_by: String) -> Self {
        let mut first_seen = previous.map(|previous| previous.first_seen.clone()).unwrap_or_default();
        for finding in &findings.findings {
            let known =
                names(finding).filter_map(|name| first_seen.get(&(name.to_owned(), finding.package.clone()))).min();
            let first = known.copied().unwrap_or(matched_at);
            first_seen.insert((finding.id.clone(), finding.package.clone()), first);
        }
        Self { findings, matched_at, matched_by, first_seen }
    }

    /// Whether another matching came to the same. How old the feeds were is not part of it: who reads a result asks the feeds.
    fn is_same(&self, then: &ImageFindings, matched_by: &str) -> bool {
        let ImageFindings { findings, feeds, missing_feeds, uncovered_packages, uncovered } = &self.findings;
        let ecosystems = |feeds: &[Feed]| feeds.iter().map(|feed| feed.ecosystem.clone()).collect::<Vec<_>>();
        *findings == then.findings
            && ecosystems(feeds) == ecosystems(&then.feeds)
            && *missing_feeds == then.missing_feeds
            && *uncovered_packages == then.uncovered_packages
            && *uncovered == then.uncovered
            && self.matched_by == matched_by
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

    /// Keeps what matching an image gave, with first times carried over, and the events of what it changed. Answers with
    /// these.
    pub fn put(&self, manifest: &Digest, matched: Matched<'_>) -> Result<Vec<FindingEvent>, IndexError> {
        let _guard = lock(&self.index.locks.findings);
        let Matched { findings, at, by, inventory } = matched;
        let old = self.get(manifest)?;
        // Most images of a refresh are as they were: writing them all again would cost more than matching them.
        if old.as_ref().is_some_and(|old| old.is_same(&findings, &by)) {
            return Ok(Vec::new());
        }
        let next = FindingsRecord::next(old.as_ref(), findings, at, by);
        let changes = self.changes(old.as_ref(), &next, inventory)?;
        let mut batch = Batch::new();
        batch.put(Table::Findings, key::encode(manifest), record::encode(&next));
        if !changes.is_empty() {
            let event = EventRecord { at, image: *manifest, changes };
            self.index.events().add(&mut batch, &event)?;
            self.index.write(batch)?;
            return Ok(event.changes);
        }
        self.index.write(batch)?;
        Ok(changes)
    }

    fn changes(
        &self,
        old: Option<&FindingsRecord>,
        new: &FindingsRecord,
        inventory: &ImageInventory,
    ) -> Result<Vec<FindingEvent>, IndexError> {
        let held: HashSet<&str> = inventory.packages.iter().map(|package| package.purl.as_str()).collect();
        let is_gone =
            |id: &str| Ok(self.index.advisories().get(id)?.is_none_or(|advisory| advisory.withdrawn.is_some()));
        changes(old.map(side).as_ref(), &side(new), |package| held.contains(package), is_gone)
    }
}

fn side(record: &FindingsRecord) -> Side<'_> {
    Side { findings: &record.findings.findings, matched_by: &record.matched_by }
}

#[cfg(test)]
mod tests {
    use weir_scanner::fixture::{finding, inventory};

    use super::*;

    fn put(index: &Index, image: &Digest, findings: Vec<Finding>, at: i64) -> Vec<FindingEvent> {
        let inventory = inventory(None, &[]);
        let findings = ImageFindings { findings, ..ImageFindings::default() };
        index.findings().put(image, Matched { findings, at, by: "1".into(), inventory: &inventory }).unwrap()
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
