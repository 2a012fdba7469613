//! What the three containers of rpm headers share: their errors, their limits, integers at a place.

use std::collections::HashSet;
use std::io;

/// Largest header that is read. A package of two hundred thousand files has one of about 32 MiB.
pub(super) const MAX_HEADER_BYTES: usize = 64 << 20;

/// Why a container was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum ContainerError {
    /// Its content could not be read, or names a place past its end.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// It breaks its own format.
    #[error("{0}")]
    Broken(&'static str),
    /// It is of a kind that is not read.
    #[error("{0}")]
    Unread(&'static str),
}

pub(super) type Outcome<T> = Result<T, ContainerError>;

/// Takes the header of each package, one after the other.
pub(super) type Take<'a> = dyn FnMut(&[u8]) + 'a;

/// The pages that were read. In a sound database no page is reached twice, so that reading ends with the file, whatever its
/// links say.
#[derive(Default)]
pub(super) struct Visited(HashSet<u32>);

impl Visited {
    /// Notes a page; an error where it was noted before.
    pub(super) fn note(&mut self, page: u32) -> Outcome<()> {
        if self.0.insert(page) { Ok(()) } else { Err(ContainerError::Broken("a page of the database is used twice")) }
    }
}

/// The bytes at a place.
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// A big-endian number at a place.
pub(super) fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

/// A little-endian number at a place.
pub(super) fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

/// A number of bytes that the file states, where it is one of memory.
pub(super) fn length(stated: u64) -> Outcome<usize> {
    let length = usize::try_from(stated).ok().filter(|length| *length <= MAX_HEADER_BYTES);
    length.ok_or(ContainerError::Broken("an entry of the database is over the size of any package's header"))
}
