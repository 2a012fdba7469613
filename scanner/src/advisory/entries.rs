//! Walks the central directory of a zip archive without holding it: memory stays at one piece of the directory, however many files
//! there are.
//!
//! After PKWARE's APPNOTE 6.3: stored and deflated entries, zip64, no encryption and no archive in several parts. Sizes are counted
//! while inflating, never believed. An archive that does not end in its own directory is refused as a whole.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::{Crc, Decompress, FlushDecompress, Status};

/// Bytes of the file read at a time.
const BUFFER_BYTES: usize = 128 << 10;
/// Bytes of the directory held at a time; an entry has at most 46 and three times 65,535.
const PIECE_BYTES: usize = 256 << 10;
/// Bytes of compressed data whose memory is kept from one file to the next.
const KEPT_BYTES: usize = 256 << 10;
const END_BYTES: usize = 22;
const LOCATOR_BYTES: u64 = 20;
const ENTRY_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;

/// One file of an archive, as its directory names it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its name; bytes that are no UTF-8 are replaced.
    pub(super) name: String,
    encrypted: bool,
    method: u16,
    crc: u32,
    compressed: u64,
    size: u64,
    offset: u64,
}

/// The files of an archive, in the order of its directory.
pub(super) struct Entries<R> {
    reader: BufReader<R>,
    /// Where the reader stands.
    position: u64,
    files: u64,
    left: u64,
    /// Where the next piece of the directory begins, and where the directory ends.
    directory: (u64, u64),
    piece: Vec<u8>,
    /// How much of the piece was taken.
    taken: usize,
    /// The compressed bytes of the file being read.
    data: Vec<u8>,
    inflater: Decompress,
}

impl<R: Read + Seek> Entries<R> {
    /// Finds the directory.
    ///
    /// # Errors
    /// The file cannot be read, or is no whole zip archive.
    pub(super) fn open(mut reader: R) -> io::Result<Self> {
        let length = reader.seek(SeekFrom::End(0))?;
        let tail = length.min(u64::from(u16::MAX) + END_BYTES as u64);
        reader.seek(SeekFrom::Start(length - tail))?;
        let mut bytes = vec![0; usize::try_from(tail).unwrap_or_default()];
        reader.read_exact(&mut bytes)?;
        let starts =
            (0..=bytes.len().checked_sub(END_BYTES).ok_or_else(|| broken("it is too short for a zip archive"))?).rev();
        // The comment's length must reach the file's end exactly, or the signature is one inside a comment.
        let end = starts
            .filter(|at| bytes[*at..].starts_with(b"PK\x05\x06"))
            .find(|at| at + END_BYTES + usize::from(u16_at(&bytes, at + 20)) == bytes.len())
            .ok_or_else(|| broken("it does not end as a zip archive does"))?;
        let (mut files, mut size, mut start) = (
            u64::from(u16_at(&bytes, end + 10)),
            u64::from(u32_at(&bytes, end + 12)),
            u64::from(u32_at(&bytes, end + 16)),
        );
        let mut directory_end = length - tail + end as u64;
        if files == u64::from(u16::MAX) || size == u64::from(u32::MAX) || start == u64::from(u32::MAX) {
            (files, size, start, directory_end) = zip64(&mut reader, directory_end)?;
        } else if u16_at(&bytes, end + 4) != 0 || u16_at(&bytes, end + 6) != 0 {
            return Err(broken("it is one part of several"));
        }
        if start.checked_add(size) != Some(directory_end) || files > size / ENTRY_BYTES as u64 {
            return Err(broken("its directory is not where it says"));
        }
        Ok(Self {
            reader: BufReader::with_capacity(BUFFER_BYTES, reader),
            position: u64::MAX,
            files,
            left: files,
            directory: (start, directory_end),
            piece: Vec::new(),
            taken: 0,
            data: Vec::new(),
            inflater: Decompress::new(false),
        })
    }

    /// The number of files.
    pub(super) const fn files(&self) -> u64 {
        self.files
    }

    /// The next file; `None` after the last.
    ///
    /// # Errors
    /// The directory cannot be read on: what follows cannot be had.
    pub(super) fn next(&mut self) -> io::Result<Option<Entry>> {
        if self.left == 0 {
            return Ok(None);
        }
        let fixed = self.take(ENTRY_BYTES)?;
        if !fixed.starts_with(b"PK\x01\x02") {
            return Err(broken("its directory is damaged"));
        }
        let lengths = [28, 30, 32].map(|at| usize::from(u16_at(&fixed, at)));
        let [name, extra, comment] = lengths;
        let variable = self.take(name + extra + comment)?;
        let mut entry = Entry {
            name: String::from_utf8_lossy(&variable[..name]).into_owned(),
            encrypted: u16_at(&fixed, 8) & 1 != 0,
            method: u16_at(&fixed, 10),
            crc: u32_at(&fixed, 16),
            compressed: u32_at(&fixed, 20).into(),
            size: u32_at(&fixed, 24).into(),
            offset: u32_at(&fixed, 42).into(),
        };
        entry.widen(&variable[name..name + extra])?;
        self.left -= 1;
        Ok(Some(entry))
    }

