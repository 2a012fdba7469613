//! One reader of a blob, whole or a range of it, stored or still growing.
//!
//! Owns a position and at most one buffer, which exists only while bytes come from the file: those that keep up with a
//! growing blob get the upstream's own buffers, shared. A reader never ends early: where the blob fails, or its file
//! is shorter than it was, it gets an error and not the end.
//!
//! Bytes the page cache holds are read on the spot, as `RWF_NOWAIT` promises not to wait for the disk; only the others
//! cost a hop to a blocking thread.

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use rustix::io::{Errno, ReadWriteFlags};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};
use tokio::task::JoinHandle;
use weir_scanner::oci::Digest;

use super::buffer::Spare;
use super::error::BlobError;
use super::evict::OpenBlob;
use super::growth::{Cursor, Follower, Progress, Step};
use super::store::Shared;

/// The size of a reader's buffer in bytes: larger ones leave the core's cache between the file and the socket.
const BUFFER: usize = 128 << 10;

/// Reads a blob, following it while it grows.
///
/// Take [`next_chunk`](Self::next_chunk) for bodies: its chunks are not copied again. The [`AsyncRead`] and
/// [`AsyncBufRead`] sides are for decoders.
#[derive(Debug)]
pub struct BlobReader {
    source: Source,
    cursor: Cursor,
    /// A read under way on a blocking thread.
    read: Option<JoinHandle<(Vec<u8>, io::Result<usize>)>>,
    /// What `poll_fill_buf` showed and nobody consumed yet.
    head: Bytes,
    spare: Arc<Spare>,
    /// The file system cannot promise not to wait.
    always_blocks: bool,
    open: OpenBlob,
}

#[derive(Debug)]
enum Source {
    Stored { file: Arc<File>, len: u64 },
    Growing(Follower),
}

impl BlobReader {
    pub(crate) fn stored(shared: Arc<Shared>, digest: Digest, file: Arc<File>, len: u64) -> Self {
        Self::new(shared, digest, Source::Stored { file, len })
    }

    pub(crate) fn growing(shared: Arc<Shared>, digest: Digest, follower: Follower) -> Self {
        Self::new(shared, digest, Source::Growing(follower))
    }

    fn new(shared: Arc<Shared>, digest: Digest, source: Source) -> Self {
        Self {
            source,
            cursor: Cursor { position: 0, end: None, unverified: false },
            read: None,
            head: Bytes::new(),
            spare: Arc::default(),
            always_blocks: false,
            open: OpenBlob::new(shared, digest),
        }
    }

    /// A new reader of the same blob, from its first byte, as a client sees it.
    pub fn another(&self) -> Self {
        let source = match &self.source {
            Source::Stored { file, len } => Source::Stored { file: Arc::clone(file), len: *len },
            Source::Growing(follower) => Source::Growing(follower.growth().follow_anyway()),
        };
        Self::new(Arc::clone(&self.open.shared), self.open.digest, source)
    }

    /// Reads only the bytes from `start` up to, not including, `end`; `None` reads to the blob's end. To be called
    /// before anything was read. The last byte of a range waits for the digest as the blob's last chunk does: no
    /// client completes any part of a wrong blob.
    #[must_use]
    pub fn range(mut self, start: u64, end: Option<u64>) -> Self {
        self.cursor.position = start;
        self.cursor.end = end;
        self.place();
        self
    }

    /// Also reads bytes whose digest was not verified yet, for a scanner that throws its result away where the blob
    /// fails: it gets an error in place of the end then.
    #[must_use]
    pub fn unverified(mut self) -> Self {
        self.cursor.unverified = true;
        self.place();
        self
    }

    /// Lets the writer know at once, should it wait for this reader.
    fn place(&self) {
        if let Source::Growing(follower) = &self.source {
            follower.place(self.cursor);
        }
    }

    /// Reads as on a file system that cannot promise not to wait.
    #[cfg(test)]
    pub(crate) fn always_blocking(mut self) -> Self {
        self.always_blocks = true;
        self
    }

    /// Which blob this reads.
    pub fn digest(&self) -> &Digest {
        &self.open.digest
    }

    /// The offset in the blob of the next byte.
    pub fn position(&self) -> u64 {
        self.cursor.position - self.head.len() as u64
    }

    /// How far the blob has come: for a range far ahead, whether to wait or to ask the upstream for it.
    pub fn progress(&self) -> Progress {
        match &self.source {
            Source::Stored { len, .. } => Progress::Complete { len: *len },
            Source::Growing(follower) => follower.growth().progress(),
        }
    }

    /// The blob's length in bytes, where it is known or was announced.
    pub fn len_hint(&self) -> Option<u64> {
        match self.progress() {
            Progress::Growing { expected, .. } => expected,
            Progress::Complete { len } => Some(len),
            Progress::Failed(_) => None,
        }
    }

    /// Waits until bytes are certain to come: the upstream announced a length, or sent the first of them. The length,
    /// where it is known by then.
    ///
    /// # Errors
    /// What the blob failed with before.
    pub async fn started(&self) -> Result<Option<u64>, BlobError> {
        match &self.source {
            Source::Stored { len, .. } => Ok(Some(*len)),
            Source::Growing(follower) => poll_fn(|cx| follower.poll_started(cx)).await,
        }
    }

