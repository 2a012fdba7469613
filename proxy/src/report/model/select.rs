//! What a filter means in a model: the images, and which of their findings.
//!
//! One pass decides for each image whether it is listed; what kinds of findings an image has is known beforehand, so that most images
//! are decided without looking at one. Invariant: whoever counts goes through the same findings, so lists and statistics add up.
//!
//! An image may be meant under some of its repositories and not under others, by an exception of one or because only one has what is
//! searched for. It is listed if it is meant under any, with every finding that is meant under any.

use std::collections::HashSet;
use std::convert::Infallible;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use super::except::{Decisions, Hold};
use super::row::{FindingRow, Presence, Tally, presence, span, tally};
use super::search::Found;
use super::{Image, Model};
use crate::report::filter::{Except, Filter, LayerChoice};

/// A filter made ready to be asked of a model.
pub(super) struct Question<'m> {
    pub(super) model: &'m Model,
    pub(super) filter: &'m Filter,
    /// The kinds of findings that are meant.
    mask: Presence,
    /// Which workloads are meant, by their numbers; `None` for all.
    workloads: Option<Vec<bool>>,
    /// Which repositories are meant, by their numbers; `None` for all.
    repositories: Option<Vec<bool>>,
    found: Option<Arc<Found>>,
    /// The numbers of the layers that are meant.
    layers: Option<HashSet<u32>>,
}

/// An image under one of its repositories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// `None` for an image without a name.
    pub(super) repository: Option<u32>,
    /// Whether what is searched for is in its name, so that every finding is meant as far as that goes.
    any_text: bool,
    /// Whether the repository is excepted and that is asked for, so that every finding is meant as far as that goes.
    any_state: bool,
}

/// An image that is meant.
#[derive(Clone, Debug)]
pub(super) struct Selected {
    pub(super) number: u32,
    /// Where its repositories are among the selection's.
    pairs: Range<usize>,
    /// The kinds of its findings that would be meant if any kind was.
    pub(super) presence: Presence,
}

/// The images that are meant.
pub(super) struct Selection<'m> {
    pub(super) question: Question<'m>,
    /// In the order of the model's.
    pub(super) images: Vec<Selected>,
    pairs: Vec<Pair>,
}

impl<'m> Question<'m> {
    pub(super) fn new(model: &'m Model, filter: &'m Filter) -> Self {
        Self::with(model, filter, Found::asked(model, filter))
    }

    /// The same where the text was looked for already.
    pub(super) fn with(model: &'m Model, filter: &'m Filter, found: Option<Arc<Found>>) -> Self {
        let severity = |severity| filter.severities.is_empty() || filter.severities.contains(&severity);
        let fixable = |is_fixable| filter.fixable.takes(is_fixable);
        let exploited = |is_exploited| filter.known_exploited.takes(is_exploited);
        let workloads = (!filter.workloads.is_empty())
            .then(|| model.places.iter().map(|place| filter.workloads.takes(model.view.workload(*place))).collect());
        let repositories = (!filter.repositories.is_empty()).then(|| {
            let is_meant = |name: &str| filter.repositories.iter().any(|wanted| wanted == name);
            model.repositories.iter().map(|repository| is_meant(&repository.name)).collect()
        });
        let layers = (!filter.layers.is_empty()).then(|| {
            let is_meant = |digest| filter.layers.contains(&LayerChoice::Digest(digest));
            let all = model.catalog.blobs.iter().enumerate();
            all.filter(|(_, digest)| is_meant(**digest)).filter_map(|(number, _)| u32::try_from(number).ok()).collect()
        });
        Self { model, filter, mask: presence(severity, fixable, exploited), workloads, repositories, found, layers }
    }

