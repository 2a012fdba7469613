//! The bytes of one file of interest while a detector looks at it: in memory within a budget that all scans share, else in a
//! nameless temporary file.
//!
//! Owns that budget. Invariant: however many files are looked at, and however large they are, at most the budget of bytes is in
//! memory; a temporary file is gone with its process, whatever ends it.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes reserved at once while a file grows in memory.
const GRAIN: usize = 256 << 10;
/// Bytes a reader takes from a temporary file at once.
const READ_BUFFER: usize = 64 << 10;

/// The budget of bytes in memory that all scans share. Clones are one budget.
#[derive(Clone, Debug)]
pub struct Buffers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    free: AtomicUsize,
    /// What one file may take, so that a large one does not send all others to disk.
    share: usize,
    directory: PathBuf,
}

impl Buffers {
    /// A budget of `bytes`; files past it go to nameless files in `directory`.
    pub fn new(bytes: usize, directory: PathBuf) -> Self {
        Self(Arc::new(Shared { free: AtomicUsize::new(bytes), share: bytes / 4, directory }))
    }

    fn take(&self, bytes: usize) -> bool {
        let less = |free: usize| free.checked_sub(bytes);
        self.0.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.0.free.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Default for Buffers {
    /// 64 MiB, and the system's folder for temporary files.
    fn default() -> Self {
        Self::new(64 << 20, std::env::temp_dir())
    }
}

/// A file that is being gathered.
#[derive(Debug)]
pub struct Spool {
    buffers: Buffers,
    memory: Vec<u8>,
    reserved: usize,
    file: Option<File>,
    length: u64,
}

impl Spool {
    /// An empty one that draws on `buffers`.
    pub fn new(buffers: &Buffers) -> Self {
        Self { buffers: buffers.clone(), memory: Vec::new(), reserved: 0, file: None, length: 0 }
    }

    /// Adds the next bytes. Errors are those of the temporary file.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.length += bytes.len() as u64;
        if let Some(file) = &mut self.file {
            return file.write_all(bytes);
        }
        let needed = (self.memory.len() + bytes.len()).next_multiple_of(GRAIN);
        if needed > self.reserved {
            let more = needed - self.reserved;
            if needed > self.buffers.0.share || !self.buffers.take(more) {
                return self.spill(bytes);
            }
            self.reserved = needed;
            self.memory.reserve_exact(needed - self.memory.len());
        }
        self.memory.extend_from_slice(bytes);
        Ok(())
    }

    /// The gathered bytes.
    pub fn finish(mut self) -> Content {
        let bytes = match self.file.take() {
            Some(file) => Bytes::Disk(file),
            None => Bytes::Memory(std::mem::take(&mut self.memory)),
        };
        Content { bytes, length: self.length, spool: Some(self) }
    }

    fn spill(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::tempfile_in(&self.buffers.0.directory)?;
        file.write_all(&self.memory)?;
        file.write_all(bytes)?;
        self.file = Some(file);
        self.memory = Vec::new();
        self.buffers.give_back(std::mem::take(&mut self.reserved));
        Ok(())
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.buffers.give_back(self.reserved);
    }
}

/// A whole file, readable at any place.
#[derive(Debug)]
pub struct Content {
    bytes: Bytes,
    length: u64,
    /// Gives the budget back when the content goes; `None` for bytes that count towards none.
    spool: Option<Spool>,
}

#[derive(Debug)]
enum Bytes {
    Memory(Vec<u8>),
    Disk(File),
}

impl From<Vec<u8>> for Content {
    /// Bytes that are in memory already and count towards no budget.
    fn from(bytes: Vec<u8>) -> Self {
        Self { length: bytes.len() as u64, bytes: Bytes::Memory(bytes), spool: None }
    }
}

impl Content {
    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Room for bytes that are unpacked from this content, on the same budget; a budget of their own where the content counts
    /// towards none.
    pub fn spool(&self) -> Spool {
        self.spool.as_ref().map_or_else(|| Spool::new(&Buffers::default()), |spool| Spool::new(&spool.buffers))
    }

    /// Fills `out` from `offset` on; an error where the content ends before.
    pub fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match &self.bytes {
            Bytes::Memory(bytes) => {
                let start = usize::try_from(offset).ok().filter(|start| *start <= bytes.len());
                let found = start.and_then(|start| bytes[start..].get(..out.len()));
                out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            Bytes::Disk(file) => file.read_exact_at(out, offset),
        }
    }

