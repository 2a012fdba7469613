//! One import of one folder of advisories: records come as they are read, what is gone goes at the end.
//!
//! Owns the generation of a folder. Every import has its own; each record it brings is marked with it, and only
//! finishing removes what carries an older mark and replaces the feeds. So an import that is cut anywhere has at most
//! brought newer records, and has taken nothing. A record changes only to one that is not older. Memory holds one batch of
//! records, however large the folder.

use std::collections::BTreeMap;

use weir_scanner::advisory::{Advisory, Feed};

use super::advisory::{delete_feed, put_feed, put_import, remove, replace};
use super::engine::{Batch, Scan, Table};
use super::error::intact;
use super::record::MarkRecord;
use super::{Index, IndexError, decode_key, key, lock, record};

/// Records written together at most.
const BATCH_RECORDS: usize = 128;
/// Bytes of records written together at most, but for a single larger one.
const BATCH_BYTES: usize = 1 << 20;

/// The state of a folder's imports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportRecord {
    /// The generation of the import that began last.
    pub generation: u64,
    /// When an import last finished, seconds since the epoch.
    pub imported_at: Option<i64>,
    /// When the source was last asked and answered, seconds since the epoch.
    pub checked_at: Option<i64>,
    /// Records in the folder at the last finished import.
    pub records: u64,
    /// The `ETag` of the archive last imported, for the next conditional request.
    pub etag: Option<String>,
    /// Its `Last-Modified`, as the source wrote it.
    pub last_modified: Option<String>,
}

/// What finishing an import needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportFinish {
    /// The feeds of the folder, which replace the ones before.
    pub feeds: Vec<Feed>,
    /// The archive's `ETag`.
    pub etag: Option<String>,
    /// The archive's `Last-Modified`.
    pub last_modified: Option<String>,
    /// When the archive was fetched, seconds since the epoch.
    pub now: i64,
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportCounts {
    /// Records in the folder, after the last of equal ids.
    pub records: u64,
    /// Records that are new or changed.
    pub changed: u64,
    /// Records the folder no longer has.
    pub removed: u64,
}

/// An import under way. Blocks, so it lives behind [`Index::run`] or on a thread of its own.
pub struct AdvisoryImport {
    index: Index,
    ecosystem: String,
    generation: u64,
    pending: BTreeMap<String, (Advisory, Vec<u8>)>,
    pending_bytes: usize,
    counts: ImportCounts,
}

impl AdvisoryImport {
    pub(super) fn begin(index: &Index, ecosystem: &str) -> Result<Self, IndexError> {
        let _guard = lock(&index.locks.advisories);
        let mut import = index.advisories().import(ecosystem)?.unwrap_or_default();
        import.generation += 1;
        let mut batch = Batch::new();
        put_import(&mut batch, ecosystem, &import);
        index.write(batch)?;
        let (ecosystem, generation) = (ecosystem.to_owned(), import.generation);
        Ok(Self {
            index: index.clone(),
            ecosystem,
            generation,
            pending: BTreeMap::new(),
            pending_bytes: 0,
            counts: ImportCounts::default(),
        })
    }

