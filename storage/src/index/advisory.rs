//! Advisories: the records, the ways to find them, and the feeds they came in.
//!
//! Owns the rows of a record and their removal; the order of an import is [`super::advisory_import`]'s. A record is kept once
//! by id, however many folders of the source list it; `affecting` and `named` find it by keys written in its batch.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_scanner::advisory::modified::ListedRecord;
use weir_scanner::advisory::{Advisory, AdvisorySource, Feed, Rating};
use weir_scanner::package::Ecosystem;

use super::advisory_import::AdvisoryImport;
use super::advisory_increment::{AdvisoryIncrement, FolderDifference};
use super::engine::{Batch, Scan, Table};
use super::folder_reach::FolderReach;
use super::import_record::{ImportRecord, SourceFailure};
use super::key::DecodeKey;
use super::record::AdvisoryParts;
use super::touched::{Touch, note_one};
use super::{Index, IndexError, decode_key, key, lock, record};

/// The tables of advisories.
pub struct Advisories<'a> {
    index: &'a Index,
}

impl<'a> Advisories<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// An advisory, by its id.
    pub fn get(&self, id: &str) -> Result<Option<Advisory>, IndexError> {
        self.index.get(Table::Advisories, &key::encode(id))
    }

    /// Whether an advisory says nothing any more: it was withdrawn, or is not there.
    pub fn is_gone(&self, id: &str) -> Result<bool, IndexError> {
        let key = key::encode(id);
        let Some(bytes) = self.index.engine.get(Table::Advisories, &key)? else { return Ok(true) };
        Ok(record::decode_parts(&key, &bytes, AdvisoryParts::Ratings)?.withdrawn.is_some())
    }

    /// Every feed, by ecosystem and release.
    pub fn feeds(&self) -> Result<Vec<Feed>, IndexError> {
        self.feeds_under(Vec::new())
    }

    /// The state of every folder's imports, by folder.
    pub fn imports(&self) -> Result<Vec<(String, ImportRecord)>, IndexError> {
        let imports = self.index.rows(Scan::prefix(Table::AdvisoryImports, Vec::new())).map(|row| {
            let row = row?;
            let folder = decode_key(Table::AdvisoryImports, &row.key)?;
            Ok((folder, record::decode(Table::AdvisoryImports, &row.key, &row.value)?))
        });
        imports.collect()
    }

    /// The state of one folder's imports.
    pub fn import(&self, ecosystem: &str) -> Result<Option<ImportRecord>, IndexError> {
        self.index.get(Table::AdvisoryImports, &key::encode(ecosystem))
    }

    /// Begins an import of the folder of the ecosystem named `ecosystem`. Dropping it instead of finishing leaves every record
    /// as good as before. Beginning another one of the same folder ends this one.
    pub fn begin(&self, ecosystem: &str) -> Result<AdvisoryImport, IndexError> {
        AdvisoryImport::begin(self.index, ecosystem)
    }

    /// Begins an increment of the folder of the ecosystem named `ecosystem` at `now` (seconds since the epoch), which ends every earlier
    /// import of it.
    pub fn begin_increment(&self, ecosystem: &str, now: i64) -> Result<AdvisoryIncrement, IndexError> {
        AdvisoryIncrement::begin(self.index, ecosystem, now)
    }

    /// How the folder of `ecosystem` differs at `now` (seconds since the epoch) from a source's list of changes. At most `bound`
    /// changed and as many gone ids are named.
    ///
    /// # Errors
    /// The list's own, and where the index cannot be read.
    pub fn compare<E: From<IndexError>>(
        &self,
        ecosystem: &str,
        list: impl Iterator<Item = Result<ListedRecord, E>>,
        bound: usize,
        now: i64,
    ) -> Result<FolderDifference, E> {
        FolderDifference::between(self.index, ecosystem, list, bound, now)
    }

    /// Notes that a refresh of the folder failed at `now` (seconds since the epoch), and why. What is stored of it stays.
    pub fn failed(&self, ecosystem: &str, now: i64, error: &str) -> Result<(), IndexError> {
        let _guard = lock(&self.index.locks.advisories);
        let import = self.import(ecosystem)?.unwrap_or_default();
        let failure = Some(SourceFailure { at: now, error: error.to_owned() });
        let mut batch = Batch::new();
        put_import(&mut batch, ecosystem, &ImportRecord { failure, ..import });
        self.index.write(batch)
    }

    /// Notes that the source answered "unchanged" at `now` (seconds since the epoch): the folder's feeds count as fetched then.
    pub fn unchanged(&self, ecosystem: &str, now: i64) -> Result<(), IndexError> {
        let _guard = lock(&self.index.locks.advisories);
        let mut batch = Batch::new();
        let Some(import) = self.import(ecosystem)? else { return Ok(()) };
        put_import(&mut batch, ecosystem, &ImportRecord { checked_at: Some(now), failure: None, ..import });
        for feed in self.feeds_of(ecosystem)? {
            put_feed(&mut batch, &Feed { fetched_at: now, ..feed });
        }
        self.index.write(batch)
    }

    /// What the folder of `ecosystem` speaks of beyond its own ecosystem.
    pub fn reach(&self, ecosystem: &str) -> Result<FolderReach, IndexError> {
        FolderReach::of(self.index, ecosystem)
    }

    /// This table as matching asks it.
    pub fn source(&self) -> IndexAdvisories {
        IndexAdvisories { index: self.index.clone() }
    }

    pub(super) fn feeds_of(&self, ecosystem: &str) -> Result<Vec<Feed>, IndexError> {
        self.feeds_under(key::encode(ecosystem))
    }

    fn feeds_under(&self, prefix: Vec<u8>) -> Result<Vec<Feed>, IndexError> {
        let feeds = self.index.rows(Scan::prefix(Table::Feeds, prefix)).map(|row| {
            let row = row?;
            Ok(record::decode(Table::Feeds, &row.key, &row.value)?)
        });
        feeds.collect()
    }

    /// Some parts of the advisories whose id ends a key under `prefix`.
    fn found<K: DecodeKey>(
        &self,
        table: Table,
        prefix: Vec<u8>,
        parts: AdvisoryParts<'_>,
        id: impl Fn(K) -> String,
    ) -> Result<Vec<Arc<Advisory>>, IndexError> {
        let mut advisories = Vec::new();
        for row in self.index.rows(Scan::prefix(table, prefix).keys_only()) {
            let key = key::encode(&id(decode_key(table, &row?.key)?));
            // An import may remove a record between the two reads; it is not there then.
            if let Some(bytes) = self.index.engine.get(Table::Advisories, &key)? {
                advisories.push(Arc::new(record::decode_parts(&key, &bytes, parts)?));
            }
        }
        Ok(advisories)
    }

    fn under_name(&self, name: &str, parts: AdvisoryParts<'_>) -> Result<Vec<Arc<Advisory>>, IndexError> {
        self.found(Table::AdvisoryNames, key::encode(name), parts, |(_, id): (String, String)| id)
    }
}

