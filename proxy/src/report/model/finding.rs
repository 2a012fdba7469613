//! The findings of one image, in columns.
//!
//! A list goes through millions of findings and asks little of most: its vulnerability and its kind, which are four bytes. The rest is
//! read where it is asked for. The columns of many images are one after the other in memory, since a processor that goes from image to
//! image all over it mostly waits. Never changed, only replaced; what findings share is a number in [`super::texts`]. Invariant: the
//! findings of an image are in the order of their vulnerabilities, those of one next to each other, and every column is as long as the
//! others.

use std::ops::Range;
use std::sync::Arc;

use weir_scanner::finding::Severity;

use super::count::Tally;
use super::kinds::Kinds;

/// A score that is not there.
const NO_SCORE: u8 = 0;
/// A version that is not there.
const NO_VERSION: u32 = u32::MAX;

/// What a finding is made from.
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
    /// Whether a distribution's feed speaks for its package: it counts nowhere.
    pub(super) is_covered: bool,
    pub(super) is_exploited: bool,
}

#[cfg(test)]
impl FindingParts {
    /// A finding without a score or a fix, for tests.
    pub(super) const fn sample(vulnerability: u32, severity: Severity) -> Self {
        Self {
            vulnerability,
            package: 7,
            fixed: None,
            first_seen: vulnerability as i64 * 10,
            layer: 2,
            severity,
            cvss: None,
            is_fixable: false,
            is_covered: false,
            is_exploited: false,
        }
    }
}

/// The number of a finding's vulnerability, and its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head(u32);

/// Bits of a kind's slot. What is left numbers more vulnerabilities than there is memory for the names of.
const SLOT_BITS: u32 = 5;
/// The slot of what is covered: that of no kind.
const COVERED: u32 = (1 << SLOT_BITS) - 1;

impl Head {
    fn new(vulnerability: u32, kind: Kinds) -> Self {
        debug_assert!(vulnerability < 1 << (u32::BITS - SLOT_BITS));
        Self(vulnerability << SLOT_BITS | (kind.slot() as u32).min(COVERED))
    }

    pub(super) const fn vulnerability(self) -> u32 {
        self.0 >> SLOT_BITS
    }

    /// None where it is covered.
    pub(super) const fn kind(self) -> Kinds {
        Kinds::at((self.0 & COVERED) as u8)
    }

    /// The same with what is known of exploitation now.
    fn exploited(self, is_exploited: bool) -> Self {
        let kind = self.kind();
        if kind.is_none() {
            return self;
        }
        Self::new(self.vulnerability(), Kinds::one(kind.worst(), kind.is_fixable(), is_exploited))
    }
}

/// One finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FindingRow {
    /// The number of its vulnerability.
    pub(super) vulnerability: u32,
    /// Its severity, and whether a fix can be had; none where it is covered.
    pub(super) kind: Kinds,
    /// The number of its package URL.
    pub(super) package: u32,
    /// The number of the version that fixes it.
    pub(super) fixed: Option<u32>,
    /// Seconds since the epoch.
    pub(super) first_seen: u32,
    pub(super) layer: u16,
}

/// The findings of an image, to be read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Findings<'f> {
    pub(super) heads: &'f [Head],
    /// The numbers of their package URLs.
    pub(super) packages: &'f [u32],
    /// Seconds since the epoch.
    pub(super) first_seen: &'f [u32],
    pub(super) layers: &'f [u16],
    /// 0 where one has no score, else one more than its tenths.
    pub(super) scores: &'f [u8],
    fixed: &'f [u32],
}

impl<'f> Findings<'f> {
    pub(super) const fn len(&self) -> usize {
        self.heads.len()
    }

    /// The one at a position below [`Self::len`].
    pub(super) fn row(&self, at: usize) -> FindingRow {
        FindingRow {
            vulnerability: self.heads[at].vulnerability(),
            kind: self.heads[at].kind(),
            package: self.packages[at],
            fixed: Some(self.fixed[at]).filter(|version| *version != NO_VERSION),
            first_seen: self.first_seen[at],
            layer: self.layers[at],
        }
    }

    /// Those that are not covered, with their positions.
    pub(super) fn counting(self) -> impl Iterator<Item = (usize, FindingRow)> + use<'f> {
        (0..self.len()).map(move |at| (at, self.row(at))).filter(|(_, row)| !row.kind.is_none())
    }

    /// Where those of one vulnerability are.
    pub(super) fn span(&self, vulnerability: u32) -> Range<usize> {
        let start = self.heads.partition_point(|head| head.vulnerability() < vulnerability);
        let own = self.heads[start..].iter().take_while(|head| head.vulnerability() == vulnerability);
        start..start + own.count()
    }
}