    /// Takes the next record of the folder. It may be written now or with later ones.
    ///
    /// # Errors
    /// What writing a batch meets; the import cannot go on then.
    pub fn put(&mut self, advisory: Advisory) -> Result<(), IndexError> {
        if self.pending.get(&advisory.id).is_some_and(|(pending, _)| pending.modified > advisory.modified) {
            return Ok(());
        }
        let encoded = record::encode(&advisory);
        self.pending_bytes += encoded.len();
        self.pending.insert(advisory.id.clone(), (advisory, encoded));
        if self.pending.len() >= BATCH_RECORDS || self.pending_bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Keeps the stored record of an id whose new form could not be read: it is not gone from the folder.
    pub fn keep(&mut self, id: &str) -> Result<(), IndexError> {
        let _guard = lock(&self.index.locks.advisories);
        self.check_current()?;
        let key = key::encode(&(&self.ecosystem, id));
        let Some(mark) = self.index.get::<MarkRecord>(Table::AdvisoryMembers, &key)? else { return Ok(()) };
        if mark.generation == self.generation {
            return Ok(());
        }
        self.counts.records += 1;
        let mut batch = Batch::new();
        batch.put(Table::AdvisoryMembers, key, record::encode(&MarkRecord { generation: self.generation }));
        self.index.write(batch)
    }

    /// Ends the import: all records are in, so what the folder no longer has is removed, and then, in one last batch that
    /// outlives a loss of power, the feeds are replaced and the source's validators kept.
    ///
    /// # Errors
    /// [`IndexError::Superseded`] where a later import of the folder began, and what writing meets. The validators are then
    /// the old ones, so that the next import begins anew.
    pub fn finish(mut self, finish: ImportFinish) -> Result<ImportCounts, IndexError> {
        self.flush()?;
        self.remove_gone()?;
        let _guard = lock(&self.index.locks.advisories);
        let import = self.check_current()?;
        let mut batch = Batch::new().durable();
        for feed in self.index.advisories().feeds_of(&self.ecosystem)? {
            delete_feed(&mut batch, &feed);
        }
        for feed in &finish.feeds {
            put_feed(&mut batch, feed);
        }
        let ImportFinish { etag, last_modified, now, .. } = finish;
        let import = ImportRecord {
            imported_at: Some(now),
            checked_at: Some(now),
            records: self.counts.records,
            etag,
            last_modified,
            ..import
        };
        put_import(&mut batch, &self.ecosystem, &import);
        self.index.write(batch)?;
        Ok(self.counts)
    }

    fn flush(&mut self) -> Result<(), IndexError> {
        let index = self.index.clone();
        let _guard = lock(&index.locks.advisories);
        self.check_current()?;
        self.pending_bytes = 0;
        let mut batch = Batch::new();
        for (id, (advisory, encoded)) in std::mem::take(&mut self.pending) {
            let member = key::encode(&(&self.ecosystem, &id));
            let mark = self.index.get::<MarkRecord>(Table::AdvisoryMembers, &member)?;
            // An archive that lists an id twice counts it once.
            if mark.as_ref().is_none_or(|mark| mark.generation != self.generation) {
                self.counts.records += 1;
                batch.put(Table::AdvisoryMembers, member, record::encode(&MarkRecord { generation: self.generation }));
            }
            let key = key::encode(&id);
            let stored = self.index.engine.get(Table::Advisories, &key)?;
            // Most records of a refresh are the ones stored before; comparing bytes spares decoding them.
            if stored.as_ref() == Some(&encoded) {
                continue;
            }
            let old = stored
                .map(|bytes| record::decode::<Advisory>(Table::Advisories, &key, &bytes).map_err(IndexError::from));
            let old = intact(old.transpose())?;
            if old.as_ref().is_none_or(|old| old.modified <= advisory.modified) {
                self.counts.changed += 1;
                replace(&mut batch, old.as_ref(), &advisory, encoded);
            }
        }
        self.index.write(batch)
    }

    /// Removes the folder's records this import did not bring, a batch at a time: each is gone from a folder read to its
    /// end, so stopping between two batches leaves nothing wrong.
    fn remove_gone(&mut self) -> Result<(), IndexError> {
        let index = self.index.clone();
        let others: Vec<String> = index
            .advisories()
            .imports()?
            .into_iter()
            .map(|(folder, _)| folder)
            .filter(|folder| *folder != self.ecosystem)
            .collect();
        let mut gone = Vec::new();
        for row in index.rows(Scan::prefix(Table::AdvisoryMembers, key::encode(&self.ecosystem))) {
            let row = row?;
            let mark: MarkRecord = record::decode(Table::AdvisoryMembers, &row.key, &row.value)?;
            if mark.generation != self.generation {
                gone.push(row.key);
            }
            if gone.len() >= BATCH_RECORDS {
                self.remove_batch(std::mem::take(&mut gone), &others)?;
            }
        }
        self.remove_batch(gone, &others)
    }

    fn remove_batch(&mut self, members: Vec<Vec<u8>>, others: &[String]) -> Result<(), IndexError> {
        let index = self.index.clone();
        let _guard = lock(&index.locks.advisories);
        self.check_current()?;
        let mut batch = Batch::new();
        for member in members {
            let (_, id): (String, String) = decode_key(Table::AdvisoryMembers, &member)?;
            batch.delete(Table::AdvisoryMembers, member);
            self.counts.removed += 1;
            let mut listed = false;
            for folder in others {
                listed = listed || index.engine.get(Table::AdvisoryMembers, &key::encode(&(folder, &id)))?.is_some();
            }
            if !listed {
                match intact(index.advisories().get(&id))? {
                    Some(advisory) => remove(&mut batch, &advisory),
                    None => batch.delete(Table::Advisories, key::encode(&id)),
                }
            }
        }
        index.write(batch)
    }

    /// The folder's state, where this import is still the one that began last.
    fn check_current(&self) -> Result<ImportRecord, IndexError> {
        let import = self.index.advisories().import(&self.ecosystem)?.unwrap_or_default();
        if import.generation == self.generation {
            Ok(import)
        } else {
            Err(IndexError::Superseded { ecosystem: self.ecosystem.clone() })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use weir_scanner::advisory::{AdvisorySource, Affected, FeedTally, MemoryAdvisories};
    use weir_scanner::fixture::{SUITE_NOW, advisory_source_suite, suite_advisories};
    use weir_scanner::package::Ecosystem;

    use super::super::engine::{FaultyEngine, MemoryEngine, Table};
    use super::*;

    fn advisory(id: &str, modified: i64, package: &str) -> Advisory {
        let affected = Affected {
            ecosystem: Ecosystem::parse("npm"),
            package: package.into(),
            ranges: Vec::new(),
            versions: Vec::new(),
            ratings: Vec::new(),
        };
        Advisory {
            id: id.into(),
            modified,
            withdrawn: None,
            aliases: vec![format!("CVE-{package}")],
            upstream: Vec::new(),
            related: Vec::new(),
            summary: String::new(),
            ratings: Vec::new(),
            affected: vec![affected],
        }
    }

    fn import(index: &Index, folder: &str, advisories: &[Advisory], now: i64) -> Result<ImportCounts, IndexError> {
        let mut tally = FeedTally::new(folder, now);
        let mut import = index.advisories().begin(folder)?;
        for advisory in advisories {
            tally.count(advisory);
            import.put(advisory.clone())?;
        }
        import.finish(ImportFinish { feeds: tally.feeds(), etag: Some("e".into()), last_modified: None, now })
    }

    fn found(index: &Index, package: &str) -> Vec<String> {
        let found = index.advisories().source().affecting("npm", package).unwrap();
        found.iter().map(|advisory| advisory.id.clone()).collect()
    }

    /// Rows of all tables of advisories, to see that nothing is left over.
    fn rows(index: &Index) -> usize {
        let tables =
            [Table::Advisories, Table::AdvisoryNames, Table::AdvisoryPackages, Table::AdvisoryMembers, Table::Feeds];
        tables.iter().map(|table| index.rows(Scan::prefix(*table, Vec::new())).count()).sum()
    }

    #[test]
    fn the_index_answers_as_every_source_must() {
        let directory = tempfile::tempdir().unwrap();
        for index in [Index::in_memory(), Index::open(directory.path()).unwrap()] {
            let advisories = suite_advisories();
            let mut folders: Vec<&str> =
                advisories.iter().flat_map(|a| &a.affected).map(|affected| affected.ecosystem.name()).collect();
            folders.sort_unstable();
            folders.dedup();
            for folder in folders {
                let listed: Vec<_> = advisories
                    .iter()
                    .filter(|a| a.affected.iter().any(|affected| affected.ecosystem.name() == folder))
                    .cloned()
                    .collect();
                import(&index, folder, &listed, SUITE_NOW).unwrap();
            }
            advisory_source_suite(&index.advisories().source());
        }
    }

    #[test]
    fn an_import_adds_changes_and_removes() {
        let index = Index::in_memory();
        let first = import(&index, "npm", &[advisory("A", 1, "left"), advisory("B", 1, "right")], 10).unwrap();
        assert_eq!(first, ImportCounts { records: 2, changed: 2, removed: 0 });
        let second = import(&index, "npm", &[advisory("A", 2, "up"), advisory("C", 1, "down")], 20).unwrap();
        assert_eq!(second, ImportCounts { records: 2, changed: 2, removed: 1 });
        assert_eq!((found(&index, "left"), found(&index, "right")), (Vec::new(), Vec::new()));
        assert_eq!((found(&index, "up"), found(&index, "down")), (vec!["A".into()], vec!["C".into()]));
        let source = index.advisories().source();
        assert!(source.named("CVE-left").unwrap().is_empty());
        assert_eq!(source.named("CVE-up").unwrap()[0].id, "A");
        assert_eq!(source.named("A").unwrap()[0].id, "A");
        let third = import(&index, "npm", &[advisory("A", 2, "up"), advisory("C", 1, "down")], 30).unwrap();
        assert_eq!(third, ImportCounts { records: 2, changed: 0, removed: 0 });
        let state = index.advisories().import("npm").unwrap().unwrap();
        assert_eq!((state.imported_at, state.records, state.etag.as_deref()), (Some(30), 2, Some("e")));
        index.advisories().unchanged("npm", 40).unwrap();
        assert_eq!(source.feed(&Ecosystem::parse("npm")).unwrap().unwrap().fetched_at, 40);
        assert_eq!(index.advisories().import("npm").unwrap().unwrap().imported_at, Some(30));

        import(&index, "npm", &[], 50).unwrap();
        assert_eq!(rows(&index), 0);
    }

    #[test]
    fn an_older_record_never_replaces_a_newer_one() {
        let index = Index::in_memory();
        import(&index, "npm", &[advisory("A", 5, "new")], 10).unwrap();
        import(&index, "npm", &[advisory("A", 4, "old")], 20).unwrap();
        assert_eq!(index.advisories().get("A").unwrap().unwrap().modified, 5);
        import(&index, "npm", &[advisory("A", 7, "newest"), advisory("A", 6, "newer")], 30).unwrap();
        assert_eq!(index.advisories().get("A").unwrap().unwrap().modified, 7);
        assert_eq!(rows(&index), 6);
    }

    #[test]
    fn an_import_cut_anywhere_takes_nothing_and_the_next_one_sets_all_right() {
        let old: Vec<_> = (0..300).map(|n| advisory(&format!("OLD-{n}"), 1, "p")).collect();
        let new: Vec<_> = (150..450).map(|n| advisory(&format!("OLD-{n}"), if n < 200 { 2 } else { 1 }, "p")).collect();
        let mut cuts = 0;
        for writes in 0.. {
            let engine = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::default())));
            let index = Index::new(engine.clone());
            import(&index, "npm", &old, 10).unwrap();
            engine.fail_writes_after(writes);
            let result = import(&index, "npm", &new, 20);
            engine.fail_writes(false);
            if result.is_ok() {
                break;
            }
            cuts += 1;
            for n in 150..300 {
                assert!(
                    index.advisories().get(&format!("OLD-{n}")).unwrap().is_some(),
                    "record {n} after {writes} writes"
                );
            }
            let state = index.advisories().import("npm").unwrap().unwrap();
            assert_eq!((state.imported_at, state.records), (Some(10), 300), "after {writes} writes");
            assert_eq!(index.advisories().feeds().unwrap()[0].fetched_at, 10);
            let again = import(&index, "npm", &new, 30).unwrap();
            assert_eq!(again.records, 300);
            assert_eq!(found(&index, "p").len(), 300, "after {writes} writes");
            assert_eq!(rows(&index), 300 * 5 + 1, "five rows a record and the feed");
        }
        assert!(cuts >= 6, "begin, three batches of records, two of removals, the end; got {cuts}");
    }