/// Advisories in the index, as matching asks them. Blocks, so matching runs behind [`Index::run`].
#[derive(Clone)]
pub struct IndexAdvisories {
    index: Index,
}

impl AdvisorySource for IndexAdvisories {
    type Error = IndexError;

    fn affecting(&self, ecosystem: &str, package: &str) -> Result<Vec<Arc<Advisory>>, IndexError> {
        let (prefix, parts) = (key::encode(&(ecosystem, package)), AdvisoryParts::Package { ecosystem, package });
        let id = |(_, _, id): (String, String, String)| id;
        self.index.advisories().found(Table::AdvisoryPackages, prefix, parts, id)
    }

    fn named(&self, id: &str) -> Result<Vec<Arc<Advisory>>, IndexError> {
        self.index.advisories().under_name(id, AdvisoryParts::Names)
    }

    fn rated(&self, id: &str) -> Result<Vec<Arc<Advisory>>, IndexError> {
        self.index.advisories().under_name(id, AdvisoryParts::Ratings)
    }

    fn feed(&self, ecosystem: &Ecosystem) -> Result<Option<Feed>, IndexError> {
        self.index.get(Table::Feeds, &feed_key(ecosystem))
    }

    fn feeds(&self, ecosystem: &str) -> Result<Vec<Feed>, IndexError> {
        self.index.advisories().feeds_of(ecosystem)
    }

    fn cve_ratings(&self, cve: &str) -> Result<Vec<Rating>, IndexError> {
        Ok(self.index.cves().get(cve)?.ratings)
    }
}

fn feed_key(ecosystem: &Ecosystem) -> Vec<u8> {
    key::encode(&(ecosystem.name(), ecosystem.release().unwrap_or_default()))
}

fn put_feed(batch: &mut Batch, feed: &Feed) {
    batch.put(Table::Feeds, feed_key(&feed.ecosystem), record::encode(feed));
}

/// Adds the replacement of an ecosystem's feeds to a batch. Where a release came or went, whether anything speaks for an image has
/// changed, and not only for those that hold a changed record's package: the whole ecosystem is touched. The caller holds the lock
/// of advisories.
pub(super) fn replace_feeds(
    index: &Index,
    batch: &mut Batch,
    ecosystem: &str,
    feeds: &[Feed],
) -> Result<(), IndexError> {
    let before = index.advisories().feeds_of(ecosystem)?;
    for feed in &before {
        batch.delete(Table::Feeds, feed_key(&feed.ecosystem));
    }
    for feed in feeds {
        put_feed(batch, feed);
    }
    let releases = |feeds: &[Feed]| feeds.iter().map(|feed| feed.ecosystem.clone()).collect::<BTreeSet<_>>();
    if releases(&before) != releases(feeds) {
        note_one(batch, &Touch::Ecosystem(ecosystem.to_owned()));
    }
    Ok(())
}

pub(super) fn put_import(batch: &mut Batch, ecosystem: &str, import: &ImportRecord) {
    batch.put(Table::AdvisoryImports, key::encode(ecosystem), record::encode(import));
}

/// Adds a record in place of `old` to a batch. `encoded` is the record's stored form.
pub(super) fn replace(batch: &mut Batch, old: Option<&Advisory>, new: &Advisory, encoded: Vec<u8>) {
    let rows = ways(new);
    for (table, key) in old.map(ways).unwrap_or_default().difference(&rows) {
        batch.delete(*table, key.clone());
    }
    for (table, key) in rows {
        batch.put(table, key, Vec::new());
    }
    batch.put(Table::Advisories, key::encode(&new.id), encoded);
}

/// Adds the removal of a record and of every way to it to a batch.
pub(super) fn remove(batch: &mut Batch, advisory: &Advisory) {
    for (table, key) in ways(advisory) {
        batch.delete(table, key);
    }
    batch.delete(Table::Advisories, key::encode(&advisory.id));
}

/// The keys a record is found by.
fn ways(advisory: &Advisory) -> BTreeSet<(Table, Vec<u8>)> {
    let id = &advisory.id;
    let packages = advisory.affected.iter().map(|affected| (affected.ecosystem.name(), &affected.package));
    let packages =
        packages.map(|(ecosystem, package)| (Table::AdvisoryPackages, key::encode(&(ecosystem, package, id))));
    let names = advisory.found_under();
    packages.chain(names.into_iter().map(|name| (Table::AdvisoryNames, key::encode(&(name, id))))).collect()
}
