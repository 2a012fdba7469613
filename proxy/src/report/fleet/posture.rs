//! What an image's findings come to, as the report and the metrics add it up over everything that runs it.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_scanner::finding::{FixState, Severity};
use weir_scanner::image::ScanStatus;
use weir_scanner::oci::Digest;
use weir_scanner::verdict::Verdict;
use weir_storage::index::{FindingsRecord, ImageRecord, Index, IndexError};

use crate::report::current::Current;

/// How long after it was first seen a finding of a severity is due to be gone.
pub type Due = BTreeMap<Severity, Duration>;

/// Findings by severity, and whether a fix is there: vulnerability times package, without those that a distribution's feed covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FindingCounts([[u64; 2]; Severity::ALL.len()]);

impl FindingCounts {
    /// How many of a severity have a fix, or have none.
    pub fn of(&self, severity: Severity, fixable: bool) -> u64 {
        self.0[place(severity)][usize::from(fixable)]
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().flatten().zip(other.0.iter().flatten()) {
            *mine += theirs;
        }
    }
}

fn place(severity: Severity) -> usize {
    Severity::ALL.iter().position(|known| *known == severity).expect("ALL holds every severity")
}

/// What is known of an image that runs.
#[derive(Clone, Debug)]
pub struct Posture {
    /// Its row.
    pub record: ImageRecord,
    /// What its findings come to; `None` until it was read and matched, or where no feed spoke.
    pub judged: Option<Judged>,
}

/// What an image's findings come to.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Distinct vulnerabilities.
    pub verdict: Verdict,
    /// Findings by severity.
    pub findings: FindingCounts,
    /// Findings that are known to be exploited.
    pub exploited: u64,
    /// When each finding was first seen, by severity, in order, seconds since the epoch.
    first_seen: BTreeMap<Severity, Vec<i64>>,
}

impl Posture {
    /// What is known of an image, `None` for one that weir has not seen. Blocks.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn read(index: &Index, digest: &Digest) -> Result<Option<Self>, IndexError> {
        let Some(record) = index.images().get(digest)? else { return Ok(None) };
        let is_read = matches!(record.status, ScanStatus::Complete | ScanStatus::Partial);
        let found = if is_read { index.findings().get(digest)? } else { None };
        let judged = match found.filter(|found| !found.findings.feeds.is_empty()) {
            Some(found) => Some(Judged::of(&found, &Current::read(index, Some(&found))?)),
            None => None,
        };
        Ok(Some(Self { record, judged }))
    }
}

impl Judged {
    fn of(found: &FindingsRecord, current: &Current) -> Self {
        let (mut findings, mut exploited) = (FindingCounts::default(), 0);
        let mut first_seen: BTreeMap<Severity, Vec<i64>> = BTreeMap::new();
        for finding in found.findings.findings.iter().filter(|finding| finding.covered_by.is_none()) {
            findings.0[place(finding.severity)][usize::from(finding.fix_state == FixState::Fixed)] += 1;
            exploited += u64::from(current.exploited(finding) == Some(true));
            first_seen.entry(finding.severity).or_default().push(found.first_seen(finding));
        }
        for times in first_seen.values_mut() {
            times.sort_unstable();
            times.shrink_to_fit();
        }
        Self { verdict: Verdict::of(&found.findings), findings, exploited, first_seen }
    }

    /// How many findings of a severity should be gone by `now` (seconds since the epoch).
    pub fn overdue(&self, severity: Severity, due: &Due, now: i64) -> u64 {
        let (Some(after), Some(times)) = (due.get(&severity), self.first_seen.get(&severity)) else { return 0 };
        let before = now.saturating_sub(i64::try_from(after.as_secs()).unwrap_or(i64::MAX));
        times.partition_point(|first_seen| *first_seen < before) as u64
    }
}

#[cfg(test)]
impl Judged {
    /// One finding for each of these: its severity, whether a fix is there, whether it is exploited, and when it was first seen.
    pub(super) fn sample(findings: &[(Severity, bool, bool, i64)]) -> Self {
        let mut judged = Self {
            verdict: Verdict::default(),
            findings: FindingCounts::default(),
            exploited: 0,
            first_seen: BTreeMap::new(),
        };
        for (severity, fixable, exploited, first_seen) in findings {
            judged.findings.0[place(*severity)][usize::from(*fixable)] += 1;
            judged.exploited += u64::from(*exploited);
            judged.first_seen.entry(*severity).or_default().push(*first_seen);
        }
        judged.first_seen.values_mut().for_each(|times| times.sort_unstable());
        judged
    }
}