    #[test]
    fn what_an_abandoned_import_marked_does_not_outlive_the_next_one() {
        let index = Index::in_memory();
        let mut abandoned = index.advisories().begin("npm").unwrap();
        for n in 0..BATCH_RECORDS {
            abandoned.put(advisory(&format!("X-{n}"), 1, "x")).unwrap();
        }
        drop(abandoned);
        assert_eq!(found(&index, "x").len(), BATCH_RECORDS);
        import(&index, "npm", &[advisory("A", 1, "a")], 10).unwrap();
        assert_eq!((found(&index, "x").len(), found(&index, "a").len()), (0, 1));
    }

    #[test]
    fn a_later_import_of_the_folder_ends_an_earlier_one() {
        let index = Index::in_memory();
        let mut slow = index.advisories().begin("npm").unwrap();
        slow.put(advisory("SLOW", 1, "slow")).unwrap();
        import(&index, "npm", &[advisory("FAST", 1, "fast")], 10).unwrap();
        assert!(
            matches!(slow.finish(ImportFinish::default()), Err(IndexError::Superseded { ecosystem }) if ecosystem == "npm")
        );
        assert_eq!(found(&index, "fast"), ["FAST"]);
    }

    #[test]
    fn a_record_in_two_folders_goes_when_both_let_go() {
        let index = Index::in_memory();
        for folder in ["npm", "PyPI"] {
            import(&index, folder, &[advisory("A", 1, "both")], 10).unwrap();
        }
        import(&index, "npm", &[], 20).unwrap();
        assert_eq!(found(&index, "both"), ["A"]);
        import(&index, "PyPI", &[], 30).unwrap();
        assert_eq!((found(&index, "both").len(), rows(&index)), (0, 0));
    }

