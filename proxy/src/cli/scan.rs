//! `weir scan`: one image, read and matched as the mirror would, printed, and judged by the exit status.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use weir_config::{Config, Source};
use weir_scanner::finding::{ImageFindings, Severity};
use weir_scanner::image::{ImageInventory, ScanStatus};
use weir_scanner::oci::Platform;
use weir_storage::index::{FindingsRecord, Index, IndexError};

use super::ConfigArgs;
use super::bars::Bars;
use crate::advisory::{AdvisoryParts, AdvisoryService, CveSources, FeedSource, Refreshed};
use crate::app::{cve_sources, once_parts, once_registry, open_index, registries};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::report::{Current, Format, ResultInput, Terminal, render, result, table};
use crate::scan::once::{self, ReadImage, Target, TargetError};
use crate::tasks::Tasks;

/// Could not scan, or cannot judge.
const CANNOT: u8 = 2;
/// `--fail-on` was reached.
const REACHED: u8 = 1;
/// How long what still runs gets once the result is there.
const LAST: Duration = Duration::from_secs(1);

#[derive(Args, Debug)]
pub(super) struct ScanArgs {
    /// What to scan: a reference, oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE or dir:ROOTFS.
    target: String,
    /// The form of the output.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    format: Output,
    /// A directory laid out as the public OSV bucket, to match with instead of the data directory's advisories.
    #[arg(long, value_name = "DIR")]
    advisories: Option<PathBuf>,
    /// Exit with 1 when a vulnerability of this severity or worse is found, with 2 when the scan cannot vouch for the answer.
    #[arg(long, value_name = "SEVERITY")]
    fail_on: Option<Threshold>,
    /// Which image of an index; this machine's by default.
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
    Cyclonedx,
    Spdx,
    Sarif,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Threshold {
    Low,
    Medium,
    High,
    Critical,
}

impl From<Threshold> for Severity {
    fn from(threshold: Threshold) -> Self {
        match threshold {
            Threshold::Low => Self::Low,
            Threshold::Medium => Self::Medium,
            Threshold::High => Self::High,
            Threshold::Critical => Self::Critical,
        }
    }
}

pub(super) fn run(args: ScanArgs) -> ExitCode {
    let outcome = args.config.load().and_then(|config| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
        let outcome = runtime.block_on(scan(&args, &config));
        runtime.shutdown_timeout(LAST);
        outcome
    });
    outcome.unwrap_or_else(|error| {
        eprintln!("weir: {error:#}");
        ExitCode::from(CANNOT)
    })
}

async fn scan(args: &ScanArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let target = Target::parse(&args.target)?;
    let scratch = tempfile::tempdir().context("no folder for temporary files")?;
    let (tasks, clock, bars) = (Tasks::new(), Clock::system(), Arc::new(Bars::new()));
    let registry = async |reference: &weir_scanner::oci::Reference| {
        let puller = once_registry(config, scratch.path(), reference, &tasks).await;
        puller.map_err(|error| TargetError::NotThat { place: reference.to_string(), detail: error.to_string() })
    };
    bars.say(format!("finding {target}"));
    let image = once::open(&target, args.platform.as_ref(), registry).await?;
    let image = once::read(image, once_parts(config, scratch.path(), bars.clone(), &tasks, clock.now())).await;
    bars.say("matching with advisories".into());
    let findings = match_with(args, config, scratch.path(), &image.inventory, &tasks, &bars).await?;
    bars.clear();
    let (findings, current) = findings.unzip();
    print(args, config, &image, findings.as_ref(), &current.unwrap_or_default(), clock.now())?;
    let found = findings.map(|record| record.findings);
    Ok(ExitCode::from(judged(args.fail_on, image.record.status, found.as_ref())))
}

/// The image's findings; `None` where nothing of it was read.
async fn match_with(
    args: &ScanArgs,
    config: &Config,
    scratch: &Path,
    inventory: &ImageInventory,
    tasks: &Tasks,
    bars: &Bars,
) -> anyhow::Result<Option<(FindingsRecord, Current)>> {
    if !once::was_read(inventory.status) {
        return Ok(None);
    }
    let kept = match args.advisories {
        Some(_) => None,
        None => stored_advisories(&config.data.directory),
    };
    let index = match kept {
        Some(index) => index,
        None => {
            let source = match (&args.advisories, &config.advisory.source) {
                (Some(directory), _) | (None, Source::Directory(directory)) => {
                    anyhow::ensure!(directory.is_dir(), "{} is no directory of advisories", directory.display());
                    FeedSource::directory(directory.clone())
                }
                (None, Source::Url(url)) => FeedSource::url(url.clone(), scratch.to_owned())?,
                (None, Source::Artifact(text)) => FeedSource::artifact(text, &registries(config)?, scratch.to_owned())?,
            };
            import_needed(source, cve_sources(config)?, scratch, inventory, tasks, bars).await?
        }
    };
    let inventory = inventory.clone();
    let matching = move |index: &Index| -> Result<_, IndexError> {
        let findings = weir_scanner::finding::match_image(&inventory, &index.advisories().source())?;
        let record = FindingsRecord::first(findings, Clock::system().now(), String::new());
        let current = Current::read(index, Some(&record))?;
        Ok((record, current))
    };
    Ok(Some(index.run(matching).await?))
}

/// The advisories of a data directory, whether or not a weir serves it now; `None` where it has none.
fn stored_advisories(data: &Path) -> Option<Index> {
    let path = data.join("index");
    if !path.join("CURRENT").is_file() {
        return None;
    }
    // A file that the process that writes cleaned up meanwhile: named anew the next time.
    let opened = (0..3).find_map(|_| Index::open_read_only(&path).ok());
    let index = match opened {
        Some(index) => index,
        None => {
            eprintln!(
                "weir: warning: the advisories in {} cannot be read; the configured source is asked",
                path.display()
            );
            return None;
        }
    };
    let has_feeds = index.advisories().feeds().is_ok_and(|feeds| !feeds.is_empty());
    has_feeds.then_some(index)
}

