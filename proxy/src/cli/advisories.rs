//! `weir advisories import` and `status`, in the running process where there is one, else in the data directory itself.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::de::DeserializeOwned;

use super::DataArgs;
use crate::admin::local::{LocalRequest, ask};
use crate::advisory::{AdvisoryParts, AdvisoryService, FeedSource};
use crate::app::{FeedLine, ImportLine, feed_lines, import, open_index};
use crate::clock::{Clock, age, rfc3339};
use crate::metrics::Metrics;
use crate::tasks::Tasks;

#[derive(Debug, Subcommand)]
pub(super) enum AdvisoriesCommand {
    /// Imports every ecosystem of a source and prints the counts.
    Import {
        /// A directory or URL laid out as the public OSV bucket.
        source: String,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Prints each feed, its records and its age.
    Status {
        #[command(flatten)]
        data: DataArgs,
    },
}

pub(super) fn run(command: AdvisoriesCommand) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        match command {
            AdvisoriesCommand::Import { source, data } => run_import(source, &data.load()?.data.directory).await,
            AdvisoriesCommand::Status { data } => run_status(&data.load()?.data.directory).await,
        }
    })
}

/// The answer of the process that serves `data`; `None` where none does.
async fn running<T: DeserializeOwned>(
    data: &Path,
    request: LocalRequest,
    progress: impl FnMut(&str),
) -> anyhow::Result<Option<T>> {
    match ask(data, &request, progress).await {
        Ok(result) => Ok(Some(
            serde_json::from_value(result)
                .context("the running weir answered in another form: is it another version?")?,
        )),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn run_import(source: String, data: &Path) -> anyhow::Result<ExitCode> {
    // The running process has a working directory of its own.
    let source = std::fs::canonicalize(&source).map_or(source, |path| path.display().to_string());
    let bar = progress_bar();
    let lines: Vec<ImportLine> =
        match running(data, LocalRequest::ImportAdvisories { source: source.clone() }, |text| {
            bar.set_message(text.to_owned())
        })
        .await?
        {
            Some(lines) => lines,
            None => {
                let source = FeedSource::parse(&source, data)?;
                let index = open_index(data)?;
                let parts = AdvisoryParts {
                    source: source.clone(),
                    configured: Vec::new(),
                    refresh: Duration::MAX,
                    index,
                    metrics: Metrics::new()?.advisory,
                    tasks: Tasks::new(),
                    clock: Clock::system(),
                };
                let service = AdvisoryService::new(parts);
                let lines =
                    import(&service, &source, |text| bar.set_message(text)).await.map_err(anyhow::Error::msg)?;
                service.match_all().await;
                lines
            }
        };
    bar.finish_and_clear();
    println!("{}", import_table(&lines));
    let failed = lines.iter().filter(|line| line.failed).count();
    anyhow::ensure!(
        failed == 0,
        "{failed} of {} feeds could not be imported; what was stored of them stays",
        lines.len()
    );
    anyhow::ensure!(!lines.is_empty(), "{source} holds no feed: <Ecosystem>/all.zip is looked for");
    Ok(ExitCode::SUCCESS)
}

async fn run_status(data: &Path) -> anyhow::Result<ExitCode> {
    let feeds: Vec<FeedLine> = match running(data, LocalRequest::AdvisoryStatus, |_| {}).await? {
        Some(feeds) => feeds,
        None => feed_lines(&open_index(data)?)?,
    };
    if feeds.is_empty() {
        println!(
            "no advisories yet: `weir serve` imports what images need, `weir advisories import` imports a whole source"
        );
    } else {
        println!("{}", status_table(&feeds, Clock::system().now()));
    }
    Ok(ExitCode::SUCCESS)
}

fn progress_bar() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} importing {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn table(header: &[&str], numbers: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    for column in numbers {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn import_table(lines: &[ImportLine]) -> Table {
    let mut table = table(&["ECOSYSTEM", "RECORDS", "CHANGED", "SKIPPED", "OUTCOME"], &[1, 2, 3]);
    for line in lines {
        let records = line.records.map_or_else(String::new, |records| records.to_string());
        table.add_row([&line.ecosystem, &records, &line.changed.to_string(), &line.skipped.to_string(), &line.outcome]);
    }
    table
}

fn status_table(feeds: &[FeedLine], now: i64) -> Table {
    let mut table = table(&["FEED", "RECORDS", "NEWEST RECORD", "FETCHED"], &[1]);
    for feed in feeds {
        let newest = feed
            .as_of
            .map_or_else(|| "none".to_owned(), |as_of| format!("{} ({} ago)", &rfc3339(as_of)[..10], age(now - as_of)));
        table.add_row([
            feed.ecosystem.clone(),
            feed.records.to_string(),
            newest,
            format!("{} ago", age(now - feed.fetched_at)),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thin_feed_reads_as_thin() {
        let feed = FeedLine {
            ecosystem: "Debian:12".into(),
            records: 1,
            as_of: Some(1_680_000_000),
            fetched_at: 1_700_000_000,
        };
        let shown = status_table(&[feed], 1_700_000_120).to_string();
        assert!(
            shown.contains("Debian:12") && shown.contains("2023-03-28 (231 days ago)") && shown.contains("2 min ago"),
            "{shown}"
        );
    }
}
