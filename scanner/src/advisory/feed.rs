//! Counts what an import brings, release by release.

use std::collections::{BTreeMap, BTreeSet};

use super::{Advisory, Feed};
use crate::package::Ecosystem;

/// Counts the records of one ecosystem's folder while they pass, and says what each feed in it holds.
///
/// A record counts once for every release it has an affected entry for; withdrawn records count, being the feed's word
/// too. Entries for other ecosystems do not count: a record for two ecosystems lies in both folders. An entry without
/// a release, in an ecosystem that has them, counts under the bare name.
#[derive(Clone, Debug)]
pub struct FeedTally {
    name: String,
    now: i64,
    records: u64,
    /// The number of the record counted last.
    last: u64,
    feeds: BTreeMap<Ecosystem, Counted>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    records: u64,
    as_of: Option<i64>,
    /// The number of the record counted last, so that its further entries do not count again.
    last: u64,
}

impl FeedTally {
    /// A tally for the folder of the ecosystem `name`, at `now` (seconds since the epoch): the time of the fetch, past
    /// which no record's `modified` is believed.
    pub fn new(name: &str, now: i64) -> Self {
        Self { name: name.to_owned(), now, records: 0, last: 0, feeds: BTreeMap::new() }
    }

    /// A tally that goes on from feeds counted before, at `now` (seconds since the epoch).
    pub fn resume(name: &str, feeds: &[Feed], now: i64) -> Self {
        let counted = |feed: &Feed| Counted { records: feed.records, as_of: feed.as_of, last: 0 };
        let feeds = feeds.iter().map(|feed| (feed.ecosystem.clone(), counted(feed))).collect();
        Self { feeds, ..Self::new(name, now) }
    }

    /// Counts one record.
    pub fn count(&mut self, advisory: &Advisory) {
        self.records += 1;
        self.last += 1;
        let mine = advisory.affected.iter().map(|affected| &affected.ecosystem);
        for ecosystem in mine.filter(|ecosystem| ecosystem.name() == self.name) {
            if !self.feeds.contains_key(ecosystem) {
                self.feeds.insert(ecosystem.clone(), Counted::default());
            }
            let Some(counted) = self.feeds.get_mut(ecosystem) else {
                continue;
            };
            if counted.last == self.last {
                continue;
            }
            counted.last = self.last;
            counted.records += 1;
            if advisory.modified <= self.now {
                counted.as_of = counted.as_of.max(Some(advisory.modified));
            }
        }
    }

    /// Takes out a record that was counted. How new its feeds are stays: they have been seen as of then.
    pub fn uncount(&mut self, advisory: &Advisory) {
        self.records = self.records.saturating_sub(1);
        let mine = advisory.affected.iter().map(|affected| &affected.ecosystem);
        for ecosystem in mine.filter(|ecosystem| ecosystem.name() == self.name).collect::<BTreeSet<_>>() {
            if let Some(counted) = self.feeds.get_mut(ecosystem) {
                counted.records = counted.records.saturating_sub(1);
            }
        }
    }

    /// Records counted, whatever they affect; of a tally that goes on, those counted since.
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// The feeds that have records, by ecosystem.
    pub fn feeds(&self) -> Vec<Feed> {
        let feeds = self.feeds.iter().filter(|(_, counted)| counted.records > 0);
        feeds
            .map(|(ecosystem, counted)| Feed {
                ecosystem: ecosystem.clone(),
                records: counted.records,
                as_of: counted.as_of,
                fetched_at: self.now,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::AdvisoryBuilder;

    #[test]
    fn a_record_counts_once_for_each_release_of_the_folder_it_speaks_for() {
        let mut tally = FeedTally::new("Debian", 1000);
        let both = AdvisoryBuilder::new("DSA-1-1")
            .modified(900)
            .affects("Debian:11", "a", &["0", "1"])
            .affects("Debian:11", "b", &["0", "1"])
            .affects("Debian:12", "a", &["0", "1"])
            .affects("PyPI", "a", &["0", "1"]);
        tally.count(&both.build());
        tally.count(&AdvisoryBuilder::new("DSA-2-1").modified(800).affects("Debian:12", "a", &["0", "1"]).build());
        tally.count(&AdvisoryBuilder::new("DSA-3-1").modified(2000).affects("Debian:12", "a", &["0", "1"]).build());
        assert_eq!(tally.records(), 3);
        let feeds: Vec<_> =
            tally.feeds().iter().map(|feed| (feed.ecosystem.to_string(), feed.records, feed.as_of)).collect();
        // The record of the future counts, but does not make the feed look fresh.
        assert_eq!(feeds, [("Debian:11".into(), 1, Some(900)), ("Debian:12".into(), 3, Some(900))]);
        assert!(tally.feeds().iter().all(|feed| feed.fetched_at == 1000));
    }

    #[test]
    fn a_tally_goes_on_from_feeds_and_forgets_those_without_records() {
        let record = |id: &str, modified| {
            AdvisoryBuilder::new(id).modified(modified).affects("Debian:11", "a", &["0"]).affects(
                "Debian:11",
                "b",
                &["0"],
            )
        };
        let mut tally = FeedTally::new("Debian", 10);
        tally.count(&record("DSA-1-1", 5).build());
        let mut tally = FeedTally::resume("Debian", &tally.feeds(), 20);
        tally.count(&record("DSA-2-1", 7).affects("Debian:12", "a", &["0"]).build());
        let told = |tally: &FeedTally| {
            let feeds = tally.feeds().into_iter();
            feeds.map(|feed| (feed.ecosystem.to_string(), feed.records, feed.as_of)).collect::<Vec<_>>()
        };
        assert_eq!(told(&tally), [("Debian:11".into(), 2, Some(7)), ("Debian:12".into(), 1, Some(7))]);
        tally.uncount(&record("DSA-2-1", 7).affects("Debian:12", "a", &["0"]).build());
        assert_eq!(told(&tally), [("Debian:11".into(), 1, Some(7))]);
        assert_eq!(tally.feeds()[0].fetched_at, 20);
    }

    #[test]
    fn a_feed_with_records_of_the_future_alone_has_no_age() {
        let mut tally = FeedTally::new("PyPI", 10);
        tally.count(&AdvisoryBuilder::new("PYSEC-1").modified(11).affects("PyPI", "a", &["0"]).build());
        assert_eq!(tally.feeds()[0].as_of, None);
    }
}
