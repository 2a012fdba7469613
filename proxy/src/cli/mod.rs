//! The command line: what each command takes, and how its end is shown to a person.

mod advisories;
mod agent;
mod backup;
mod bars;
mod config;
mod hosts;
mod node;
mod scan;
mod serve;
mod token;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use serde::de::DeserializeOwned;

use crate::admin::local::{LocalRequest, ask};

/// A registry mirror that scans what it streams.
#[derive(Debug, Parser)]
#[command(name = "weir", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the mirror, the report and the metrics.
    Serve(serve::ServeArgs),
    /// Scans one image and exits: 0 done, 1 --fail-on reached, 2 could not scan or cannot vouch for the answer.
    Scan(scan::ScanArgs),
    /// Imports advisories, or says what is there.
    #[command(subcommand)]
    Advisories(advisories::AdvisoriesCommand),
    /// Copies everything weir knows into one file, while it runs or not. Images are not in it: they are fetched again when needed.
    Backup(backup::BackupArgs),
    /// Puts a backup into a data directory.
    Restore(backup::RestoreArgs),
    /// Checks a configuration.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Writes containerd's certs.d tree: a hosts.toml for each configured upstream.
    Hosts(hosts::HostsArgs),
    /// Points a node's containerd at weir, checks it, and takes it back.
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Watches one cluster and reports to a weir elsewhere.
    Agent(agent::AgentArgs),
    /// Makes, lists and revokes tokens of the API and of agents.
    #[command(subcommand)]
    Token(token::TokenCommand),
}

/// Where the settings come from; the environment (`WEIR_SECTION__KEY`) comes on top.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ConfigArgs {
    /// The configuration file; without one the defaults mirror the public registries.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The same, for commands that work on a data directory.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct DataArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The data directory, instead of the configured one.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Runs the command the arguments name. Errors are printed with their chain; the exit status is 1 for them and for a
/// configuration with mistakes, 2 for arguments that cannot be understood; `weir scan` has its own.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Serve(args) => serve::run(args),
        Command::Scan(args) => return scan::run(args),
        Command::Advisories(command) => advisories::run(command),
        Command::Backup(args) => backup::backup(args),
        Command::Restore(args) => backup::restore(args),
        Command::Config(command) => config::run(command),
        Command::Hosts(args) => hosts::run(&args),
        Command::Node(command) => node::run(command),
        Command::Agent(args) => agent::run(args),
        Command::Token(command) => token::run(command),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("weir: {error:#}");
        ExitCode::FAILURE
    })
}

impl ConfigArgs {
    /// The settings, or an error that lists every mistake. Warnings go to stderr.
    fn load(&self) -> anyhow::Result<weir_config::Config> {
        let checked = weir_config::load(self.config.as_deref(), environment())?;
        for warning in &checked.warnings {
            eprintln!("weir: warning: {warning}");
        }
        checked.config.ok_or_else(|| {
            let mistakes: Vec<String> = checked.mistakes.iter().map(|mistake| format!("  {mistake}")).collect();
            anyhow::anyhow!("the configuration has mistakes:\n{}", mistakes.join("\n"))
        })
    }
}

impl DataArgs {
    /// The settings, with the data directory replaced where one was given.
    fn load(&self) -> anyhow::Result<weir_config::Config> {
        let mut config = self.config.load()?;
        if let Some(directory) = &self.data {
            config.data.directory.clone_from(directory);
        }
        Ok(config)
    }
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

/// The environment's variables; a value that is not UTF-8 is no setting of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
