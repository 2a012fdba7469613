//! What a filter means in a model: the images, and which of their findings.
//!
//! One pass decides for each image whether it is listed; what kinds of findings an image has is known beforehand, so that most images
//! are decided without looking at one. Invariant: whoever counts goes through the same findings, so lists and statistics add up.
//!
//! An image may be meant under some of its repositories and not under others, by an exception of one or because only one has what is
//! searched for. It is listed if it is meant under any, with every finding that is meant under any.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::count::Tally;
use super::finding::{FindingRow, Findings, tally};
use super::kinds::Kinds;
use super::search::Found;
use super::sieve::Sieve;
use super::{Image, Model};
use crate::report::filter::{Except, Filter, LayerChoice};

/// A filter made ready to be asked of a model.
pub(super) struct Question<'m> {
    pub(super) model: &'m Model,
    pub(super) filter: &'m Filter,
    /// The kinds of findings that are meant.
    mask: Kinds,
    /// Which workloads are meant, by their numbers; `None` for all.
    workloads: Option<Vec<bool>>,
    /// Which repositories are meant, by their numbers; `None` for all.
    repositories: Option<Vec<bool>>,
    found: Option<Arc<Found>>,
    /// The numbers of the layers that are meant.
    pub(super) layers: Option<HashSet<u32>>,
}

/// An image under one of its repositories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// `None` for an image without a name.
    pub(super) repository: Option<u32>,
    /// Whether what is searched for is in its name, so that every finding is meant as far as that goes.
    pub(super) any_text: bool,
    /// Whether the repository is excepted and that is asked for, so that every finding is meant as far as that goes.
    pub(super) any_state: bool,
}

/// An image that is meant.
#[derive(Clone, Debug)]
pub(super) struct Selected {
    pub(super) number: u32,
    /// Where its repositories are among the selection's.
    pairs: Range<usize>,
    /// The kinds of its findings that would be meant if any kind was.
    pub(super) kinds: Kinds,
    /// Which of its findings the text is in, where one is searched for.
    text: Option<Box<[u64]>>,
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
        Self { model, filter, mask: Kinds::meant(filter), workloads, repositories, found, layers }
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
        let found = self.found.as_ref();
        let text = found.map(|found| found.bits(&self.model.image(number).row.findings()));
        let sieve = Sieve::new(self, number, text.as_deref());
        let start = pairs.len();
        let mut kinds = Kinds::NONE;
        self.each_pair(number, &sieve, |pair| {
            let own = sieve.kinds(&pair);
            let is_listed = if self.filter.is_of_findings() {
                !(own & self.mask).is_none()
            } else {
                !own.is_none() || pair.any_text && (pair.any_state || self.filter.except != Except::Excepted)
            };
            if is_listed {
                kinds |= own;
                pairs.push(pair);
            }
        });
        (pairs.len() > start).then_some(Selected { number, pairs: start..pairs.len(), kinds, text })
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

    fn sieve<'s>(&'s self, selected: &'s Selected) -> Sieve<'s, 'm> {
        Sieve::new(&self.question, selected.number, selected.text.as_deref())
    }

    /// All that is found in an image, whether or not it is meant.
    pub(super) fn findings(&self, selected: &Selected) -> Findings<'m> {
        self.model().image(selected.number).row.findings()
    }

    /// The repositories under which an image is meant.
    pub(super) fn pairs(&self, selected: &Selected) -> &[Pair] {
        &self.pairs[selected.pairs.clone()]
    }

    /// Tells the findings of an image, in their order: their positions, the numbers of their vulnerabilities, and their kinds as far as
    /// they are meant. Of those that are not, some are told, as of no kind.
    pub(super) fn each_kind(&self, selected: &Selected, tell: impl FnMut(usize, u32, Kinds)) {
        self.sieve(selected).each(self.pairs(selected), self.question.mask, tell);
    }

    /// The same as far as they are meant under one of its repositories.
    pub(super) fn each_kind_of(&self, selected: &Selected, pair: &Pair, tell: impl FnMut(usize, u32, Kinds)) {
        self.sieve(selected).each(&[*pair], self.question.mask, tell);
    }

    /// Tells those of the findings at some positions of an image that are meant, with their positions.
    pub(super) fn each_within(&self, selected: &Selected, span: Range<usize>, mut tell: impl FnMut(usize, FindingRow)) {
        let sieve = self.sieve(selected).within(span);
        let findings = sieve.findings;
        sieve.each(self.pairs(selected), self.question.mask, |at, _, kind| {
            if !kind.is_none() {
                tell(at, findings.row(at));
            }
        });
    }

    /// Whether a vulnerability of an image is meant under one of its repositories, where it is meant under any.
    pub(super) fn has(&self, selected: &Selected, pair: &Pair, vulnerability: u32) -> bool {
        if self.pairs(selected).len() == 1 {
            return true;
        }
        let findings = self.findings(selected);
        let sieve = self.sieve(selected).within(findings.span(vulnerability));
        let mut has = false;
        sieve.each(&[*pair], self.question.mask, |_, _, kind| has |= !kind.is_none());
        has
    }

    /// The distinct vulnerabilities of an image that are meant; `None` where it was not read and matched.
    pub(super) fn tally(&self, selected: &Selected) -> Option<Tally> {
        let found = self.model().image(selected.number).row.found.as_ref()?;
        let sieve = self.sieve(selected);
        let pairs = self.pairs(selected);
        if sieve.is_open(pairs) && found.sums.kinds & self.question.mask == found.sums.kinds {
            return Some(found.sums.tally);
        }
        let mut meant = Vec::with_capacity(sieve.findings.len());
        sieve.each(pairs, self.question.mask, |_, vulnerability, kind| meant.push((vulnerability, kind)));
        Some(tally(meant.into_iter()))
    }

    /// The workloads that run an image and are meant.
    pub(super) fn relevant(&self, selected: &Selected) -> impl Iterator<Item = u32> {
        let users = self.model().users_of(selected.number);
        self.question.relevant(selected.number).map(|position| users[position])
    }
}
