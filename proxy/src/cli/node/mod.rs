//! `weir node`: points a node's containerd at weir, says whether it goes there, and takes everything back.
//!
//! Everything is said of the node: paths are those of its root, which may be a directory of this process (`--host-root`).
//! containerd's own configuration is read and never written.

mod certs;
mod check;
mod finding;
mod hosts_file;
mod probe;
mod record;
mod report;
mod root;
mod run;
mod runtime;
mod setup;
mod show;
mod survey;
mod version;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use url::Url;

use super::ConfigArgs;
use super::hosts::check_mirror;
use check::Expected;
use finding::Level;
use record::{Foreign, Outcome};
use root::HostRoot;
use survey::Survey;

#[derive(Debug, Subcommand)]
pub(super) enum NodeCommand {
    /// Writes a hosts.toml for each upstream where containerd looks for them.
    Setup(SetupArgs),
    /// Says whether this node pulls through weir, and what is wrong; exits 1 where something is.
    Check(CheckArgs),
    /// Takes back what setup wrote.
    Remove(PlaceArgs),
    /// Sets the node up, then checks and repairs it until SIGTERM: what the DaemonSet runs.
    Run(Box<run::RunArgs>),
}

/// Where things are on the node.
#[derive(Args, Clone, Debug)]
pub(super) struct PlaceArgs {
    /// The node's root, as this process sees it.
    #[arg(long, value_name = "DIR", default_value = "/")]
    host_root: PathBuf,
    /// containerd's configuration on the node; usually found.
    #[arg(long, value_name = "FILE")]
    containerd_config: Option<PathBuf>,
    /// The directory of registries on the node; usually the first that containerd's config_path names.
    #[arg(long, value_name = "DIR")]
    certs_d: Option<PathBuf>,
    /// containerd's socket on the node; usually /run/containerd/containerd.sock.
    #[arg(long, value_name = "FILE")]
    containerd_socket: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(super) struct SetupArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Where the node reaches weir, such as http://10.0.0.7:5000.
    #[arg(long, value_name = "URL")]
    mirror: Url,
    /// The node's name, sent with each request so that pulls can be told apart.
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// The certificate authority that weir is verified by. It is read here and copied to the node.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// No way past weir: a pull fails when weir does not answer or refuses.
    #[arg(long)]
    only: bool,
    /// A registry that is left as it is: with --only, those of the pause image and of weir's own.
    #[arg(long, value_name = "REGISTRY")]
    except: Vec<String>,
    /// Takes the place of files that weir did not write; they are kept, and put back by remove.
    #[arg(long)]
    adopt: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// The mirror the node should go to; without it the one that setup was given.
    #[arg(long, value_name = "URL")]
    mirror: Option<Url>,
    /// The node's name, for the answer.
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// As a table for people, or as JSON.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Whose upstreams are expected, where setup did not run.
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Table,
    Json,
}

pub(super) fn run(command: NodeCommand) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    match command {
        NodeCommand::Setup(args) => runtime.block_on(set_up(&args)),
        NodeCommand::Check(args) => runtime.block_on(check(args)),
        NodeCommand::Remove(args) => runtime.block_on(remove(&args)),
        NodeCommand::Run(args) => {
            run::start_log(&args);
            runtime.block_on(run::run(*args))
        }
    }
}

async fn set_up(args: &SetupArgs) -> anyhow::Result<ExitCode> {
    check_mirror(&args.mirror)?;
    let survey = Survey::of(&args.place).await;
    for finding in &survey.findings {
        eprintln!("weir: {}: {}: {}", finding.level.name(), finding.code.name(), finding.detail);
    }
    let certs_d = survey.writable().context("nothing was written: containerd would not read it")?;
    let plan = setup::plan(args, certs_d)?;
    let outcome = record::apply(&survey.root, certs_d, &plan, true)?;
    anyhow::ensure!(
        outcome.foreign.is_empty(),
        "nothing was written:\n{}",
        outcome.foreign.iter().map(|(file, why)| format!("  {}", foreign(file, *why))).collect::<Vec<_>>().join("\n")
    );
    for file in &outcome.written {
        println!("{}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

async fn check(args: CheckArgs) -> anyhow::Result<ExitCode> {
    if let Some(mirror) = &args.mirror {
        check_mirror(mirror)?;
    }
    let survey = Survey::of(&args.place).await;
    let registries = args.config.load()?.upstreams.into_iter().map(|upstream| upstream.name).collect();
    let expected = Expected { node: args.node, mirror: args.mirror, registries };
    let checked = check::check(&survey, &expected, Vec::new()).await;
    match args.format {
        Format::Table => print!("{}", show::table(&checked)),
        Format::Json => println!("{}", serde_json::to_string_pretty(&checked)?),
    }
    let failed = checked.findings.iter().any(|finding| finding.level == Level::Error);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn remove(args: &PlaceArgs) -> anyhow::Result<ExitCode> {
    let survey = Survey::of(args).await;
    let Some(outcome) = survey.remove()? else {
        println!("weir wrote nothing on this node");
        return Ok(ExitCode::SUCCESS);
    };
    for (verb, files) in [("removed", &outcome.removed), ("put back", &outcome.restored)] {
        files.iter().for_each(|file| println!("{verb} {}", file.display()));
    }
    for line in left(&outcome) {
        eprintln!("weir: warning: {line}");
    }
    Ok(ExitCode::SUCCESS)
}

/// What remove left where it is.
fn left(outcome: &Outcome) -> impl Iterator<Item = String> {
    let line = |(file, _): &(PathBuf, Foreign)| {
        format!("{} was changed since weir wrote it, and stays, as does an original beside it", file.display())
    };
    outcome.foreign.iter().map(line)
}

/// A file that weir does not write over, and why.
fn foreign(file: &Path, why: Foreign) -> String {
    let file = file.display();
    match why {
        Foreign::Before => {
            format!("{file} is not weir's; --adopt keeps it as {file}.before-weir, and remove puts it back")
        }
        Foreign::Changed => {
            format!(
                "{file} was changed since weir wrote it; --adopt keeps it as {file}.before-weir, and remove puts it back"
            )
        }
        Foreign::ChangedTwice => {
            format!(
                "{file} was changed since weir wrote it, and {file}.before-weir is kept already: move one of them away"
            )
        }
    }
}

impl PlaceArgs {
    fn root(&self) -> HostRoot {
        HostRoot::new(self.host_root.clone())
    }

    /// A path of the node, also where it was given as this process sees it.
    fn on_node(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.host_root).map_or_else(|_| path.to_owned(), |inside| Path::new("/").join(inside))
    }
}
