//! One image as its tabs see it: what is stored of it, read once for a request.

use std::collections::HashMap;

use weir_scanner::finding::{Finding, FixState, Severity};
use weir_scanner::image::{ImageInventory, ImagePackage, ScanStatus};
use weir_scanner::oci::Digest;
use weir_scanner::package::end_of_life_table_date;
use weir_storage::index::{FindingsRecord, ImageRecord, Index, IndexError};

use super::ask::Ask;
use super::decision::{Decision, Decisions};
use crate::clock::rfc3339;
use crate::report::current::Current;
use crate::report::document::{CoveragePart, ScanPart, coverage};
use crate::report::shape::{Counts, FindingException};

/// What is known of an image.
pub(in crate::report) struct OneImage {
    /// Its platform manifest.
    pub(in crate::report) digest: Digest,
    pub(in crate::report) platform: Option<String>,
    pub(in crate::report) status: ScanStatus,
    /// Its row; an image that only runs has none.
    pub(in crate::report) record: Option<ImageRecord>,
    inventory: Option<ImageInventory>,
    findings: Option<FindingsRecord>,
    pub(super) current: Current,
}

/// A finding that is meant, with what is known of it now.
pub(super) struct Meant<'a> {
    pub(super) finding: &'a Finding,
    pub(super) package: Option<&'a ImagePackage>,
    pub(super) exploited: Option<bool>,
    pub(super) likelihood: Option<f64>,
    /// Seconds since the epoch.
    pub(super) first_seen: i64,
    pub(super) exception: Option<FindingException>,
}

impl Meant<'_> {
    /// Whether everybody can have a fix.
    pub(super) fn is_fixable(&self) -> bool {
        self.finding.fix_state == FixState::Fixed
    }
}

impl OneImage {
    /// Reads what is stored of an image. Blocks.
    pub(in crate::report) fn read(index: &Index, digest: Digest, record: ImageRecord) -> Result<Self, IndexError> {
        let is_read = matches!(record.status, ScanStatus::Complete | ScanStatus::Partial);
        let inventory = if is_read { index.inventories().get(&digest)? } else { None };
        let findings = if is_read { index.findings().get(&digest)? } else { None };
        Ok(Self {
            digest,
            platform: record.platform.as_ref().map(ToString::to_string),
            status: record.status,
            inventory: inventory.map(|stored| stored.inventory),
            current: Current::read(index, findings.as_ref())?,
            findings,
            record: Some(record),
        })
    }

    /// One that is made by hand.
    #[cfg(test)]
    pub(super) fn made(
        digest: Digest,
        record: ImageRecord,
        inventory: ImageInventory,
        findings: FindingsRecord,
        current: Current,
    ) -> Self {
        let (inventory, findings) = (Some(inventory), Some(findings));
        Self { digest, platform: None, status: record.status, record: Some(record), inventory, findings, current }
    }

    /// An image of which weir has no bytes.
    pub(in crate::report) fn unseen(digest: Digest, platform: Option<String>, status: ScanStatus) -> Self {
        Self { digest, platform, status, record: None, inventory: None, findings: None, current: Current::default() }
    }

    /// What it holds, once its layers were read.
    pub(super) fn inventory(&self) -> Option<&ImageInventory> {
        self.inventory.as_ref()
    }

    /// What matching said; `None` until it did, and where no feed spoke: then nothing was compared with anything.
    pub(super) fn matched(&self) -> Option<&FindingsRecord> {
        self.findings.as_ref().filter(|found| !found.findings.feeds.is_empty())
    }

    /// When it was matched last, seconds since the epoch.
    pub(in crate::report) fn matched_at(&self) -> Option<i64> {
        let findings = self.findings.as_ref()?;
        Some(self.record.as_ref().and_then(|record| record.matched_at).unwrap_or(findings.matched_at))
    }

    /// How far it was read.
    pub(in crate::report) fn scan(&self) -> ScanPart {
        ScanPart {
            status: self.status,
            reasons: self.record.as_ref().map(|record| record.reasons.clone()).unwrap_or_default(),
            matched_at: self.matched_at().map(rfc3339),
        }
    }

    /// What spoke for it, the age of each feed judged at `now` (seconds since the epoch).
    pub(in crate::report) fn coverage(&self, stale_after: i64, now: i64) -> CoveragePart {
        let spoke = self.findings.as_ref().map(|found| coverage(found, &self.current, stale_after, now));
        CoveragePart { end_of_life_table_date: rfc3339(end_of_life_table_date()), ..spoke.unwrap_or_default() }
    }

    /// How old the oldest of the feeds is that spoke, seconds since the epoch.
    pub(in crate::report) fn advisories_as_of(&self) -> Option<i64> {
        self.current.feeds.iter().map(|feed| feed.as_of.unwrap_or(feed.fetched_at)).min()
    }

    /// The findings that are meant, in the order of matching; `None` until the image was read and matched.
    pub(super) fn meant<'a>(&'a self, ask: &Ask, decisions: &Decisions) -> Option<Vec<Meant<'a>>> {
        let (found, record) = (self.matched()?, self.record.as_ref()?);
        let packages: HashMap<(&str, u32), &ImagePackage> = self
            .inventory
            .iter()
            .flat_map(|inventory| &inventory.packages)
            .map(|package| ((&*package.purl, package.layer), package))
            .collect();
        let decisions = decisions.of(self, ask);
        let mut meant = Vec::new();
        for finding in &found.findings.findings {
            let exploited = self.current.exploited(finding);
            if !ask.takes(finding, exploited) || !ask.takes_layer(record, finding.layer) {
                continue;
            }
            let package = packages.get(&(&*finding.package, finding.layer)).copied();
            let names = [&finding.id].into_iter().chain(&finding.aliases).map(String::as_str);
            if !ask.takes_text(names.chain(package.map(|package| &*package.package.name))) {
                continue;
            }
            let Decision { shown: exception, excepts } = decisions.about(finding);
            if ask.except.takes(excepts) {
                let (likelihood, first_seen) = (self.current.likelihood(finding), found.first_seen(finding));
                meant.push(Meant { finding, package, exploited, likelihood, first_seen, exception });
            }
        }
        Some(meant)
    }
}

/// What findings come to: distinct vulnerabilities, each as its worst. Those that a distribution's feed covers count nowhere.
pub(super) fn counts<'a>(meant: impl IntoIterator<Item = &'a Meant<'a>>) -> Counts {
    let mut worst: HashMap<&str, (Severity, bool, bool)> = HashMap::new();
    for one in meant.into_iter().filter(|one| one.finding.covered_by.is_none()) {
        let entry = worst.entry(&one.finding.id).or_insert((one.finding.severity, false, false));
        entry.0 = entry.0.max(one.finding.severity);
        entry.1 |= one.is_fixable();
        entry.2 |= one.exploited == Some(true);
    }
    let mut counts = Counts::default();
    for (severity, fixable, exploited) in worst.into_values() {
        counts.vulnerabilities.count(severity);
        counts.fixable += u64::from(fixable);
        counts.known_exploited += u64::from(exploited);
    }
    counts
}