    /// `length` bytes from `offset` on, without a copy where they are in memory; an error where the content ends before, and
    /// then nothing was allocated for it.
    pub fn slice(&self, offset: u64, length: usize) -> io::Result<Cow<'_, [u8]>> {
        if offset.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match &self.bytes {
            Bytes::Memory(bytes) => {
                let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
                Ok(Cow::Borrowed(&bytes[start..start + length]))
            }
            Bytes::Disk(file) => {
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, offset)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// Reads it from the start; several readers do not disturb each other.
    pub fn reader(&self) -> ContentReader<'_> {
        ContentReader { content: self, position: 0, buffer: Vec::new(), start: 0 }
    }
}

/// Reads a [`Content`] as a file.
#[derive(Debug)]
pub struct ContentReader<'a> {
    content: &'a Content,
    position: u64,
    /// Bytes of a temporary file from `start` on.
    buffer: Vec<u8>,
    start: u64,
}

impl BufRead for ContentReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let left = self.content.length.saturating_sub(self.position);
        match &self.content.bytes {
            _ if left == 0 => Ok(&[]),
            Bytes::Memory(bytes) => {
                let start = usize::try_from(self.position).map_err(|_| io::ErrorKind::UnexpectedEof)?;
                Ok(&bytes[start..])
            }
            Bytes::Disk(file) => {
                let within = self.start..self.start + self.buffer.len() as u64;
                if !within.contains(&self.position) {
                    let count = usize::try_from(left).unwrap_or(READ_BUFFER).min(READ_BUFFER);
                    self.buffer.resize(count, 0);
                    self.start = self.position;
                    if let Err(error) = file.read_exact_at(&mut self.buffer, self.position) {
                        self.buffer.clear();
                        return Err(error);
                    }
                }
                let at = usize::try_from(self.position - self.start).map_err(|_| io::ErrorKind::UnexpectedEof)?;
                Ok(&self.buffer[at..])
            }
        }
    }

    fn consume(&mut self, count: usize) {
        self.position += count as u64;
    }
}

impl Read for ContentReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut bytes = self.fill_buf()?;
        let count = Read::read(&mut bytes, out)?;
        self.consume(count);
        Ok(count)
    }
}

impl Seek for ContentReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.content.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spooled(buffers: &Buffers, bytes: &[u8]) -> Content {
        let mut spool = Spool::new(buffers);
        for piece in bytes.chunks(100_000) {
            spool.append(piece).unwrap();
        }
        spool.finish()
    }

    #[test]
    fn a_file_reads_the_same_from_memory_and_from_disk() {
        let bytes: Vec<u8> = (0..900_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let buffers = Buffers::new(8 << 20, std::env::temp_dir());
        let small = Buffers::new(1 << 20, std::env::temp_dir());
        for (content, on_disk) in [(spooled(&buffers, &bytes), false), (spooled(&small, &bytes), true)] {
            assert_eq!(matches!(content.bytes, Bytes::Disk(_)), on_disk);
            assert_eq!(content.length(), bytes.len() as u64);
            assert_eq!(content.slice(700_000, 1000).unwrap(), &bytes[700_000..701_000]);
            assert!(content.slice(u64::MAX, 1).is_err() && content.slice(899_999, 2).is_err());
            let mut reader = content.reader();
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            assert_eq!(read, bytes);
            reader.seek(SeekFrom::End(-3)).unwrap();
            read.clear();
            reader.read_to_end(&mut read).unwrap();
            assert_eq!(read, &bytes[bytes.len() - 3..]);
            assert!(reader.seek(SeekFrom::Current(-1_000_000)).is_err());
            reader.seek(SeekFrom::Start(1 << 40)).unwrap();
            assert_eq!(reader.read(&mut [0; 4]).unwrap(), 0);
            let mut four = [0; 4];
            content.read_exact_at(5, &mut four).unwrap();
            assert_eq!(four, bytes[5..9]);
            assert!(content.read_exact_at(899_998, &mut four).is_err());
        }
    }

    #[test]
    fn the_budget_comes_back_whole() {
        let buffers = Buffers::new(4 << 20, std::env::temp_dir());
        let held: Vec<_> = (0..8).map(|_| spooled(&buffers, &vec![1; 900_000])).collect();
        assert_eq!(held.iter().filter(|content| matches!(content.bytes, Bytes::Memory(_))).count(), 4);
        drop(held);
        assert_eq!(buffers.0.free.load(Ordering::Relaxed), 4 << 20);
    }
}
