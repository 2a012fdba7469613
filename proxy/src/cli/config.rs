//! `weir config check`: every mistake at once, with its key path and line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Lists every mistake and warning; exits 1 if there is a mistake.
    Check {
        /// The configuration file; without one the defaults with the environment's overrides are checked.
        file: Option<PathBuf>,
    },
}

pub(super) fn run(command: ConfigCommand) -> anyhow::Result<ExitCode> {
    let ConfigCommand::Check { file } = command;
    let checked = weir_config::load(file.as_deref(), super::environment())?;
    for mistake in &checked.mistakes {
        println!("mistake: {mistake}");
    }
    for warning in &checked.warnings {
        println!("warning: {warning}");
    }
    let name = file.map_or_else(|| "the embedded configuration".to_owned(), |file| file.display().to_string());
    match (checked.mistakes.len(), checked.warnings.len()) {
        (0, 0) => println!("{name}: no mistakes"),
        (0, warnings) => println!("{name}: no mistakes, {warnings} to look at"),
        (mistakes, _) => println!("{name}: {mistakes} to mend"),
    }
    Ok(if checked.mistakes.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
