//! The rows of the model: one for each image, one of 24 bytes for each finding.
//!
//! Rows are never changed, only replaced; what they share is a number in [`super::texts`]. Invariant: the findings of an image are in
//! the order of their vulnerabilities, those of one next to each other.

use std::ops::Range;
use std::sync::Arc;

use weir_scanner::finding::Severity;
use weir_scanner::image::{ImageReason, ScanStatus};
use weir_scanner::oci::{Digest, Platform};
use weir_scanner::verdict::SeverityCounts;

use super::super::shape::Counts;

/// A score that is not there.
const NO_SCORE: u8 = u8::MAX;
/// A version that is not there.
const NO_VERSION: u32 = u32::MAX;

/// A finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) struct FindingRow {
    /// The number of its vulnerability.
    pub(super) vulnerability: u32,
    /// The number of its package URL.
    pub(super) package: u32,
    /// The number of the version that fixes it.
    fixed: u32,
    /// Seconds since the epoch.
    pub(super) first_seen: u32,
    pub(super) layer: u16,
    pub(super) severity: Severity,
    /// Tenths.
    cvss: u8,
    flags: u8,
}

const FIXABLE: u8 = 1;
const COVERED: u8 = 2;
const EXPLOITED: u8 = 4;

/// What a [`FindingRow`] is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct FindingParts {
    pub(super) vulnerability: u32,
    pub(super) package: u32,
    /// The number of the version that fixes it.
    pub(super) fixed: Option<u32>,
    /// Seconds since the epoch.
    pub(super) first_seen: i64,
    pub(super) layer: u32,
    pub(super) severity: Severity,
    /// 0 to 10.
    pub(super) cvss: Option<f64>,
    pub(super) is_fixable: bool,
    pub(super) is_covered: bool,
    pub(super) is_exploited: bool,
}

impl From<FindingParts> for FindingRow {
    fn from(parts: FindingParts) -> Self {
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        // A score has one decimal: its tenths are whole.
        let tenths = |score: f64| (score.clamp(0.0, 10.0) * 10.0).round() as u8;
        Self {
            vulnerability: parts.vulnerability,
            package: parts.package,
            fixed: parts.fixed.unwrap_or(NO_VERSION),
            first_seen: u32::try_from(parts.first_seen.max(0)).unwrap_or(u32::MAX),
            layer: u16::try_from(parts.layer).unwrap_or(u16::MAX),
            severity: parts.severity,
            cvss: parts.cvss.map_or(NO_SCORE, tenths),
            flags: flag(parts.is_fixable, FIXABLE)
                | flag(parts.is_covered, COVERED)
                | flag(parts.is_exploited, EXPLOITED),
        }
    }
}

impl FindingRow {
    pub(super) const fn is_fixable(&self) -> bool {
        self.flags & FIXABLE != 0
    }

    /// Whether a distribution's feed speaks for its package: it counts nowhere.
    pub(super) const fn is_covered(&self) -> bool {
        self.flags & COVERED != 0
    }

    pub(super) const fn is_exploited(&self) -> bool {
        self.flags & EXPLOITED != 0
    }

    /// The number of the version that fixes it.
    pub(super) const fn fixed(&self) -> Option<u32> {
        if self.fixed == NO_VERSION { None } else { Some(self.fixed) }
    }

    /// The score in tenths.
    pub(super) const fn tenths(&self) -> Option<u8> {
        if self.cvss == NO_SCORE { None } else { Some(self.cvss) }
    }

    /// Its place in a [`Presence`].
    pub(super) const fn presence(&self) -> Presence {
        1 << (self.severity as u32 * 4 + self.is_fixable() as u32 * 2 + self.is_exploited() as u32)
    }

    /// The same with what is known of exploitation now.
    pub(super) const fn exploited(self, is_exploited: bool) -> Self {
        let flags = if is_exploited { self.flags | EXPLOITED } else { self.flags & !EXPLOITED };
        Self { flags, ..self }
    }
}

