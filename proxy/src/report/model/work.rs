//! Findings at workloads: workload times package times vulnerability, which adds up over clusters and namespaces.

use weir_scanner::finding::Severity;
use weir_scanner::oci::Digest;
use weir_scanner::verdict::SeverityCounts;

use super::except::Decisions;
use super::finding::{Findings, tally};
use super::kinds::Kinds;
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
    /// Adds others.
    pub(in crate::report) fn add(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.exploited += other.exploited;
        for severity in Severity::ALL {
            self.overdue.add(severity, other.overdue.of(severity));
        }
    }
}

/// By the slot of a kind, the time before which a finding must have been first seen to be overdue; 0 where none is due.
pub(super) struct DueBefore(Slots<u32>);

impl DueBefore {
    pub(super) fn new(settings: &Settings, now: i64) -> Self {
        let before = |severity: &Severity| {
            let after = i64::try_from(settings.due.get(severity)?.as_secs()).unwrap_or(i64::MAX);
            Some(u32::try_from(now.saturating_sub(after).max(0)).unwrap_or(u32::MAX))
        };
        let mut slots = [0; Kinds::SLOTS];
        for (slot, at) in slots.iter_mut().enumerate() {
            let kind = Kinds::at(slot as u8);
            *at = before(&kind.worst()).filter(|_| !kind.is_none()).unwrap_or_default();
        }
        Self(slots)
    }
}

/// By the slot of a kind.
type Slots<T> = [T; Kinds::SLOTS];

/// Counts findings at workloads, without a branch for any: those in time and those overdue, by kind.
#[derive(Clone)]
pub(super) struct WorkCounter([Slots<u64>; 2]);

impl WorkCounter {
    pub(super) const fn new() -> Self {
        Self([[0; Kinds::SLOTS]; 2])
    }

    /// Counts one, first seen then, at so many workloads.
    fn count(&mut self, first_seen: u32, kind: Kinds, workloads: u64, due: &DueBefore) {
        let slot = kind.slot();
        self.0[usize::from(first_seen < due.0[slot])][slot] += workloads;
    }

    /// Takes one back that was counted at one workload.
    fn discount(&mut self, first_seen: u32, kind: Kinds, due: &DueBefore) {
        let slot = kind.slot();
        self.0[usize::from(first_seen < due.0[slot])][slot] -= 1;
    }

    /// What was counted.
    pub(super) fn work(&self) -> Work {
        let mut work = Work::default();
        let [in_time, overdue] = &self.0;
        for slot in 0..Kinds::SLOTS {
            let kind = Kinds::at(slot as u8);
            if kind.is_none() {
                continue;
            }
            let count = in_time[slot] + overdue[slot];
            work.counts.count(kind.worst(), kind.is_fixable(), count);
            work.exploited += if kind.is_exploited() { count } else { 0 };
            work.overdue.add(kind.worst(), overdue[slot]);
        }
        work
    }
}

impl Selection<'_> {
    /// Counts an image's findings at the workloads that are meant, and tells of each the number of its vulnerability and its kind as
    /// far as it is meant, wherever it is.
    pub(super) fn work(
        &self,
        selected: &Selected,
        due: &DueBefore,
        counter: &mut WorkCounter,
        mut tell: impl FnMut(u32, Kinds),
    ) {
        let decisions = self.model().decided[selected.number as usize].as_deref();
        let positions: Vec<usize> = self.question.relevant(selected.number).collect();
        if positions.is_empty() {
            self.each_kind(selected, |_, vulnerability, kind| tell(vulnerability, kind));
            return;
        }
        let row = &self.model().image(selected.number).row;
        let first_seen = row.findings().first_seen;
        // Of what is excepted at some workloads and not at others, those count where it is not.
        let by_place = decisions.filter(|_| self.question.filter.except == Except::Active);
        let Some(decisions) = by_place else {
            self.each_kind(selected, |at, vulnerability, kind| {
                counter.count(first_seen[at], kind, positions.len() as u64, due);
                tell(vulnerability, kind);
            });
            return;
        };
        let meant: Vec<usize> = row
            .repositories
            .iter()
            .enumerate()
            .filter(|(_, repository)| self.pairs(selected).iter().any(|pair| pair.repository == Some(**repository)))
            .map(|(position, _)| position)
            .collect();
        let positions: Vec<usize> =
            positions.into_iter().filter(|place| !is_hidden_at(decisions, &meant, *place)).collect();
        let mut holds = decisions.findings.iter().peekable();
        self.each_kind(selected, |at, vulnerability, kind| {
            while holds.next_if(|(held, _)| (*held as usize) < at).is_some() {}
            let mut open = positions.len();
            if let Some((_, hold)) = holds.next_if(|(held, _)| *held as usize == at) {
                open -= positions.iter().filter(|place| hold.holds_at(**place)).count();
            }
            counter.count(first_seen[at], kind, open as u64, due);
            tell(vulnerability, kind);
        });
    }
}