/// The findings of one image, or of many one after the other.
#[derive(Debug)]
struct Columns {
    heads: Vec<Head>,
    packages: Vec<u32>,
    first_seen: Vec<u32>,
    layers: Vec<u16>,
    scores: Vec<u8>,
    fixed: Vec<u32>,
}

impl Columns {
    fn with_room(findings: usize) -> Self {
        Self {
            heads: Vec::with_capacity(findings),
            packages: Vec::with_capacity(findings),
            first_seen: Vec::with_capacity(findings),
            layers: Vec::with_capacity(findings),
            scores: Vec::with_capacity(findings),
            fixed: Vec::with_capacity(findings),
        }
    }

    fn push(&mut self, part: &FindingParts) {
        let kind = Kinds::one(part.severity, part.is_fixable, part.is_exploited);
        // A score has one decimal: its tenths are whole.
        let score = |score: f64| (score.clamp(0.0, 10.0) * 10.0).round() as u8 + 1;
        self.heads.push(Head::new(part.vulnerability, kind.only_if(!part.is_covered)));
        self.packages.push(part.package);
        self.first_seen.push(u32::try_from(part.first_seen.max(0)).unwrap_or(u32::MAX));
        self.layers.push(u16::try_from(part.layer).unwrap_or(u16::MAX));
        self.scores.push(part.cvss.map_or(NO_SCORE, score));
        self.fixed.push(part.fixed.unwrap_or(NO_VERSION));
    }

    /// Puts an image's behind those that are there.
    fn extend(&mut self, findings: &Findings<'_>, heads: impl Iterator<Item = Head>) {
        self.heads.extend(heads);
        self.packages.extend(findings.packages);
        self.first_seen.extend(findings.first_seen);
        self.layers.extend(findings.layers);
        self.scores.extend(findings.scores);
        self.fixed.extend(findings.fixed);
    }

    fn of(&self, span: Range<usize>) -> Findings<'_> {
        Findings {
            heads: &self.heads[span.clone()],
            packages: &self.packages[span.clone()],
            first_seen: &self.first_seen[span.clone()],
            layers: &self.layers[span.clone()],
            scores: &self.scores[span.clone()],
            fixed: &self.fixed[span],
        }
    }
}

/// What the findings of one image come to when nothing is left out but those that are covered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) kinds: Kinds,
    pub(super) tally: Tally,
}

/// The findings of one image with what they come to.
#[derive(Clone, Debug)]
pub(in crate::report) struct Found {
    /// Those of other images may be among them.
    columns: Arc<Columns>,
    own: Range<usize>,
    pub(super) sums: Sums,
}

impl Found {
    /// Puts findings in order.
    pub(super) fn new(mut parts: Vec<FindingParts>) -> Self {
        parts.sort_unstable_by_key(|part| (part.vulnerability, part.package));
        let mut columns = Columns::with_room(parts.len());
        parts.iter().for_each(|part| columns.push(part));
        Self::of(columns)
    }

    /// Of one image's.
    fn of(columns: Columns) -> Self {
        let kinds = columns.heads.iter().fold(Kinds::NONE, |kinds, head| kinds | head.kind());
        let tally = tally(columns.heads.iter().map(|head| (head.vulnerability(), head.kind())));
        Self { own: 0..columns.heads.len(), columns: Arc::new(columns), sums: Sums { kinds, tally } }
    }

    /// The same findings with what is known of exploitation now, as `is_exploited` says of a vulnerability's number.
    pub(super) fn exploited(&self, is_exploited: impl Fn(u32) -> bool) -> Self {
        let findings = self.findings();
        let mut columns = Columns::with_room(findings.len());
        let heads = findings.heads.iter().map(|head| head.exploited(is_exploited(head.vulnerability())));
        columns.extend(&findings, heads);
        Self::of(columns)
    }

    /// The same findings of some images, those of one behind those of the other.
    pub(super) fn pack(all: &[&Self]) -> Vec<Self> {
        let mut columns = Columns::with_room(all.iter().map(|found| found.own.len()).sum());
        for found in all {
            let findings = found.findings();
            columns.extend(&findings, findings.heads.iter().copied());
        }
        let columns = Arc::new(columns);
        let mut end = 0;
        let packed = all.iter().map(|found| {
            let start = end;
            end += found.own.len();
            Self { columns: Arc::clone(&columns), own: start..end, sums: found.sums }
        });
        packed.collect()
    }

