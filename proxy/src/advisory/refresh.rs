//! One refresh of one feed: nothing, an increment, or the whole archive, whichever the source's list of changes asks for.
//!
//! The first import takes the archive, and so does the first one of a version that reads records otherwise. After that the list is
//! asked for, by a conditional request; where it names few changes, they are fetched one by one, all before the first is written. What cannot be had that way is had from the archive. Whatever fails leaves what
//! is stored, and its reason beside it.

use std::io::BufReader;

use weir_scanner::advisory::READER_VERSION;
use weir_scanner::advisory::modified::{ListError, ModifiedList};
use weir_storage::index::{FolderDifference, ImportRecord, IncrementFinish, Index, IndexError, Validators};

use super::fetch::{Fetched, FetchedFile, SourceError};
use super::import::{ImportError, ImportReport, import_feed};
use super::records::Records;
use super::rollback::{Rollback, Survey};
use super::source::FeedSource;

/// The most records fetched one by one; more come as an archive.
const MAX_SINGLE: usize = 2000;
/// The most in a small feed, where a tenth would be next to nothing.
const MIN_SINGLE: usize = 20;

/// What a refresh of one feed came to.
#[derive(Clone, Debug)]
pub enum Refreshed {
    /// The source has nothing newer.
    Unchanged,
    /// The source has no such feed.
    Absent,
    /// It was imported.
    Imported(ImportReport),
    /// It failed, and why.
    Failed(String),
}

/// Why a refresh failed.
#[derive(Debug, thiserror::Error)]
enum RefreshError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    List(#[from] ListError),
    #[error(transparent)]
    Older(#[from] Rollback),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// Refreshes the feed of `ecosystem` from `source` at `now` (seconds since the epoch), and keeps the reason where it fails.
pub async fn refresh_feed(index: &Index, source: &FeedSource, ecosystem: &str, now: i64) -> Refreshed {
    let error = match refresh(index, source, ecosystem, now).await {
        Ok(refreshed) => return refreshed,
        Err(error) => error.to_string(),
    };
    let (name, reason) = (ecosystem.to_owned(), error.clone());
    match index.run(move |index| index.advisories().failed(&name, now, &reason)).await {
        Ok(()) => Refreshed::Failed(error),
        Err(unkept) => Refreshed::Failed(format!("{error}; and the index: {unkept}")),
    }
}

async fn refresh(index: &Index, source: &FeedSource, ecosystem: &str, now: i64) -> Result<Refreshed, RefreshError> {
    let name = ecosystem.to_owned();
    let stored = index.run(move |index| index.advisories().import(&name)).await?.unwrap_or_default();
    let location = source.location();
    // What another version read may have to be kept otherwise, whatever the source says has changed.
    let read = stored.imported_at.is_some() && stored.reader == READER_VERSION;
    let ours = read && stored.location.as_deref() == Some(&location);
    let known = |validators: &Validators| if ours { validators.clone() } else { Validators::default() };
    if read {
        match source.list(ecosystem, &known(&stored.list)).await? {
            Fetched::Unchanged => return unchanged(index, ecosystem, now).await,
            Fetched::File(list) => {
                if let Some(refreshed) = by_list(index, source, ecosystem, &stored, list, now).await? {
                    return Ok(refreshed);
                }
            }
            // A source without lists, such as a folder someone carried here: the archive says what changed.
            Fetched::Absent => {}
        }
    }
    let archive = match source.archive(ecosystem, &known(&stored.archive)).await? {
        Fetched::Unchanged => return unchanged(index, ecosystem, now).await,
        Fetched::Absent => return Ok(Refreshed::Absent),
        Fetched::File(archive) => archive,
    };
    let name = ecosystem.to_owned();
    let report = index.run(move |index| {
        let report = import_feed(index, &name, archive, &location, now)?;
        Ok::<_, RefreshError>(report)
    });
    Ok(Refreshed::Imported(report.await?))
}

async fn unchanged(index: &Index, ecosystem: &str, now: i64) -> Result<Refreshed, RefreshError> {
    let name = ecosystem.to_owned();
    index.run(move |index| index.advisories().unchanged(&name, now)).await?;
    Ok(Refreshed::Unchanged)
}

/// Refreshes by a list of changes; `None` where the archive has to be taken.
async fn by_list(
    index: &Index,
    source: &FeedSource,
    ecosystem: &str,
    stored: &ImportRecord,
    list: FetchedFile,
    now: i64,
) -> Result<Option<Refreshed>, RefreshError> {
    let FetchedFile { file, validators } = list;
    let bound = usize::try_from(stored.records / 10).unwrap_or(usize::MAX).clamp(MIN_SINGLE, MAX_SINGLE);
    let name = ecosystem.to_owned();
    let compare = index.run(move |index| {
        let lines = ModifiedList::new(BufReader::new(file)).map(|line| line.map_err(RefreshError::from));
        index.advisories().compare(&name, lines, bound, now)
    });
    let difference = compare.await?;
    Survey::of(&difference).judge(stored)?;
    if difference.too_many {
        return Ok(None);
    }
    let ids = difference.changed.iter().map(|listed| listed.id.clone()).chain(difference.gone.iter().cloned());
    let records = source.records(ecosystem, ids.collect()).await?;
    let (name, location) = (ecosystem.to_owned(), source.location());
    let increment = index.run(move |index| {
        let finish = IncrementFinish { location, list: validators, newest: difference.newest, now };
        write_increment(index, &name, &difference, records, finish)
    });
    Ok(increment.await?.map(|report| {
        if report.counts.changed == 0 && report.counts.removed == 0 && report.skipped == 0 {
            Refreshed::Unchanged
        } else {
            Refreshed::Imported(report)
        }
    }))
}

/// Writes an increment whose records have come; `None` where they are not what the list says. Blocks.
fn write_increment(
    index: &Index,
    ecosystem: &str,
    difference: &FolderDifference,
    records: Records,
    mut finish: IncrementFinish,
) -> Result<Option<ImportReport>, RefreshError> {
    let present = records.open()?;
    let missing = difference.changed.iter().any(|listed| !present.ids.contains(&listed.id));
    // A list that was cut at the end of a line looks as if records were gone; their files prove that they are not.
    let remaining = difference.gone.iter().any(|id| present.ids.contains(id));
    if missing || remaining {
        return Ok(None);
    }
    let mut report = ImportReport { increment: true, ..ImportReport::default() };
    let mut import = index.advisories().begin_increment(ecosystem, finish.now)?;
    for record in present.records {
        match record? {
            (id, Ok(advisory)) => {
                let listed = difference.changed.iter().find(|listed| listed.id == id);
                if listed.is_some_and(|listed| advisory.modified < listed.modified) {
                    // The record lags behind the list: both are asked for again next time.
                    finish.list = Validators::default();
                }
                import.put(advisory)?;
            }
            (id, Err(cause)) => {
                report.skip(&id, &cause);
                finish.list = Validators::default();
            }
        }
    }
    import.remove(&difference.gone)?;
    report.counts = import.finish(finish)?;
    Ok(Some(report))
}
