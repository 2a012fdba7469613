//! The newest bytes of a growing blob, in memory.
//!
//! Owns an unbroken run of chunks, oldest first, each with its offset in the blob. The chunks are the very buffers the
//! upstream's body came in, shared by count: readers that keep up take them from here and never touch the file. How
//! much is kept is decided by [`growth`](super::growth).

use std::collections::VecDeque;

use bytes::Bytes;

/// What one chunk weighs beyond its bytes, so that a body which comes byte by byte cannot hold unbounded memory.
const CHUNK_OVERHEAD: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Window {
    chunks: VecDeque<(u64, Bytes)>,
    weight: usize,
}

/// The memory a chunk is counted with.
pub(crate) fn weight(chunk: &Bytes) -> usize {
    chunk.len() + CHUNK_OVERHEAD
}

impl Window {
    /// Adds the next chunk, which starts at `offset`, where the one before ended.
    pub(crate) fn push(&mut self, offset: u64, chunk: Bytes) {
        self.weight += weight(&chunk);
        self.chunks.push_back((offset, chunk));
    }

    /// The bytes from `position`, at most `max`, as far as one chunk holds them.
    pub(crate) fn get(&self, position: u64, max: u64) -> Option<Bytes> {
        let after = self.chunks.partition_point(|(offset, _)| *offset <= position);
        let (offset, chunk) = self.chunks.get(after.checked_sub(1)?)?;
        let skip = usize::try_from(position - offset).ok().filter(|skip| *skip < chunk.len())?;
        let take = usize::try_from(max).unwrap_or(usize::MAX).min(chunk.len() - skip);
        Some(chunk.slice(skip..skip + take))
    }

    /// Where the oldest chunk starts and ends.
    pub(crate) fn front(&self) -> Option<(u64, u64)> {
        self.chunks.front().map(|(offset, chunk)| (*offset, offset + chunk.len() as u64))
    }

    /// Lets the oldest chunk go.
    pub(crate) fn pop(&mut self) {
        if let Some((_, chunk)) = self.chunks.pop_front() {
            self.weight -= weight(&chunk);
        }
    }

    /// Lets everything go, and the memory of the list itself.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// How many chunks there are.
    pub(crate) fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// The memory all chunks are counted with.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_by_their_place_in_the_blob() {
        let mut window = Window::default();
        window.push(10, Bytes::from_static(b"abc"));
        window.push(13, Bytes::from_static(b"defg"));
        assert_eq!(window.get(9, 9), None);
        assert_eq!(window.get(10, 9).unwrap(), "abc");
        assert_eq!(window.get(12, 9).unwrap(), "c");
        assert_eq!(window.get(13, 2).unwrap(), "de");
        assert_eq!(window.get(17, 1), None);
        window.pop();
        assert_eq!((window.get(12, 1), window.front()), (None, Some((13, 17))));
        assert_eq!(window.weight(), 4 + CHUNK_OVERHEAD);
    }
}