    pub(super) fn findings(&self) -> Findings<'_> {
        self.columns.of(self.own.clone())
    }
}

/// The distinct vulnerabilities of findings that are in the order of an image's, each with its kind as far as it is meant.
pub(super) fn tally(findings: impl Iterator<Item = (u32, Kinds)>) -> Tally {
    let (mut tally, mut last, mut kinds) = (Tally::default(), u32::MAX, Kinds::NONE);
    for (vulnerability, kind) in findings {
        if vulnerability != last {
            tally.count(std::mem::take(&mut kinds));
            last = vulnerability;
        }
        kinds |= kind;
    }
    tally.count(kinds);
    tally
}

#[cfg(test)]
mod tests {
    use weir_scanner::verdict::SeverityCounts;

    use super::*;

    fn part(vulnerability: u32, severity: Severity, is_fixable: bool, is_covered: bool) -> FindingParts {
        let (fixed, cvss) = (is_fixable.then_some(3), is_fixable.then_some(7.3));
        FindingParts { fixed, cvss, is_fixable, is_covered, ..FindingParts::sample(vulnerability, severity) }
    }

    #[test]
    fn columns_hold_what_they_were_made_from_in_order() {
        let found = Found::new(vec![
            part(9, Severity::High, false, true),
            part(1, Severity::Low, true, false),
            part(9, Severity::Low, false, false),
        ]);
        let findings = found.findings();
        let row = FindingRow {
            vulnerability: 1,
            kind: Kinds::one(Severity::Low, true, false),
            package: 7,
            fixed: Some(3),
            first_seen: 10,
            layer: 2,
        };
        assert_eq!((findings.len(), findings.row(0), findings.scores), (3, row, &[74, 0, 0][..]));
        assert_eq!((findings.row(1).fixed, findings.row(2).vulnerability), (None, 9));
        assert_eq!([1, 5, 9].map(|vulnerability| findings.span(vulnerability)), [0..1, 1..1, 1..3]);
        assert_eq!(findings.counting().count(), 2);
    }

    #[test]
    fn findings_that_are_put_behind_others_stay_as_they_were() {
        let of = |numbers: &[u32]| {
            Found::new(numbers.iter().map(|number| part(*number, Severity::High, number % 2 == 0, false)).collect())
        };
        let all = [of(&[4, 2]), of(&[]), of(&[5]), of(&[9, 8, 7])];
        let packed = Found::pack(&all.each_ref());
        // Again, in another order and without some.
        let again = Found::pack(&[&packed[3], &packed[0]]);
        for (packed, found) in packed.iter().chain(&again).zip(all.iter().chain([&all[3], &all[0]])) {
            let rows = |found: &Found| found.findings().counting().collect::<Vec<_>>();
            assert_eq!(rows(packed), rows(found));
            assert_eq!(packed.sums.tally.fixable, found.sums.tally.fixable);
        }
        let exploited = packed[3].exploited(|vulnerability| vulnerability == 8);
        assert_eq!(exploited.findings().counting().filter(|(_, row)| row.kind.is_exploited()).count(), 1);
        assert_eq!(exploited.findings().scores, packed[3].findings().scores);
    }

    #[test]
    fn a_vulnerability_counts_once_as_its_worst_finding_and_what_is_covered_not_at_all() {
        let found = Found::new(vec![
            part(2, Severity::Low, false, false),
            part(1, Severity::Critical, true, true),
            part(2, Severity::High, true, false),
            part(3, Severity::Unknown, false, false),
        ]);
        let SeverityCounts { critical, high, unknown, .. } = found.sums.tally.severities();
        assert_eq!((critical, high, unknown, found.sums.tally.fixable), (0, 1, 1, 1));
        let high = Kinds::taken(|severity| severity == Severity::High, |_| true, |is_exploited| !is_exploited);
        let critical = Kinds::taken(|severity| severity == Severity::Critical, |_| true, |_| true);
        assert!(!(found.sums.kinds & high).is_none() && (found.sums.kinds & critical).is_none());
        let exploited = found.exploited(|vulnerability| vulnerability < 3);
        assert_eq!((exploited.sums.tally.exploited, exploited.sums.kinds & high), (1, Kinds::NONE));
        assert_eq!(exploited.findings().counting().count(), 3);
    }
}