    /// Waits for the blob's length in bytes: until the upstream announces it, else until the blob is complete.
    ///
    /// # Errors
    /// What the blob failed with.
    pub async fn known_len(&mut self) -> Result<u64, BlobError> {
        match &self.source {
            Source::Stored { len, .. } => Ok(*len),
            Source::Growing(follower) => poll_fn(|cx| follower.poll_len(cx)).await,
        }
    }

    /// The next bytes, at least one; `None` at the end of the range or of the blob.
    ///
    /// # Errors
    /// What the blob failed with, or what reading the file failed with. Cancel-safe.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, BlobError> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// As [`next_chunk`](Self::next_chunk), for bodies that are polled.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BlobError>> {
        if !self.head.is_empty() {
            return Poll::Ready(Ok(Some(std::mem::take(&mut self.head))));
        }
        // A cached file is always ready: without this, its reader would keep the thread to itself.
        let coop = ready!(tokio::task::coop::poll_proceed(cx));
        let next = self.poll_next(cx);
        if next.is_ready() {
            coop.made_progress();
        }
        next.map_ok(|bytes| {
            self.cursor.position += bytes.as_ref().map_or(0, Bytes::len) as u64;
            bytes
        })
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BlobError>> {
        if self.read.is_none() {
            let len = match ready!(self.poll_step(cx))? {
                Step::Take(bytes) => return Poll::Ready(Ok(Some(bytes))),
                Step::End => return Poll::Ready(Ok(None)),
                Step::Read(len) => usize::try_from(len).unwrap_or(BUFFER),
            };
            if let Some(bytes) = self.read_cached(len)? {
                return Poll::Ready(Ok(Some(bytes)));
            }
            self.read_blocking(len);
        }
        let Some(read) = &mut self.read else { return Poll::Ready(Err(BlobError::WriterGone)) };
        let done = ready!(Pin::new(read).poll(cx));
        self.read = None;
        let (buffer, result) = done.map_err(|stopped| self.error(io::Error::other(stopped)))?;
        Poll::Ready(self.lend(buffer, result).map(Some))
    }

    fn poll_step(&self, cx: &Context<'_>) -> Poll<Result<Step, BlobError>> {
        match &self.source {
            Source::Growing(follower) => follower.poll_step(self.cursor, BUFFER as u64, cx),
            Source::Stored { len, .. } => {
                let end = self.cursor.end.map_or(*len, |end| end.min(*len));
                let left = end.saturating_sub(self.cursor.position);
                Poll::Ready(Ok(if left == 0 { Step::End } else { Step::Read(left.min(BUFFER as u64)) }))
            }
        }
    }

    /// Reads what the page cache holds; `None` where the disk would have to be waited for.
    fn read_cached(&mut self, len: usize) -> Result<Option<Bytes>, BlobError> {
        if self.always_blocks {
            return Ok(None);
        }
        let mut buffer = self.spare.take(len);
        let into = &mut [IoSliceMut::new(&mut buffer[..len])];
        let result = rustix::io::preadv2(self.file(), into, self.cursor.position, ReadWriteFlags::NOWAIT);
        match result {
            Err(Errno::AGAIN | Errno::INTR) => {
                self.spare.give(buffer);
                Ok(None)
            }
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                self.always_blocks = true;
                self.spare.give(buffer);
                Ok(None)
            }
            result => self.lend(buffer, result.map_err(io::Error::from)).map(Some),
        }
    }

    fn read_blocking(&mut self, len: usize) {
        let (file, position, mut buffer) = (Arc::clone(self.file()), self.cursor.position, self.spare.take(len));
        self.read = Some(tokio::task::spawn_blocking(move || {
            let result = loop {
                match file.read_at(&mut buffer[..len], position) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => break result,
                }
            };
            (buffer, result)
        }));
    }

    fn file(&self) -> &Arc<File> {
        match &self.source {
            Source::Stored { file, .. } => file,
            Source::Growing(follower) => {
                follower.growth().file().expect("a step to read comes after the write that named the file")
            }
        }
    }

    /// Hands out what a read brought.
    fn lend(&self, buffer: Vec<u8>, result: io::Result<usize>) -> Result<Bytes, BlobError> {
        match result {
            // The file is shorter than it was when it was opened: somebody else has cut it.
            Ok(0) => Err(self.error(io::ErrorKind::UnexpectedEof.into())),
            Ok(len) => Ok(self.spare.lend(buffer, len)),
            Err(error) => Err(self.error(error)),
        }
    }

    fn error(&self, source: io::Error) -> BlobError {
        let path: &Path = &self.open.shared.layout.blob(&self.open.digest);
        BlobError::io(path, source)
    }
}

impl AsyncBufRead for BlobReader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let reader = self.get_mut();
        if reader.head.is_empty() {
            reader.head = ready!(reader.poll_chunk(cx))?.unwrap_or_default();
        }
        Poll::Ready(Ok(&reader.head))
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        self.get_mut().head.advance(count);
    }
}

impl AsyncRead for BlobReader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let bytes = ready!(self.as_mut().poll_fill_buf(cx))?;
        let count = bytes.len().min(into.remaining());
        into.put_slice(&bytes[..count]);
        self.consume(count);
        Poll::Ready(Ok(()))
    }
}
