//! Headers and data of a tar stream, block by block.
//!
//! Owns the format: ustar, old GNU and PAX names and sizes, checksums, padding and the end mark, with the outcome
//! Go's archive/tar has, because containerd extracts with it. The tar crate's own iterator is not used: it reads extension
//! headers whole, however large they claim to be. Data is skipped in place, never copied.

use std::io::{self, BufRead};

use tar::{EntryType, Header};

use super::LayerLimits;

/// Bytes of a tar block.
const BLOCK: usize = 512;

/// Reads a tar stream's entries in order.
pub(crate) struct Archive<R> {
    reader: R,
    limits: LayerLimits,
    /// Data and padding of the current entry still to be skipped.
    data: u64,
    padding: u64,
}

/// One entry, its extension headers applied.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The name as written.
    pub(crate) name: Vec<u8>,
    /// The link's target as written; empty for others.
    pub(crate) link: Vec<u8>,
    pub(crate) kind: EntryKind,
    /// Stored bytes of data.
    pub(crate) size: u64,
    /// Mode bits; 0 where the header's are no number.
    pub(crate) mode: u32,
    /// The stored bytes are a sparse file's pieces rather than its content.
    pub(crate) sparse: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    File,
    Directory,
    Symlink,
    Hardlink,
    /// A device or pipe.
    Device,
    /// A kind no runtime extracts, a global PAX header among them.
    Other,
}

/// Why an archive cannot be read further.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    /// The stream under the archive failed.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// The archive ends inside a header or a file.
    #[error("the archive ends early")]
    Truncated,
    /// A header breaks the format.
    #[error("{0}")]
    Header(&'static str),
}

/// What PAX and GNU extension headers say about the next entry.
#[derive(Default, PartialEq)]
struct Extensions {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    sparse_name: Option<Vec<u8>>,
    sparse: bool,
}

impl<R: BufRead> Archive<R> {
    pub(crate) fn new(reader: R, limits: LayerLimits) -> Self {
        Self { reader, limits, data: 0, padding: 0 }
    }

    /// The next entry, after what is left of the last one; `None` at the end mark or the end of the stream.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, ArchiveError> {
        let mut extensions = Extensions::default();
        loop {
            self.skip_data()?;
            let Some(block) = self.header_block()? else {
                // An extension header announces an entry.
                return if extensions.is_empty() { Ok(None) } else { Err(ArchiveError::Truncated) };
            };
            let header = Header::from_byte_slice(&block);
            verify_checksum(header, &block)?;
            match header.entry_type() {
                EntryType::GNULongName => extensions.name = Some(until_nul(&self.extension(header)?).to_vec()),
                EntryType::GNULongLink => extensions.link = Some(until_nul(&self.extension(header)?).to_vec()),
                EntryType::XHeader => {
                    let records = self.extension(header)?;
                    extensions.read_pax(&records)?;
                }
                _ => return self.entry(header, extensions).map(Some),
            }
        }
    }

    /// Hands up to `most` bytes of the current entry's data to `take`, in pieces as they arrive.
    pub(crate) fn data(&mut self, most: u64, mut take: impl FnMut(&[u8])) -> Result<(), ArchiveError> {
        let mut left = most.min(self.data);
        while left > 0 {
            let bytes = fill(&mut self.reader)?;
            if bytes.is_empty() {
                return Err(ArchiveError::Truncated);
            }
            let count = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            take(&bytes[..count]);
            self.reader.consume(count);
            self.data -= count as u64;
            left -= count as u64;
        }
        Ok(())
    }

    /// Reads what is left of the stream, so that all of it is hashed.
    pub(crate) fn drain(mut self) -> io::Result<()> {
        loop {
            let count = fill(&mut self.reader)?.len();
            if count == 0 {
                return Ok(());
            }
            self.reader.consume(count);
        }
    }

    fn skip_data(&mut self) -> Result<(), ArchiveError> {
        // The sum cannot overflow: `expect_data` checked it.
        let mut left = self.data + self.padding;
        (self.data, self.padding) = (0, 0);
        while left > 0 {
            let available = fill(&mut self.reader)?.len();
            if available == 0 {
                return Err(ArchiveError::Truncated);
            }
            let count = available.min(usize::try_from(left).unwrap_or(usize::MAX));
            self.reader.consume(count);
            left -= count as u64;
        }
        Ok(())
    }

    /// The next block that is a header; `None` at two blocks of zeros or where the stream ends between entries.
    fn header_block(&mut self) -> Result<Option<[u8; BLOCK]>, ArchiveError> {
        let Some(block) = self.block()? else { return Ok(None) };
        if block != [0; BLOCK] {
            return Ok(Some(block));
        }
        match self.block()? {
            Some(second) if second != [0; BLOCK] => {
                Err(ArchiveError::Header("a lone block of zeros lies between entries"))
            }
            _ => Ok(None),
        }
    }

    /// One block; `None` where the stream has ended.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, ArchiveError> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            let bytes = fill(&mut self.reader)?;
            if bytes.is_empty() {
                return if filled == 0 { Ok(None) } else { Err(ArchiveError::Truncated) };
            }
            let count = bytes.len().min(BLOCK - filled);
            block[filled..filled + count].copy_from_slice(&bytes[..count]);
            self.reader.consume(count);
            filled += count;
        }
        Ok(Some(block))
    }

    fn extension(&mut self, header: &Header) -> Result<Vec<u8>, ArchiveError> {
        self.expect_data(number(header)?)?;
        if self.data > self.limits.max_extension_bytes {
            return Err(ArchiveError::Header("an extension header is over the limit"));
        }
        let mut bytes = Vec::new();
        self.data(u64::MAX, |piece| bytes.extend_from_slice(piece))?;
        Ok(bytes)
    }

    fn expect_data(&mut self, size: u64) -> Result<(), ArchiveError> {
        let padded =
            size.checked_next_multiple_of(BLOCK as u64).ok_or(ArchiveError::Header("a size is out of range"))?;
        (self.data, self.padding) = (size, padded - size);
        Ok(())
    }

    fn entry(&mut self, header: &Header, extensions: Extensions) -> Result<Entry, ArchiveError> {
        let name = extensions.sparse_name.or(extensions.name).unwrap_or_else(|| header_name(header));
        let link = extensions.link.unwrap_or_else(|| until_nul(&header.as_old().linkname).to_vec());
        let flag = header.as_old().linkflag[0];
        let kind = match flag {
            // The oldest format marks a directory by a slash only.
            0 if name.ends_with(b"/") => EntryKind::Directory,
            0 | b'0' | b'7' | b'S' => EntryKind::File,
            b'1' => EntryKind::Hardlink,
            b'2' => EntryKind::Symlink,
            b'3' | b'4' | b'6' => EntryKind::Device,
            b'5' => EntryKind::Directory,
            // Go returns a global PAX header as an entry of its own and applies it to nothing.
            _ => EntryKind::Other,
        };
        let has_data = matches!(kind, EntryKind::File | EntryKind::Other);
        let size = match extensions.size {
            _ if !has_data => 0,
            Some(size) => size,
            None => number(header)?,
        };
        let mut sparse = extensions.sparse;
        if flag == b'S' {
            sparse = true;
            self.skip_sparse_map(header)?;
        }
        self.expect_data(size)?;
        let mode = header.mode().unwrap_or_default();
        Ok(Entry { name, link, kind, size, mode, sparse })
    }

    /// Old GNU sparse headers go on in further blocks while the byte at 482, then 504, says so.
    fn skip_sparse_map(&mut self, header: &Header) -> Result<(), ArchiveError> {
        let mut more = header.as_bytes()[482] != 0;
        while more {
            more = self.block()?.ok_or(ArchiveError::Truncated)?[504] != 0;
        }
        Ok(())
    }
}

