//! `weir agent`: watches one cluster and reports to a weir elsewhere. No data directory, no listener.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use url::Url;
use weir_config::{Kubernetes, LogFormat, LogSection};

use crate::app::start_logging;
use crate::tasks::Tasks;
use crate::workload::agent::{Agent, AgentPace, AgentSettings};
use crate::workload::client::connect;
use crate::workload::watch::{self, WatchOptions, server_version};

/// What was observed and not yet taken in; beyond it the watch waits, and with it the API server.
const OBSERVED: usize = 1_024;
/// How long the API server may take to say its version, which is not worth waiting for.
const VERSION_TIME: Duration = Duration::from_secs(10);
/// How long tasks get after a signal.
const LAST: Duration = Duration::from_secs(5);

#[derive(Args, Debug)]
pub(super) struct AgentArgs {
    /// What the report calls this cluster.
    #[arg(long, value_name = "NAME")]
    cluster: String,
    /// The report of the weir that is told, by https; by http on a loopback address only.
    #[arg(long, value_name = "URL")]
    report: Url,
    /// The file with a token of role agent, from `weir token create --role agent`; read at each use.
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// The certificate authorities that weir proves itself by, in place of the system's.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// How the cluster is reached: auto, by the service account of the agent's pod, or by a kubeconfig.
    #[arg(long, value_name = "auto|PATH", default_value = "auto")]
    kubernetes: String,
    /// How much is logged.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: String,
    /// How it is logged.
    #[arg(long, value_name = "text|json", default_value = "text", value_parser = log_format)]
    log_format: LogFormat,
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("expected text or json".to_owned()),
    }
}

pub(super) fn run(args: AgentArgs) -> anyhow::Result<ExitCode> {
    start_logging(&LogSection { level: args.log_level.clone(), format: args.log_format });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(report(args))
}

async fn report(args: AgentArgs) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut settings = AgentSettings {
        cluster: args.cluster,
        report: args.report,
        token_file: args.token_file,
        ca_file: args.ca,
        kubernetes_version: None,
    };
    // Settings that cannot work end here, before the cluster is asked for anything.
    Agent::new(settings.clone(), AgentPace::default())?;
    let kubernetes = match args.kubernetes.as_str() {
        "auto" => Kubernetes::Auto,
        path => Kubernetes::Kubeconfig(path.into()),
    };
    let client = connect(&kubernetes)
        .await
        .context("--kubernetes")?
        .context("--kubernetes auto: this is no pod with a service account; --kubernetes PATH takes a kubeconfig")?;
    match tokio::time::timeout(VERSION_TIME, server_version(&client)).await {
        Ok(Ok(version)) => settings.kubernetes_version = Some(version.text),
        Ok(Err(error)) => tracing::warn!("the cluster does not tell its version: {error}"),
        Err(_) => tracing::warn!("the cluster does not tell its version in time"),
    }
    tracing::info!(cluster = settings.cluster, report = %settings.report, "reporting cluster {}", settings.cluster);
    let agent = Agent::new(settings, AgentPace::default())?;
    let tasks = Tasks::new();
    let (sender, observed) = mpsc::channel(OBSERVED);
    let stop = tasks.token();
    let mut reporter = tasks.spawn("agent", agent.run(observed, tasks.token()));
    tasks.spawn("watch", {
        let owner = tasks.clone();
        async move { watch::watch(client, sender, WatchOptions::default(), &owner).await }
    });
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        ended = &mut reporter => {
            ended?;
            anyhow::bail!("the watch of the cluster has ended");
        }
    }
    tracing::info!("the agent is stopping");
    stop.cancel();
    if let Err(late) = tasks.wait(LAST).await {
        tracing::warn!(tasks = ?late, "stopped before these tasks had ended");
    }
    Ok(ExitCode::SUCCESS)
}
