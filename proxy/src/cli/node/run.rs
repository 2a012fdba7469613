//! `weir node run`: keeps one node as it should be until SIGTERM.
//!
//! Invariant: nothing that goes wrong on the node or on the way to the server ends it; the next interval tries again. Only
//! arguments that cannot work do.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use url::Url;
use weir_config::{LogFormat, LogSection};

use super::super::agent::log_format;
use super::super::hosts::check_mirror;
use super::check::{self, Checked, Expected};
use super::finding::{Code, Finding, Level};
use super::record::{self, Foreign};
use super::report::Reporter;
use super::survey::Survey;
use super::{SetupArgs, foreign, left, setup};
use crate::app::start_logging;

/// Checked no more often than this.
const SHORTEST: Duration = Duration::from_secs(1);

#[derive(Args, Debug)]
pub(in crate::cli) struct RunArgs {
    #[command(flatten)]
    setup: SetupArgs,
    /// How often the node is checked, such as 5m.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = weir_config::parse_duration)]
    interval: Duration,
    /// Takes everything back at the end.
    #[arg(long)]
    remove_on_exit: bool,
    /// The report of the weir that is told after each check, by https; by http on a loopback address only.
    #[arg(long, value_name = "URL", requires_all = ["cluster", "token_file", "node"])]
    report: Option<Url>,
    /// What the report calls this cluster.
    #[arg(long, value_name = "NAME", requires = "report")]
    cluster: Option<String>,
    /// The file with a token of role agent; read at each use.
    #[arg(long, value_name = "FILE", requires = "report")]
    token_file: Option<PathBuf>,
    /// The certificate authorities that the report proves itself by, in place of the system's.
    #[arg(long, value_name = "FILE", requires = "report")]
    report_ca: Option<PathBuf>,
    /// How much is logged.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: String,
    /// How it is logged.
    #[arg(long, value_name = "text|json", default_value = "text", value_parser = log_format)]
    log_format: LogFormat,
}

pub(super) fn start_log(args: &RunArgs) {
    start_logging(&LogSection { level: args.log_level.clone(), format: args.log_format });
}

pub(super) async fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    check_mirror(&args.setup.mirror)?;
    anyhow::ensure!(args.interval >= SHORTEST, "--interval: expected {SHORTEST:?} or more");
    // Arguments that cannot work end here; what they say is read again each time.
    setup::plan(&args.setup, std::path::Path::new("/"))?;
    let reporter = match (&args.report, &args.cluster, &args.setup.node, args.token_file) {
        (Some(report), Some(cluster), Some(node), Some(token_file)) => {
            Some(Reporter::new(report, cluster, node, token_file, args.report_ca)?)
        }
        _ => None,
    };
    tracing::info!(mirror = %args.setup.mirror, "keeping this node's pulls on {}", args.setup.mirror);
    let work = async {
        let mut known = Vec::new();
        let mut through = None;
        loop {
            let checked = pass(&args.setup).await;
            tell(&checked, &mut known, &mut through);
            if let Some(reporter) = &reporter
                && let Err(error) = reporter.send(&checked).await
            {
                tracing::warn!("the report was not told of this node, and is at the next check: {error:#}");
            }
            tokio::time::sleep(args.interval).await;
        }
    };
    tokio::select! {
        // The loop has no end; its files are written without a pause in between, so that a signal never meets half of a change.
        () = work => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    if args.remove_on_exit {
        remove(&args.setup).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Sets the node up, as far as that is missing, and checks it.
async fn pass(args: &SetupArgs) -> Checked {
    let survey = Survey::of(&args.place).await;
    let mut findings = Vec::new();
    let mut registries = Vec::new();
    let done = match survey.writable() {
        Some(certs_d) => setup::plan(args, certs_d).and_then(|plan| {
            registries.clone_from(&plan.registries);
            record::apply(&survey.root, certs_d, &plan, false)
        }),
        None => Ok(record::Outcome::default()),
    };
    match done {
        Ok(outcome) => {
            for file in &outcome.written {
                tracing::info!(file = %file.display(), "wrote {}", file.display());
            }
            for file in outcome.removed.iter().chain(&outcome.restored) {
                tracing::info!(file = %file.display(), "took back {}", file.display());
            }
            // What was changed since is known to the check, which says what the file now does.
            let before = outcome.foreign.iter().filter(|(_, why)| *why == Foreign::Before);
            findings.extend(before.map(|(file, why)| Finding::error(Code::ForeignFile, foreign(file, *why))));
        }
        Err(error) => findings.push(Finding::error(Code::SetupFailed, format!("{error:#}"))),
    }
    let expected = Expected { node: args.node.clone(), mirror: Some(args.mirror.clone()), registries };
    check::check(&survey, &expected, findings).await
}

/// Logs what differs from the check before.
fn tell(checked: &Checked, known: &mut Vec<Finding>, through: &mut Option<bool>) {
    for finding in checked.findings.iter().filter(|finding| !known.contains(finding)) {
        let code = finding.code.name();
        match finding.level {
            Level::Error => tracing::error!(code, "{code}: {}", finding.detail),
            Level::Warning => tracing::warn!(code, "{code}: {}", finding.detail),
        }
    }
    for finding in known.iter().filter(|finding| !checked.findings.contains(finding)) {
        let code = finding.code.name();
        tracing::info!(code, "no longer {code}: {}", finding.detail);
    }
    known.clone_from(&checked.findings);
    if through.replace(checked.through_weir) != Some(checked.through_weir) {
        match checked.through_weir {
            true => tracing::info!(through_weir = true, "this node pulls through weir"),
            false => tracing::warn!(through_weir = false, "this node pulls past weir"),
        }
    }
}

async fn remove(args: &SetupArgs) -> anyhow::Result<()> {
    let Some(outcome) = Survey::of(&args.place).await.remove()? else { return Ok(()) };
    for line in left(&outcome) {
        tracing::warn!("{line}");
    }
    tracing::info!(
        "took back {} files and put back {}",
        outcome.removed.len() + outcome.restored.len(),
        outcome.restored.len()
    );
    Ok(())
}