    #[test]
    fn an_unreadable_record_keeps_its_last_good_form() {
        let index = Index::in_memory();
        import(&index, "npm", &[advisory("A", 1, "a"), advisory("B", 1, "b")], 10).unwrap();
        let mut import = index.advisories().begin("npm").unwrap();
        for id in ["A", "A", "UNKNOWN"] {
            import.keep(id).unwrap();
        }
        let counts = import.finish(ImportFinish::default()).unwrap();
        assert_eq!(counts, ImportCounts { records: 1, changed: 0, removed: 1 });
        assert_eq!((found(&index, "a").len(), found(&index, "b").len()), (1, 0));
    }

    #[test]
    fn the_index_and_the_map_agree_on_packages_and_names() {
        let (index, mut map) = (Index::in_memory(), MemoryAdvisories::new(10));
        let advisories: Vec<_> = (0..500).map(|n| advisory(&format!("R-{n}"), n, &format!("p{}", n % 7))).collect();
        import(&index, "npm", &advisories, 1000).unwrap();
        for advisory in advisories {
            map.insert(advisory);
        }
        let source = index.advisories().source();
        for n in 0..8 {
            let package = format!("p{n}");
            assert_eq!(source.affecting("npm", &package).unwrap(), map.affecting("npm", &package).unwrap());
            assert_eq!(source.named(&format!("CVE-{package}")).unwrap(), map.named(&format!("CVE-{package}")).unwrap());
        }
    }
}
