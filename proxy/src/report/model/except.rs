//! What exceptions say of the images of a model.
//!
//! Asks the rules once for everything they may speak of, whenever a model is made, so that a list only looks it up. Invariant: a
//! finding or a repository without an entry here stands under no exception, wherever it runs.

use std::collections::HashSet;
use std::sync::Arc;

use weir_scanner::exception::{Exception, Place, Rules, Subject};

use super::Model;
use super::finding::FindingRow;
use super::kinds::Kinds;
use super::row::ImageRow;

/// Where a decision holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Whatever runs the image, and where nothing does.
    Everywhere,
    /// At some of the workloads that run it, by their positions.
    At(Box<[bool]>),
}

impl Hold {
    /// Whether it holds at one of the workloads.
    pub(super) fn holds_at(&self, position: usize) -> bool {
        match self {
            Self::Everywhere => true,
            Self::At(places) => places.get(position).copied().unwrap_or_default(),
        }
    }

    /// Whether it holds for an image of which these workloads are meant: at each of them, and there is one.
    pub(super) fn holds(&self, positions: &[usize]) -> bool {
        match self {
            Self::Everywhere => true,
            Self::At(_) => !positions.is_empty() && positions.iter().all(|position| self.holds_at(*position)),
        }
    }

    /// Where what is asked at each place holds, if anywhere.
    fn ask<'p>(places: &[Place<'p>], holds: impl Fn(Option<&Place<'p>>) -> bool) -> Option<Self> {
        if holds(None) {
            return Some(Self::Everywhere);
        }
        let at: Box<[bool]> = places.iter().map(|place| holds(Some(place))).collect();
        at.contains(&true).then_some(Self::At(at))
    }
}

/// What exceptions say of one image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Decisions {
    /// By the finding's position, ascending.
    pub(super) findings: Vec<(u32, Hold)>,
    /// By the position of the repository in the image's row.
    pub(super) repositories: Vec<Option<Hold>>,
    /// The kinds of those findings of which nothing is said.
    pub(super) others: Kinds,
}

impl Decisions {
    fn is_empty(&self) -> bool {
        self.findings.is_empty() && self.repositories.iter().all(Option::is_none)
    }

    /// Whether any of it depends on what runs where.
    pub(super) fn is_of_places(&self) -> bool {
        let holds = self.findings.iter().map(|(_, hold)| hold).chain(self.repositories.iter().flatten());
        holds.into_iter().any(|hold| matches!(hold, Hold::At(_)))
    }

    /// What is said of a repository of the image, by its position.
    pub(super) fn repository(&self, position: usize) -> Option<&Hold> {
        self.repositories.get(position)?.as_ref()
    }
}

/// Works out what the model's rules say of its images.
pub(super) fn decide(model: &mut Model, before: &Model) {
    let rules = Arc::clone(&model.rules);
    model.decided_until = rules.next_expiry(model.now);
    model.decided = vec![None; model.images.len()];
    if rules.is_empty() {
        return;
    }
    let mut asked = None;
    // Nothing that was decided before is decided otherwise now.
    let is_kept = before.rules.revision() == rules.revision()
        && before.now <= model.now
        && before.decided_until.is_none_or(|until| model.now < until);
    let is_same_view = Arc::ptr_eq(&before.view, &model.view);
    // A rule of a workload may speak of what begins to run.
    let is_of_places = rules.holding(model.now).any(|exception| exception.scope.is_of_workloads());
    for number in 0..model.images.len() {
        let image = &model.images[number];
        let kept = before.number(&image.row.digest).filter(|at| {
            let same_row = Arc::ptr_eq(&before.image(*at).row, &image.row);
            is_kept && same_row && (is_same_view || !is_of_places || has_same_places(model, number as u32, before, *at))
        });
        let decisions = match kept {
            Some(at) => before.decided[at as usize].clone(),
            None => {
                let asked = asked.get_or_insert_with(|| Asked::of(model, &rules));
                asked.image(model, &rules, number as u32).map(Arc::new)
            }
        };
        debug_assert!(is_of_places || decisions.as_ref().is_none_or(|decisions| !decisions.is_of_places()));
        model.decided[number] = decisions;
    }
}

