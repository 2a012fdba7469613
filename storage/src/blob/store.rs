//! The blob store: everything a caller starts from.
//!
//! Owns opening the directory, looking for stored blobs and what is known about the whole. The file system is the only
//! truth about what is stored: a blob is stored exactly when its file is there, and was last used when the file's
//! modification time says.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use weir_scanner::oci::Digest;

use super::background::Background;
use super::error::BlobError;
use super::evict::{Ledger, Usage};
use super::flight::Flights;
use super::layout::Layout;
use super::reader::BlobReader;
use super::recover;

/// How much older a blob's time of last use may be than its last use.
const TOUCH_INTERVAL: Duration = Duration::from_secs(60);

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Tells how many bytes a file system has left, given a directory on it.
pub type FreeSpace = Arc<dyn Fn(&Path) -> io::Result<u64> + Send + Sync>;

/// What a store needs to know.
#[derive(Clone)]
pub struct BlobStoreConfig {
    /// Where `blobs` and `partial` lie; made where missing.
    pub directory: PathBuf,
    /// How many bytes stored blobs may take.
    pub budget_bytes: u64,
    /// How many bytes of the file system are left to others, the index among them: below that, blobs are passed on
    /// without being stored, and stored ones leave.
    pub reserve_bytes: u64,
    /// Tells the time of a use.
    pub clock: Clock,
    /// Tells what the file system has left: [`free_space`], where nothing else is to be tried.
    pub free_space: FreeSpace,
}

impl fmt::Debug for BlobStoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobStoreConfig")
            .field("directory", &self.directory)
            .field("budget_bytes", &self.budget_bytes)
            .field("reserve_bytes", &self.reserve_bytes)
            .finish_non_exhaustive()
    }
}

/// The bytes an ordinary process may still write to the file system of `directory`.
///
/// # Errors
/// What `statvfs(3)` says.
pub fn free_space(directory: &Path) -> io::Result<u64> {
    let space = rustix::fs::statvfs(directory)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// What is known of a stored blob without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredInfo {
    /// Its length in bytes.
    pub size: u64,
    /// When it was last used, to the minute.
    pub used: SystemTime,
}

/// The blobs below one directory, which one process at a time may have open. Clones are the same store.
#[derive(Clone, Debug)]
pub struct BlobStore {
    pub(crate) shared: Arc<Shared>,
}

/// What all clones, readers and writers of a store share.
pub(crate) struct Shared {
    pub(crate) layout: Layout,
    pub(crate) reserve_bytes: u64,
    clock: Clock,
    free_space: FreeSpace,
    pub(crate) flights: Flights,
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) background: Background,
    /// An eviction is about to start.
    pub(crate) evicting: AtomicBool,
    /// Held by the eviction that runs.
    pub(crate) eviction: Mutex<()>,
    partials: AtomicU64,
}

impl BlobStore {
    /// Opens the directory: makes it where it is missing, removes what was never finished, and starts to count what is
    /// stored. Must be called within a tokio runtime, whose blocking threads do the work.
    ///
    /// # Errors
    /// [`BlobError::Io`] where the directory cannot be made or swept.
    pub async fn open(config: BlobStoreConfig) -> Result<Self, BlobError> {
        let layout = Layout::new(&config.directory);
        let prepared = layout.clone();
        let swept = tokio::task::spawn_blocking(move || recover::prepare(&prepared))
            .await
            .map_err(|stopped| BlobError::io(&config.directory, io::Error::other(stopped)))??;
        if swept > 0 {
            tracing::info!(files = swept, "partial blobs of an earlier run were removed");
        }
        let shared = Arc::new(Shared {
            layout,
            reserve_bytes: config.reserve_bytes,
            clock: config.clock,
            free_space: config.free_space,
            flights: Flights::default(),
            ledger: Mutex::new(Ledger::new(config.budget_bytes)),
            background: Background::new(tokio::runtime::Handle::current()),
            evicting: AtomicBool::new(false),
            eviction: Mutex::default(),
            partials: AtomicU64::new(0),
        });
        let walking = Arc::clone(&shared);
        shared.background.run("blob-walk", move || recover::walk(&walking));
        Ok(Self { shared })
    }

