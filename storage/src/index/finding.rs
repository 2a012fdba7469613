//! Findings: what the last matching of an image gave, and when each of its vulnerabilities was first seen.
//!
//! Owns the rule that a first time never moves forward: not by matching again, not when a finding is gone for a while
//! because a feed was, and not when a vulnerability gets another name.

use std::collections::BTreeMap;

use weir_scanner::finding::{Finding, ImageFindings};
use weir_scanner::oci::Digest;

use super::engine::{Batch, Table};
use super::{Index, IndexError, key, lock, record};

/// The findings of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct FindingsRecord {
    /// What the last matching gave.
    pub findings: ImageFindings,
    /// When that was, seconds since the epoch.
    pub matched_at: i64,
    /// When each vulnerability of each package was first seen: by id and package URL, seconds since the epoch. Holds those
    /// that are gone too.
    pub first_seen: BTreeMap<(String, String), i64>,
}

impl FindingsRecord {
    /// The record after matching at `matched_at`, given the one before.
    pub fn next(previous: Option<&Self>, findings: ImageFindings, matched_at: i64) -> Self {
        let mut first_seen = previous.map(|previous| previous.first_seen.clone()).unwrap_or_default();
        for finding in &findings.findings {
            let known =
                names(finding).filter_map(|name| first_seen.get(&(name.to_owned(), finding.package.clone()))).min();
            let first = known.copied().unwrap_or(matched_at);
            first_seen.insert((finding.id.clone(), finding.package.clone()), first);
        }
        Self { findings, matched_at, first_seen }
    }

    /// When a finding of this record was first seen, seconds since the epoch.
    pub fn first_seen(&self, finding: &Finding) -> i64 {
        let key = (finding.id.clone(), finding.package.clone());
        self.first_seen.get(&key).copied().unwrap_or(self.matched_at)
    }
}

/// The names a finding may have had before: ids of records become aliases once a CVE is assigned.
fn names(finding: &Finding) -> impl Iterator<Item = &str> {
    std::iter::once(&finding.id).chain(&finding.aliases).map(String::as_str)
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

    /// Keeps what matching an image gave at `matched_at`, with first times carried over. Answers with the row as stored.
    pub fn put(
        &self,
        manifest: &Digest,
        findings: ImageFindings,
        matched_at: i64,
    ) -> Result<FindingsRecord, IndexError> {
        let _guard = lock(&self.index.locks.findings);
        let next = FindingsRecord::next(self.get(manifest)?.as_ref(), findings, matched_at);
        let mut batch = Batch::new();
        batch.put(Table::Findings, key::encode(manifest), record::encode(&next));
        self.index.write(batch)?;
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use weir_scanner::finding::Severity;

    use super::*;

    fn finding(id: &str, aliases: &[&str], package: &str) -> Finding {
        Finding {
            id: id.into(),
            aliases: aliases.iter().map(|&alias| alias.into()).collect(),
            advisories: vec![id.into()],
            package: package.into(),
            layer: 0,
            severity: Severity::High,
            cvss: None,
            fixed_version: None,
            summary: String::new(),
        }
    }

    fn matched(findings: Vec<Finding>) -> ImageFindings {
        ImageFindings { findings, feeds: Vec::new(), missing_feeds: Vec::new(), uncovered_packages: 0 }
    }

    #[test]
    fn the_first_time_stays_through_matching_again_absence_and_renaming() {
        let (index, image) = (Index::in_memory(), Digest::of(b"image"));
        let put = |findings, at| index.findings().put(&image, matched(findings), at).unwrap();
        put(vec![finding("GHSA-1", &[], "pkg:npm/a@1"), finding("CVE-2", &[], "pkg:npm/a@1")], 100);
        put(vec![finding("GHSA-1", &[], "pkg:npm/a@1")], 200);
        let named = finding("CVE-1", &["GHSA-1"], "pkg:npm/a@1");
        let (back, elsewhere) = (finding("CVE-2", &[], "pkg:npm/a@1"), finding("CVE-2", &[], "pkg:npm/b@1"));
        let stored = put(vec![named.clone(), back.clone(), elsewhere.clone()], 300);
        assert_eq!(index.findings().get(&image).unwrap(), Some(stored.clone()));
        assert_eq!(
            (stored.first_seen(&named), stored.first_seen(&back), stored.first_seen(&elsewhere)),
            (100, 100, 300)
        );
        assert_eq!(stored.matched_at, 300);
    }
}
