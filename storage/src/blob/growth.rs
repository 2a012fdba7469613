//! The growth of one blob: how long it is, what became of it, and who reads it.
//!
//! Owns the state that one writer changes and any number of readers watch. The length never shrinks; after
//! [`Progress::Complete`] bytes never change; a fate, once it is complete or failed, is final. The bytes themselves are
//! in two places that overlap: the file holds a prefix, the [`Window`] the newest chunks. While the disk takes bytes,
//! the window holds at least all that the file does not hold yet, and at most [`WINDOW`] of what it does.
//!
//! **The hold-back.** A reader that feeds a client sees the blob's last chunk only once the digest was verified, so no
//! client ever completes a wrong body. Where the length is known in advance, only the chunk that reaches it is held;
//! else the newest chunk always is; of a range, its last byte. An unverified reader, which is the scanner's, sees all bytes at once, but its end
//! of file waits for the digest too.
//!
//! **When the disk takes no more bytes** the blob is degraded: what the file holds stays readable, everything after it
//! lives in the window alone, up to [`DEGRADED_WINDOW`]. When that is full the writer waits for the slowest reader;
//! one that has not moved for its patience is cut loose with [`BlobError::Lagged`] instead. So a full disk costs the
//! fast readers the pace of the slowest that still reads, and costs a stuck one its body, but never memory.

mod follower;

use std::collections::HashMap;
use std::fs::File;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::time::Instant;

use self::follower::Slot;
pub(crate) use self::follower::{Cursor, Follower, Step};
use super::error::BlobError;
use super::window::Window;

/// How much of what the file holds stays in memory for readers that keep up, in bytes.
const WINDOW: usize = 1 << 20;
/// How much is held in memory when the disk takes no more, in bytes.
const DEGRADED_WINDOW: usize = 4 << 20;

/// How far a blob has come.
#[derive(Clone, Debug)]
pub enum Progress {
    /// It is being fetched.
    Growing {
        /// Bytes that have come.
        len: u64,
        /// The length it will have, where that was announced.
        expected: Option<u64>,
    },
    /// All bytes are here and the digest was verified.
    Complete {
        /// The blob's length in bytes.
        len: u64,
    },
    /// It will never be complete.
    Failed(BlobError),
}

#[derive(Debug)]
pub(crate) struct Growth {
    state: Mutex<State>,
    file: OnceLock<Arc<File>>,
}

#[derive(Debug, Default)]
struct State {
    fate: Fate,
    /// Bytes that have come.
    len: u64,
    expected: Option<u64>,
    /// Bytes the file holds, from the blob's start.
    on_disk: u64,
    /// Where the newest chunk starts.
    newest: u64,
    window: Window,
    /// The disk takes no more bytes.
    degraded: bool,
    readers: HashMap<u64, Slot>,
    next_reader: u64,
    /// The writer, while it waits for room.
    writer: Option<Waker>,
}

#[derive(Debug, Default)]
enum Fate {
    #[default]
    Growing,
    Complete,
    Failed(BlobError),
}