/// Which kinds of findings there are: a bit for each severity, with a fix or without, exploited or not.
pub(super) type Presence = u32;

/// The places in a [`Presence`] that a severity, a fix and exploitation have.
pub(super) fn presence(
    severity: impl Fn(Severity) -> bool,
    fixable: impl Fn(bool) -> bool,
    exploited: impl Fn(bool) -> bool,
) -> Presence {
    let mut mask = 0;
    for kind in Severity::ALL {
        for (has_fix, is_exploited) in [(false, false), (false, true), (true, false), (true, true)] {
            if severity(kind) && fixable(has_fix) && exploited(is_exploited) {
                mask |= 1 << (kind as u32 * 4 + u32::from(has_fix) * 2 + u32::from(is_exploited));
            }
        }
    }
    mask
}

/// What distinct vulnerabilities come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// By severity, each as its worst finding.
    pub(super) severities: SeverityCounts,
    pub(super) fixable: u64,
    pub(super) exploited: u64,
}

impl Tally {
    /// Counts one vulnerability.
    pub(super) const fn count(&mut self, worst: Worst) {
        self.severities.count(worst.severity);
        self.fixable += worst.is_fixable as u64;
        self.exploited += worst.is_exploited as u64;
    }
}

impl From<Tally> for Counts {
    fn from(tally: Tally) -> Self {
        Self { vulnerabilities: tally.severities, fixable: tally.fixable, known_exploited: tally.exploited }
    }
}

/// A vulnerability as the worst of its findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Worst {
    pub(super) severity: Severity,
    pub(super) is_fixable: bool,
    pub(super) is_exploited: bool,
}

impl From<&FindingRow> for Worst {
    fn from(row: &FindingRow) -> Self {
        Self { severity: row.severity, is_fixable: row.is_fixable(), is_exploited: row.is_exploited() }
    }
}

impl Worst {
    /// The same with one more finding.
    pub(super) fn and(self, row: &FindingRow) -> Self {
        Self {
            severity: self.severity.max(row.severity),
            is_fixable: self.is_fixable || row.is_fixable(),
            is_exploited: self.is_exploited || row.is_exploited(),
        }
    }
}

/// What the findings of one image come to when nothing is left out but those that are covered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) presence: Presence,
    pub(super) tally: Tally,
    /// When the oldest finding was first seen.
    pub(super) oldest: Option<u32>,
}

impl Sums {
    fn of(findings: &[FindingRow]) -> Self {
        let mut sums = Self::default();
        sums.tally = tally(findings.iter().filter(|row| !row.is_covered()).inspect(|row| {
            sums.presence |= row.presence();
            sums.oldest = Some(sums.oldest.map_or(row.first_seen, |oldest| oldest.min(row.first_seen)));
        }));
        sums
    }
}

/// Where the findings of one vulnerability are among an image's.
pub(super) fn span(rows: &[FindingRow], vulnerability: u32) -> Range<usize> {
    let start = rows.partition_point(|row| row.vulnerability < vulnerability);
    let own = rows[start..].iter().take_while(|row| row.vulnerability == vulnerability);
    start..start + own.count()
}

/// The distinct vulnerabilities of findings that are in the order of an image's.
pub(super) fn tally<'a>(findings: impl Iterator<Item = &'a FindingRow>) -> Tally {
    let (mut tally, mut group) = (Tally::default(), None::<(u32, Worst)>);
    for row in findings {
        group = match group {
            Some((vulnerability, worst)) if vulnerability == row.vulnerability => Some((vulnerability, worst.and(row))),
            before => {
                if let Some((_, worst)) = before {
                    tally.count(worst);
                }
                Some((row.vulnerability, Worst::from(row)))
            }
        };
    }
    if let Some((_, worst)) = group {
        tally.count(worst);
    }
    tally
}

