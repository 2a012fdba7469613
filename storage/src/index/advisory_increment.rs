//! An increment: the few records of a folder that changed since its last import, and the few that are gone.
//!
//! Owns the comparison of a source's list of changes with the folder, and the writing of what it names. Cut anywhere, it has brought
//! some of the newer records; the list's validators are kept last, so the rest is found again.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use weir_scanner::advisory::modified::ListedRecord;
use weir_scanner::advisory::{Advisory, Feed, FeedTally};

use super::advisory::{put_import, replace_feeds};
use super::engine::{Batch, Scan, Table};
use super::error::intact;
use super::folder_count::FolderCount;
use super::folder_writer::{FolderWriter, begin};
use super::import_record::{ImportCounts, ImportRecord, IncrementFinish, Validators};
use super::record::MarkRecord;
use super::{Index, IndexError, decode_key, key, lock, record};

/// How a folder differs from a source's list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderDifference {
    /// Lines of the list.
    pub listed: u64,
    /// Its newest `modified` that is not after the time of the comparison.
    pub newest: Option<i64>,
    /// Records the list has an older time of than the folder.
    pub older: u64,
    /// Ids that are new or newer in the list, with the list's time; cut off at the bound.
    pub changed: Vec<ListedRecord>,
    /// Ids the list no longer has; cut off at the bound.
    pub gone: Vec<String>,
    /// Whether more differs than the bound allows.
    pub too_many: bool,
}

impl FolderDifference {
    /// Compares a list with the folder of `ecosystem` at `now`, counting at most `bound` changed and as many gone ids. Memory:
    /// seventeen bytes a record of the folder.
    ///
    /// # Errors
    /// The list's own, and where the index cannot be read.
    pub(super) fn between<E: From<IndexError>>(
        index: &Index,
        ecosystem: &str,
        list: impl Iterator<Item = Result<ListedRecord, E>>,
        bound: usize,
        now: i64,
    ) -> Result<Self, E> {
        let (mut difference, stored) = (Self::default(), stored_times(index, ecosystem)?);
        let mut seen = vec![false; stored.len()];
        for listed in list {
            let listed = listed?;
            difference.listed += 1;
            if listed.modified <= now {
                difference.newest = difference.newest.max(Some(listed.modified));
            }
            let place = place(&stored, &listed.id);
            if let Some(place) = place {
                seen[place] = true;
            }
            match place.map(|place| stored[place].1) {
                Some(stored) if stored == listed.modified => {}
                Some(stored) if stored > listed.modified => difference.older += 1,
                _ if difference.changed.len() < bound => difference.changed.push(listed),
                _ => difference.too_many = true,
            }
        }
        if seen.contains(&false) {
            difference.find_gone(index, ecosystem, bound, |id| place(&stored, id).is_some_and(|place| !seen[place]))?;
        }
        Ok(difference)
    }

    /// Reads the names of the folder's records for which `is_gone` holds.
    fn find_gone(
        &mut self,
        index: &Index,
        ecosystem: &str,
        bound: usize,
        is_gone: impl Fn(&str) -> bool,
    ) -> Result<(), IndexError> {
        for row in index.rows(Scan::prefix(Table::AdvisoryMembers, key::encode(ecosystem)).keys_only()) {
            let (_, id): (String, String) = decode_key(Table::AdvisoryMembers, &row?.key)?;
            if !is_gone(&id) {
                continue;
            }
            if self.gone.len() == bound {
                self.too_many = true;
                break;
            }
            self.gone.push(id);
        }
        Ok(())
    }
}

/// The folder's records as hashes of their ids, in order, with their times. One scan costs far less than a lookup for each line of a
/// list. A mark of the first version has no time, and so is older than any.
fn stored_times(index: &Index, ecosystem: &str) -> Result<Vec<(u64, i64)>, IndexError> {
    let mut stored = Vec::new();
    for row in index.rows(Scan::prefix(Table::AdvisoryMembers, key::encode(ecosystem))) {
        let row = row?;
        let (_, id): (String, String) = decode_key(Table::AdvisoryMembers, &row.key)?;
        let mark: MarkRecord = record::decode(Table::AdvisoryMembers, &row.key, &row.value)?;
        stored.push((hash(&id), mark.modified.unwrap_or(i64::MIN)));
    }
    stored.sort_unstable();
    Ok(stored)
}