    /// Reads a file's bytes in place of what `out` holds, at most `limit` and one more, by which a longer file shows.
    ///
    /// # Errors
    /// The entry is damaged, encrypted or of another method.
    pub(super) fn read(&mut self, entry: &Entry, limit: usize, out: &mut Vec<u8>) -> io::Result<()> {
        out.clear();
        if entry.encrypted {
            return Err(broken("it is encrypted"));
        }
        let mut local = [0; LOCAL_BYTES];
        self.seek(entry.offset)?;
        self.fill(&mut local)?;
        if !local.starts_with(b"PK\x03\x04") {
            return Err(broken("there is no file where the directory says"));
        }
        let skipped = (LOCAL_BYTES as u64) + u64::from(u16_at(&local, 26)) + u64::from(u16_at(&local, 28));
        self.seek(entry.offset.saturating_add(skipped))?;
        let compressed = usize::try_from(entry.compressed).unwrap_or(usize::MAX);
        // Deflate makes nothing longer by more than a few bytes in a thousand.
        if compressed > limit + limit / 100 + 1024 {
            return Err(broken("it is longer than any record"));
        }
        let mut data = std::mem::take(&mut self.data);
        data.resize(compressed, 0);
        let inflated = self.fill(&mut data).and_then(|()| match entry.method {
            0 => {
                out.extend_from_slice(&data);
                Ok(())
            }
            8 => inflate(&mut self.inflater, &data, limit + 1, out),
            _ => Err(broken("its compression is neither none nor deflate")),
        });
        data.truncate(0);
        data.shrink_to(KEPT_BYTES);
        self.data = data;
        inflated?;
        if out.len() > limit {
            return Ok(());
        }
        let mut crc = Crc::new();
        crc.update(out);
        if crc.sum() != entry.crc || out.len() as u64 != entry.size {
            return Err(broken("its bytes do not have the checksum the directory says"));
        }
        Ok(())
    }

    /// The next bytes of the directory.
    fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        if self.piece.len() - self.taken < count {
            let (start, end) = self.directory;
            let rest = self.piece.split_off(self.taken);
            let more = (end - start).min(PIECE_BYTES as u64);
            self.piece = rest;
            self.taken = 0;
            let old = self.piece.len();
            self.piece.resize(old + usize::try_from(more).unwrap_or_default(), 0);
            self.seek(start)?;
            let mut piece = std::mem::take(&mut self.piece);
            let filled = self.fill(&mut piece[old..]);
            self.piece = piece;
            filled?;
            self.directory.0 += more;
        }
        let bytes =
            self.piece.get(self.taken..self.taken + count).ok_or_else(|| broken("its directory is cut off"))?.to_vec();
        self.taken += count;
        Ok(bytes)
    }

    /// Moves the reader without giving up what it has buffered, where that can be.
    fn seek(&mut self, to: u64) -> io::Result<()> {
        let from = std::mem::replace(&mut self.position, u64::MAX);
        let near = i64::try_from(to).ok().zip(i64::try_from(from).ok());
        match near {
            Some((to, from)) => self.reader.seek_relative(to - from)?,
            None => {
                self.reader.seek(SeekFrom::Start(to))?;
            }
        }
        self.position = to;
        Ok(())
    }

    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        // After a short read the reader stands anywhere.
        let position = std::mem::replace(&mut self.position, u64::MAX);
        self.reader.read_exact(bytes)?;
        self.position = position + bytes.len() as u64;
        Ok(())
    }
}

impl Entry {
    /// Takes sizes and offset that do not fit 32 bits from the zip64 part of the extra field, section 4.5.3.
    fn widen(&mut self, mut extra: &[u8]) -> io::Result<()> {
        const FULL: u64 = u32::MAX as u64;
        if self.size != FULL && self.compressed != FULL && self.offset != FULL {
            return Ok(());
        }
        while extra.len() >= 4 {
            let (tag, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
            let mut field = extra.get(4..4 + length).ok_or_else(|| broken("its directory is damaged"))?;
            if tag == 1 {
                for value in [&mut self.size, &mut self.compressed, &mut self.offset] {
                    if *value == FULL {
                        let (bytes, rest) =
                            field.split_first_chunk().ok_or_else(|| broken("its directory is damaged"))?;
                        *value = u64::from_le_bytes(*bytes);
                        field = rest;
                    }
                }
                return Ok(());
            }
            extra = &extra[4 + length..];
        }
        Ok(())
    }
}

/// Inflates `data` into `out`, which takes at most `most` bytes.
fn inflate(inflater: &mut Decompress, data: &[u8], most: usize, out: &mut Vec<u8>) -> io::Result<()> {
    inflater.reset(false);
    loop {
        if out.len() == out.capacity() {
            out.reserve((out.len() + 1).max(16 << 10).min(most - out.len()));
        }
        let (taken, made) = (inflater.total_in(), out.len());
        let rest = data.get(usize::try_from(taken).unwrap_or(usize::MAX)..).unwrap_or_default();
        let status = inflater.decompress_vec(rest, out, FlushDecompress::Finish).map_err(io::Error::other)?;
        if status == Status::StreamEnd || out.len() >= most {
            out.truncate(most);
            return Ok(());
        }
        if inflater.total_in() == taken && out.len() == made && out.len() < out.capacity() {
            return Err(broken("its compressed bytes end too early"));
        }
    }
}

/// Files, size and start of the directory, and where it ends, after the zip64 records in front of `end`.
fn zip64<R: Read + Seek>(reader: &mut R, end: u64) -> io::Result<(u64, u64, u64, u64)> {
    let damaged = || broken("its zip64 directory is not where it says");
    let mut locator = [0; LOCATOR_BYTES as usize];
    reader.seek(SeekFrom::Start(end.checked_sub(LOCATOR_BYTES).ok_or_else(damaged)?))?;
    reader.read_exact(&mut locator)?;
    if !locator.starts_with(b"PK\x06\x07") {
        return Err(damaged());
    }
    let start = u64_at(&locator, 8);
    let mut record = [0; 56];
    reader.seek(SeekFrom::Start(start))?;
    reader.read_exact(&mut record)?;
    if !record.starts_with(b"PK\x06\x06") {
        return Err(damaged());
    }
    Ok((u64_at(&record, 32), u64_at(&record, 40), u64_at(&record, 48), start))
}

fn broken(detail: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, detail)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}
