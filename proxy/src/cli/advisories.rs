//! `weir advisories import`, `refresh` and `status`, in the running process where there is one, else in the data directory itself.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use comfy_table::Table;
use indicatif::{ProgressBar, ProgressStyle};
use url::Url;
use weir_config::{Config, Source};

use super::{ConfigArgs, DataArgs, running};
use crate::admin::local::LocalRequest;
use crate::advisory::{
    AdvisoryParts, AdvisoryService, CveSource, CveSources, FeedSource, PackParts, RefreshLine, pack, split_tag,
};
use crate::app::{FeedLine, cve_sources, feed_lines, feed_source, import, open_index, refresh, registries};
use crate::clock::{Clock, age, rfc3339};
use crate::metrics::Metrics;
use crate::report::columns;
use crate::tasks::Tasks;

#[derive(Debug, Subcommand)]
pub(super) enum AdvisoriesCommand {
    /// Imports every ecosystem of a source and prints the counts.
    Import {
        /// A directory or URL laid out as the public OSV bucket, or an artifact: oci:DIR[:TAG], oci://HOST/REPOSITORY[:TAG].
        source: String,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Asks advisory.source for what changed since the last time, and matches again what that touches.
    Refresh {
        #[command(flatten)]
        data: DataArgs,
    },
    /// Packs a source into an OCI image layout, as an artifact that any registry takes.
    Pack(PackArgs),
    /// Prints each feed, its records and its age.
    Status {
        #[command(flatten)]
        data: DataArgs,
    },
}

#[derive(Debug, Args)]
pub(super) struct PackArgs {
    /// A directory or URL laid out as the public OSV bucket.
    source: String,
    /// The layout to write to: oci:DIR[:TAG], tagged latest without one.
    #[arg(long, value_name = "oci:DIR[:TAG]")]
    out: String,
    /// An ecosystem to pack, as OSV names it; may be given again. All the source has without it.
    #[arg(long = "ecosystem", value_name = "NAME")]
    ecosystems: Vec<String>,
    /// CISA's known exploited vulnerabilities: a URL or a file.
    #[arg(long, value_name = "SOURCE")]
    kev: Option<String>,
    /// FIRST's exploit prediction scores: a URL or a file.
    #[arg(long, value_name = "SOURCE")]
    epss: Option<String>,
    /// CVSS vectors: a URL or a file, or the place of NVD's yearly files.
    #[arg(long, value_name = "SOURCE")]
    cvss: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn run(command: AdvisoriesCommand) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        match command {
            AdvisoriesCommand::Import { source, data } => run_import(source, &data.load()?).await,
            AdvisoriesCommand::Pack(args) => run_pack(args).await,
            AdvisoriesCommand::Refresh { data } => run_refresh(&data.load()?).await,
            AdvisoriesCommand::Status { data } => run_status(&data.load()?.data.directory).await,
        }
    })
}

async fn run_import(source: String, config: &Config) -> anyhow::Result<ExitCode> {
    let data = &config.data.directory;
    let source = absolute(source);
    let bar = progress_bar();
    let lines: Vec<RefreshLine> =
        match running(data, LocalRequest::ImportAdvisories { source: source.clone() }, |text| {
            bar.set_message(text.to_owned())
        })
        .await?
        {
            Some(lines) => lines,
            None => {
                std::fs::create_dir_all(data).with_context(|| data.display().to_string())?;
                let source = FeedSource::parse(&source, data, &registries(config)?)?;
                let service = alone(source.clone(), CveSources::default(), Vec::new(), data)?;
                let lines =
                    import(&service, &source, |text| bar.set_message(text)).await.map_err(anyhow::Error::msg)?;
                service.settle().await;
                lines
            }
        };
    bar.finish_and_clear();
    anyhow::ensure!(!lines.is_empty(), "{source} holds no feed: <Ecosystem>/all.zip is looked for");
    print_outcome(&lines)
}

/// A path as the running process finds it too, which has a working directory of its own.
fn absolute(source: String) -> String {
    let full = |path: &Path| std::fs::canonicalize(path).ok().map(|path| path.display().to_string());
    match source.strip_prefix("oci:") {
        Some(reference) if reference.starts_with("//") => source,
        Some(layout) => {
            let (directory, tag) = split_tag(layout);
            let directory = full(directory).unwrap_or_else(|| directory.display().to_string());
            tag.map_or_else(|| format!("oci:{directory}"), |tag| format!("oci:{directory}:{tag}"))
        }
        None => full(Path::new(&source)).unwrap_or(source),
    }
}

