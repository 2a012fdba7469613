//! Findings counted as the report and the metrics add them up over everything that runs.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_scanner::finding::Severity;

/// How long after it was first seen a finding of a severity is due to be gone.
pub type Due = BTreeMap<Severity, Duration>;

/// Findings by severity, and whether a fix is there: vulnerability times package, without those that a distribution's feed covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::report) struct FindingCounts([[u64; 2]; Severity::ALL.len()]);

impl FindingCounts {
    /// How many of a severity have a fix, or have none.
    pub(in crate::report) fn of(&self, severity: Severity, fixable: bool) -> u64 {
        self.0[severity as usize][usize::from(fixable)]
    }

    /// Counts some more of a severity.
    pub(in crate::report) fn count(&mut self, severity: Severity, fixable: bool, count: u64) {
        self.0[severity as usize][usize::from(fixable)] += count;
    }

    /// Adds others.
    pub(in crate::report) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().flatten().zip(other.0.iter().flatten()) {
            *mine += theirs;
        }
    }
}
