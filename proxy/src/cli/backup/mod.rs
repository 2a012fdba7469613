//! `weir backup` and `weir restore`.
//!
//! A backup is one tar, written and read as a stream: `weir-backup.json`, which says what follows, the files of an index of one moment,
//! and `SHA256SUMS` over all of them, which ends it. Blobs are a cache and not in it.

mod place;
mod read;
mod write;

use std::fs::File;
use std::io::{self, BufReader, IsTerminal as _, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::{Deserialize, Serialize};
use weir_storage::Index;

use self::place::Target;
use self::write::Output;
use super::DataArgs;
use crate::admin::local::{Borrowed, LocalRequest, borrow};
use crate::app::Staging;
use crate::clock::Clock;

/// The form of backups this version writes; it reads all up to it.
const FORMAT: u32 = 1;
/// The first entry.
const HEADER: &str = "weir-backup.json";
/// The last entry.
const SUMS: &str = "SHA256SUMS";
/// What the names of the index's files begin with.
const INDEX: &str = "index/";
/// Bytes read and written at a time.
const PIECE: usize = 256 << 10;
/// The lowest priority: a processor that something else wants is left to it, and so is a disk whose scheduler asks.
const LOWEST: i32 = 19;

/// The first entry of a backup. Later versions may add to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    /// The backup's form.
    format: u32,
    /// The version of weir that wrote it.
    weir: String,
    /// When the copy was made, RFC 3339.
    created_at: String,
    /// Files of the index that follow.
    files: u64,
    /// Their bytes together.
    bytes: u64,
}

#[derive(Args, Debug)]
pub(super) struct BackupArgs {
    /// The file to write; one that is there is replaced once the backup is whole. `-` writes to standard output.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Args, Debug)]
pub(super) struct RestoreArgs {
    /// The backup to read. `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Puts it in the place of the index that is there, which is kept until the new one is proven.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    data: DataArgs,
}

pub(super) fn backup(args: BackupArgs) -> anyhow::Result<ExitCode> {
    give_way();
    let data = args.data.load()?.data.directory;
    let began = Instant::now();
    let output = Output::create(&args.out)?;
    let copy = copied(&data)?;
    let bar = progress("backing up");
    let written = write::write(output, &copy.path(), Clock::system().now(), &bar)?;
    bar.finish_and_clear();
    let (place, seconds) = (args.out.display(), began.elapsed().as_secs_f64());
    let line = format!("{place}: {} bytes, {} files, {seconds:.1} s", written.bytes, written.files);
    // Standard output may be the backup itself.
    if is_stream(&args.out) {
        eprintln!("{line}")
    } else {
        println!("{line}")
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn restore(args: RestoreArgs) -> anyhow::Result<ExitCode> {
    let data = args.data.load()?.data.directory;
    let began = Instant::now();
    let target = Target::open(&data, args.replace)?;
    let from: Box<dyn Read> = if is_stream(&args.from) {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(&args.from).with_context(|| args.from.display().to_string())?)
    };
    let bar = progress("restoring");
    let staged = target.staged();
    let header = read::unpack(BufReader::with_capacity(PIECE, from), &staged, &bar)
        .with_context(|| format!("{} is not restored, {} is as it was", args.from.display(), data.display()))?;
    bar.set_message("opening");
    target.put_in_place()?;
    bar.finish_and_clear();
    let Header { created_at, weir, files, bytes, .. } = header;
    let (from, place, seconds) = (args.from.display(), data.display(), began.elapsed().as_secs_f64());
    println!("{from} of {created_at} (weir {weir}) is in {place}: {bytes} bytes, {files} files, {seconds:.1} s");
    Ok(ExitCode::SUCCESS)
}

/// A copy of the index of one moment, which goes with this.
enum Copied {
    /// A running weir made it and removes it.
    Lent(Borrowed),
    /// There is none, so it was made here.
    Own(Staging),
}

impl Copied {
    fn path(&self) -> PathBuf {
        match self {
            Self::Lent(lent) => PathBuf::from(lent.what()),
            Self::Own(staging) => staging.path().join("index"),
        }
    }
}

/// Has the process that serves `data` copy its index, or does so itself where there is none.
fn copied(data: &Path) -> anyhow::Result<Copied> {
    match borrow(data, &LocalRequest::Checkpoint) {
        Ok(lent) => return Ok(Copied::Lent(lent)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
        Err(error) => return Err(error).context("the running weir made no copy of its index"),
    }
    let index = data.join("index");
    let present = index.join("CURRENT").try_exists().with_context(|| index.display().to_string())?;
    anyhow::ensure!(present, "{} holds no index", data.display());
    crate::app::sweep(data).with_context(|| data.display().to_string())?;
    let staging = Staging::new(data).with_context(|| data.display().to_string())?;
    Index::checkpoint_at_rest(&index, &staging.path().join("index"))?;
    Ok(Copied::Own(staging))
}

fn is_stream(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Leaves processors and disks to those who pull.
fn give_way() {
    // Whoever runs it may have taken even that right away; the backup is right all the same.
    let _: Result<(), _> = rustix::process::setpriority_process(None, LOWEST);
}

fn progress(message: &'static str) -> ProgressBar {
    let target = if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(0), target).with_message(message);
    match ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} ({elapsed})") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