/// The findings of one image with what they come to.
#[derive(Clone, Debug)]
pub(in crate::report) struct Found {
    pub(super) rows: Arc<[FindingRow]>,
    pub(super) sums: Sums,
}

impl Found {
    /// Puts findings in order.
    pub(super) fn new(mut rows: Vec<FindingRow>) -> Self {
        rows.sort_unstable_by_key(|row| (row.vulnerability, row.package));
        let sums = Sums::of(&rows);
        Self { rows: rows.into(), sums }
    }

    /// The same findings with what is known of exploitation now.
    pub(super) fn exploited(&self, is_exploited: impl Fn(u32) -> bool) -> Self {
        let rows: Arc<[FindingRow]> =
            self.rows.iter().map(|row| row.exploited(is_exploited(row.vulnerability))).collect();
        let sums = Sums::of(&rows);
        Self { rows, sums }
    }
}

/// An image.
#[derive(Clone, Debug)]
pub(in crate::report) struct ImageRow {
    pub(in crate::report) digest: Digest,
    /// How far reading it has come.
    pub(in crate::report) status: ScanStatus,
    pub(super) reasons: Box<[ImageReason]>,
    /// Why weir could not fetch it, where it was never seen.
    pub(super) unseen: Option<(&'static str, String)>,
    /// What a workload calls it, where it was never seen.
    pub(super) named_as: Option<Arc<str>>,
    pub(super) platform: Option<Platform>,
    /// The numbers of its repositories.
    pub(super) repositories: Box<[u32]>,
    /// The indexes that name it.
    pub(super) parents: Box<[Digest]>,
    pub(super) config: u32,
    /// The numbers of its layers, bottom first.
    pub(super) layers: Box<[u32]>,
    /// Seconds since the epoch.
    pub(in crate::report) first_seen: i64,
    /// When a client last pulled it through weir.
    pub(in crate::report) last_pulled: Option<i64>,
    /// When it was last known to run, as far as the index says.
    pub(super) last_run: Option<i64>,
    pub(super) matched_at: Option<i64>,
    /// `None` until it was read and matched, or where no feed spoke.
    pub(in crate::report) found: Option<Found>,
}

impl ImageRow {
    /// Its findings; none too where it was not read and matched.
    pub(super) fn findings(&self) -> &[FindingRow] {
        self.found.as_ref().map_or(&[], |found| &found.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(vulnerability: u32, severity: Severity, is_fixable: bool, is_covered: bool) -> FindingRow {
        FindingRow::from(FindingParts {
            vulnerability,
            package: 0,
            fixed: None,
            first_seen: i64::from(vulnerability) * 10,
            layer: 0,
            severity,
            cvss: Some(7.3),
            is_fixable,
            is_covered,
            is_exploited: false,
        })
    }

    #[test]
    fn a_finding_takes_24_bytes() {
        assert_eq!(size_of::<FindingRow>(), 24);
        assert_eq!(row(1, Severity::Low, true, false).tenths(), Some(73));
    }

    #[test]
    fn a_vulnerability_counts_once_as_its_worst_finding_and_what_is_covered_not_at_all() {
        let found = Found::new(vec![
            row(2, Severity::Low, false, false),
            row(1, Severity::Critical, true, true),
            row(2, Severity::High, true, false),
            row(3, Severity::Unknown, false, false),
        ]);
        let SeverityCounts { critical, high, unknown, .. } = found.sums.tally.severities;
        assert_eq!((critical, high, unknown, found.sums.tally.fixable, found.sums.oldest), (0, 1, 1, 1, Some(20)));
        let high = presence(|severity| severity == Severity::High, |_| true, |is_exploited| !is_exploited);
        let critical = presence(|severity| severity == Severity::Critical, |_| true, |_| true);
        assert!(found.sums.presence & high != 0 && found.sums.presence & critical == 0);
        let exploited = found.exploited(|vulnerability| vulnerability == 2);
        assert_eq!((exploited.sums.tally.exploited, exploited.sums.presence & high), (1, 0));
    }
}
