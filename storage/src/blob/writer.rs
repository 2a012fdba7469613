//! The one writer of a growing blob.
//!
//! Owns hashing and writing what was fetched, and ends in exactly one of two ways: [`BlobWriter::commit`] after the
//! digest was verified, or failed, which is what every other way of losing the writer means. Bytes are shown to the
//! readers as they are appended; hashing and writing follow in batches, side by side on two blocking threads, one batch at
//! a time, while the next one is being fetched.
//!
//! A write that fails does not end the fetch: see [`growth`](super::growth) for what readers get then. The digest is
//! still computed and still decides whether they see the last chunk.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;
use weir_scanner::oci::{Digest, DigestHasher};

use super::error::BlobError;
use super::growth::Growth;
use super::partial::PartialFile;
use super::reader::BlobReader;
use super::store::Shared;
use super::window::weight;

/// How many bytes are hashed and written at once: few enough to stay in a core's cache, enough to make the hop to the
/// blocking thread cheap.
const BATCH: usize = 512 << 10;

/// Appends to a blob and then commits it or fails; dropped without a commit, the blob has failed.
///
/// Every method is cancel-safe: a call whose future is dropped has either taken all of its bytes or none.
#[derive(Debug)]
pub struct BlobWriter {
    flight: Box<Flight>,
    hasher: Worker<DigestHasher>,
    disk: Worker<Disk>,
    batch: Vec<Bytes>,
    batch_weight: usize,
}

/// One of the two that work on batches: here, or away on a blocking thread.
#[derive(Debug)]
enum Worker<T> {
    Here(Box<T>),
    Away(oneshot::Receiver<Box<T>>),
    /// Its job panicked, or was not run because the store is closed.
    Lost,
}

impl<T> Worker<T> {
    /// Waits until it is back.
    async fn settle(&mut self) -> Result<(), BlobError> {
        if let Self::Away(job) = self {
            *self = job.await.map_or(Self::Lost, Self::Here);
        }
        if matches!(self, Self::Here(_)) { Ok(()) } else { Err(BlobError::WriterGone) }
    }

    fn take(&mut self) -> Option<Box<T>> {
        match std::mem::replace(self, Self::Lost) {
            Self::Here(worker) => Some(worker),
            other => {
                *self = other;
                None
            }
        }
    }
}

/// What became of a committed blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The blob's length in bytes.
    pub len: u64,
    /// Whether it was stored. A blob the disk did not take was served to its readers and is gone with them.
    pub stored: bool,
}

impl BlobWriter {
    pub(crate) fn new(shared: Arc<Shared>, digest: Digest, growth: Arc<Growth>) -> Self {
        let hasher = Worker::Here(Box::new(DigestHasher::new(digest.algorithm())));
        let disk = Worker::Here(Box::new(Disk {
            partial: PartialFile::new(Arc::clone(&shared), &digest),
            shared: Arc::clone(&shared),
            growth: Arc::clone(&growth),
            written: 0,
        }));
        let flight = Box::new(Flight { shared, digest, growth, cause: BlobError::WriterGone });
        Self { flight, hasher, disk, batch: Vec::new(), batch_weight: 0 }
    }

    /// The digest this blob must have.
    pub fn digest(&self) -> &Digest {
        &self.flight.digest
    }

    /// How many bytes were appended: where a fetch that was cut goes on.
    pub fn position(&self) -> u64 {
        self.flight.growth.len()
    }

    /// A new reader of this blob, from its first byte.
    pub fn reader(&self) -> BlobReader {
        let growth = &self.flight.growth;
        BlobReader::growing(Arc::clone(&self.flight.shared), self.flight.digest, growth.follow_anyway())
    }

    /// Announces the blob's length in bytes, from Content-Length or the descriptor. Readers learn it at once.
    ///
    /// # Errors
    /// [`BlobError::LengthMismatch`] where another length was announced before, or more bytes came already; the
    /// writer is then best given up with [`BlobWriter::fail`].
    pub fn set_expected_len(&self, len: u64) -> Result<(), BlobError> {
        self.flight.growth.expect_len(len)
    }

    /// Takes the next bytes. Waits only where hashing and writing lag behind, or, when the disk is full, for readers.
    ///
    /// # Errors
    /// [`BlobError::LengthMismatch`] where more comes than was announced; [`BlobError::Abandoned`] where neither the
    /// disk nor a reader takes the bytes. The blob has then failed as soon as the writer is dropped.
    pub async fn append(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.flight.growth.room().await.inspect_err(|error| self.flight.cause = error.clone())?;
        if self.batch_weight >= BATCH {
            self.settle().await?;
            self.start();
        }
        self.flight.growth.push(bytes.clone()).inspect_err(|error| self.flight.cause = error.clone())?;
        self.batch_weight += weight(&bytes);
        self.batch.push(bytes);
        if self.batch_weight >= BATCH {
            self.start();
        }
        Ok(())
    }