impl Growth {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), file: OnceLock::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        super::lock(&self.state)
    }

    /// A new reader at the blob's first byte; `None` where no reader can start any more, because the blob failed or
    /// its first bytes are gone.
    pub(crate) fn follow(self: &Arc<Self>) -> Option<Follower> {
        let mut state = self.lock();
        let held_from = state.window.front().map_or(state.len, |(start, _)| start);
        if matches!(state.fate, Fate::Failed(_)) || held_from > state.on_disk {
            return None;
        }
        Some(Follower { growth: Arc::clone(self), id: state.attach() })
    }

    /// A new reader at the blob's first byte, even where all it will get is an error.
    pub(crate) fn follow_anyway(self: &Arc<Self>) -> Follower {
        Follower { growth: Arc::clone(self), id: self.lock().attach() }
    }

    pub(crate) fn progress(&self) -> Progress {
        let state = self.lock();
        match &state.fate {
            Fate::Growing => Progress::Growing { len: state.len, expected: state.expected },
            Fate::Complete => Progress::Complete { len: state.len },
            Fate::Failed(cause) => Progress::Failed(cause.clone()),
        }
    }

    /// Bytes the file holds, from the blob's start.
    pub(crate) fn on_disk(&self) -> u64 {
        self.lock().on_disk
    }

    /// Whether the disk takes no more bytes of this blob.
    pub(crate) fn degraded(&self) -> bool {
        self.lock().degraded
    }

    /// Bytes that have come.
    pub(crate) fn len(&self) -> u64 {
        self.lock().len
    }

    /// The file readers take bytes from; `None` while nothing was written.
    pub(crate) fn file(&self) -> Option<&Arc<File>> {
        self.file.get()
    }

    // What follows is the writer's.

    /// Announces the length; one that contradicts what is known is an error.
    pub(crate) fn expect_len(&self, expected: u64) -> Result<(), BlobError> {
        let mut state = self.lock();
        match state.expected {
            Some(before) if before != expected => Err(BlobError::LengthMismatch { expected: before, actual: expected }),
            _ if state.len > expected => Err(BlobError::LengthMismatch { expected, actual: state.len }),
            _ => {
                state.expected = Some(expected);
                state.wake_readers();
                Ok(())
            }
        }
    }

    /// Adds bytes, at least one, and shows them to the readers.
    pub(crate) fn push(&self, chunk: Bytes) -> Result<(), BlobError> {
        let mut state = self.lock();
        let len = state.len + chunk.len() as u64;
        if let Some(expected) = state.expected.filter(|expected| len > *expected) {
            return Err(BlobError::LengthMismatch { expected, actual: len });
        }
        state.newest = state.len;
        let offset = state.len;
        state.window.push(offset, chunk);
        state.len = len;
        state.trim();
        state.wake_readers();
        Ok(())
    }

    /// Names the file, once.
    pub(crate) fn opened(&self, file: Arc<File>) {
        // A second file would be a second writer, which the flight table rules out; the first stays.
        let _ = self.file.set(file);
    }

    /// The file holds the first `on_disk` bytes.
    pub(crate) fn written(&self, on_disk: u64) {
        let mut state = self.lock();
        state.on_disk = on_disk;
        state.trim();
    }

    /// The disk takes no more bytes of this blob.
    pub(crate) fn degrade(&self) {
        let mut state = self.lock();
        state.degraded = true;
        // Until now nobody had a reason to hurry.
        let now = Instant::now();
        state.readers.values_mut().for_each(|slot| slot.moved = now);
    }

    /// The digest was verified: readers see everything.
    pub(crate) fn complete(&self) {
        let mut state = self.lock();
        state.fate = Fate::Complete;
        state.wake_readers();
    }

    /// The blob is stored: memory is no longer needed, the file holds everything.
    pub(crate) fn stored(&self) {
        self.lock().window.clear();
    }

    /// Tells every reader that the blob will never be complete; a blob that is complete stays so.
    pub(crate) fn fail(&self, cause: BlobError) {
        let mut state = self.lock();
        if matches!(state.fate, Fate::Growing) {
            state.fate = Fate::Failed(cause);
            state.window.clear();
            state.wake_readers();
        }
    }

    /// Waits until memory has room for more. Returns at once while the disk takes bytes.
    pub(crate) async fn room(&self) -> Result<(), BlobError> {
        loop {
            let deadline = {
                let mut state = self.lock();
                if state.degraded && state.readers.values().all(|slot| slot.cut) {
                    return Err(BlobError::Abandoned);
                }
                if state.make_room() {
                    return Ok(());
                }
                state.blockers().map(Slot::deadline).min()
            };
            // make_room drops a chunk nobody waits for, so where there is no room there is somebody.
            let Some(deadline) = deadline else { continue };
            let waited = tokio::time::timeout_at(deadline, poll_fn(|cx| self.lock().poll_room(cx))).await;
            if waited.is_err() {
                self.lock().cut_stalled(Instant::now());
            }
        }
    }
}

impl State {
    fn attach(&mut self) -> u64 {
        let id = self.next_reader;
        self.next_reader += 1;
        self.readers.insert(id, Slot::new());
        id
    }

    /// How many bytes a reader may see.
    fn visible(&self, unverified: bool) -> u64 {
        let more_to_come = self.expected.is_some_and(|expected| self.len < expected);
        if unverified || more_to_come || matches!(self.fate, Fate::Complete) { self.len } else { self.newest }
    }

    /// Lets go of what the file holds, beyond the window kept for readers that keep up.
    fn trim(&mut self) {
        while !self.degraded && self.window.weight() > WINDOW {
            match self.window.front() {
                Some((_, end)) if end <= self.on_disk => self.window.pop(),
                _ => break,
            }
        }
    }

    /// Lets go of what no reader needs while the disk takes no bytes; whether there is room then.
    fn make_room(&mut self) -> bool {
        // The newest chunk may be held back from readers, who then cannot pass it: it never stands in the way.
        while self.degraded && self.window.weight() > DEGRADED_WINDOW && self.window.chunks() > 1 {
            if self.blockers().next().is_some() {
                return false;
            }
            self.window.pop();
        }
        true
    }

    /// The readers that still need the oldest chunk.
    fn blockers(&self) -> impl Iterator<Item = &Slot> {
        let front = self.window.front();
        self.readers.values().filter(move |slot| front.is_some_and(|(start, end)| slot.needs(start, end)))
    }

    fn poll_room(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.make_room() {
            return Poll::Ready(());
        }
        self.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Gives up on the readers that held up the writer for longer than their patience.
    fn cut_stalled(&mut self, now: Instant) {
        let Some((start, end)) = self.window.front() else { return };
        for slot in self.readers.values_mut() {
            if slot.needs(start, end) && slot.deadline() <= now {
                slot.cut = true;
                slot.waker.take().into_iter().for_each(Waker::wake);
            }
        }
    }

    fn wake_readers(&mut self) {
        // While the disk is full, a reader that waited for bytes starts to stand still only now.
        let now = self.degraded.then(Instant::now);
        for slot in self.readers.values_mut() {
            if let Some(waker) = slot.waker.take() {
                slot.moved = now.unwrap_or(slot.moved);
                waker.wake();
            }
        }
    }

    fn wake_writer(&mut self) {
        self.writer.take().into_iter().for_each(Waker::wake);
    }
}
