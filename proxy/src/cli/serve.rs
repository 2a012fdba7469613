//! `weir serve`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::DataArgs;
use crate::app::{App, start_logging};
use crate::clock::Clock;

/// How long threads that cannot be stopped get after everything else has ended.
const LAST: Duration = Duration::from_secs(1);

#[derive(Args, Debug)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    data: DataArgs,
}

pub(super) fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let config = args.data.load()?;
    start_logging(&config.log);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("weir").build().context("no runtime")?;
    let ended = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let app = App::start(config, Clock::system()).await?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        app.stop().await;
        Ok(ExitCode::SUCCESS)
    });
    // An import may still be writing; what it has not finished it begins again at the next start.
    runtime.shutdown_timeout(LAST);
    ended
}