    /// The same of those workloads alone for which `is_meant` holds.
    pub(super) fn among(&self, is_meant: impl Fn(u32) -> bool) -> Self {
        let all = 0..self.model.places.len() as u32;
        let workloads = all.map(|workload| self.is_relevant(workload) && is_meant(workload)).collect();
        let Self { model, filter, mask, workloads: _, repositories, found, layers } = self;
        Self {
            model,
            filter,
            mask: *mask,
            workloads: Some(workloads),
            repositories: repositories.clone(),
            found: found.clone(),
            layers: layers.clone(),
        }
    }

    /// The text's findings, to ask another question with.
    pub(super) fn found(&self) -> Option<Arc<Found>> {
        self.found.clone()
    }

    fn is_relevant(&self, workload: u32) -> bool {
        self.workloads.as_ref().is_none_or(|workloads| workloads[workload as usize])
    }

    /// The positions of the workloads that run an image and are meant.
    pub(super) fn relevant(&self, number: u32) -> impl Iterator<Item = usize> {
        let users = self.model.users_of(number).iter().enumerate();
        users.filter(|(_, workload)| self.is_relevant(**workload)).map(|(position, _)| position)
    }

    /// Decides whether an image is meant.
    fn select(&self, number: u32, pairs: &mut Vec<Pair>) -> Option<Selected> {
        if !self.filter.takes_facts(&self.model.facts(number))
            || self.workloads.is_some() && self.relevant(number).next().is_none()
        {
            return None;
        }
        let sieve = Sieve::new(self, number);
        let start = pairs.len();
        let mut presence = 0;
        self.each_pair(number, &sieve, |pair| {
            let kinds = sieve.presence(&pair);
            let is_listed = if self.filter.is_of_findings() {
                kinds & self.mask != 0
            } else {
                kinds != 0 || pair.any_text && (pair.any_state || self.filter.except != Except::Excepted)
            };
            if is_listed {
                presence |= kinds;
                pairs.push(pair);
            }
        });
        (pairs.len() > start).then_some(Selected { number, pairs: start..pairs.len(), presence })
    }

    /// Whether an image is meant.
    pub(super) fn is_meant(&self, number: u32) -> bool {
        self.select(number, &mut Vec::new()).is_some()
    }

    /// Tells the repositories under which an image may be meant.
    fn each_pair(&self, number: u32, sieve: &Sieve<'_, '_>, mut tell: impl FnMut(Pair)) {
        let Image { row, .. } = self.model.image(number);
        let found = self.found.as_deref();
        let in_digest = found.is_none_or(|found| found.is_in_digest(&row.digest));
        if row.repositories.is_empty() && self.repositories.is_none() {
            tell(Pair { repository: None, any_text: in_digest, any_state: false });
        }
        for (position, repository) in row.repositories.iter().enumerate() {
            if self.repositories.as_ref().is_some_and(|meant| !meant[*repository as usize]) {
                continue;
            }
            let is_excepted = sieve.is_repository_excepted(position);
            if is_excepted && self.filter.except == Except::Active {
                continue;
            }
            let any_text = in_digest
                || found.is_some_and(|found| {
                    let known = &self.model.repositories[*repository as usize];
                    let mut tags = known.tags_of(&row.digest, &row.parents);
                    found.repositories[*repository as usize] || tags.any(|tag| found.is_in_tag(tag))
                });
            let any_state = is_excepted && self.filter.except == Except::Excepted;
            tell(Pair { repository: Some(*repository), any_text, any_state });
        }
    }
}

impl<'m> Selection<'m> {
    pub(super) fn new(question: Question<'m>) -> Self {
        let all = 0..question.model.images.len() as u32;
        Self::among(question, all)
    }

    /// Those of some images of the model that are meant.
    pub(super) fn among(question: Question<'m>, numbers: impl IntoIterator<Item = u32>) -> Self {
        let mut pairs = Vec::new();
        let images = numbers.into_iter().filter_map(|number| question.select(number, &mut pairs)).collect();
        Self { question, images, pairs }
    }

