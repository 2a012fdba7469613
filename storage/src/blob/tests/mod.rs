//! The blob store as its callers see it, on a real directory.

mod degraded;
mod follow;
mod keep;
mod write;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tempfile::TempDir;
use weir_scanner::oci::Digest;

use super::{BlobError, BlobReader, BlobStore, BlobStoreConfig, BlobWriter, Claim};

const MIB: usize = 1 << 20;

/// A store on a directory of its own, with a clock and a disk that the test sets.
struct Harness {
    directory: TempDir,
    store: BlobStore,
    seconds: Arc<AtomicU64>,
    available: Arc<AtomicU64>,
}

impl Harness {
    async fn new() -> Self {
        Self::with_budget(u64::MAX).await
    }

    async fn with_budget(budget: u64) -> Self {
        Self::on(TempDir::new().unwrap(), budget).await
    }

    async fn on(directory: TempDir, budget_bytes: u64) -> Self {
        let seconds = Arc::new(AtomicU64::new(1_000_000));
        let available = Arc::new(AtomicU64::new(u64::MAX));
        let (now, left) = (Arc::clone(&seconds), Arc::clone(&available));
        let store = BlobStore::open(BlobStoreConfig {
            directory: directory.path().to_owned(),
            budget_bytes,
            reserve_bytes: 1000,
            clock: Arc::new(move || time(now.load(Ordering::SeqCst))),
            free_space: Arc::new(move |_| Ok(left.load(Ordering::SeqCst))),
        })
        .await
        .unwrap();
        store.shared.background.drain().await;
        Self { directory, store, seconds, available }
    }

    /// Opens the directory again, as after a restart.
    async fn reopen(self, budget: u64) -> Self {
        self.store.close().await;
        Self::on(self.directory, budget).await
    }

    async fn fetch(&self, digest: &Digest) -> (BlobWriter, BlobReader) {
        match self.store.claim(digest).await {
            Claim::Fetch(writer, reader) => (writer, reader),
            other => panic!("expected to fetch, got {other:?}"),
        }
    }

    async fn put(&self, content: &[u8]) -> Digest {
        let digest = Digest::of(content);
        let (mut writer, _) = self.fetch(&digest).await;
        writer.append(Bytes::copy_from_slice(content)).await.unwrap();
        assert!(writer.commit().await.unwrap().stored);
        digest
    }

    async fn settled(&self) -> &BlobStore {
        self.store.shared.background.drain().await;
        &self.store
    }

    /// Every file below the directory once background work is done: committed ones and partial ones.
    async fn files(&self) -> (Vec<String>, Vec<String>) {
        self.settled().await;
        let below = |name| names(&self.directory.path().join(name));
        (below("blobs"), below("partial"))
    }

    fn fill_disk(&self) {
        self.available.store(0, Ordering::SeqCst);
    }

    fn set_seconds(&self, seconds: u64) {
        self.seconds.store(seconds, Ordering::SeqCst);
    }
}

fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn names(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(names(&entry.path()));
        } else {
            found.push(entry.file_name().into_string().unwrap());
        }
    }
    found.sort();
    found
}

/// Bytes without a pattern that a wrong offset could hide in.
fn content(len: usize) -> Bytes {
    let mut state: u64 = len as u64 + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Appends everything in pieces.
async fn append_all(writer: &mut BlobWriter, content: &Bytes, piece: usize) {
    for start in (0..content.len()).step_by(piece) {
        writer.append(content.slice(start..content.len().min(start + piece))).await.unwrap();
    }
}

/// Reads to the end, or to an error; what came before counts either way.
async fn read_all(mut reader: BlobReader) -> (Vec<u8>, Option<BlobError>) {
    let mut all = Vec::new();
    loop {
        match reader.next_chunk().await {
            Ok(Some(chunk)) => {
                assert!(!chunk.is_empty(), "a chunk has at least one byte");
                all.extend_from_slice(&chunk);
            }
            Ok(None) => return (all, None),
            Err(error) => return (all, Some(error)),
        }
    }
}

async fn read_ok(reader: BlobReader) -> Vec<u8> {
    let (all, error) = read_all(reader).await;
    assert!(error.is_none(), "{error:?} after {} bytes", all.len());
    all
}

/// What a reader can see now, without waiting.
async fn read_available(reader: &mut BlobReader) -> usize {
    let mut count = 0;
    loop {
        tokio::select! {
            biased;
            chunk = reader.next_chunk() => match chunk {
                Ok(Some(chunk)) => count += chunk.len(),
                Ok(None) | Err(_) => return count,
            },
            () = std::future::ready(()) => return count,
        }
    }
}
