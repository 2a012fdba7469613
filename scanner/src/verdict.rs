//! Counts and judgement for one image, as plain data for the report and the command line.
//!
//! Counts what was found and nothing else: whether the image was read completely and which feeds spoke stands beside it, in
//! the inventory's status and in [`ImageFindings`]. A verdict of no vulnerabilities is not a clean image.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::finding::{Finding, FixState, ImageFindings, Severity};

/// A number for each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeverityCounts {
    /// Score 9.0 to 10.
    pub critical: u64,
    /// Score 7.0 to 8.9.
    pub high: u64,
    /// Score 4.0 to 6.9.
    pub medium: u64,
    /// Score 0.1 to 3.9.
    pub low: u64,
    /// Score 0.
    pub none: u64,
    /// No rating was found.
    pub unknown: u64,
}

impl SeverityCounts {
    /// The number of one severity.
    pub const fn of(&self, severity: Severity) -> u64 {
        match severity {
            Severity::Critical => self.critical,
            Severity::High => self.high,
            Severity::Medium => self.medium,
            Severity::Low => self.low,
            Severity::None => self.none,
            Severity::Unknown => self.unknown,
        }
    }

    /// Counts one more.
    pub const fn count(&mut self, severity: Severity) {
        self.add(severity, 1);
    }

    /// Counts some more.
    pub const fn add(&mut self, severity: Severity, count: u64) {
        let number = match severity {
            Severity::Critical => &mut self.critical,
            Severity::High => &mut self.high,
            Severity::Medium => &mut self.medium,
            Severity::Low => &mut self.low,
            Severity::None => &mut self.none,
            Severity::Unknown => &mut self.unknown,
        };
        *number += count;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        Severity::ALL.iter().map(|severity| self.of(*severity)).sum()
    }
}

/// What an image's findings add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Distinct vulnerabilities by severity; one that hits several packages counts once, as its worst finding. Those of packages that
    /// a distribution's feed covers do not count: the feed says itself which of them are left.
    pub vulnerabilities: SeverityCounts,
    /// Distinct vulnerabilities that have a fix, which the image can have, for at least one of the packages they hit.
    pub fixable: u64,
    /// Findings: vulnerability times package.
    pub findings: u64,
    /// Findings of packages that a distribution's feed covers.
    #[serde(default)]
    pub covered: u64,
}

impl Verdict {
    /// Adds up the findings of an image.
    pub fn of(findings: &ImageFindings) -> Self {
        Self::of_findings(&findings.findings)
    }

    /// Adds up any findings.
    pub fn of_findings(findings: &[Finding]) -> Self {
        let mut worst: BTreeMap<&str, (Severity, bool)> = BTreeMap::new();
        for finding in findings.iter().filter(|finding| finding.covered_by.is_none()) {
            let (severity, fixable) = worst.entry(&finding.id).or_insert((finding.severity, false));
            *severity = finding.severity.max(*severity);
            *fixable |= finding.fix_state == FixState::Fixed;
        }
        let covered = findings.iter().filter(|finding| finding.covered_by.is_some()).count();
        let mut verdict = Self { findings: findings.len() as u64, covered: covered as u64, ..Self::default() };
        for (severity, fixable) in worst.into_values() {
            verdict.vulnerabilities.count(severity);
            verdict.fixable += u64::from(fixable);
        }
        verdict
    }

    /// Whether a vulnerability of this severity or a worse one was found. One that nobody rated counts as below every
    /// rating.
    pub fn reaches(&self, severity: Severity) -> bool {
        Severity::ALL.iter().any(|found| *found >= severity && self.vulnerabilities.of(*found) > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(id: &str, package: &str, severity: Severity, fix: Option<&str>) -> Finding {
        Finding {
            id: id.into(),
            package: package.into(),
            severity,
            fixed_version: fix.map(str::to_owned),
            fix_state: if fix.is_some() { FixState::Fixed } else { FixState::None },
            ..Finding::default()
        }
    }

    #[test]
    fn a_vulnerability_counts_once_as_its_worst_finding() {
        let verdict = Verdict::of_findings(&[
            finding("CVE-2024-1", "a", Severity::Low, None),
            finding("CVE-2024-1", "b", Severity::High, Some("2")),
            finding("CVE-2024-2", "a", Severity::Unknown, None),
        ]);
        assert_eq!(
            (verdict.vulnerabilities.high, verdict.vulnerabilities.low, verdict.vulnerabilities.unknown),
            (1, 0, 1)
        );
        assert_eq!((verdict.vulnerabilities.total(), verdict.fixable, verdict.findings), (2, 1, 3));
        assert!(verdict.reaches(Severity::High) && verdict.reaches(Severity::Low));
        assert!(!verdict.reaches(Severity::Critical));
        assert_eq!(Verdict::of_findings(&[]), Verdict::default());
    }

    #[test]
    fn what_is_covered_or_only_on_offer_does_not_count() {
        let covered = Finding {
            covered_by: Some("pkg:deb/debian/python3-a@1".into()),
            ..finding("CVE-2024-1", "a", Severity::Critical, Some("2"))
        };
        let offered = Finding { fix_state: FixState::Pro, ..finding("CVE-2024-2", "b", Severity::Low, Some("2")) };
        let verdict = Verdict::of_findings(&[covered, offered]);
        assert_eq!((verdict.vulnerabilities.total(), verdict.fixable), (1, 0));
        assert_eq!((verdict.findings, verdict.covered), (2, 1));
    }
}