    /// Opens a blob that is stored, and notes the use. An error of the disk is logged, and the blob counts as missing:
    /// it can still be fetched.
    pub async fn open_stored(&self, digest: &Digest) -> Option<BlobReader> {
        let (shared, digest) = (Arc::clone(&self.shared), *digest);
        let opened = tokio::task::spawn_blocking(move || {
            let (file, len) = shared.open_stored(&digest)?;
            Some(BlobReader::stored(shared, digest, Arc::new(file), len))
        });
        opened.await.ok().flatten()
    }

    /// Whether a blob is stored, without opening it or counting as a use.
    pub async fn stored(&self, digest: &Digest) -> Option<StoredInfo> {
        let metadata = tokio::fs::metadata(self.shared.layout.blob(digest)).await.ok().filter(fs::Metadata::is_file)?;
        Some(StoredInfo { size: metadata.len(), used: metadata.modified().ok()? })
    }

    /// Whether a blob is stored or being written.
    pub async fn has(&self, digest: &Digest) -> bool {
        self.shared.flights.has(digest) || self.stored(digest).await.is_some()
    }

    /// Names the blobs of running workloads, in place of those named before: they are evicted last.
    pub fn set_running(&self, running: HashSet<Digest>) {
        super::lock(&self.shared.ledger).set_running(running);
    }

    /// What the store holds, and has evicted.
    pub fn usage(&self) -> Usage {
        let (partials, partial_bytes) = self.shared.flights.partial();
        Usage { partials: partials as u64, partial_bytes, ..super::lock(&self.shared.ledger).usage() }
    }

    /// Bytes the file system has left. Blocks.
    ///
    /// # Errors
    /// What the file system says.
    pub fn available(&self) -> io::Result<u64> {
        self.shared.available()
    }

    /// Takes no more bytes and waits for the work under way. Writers that are still open fail; readers of stored blobs
    /// go on.
    pub async fn close(&self) {
        self.shared.background.close().await;
    }
}

impl Shared {
    /// A number no other partial file of this process has.
    pub(crate) fn next_partial(&self) -> u64 {
        self.partials.fetch_add(1, Ordering::Relaxed)
    }

    /// Bytes the file system has left.
    pub(crate) fn available(&self) -> io::Result<u64> {
        (self.free_space)(self.layout.blobs())
    }

    /// Whether the file system has more left than the reserve; the error says that it has not.
    pub(crate) fn has_space(&self) -> io::Result<()> {
        if self.available()? > self.reserve_bytes { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    /// Counts a blob that has just been stored.
    pub(crate) fn stored(self: &Arc<Self>, digest: Digest, len: u64) {
        super::lock(&self.ledger).note(digest, len, (self.clock)());
        Self::evict_soon(self);
    }

    /// Opens a stored blob and notes its use; blocks.
    fn open_stored(&self, digest: &Digest) -> Option<(File, u64)> {
        let path = self.layout.blob(digest);
        let opened = File::open(&path).and_then(|file| file.metadata().map(|metadata| (file, metadata)));
        let (file, metadata) = match opened {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a stored blob cannot be opened");
                return None;
            }
        };
        if !metadata.is_file() {
            return None;
        }
        let now = (self.clock)();
        let mut used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        // The file of a time to come, after a clock was set back, is touched too.
        if now.duration_since(used).map_or(true, |age| age >= TOUCH_INTERVAL) {
            match file.set_modified(now) {
                Ok(()) => used = now,
                Err(error) => tracing::debug!(path = %path.display(), %error, "the use of a blob is not noted"),
            }
        }
        super::lock(&self.ledger).note(*digest, metadata.len(), used);
        Some((file, metadata.len()))
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("layout", &self.layout).finish_non_exhaustive()
    }
}
