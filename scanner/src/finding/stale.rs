//! Which questions may be answered otherwise than they were.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::query::Query;

/// A set of questions, by the packages they are about: what a change among the advisories made doubtful.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stale {
    everything: bool,
    ecosystems: BTreeSet<String>,
    packages: HashMap<String, HashSet<String>>,
}

impl Stale {
    /// Every question.
    pub fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// Whether it holds every question.
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// Whether single packages are all it holds.
    pub(super) fn is_of_packages(&self) -> bool {
        !self.everything && self.ecosystems.is_empty()
    }

    /// Adds all questions to the feeds of the ecosystem of this name, in whatever release.
    pub fn add_ecosystem(&mut self, ecosystem: impl Into<String>) {
        self.ecosystems.insert(ecosystem.into());
    }

    /// Adds the questions about packages, each given as the name of its ecosystem and its key there.
    pub fn add_packages(&mut self, packages: impl IntoIterator<Item = (String, String)>) {
        for (ecosystem, package) in packages {
            self.packages.entry(ecosystem).or_default().insert(package);
        }
    }

    /// The ecosystems that were added whole.
    pub fn ecosystems(&self) -> impl Iterator<Item = &str> {
        self.ecosystems.iter().map(String::as_str)
    }

    /// The packages that were added one by one, each as the name of its ecosystem and its key there, in no order.
    pub fn packages<'a>(&'a self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let of = |(ecosystem, packages): (&'a String, &'a HashSet<String>)| {
            packages.iter().map(move |package| (ecosystem.as_str(), package.as_str()))
        };
        self.packages.iter().flat_map(of)
    }

    /// How many packages were added one by one.
    pub fn package_count(&self) -> usize {
        self.packages.values().map(HashSet::len).sum()
    }

    pub(super) fn contains(&self, query: &Query) -> bool {
        let ecosystem = query.ecosystem.name();
        self.everything
            || self.ecosystems.contains(ecosystem)
            || self
                .packages
                .get(ecosystem)
                .is_some_and(|packages| query.names.iter().any(|name| packages.contains(name.key.as_str())))
    }
}
