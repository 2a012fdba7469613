//! A range of a file that is looked at, as an archive of its own: how an inner archive that is merely stored is read in place.

use std::borrow::Cow;
use std::io::{Read as _, Seek as _, SeekFrom, Take};

use super::ZipError;
use crate::content::{Content, ContentReader, Spool};

/// A range of a content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    content: &'a Content,
    start: u64,
    length: u64,
}

impl<'a> Part<'a> {
    /// All of it.
    pub(crate) fn whole(content: &'a Content) -> Self {
        Self { content, start: 0, length: content.length() }
    }

    /// Its length in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Room for bytes that are unpacked from it, on the content's own budget.
    pub(super) fn spool(&self) -> Spool {
        self.content.spool()
    }

    /// A range of this one; `None` where it does not lie within.
    pub(crate) fn narrow(&self, offset: u64, length: u64) -> Option<Self> {
        let end = offset.checked_add(length)?;
        (end <= self.length).then_some(Self { content: self.content, start: self.start + offset, length })
    }

    /// Some bytes of it.
    pub(crate) fn slice(&self, offset: u64, length: usize) -> Result<Cow<'a, [u8]>, ZipError> {
        let part = self.narrow(offset, length as u64).ok_or(ZipError::Malformed("it ends early"))?;
        part.content.slice(part.start, length).map_err(ZipError::Read)
    }

    /// Reads it from `offset` to its end.
    pub(crate) fn reader(&self, offset: u64) -> Result<Take<ContentReader<'a>>, ZipError> {
        let mut reader = self.content.reader();
        reader.seek(SeekFrom::Start(self.start.saturating_add(offset))).map_err(ZipError::Read)?;
        Ok(reader.take(self.length.saturating_sub(offset)))
    }
}
