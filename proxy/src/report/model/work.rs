//! Findings at workloads: workload times package times vulnerability, which adds up over clusters and namespaces.

use weir_scanner::finding::Severity;
use weir_scanner::oci::Digest;
use weir_scanner::verdict::SeverityCounts;

use super::except::{Decisions, Hold};
use super::row::{FindingRow, tally};
use super::select::{Selected, Selection};
use super::{Model, Settings};
use crate::report::filter::Except;
use crate::report::fleet::{FindingCounts, Place};
use crate::report::shape::Counts;

/// What findings at workloads come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::report) struct Work {
    /// By severity, and whether a fix is there.
    pub(in crate::report) counts: FindingCounts,
    pub(in crate::report) exploited: u64,
    /// By severity: those that should be gone.
    pub(in crate::report) overdue: SeverityCounts,
}

impl Work {
    fn count(&mut self, row: &FindingRow, workloads: u64, due: &DueBefore) {
        self.counts.count(row.severity, row.is_fixable(), workloads);
        if row.is_exploited() {
            self.exploited += workloads;
        }
        if due.is_overdue(row) {
            self.overdue.add(row.severity, workloads);
        }
    }

    /// Adds others.
    pub(in crate::report) fn add(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.exploited += other.exploited;
        for severity in Severity::ALL {
            self.overdue.add(severity, other.overdue.of(severity));
        }
    }
}

/// By severity, the time before which a finding must have been first seen to be overdue.
pub(super) struct DueBefore([Option<i64>; Severity::ALL.len()]);

impl DueBefore {
    pub(super) fn new(settings: &Settings, now: i64) -> Self {
        let mut before = [None; Severity::ALL.len()];
        for (severity, after) in settings.due.iter() {
            let after = i64::try_from(after.as_secs()).unwrap_or(i64::MAX);
            before[*severity as usize] = Some(now.saturating_sub(after));
        }
        Self(before)
    }

    fn is_overdue(&self, row: &FindingRow) -> bool {
        self.0[row.severity as usize].is_some_and(|before| i64::from(row.first_seen) < before)
    }
}

impl Selection<'_> {
    /// Adds an image's findings at the workloads that are meant, and tells each finding that is meant, wherever it is.
    pub(super) fn work(
        &self,
        selected: &Selected,
        due: &DueBefore,
        work: &mut Work,
        mut tell: impl FnMut(&FindingRow),
    ) {
        let decisions = self.model().decided[selected.number as usize].as_deref();
        let positions: Vec<usize> = self.question.relevant(selected.number).collect();
        if positions.is_empty() {
            self.each(selected, |_, row| tell(row));
            return;
        }
        // Of what is excepted at some workloads and not at others, those count where it is not.
        let by_place = decisions.filter(|_| self.question.filter.except == Except::Active);
        let Some(decisions) = by_place else {
            self.each(selected, |_, row| {
                work.count(row, positions.len() as u64, due);
                tell(row);
            });
            return;
        };
        let row = &self.model().image(selected.number).row;
        let meant: Vec<usize> = row
            .repositories
            .iter()
            .enumerate()
            .filter(|(_, repository)| self.pairs(selected).iter().any(|pair| pair.repository == Some(**repository)))
            .map(|(position, _)| position)
            .collect();
        let positions: Vec<usize> =
            positions.into_iter().filter(|place| !is_hidden_at(decisions, &meant, *place)).collect();
        self.each(selected, |at, row| {
            let hold = finding(decisions, at);
            let open = positions.iter().filter(|place| !hold.is_some_and(|hold| hold.holds_at(**place))).count();
            work.count(row, open as u64, due);
            tell(row);
        });
    }
}

/// Whether all of some repositories of an image are excepted at a workload; an image without any is not.
fn is_hidden_at(decisions: &Decisions, repositories: &[usize], place: usize) -> bool {
    let holds = |position: &usize| decisions.repository(*position).is_some_and(|hold| hold.holds_at(place));
    !repositories.is_empty() && repositories.iter().all(holds)
}

fn finding(decisions: &Decisions, at: usize) -> Option<&Hold> {
    let found = decisions.findings.binary_search_by_key(&at, |(position, _)| *position as usize).ok()?;
    Some(&decisions.findings[found].1)
}

impl Model {
    /// The findings of an image that no exception covers at a workload that runs it. `None` for an image that was not read and
    /// matched.
    fn open_at(&self, digest: &Digest, place: Place) -> Option<Vec<&FindingRow>> {
        let number = self.number(digest)?;
        let row = &self.image(number).row;
        let found = row.found.as_ref()?;
        let position = self.users_of(number).iter().position(|user| self.places[*user as usize] == place);
        let decisions = self.decided[number as usize].as_deref();
        let (Some(decisions), Some(position)) = (decisions, position) else {
            return Some(found.rows.iter().filter(|row| !row.is_covered()).collect());
        };
        let all: Vec<usize> = (0..row.repositories.len()).collect();
        if is_hidden_at(decisions, &all, position) {
            return Some(Vec::new());
        }
        let is_open = |at: usize| !finding(decisions, at).is_some_and(|hold| hold.holds_at(position));
        let open = found.rows.iter().enumerate().filter(|(at, row)| !row.is_covered() && is_open(*at));
        Some(open.map(|(_, row)| row).collect())
    }

    /// The distinct vulnerabilities of an image at a workload that runs it.
    pub(in crate::report) fn counts_at(&self, digest: &Digest, place: Place) -> Option<Counts> {
        Some(Counts::from(tally(self.open_at(digest, place)?.into_iter())))
    }

    /// What the findings of an image come to at a workload that runs it.
    pub(in crate::report) fn work_at(&self, digest: &Digest, place: Place) -> Option<Work> {
        let open = self.open_at(digest, place)?;
        let due = DueBefore::new(&self.settings, self.now);
        let mut work = Work::default();
        open.into_iter().for_each(|row| work.count(row, 1, &due));
        Some(work)
    }

    /// What the findings of every running image come to at each workload that runs it.
    pub(in crate::report) fn each_work(&self, mut tell: impl FnMut(Place, &Work)) {
        let due = DueBefore::new(&self.settings, self.now);
        for number in 0..self.images.len() as u32 {
            let row = &self.image(number).row;
            if row.found.is_none() || self.users_of(number).is_empty() {
                continue;
            }
            let places = self.users_of(number).iter().map(|user| self.places[*user as usize]);
            let decisions = self.decided[number as usize].as_deref();
            if decisions.is_some_and(Decisions::is_of_places) {
                for place in places {
                    self.work_at(&row.digest, place).iter().for_each(|work| tell(place, work));
                }
                continue;
            }
            // The same at each of them.
            let first = places.clone().next().filter(|_| decisions.is_some());
            let work = first.and_then(|place| self.work_at(&row.digest, place)).unwrap_or_else(|| {
                let mut work = Work::default();
                let open = row.findings().iter().filter(|row| !row.is_covered());
                open.for_each(|row| work.count(row, 1, &due));
                work
            });
            places.for_each(|place| tell(place, &work));
        }
    }

    /// The severities with a time by which their findings are due to be gone.
    pub(in crate::report) fn due(&self) -> impl Iterator<Item = Severity> {
        self.settings.due.keys().copied()
    }
}
