//! One import of one whole folder of advisories: records come as they are read, what is gone goes at the end.
//!
//! Owns the order of an import. Every import has its own generation; each record it brings is marked with it, and only
//! finishing removes what carries an older mark and replaces the feeds. So an import that is cut anywhere has at most
//! brought newer records, and has taken nothing.

#[cfg(test)]
mod tests;

use weir_scanner::advisory::{Advisory, READER_VERSION};

use super::advisory::{put_import, replace_feeds};
use super::engine::{Batch, Scan, Table};
use super::folder_writer::{BATCH_RECORDS, FolderWriter, begin};
use super::import_record::{ImportCounts, ImportFinish, ImportRecord, Validators};
use super::record::MarkRecord;
use super::touched::{Touch, note_one};
use super::{Index, IndexError, key, lock, record};

/// An import under way. Blocks, so it lives behind [`Index::run`] or on a thread of its own.
pub struct AdvisoryImport {
    writer: FolderWriter,
    /// Whether no import of the folder has finished before.
    first: bool,
}

impl AdvisoryImport {
    pub(super) fn begin(index: &Index, ecosystem: &str) -> Result<Self, IndexError> {
        let import = begin(index, ecosystem)?;
        let first = import.imported_at.is_none();
        Ok(Self { writer: FolderWriter::new(index, ecosystem, import.generation, !first), first })
    }

    /// Takes the next record of the folder. It may be written now or with later ones.
    ///
    /// # Errors
    /// What writing a batch meets; the import cannot go on then.
    pub fn put(&mut self, advisory: Advisory) -> Result<(), IndexError> {
        self.writer.put(advisory)
    }

    /// Keeps the stored record of an id whose new form could not be read: it is not gone from the folder.
    pub fn keep(&mut self, id: &str) -> Result<(), IndexError> {
        let (index, generation) = (self.writer.index.clone(), self.writer.generation);
        let _guard = lock(&index.locks.advisories);
        self.writer.check_current()?;
        let key = key::encode(&(&self.writer.ecosystem, id));
        let Some(mark) = index.get::<MarkRecord>(Table::AdvisoryMembers, &key)? else { return Ok(()) };
        if mark.generation == generation {
            return Ok(());
        }
        self.writer.counts.records += 1;
        self.writer.exact = false;
        let mut batch = Batch::new();
        batch.put(Table::AdvisoryMembers, key, record::encode(&MarkRecord { generation, ..mark }));
        index.write(batch)
    }

    /// Ends the import: all records are in, so what the folder no longer has is removed, and then, in one last batch that
    /// outlives a loss of power, the feeds are replaced and the source's validators kept.
    ///
    /// # Errors
    /// [`IndexError::Superseded`] where a later import of the folder began, and what writing meets. The validators are then
    /// the old ones, so that the next import begins anew.
    pub fn finish(mut self, finish: ImportFinish) -> Result<ImportCounts, IndexError> {
        self.writer.flush()?;
        self.remove_gone()?;
        let writer = &self.writer;
        let _guard = lock(&writer.index.locks.advisories);
        let import = writer.check_current()?;
        let mut batch = Batch::new().durable();
        replace_feeds(&writer.index, &mut batch, &writer.ecosystem, &finish.feeds)?;
        if self.first {
            note_one(&mut batch, &Touch::Folder(writer.ecosystem.clone()));
        }
        let ImportFinish { location, archive, newest, now, .. } = finish;
        let import = ImportRecord {
            counted: if writer.exact { import.generation } else { import.counted },
            reader: READER_VERSION,
            imported_at: Some(now),
            checked_at: Some(now),
            records: writer.counts.records,
            location: Some(location),
            archive,
            // An archive is made at another time than the list beside it, so the list is read once more.
            list: Validators::default(),
            newest: import.newest.max(newest),
            failure: None,
            ..import
        };
        put_import(&mut batch, &writer.ecosystem, &import);
        writer.index.write(batch)?;
        Ok(writer.counts)
    }

    /// Removes the folder's records this import did not bring, a batch at a time: each is gone from a folder read to its
    /// end, so stopping between two batches leaves nothing wrong.
    fn remove_gone(&mut self) -> Result<(), IndexError> {
        let index = self.writer.index.clone();
        let others = self.writer.others()?;
        let mut gone = Vec::new();
        for row in index.rows(Scan::prefix(Table::AdvisoryMembers, key::encode(&self.writer.ecosystem))) {
            let row = row?;
            let mark: MarkRecord = record::decode(Table::AdvisoryMembers, &row.key, &row.value)?;
            if mark.generation != self.writer.generation {
                gone.push(row.key);
            }
            if gone.len() >= BATCH_RECORDS {
                self.writer.remove(std::mem::take(&mut gone), &others)?;
            }
        }
        self.writer.remove(gone, &others)
    }
}