/// Whether an image runs where it ran in the model before, as far as rules ask: at the same workloads, in the same order.
fn has_same_places(model: &Model, number: u32, before: &Model, at: u32) -> bool {
    let workloads = model.users_of(number).iter().map(|user| model.workload(*user));
    let earlier = before.users_of(at).iter().map(|user| before.workload(*user));
    workloads
        .map(|workload| (&workload.key, &workload.labels))
        .eq(earlier.map(|workload| (&workload.key, &workload.labels)))
}

/// What the rules may speak of.
pub(super) struct Asked {
    /// By the number of the vulnerability.
    vulnerabilities: Vec<bool>,
    is_of_vulnerabilities: bool,
}

impl Asked {
    pub(super) fn of(model: &Model, rules: &Rules) -> Self {
        let names: HashSet<&str> = rules.names().collect();
        let is_asked = |name: &str| names.contains(name);
        let all = model.catalog.vulnerabilities.iter();
        let vulnerabilities = if names.is_empty() {
            Vec::new()
        } else {
            all.map(|vulnerability| vulnerability.names().any(is_asked)).collect()
        };
        Self { vulnerabilities, is_of_vulnerabilities: !names.is_empty() }
    }

    /// What rules say of an image; `None` where they say nothing.
    pub(super) fn image(&self, model: &Model, rules: &Rules, number: u32) -> Option<Decisions> {
        let row = &model.image(number).row;
        let places: Vec<Place<'_>> = model.users_of(number).iter().map(|user| model.rule_place(*user)).collect();
        let names: Vec<&str> = row.repositories.iter().map(|number| model.repository_name(*number)).collect();
        let repositories = names.iter().map(|name| {
            Hold::ask(&places, |place| rules.of_repository(&[*name], &row.digest, place, model.now).is_some())
        });
        let repositories = repositories.collect();
        let mut decisions = Decisions { findings: Vec::new(), repositories, others: Kinds::NONE };
        let findings = row.findings();
        for (position, head) in (0_u32..).zip(findings.heads) {
            let number = head.vulnerability() as usize;
            let is_asked = self.is_of_vulnerabilities && self.vulnerabilities[number] && !head.kind().is_none();
            let ask = || {
                model.about(row, &findings.row(position as usize), &names, |subject| {
                    Hold::ask(&places, |place| rules.of_finding(subject, place, model.now).is_some())
                })
            };
            match is_asked.then(ask).flatten() {
                Some(hold) => decisions.findings.push((position, hold)),
                None => decisions.others |= head.kind(),
            }
        }
        (!decisions.is_empty()).then_some(decisions)
    }
}

impl Model {
    /// What a question about a finding of an image, whose repositories have these names, comes to.
    fn about<T>(
        &self,
        row: &ImageRow,
        finding: &FindingRow,
        repositories: &[&str],
        ask: impl FnOnce(&Subject<'_>) -> T,
    ) -> T {
        let names: Vec<&str> = self.catalog.vulnerabilities[finding.vulnerability as usize].names().collect();
        ask(&Subject {
            names: &names,
            package: &self.catalog.packages[finding.package as usize].purl,
            fixable: finding.kind.is_fixable(),
            image: &row.digest,
            repositories,
        })
    }

    /// Tells of each exception how many findings of what runs stand under it: those of an image once for each workload that runs it.
    pub(in crate::report) fn each_excepted(&self, mut tell: impl FnMut(&Exception, u64)) {
        for (number, decisions) in self.decided.iter().enumerate() {
            let Some(decisions) = decisions else { continue };
            let row = &self.images[number].row;
            let names: Vec<&str> = row.repositories.iter().map(|number| self.repository_name(*number)).collect();
            let found = row.findings().counting().count() as u64;
            for (position, user) in self.users_of(number as u32).iter().enumerate() {
                let place = self.rule_place(*user);
                if let Some(whole) = self.rules.of_repository(&names, &row.digest, Some(&place), self.now) {
                    tell(whole, found);
                    continue;
                }
                for (at, _) in decisions.findings.iter().filter(|(_, hold)| hold.holds_at(position)) {
                    let finding = row.findings().row(*at as usize);
                    self.about(row, &finding, &names, |subject| {
                        if let Some(exception) = self.rules.of_finding(subject, Some(&place), self.now) {
                            tell(exception, 1);
                        }
                    });
                }
            }
        }
    }
}
