//! Writes a folder's records in batches, with the ways to them and the notes of what they touched.
//!
//! Owns what one batch of records is; whether it belongs to a whole archive or to an increment is the caller's. A record changes only
//! to one that is not older. Memory holds one batch of records, however large the folder.

use std::collections::BTreeMap;

use weir_scanner::advisory::Advisory;

use super::advisory::{remove, replace};
use super::engine::{Batch, Table};
use super::error::intact;
use super::import_record::{ImportCounts, ImportRecord};
use super::record::MarkRecord;
use super::touched::note;
use super::{Index, IndexError, decode_key, key, lock, record};

/// Records written together at most.
pub(super) const BATCH_RECORDS: usize = 128;
/// Bytes of records written together at most, but for a single larger one.
const BATCH_BYTES: usize = 1 << 20;

/// The records of one generation of one folder on their way into the tables.
pub(super) struct FolderWriter {
    pub(super) index: Index,
    pub(super) ecosystem: String,
    pub(super) generation: u64,
    pub(super) counts: ImportCounts,
    /// Whether every single change is noted; the first import of a folder touches all of it.
    notes: bool,
    pending: BTreeMap<String, (Advisory, Vec<u8>)>,
    pending_bytes: usize,
}

impl FolderWriter {
    pub(super) fn new(index: &Index, ecosystem: &str, generation: u64, notes: bool) -> Self {
        Self {
            index: index.clone(),
            ecosystem: ecosystem.to_owned(),
            generation,
            counts: ImportCounts::default(),
            notes,
            pending: BTreeMap::new(),
            pending_bytes: 0,
        }
    }

    /// Takes a record; it may be written now or with later ones.
    pub(super) fn put(&mut self, advisory: Advisory) -> Result<(), IndexError> {
        if self.pending.get(&advisory.id).is_some_and(|(pending, _)| pending.modified > advisory.modified) {
            return Ok(());
        }
        let encoded = record::encode(&advisory);
        self.pending_bytes += encoded.len();
        self.pending.insert(advisory.id.clone(), (advisory, encoded));
        if self.pending.len() >= BATCH_RECORDS || self.pending_bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes what was taken.
    pub(super) fn flush(&mut self) -> Result<(), IndexError> {
        let index = self.index.clone();
        let _guard = lock(&index.locks.advisories);
        self.check_current()?;
        self.pending_bytes = 0;
        let mut batch = Batch::new();
        for (id, (advisory, encoded)) in std::mem::take(&mut self.pending) {
            let key = key::encode(&id);
            let stored = self.index.engine.get(Table::Advisories, &key)?;
            // Most records of a refresh are the ones stored before; comparing bytes spares decoding them.
            let changed = stored.as_ref() != Some(&encoded);
            let old = match stored.filter(|_| changed) {
                Some(bytes) => intact(record::decode(Table::Advisories, &key, &bytes).map(Some).map_err(Into::into))?,
                None => None,
            };
            let kept: Option<&Advisory> = old.as_ref().filter(|old: &&Advisory| old.modified > advisory.modified);
            self.mark(&mut batch, &id, kept.unwrap_or(&advisory).modified)?;
            if changed && kept.is_none() {
                self.counts.changed += 1;
                if self.notes {
                    note(&mut batch, old.as_ref(), Some(&advisory));
                }
                replace(&mut batch, old.as_ref(), &advisory, encoded);
            }
        }
        self.index.write(batch)
    }

    /// Marks a record as of this generation.
    fn mark(&mut self, batch: &mut Batch, id: &str, modified: i64) -> Result<(), IndexError> {
        let key = key::encode(&(&self.ecosystem, id));
        let stored = self.index.engine.get(Table::AdvisoryMembers, &key)?;
        let mark = match &stored {
            Some(bytes) => Some(record::decode::<MarkRecord>(Table::AdvisoryMembers, &key, bytes)?),
            None => None,
        };
        // A folder that lists an id twice counts it once.
        if mark.is_none_or(|mark| mark.generation != self.generation) {
            self.counts.records += 1;
        }
        let encoded = record::encode(&MarkRecord { generation: self.generation, modified: Some(modified) });
        if stored.as_ref() != Some(&encoded) {
            batch.put(Table::AdvisoryMembers, key, encoded);
        }
        Ok(())
    }

    /// Removes members of the folder, and with them the records that no folder of `others` lists.
    pub(super) fn remove(&mut self, members: Vec<Vec<u8>>, others: &[String]) -> Result<(), IndexError> {
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
                    Some(advisory) => {
                        note(&mut batch, Some(&advisory), None);
                        remove(&mut batch, &advisory);
                    }
                    None => batch.delete(Table::Advisories, key::encode(&id)),
                }
            }
        }
        index.write(batch)
    }

    /// The folders there are beside this one.
    pub(super) fn others(&self) -> Result<Vec<String>, IndexError> {
        let folders = self.index.advisories().imports()?.into_iter().map(|(folder, _)| folder);
        Ok(folders.filter(|folder| *folder != self.ecosystem).collect())
    }

    /// The folder's state, where this import is still the one that began last.
    pub(super) fn check_current(&self) -> Result<ImportRecord, IndexError> {
        let import = self.index.advisories().import(&self.ecosystem)?.unwrap_or_default();
        if import.generation == self.generation {
            Ok(import)
        } else {
            Err(IndexError::Superseded { ecosystem: self.ecosystem.clone() })
        }
    }
}

/// Begins a generation of a folder, which ends every earlier import of it that is still open.
pub(super) fn begin(index: &Index, ecosystem: &str) -> Result<ImportRecord, IndexError> {
    let _guard = lock(&index.locks.advisories);
    let mut import = index.advisories().import(ecosystem)?.unwrap_or_default();
    import.generation += 1;
    let mut batch = Batch::new();
    super::advisory::put_import(&mut batch, ecosystem, &import);
    index.write(batch)?;
    Ok(import)
}
