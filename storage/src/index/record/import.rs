//! Stored forms of the marks of imports and of their state.

use serde::{Deserialize, Serialize};

use super::{Record, Unreadable, seal, unseal};
use crate::index::{ImportRecord, SourceFailure, Validators};

/// The generation of the import that last saw a record of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MarkRecord {
    /// The folder's generation.
    pub(crate) generation: u64,
    /// When the record that is stored last changed; the first form did not keep it.
    pub(crate) modified: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredMarkV1(u64);

#[derive(Debug, Serialize, Deserialize)]
struct StoredMarkV2(u64, Option<i64>);

impl Record for MarkRecord {
    const VERSION: u8 = 2;

    fn write(&self, out: Vec<u8>) -> Vec<u8> {
        seal(&StoredMarkV2(self.generation, self.modified), out)
    }

    fn read(version: u8, body: &[u8]) -> Result<Self, Unreadable> {
        match version {
            1 => {
                let StoredMarkV1(generation) = unseal(body)?;
                Ok(Self { generation, modified: None })
            }
            2 => {
                let StoredMarkV2(generation, modified) = unseal(body)?;
                Ok(Self { generation, modified })
            }
            _ => Err(Unreadable::Version),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredValidators {
    etag: Option<String>,
    last_modified: Option<String>,
}

impl From<&Validators> for StoredValidators {
    fn from(validators: &Validators) -> Self {
        let Validators { etag, last_modified } = validators.clone();
        Self { etag, last_modified }
    }
}

impl From<StoredValidators> for Validators {
    fn from(stored: StoredValidators) -> Self {
        let StoredValidators { etag, last_modified } = stored;
        Self { etag, last_modified }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredFailure {
    at: i64,
    error: String,
}

impl From<&SourceFailure> for StoredFailure {
    fn from(failure: &SourceFailure) -> Self {
        Self { at: failure.at, error: failure.error.clone() }
    }
}

impl From<StoredFailure> for SourceFailure {
    fn from(stored: StoredFailure) -> Self {
        Self { at: stored.at, error: stored.error }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredImportV1 {
    generation: u64,
    imported_at: Option<i64>,
    checked_at: Option<i64>,
    records: u64,
    etag: Option<String>,
    last_modified: Option<String>,
}

impl From<StoredImportV1> for ImportRecord {
    fn from(stored: StoredImportV1) -> Self {
        let StoredImportV1 { generation, imported_at, checked_at, records, etag, last_modified } = stored;
        let archive = Validators { etag, last_modified };
        Self { generation, imported_at, checked_at, records, archive, ..Self::default() }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredImportV2 {
    generation: u64,
    counted: u64,
    reader: u32,
    imported_at: Option<i64>,
    checked_at: Option<i64>,
    records: u64,
    location: Option<String>,
    archive: StoredValidators,
    list: StoredValidators,
    newest: Option<i64>,
    failure: Option<StoredFailure>,
}

impl From<&ImportRecord> for StoredImportV2 {
    fn from(import: &ImportRecord) -> Self {
        Self {
            generation: import.generation,
            counted: import.counted,
            reader: import.reader,
            imported_at: import.imported_at,
            checked_at: import.checked_at,
            records: import.records,
            location: import.location.clone(),
            archive: (&import.archive).into(),
            list: (&import.list).into(),
            newest: import.newest,
            failure: import.failure.as_ref().map(Into::into),
        }
    }
}

impl From<StoredImportV2> for ImportRecord {
    fn from(stored: StoredImportV2) -> Self {
        Self {
            generation: stored.generation,
            counted: stored.counted,
            reader: stored.reader,
            imported_at: stored.imported_at,
            checked_at: stored.checked_at,
            records: stored.records,
            location: stored.location,
            archive: stored.archive.into(),
            list: stored.list.into(),
            newest: stored.newest,
            failure: stored.failure.map(Into::into),
        }
    }
}

impl Record for ImportRecord {
    const VERSION: u8 = 2;

    fn write(&self, out: Vec<u8>) -> Vec<u8> {
        seal(&StoredImportV2::from(self), out)
    }

    fn read(version: u8, body: &[u8]) -> Result<Self, Unreadable> {
        match version {
            1 => Ok(unseal::<StoredImportV1>(body)?.into()),
            2 => Ok(unseal::<StoredImportV2>(body)?.into()),
            _ => Err(Unreadable::Version),
        }
    }
}
