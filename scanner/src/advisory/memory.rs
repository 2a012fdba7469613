//! Advisories in memory: for one scan over a folder of advisories, and for tests.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use super::{Advisory, AdvisorySource, Feed, FeedTally, Rating};
use crate::package::Ecosystem;

/// Advisories in maps, by id, by affected package and by name.
#[derive(Clone, Debug)]
pub struct MemoryAdvisories {
    now: i64,
    by_id: BTreeMap<String, Arc<Advisory>>,
    by_package: HashMap<(String, String), BTreeSet<String>>,
    by_name: HashMap<String, BTreeSet<String>>,
    scores: HashMap<String, Vec<Rating>>,
    /// Counted when first asked for, and again after a change.
    feeds: OnceLock<BTreeMap<String, Vec<Feed>>>,
}

impl MemoryAdvisories {
    /// An empty source that was filled at `now`, seconds since the epoch.
    pub fn new(now: i64) -> Self {
        Self {
            now,
            by_id: BTreeMap::new(),
            by_package: HashMap::new(),
            by_name: HashMap::new(),
            scores: HashMap::new(),
            feeds: OnceLock::new(),
        }
    }

    /// Adds a record; one with the same id is replaced.
    pub fn insert(&mut self, advisory: Advisory) {
        self.remove(&advisory.id);
        self.feeds.take();
        let advisory = Arc::new(advisory);
        for key in packages(&advisory) {
            self.by_package.entry(key).or_default().insert(advisory.id.clone());
        }
        for name in advisory.found_under() {
            self.by_name.entry(name.to_owned()).or_default().insert(advisory.id.clone());
        }
        self.by_id.insert(advisory.id.clone(), advisory);
    }

    /// Takes a record out, if it is there.
    pub fn remove(&mut self, id: &str) {
        let Some(advisory) = self.by_id.remove(id) else {
            return;
        };
        self.feeds.take();
        for key in packages(&advisory) {
            if let Some(ids) = self.by_package.get_mut(&key) {
                ids.remove(id);
            }
        }
        for name in advisory.found_under() {
            if let Some(ids) = self.by_name.get_mut(name) {
                ids.remove(id);
            }
        }
    }

    /// Adds what a source of scores says of a CVE.
    pub fn rate(&mut self, cve: &str, rating: Rating) {
        self.scores.entry(cve.to_owned()).or_default().push(rating);
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    fn tally(&self) -> BTreeMap<String, Vec<Feed>> {
        let mut tallies: BTreeMap<&str, FeedTally> = BTreeMap::new();
        for advisory in self.by_id.values() {
            let names: BTreeSet<&str> = advisory.affected.iter().map(|affected| affected.ecosystem.name()).collect();
            for name in names {
                tallies.entry(name).or_insert_with(|| FeedTally::new(name, self.now)).count(advisory);
            }
        }
        tallies.into_iter().map(|(name, tally)| (name.to_owned(), tally.feeds())).collect()
    }

    fn resolve(&self, ids: Option<&BTreeSet<String>>) -> Vec<Arc<Advisory>> {
        ids.into_iter().flatten().filter_map(|id| self.by_id.get(id).cloned()).collect()
    }
}

impl AdvisorySource for MemoryAdvisories {
    type Error = Infallible;

    fn affecting(&self, ecosystem: &str, package: &str) -> Result<Vec<Arc<Advisory>>, Infallible> {
        Ok(self.resolve(self.by_package.get(&(ecosystem.to_owned(), package.to_owned()))))
    }

    fn named(&self, id: &str) -> Result<Vec<Arc<Advisory>>, Infallible> {
        Ok(self.resolve(self.by_name.get(id)))
    }

    fn rated(&self, id: &str) -> Result<Vec<Arc<Advisory>>, Infallible> {
        self.named(id)
    }

    fn feed(&self, ecosystem: &Ecosystem) -> Result<Option<Feed>, Infallible> {
        Ok(self.feeds(ecosystem.name())?.into_iter().find(|feed| feed.ecosystem == *ecosystem))
    }

    fn feeds(&self, ecosystem: &str) -> Result<Vec<Feed>, Infallible> {
        Ok(self.feeds.get_or_init(|| self.tally()).get(ecosystem).cloned().unwrap_or_default())
    }

    fn cve_ratings(&self, cve: &str) -> Result<Vec<Rating>, Infallible> {
        Ok(self.scores.get(cve).cloned().unwrap_or_default())
    }
}

fn packages(advisory: &Advisory) -> impl Iterator<Item = (String, String)> + '_ {
    advisory.affected.iter().map(|affected| (affected.ecosystem.name().to_owned(), affected.package.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{AdvisoryBuilder, SUITE_NOW, advisory_source_suite, suite_advisories};

    #[test]
    fn memory_answers_as_every_source_must() {
        let mut source = MemoryAdvisories::new(SUITE_NOW);
        for advisory in suite_advisories() {
            source.insert(advisory);
        }
        advisory_source_suite(&source);
    }

    #[test]
    fn a_replaced_record_leaves_no_old_name_behind() {
        let mut source = MemoryAdvisories::new(0);
        source.insert(AdvisoryBuilder::new("A").alias("CVE-2024-1").affects("npm", "old", &["0"]).build());
        source.insert(AdvisoryBuilder::new("A").alias("CVE-2024-2").affects("npm", "new", &["0"]).build());
        assert_eq!(source.len(), 1);
        assert!(source.named("CVE-2024-1").unwrap().is_empty());
        assert!(source.affecting("npm", "old").unwrap().is_empty());
        assert_eq!(source.affecting("npm", "new").unwrap()[0].id, "A");
        source.remove("A");
        assert!(source.is_empty() && source.named("A").unwrap().is_empty());
    }
}
