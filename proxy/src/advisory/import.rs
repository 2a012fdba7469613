//! Carries one ecosystem's archive into the index, record by record.
//!
//! Memory holds one record and one batch, whatever the feed's size. A bad record is skipped and counted, and its stored form
//! kept; an archive that breaks midway leaves what was stored in place and its validators unset, so the next refresh begins anew.

use std::fs::File;
use std::io::BufReader;

use weir_scanner::advisory::FeedTally;
use weir_scanner::advisory::archive::{AdvisoryArchive, ArchiveError, RecordError};
use weir_storage::index::{ImportCounts, ImportFinish, Index, IndexError};

/// Skipped records named in a report; the rest are counted.
const NAMED: usize = 5;

/// Why a feed could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The archive is no zip, or a truncated one.
    #[error("the archive cannot be read: {0}")]
    Archive(#[from] ArchiveError),
    /// Nearly every record is bad: this is not the feed.
    #[error("{skipped} of {files} records could not be read, the first: {first}")]
    Rotten {
        /// Records skipped.
        skipped: u64,
        /// Files in the archive.
        files: u64,
        /// What was wrong with the first.
        first: String,
    },
    /// The index refused.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// What an import did.
#[derive(Clone, Debug, Default)]
pub struct ImportReport {
    /// Records, changes, removals.
    pub counts: ImportCounts,
    /// Records that could not be read.
    pub skipped: u64,
    /// The first of them, each with its reason.
    pub examples: Vec<String>,
}

/// An archive with what its source says to recognise it by.
pub struct FeedArchive {
    /// The zip file.
    pub file: File,
    /// HTTP's entity tag, or a directory's equivalent.
    pub etag: Option<String>,
    /// HTTP's date of change.
    pub last_modified: Option<String>,
}

/// Imports `archive` as the folder of `ecosystem`, fetched at `now` (seconds since the epoch). Blocks.
///
/// # Errors
/// [`ImportError`]; what was stored before is still there, except that newer records seen before the failure stay.
pub fn import_feed(
    index: &Index,
    ecosystem: &str,
    archive: FeedArchive,
    now: i64,
) -> Result<ImportReport, ImportError> {
    let mut records = AdvisoryArchive::open(BufReader::new(archive.file))?;
    let files = records.files() as u64;
    let mut import = index.advisories().begin(ecosystem)?;
    let mut tally = FeedTally::new(ecosystem, now);
    let mut report = ImportReport::default();
    for record in &mut records {
        match record {
            Ok(advisory) => {
                tally.count(&advisory);
                import.put(advisory)?;
            }
            Err(RecordError { name, cause }) => {
                report.skipped += 1;
                if report.examples.len() < NAMED {
                    report.examples.push(format!("{name}: {cause}"));
                }
                // Its stored form is not gone from the feed, only unreadable today.
                import.keep(name.trim_end_matches(".json").rsplit('/').next().unwrap_or(&name))?;
            }
        }
    }
    if report.skipped > 10 && report.skipped > files / 2 {
        let first = report.examples.first().cloned().unwrap_or_default();
        return Err(ImportError::Rotten { skipped: report.skipped, files, first });
    }
    let finish = ImportFinish { feeds: tally.feeds(), etag: archive.etag, last_modified: archive.last_modified, now };
    report.counts = import.finish(finish)?;
    Ok(report)
}
