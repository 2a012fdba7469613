//! The state of one folder's imports, and what an import is told and tells.

use weir_scanner::advisory::Feed;

/// What a source says to recognise a version of a file by, for the next conditional request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// HTTP's `ETag`, or what stands for it where the source is a file.
    pub etag: Option<String>,
    /// HTTP's `Last-Modified`, as the source wrote it.
    pub last_modified: Option<String>,
}

/// Why a source's last refresh failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFailure {
    /// When, seconds since the epoch.
    pub at: i64,
    /// The error with its causes.
    pub error: String,
}

/// The state of a folder's imports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportRecord {
    /// The generation of the import that began last.
    pub generation: u64,
    /// The generation of the last finished import whose counts are those of the stored records: where another began since, records
    /// may be there that no feed counts.
    pub counted: u64,
    /// The version of the reader that read the last whole archive; another one reads it again.
    pub reader: u32,
    /// When an import last finished, seconds since the epoch. Without one, nothing of the folder can be relied on.
    pub imported_at: Option<i64>,
    /// When the source was last asked and answered, seconds since the epoch.
    pub checked_at: Option<i64>,
    /// Records in the folder at the last finished import.
    pub records: u64,
    /// Where the validators come from: another source's files are others, whatever they are called.
    pub location: Option<String>,
    /// The archive last imported, unless an increment has gone beyond it.
    pub archive: Validators,
    /// The list of changes that what is stored agrees with.
    pub list: Validators,
    /// The newest `modified` a finished import has seen that was not in its future, seconds since the epoch. A source whose newest
    /// is below it has been rolled back.
    pub newest: Option<i64>,
    /// Why the last refresh failed; `None` after one that did not.
    pub failure: Option<SourceFailure>,
}

/// What finishing an import of a whole archive needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportFinish {
    /// The feeds of the folder, which replace the ones before.
    pub feeds: Vec<Feed>,
    /// Where the archive came from.
    pub location: String,
    /// What to recognise it by.
    pub archive: Validators,
    /// The newest `modified` in it that is not after `now`.
    pub newest: Option<i64>,
    /// When it was fetched, seconds since the epoch.
    pub now: i64,
}

/// What finishing an increment needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncrementFinish {
    /// Where the list came from.
    pub location: String,
    /// What to recognise it by; none where not all it announced was there yet, so that it is read again.
    pub list: Validators,
    /// The newest `modified` in it that is not after `now`.
    pub newest: Option<i64>,
    /// When it was fetched, seconds since the epoch.
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
