//! The one buffer of a reader.
//!
//! Owns its way from the file to a client and back: lent out as [`Bytes`], it returns when the last slice is dropped.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

/// A reader's buffer while nobody uses it. It is filled with zeroes once, when it is made, and not for every read.
#[derive(Debug, Default)]
pub(crate) struct Spare(Mutex<Vec<u8>>);

impl Spare {
    /// A buffer of at least `len` bytes.
    pub(crate) fn take(&self, len: usize) -> Vec<u8> {
        let spare = std::mem::take(&mut *super::lock(&self.0));
        if spare.len() >= len { spare } else { vec![0; len] }
    }

    /// Hands out the first `len` bytes of the buffer, which comes back when they are dropped.
    pub(crate) fn lend(self: &Arc<Self>, buffer: Vec<u8>, len: usize) -> Bytes {
        Bytes::from_owner(Lent { buffer, len, home: Arc::clone(self) })
    }

    /// Keeps the buffer for the next read, unless a larger one is already there.
    pub(crate) fn give(&self, buffer: Vec<u8>) {
        let mut spare = super::lock(&self.0);
        if spare.len() < buffer.len() {
            *spare = buffer;
        }
    }
}

/// A buffer on its way to a client.
struct Lent {
    buffer: Vec<u8>,
    len: usize,
    home: Arc<Spare>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.give(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_returns_when_its_last_slice_is_dropped() {
        let spare = Arc::new(Spare::default());
        let mut buffer = spare.take(8);
        buffer[..3].copy_from_slice(b"abc");
        let place = buffer.as_ptr();
        let bytes = spare.lend(buffer, 3);
        let slice = bytes.slice(1..);
        drop(bytes);
        let other = spare.take(8);
        assert_ne!(other.as_ptr(), place);
        assert_eq!(slice, "bc");
        drop(slice);
        let again = spare.take(5);
        assert_eq!(again.as_ptr(), place);
    }
}
