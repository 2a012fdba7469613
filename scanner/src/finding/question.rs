//! The questions an image's packages ask of feeds, and which feeds can answer.

use std::collections::{BTreeMap, BTreeSet};

use super::query::{Coverage, Query, query};
use crate::advisory::{AdvisorySource, Feed};
use crate::image::{ImageInventory, ImagePackage};
use crate::package::Ecosystem;

/// The questions an image's packages ask, each with the packages that ask it.
pub(super) struct Questions<'a> {
    pub(super) packages: BTreeMap<Query, Vec<&'a ImagePackage>>,
    pub(super) missing: BTreeSet<String>,
    pub(super) uncovered: u64,
}

impl<'a> Questions<'a> {
    pub(super) fn of(inventory: &'a ImageInventory) -> Self {
        let mut questions = Self { packages: BTreeMap::new(), missing: BTreeSet::new(), uncovered: 0 };
        for package in &inventory.packages {
            match query(&package.package, inventory.distribution.as_ref()) {
                Coverage::Asked(query) => questions.packages.entry(query).or_default().push(package),
                Coverage::ThirdParty => questions.uncovered += 1,
                Coverage::NoFeed(name) => {
                    questions.uncovered += 1;
                    questions.missing.insert(name);
                }
            }
        }
        questions
    }

    /// The feeds that speak, by ecosystem; questions to the others are taken out and counted.
    pub(super) fn ask_feeds<S: AdvisorySource>(&mut self, source: &S) -> Result<Vec<Feed>, S::Error> {
        let ecosystems: BTreeSet<Ecosystem> = self.packages.keys().map(|query| query.ecosystem.clone()).collect();
        let mut feeds = Vec::new();
        for ecosystem in ecosystems {
            match source.feed(&ecosystem)? {
                Some(feed) if feed.records > 0 => feeds.push(feed),
                _ => {
                    self.missing.insert(ecosystem.to_string());
                }
            }
        }
        let spoken: BTreeSet<&Ecosystem> = feeds.iter().map(|feed| &feed.ecosystem).collect();
        self.packages.retain(|query, packages| {
            let asked = spoken.contains(&query.ecosystem);
            if !asked {
                self.uncovered += packages.len() as u64;
            }
            asked
        });
        Ok(feeds)
    }
}
