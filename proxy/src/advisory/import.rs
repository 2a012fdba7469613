//! Carries one ecosystem's archive into the index, record by record.
//!
//! Memory holds a few chunks of records, whatever the feed's size: one thread reads and parses, another writes. A bad record is skipped
//! and counted, and its stored form kept. Where something of the feed is stored already, the archive is looked through before anything
//! is written: one that is broken, rotten or older than what is stored changes nothing.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use weir_scanner::advisory::archive::{AdvisoryArchive, ArchiveError, RecordError};
use weir_scanner::advisory::{Advisory, FeedTally};
use weir_storage::index::{ImportCounts, ImportFinish, ImportRecord, Index, IndexError};

use super::fetch::FetchedFile;
use super::rollback::{Rollback, Survey};

/// Skipped records named in a report; the rest are counted.
const NAMED: usize = 5;
/// Records handed over together at most.
const CHUNK_RECORDS: usize = 64;
/// Bytes of JSON whose records are handed over together, but for a single larger one.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks that wait for the writer.
const CHUNKS: usize = 2;

/// Why a feed could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The archive is no zip, or a truncated one.
    #[error("the archive cannot be read: {0}")]
    Archive(#[from] ArchiveError),
    /// The file cannot be read again.
    #[error("the archive cannot be read: {0}")]
    Io(#[from] std::io::Error),
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
    /// The source has been rolled back.
    #[error(transparent)]
    Older(#[from] Rollback),
    /// The reading thread could not be started.
    #[error("no thread to read the archive: {0}")]
    Thread(#[source] std::io::Error),
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
    /// Whether only what changed was fetched.
    pub increment: bool,
}

impl ImportReport {
    /// Counts a record that could not be read.
    pub(super) fn skip(&mut self, name: &str, cause: &str) {
        self.skipped += 1;
        if self.examples.len() < NAMED {
            self.examples.push(format!("{name}: {cause}"));
        }
    }

    /// Whether so many of `files` were skipped that the rest cannot be trusted either.
    fn rotten(&self, files: u64) -> Result<(), ImportError> {
        if self.skipped > 10 && self.skipped > files / 2 {
            let first = self.examples.first().cloned().unwrap_or_default();
            return Err(ImportError::Rotten { skipped: self.skipped, files, first });
        }
        Ok(())
    }
}

/// Imports `archive` as the folder of `ecosystem`, fetched from `location` at `now` (seconds since the epoch). Blocks.
///
/// # Errors
/// [`ImportError`]; what was stored before is still there, except that newer records seen before the failure stay.
pub fn import_feed(
    index: &Index,
    ecosystem: &str,
    archive: FetchedFile,
    location: &str,
    now: i64,
) -> Result<ImportReport, ImportError> {
    let FetchedFile { mut file, validators } = archive;
    if let Some(stored) = index.advisories().import(ecosystem)?.filter(|import| import.imported_at.is_some()) {
        survey(index, ecosystem, &stored, &mut file, now)?;
    }
    let records = AdvisoryArchive::open(file)?;
    let files = records.files();
    let mut import = index.advisories().begin(ecosystem)?;
    let (mut tally, mut newest) = (FeedTally::new(ecosystem, now), None);
    let mut report = ImportReport::default();
    std::thread::scope(|scope| {
        let (sender, chunks) = sync_channel(CHUNKS);
        let reader = std::thread::Builder::new().name("advisory-reader".into());
        reader.spawn_scoped(scope, move || read(records, &sender)).map_err(ImportError::Thread)?;
        for record in flat(chunks) {
            match record {
                Ok(advisory) => {
                    tally.count(&advisory);
                    if advisory.modified <= now {
                        newest = newest.max(Some(advisory.modified));
                    }
                    import.put(advisory)?;
                }
                Err(error) => {
                    report.skip(&error.name, &error.cause.to_string());
                    // Its stored form is not gone from the feed, only unreadable today.
                    import.keep(error.id())?;
                }
            }
        }
        Ok::<_, ImportError>(())
    })?;
    report.rotten(files)?;
    let (feeds, location) = (tally.feeds(), location.to_owned());
    report.counts = import.finish(ImportFinish { feeds, location, archive: validators, newest, now })?;
    Ok(report)
}

/// Looks through an archive without writing: its times, and whether its records can be had at all.
fn survey(index: &Index, ecosystem: &str, stored: &ImportRecord, file: &mut File, now: i64) -> Result<(), ImportError> {
    let archive = AdvisoryArchive::open(file.try_clone()?)?;
    let (files, mut report) = (archive.files(), ImportReport::default());
    let mut heads = archive.heads();
    let list = std::iter::from_fn(|| {
        loop {
            match heads.next()? {
                Ok(head) => return Some(Ok(head)),
                Err(error) => report.skip(&error.name, &error.cause.to_string()),
            }
        }
    });
    let difference = index.advisories().compare::<IndexError>(ecosystem, list, 0, now)?;
    report.rotten(files)?;
    Survey::of(&difference).judge(stored)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(())
}

type Chunk = Vec<Result<Advisory, RecordError>>;

/// Reads to the end, or until nobody takes the records any more.
fn read(mut records: AdvisoryArchive<File>, sender: &SyncSender<Chunk>) {
    let (mut chunk, mut bytes) = (Chunk::new(), 0);
    while let Some(record) = records.next() {
        chunk.push(record);
        bytes += records.record_bytes();
        if chunk.len() >= CHUNK_RECORDS || bytes >= CHUNK_BYTES {
            if sender.send(std::mem::take(&mut chunk)).is_err() {
                return;
            }
            bytes = 0;
        }
    }
    let _: Result<(), _> = sender.send(chunk);
}

fn flat(chunks: Receiver<Chunk>) -> impl Iterator<Item = Result<Advisory, RecordError>> {
    chunks.into_iter().flatten()
}