/// What the findings of one image come to at each of the workloads that run it: counted once but for what exceptions speak of.
struct AtWorkloads<'m> {
    findings: Findings<'m>,
    decisions: Option<&'m Decisions>,
    /// The positions of its repositories in its row.
    repositories: Vec<usize>,
    all: WorkCounter,
    due: &'m DueBefore,
}

impl<'m> AtWorkloads<'m> {
    fn new(model: &'m Model, number: u32, due: &'m DueBefore) -> Self {
        let row = &model.image(number).row;
        let findings = row.findings();
        let mut all = WorkCounter::new();
        let counted = findings.heads.iter().zip(findings.first_seen);
        counted.for_each(|(head, first_seen)| all.count(*first_seen, head.kind(), 1, due));
        let decisions = model.decided[number as usize].as_deref();
        Self { findings, decisions, repositories: (0..row.repositories.len()).collect(), all, due }
    }

    /// At the workload at a position among them; where there is none, whatever exceptions say.
    fn work(&self, position: Option<usize>) -> Work {
        let (Some(decisions), Some(position)) = (self.decisions, position) else { return self.all.work() };
        if is_hidden_at(decisions, &self.repositories, position) {
            return Work::default();
        }
        let mut counter = self.all.clone();
        for (at, _) in decisions.findings.iter().filter(|(_, hold)| hold.holds_at(position)) {
            let at = *at as usize;
            counter.discount(self.findings.first_seen[at], self.findings.heads[at].kind(), self.due);
        }
        counter.work()
    }
}

/// Whether all of some repositories of an image are excepted at a workload; an image without any is not.
fn is_hidden_at(decisions: &Decisions, repositories: &[usize], place: usize) -> bool {
    let holds = |position: &usize| decisions.repository(*position).is_some_and(|hold| hold.holds_at(place));
    !repositories.is_empty() && repositories.iter().all(holds)
}

impl Model {
    /// The position of a place among the workloads that run an image.
    fn position(&self, number: u32, place: Place) -> Option<usize> {
        self.users_of(number).iter().position(|user| self.places[*user as usize] == place)
    }

    /// The distinct vulnerabilities of an image at a workload that runs it, but for those that exceptions cover there. `None` for an
    /// image that was not read and matched.
    pub(in crate::report) fn counts_at(&self, digest: &Digest, place: Place) -> Option<Counts> {
        let number = self.number(digest)?;
        let row = &self.image(number).row;
        let found = row.found.as_ref()?;
        let decisions = self.decided[number as usize].as_deref();
        let (Some(decisions), Some(position)) = (decisions, self.position(number, place)) else {
            return Some(Counts::from(found.sums.tally));
        };
        let repositories: Vec<usize> = (0..row.repositories.len()).collect();
        if is_hidden_at(decisions, &repositories, position) {
            return Some(Counts::default());
        }
        let mut open: Vec<(u32, Kinds)> =
            found.findings().heads.iter().map(|head| (head.vulnerability(), head.kind())).collect();
        for (at, _) in decisions.findings.iter().filter(|(_, hold)| hold.holds_at(position)) {
            open[*at as usize].1 = Kinds::NONE;
        }
        Some(Counts::from(tally(open.into_iter())))
    }

    /// What the findings of an image come to at a workload that runs it.
    pub(in crate::report) fn work_at(&self, digest: &Digest, place: Place) -> Option<Work> {
        let number = self.number(digest)?;
        self.image(number).row.found.as_ref()?;
        let due = DueBefore::new(&self.settings, self.now);
        Some(AtWorkloads::new(self, number, &due).work(self.position(number, place)))
    }

    /// What the findings of every running image come to at each workload that runs it.
    pub(in crate::report) fn each_work(&self, mut tell: impl FnMut(Place, &Work)) {
        let due = DueBefore::new(&self.settings, self.now);
        for number in 0..self.images.len() as u32 {
            let users = self.users_of(number);
            if self.image(number).row.found.is_none() || users.is_empty() {
                continue;
            }
            let at_workloads = AtWorkloads::new(self, number, &due);
            let is_of_places = self.decided[number as usize].as_deref().is_some_and(Decisions::is_of_places);
            let mut work = at_workloads.work(Some(0));
            for (position, user) in users.iter().enumerate() {
                if is_of_places && position > 0 {
                    work = at_workloads.work(Some(position));
                }
                tell(self.places[*user as usize], &work);
            }
        }
    }

    /// The severities with a time by which their findings are due to be gone.
    pub(in crate::report) fn due(&self) -> impl Iterator<Item = Severity> {
        self.settings.due.keys().copied()
    }
}
