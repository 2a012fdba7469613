//! Advisories: the records, the ways to find them, and the feeds they came in.
//!
//! Owns the rows of a record and their removal; the order of an import is [`super::advisory_import`]'s. A record is kept once
//! by id, however many folders of the source list it; `affecting` and `named` find it by keys written in its batch.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_scanner::advisory::{Advisory, AdvisorySource, Feed};
use weir_scanner::package::Ecosystem;

use super::advisory_import::{AdvisoryImport, ImportRecord};
use super::engine::{Batch, Scan, Table};
use super::key::DecodeKey;
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

    /// Notes that the source answered "unchanged" at `now` (seconds since the epoch): the folder's feeds count as fetched then.
    pub fn unchanged(&self, ecosystem: &str, now: i64) -> Result<(), IndexError> {
        let _guard = lock(&self.index.locks.advisories);
        let mut batch = Batch::new();
        let Some(import) = self.import(ecosystem)? else { return Ok(()) };
        put_import(&mut batch, ecosystem, &ImportRecord { checked_at: Some(now), ..import });
        for feed in self.feeds_of(ecosystem)? {
            put_feed(&mut batch, &Feed { fetched_at: now, ..feed });
        }
        self.index.write(batch)
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

    /// The advisories whose id ends a key under `prefix`.
    fn found<K: DecodeKey>(
        &self,
        table: Table,
        prefix: Vec<u8>,
        id: impl Fn(K) -> String,
    ) -> Result<Vec<Arc<Advisory>>, IndexError> {
        let mut advisories = Vec::new();
        for row in self.index.rows(Scan::prefix(table, prefix).keys_only()) {
            // An import may remove a record between the two reads; it is not there then.
            if let Some(advisory) = self.get(&id(decode_key(table, &row?.key)?))? {
                advisories.push(Arc::new(advisory));
            }
        }
        Ok(advisories)
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
        let prefix = key::encode(&(ecosystem, package));
        self.index.advisories().found(Table::AdvisoryPackages, prefix, |(_, _, id): (String, String, String)| id)
    }

    fn named(&self, id: &str) -> Result<Vec<Arc<Advisory>>, IndexError> {
        self.index.advisories().found(Table::AdvisoryNames, key::encode(id), |(_, id): (String, String)| id)
    }

    fn feed(&self, ecosystem: &Ecosystem) -> Result<Option<Feed>, IndexError> {
        self.index.get(Table::Feeds, &feed_key(ecosystem))
    }
}

fn feed_key(ecosystem: &Ecosystem) -> Vec<u8> {
    key::encode(&(ecosystem.name(), ecosystem.release().unwrap_or_default()))
}

pub(super) fn put_feed(batch: &mut Batch, feed: &Feed) {
    batch.put(Table::Feeds, feed_key(&feed.ecosystem), record::encode(feed));
}

pub(super) fn delete_feed(batch: &mut Batch, feed: &Feed) {
    batch.delete(Table::Feeds, feed_key(&feed.ecosystem));
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
    let names = std::iter::once(id).chain(&advisory.aliases).chain(&advisory.upstream);
    packages.chain(names.map(|name| (Table::AdvisoryNames, key::encode(&(name, id))))).collect()
}
