//! What a detector found in one file, within a budget.

use std::mem::size_of;

use crate::layer::{Fact, Reason, ReasonCode};
use crate::package::Package;

/// Facts of one file, bounded by the bytes they keep.
#[derive(Debug)]
pub struct FactList {
    facts: Vec<Fact>,
    cost: usize,
    budget: usize,
    complete: bool,
}

impl Extend<Fact> for FactList {
    fn extend<I: IntoIterator<Item = Fact>>(&mut self, facts: I) {
        facts.into_iter().for_each(|fact| self.push(fact));
    }
}

impl FactList {
    /// An empty list that keeps at most `budget` bytes.
    pub fn new(budget: usize) -> Self {
        Self { facts: Vec::new(), cost: 0, budget, complete: true }
    }

    /// Adds a fact; past the budget it is dropped and the list remembers that it is not complete.
    pub fn push(&mut self, fact: Fact) {
        let cost = Self::cost(&fact);
        if !self.complete || self.cost + cost > self.budget {
            self.complete = false;
            return;
        }
        self.cost += cost;
        self.facts.push(fact);
    }

    /// Adds that `path` breaks its own format, so that what was found in it is not all.
    pub fn malformed(&mut self, path: &str, detail: &str) {
        self.push(Fact::Unread(Reason::at(ReasonCode::MalformedDatabase, path, detail)));
    }

    /// Adds that `path` holds something this version cannot read.
    pub fn unread(&mut self, path: &str, detail: &str) {
        self.push(Fact::Unread(Reason::at(ReasonCode::UnreadDatabase, path, detail)));
    }

    /// What was found.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Whether nothing was found, and nothing was dropped either.
    pub(crate) fn is_empty(&self) -> bool {
        self.facts.is_empty() && self.complete
    }

    /// The facts, the bytes they keep, and whether all were kept.
    pub(crate) fn into_parts(self) -> (Vec<Fact>, usize, bool) {
        (self.facts, self.cost, self.complete)
    }

    /// The bytes a fact keeps.
    pub(crate) fn cost(fact: &Fact) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        size_of::<Fact>()
            + match fact {
                Fact::Package(package) | Fact::Stated(package) => {
                    let Package { name, version, architecture, source, packager, module, .. } = package;
                    let source = source.as_ref().map_or(0, |source| source.name.len() + source.version.len());
                    name.len() + version.len() + text(architecture) + source + text(packager) + text(module)
                }
                Fact::Distribution(distribution) => {
                    distribution.id.len() + distribution.version.len() + text(&distribution.pretty_name)
                }
                Fact::Owned { package, paths } => package.len() + size_of_val(&paths[..]),
                Fact::Channel(channel) => channel.name.len(),
                Fact::Risk(risk) => risk.rule.len() + risk.detail.len(),
                Fact::Unread(reason) => reason.detail.len() + text(&reason.path),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_keeps_what_its_budget_allows_and_remembers_the_rest() {
        let mut facts = FactList::new(2 * size_of::<Fact>());
        facts.malformed("a", "b");
        facts.malformed("a", "b");
        assert_eq!(facts.facts().len(), 1);
        assert!(!facts.into_parts().2);
    }
}
