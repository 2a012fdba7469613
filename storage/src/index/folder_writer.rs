//! Writes a folder's records in batches, with the ways to them and the notes of what they touched.
//!
//! Owns what one batch of records is; whether it belongs to a whole archive or to an increment is the caller's. A record changes only
//! to one that is not older. Memory holds one batch of records, however large the folder.

use std::collections::{BTreeMap, BTreeSet};

use weir_scanner::advisory::Advisory;

use super::advisory::{put_import, remove, replace};
use super::engine::{Batch, Table};
use super::error::intact;
use super::folder_count::FolderCount;
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
    /// Whether every single change is noted; the first import of a folder touches all of it, so only what it changes of records that
    /// other folders brought is noted.
    notes: bool,
    /// Whether every record of an archive is stored as it came, so that what was counted of the archive is what is stored.
    pub(super) exact: bool,
    /// The folder's counts, where they are kept by what changes.
    pub(super) count: Option<FolderCount>,
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
            exact: true,
            count: None,
            pending: BTreeMap::new(),
            pending_bytes: 0,
        }
    }

    /// Takes a record; it may be written now or with later ones.
    pub(super) fn put(&mut self, advisory: Advisory) -> Result<(), IndexError> {
        if self.pending.get(&advisory.id).is_some_and(|(pending, _)| pending.modified > advisory.modified) {
            self.exact = false;
            return Ok(());
        }
        let encoded = record::encode(&advisory);
        self.pending_bytes += encoded.len();
        self.exact &= self.pending.insert(advisory.id.clone(), (advisory, encoded)).is_none();
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
            self.exact &= kept.is_none();
            let after = kept.unwrap_or(&advisory);
            let mark = self.mark(&mut batch, &id, after.modified)?;
            if let Some(count) = &mut self.count {
                count.put(mark, if changed { old.as_ref() } else { Some(&advisory) }, after);
            }
            if changed && kept.is_none() {
                self.counts.changed += 1;
                if let Some(old) = &old {
                    self.doubt(&mut batch, old, &advisory)?;
                }
                if self.notes || old.is_some() {
                    note(&mut batch, old.as_ref(), Some(&advisory));
                }
                replace(&mut batch, old.as_ref(), &advisory, encoded);
            }
        }
        self.index.write(batch)
    }

    /// Has the other folders that list a record count themselves anew at their next increment: it is no longer what they counted.
    fn doubt(&self, batch: &mut Batch, old: &Advisory, new: &Advisory) -> Result<(), IndexError> {
        let spoken_of = old.affected.iter().chain(&new.affected).map(|affected| affected.ecosystem.name());
        for folder in spoken_of.filter(|name| *name != self.ecosystem).collect::<BTreeSet<_>>() {
            let member = self.index.engine.get(Table::AdvisoryMembers, &key::encode(&(folder, &new.id)))?;
            if let (Some(_), Some(import)) = (member, self.index.advisories().import(folder)?) {
                put_import(batch, folder, &ImportRecord { counted: 0, ..import });
            }
        }
        Ok(())
    }

    /// Marks a record as of this generation; answers with its mark before.
    fn mark(&mut self, batch: &mut Batch, id: &str, modified: i64) -> Result<Option<MarkRecord>, IndexError> {
        let key = key::encode(&(&self.ecosystem, id));
        let stored = self.index.engine.get(Table::AdvisoryMembers, &key)?;
        let mark = match &stored {
            Some(bytes) => Some(record::decode::<MarkRecord>(Table::AdvisoryMembers, &key, bytes)?),
            None => None,
        };
        // A folder that lists an id twice counts it once.
        if mark.is_none_or(|mark| mark.generation != self.generation) {
            self.counts.records += 1;
        } else {
            self.exact = false;
        }
        let encoded = record::encode(&MarkRecord { generation: self.generation, modified: Some(modified) });
        if stored.as_ref() != Some(&encoded) {
            batch.put(Table::AdvisoryMembers, key, encoded);
        }
        Ok(mark)
    }

    /// Removes members of the folder, and with them the records that no folder of `others` lists.
    pub(super) fn remove(&mut self, members: Vec<Vec<u8>>, others: &[String]) -> Result<(), IndexError> {
        let index = self.index.clone();
        let _guard = lock(&index.locks.advisories);
        self.check_current()?;
        let mut batch = Batch::new();
        for member in members {
            let (_, id): (String, String) = decode_key(Table::AdvisoryMembers, &member)?;
            if let Some(count) = &mut self.count
                && let Some(mark) = index.get::<MarkRecord>(Table::AdvisoryMembers, &member)?
            {
                count.remove(mark, intact(index.advisories().get(&id))?.as_ref());
            }
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
    put_import(&mut batch, ecosystem, &import);
    index.write(batch)?;
    Ok(import)
}