    pub(super) fn model(&self) -> &'m Model {
        self.question.model
    }

    /// The repositories under which an image is meant.
    pub(super) fn pairs(&self, selected: &Selected) -> &[Pair] {
        &self.pairs[selected.pairs.clone()]
    }

    /// Tells the findings of an image that are meant, with their positions.
    pub(super) fn each(&self, selected: &Selected, tell: impl FnMut(usize, &'m FindingRow)) {
        Sieve::new(&self.question, selected.number).each(self.pairs(selected), self.question.mask, tell);
    }

    /// The same of the findings at some positions.
    pub(super) fn each_within(&self, selected: &Selected, span: Range<usize>, tell: impl FnMut(usize, &'m FindingRow)) {
        let sieve = Sieve { span, ..Sieve::new(&self.question, selected.number) };
        sieve.each(self.pairs(selected), self.question.mask, tell);
    }

    /// Tells those that are meant under one of its repositories.
    pub(super) fn each_of(&self, selected: &Selected, pair: &Pair, tell: impl FnMut(usize, &'m FindingRow)) {
        Sieve::new(&self.question, selected.number).each(&[*pair], self.question.mask, tell);
    }

    /// Whether a vulnerability of an image is meant under one of its repositories, where it is meant under any.
    pub(super) fn has(&self, selected: &Selected, pair: &Pair, vulnerability: u32) -> bool {
        if self.pairs(selected).len() == 1 {
            return true;
        }
        let rows = self.model().image(selected.number).row.findings();
        let sieve = Sieve { span: span(rows, vulnerability), ..Sieve::new(&self.question, selected.number) };
        sieve.try_each(&[*pair], self.question.mask, |_, _| ControlFlow::Break(())).is_break()
    }

    /// The distinct vulnerabilities of an image that are meant; `None` where it was not read and matched.
    pub(super) fn tally(&self, selected: &Selected) -> Option<Tally> {
        let found = self.model().image(selected.number).row.found.as_ref()?;
        let sieve = Sieve::new(&self.question, selected.number);
        let pairs = self.pairs(selected);
        if sieve.is_open(pairs) && found.sums.presence & !self.question.mask == 0 {
            return Some(found.sums.tally);
        }
        let mut rows = Vec::new();
        sieve.each(pairs, self.question.mask, |_, row| rows.push(*row));
        Some(tally(rows.iter()))
    }

    /// The workloads that run an image and are meant.
    pub(super) fn relevant(&self, selected: &Selected) -> impl Iterator<Item = u32> {
        let users = self.model().users_of(selected.number);
        self.question.relevant(selected.number).map(|position| users[position])
    }
}

/// What of one image's findings is meant.
struct Sieve<'q, 'm> {
    rows: &'m [FindingRow],
    /// The positions of those that are looked at.
    span: Range<usize>,
    known: Presence,
    except: Except,
    found: Option<&'q Found>,
    decisions: Option<&'q Decisions>,
    /// The positions of the workloads that are meant, where decisions are there.
    relevant: Vec<usize>,
    /// The positions of the layers that are meant.
    layers: Option<Vec<bool>>,
}

impl<'q, 'm> Sieve<'q, 'm> {
    fn new(question: &'q Question<'m>, number: u32) -> Self {
        let row = &question.model.image(number).row;
        let decisions = question.model.decided[number as usize].as_deref();
        let relevant = if decisions.is_some() { question.relevant(number).collect() } else { Vec::new() };
        let layers = question.layers.as_ref();
        Self {
            rows: row.findings(),
            span: 0..row.findings().len(),
            known: row.found.as_ref().map_or(0, |found| found.sums.presence),
            except: question.filter.except,
            found: question.found.as_deref(),
            decisions,
            relevant,
            layers: layers.map(|meant| row.layers.iter().map(|layer| meant.contains(layer)).collect()),
        }
    }

    fn is_repository_excepted(&self, position: usize) -> bool {
        let hold = self.decisions.and_then(|decisions| decisions.repository(position));
        hold.is_some_and(|hold| hold.holds(&self.relevant))
    }

    /// Whether exceptions leave none of its findings out.
    fn is_any_state(&self, any_state: bool) -> bool {
        any_state
            || match self.except {
                Except::All => true,
                Except::Active => self.decisions.is_none_or(|decisions| decisions.findings.is_empty()),
                Except::Excepted => false,
            }
    }

    /// Whether all its findings of any kind are meant.
    fn is_open(&self, pairs: &[Pair]) -> bool {
        self.layers.is_none() && pairs.iter().any(|pair| pair.any_text && self.is_any_state(pair.any_state))
    }

    /// The kinds of its findings that are meant under one of its repositories.
    fn presence(&self, pair: &Pair) -> Presence {
        if self.is_open(&[*pair]) {
            return self.known;
        }
        let has_none = self.except == Except::Excepted && self.decisions.is_none() && !pair.any_state;
        let mut kinds = 0;
        if !has_none {
            _ = self.try_each(&[*pair], Presence::MAX, |_, row| {
                kinds |= row.presence();
                // There are no more.
                if kinds == self.known { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
        }
        kinds
    }

    /// The positions of the findings that are excepted, ascending.
    fn excepted(&self) -> Vec<usize> {
        let all = self.decisions.map(|decisions| decisions.findings.as_slice()).unwrap_or_default();
        let holding = all.iter().filter(|(_, hold): &&(u32, Hold)| hold.holds(&self.relevant));
        holding.map(|(position, _)| *position as usize).collect()
    }

    /// Tells the findings that are meant under any of some repositories.
    fn each(&self, pairs: &[Pair], mask: Presence, mut tell: impl FnMut(usize, &'m FindingRow)) {
        _ = self.try_each(pairs, mask, |at, row| {
            tell(at, row);
            ControlFlow::<Infallible>::Continue(())
        });
    }

    /// The same until it is enough.
    fn try_each<B>(
        &self,
        pairs: &[Pair],
        mask: Presence,
        mut tell: impl FnMut(usize, &'m FindingRow) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut rows = self.span.clone().zip(&self.rows[self.span.clone()]);
        if self.is_open(pairs) {
            let is_meant = |row: &FindingRow| !row.is_covered() && row.presence() & mask != 0;
            return rows.filter(|(_, row)| is_meant(row)).try_for_each(|(at, row)| tell(at, row));
        }
        // What of a finding suffices: that it has the text, that its state is asked for.
        let suffices = |has_text: bool, has_state: bool| {
            pairs.iter().any(|pair| (pair.any_text || has_text) && (pair.any_state || has_state))
        };
        let table = [[suffices(false, false), suffices(false, true)], [suffices(true, false), suffices(true, true)]];
        // What is in no finding at all need not be looked for in each.
        if self.found.is_some_and(|found| !found.is_in_findings) && table[0] == [false, false] {
            return ControlFlow::Continue(());
        }
        let excepted = self.excepted();
        let mut excepted = excepted.iter().skip_while(|at| **at < self.span.start).peekable();
        rows.try_for_each(|(at, row)| {
            let is_excepted = excepted.next_if(|next| **next == at).is_some();
            if row.is_covered() || row.presence() & mask == 0 {
                return ControlFlow::Continue(());
            }
            let in_layer = |layers: &Vec<bool>| layers.get(usize::from(row.layer)).copied().unwrap_or_default();
            let has_text = self.found.is_none_or(|found| {
                found.vulnerabilities[row.vulnerability as usize] || found.packages[row.package as usize]
            });
            let has_state = self.except.takes(is_excepted);
            if self.layers.as_ref().is_none_or(in_layer) && table[usize::from(has_text)][usize::from(has_state)] {
                return tell(at, row);
            }
            ControlFlow::Continue(())
        })
    }
}
