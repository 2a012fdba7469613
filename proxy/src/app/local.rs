//! What commands may ask of the running process over the data directory's socket.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use weir_storage::index::{Index, IndexError};

use crate::admin::local::{LocalAnswer, LocalRequest};
use crate::advisory::{AdvisoryService, FeedSource, Refreshed};
use crate::tasks::Tasks;

/// One ecosystem's line in the answer to an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportLine {
    /// The ecosystem.
    pub ecosystem: String,
    /// Records now stored of it, where it was imported.
    pub records: Option<u64>,
    /// Records that were new or changed.
    pub changed: u64,
    /// Records that could not be read.
    pub skipped: u64,
    /// `imported`, `unchanged`, `absent`, or why it failed.
    pub outcome: String,
    /// Whether it failed.
    pub failed: bool,
}

/// One feed's line in the answer to a status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedLine {
    /// The ecosystem with its release.
    pub ecosystem: String,
    /// Records that speak for it.
    pub records: u64,
    /// The newest record's change, seconds since the epoch.
    pub as_of: Option<i64>,
    /// When it was fetched, seconds since the epoch.
    pub fetched_at: i64,
}

pub(super) fn listen(data: &Path, tasks: &Tasks, advisories: AdvisoryService, index: Index) -> io::Result<()> {
    let data_directory = data.to_owned();
    crate::admin::local::listen(data, tasks, move |request, answers| {
        let (advisories, index, data) = (advisories.clone(), index.clone(), data_directory.clone());
        async move {
            let end = match answer(request, &data, &advisories, &index, &answers).await {
                Ok(result) => LocalAnswer::Done { result },
                Err(message) => LocalAnswer::Error { message },
            };
            // A command that left does not want the answer any more.
            let _: Result<(), _> = answers.send(end).await;
        }
    })
}

async fn answer(
    request: LocalRequest,
    data: &Path,
    advisories: &AdvisoryService,
    index: &Index,
    answers: &mpsc::Sender<LocalAnswer>,
) -> Result<serde_json::Value, String> {
    match request {
        LocalRequest::ImportAdvisories { source } => {
            let source = FeedSource::parse(&source, data).map_err(|error| error.to_string())?;
            let lines =
                import(advisories, &source, |text| answers.try_send(LocalAnswer::Progress { text }).unwrap_or(()))
                    .await?;
            advisories.match_all().await;
            serde_json::to_value(lines).map_err(|error| error.to_string())
        }
        LocalRequest::AdvisoryStatus => {
            let feeds = index.run(feed_lines).await.map_err(|error| error.to_string())?;
            serde_json::to_value(feeds).map_err(|error| error.to_string())
        }
    }
}

/// Imports every ecosystem of a source; `progress` hears the name of each before it begins.
///
/// # Errors
/// The source's list of ecosystems cannot be read. A feed that fails has its own line and does not stop the others.
pub async fn import(
    advisories: &AdvisoryService,
    source: &FeedSource,
    mut progress: impl FnMut(String),
) -> Result<Vec<ImportLine>, String> {
    let ecosystems = source.ecosystems().await.map_err(|error| error.to_string())?;
    let total = ecosystems.len();
    let mut lines = Vec::with_capacity(total);
    for (done, ecosystem) in (1..).zip(ecosystems) {
        progress(format!("{done}/{total} {ecosystem}"));
        let line = match advisories.refresh_from(source, &ecosystem).await {
            Refreshed::Imported(report) => ImportLine {
                ecosystem,
                records: Some(report.counts.records),
                changed: report.counts.changed,
                skipped: report.skipped,
                outcome: "imported".into(),
                failed: false,
            },
            Refreshed::Unchanged => plain(ecosystem, "unchanged".into(), false),
            Refreshed::Absent => plain(ecosystem, "absent".into(), false),
            Refreshed::Failed(error) => plain(ecosystem, error, true),
        };
        lines.push(line);
    }
    Ok(lines)
}

const fn plain(ecosystem: String, outcome: String, failed: bool) -> ImportLine {
    ImportLine { ecosystem, records: None, changed: 0, skipped: 0, outcome, failed }
}

/// The stored feeds. Blocks.
pub fn feed_lines(index: &Index) -> Result<Vec<FeedLine>, IndexError> {
    let line = |feed: weir_scanner::advisory::Feed| FeedLine {
        ecosystem: feed.ecosystem.to_string(),
        records: feed.records,
        as_of: feed.as_of,
        fetched_at: feed.fetched_at,
    };
    Ok(index.advisories().feeds()?.into_iter().map(line).collect())
}