fn place(stored: &[(u64, i64)], id: &str) -> Option<usize> {
    let hash = hash(id);
    stored.binary_search_by_key(&hash, |(stored, _)| *stored).ok()
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// An increment under way. Blocks, as an import does.
pub struct AdvisoryIncrement {
    writer: FolderWriter,
}

impl AdvisoryIncrement {
    pub(super) fn begin(index: &Index, ecosystem: &str, now: i64) -> Result<Self, IndexError> {
        let import = begin(index, ecosystem)?;
        let mut writer = FolderWriter::new(index, ecosystem, import.generation, true);
        let feeds = index.advisories().feeds_of(ecosystem)?;
        writer.count = Some(FolderCount::begin(ecosystem, &import, &feeds, now));
        Ok(Self { writer })
    }

    /// Takes a new or changed record. It may be written now or with later ones.
    ///
    /// # Errors
    /// What writing a batch meets; the increment cannot go on then.
    pub fn put(&mut self, advisory: Advisory) -> Result<(), IndexError> {
        self.writer.put(advisory)
    }

    /// Takes out records that are gone from the folder.
    ///
    /// # Errors
    /// As [`AdvisoryIncrement::put`].
    pub fn remove(&mut self, ids: &[String]) -> Result<(), IndexError> {
        let others = self.writer.others()?;
        let members = ids.iter().map(|id| key::encode(&(&self.writer.ecosystem, id))).collect();
        self.writer.remove(members, &others)
    }

    /// Ends the increment: keeps the folder's counts and the list's validators, in one batch that outlives a loss of power.
    ///
    /// # Errors
    /// [`IndexError::Superseded`] where a later import of the folder began, and what reading and writing meet.
    pub fn finish(mut self, finish: IncrementFinish) -> Result<ImportCounts, IndexError> {
        self.writer.flush()?;
        let (index, ecosystem) = (&self.writer.index, &self.writer.ecosystem);
        let counted = self.writer.count.as_ref().and_then(FolderCount::counted);
        let (records, feeds) = match counted {
            Some(counted) => counted,
            None => self.count_anew(finish.now)?,
        };
        let _guard = lock(&index.locks.advisories);
        let import = self.writer.check_current()?;
        let mut batch = Batch::new().durable();
        replace_feeds(index, &mut batch, ecosystem, &feeds)?;
        let IncrementFinish { location, list, newest, now } = finish;
        let import = ImportRecord {
            counted: import.generation,
            imported_at: Some(now),
            checked_at: Some(now),
            records,
            location: Some(location),
            archive: Validators::default(),
            list,
            newest: import.newest.max(newest),
            failure: None,
            ..import
        };
        put_import(&mut batch, ecosystem, &import);
        index.write(batch)?;
        Ok(ImportCounts { records, ..self.writer.counts })
    }

    /// Counts the folder's records and feeds.
    fn count_anew(&self, now: i64) -> Result<(u64, Vec<Feed>), IndexError> {
        let (index, ecosystem) = (&self.writer.index, &self.writer.ecosystem);
        let (mut tally, mut records) = (FeedTally::new(ecosystem, now), 0);
        for row in index.rows(Scan::prefix(Table::AdvisoryMembers, key::encode(ecosystem)).keys_only()) {
            let (_, id): (String, String) = decode_key(Table::AdvisoryMembers, &row?.key)?;
            records += 1;
            if let Some(advisory) = intact(index.advisories().get(&id))? {
                tally.count(&advisory);
            }
        }
        Ok((records, tally.feeds()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use weir_scanner::fixture::AdvisoryBuilder;

    use super::super::engine::{FaultyEngine, MemoryEngine};
    use super::super::{ImportFinish, Touch};
    use super::*;

    fn advisory(id: &str, modified: i64) -> Advisory {
        AdvisoryBuilder::new(id).modified(modified).affects("npm", &format!("p-{id}"), &["0"]).build()
    }

    fn import(index: &Index, records: &[(&str, i64)]) {
        let (mut import, mut tally) = (index.advisories().begin("npm").unwrap(), FeedTally::new("npm", 100));
        for (id, modified) in records {
            tally.count(&advisory(id, *modified));
            import.put(advisory(id, *modified)).unwrap();
        }
        let newest = records.iter().map(|(_, modified)| *modified).max();
        let feeds = tally.feeds();
        import.finish(ImportFinish { feeds, newest, now: 100, ..ImportFinish::default() }).unwrap();
    }

    fn compare(index: &Index, list: &[(&str, i64)], bound: usize) -> FolderDifference {
        let list = list.iter().map(|(id, modified)| ListedRecord { id: (*id).into(), modified: *modified });
        index.advisories().compare::<IndexError>("npm", list.map(Ok), bound, 50).unwrap()
    }

    fn increment(index: &Index, list: &[(&str, i64)]) -> Result<ImportCounts, IndexError> {
        let difference = compare(index, list, 10);
        let mut increment = index.advisories().begin_increment("npm", 100)?;
        for listed in &difference.changed {
            increment.put(advisory(&listed.id, listed.modified))?;
        }
        increment.remove(&difference.gone)?;
        increment.finish(IncrementFinish { newest: difference.newest, now: 100, ..IncrementFinish::default() })
    }

    #[test]
    fn a_list_in_any_order_tells_what_differs() {
        let index = Index::in_memory();
        import(&index, &[("A", 10), ("B", 20), ("C", 30)]);
        let listed = |id: &str, modified| ListedRecord { id: id.into(), modified };
        let difference = compare(&index, &[("D", 40), ("B", 19), ("F", 60), ("A", 11)], 10);
        let changed = vec![listed("D", 40), listed("F", 60), listed("A", 11)];
        let gone = vec!["C".to_owned()];
        let expected = FolderDifference { listed: 4, newest: Some(40), older: 1, changed, gone, too_many: false };
        assert_eq!(difference, expected, "what is in the future does not count as newest");
        assert_eq!(compare(&index, &[("C", 30), ("B", 20), ("A", 10)], 0).changed, []);
        assert!(!compare(&index, &[("C", 30), ("B", 20), ("A", 10)], 0).too_many);
        for list in [&[("A", 10), ("B", 20), ("C", 30), ("D", 1), ("E", 1)][..], &[("C", 30)]] {
            assert!(compare(&index, list, 1).too_many, "{list:?}");
        }
    }

    #[test]
    fn an_increment_cut_anywhere_is_made_good_by_the_next() {
        let old = [("A", 10), ("B", 20), ("C", 30)];
        let new = [("A", 10), ("B", 25), ("D", 40)];
        for writes in 0.. {
            let engine = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::default())));
            let index = Index::new(engine.clone());
            import(&index, &old);
            engine.fail_writes_after(writes);
            let cut = increment(&index, &new).is_err();
            engine.fail_writes(false);
            let state = index.advisories().import("npm").unwrap().unwrap();
            assert_eq!(state.newest, Some(if cut { 30 } else { 40 }), "after {writes} writes");
            assert_eq!(index.advisories().get("B").unwrap().unwrap().id, "B");
            assert_eq!(increment(&index, &new).unwrap().records, 3);
            for (id, modified) in new {
                assert_eq!(index.advisories().get(id).unwrap().unwrap().modified, modified, "after {writes} writes");
            }
            assert_eq!(index.advisories().get("C").unwrap(), None);
            assert_eq!(index.advisories().feeds().unwrap()[0].records, 3);
            let touched: Vec<Touch> = index.touched().take(99).unwrap().into_iter().map(|row| row.touch).collect();
            for id in ["B", "C", "D"] {
                let package = Touch::Package { ecosystem: "npm".into(), package: format!("p-{id}") };
                assert!(touched.contains(&package), "{id} after {writes} writes: {touched:?}");
            }
            if !cut {
                assert!(writes >= 4, "begin, removal, records, the end; got {writes}");
                break;
            }
        }
    }

    /// One thing that happens to a folder: a whole archive or an increment with records (number and time, which decide what it speaks
    /// of) and numbers of records that are gone, cut after so many writes.
    type Happening = (bool, bool, Vec<(u8, i64)>, Vec<u8>, Option<u32>);

    fn happen(index: &Index, (npm, whole, records, gone, _): &Happening) -> Result<(), IndexError> {
        let folder = if *npm { "npm" } else { "PyPI" };
        let mut tally = FeedTally::new(folder, 100);
        let records = records.iter().map(|(number, modified)| {
            let mut record = AdvisoryBuilder::new(&format!("R-{number}")).modified(*modified);
            let bits = i64::from(*number) * 3 + *modified;
            for (ecosystem, _) in [("npm", 1), ("PyPI", 2)].iter().filter(|(_, bit)| bits & bit != 0) {
                record = record.affects(ecosystem, "a", &["0"]);
            }
            record.build()
        });
        if *whole {
            let mut import = index.advisories().begin(folder)?;
            for record in records {
                tally.count(&record);
                import.put(record)?;
            }
            import.finish(ImportFinish { feeds: tally.feeds(), now: 100, ..ImportFinish::default() })?;
        } else {
            let mut increment = index.advisories().begin_increment(folder, 100)?;
            for record in records {
                increment.put(record)?;
            }
            let is_member =
                |id: &String| index.engine.get(Table::AdvisoryMembers, &key::encode(&(folder, id))).unwrap().is_some();
            let there: Vec<String> = gone.iter().map(|number| format!("R-{number}")).filter(is_member).collect();
            increment.remove(&there)?;
            increment.finish(IncrementFinish { now: 100, ..IncrementFinish::default() })?;
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn counts_kept_by_what_changes_are_those_of_counting_anew(
            happenings in vec((
                any::<bool>(), prop::bool::weighted(0.2),
                vec((0..5_u8, 0..6_i64), 0..4),
                vec(0..5_u8, 0..2),
                prop::option::weighted(0.3, 0..4_u32),
            ), 1..12),
        ) {
            let engine = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::default())));
            let index = Index::new(engine.clone());
            for happening in &happenings {
                if let Some(writes) = happening.4 {
                    engine.fail_writes_after(writes);
                }
                let cut = happen(&index, happening).is_err();
                engine.fail_writes(false);
                // An archive is counted as it came, which is not always what is stored of it.
                if cut || happening.1 {
                    continue;
                }
                let folder = if happening.0 { "npm" } else { "PyPI" };
                let writer = FolderWriter::new(&index, folder, 0, true);
                let (records, feeds) = AdvisoryIncrement { writer }.count_anew(100).unwrap();
                let counts = |feeds: Vec<Feed>| feeds.into_iter().map(|feed| (feed.ecosystem, feed.records)).collect::<Vec<_>>();
                prop_assert_eq!(counts(index.advisories().feeds_of(folder).unwrap()), counts(feeds));
                prop_assert_eq!(index.advisories().import(folder).unwrap().unwrap().records, records);
            }
        }
    }
}
