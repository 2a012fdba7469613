//! Which findings of one image are meant.
//!
//! Goes through them in stretches of which exceptions say the same, so that a loop asks as little of each finding as the filter does.

use std::ops::{ControlFlow, Range};

use super::except::{Decisions, Hold};
use super::finding::Findings;
use super::kinds::Kinds;
use super::search::each_set;
use super::select::{Pair, Question};
use crate::report::filter::Except;

/// Findings that are gone through before it is asked whether it is enough.
const AT_ONCE: usize = 64;

/// Which kinds are meant of findings without the text that is searched for, and of those with it; every finding has it where none is.
type Meant = [Kinds; 2];

/// What of one image's findings is meant.
pub(super) struct Sieve<'q, 'm> {
    pub(super) findings: Findings<'m>,
    /// The positions of those that are looked at.
    span: Range<usize>,
    known: Kinds,
    except: Except,
    /// Which of them the text is in, where one is searched for.
    text: Option<&'q [u64]>,
    decisions: Option<&'q Decisions>,
    /// The positions of the workloads that are meant, where decisions are there.
    relevant: Vec<usize>,
    /// The positions of the layers that are meant.
    layers: Option<Vec<bool>>,
}

impl<'q, 'm> Sieve<'q, 'm> {
    pub(super) fn new(question: &'q Question<'m>, number: u32, text: Option<&'q [u64]>) -> Self {
        let row = &question.model.image(number).row;
        let decisions = question.model.decided[number as usize].as_deref();
        let relevant = if decisions.is_some() { question.relevant(number).collect() } else { Vec::new() };
        let layers = question.layers.as_ref();
        Self {
            findings: row.findings(),
            span: 0..row.findings().len(),
            known: row.found.as_ref().map_or(Kinds::NONE, |found| found.sums.kinds),
            except: question.filter.except,
            text,
            decisions,
            relevant,
            layers: layers.map(|meant| row.layers.iter().map(|layer| meant.contains(layer)).collect()),
        }
    }

    /// The same of the findings at some positions alone.
    pub(super) fn within(self, span: Range<usize>) -> Self {
        Self { span, ..self }
    }

    /// Whether the repository at a position in the image's row is excepted.
    pub(super) fn is_repository_excepted(&self, position: usize) -> bool {
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
    pub(super) fn is_open(&self, pairs: &[Pair]) -> bool {
        self.layers.is_none() && pairs.iter().any(|pair| pair.any_text && self.is_any_state(pair.any_state))
    }

    /// The kinds of its findings that are meant under one of its repositories.
    pub(super) fn kinds(&self, pair: &Pair) -> Kinds {
        if self.layers.is_none() && pair.any_text {
            return self.kinds_by_state(pair.any_state);
        }
        let mut kinds = Kinds::NONE;
        _ = self.try_stretches(&[*pair], Kinds::ALL, |stretch, meant| {
            for start in stretch.clone().step_by(AT_ONCE) {
                self.each_in(start..stretch.end.min(start + AT_ONCE), meant, |_, _, kind| kinds |= kind);
                // There are no more.
                if kinds == self.known {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        kinds
    }

    /// The same where exceptions alone decide: without looking at a finding of which they say nothing.
    fn kinds_by_state(&self, any_state: bool) -> Kinds {
        let is_meant = |is_excepted| any_state || self.except.takes(is_excepted);
        let Some(decisions) = self.decisions else { return self.known.only_if(is_meant(false)) };
        let others = decisions.others.only_if(is_meant(false));
        decisions.findings.iter().fold(others, |kinds, (position, hold)| {
            let kind = self.findings.heads[*position as usize].kind();
            kinds | kind.only_if(is_meant(hold.holds(&self.relevant)))
        })
    }

    /// The positions of the findings that are excepted, ascending.
    fn excepted(&self) -> impl Iterator<Item = usize> {
        let all = self.decisions.map(|decisions| decisions.findings.as_slice()).unwrap_or_default();
        let holding = all.iter().filter(|(_, hold): &&(u32, Hold)| hold.holds(&self.relevant));
        holding.map(|(position, _)| *position as usize)
    }

    /// Tells the findings with their kinds as far as they are meant under any of some repositories.
    pub(super) fn each(&self, pairs: &[Pair], mask: Kinds, mut tell: impl FnMut(usize, u32, Kinds)) {
        _ = self.try_stretches(pairs, mask, |stretch, meant| {
            self.each_in(stretch, meant, &mut tell);
            ControlFlow::Continue(())
        });
    }

    /// Tells stretches of findings of which exceptions say the same, in order, until it is enough; with each, which kinds are meant of
    /// findings without the text and of those with it. Where neither is, the stretch is left out.
    fn try_stretches(
        &self,
        pairs: &[Pair],
        mask: Kinds,
        mut tell: impl FnMut(Range<usize>, Meant) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let [others, excepted] = [false, true].map(|is_excepted| self.meant(pairs, mask, is_excepted));
        let mut tell = |stretch: Range<usize>, meant: Meant| {
            if stretch.is_empty() || meant == [Kinds::NONE; 2] {
                ControlFlow::Continue(())
            } else {
                tell(stretch, meant)
            }
        };
        let mut start = self.span.start;
        if others != excepted {
            for at in self.excepted().filter(|at| self.span.contains(at)) {
                tell(start..at, others)?;
                start = at + 1;
                tell(at..start, excepted)?;
            }
        }
        tell(start..self.span.end, others)
    }

    /// Which kinds are meant of findings that are excepted or are not.
    fn meant(&self, pairs: &[Pair], mask: Kinds, is_excepted: bool) -> Meant {
        let has_state = self.except.takes(is_excepted);
        let may_have_text = self.text.is_none_or(|bits| !bits.is_empty());
        [false, true].map(|has_text| {
            let has_text = has_text && may_have_text;
            let suffices = |pair: &Pair| (pair.any_text || has_text) && (pair.any_state || has_state);
            mask.only_if(pairs.iter().any(suffices))
        })
    }

    /// Tells the findings of a stretch. What is not asked for is not looked at, so that most lists are a loop of few instructions:
    /// always inlined, since a call for each finding would be most of it.
    #[inline(always)]
    fn each_in(&self, stretch: Range<usize>, meant: Meant, mut tell: impl FnMut(usize, u32, Kinds)) {
        let Findings { heads, layers, .. } = self.findings;
        let [without_text, kinds] = meant;
        let is_in_layer = |at: usize| {
            let meant = self.layers.as_ref();
            meant.is_none_or(|meant| meant.get(usize::from(layers[at])).copied().unwrap_or_default())
        };
        // Where not every finding is meant, those without the text are not meant at all.
        match (self.text.filter(|_| without_text != kinds), &self.layers) {
            (None, None) => {
                for (at, head) in stretch.clone().zip(&heads[stretch]) {
                    tell(at, head.vulnerability(), head.kind() & kinds);
                }
            }
            (Some(bits), _) => each_set(bits, stretch, |at| {
                tell(at, heads[at].vulnerability(), (heads[at].kind() & kinds).only_if(is_in_layer(at)));
            }),
            (None, Some(_)) => {
                for (at, head) in stretch.clone().zip(&heads[stretch]) {
                    tell(at, head.vulnerability(), (head.kind() & kinds).only_if(is_in_layer(at)));
                }
            }
        }
    }
}