    /// Verifies length and digest, shows the rest to the readers, and stores the blob.
    ///
    /// The readers do not wait for the disk: they see the end as soon as the digest is verified. Other callers find
    /// the blob stored only after fsync and rename. Once it verifies, this runs to its end even if the future is dropped.
    ///
    /// # Errors
    /// [`BlobError::LengthMismatch`] or [`BlobError::DigestMismatch`], which every reader gets too. That the blob
    /// could not be stored is not an error: see [`Committed::stored`].
    pub async fn commit(mut self) -> Result<Committed, BlobError> {
        self.settle().await?;
        let (hasher, disk) = (self.hasher.take(), self.disk.take());
        let (hasher, disk) = hasher.zip(disk).expect("settle leaves both here or fails");
        let Self { flight, batch, .. } = self;
        let shared = Arc::clone(&flight.shared);
        let finished = shared.background.call("blob-commit", move || disk.finish(*hasher, *flight, &batch)).await;
        finished.unwrap_or(Err(BlobError::WriterGone))
    }

    /// Gives up; every reader gets `cause`.
    pub fn fail(mut self, cause: BlobError) {
        self.flight.cause = cause;
    }

    /// Waits for the batch that is being hashed and written.
    async fn settle(&mut self) -> Result<(), BlobError> {
        self.hasher.settle().await?;
        self.disk.settle().await
    }

    /// Hashes and writes the batch on blocking threads; only while no other batch is there.
    fn start(&mut self) {
        if !matches!((&self.hasher, &self.disk), (Worker::Here(_), Worker::Here(_))) {
            return;
        }
        let (Some(mut hasher), Some(mut disk)) = (self.hasher.take(), self.disk.take()) else { return };
        let batch = std::mem::take(&mut self.batch);
        self.batch_weight = 0;
        let background = &self.flight.shared.background;
        let hashed = batch.clone();
        self.disk = Worker::Away(background.call("blob-write", move || {
            disk.write(&batch);
            disk
        }));
        self.hasher = Worker::Away(background.call("blob-hash", move || {
            hash(&mut hasher, &hashed);
            hasher
        }));
    }
}

fn hash(hasher: &mut DigestHasher, batch: &[Bytes]) {
    batch.iter().for_each(|chunk| hasher.update(chunk));
}

/// What writes the bytes, on a blocking thread.
struct Disk {
    shared: Arc<Shared>,
    partial: PartialFile,
    growth: Arc<Growth>,
    /// Bytes the file holds.
    written: u64,
}

impl Disk {
    /// Writes the batch, unless the disk has refused one before.
    fn write(&mut self, batch: &[Bytes]) {
        if self.growth.degraded() || batch.is_empty() {
            return;
        }
        let written = self.partial.write(batch).and_then(|()| self.partial.open().cloned());
        match written {
            Ok(file) => {
                self.growth.opened(file);
                self.written += batch.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
                self.growth.written(self.written);
            }
            Err(error) => {
                tracing::warn!(%error, "a blob is passed on without being stored");
                self.growth.degrade();
                Shared::evict_soon(&self.shared);
            }
        }
    }

    fn finish(mut self, mut hasher: DigestHasher, mut flight: Flight, batch: &[Bytes]) -> Result<Committed, BlobError> {
        hash(&mut hasher, batch);
        let len = self.growth.len();
        let digest = hasher.finish();
        self.growth
            .expect_len(len)
            .and_then(|()| flight.verify(digest))
            .inspect_err(|error| flight.cause = error.clone())?;
        // The fsync is not the readers' business: they see the end now.
        self.growth.complete();
        self.write(batch);
        if self.growth.degraded() {
            return Ok(Committed { len, stored: false });
        }
        let stored = match self.partial.rename(&flight.digest) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "a blob could not be stored");
                Shared::evict_soon(&self.shared);
                false
            }
        };
        if stored {
            flight.land(len);
        }
        Ok(Committed { len, stored })
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("partial", &self.partial).field("written", &self.written).finish_non_exhaustive()
    }
}

/// The blob's place in the table of those being written; dropping it without landing means the blob failed.
#[derive(Debug)]
struct Flight {
    shared: Arc<Shared>,
    digest: Digest,
    growth: Arc<Growth>,
    cause: BlobError,
}

impl Flight {
    fn verify(&self, actual: Digest) -> Result<(), BlobError> {
        if actual == self.digest {
            return Ok(());
        }
        Err(BlobError::DigestMismatch { expected: Box::new(self.digest), actual: Box::new(actual) })
    }

    /// Counts the blob as stored before its flight ends, so that no claim finds neither.
    fn land(&self, len: u64) {
        self.shared.stored(self.digest, len);
        self.growth.stored();
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // A growth that is complete stays complete.
        self.growth.fail(self.cause.clone());
        self.shared.flights.end(&self.digest, &self.growth);
    }
}
