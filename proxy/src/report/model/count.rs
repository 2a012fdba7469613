//! Counts distinct things by their numbers, without forgetting between one count and the next.

use super::row::{FindingRow, Tally, Worst};

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

/// Counts distinct vulnerabilities, each as its worst finding.
pub(super) struct Vulnerabilities {
    distinct: Distinct,
    worst: Vec<Worst>,
    met: Vec<u32>,
}

impl Vulnerabilities {
    /// Of numbers below `numbers`.
    pub(super) fn new(numbers: usize) -> Self {
        let none = Worst { severity: weir_scanner::finding::Severity::Unknown, is_fixable: false, is_exploited: false };
        Self { distinct: Distinct::new(numbers), worst: vec![none; numbers], met: Vec::new() }
    }

    pub(super) fn count(&mut self, row: &FindingRow) {
        let worst = &mut self.worst[row.vulnerability as usize];
        if self.distinct.is_new(row.vulnerability) {
            self.met.push(row.vulnerability);
            *worst = Worst::from(row);
        } else {
            *worst = worst.and(row);
        }
    }

    /// What was counted; the next count begins.
    pub(super) fn finish(&mut self) -> Tally {
        let tally = self.tally();
        self.distinct.begin();
        tally
    }

    /// What was counted, and what goes on telling vulnerabilities that were not among it.
    pub(super) fn end(mut self) -> (Tally, Distinct) {
        (self.tally(), self.distinct)
    }

    fn tally(&mut self) -> Tally {
        let mut tally = Tally::default();
        self.met.drain(..).for_each(|number| tally.count(self.worst[number as usize]));
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
