//! What can go wrong at the index: opening, reading, writing, and rows that cannot be understood.

use std::path::PathBuf;

/// The engine's own error, kept as text and chain so that no engine's type leaves this crate.
pub type EngineFailure = Box<dyn std::error::Error + Send + Sync>;

/// Why the index could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The directory could not be opened or created.
    #[error("cannot open the index in {}: {source}", path.display())]
    Open {
        /// The index's directory.
        path: PathBuf,
        /// What the engine or the system said.
        source: EngineFailure,
    },
    /// Another process has the index open.
    #[error("the index in {} is in use by another process: stop it, or name another data directory", path.display())]
    InUse {
        /// The index's directory.
        path: PathBuf,
    },
    /// The files contradict each other or their checksums.
    #[error(
        "the index in {} is damaged ({source}): move that directory away and start again; pulls, scans and advisory \
         imports fill a new one, blobs may stay where they are",
        path.display()
    )]
    Damaged {
        /// The index's directory.
        path: PathBuf,
        /// What the engine said.
        source: EngineFailure,
    },
    /// The index has tables or a schema only a newer weir knows.
    #[error("the index in {} was written by a newer weir ({found}): start that version, or restore a backup", path.display())]
    Newer {
        /// The index's directory.
        path: PathBuf,
        /// What this version does not know.
        found: String,
    },
    /// A read failed.
    #[error("cannot read from the index, table {table}: {source}")]
    Read {
        /// The table.
        table: &'static str,
        /// What the engine said.
        source: EngineFailure,
    },
    /// A batch was not written; nothing of it is visible.
    #[error("cannot write to the index: {source}")]
    Write {
        /// What the engine said.
        source: EngineFailure,
    },
    /// A copy of the index at one moment was not made.
    #[error("cannot copy the index to {}: {source}", path.display())]
    Checkpoint {
        /// Where to.
        path: PathBuf,
        /// What the engine said.
        source: EngineFailure,
    },
    /// A row was read and could not be understood.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// An advisory import was overtaken by a later one of the same ecosystem.
    #[error("a later import of {ecosystem} advisories has begun; this one was given up")]
    Superseded {
        /// The ecosystem's folder.
        ecosystem: String,
    },
    /// The runtime is shutting down; the work was not started.
    #[error("weir is shutting down")]
    ShuttingDown,
}

/// Why a row could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A newer weir wrote it.
    #[error("table {table} holds a record of version {version}, which this version of weir does not know")]
    Newer {
        /// The table.
        table: &'static str,
        /// The record's version byte.
        version: u8,
    },
    /// Its bytes are not what its version says.
    #[error("table {table} holds a damaged record under {key}: {detail}")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The key, printable.
        key: String,
        /// What does not fit.
        detail: String,
    },
}

impl RecordError {
    /// A damaged row of `table` under `key`.
    pub(crate) fn damaged(table: &'static str, key: &[u8], detail: impl Into<String>) -> Self {
        Self::Damaged { table, key: key.escape_ascii().to_string(), detail: detail.into() }
    }
}

/// A damaged row is as good as none for one who holds what replaces it.
pub(crate) fn intact<T>(row: Result<Option<T>, IndexError>) -> Result<Option<T>, IndexError> {
    match row {
        Err(IndexError::Record(RecordError::Damaged { .. })) => Ok(None),
        other => other,
    }
}