/// An index of its own with the feeds that the packages of an image belong to.
async fn import_needed(
    source: FeedSource,
    cves: CveSources,
    scratch: &Path,
    inventory: &ImageInventory,
    tasks: &Tasks,
    bars: &Bars,
) -> anyhow::Result<Index> {
    let index = open_index(&scratch.join("advisories"))?;
    let service = AdvisoryService::new(AdvisoryParts {
        source,
        cves,
        configured: Vec::new(),
        refresh: Duration::MAX,
        event_retention: Duration::MAX,
        index: index.clone(),
        metrics: Metrics::new()?.advisory,
        tasks: tasks.clone(),
        clock: Clock::system(),
    });
    let needed = weir_scanner::finding::ecosystems(inventory);
    let names: std::collections::BTreeSet<&str> = needed.iter().map(|ecosystem| ecosystem.name()).collect();
    bars.say("importing what is known of CVEs".into());
    for line in service.refresh_sources().await.into_iter().filter(|line| line.failed) {
        eprintln!("weir: warning: {}: {}", line.source, line.outcome);
    }
    for name in names {
        bars.say(format!("importing advisories of {name}"));
        if let Refreshed::Failed(error) = service.refresh(name).await {
            eprintln!("weir: warning: advisories of {name}: {error}");
        }
    }
    Ok(index)
}

fn print(
    args: &ScanArgs,
    config: &Config,
    image: &ReadImage,
    findings: Option<&FindingsRecord>,
    current: &Current,
    now: i64,
) -> anyhow::Result<()> {
    let document = result(&ResultInput {
        digest: image.digest,
        reference: Some(image.reference.clone()),
        image: &image.record,
        inventory: Some(&image.inventory),
        findings,
        current,
        stale_after: i64::try_from(config.advisory.stale_after.as_secs()).unwrap_or(i64::MAX),
        now,
    });
    let mut out = io::stdout().lock();
    let text = match args.format {
        Output::Table => {
            let terminal = Terminal { width: width(&out), colour: out.is_terminal() };
            return written(out.write_all(table(&document, terminal, now).as_bytes()));
        }
        Output::Json => render(&document, Format::Json, now)?,
        Output::Cyclonedx => render(&document, Format::CycloneDx, now)?,
        Output::Spdx => render(&document, Format::Spdx, now)?,
        Output::Sarif => render(&document, Format::Sarif, now)?,
    };
    written(out.write_all(&text).and_then(|()| out.write_all(b"\n")))
}

/// The columns of the terminal that `out` is, where it is one.
fn width(out: &io::StdoutLock<'_>) -> Option<u16> {
    let size = out.is_terminal().then(|| rustix::termios::tcgetwinsize(out).ok()).flatten()?;
    Some(size.ws_col).filter(|columns| *columns > 0)
}

/// A reader that has seen enough (`head`) is no failure.
fn written(outcome: io::Result<()>) -> anyhow::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.context("the result could not be written"),
    }
}

/// The exit status: 0 done; 1 the threshold was reached; 2 nothing was read, or a threshold was asked of a scan that cannot
/// vouch for the answer.
fn judged(threshold: Option<Threshold>, status: ScanStatus, findings: Option<&ImageFindings>) -> u8 {
    let Some(findings) = findings else { return CANNOT };
    let Some(threshold) = threshold else { return 0 };
    // As in every count: what a distribution's own package brought, its feed decides.
    let mut counted = findings.findings.iter().filter(|finding| finding.covered_by.is_none());
    if counted.any(|finding| finding.severity >= Severity::from(threshold)) {
        return REACHED;
    }
    let vouched = status == ScanStatus::Complete && findings.missing_feeds.is_empty() && !findings.feeds.is_empty();
    if vouched { 0 } else { CANNOT }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(severities: &[Severity], missing: &[&str]) -> ImageFindings {
        let finding = |severity: &Severity| weir_scanner::finding::Finding {
            severity: *severity,
            ..weir_scanner::fixture::finding("CVE-1", &[], "pkg:npm/a@1")
        };
        let feed = weir_scanner::advisory::Feed {
            ecosystem: weir_scanner::package::Ecosystem::parse("npm"),
            records: 1,
            as_of: None,
            fetched_at: 0,
        };
        ImageFindings {
            findings: severities.iter().map(finding).collect(),
            feeds: vec![feed],
            missing_feeds: missing.iter().map(ToString::to_string).collect(),
            ..ImageFindings::default()
        }
    }

    #[test]
    fn the_exit_status_says_what_the_scan_can_vouch_for() {
        use ScanStatus::{Complete, Failed, Partial};
        let (high, medium) = (findings(&[Severity::High], &[]), findings(&[Severity::Medium], &[]));
        let thin = findings(&[], &["rpm"]);
        for (threshold, status, findings, exit) in [
            (None, Complete, Some(&high), 0),
            (None, Partial, Some(&thin), 0),
            (None, Failed, None, 2),
            (Some(Threshold::High), Complete, Some(&high), 1),
            (Some(Threshold::High), Partial, Some(&high), 1),
            (Some(Threshold::High), Complete, Some(&medium), 0),
            (Some(Threshold::High), Partial, Some(&medium), 2),
            (Some(Threshold::High), Complete, Some(&thin), 2),
            (Some(Threshold::Low), Failed, None, 2),
        ] {
            assert_eq!(judged(threshold, status, findings), exit, "{threshold:?} {status:?}");
        }
    }
}
