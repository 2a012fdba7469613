//! `weir token create`, `list` and `revoke`, in the running process where there is one, else in the data directory itself.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use comfy_table::Table;

use super::{DataArgs, running};
use crate::admin::local::LocalRequest;
use crate::app::{create_token, open_index, revoke_token};
use crate::auth::{NewToken, TokenLine, Tokens};
use crate::clock::{Clock, rfc3339};
use crate::report::columns;

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Makes a token and prints it; nothing can show it again.
    Create(CreateArgs),
    /// Prints the tokens there are, without their secrets.
    List {
        #[command(flatten)]
        data: DataArgs,
    },
    /// Ends a token at once, also in a running weir.
    Revoke {
        /// Its id, the part between the two underscores.
        id: String,
        #[command(flatten)]
        data: DataArgs,
    },
}

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// What it may do: viewer, editor, administrator or agent.
    #[arg(long)]
    role: String,
    /// What people call it.
    #[arg(long)]
    name: Option<String>,
    /// The one cluster an agent may report as; without it, the first it reports as.
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// How long it is good for, such as 90d; for ever without it.
    #[arg(long, value_name = "DURATION", value_parser = weir_config::parse_duration)]
    expires: Option<Duration>,
    #[command(flatten)]
    data: DataArgs,
}

pub(super) fn run(command: TokenCommand) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        match command {
            TokenCommand::Create(args) => create(args).await,
            TokenCommand::List { data } => list(&data.load()?.data.directory).await,
            TokenCommand::Revoke { id, data } => revoke(id, &data.load()?.data.directory).await,
        }
    })
}

async fn create(args: CreateArgs) -> anyhow::Result<ExitCode> {
    let directory = args.data.load()?.data.directory;
    let lifetime_seconds = args.expires.map(|span| i64::try_from(span.as_secs()).unwrap_or(i64::MAX));
    let token = NewToken { role: args.role, name: args.name, cluster: args.cluster, lifetime_seconds };
    let text: String = match running(&directory, LocalRequest::CreateToken { token: token.clone() }, |_| {}).await? {
        Some(text) => text,
        None => create_token(&open_index(&directory)?, token, Clock::system().now())?,
    };
    println!("{text}");
    eprintln!("weir: keep this token now: only its hash is stored, and nothing can show it again");
    Ok(ExitCode::SUCCESS)
}

async fn list(directory: &Path) -> anyhow::Result<ExitCode> {
    let lines: Vec<TokenLine> = match running(directory, LocalRequest::ListTokens, |_| {}).await? {
        Some(lines) => lines,
        None => Tokens::new(open_index(directory)?).list()?,
    };
    if lines.is_empty() {
        println!("no tokens yet: `weir token create` makes one");
    } else {
        println!("{}", token_table(&lines, Clock::system().now()));
    }
    Ok(ExitCode::SUCCESS)
}

async fn revoke(id: String, directory: &Path) -> anyhow::Result<ExitCode> {
    let revoked: bool = match running(directory, LocalRequest::RevokeToken { id: id.clone() }, |_| {}).await? {
        Some(revoked) => revoked,
        None => revoke_token(&open_index(directory)?, &id, Clock::system().now())?,
    };
    // A whole token given by mistake stays out of the terminal's scrollback.
    anyhow::ensure!(revoked, "there is no token of that id: `weir token list` shows them");
    println!("token {id} is revoked");
    Ok(ExitCode::SUCCESS)
}

fn token_table(lines: &[TokenLine], now: i64) -> Table {
    let mut table = columns(&["ID", "NAME", "ROLE", "CLUSTER", "CREATED", "EXPIRES", "STATE"], &[]);
    for line in lines {
        table.add_row([
            &line.id,
            &line.name,
            &line.role,
            line.cluster.as_deref().unwrap_or_default(),
            &rfc3339(line.created_at),
            &line.expires_at.map_or_else(|| "never".to_owned(), rfc3339),
            line.state(now),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_what_each_token_is_and_whether_it_holds() {
        let line = TokenLine {
            id: "abcdefgh".into(),
            name: "ci".into(),
            role: "viewer".into(),
            cluster: None,
            created_at: 1_700_000_000,
            expires_at: Some(1_700_000_060),
            revoked_at: None,
        };
        let agent = TokenLine { role: "agent".into(), cluster: Some("east".into()), expires_at: None, ..line.clone() };
        let shown = token_table(&[line, agent], 1_700_000_060).to_string();
        let rows: Vec<&str> = shown.lines().collect();
        assert!(
            rows[1].contains("abcdefgh") && rows[1].contains("2023-11-14T22:14:20Z") && rows[1].contains("expired")
        );
        assert!(rows[2].contains("east") && rows[2].contains("never") && rows[2].contains("active"), "{shown}");
    }
}
