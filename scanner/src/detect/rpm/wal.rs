//! SQLite's write-ahead log: pages that belong in place of the database's own.
//!
//! The layout is SQLite's "WAL-mode File Format". What counts are the frames up to the last that ends a transaction, of a run
//! in which every salt is the log's and every checksum goes on from the one before: what is behind them is of
//! an older log, or was never finished.

use std::collections::HashMap;
use std::io;

use super::container::{u32_be, u32_le};
use crate::content::Content;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// Its last bit says that checksums read big-endian words.
const MAGIC: u32 = 0x377f_0682;
const FORMAT: u32 = 3_007_000;

/// The committed pages of a log.
pub(super) struct Wal<'a> {
    content: &'a Content,
    page_size: u32,
    /// Where the last committed version of each page is.
    pages: HashMap<u32, u64>,
}

impl<'a> Wal<'a> {
    /// Reads a log; `None` where no transaction in it was ever finished.
    pub(super) fn read(content: &'a Content) -> io::Result<Option<Self>> {
        if content.length() < HEADER_BYTES as u64 {
            return Ok(None);
        }
        let header = content.slice(0, HEADER_BYTES)?;
        let number = |at| u32_be(&header, at).unwrap_or_default();
        let (magic, page_size) = (number(0), number(8));
        if magic & !1 != MAGIC || number(4) != FORMAT || !is_page_size(page_size) {
            return Ok(None);
        }
        let mut checksum = Checksum { big_endian: magic & 1 == 1, sums: [0, 0] };
        checksum.add(&header[..24]);
        if checksum.sums != [number(24), number(28)] {
            return Ok(None);
        }
        let mut wal = Self { content, page_size, pages: HashMap::new() };
        wal.frames(checksum, &header[16..24])?;
        Ok((!wal.pages.is_empty()).then_some(wal))
    }

    pub(super) fn page_size(&self) -> u32 {
        self.page_size
    }

    /// How many pages the log has.
    pub(super) fn page_count(&self) -> u64 {
        self.pages.len() as u64
    }

    /// Where in the log a page is, if it is there.
    pub(super) fn place(&self, page: u32) -> Option<u64> {
        self.pages.get(&page).copied()
    }

    pub(super) fn content(&self) -> &'a Content {
        self.content
    }

    fn frames(&mut self, mut checksum: Checksum, salts: &[u8]) -> io::Result<()> {
        let length = FRAME_HEADER_BYTES + self.page_size as usize;
        let mut offset = HEADER_BYTES as u64;
        let mut open = Vec::new();
        while offset + length as u64 <= self.content.length() {
            let frame = self.content.slice(offset, length)?;
            let number = |at| u32_be(&frame, at).unwrap_or_default();
            checksum.add(&frame[..8]);
            checksum.add(&frame[FRAME_HEADER_BYTES..]);
            if frame[8..16] != *salts || checksum.sums != [number(16), number(20)] || number(0) == 0 {
                break;
            }
            open.push((number(0), offset + FRAME_HEADER_BYTES as u64));
            // The database's size in pages ends a transaction, and is 0 before.
            if number(4) != 0 {
                self.pages.extend(open.drain(..));
            }
            offset += length as u64;
        }
        Ok(())
    }
}

/// Whether SQLite has pages of that size.
pub(super) fn is_page_size(size: u32) -> bool {
    (512..=65_536).contains(&size) && size.is_power_of_two()
}

struct Checksum {
    big_endian: bool,
    sums: [u32; 2],
}

impl Checksum {
    /// Goes on with bytes whose number is a multiple of eight.
    fn add(&mut self, bytes: &[u8]) {
        let word = if self.big_endian { u32_be } else { u32_le };
        let [mut first, mut second] = self.sums;
        for pair in bytes.as_chunks::<8>().0 {
            let (even, odd) = (word(pair, 0).unwrap_or_default(), word(pair, 4).unwrap_or_default());
            first = first.wrapping_add(even).wrapping_add(second);
            second = second.wrapping_add(odd).wrapping_add(first);
        }
        self.sums = [first, second];
    }
}

/// A log in tests: frames of a page's number, its bytes, and the size that ends a transaction.
#[cfg(test)]
pub(super) fn log(page_size: u32, magic_bit: u32, frames: &[(u32, Vec<u8>, u32)]) -> Vec<u8> {
    let words = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
    let mut file = words(&[MAGIC | magic_bit, FORMAT, page_size, 0, 7, 9]);
    let mut checksum = Checksum { big_endian: magic_bit == 1, sums: [0, 0] };
    checksum.add(&file);
    file.extend(words(&checksum.sums));
    for (page, bytes, size) in frames {
        let head = words(&[*page, *size]);
        checksum.add(&head);
        checksum.add(bytes);
        file.extend([head, words(&[7, 9]), words(&checksum.sums), bytes.clone()].concat());
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Vec<(u32, Vec<u8>, u32)> {
        [(2, 1, 0), (3, 2, 3), (2, 3, 3), (4, 4, 0)].map(|(page, byte, size)| (page, vec![byte; 512], size)).to_vec()
    }

    /// The first byte of pages 2, 3 and 4.
    fn read(file: Vec<u8>) -> Option<[Option<u8>; 3]> {
        let content = file.into();
        let wal = Wal::read(&content).unwrap()?;
        Some([2, 3, 4].map(|page| wal.place(page).map(|place| content.slice(place, 1).unwrap()[0])))
    }

    #[test]
    fn the_last_committed_version_of_a_page_counts() {
        for bit in [0, 1] {
            assert_eq!(read(log(512, bit, &frames())), Some([Some(3), Some(2), None]));
        }
    }

    #[test]
    fn what_follows_a_broken_frame_does_not_count() {
        let file = log(512, 0, &frames());
        let third = 32 + 2 * (24 + 512);
        for at in [third, third + 8, third + 16, third + 24] {
            let mut broken = file.clone();
            broken[at] ^= 0x40;
            assert_eq!(read(broken), Some([Some(1), Some(2), None]), "{at}");
        }
        for end in 0..file.len() {
            let expected = match end.saturating_sub(32) / 536 {
                0 | 1 => None,
                2 => Some([Some(1), Some(2), None]),
                _ => Some([Some(3), Some(2), None]),
            };
            assert_eq!(read(file[..end].to_vec()), expected, "{end}");
        }
        for at in 0..32 {
            let mut broken = file.clone();
            broken[at] ^= 0x40;
            assert_eq!(read(broken), None, "{at}");
        }
    }
}
