//! Counts distinct things by their numbers, without forgetting between one count and the next.

use weir_scanner::finding::Severity;
use weir_scanner::verdict::SeverityCounts;

use super::kinds::Kinds;
use crate::report::shape::Counts;

/// Counts distinct numbers of one kind.
pub(super) struct Distinct {
    /// The count in which each was met last.
    met: Vec<u32>,
    count: u32,
}

impl Distinct {
    /// Of numbers below `numbers`.
    pub(super) fn new(numbers: usize) -> Self {
        Self { met: vec![0; numbers], count: 1 }
    }

    /// Begins a new count.
    pub(super) fn begin(&mut self) {
        self.count += 1;
    }

    /// Whether a number is met for the first time in this count.
    pub(super) fn is_new(&mut self, number: u32) -> bool {
        let met = &mut self.met[number as usize];
        let is_new = *met != self.count;
        *met = self.count;
        is_new
    }
}

/// What distinct vulnerabilities come to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// By rank: of no kind, then by severity, each as its worst finding.
    ranks: [u64; Severity::ALL.len() + 1],
    pub(super) fixable: u64,
    pub(super) exploited: u64,
}

impl Tally {
    /// Counts one vulnerability, whose findings are of these kinds. One of no kind counts nowhere.
    pub(super) fn count(&mut self, kinds: Kinds) {
        self.ranks[kinds.rank().min(Severity::ALL.len())] += 1;
        self.fixable += u64::from(kinds.is_fixable());
        self.exploited += u64::from(kinds.is_exploited());
    }

    /// Whether no vulnerability was counted.
    pub(super) fn is_empty(&self) -> bool {
        self.ranks[1..].iter().all(|count| *count == 0)
    }

    /// How many have this worst severity.
    pub(super) const fn of(&self, severity: Severity) -> u64 {
        self.ranks[severity as usize + 1]
    }

    pub(super) fn severities(&self) -> SeverityCounts {
        let mut counts = SeverityCounts::default();
        Severity::ALL.into_iter().for_each(|severity| counts.add(severity, self.of(severity)));
        counts
    }
}

impl From<Tally> for Counts {
    fn from(tally: Tally) -> Self {
        Self { vulnerabilities: tally.severities(), fixable: tally.fixable, known_exploited: tally.exploited }
    }
}

/// Of which kinds the findings of each vulnerability are, by its number.
#[derive(Clone)]
pub(super) struct Vulnerabilities(Vec<Kinds>);

impl Vulnerabilities {
    /// Of numbers below `numbers`.
    pub(super) fn new(numbers: usize) -> Self {
        Self(vec![Kinds::NONE; numbers])
    }

    /// Adds a finding of a vulnerability, of this kind as far as it is meant.
    pub(super) fn add(&mut self, number: u32, kind: Kinds) {
        self.0[number as usize] |= kind;
    }

    /// Those of which any finding was meant.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, Kinds)> {
        (0..).zip(self.0.iter().copied()).filter(|(_, kinds)| !kinds.is_none())
    }

    /// Whether any finding of a vulnerability was meant.
    pub(super) fn has(&self, number: u32) -> bool {
        !self.0[number as usize].is_none()
    }

    /// The kinds of a vulnerability's findings, which it forgets.
    pub(super) fn take(&mut self, number: u32) -> Kinds {
        std::mem::take(&mut self.0[number as usize])
    }

    /// What all come to.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.0.iter().for_each(|kinds| tally.count(*kinds));
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_new_once_in_each_count() {
        let mut distinct = Distinct::new(3);
        assert_eq!([0, 2, 0, 2].map(|number| distinct.is_new(number)), [true, true, false, false]);
        distinct.begin();
        assert_eq!([0, 1, 0].map(|number| distinct.is_new(number)), [true, true, false]);
    }
}
