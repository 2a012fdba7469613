//! The entries of an archive's directory, one at a time.

use std::io::{self, BufRead, Read, Take};

use super::{Part, ZipError, u16_at, u32_at, u64_at};
use crate::content::ContentReader;

/// What every entry of a directory begins with.
pub(super) const SIGNATURE: &[u8] = b"PK\x01\x02";
const HEADER: usize = 46;
/// Where entries end for a signature over them, which nobody writes any more.
const DIGITAL_SIGNATURE: &[u8] = b"PK\x05\x05";
/// The extra field with sizes and places over 32 bits.
const ZIP64: u16 = 1;

/// One entry, as the directory describes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'n> {
    /// Its path in the archive, as written.
    pub(crate) name: &'n [u8],
    /// How it is compressed.
    pub(crate) method: u16,
    /// Whether it takes a password.
    pub(crate) is_encrypted: bool,
    /// Its length in the archive.
    pub(crate) compressed_bytes: u64,
    /// Its length, as stated.
    pub(crate) bytes: u64,
    /// Where its local header lies.
    pub(super) offset: u64,
}

impl Entry<'_> {
    /// The method of entries that are not compressed.
    pub(crate) const STORED: u16 = 0;
    /// The method of all others Java knows.
    pub(crate) const DEFLATED: u16 = 8;
}

/// Entries as they pass by; nothing of one is kept.
#[derive(Debug)]
pub(crate) struct Entries<'a> {
    reader: Take<ContentReader<'a>>,
    name: Vec<u8>,
    extra: Vec<u8>,
    seen: u64,
    stated: (u64, u64),
}

impl<'a> Entries<'a> {
    pub(super) fn new(directory: Part<'a>, stated: (u64, u64)) -> Result<Self, ZipError> {
        Ok(Self { reader: directory.reader(0)?, name: Vec::new(), extra: Vec::new(), seen: 0, stated })
    }

    /// The next entry; `None` behind the last one.
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'_>>, ZipError> {
        if self.reader.limit() == 0 {
            return self.end();
        }
        let mut header = [0; HEADER];
        self.fill(|reader| reader.read_exact(&mut header[..SIGNATURE.len()]))?;
        if header.starts_with(DIGITAL_SIGNATURE) {
            return self.end();
        }
        if !header.starts_with(SIGNATURE) {
            return Err(ZipError::Malformed("its directory holds something that is no entry"));
        }
        self.fill(|reader| reader.read_exact(&mut header[SIGNATURE.len()..]))?;
        self.name.resize(usize::from(u16_at(&header, 28)), 0);
        self.reader.read_exact(&mut self.name).map_err(cut)?;
        let full = [20, 24, 42].into_iter().any(|at| u32_at(&header, at) == u32::MAX);
        let extra = usize::from(u16_at(&header, 30));
        self.extra.resize(if full { extra } else { 0 }, 0);
        self.reader.read_exact(&mut self.extra).map_err(cut)?;
        self.skip(extra - self.extra.len() + usize::from(u16_at(&header, 32)))?;
        self.seen += 1;
        let mut larger = Larger(zip64(&self.extra));
        let bytes = larger.or(u32_at(&header, 24));
        let compressed_bytes = larger.or(u32_at(&header, 20));
        Ok(Some(Entry {
            name: &self.name,
            method: u16_at(&header, 10),
            is_encrypted: u16_at(&header, 8) & 1 == 1,
            compressed_bytes,
            bytes,
            offset: larger.or(u32_at(&header, 42)),
        }))
    }

    fn end(&self) -> Result<Option<Entry<'_>>, ZipError> {
        let (stated, bits) = self.stated;
        if self.seen & bits == stated {
            Ok(None)
        } else {
            Err(ZipError::Malformed("it states another number of entries than it has"))
        }
    }

    fn fill(&mut self, read: impl FnOnce(&mut Take<ContentReader<'a>>) -> io::Result<()>) -> Result<(), ZipError> {
        read(&mut self.reader).map_err(cut)
    }

    fn skip(&mut self, mut count: usize) -> Result<(), ZipError> {
        while count > 0 {
            let available = self.reader.fill_buf().map_err(ZipError::Read)?.len().min(count);
            if available == 0 {
                return Err(ZipError::Malformed("its directory is cut off"));
            }
            self.reader.consume(available);
            count -= available;
        }
        Ok(())
    }
}

fn cut(error: io::Error) -> ZipError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ZipError::Malformed("its directory is cut off"),
        _ => ZipError::Read(error),
    }
}

/// The values of zip64's extra field, in the order they are asked for.
struct Larger<'a>(&'a [u8]);

impl Larger<'_> {
    /// The value, or the next larger one in its stead.
    fn or(&mut self, value: u32) -> u64 {
        match self.0.split_at_checked(8) {
            Some((larger, rest)) if value == u32::MAX => {
                self.0 = rest;
                u64_at(larger, 0)
            }
            _ => u64::from(value),
        }
    }
}

fn zip64(mut extra: &[u8]) -> &[u8] {
    while let Some((header, rest)) = extra.split_at_checked(4) {
        let Some((field, rest)) = rest.split_at_checked(usize::from(u16_at(header, 2))) else { break };
        if u16_at(header, 0) == ZIP64 {
            return field;
        }
        extra = rest;
    }
    &[]
}
