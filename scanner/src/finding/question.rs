//! The questions an image's packages ask of feeds, and which feeds can answer.

use std::collections::{BTreeMap, BTreeSet};

use super::query::{Coverage, Host, Query, Releases, query};
use super::{Uncovered, UncoveredReason};
use crate::advisory::{AdvisorySource, Feed};
use crate::image::{ImageInventory, ImagePackage};
use crate::package::Ecosystem;

/// The keys under which an image's packages are asked for, each with the name of its ecosystem: what an index from packages to images
/// holds.
pub fn questions(inventory: &ImageInventory) -> BTreeSet<(String, String)> {
    let keys = asked(inventory).flat_map(|query| {
        let Query { ecosystem, names, .. } = query;
        names.into_iter().map(move |name| (ecosystem.name().to_owned(), name.key))
    });
    keys.collect()
}

/// The ecosystems, with their releases, whose feeds can speak for an image's packages.
pub fn ecosystems(inventory: &ImageInventory) -> Vec<Ecosystem> {
    asked(inventory).map(|query| query.ecosystem).collect::<BTreeSet<_>>().into_iter().collect()
}

fn asked(inventory: &ImageInventory) -> impl Iterator<Item = Query> + '_ {
    let host = Host::of(inventory);
    inventory.packages.iter().filter_map(move |found| query(&found.package, &host).question())
}

/// The questions an image's packages ask, each with the packages that ask it.
pub(super) struct Questions<'a> {
    pub(super) packages: BTreeMap<Query, Vec<&'a ImagePackage>>,
    uncovered: BTreeMap<(String, UncoveredReason), Vec<&'a ImagePackage>>,
    /// Package URLs of the system packages that a feed spoke for.
    spoken_for: BTreeSet<&'a str>,
}

impl<'a> Questions<'a> {
    pub(super) fn of(inventory: &'a ImageInventory) -> Self {
        let mut questions = Self { packages: BTreeMap::new(), uncovered: BTreeMap::new(), spoken_for: BTreeSet::new() };
        let host = Host::of(inventory);
        for package in &inventory.packages {
            match query(&package.package, &host) {
                Coverage::Asked(query) => questions.packages.entry(query).or_default().push(package),
                Coverage::NoFeed(name) => questions.leave(name, UncoveredReason::NoFeed, package),
                Coverage::ThirdParty(name) => questions.leave(name, UncoveredReason::ThirdParty, package),
                Coverage::Unnamed(name) => questions.leave(name, UncoveredReason::Unnamed, package),
            }
        }
        questions
    }

    fn leave(&mut self, ecosystem: String, reason: UncoveredReason, package: &'a ImagePackage) {
        self.uncovered.entry((ecosystem, reason)).or_default().push(package);
    }

    /// The feeds that speak, by ecosystem; questions to the others are taken out and counted.
    pub(super) fn ask_feeds<S: AdvisorySource>(&mut self, source: &S) -> Result<Vec<Feed>, S::Error> {
        let mut feeds: BTreeMap<Ecosystem, Feed> = BTreeMap::new();
        // Questions of one feed and the same releases stand together.
        let mut last: Option<(Ecosystem, Releases, bool)> = None;
        for (query, packages) in std::mem::take(&mut self.packages) {
            let known = last
                .take()
                .filter(|(ecosystem, releases, _)| *ecosystem == query.ecosystem && *releases == query.releases);
            let known = match known {
                Some(known) => known,
                None => {
                    let speaking = speaking(&query, source)?;
                    let spoken = !speaking.is_empty();
                    feeds.extend(speaking.into_iter().map(|feed| (feed.ecosystem.clone(), feed)));
                    (query.ecosystem.clone(), query.releases.clone(), spoken)
                }
            };
            if known.2 {
                let system = packages.iter().filter(|package| package.package.package_type.is_system());
                self.spoken_for.extend(system.map(|package| package.purl.as_str()));
                self.packages.insert(query, packages);
            } else {
                for package in packages {
                    self.leave(query.ecosystem.to_string(), UncoveredReason::MissingFeed, package);
                }
            }
            last = Some(known);
        }
        Ok(feeds.into_values().collect())
    }

    /// Whether a feed spoke for the system package of a package URL.
    pub(super) fn speaks_for(&self, purl: &str) -> bool {
        self.spoken_for.contains(purl)
    }

    /// The names of feeds that are missing, sorted, and the packages that nobody spoke for.
    pub(super) fn uncovered(self) -> (Vec<String>, Vec<Uncovered>) {
        let missing = self
            .uncovered
            .keys()
            .filter(|(_, reason)| matches!(reason, UncoveredReason::NoFeed | UncoveredReason::MissingFeed));
        let missing: BTreeSet<String> = missing.map(|(ecosystem, _)| ecosystem.clone()).collect();
        let uncovered = self.uncovered.into_iter().map(|((ecosystem, reason), packages)| Uncovered {
            ecosystem,
            reason,
            packages: packages.len() as u64,
            examples: packages.iter().take(Uncovered::MAX_EXAMPLES).map(|package| package.purl.clone()).collect(),
        });
        (missing.into_iter().collect(), uncovered.collect())
    }
}

/// Whether any feed speaks for a question.
///
/// # Errors
/// Where the source fails.
pub(super) fn is_spoken_for<S: AdvisorySource>(query: &Query, source: &S) -> Result<bool, S::Error> {
    Ok(!speaking(query, source)?.is_empty())
}

/// The feeds with records that speak for a question.
fn speaking<S: AdvisorySource>(query: &Query, source: &S) -> Result<Vec<Feed>, S::Error> {
    let feeds: Vec<Feed> = match query.releases {
        Releases::Own => source.feed(&query.ecosystem)?.into_iter().collect(),
        Releases::Any | Releases::Ubuntu { .. } | Releases::RedHat { .. } | Releases::Suse => {
            let feeds = source.feeds(query.ecosystem.name())?;
            feeds.into_iter().filter(|feed| query.standing(&feed.ecosystem).is_some()).collect()
        }
    };
    Ok(feeds.into_iter().filter(|feed| feed.records > 0).collect())
}