impl Extensions {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Reads PAX records, `LENGTH KEY=VALUE\n` each (POSIX pax, "Extended Header"); an empty value takes a record back.
    fn read_pax(&mut self, mut records: &[u8]) -> Result<(), ArchiveError> {
        const BROKEN: ArchiveError = ArchiveError::Header("a PAX record breaks its format");
        while !records.is_empty() {
            let space = records.iter().take(20).position(|byte| *byte == b' ').ok_or(BROKEN)?;
            let length = decimal(&records[..space]).and_then(|length| usize::try_from(length).ok()).ok_or(BROKEN)?;
            let record = records.get(space + 1..length).ok_or(BROKEN)?;
            let record = record.strip_suffix(b"\n").ok_or(BROKEN)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or(BROKEN)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            let text = (!value.is_empty()).then(|| until_nul(value).to_vec());
            match key {
                b"path" => self.name = text,
                b"linkpath" => self.link = text,
                b"size" if value.is_empty() => self.size = None,
                b"size" => self.size = Some(decimal(value).ok_or(BROKEN)?),
                b"GNU.sparse.name" => (self.sparse_name, self.sparse) = (text, true),
                _ if key.starts_with(b"GNU.sparse.") => self.sparse = true,
                _ => {}
            }
            records = &records[length..];
        }
        Ok(())
    }
}

/// The reader's next bytes; a read that was interrupted is tried again, as the standard library does.
fn fill<R: BufRead>(reader: &mut R) -> io::Result<&[u8]> {
    while let Err(error) = reader.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    reader.fill_buf()
}

/// The sum of the header's bytes with its own field as spaces; old archives summed signed bytes.
fn verify_checksum(header: &Header, block: &[u8; BLOCK]) -> Result<(), ArchiveError> {
    const WRONG: ArchiveError = ArchiveError::Header("a header's checksum is wrong");
    let stated = i64::from(header.cksum().map_err(|_| WRONG)?);
    let summed = || block[..148].iter().chain(&block[156..]);
    let unsigned: i64 = 8 * 32 + summed().map(|byte| i64::from(*byte)).sum::<i64>();
    let signed = || 8 * 32 + summed().map(|byte| i64::from(byte.cast_signed())).sum::<i64>();
    if stated == unsigned || stated == signed() { Ok(()) } else { Err(WRONG) }
}

/// The size field: octal, or base 256 where its high bit is set; blank counts as zero.
fn number(header: &Header) -> Result<u64, ArchiveError> {
    const WRONG: ArchiveError = ArchiveError::Header("a size is not a number");
    let field = &header.as_old().size;
    if field[0] & 0x80 == 0 && field.iter().all(|byte| matches!(byte, 0 | b' ')) {
        return Ok(0);
    }
    // Base 256 holds twelve bytes; whatever does not fit a signed 64-bit number is negative or absurd.
    if field[0] & 0x80 != 0 && (field[0] != 0x80 || field[1..4] != [0; 3] || field[4] & 0x80 != 0) {
        return Err(WRONG);
    }
    header.entry_size().map_err(|_| WRONG)
}

fn header_name(header: &Header) -> Vec<u8> {
    let name = until_nul(&header.as_old().name);
    match header.as_ustar().map(|ustar| until_nul(&ustar.prefix)) {
        Some(prefix) if !prefix.is_empty() => [prefix, b"/", name].concat(),
        _ => name.to_vec(),
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn decimal(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}
