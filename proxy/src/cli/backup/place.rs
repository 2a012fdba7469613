//! Puts a restored index into its place: at once, or not at all.

use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use rustix::fs::{CWD, FlockOperation, RenameFlags, fcntl_lock, renameat_with};
use rustix::io::Errno;
use weir_storage::{Index, IndexError};

use crate::admin::local::socket_path;
use crate::app::Staging;

/// The data directory a backup is restored into, which no other weir uses meanwhile.
pub(super) struct Target {
    index: PathBuf,
    /// The lock of the index that is replaced, as RocksDB takes it.
    held: Option<File>,
    staging: Option<Staging>,
    /// Directories that were made for this, the deepest first, and that go again where nothing comes of it.
    made: Vec<PathBuf>,
}

impl Target {
    /// Refuses a directory with an index, unless it is to be replaced, and one that a process uses.
    pub(super) fn open(data: &Path, replace: bool) -> anyhow::Result<Self> {
        let index = data.join("index");
        if UnixStream::connect(socket_path(data)).is_ok() {
            bail!("a weir serves {}: stop it first", data.display());
        }
        let held = if is_empty(&index).with_context(|| index.display().to_string())? {
            None
        } else {
            ensure!(replace, "{} holds an index: name another --data, or replace it with --replace", data.display());
            Some(lock(&index)?)
        };
        let missing = |path: &&Path| matches!(path.try_exists(), Ok(false)) && !path.as_os_str().is_empty();
        let mut target = Self {
            index,
            held,
            staging: None,
            made: data.ancestors().take_while(missing).map(Path::to_owned).collect(),
        };
        target.staging = Some(Staging::new(data).with_context(|| data.display().to_string())?);
        Ok(target)
    }

    /// Where the index is unpacked.
    pub(super) fn staged(&self) -> PathBuf {
        self.staging.as_ref().map(|staging| staging.path().join("index")).unwrap_or_default()
    }

    /// Proves that this version can open what was unpacked, and exchanges it for what is there; that is removed in the end.
    pub(super) fn put_in_place(mut self) -> anyhow::Result<()> {
        let staged = self.staged();
        prove(&staged).context("the backup cannot be used; nothing was changed")?;
        let place = |path: &Path| path.display().to_string();
        match &self.held {
            None => std::fs::rename(&staged, &self.index).with_context(|| place(&self.index))?,
            Some(_) => {
                exchange(&staged, &self.index).with_context(|| place(&self.index))?;
                if let Err(error) = prove(&self.index) {
                    exchange(&staged, &self.index).with_context(|| place(&self.index))?;
                    return Err(error.context("the restored index does not open; the one before is in its place again"));
                }
            }
        }
        self.made.clear();
        let data = self.index.parent().unwrap_or(Path::new("."));
        File::open(data).and_then(|open| open.sync_all()).with_context(|| place(data))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.staging = None;
        for directory in &self.made {
            // One that is not empty is somebody's by now.
            let _: io::Result<()> = std::fs::remove_dir(directory);
        }
    }
}

fn is_empty(directory: &Path) -> io::Result<bool> {
    match std::fs::read_dir(directory) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Takes the lock that every weir takes, also of an index that does not open any more.
fn lock(index: &Path) -> anyhow::Result<File> {
    let path = index.join("LOCK");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| path.display().to_string())?;
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::AGAIN | Errno::ACCESS) => bail!("{} is in use by another process: stop it first", index.display()),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Opens it as `weir serve` does.
fn prove(index: &Path) -> anyhow::Result<()> {
    match Index::open(index).and_then(|index| index.sync()) {
        Ok(()) => Ok(()),
        Err(IndexError::Newer { found, .. }) => {
            bail!("it was written by a newer weir ({found}): restore it with that version")
        }
        Err(error) => Err(error.into()),
    }
}

/// Exchanges two directories at once, so that a process that is killed leaves the one or the other in place.
fn exchange(a: &Path, b: &Path) -> anyhow::Result<()> {
    match renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        Err(Errno::INVAL | Errno::NOSYS) => {
            // Not every file system can; the old one then lies beside for the moment between the two.
            let aside = b.with_extension("replaced");
            std::fs::rename(b, &aside)?;
            if let Err(error) = std::fs::rename(a, b) {
                std::fs::rename(&aside, b)?;
                return Err(error.into());
            }
            Ok(std::fs::rename(&aside, a)?)
        }
        Err(error) => Err(error.into()),
    }
}