async fn run_pack(args: PackArgs) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let layout = args.out.strip_prefix("oci:").filter(|layout| !layout.starts_with("//"));
    let layout = layout.with_context(|| format!("--out {}: oci:DIR[:TAG] is expected", args.out))?;
    let (directory, tag) = split_tag(layout);
    let scratch = tempfile::tempdir().context("no folder for temporary files")?;
    let source = FeedSource::parse(&args.source, scratch.path(), &registries(&config)?)?;
    let place = |text: &Option<String>| {
        let place = text.as_deref().map(|text| match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Source::Url(url),
            _ => Source::Directory(text.into()),
        });
        place.map(|place| CveSource::new(place, scratch.path().to_owned())).transpose()
    };
    let cves = CveSources { kev: place(&args.kev)?, epss: place(&args.epss)?, scores: place(&args.cvss)? };
    let bar = progress_bar();
    let parts = PackParts { source, ecosystems: args.ecosystems, cves, now: Clock::system().now() };
    let packed = pack(parts, directory, tag.unwrap_or("latest"), |text| bar.set_message(text)).await?;
    bar.finish_and_clear();
    let (place, tag) = (directory.display(), tag.unwrap_or("latest"));
    println!("oci:{place}:{tag} is {}: {} files, {} bytes", packed.digest, packed.files, packed.bytes);
    Ok(ExitCode::SUCCESS)
}

async fn run_refresh(config: &Config) -> anyhow::Result<ExitCode> {
    let data = &config.data.directory;
    let bar = progress_bar();
    bar.set_message("what changed");
    let lines: Vec<RefreshLine> = match running(data, LocalRequest::RefreshAdvisories, |_| {}).await? {
        Some(lines) => lines,
        None => {
            let (source, cves) = (feed_source(config, &registries(config)?)?, cve_sources(config)?);
            refresh(&alone(source, cves, config.advisory.ecosystems.clone(), data)?).await
        }
    };
    bar.finish_and_clear();
    if lines.is_empty() {
        println!("no feeds yet: they come with the first image that needs them, or with `weir advisories import`");
        return Ok(ExitCode::SUCCESS);
    }
    print_outcome(&lines)
}

/// The service of a data directory that no process serves.
fn alone(
    source: FeedSource,
    cves: CveSources,
    configured: Vec<String>,
    data: &Path,
) -> anyhow::Result<AdvisoryService> {
    Ok(AdvisoryService::new(AdvisoryParts {
        source,
        cves,
        configured,
        refresh: Duration::MAX,
        event_retention: Duration::MAX,
        index: open_index(data)?,
        metrics: Metrics::new()?.advisory,
        tasks: Tasks::new(),
        clock: Clock::system(),
    }))
}

fn print_outcome(lines: &[RefreshLine]) -> anyhow::Result<ExitCode> {
    println!("{}", import_table(lines));
    let failed = lines.iter().filter(|line| line.failed).count();
    anyhow::ensure!(
        failed == 0,
        "{failed} of {} feeds could not be imported; what was stored of them stays",
        lines.len()
    );
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
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn import_table(lines: &[RefreshLine]) -> Table {
    let mut table = columns(&["ECOSYSTEM", "RECORDS", "CHANGED", "SKIPPED", "OUTCOME"], &[1, 2, 3]);
    for line in lines {
        let shown = |count: Option<u64>| count.map_or_else(String::new, |count| count.to_string());
        let (records, changed) = (shown(line.records), shown(line.changed));
        table.add_row([&line.source, &records, &changed, &line.skipped.to_string(), &line.outcome]);
    }
    table
}

fn status_table(feeds: &[FeedLine], now: i64) -> Table {
    let mut table = columns(&["FEED", "RECORDS", "NEWEST RECORD", "FETCHED", "LAST ERROR"], &[1]);
    for feed in feeds {
        let newest = feed
            .as_of
            .map_or_else(|| "none".to_owned(), |as_of| format!("{} ({} ago)", &rfc3339(as_of)[..10], age(now - as_of)));
        let fetched = feed.fetched_at.map_or_else(|| "never".to_owned(), |at| format!("{} ago", age(now - at)));
        table.add_row([
            feed.source.clone(),
            feed.records.to_string(),
            newest,
            fetched,
            feed.error.clone().unwrap_or_default(),
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
            source: "Debian:12".into(),
            records: 1,
            as_of: Some(1_680_000_000),
            fetched_at: Some(1_700_000_000),
            error: Some("the source answered 503".into()),
        };
        let shown = status_table(&[feed], 1_700_000_120).to_string();
        assert!(
            shown.contains("Debian:12")
                && shown.contains("answered 503")
                && shown.contains("2023-03-28 (231 days ago)")
                && shown.contains("2 min ago"),
            "{shown}"
        );
    }
}
