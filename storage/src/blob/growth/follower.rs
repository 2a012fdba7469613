//! One reader's place among those of a growing blob.
//!
//! Owns where a reader stands, what it may see next, and how long the writer waits for it.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Fate, Growth, State};
use crate::blob::error::BlobError;

/// How long a client may stand still while the writer waits for it.
const CLIENT_PATIENCE: Duration = Duration::from_secs(10);
/// The same for the scanner, which must not slow down a pull.
const SCANNER_PATIENCE: Duration = Duration::from_secs(1);

/// What a reader may do next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Take these bytes.
    Take(Bytes),
    /// Read this many bytes from the file.
    Read(u64),
    /// There is no more.
    End,
}

/// Where a reader stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    /// The next byte it wants.
    pub(crate) position: u64,
    /// One past the last byte it wants, `None` for the blob's end.
    pub(crate) end: Option<u64>,
    /// Whether it may see bytes that were not verified.
    pub(crate) unverified: bool,
}

/// What is known of a reader.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) cursor: Cursor,
    pub(super) moved: Instant,
    pub(super) waker: Option<Waker>,
    /// The writer went on without it.
    pub(super) cut: bool,
}

impl Slot {
    pub(super) fn new() -> Self {
        let cursor = Cursor { position: 0, end: None, unverified: false };
        Self { cursor, moved: Instant::now(), waker: None, cut: false }
    }

    /// Whether it still wants bytes of the chunk `start..end`.
    pub(super) fn needs(&self, start: u64, end: u64) -> bool {
        !self.cut && self.cursor.position < end && self.cursor.end.is_none_or(|wanted| wanted > start)
    }

    /// When the writer stops waiting for it.
    pub(super) fn deadline(&self) -> Instant {
        self.moved + if self.cursor.unverified { SCANNER_PATIENCE } else { CLIENT_PATIENCE }
    }
}

/// One reader's place among those of a growing blob; dropping it takes the reader off the list.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(super) growth: Arc<Growth>,
    pub(super) id: u64,
}

impl Follower {
    pub(crate) fn growth(&self) -> &Arc<Growth> {
        &self.growth
    }

    /// What the reader at `cursor` may do next, at most `max` bytes; pending until the blob grows or its fate is known.
    pub(crate) fn poll_step(&self, cursor: Cursor, max: u64, cx: &Context<'_>) -> Poll<Result<Step, BlobError>> {
        let mut state = self.growth.lock();
        if let Some(cut) = state.place(self.id, cursor) {
            return Poll::Ready(Err(cut));
        }
        if let Fate::Failed(cause) = &state.fate {
            return Poll::Ready(Err(cause.clone()));
        }
        let position = cursor.position;
        let limit = state.visible(cursor.unverified).min(state.range_limit(cursor));
        if position < limit {
            let max = max.min(limit - position);
            return Poll::Ready(match state.window.get(position, max) {
                Some(bytes) => Ok(Step::Take(bytes)),
                None if position < state.on_disk => Ok(Step::Read(max.min(state.on_disk - position))),
                None => Err(BlobError::Lagged { position }),
            });
        }
        if cursor.end.is_some_and(|end| position >= end) || matches!(state.fate, Fate::Complete) {
            return Poll::Ready(Ok(Step::End));
        }
        state.wait(self.id, cx)
    }

    /// Notes where the reader stands.
    pub(crate) fn place(&self, cursor: Cursor) {
        // A reader that was given up on learns so when it reads.
        let _ = self.growth.lock().place(self.id, cursor);
    }

    /// Whether the blob's first bytes came, or its length was announced; the length where it is known.
    pub(crate) fn poll_started(&self, cx: &Context<'_>) -> Poll<Result<Option<u64>, BlobError>> {
        let mut state = self.growth.lock();
        match (&state.fate, state.expected) {
            (Fate::Failed(cause), _) => Poll::Ready(Err(cause.clone())),
            (Fate::Complete, _) => Poll::Ready(Ok(Some(state.len))),
            (Fate::Growing, Some(expected)) => Poll::Ready(Ok(Some(expected))),
            (Fate::Growing, None) if state.len > 0 => Poll::Ready(Ok(None)),
            (Fate::Growing, None) => state.wait(self.id, cx),
        }
    }

    /// The blob's length, as soon as it was announced or is known.
    pub(crate) fn poll_len(&self, cx: &Context<'_>) -> Poll<Result<u64, BlobError>> {
        let mut state = self.growth.lock();
        match (&state.fate, state.expected) {
            (Fate::Failed(cause), _) => Poll::Ready(Err(cause.clone())),
            (Fate::Complete, _) => Poll::Ready(Ok(state.len)),
            (Fate::Growing, Some(expected)) => Poll::Ready(Ok(expected)),
            (Fate::Growing, None) => state.wait(self.id, cx),
        }
    }
}

impl State {
    /// Notes where a reader stands, and tells it when the writer went on without it.
    fn place(&mut self, id: u64, cursor: Cursor) -> Option<BlobError> {
        let slot = self.readers.get_mut(&id)?;
        if slot.cut {
            return Some(BlobError::Lagged { position: cursor.position });
        }
        // The clock and the writer matter only where somebody may have to wait.
        if self.degraded && slot.cursor.position != cursor.position {
            slot.moved = Instant::now();
        }
        slot.cursor = cursor;
        if self.degraded {
            self.wake_writer();
        }
        None
    }

    /// How far a reader may go in its range: a client gets the last byte of it once the digest was verified.
    fn range_limit(&self, cursor: Cursor) -> u64 {
        let end = cursor.end.unwrap_or(u64::MAX);
        if cursor.unverified || matches!(self.fate, Fate::Complete) { end } else { end.saturating_sub(1) }
    }

    fn wait<T>(&mut self, id: u64, cx: &Context<'_>) -> Poll<T> {
        if let Some(slot) = self.readers.get_mut(&id) {
            slot.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut state = self.growth.lock();
        state.readers.remove(&self.id);
        state.wake_writer();
    }
}
