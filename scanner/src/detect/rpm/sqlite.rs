//! Rows of one table of an SQLite database, read without SQLite.
//!
//! The layout is SQLite's "Database File Format". The bytes that say whether a write-ahead log is in use (18 and 19) do not
//! matter here: a log that is at hand is replayed, and without one the file is read as it is.

use std::borrow::Cow;

use super::container::{ContainerError, Outcome, Take, Visited, array, length, u32_be};
use super::record::{column, integer, is_blob, text, varint};
use super::wal::{Wal, is_page_size};
use crate::content::Content;

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Bytes of the database's header, before the first page's own.
const HEADER_BYTES: usize = 100;
/// Types of pages of a table.
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;
/// The table of tables.
const SCHEMA_PAGE: u32 = 1;

const BAD_PAGE: ContainerError = ContainerError::Broken("a page of the database breaks its format");

/// Whether a file that begins so is of this kind.
pub(super) fn is_sqlite(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

/// Hands on the blob of every row of rpm's table of packages.
pub(super) fn read(content: &Content, wal: Option<&Wal<'_>>, take: &mut Take<'_>) -> Outcome<()> {
    let database = Database::open(content, wal)?;
    let mut root = None;
    database.rows(SCHEMA_PAGE, &mut |row| {
        // Type, name, table, root page, text.
        if text(row, 0) == Some(b"table") && text(row, 1) == Some(b"Packages") {
            root = column(row, 3).and_then(|(kind, value)| integer(kind, value));
        }
    })?;
    let root = root.and_then(|root| u32::try_from(root).ok());
    let root = root.ok_or(ContainerError::Broken("the database has no table of packages"))?;
    let mut without = false;
    // A number, which is the row's own and not repeated here, and the header.
    database.rows(root, &mut |row| match column(row, 1).filter(|(kind, _)| is_blob(*kind)) {
        Some((_, header)) => take(header),
        None => without = true,
    })?;
    if without { Err(ContainerError::Broken("a row of the table of packages has no header")) } else { Ok(()) }
}

struct Database<'a> {
    content: &'a Content,
    wal: Option<&'a Wal<'a>>,
    page_size: u32,
    /// Bytes of a page that SQLite uses.
    usable: usize,
    /// How many pages there are at most.
    pages: u64,
}

impl<'a> Database<'a> {
    fn open(content: &'a Content, wal: Option<&'a Wal<'a>>) -> Outcome<Self> {
        let header = content.slice(0, HEADER_BYTES)?;
        let page_size = match array(&header, 16).map(u16::from_be_bytes) {
            Some(1) => 65_536,
            Some(size) => u32::from(size),
            None => 0,
        };
        let usable = page_size.saturating_sub(u32::from(header[20]));
        if !is_page_size(page_size) || usable < 480 {
            return Err(ContainerError::Broken("the size of the database's pages is none of SQLite's"));
        }
        if wal.is_some_and(|wal| wal.page_size() != page_size) {
            return Err(ContainerError::Broken("the pages of the database and of its write-ahead log differ in size"));
        }
        // Encoding of text: 1 is UTF-8, and so is 0 in a database without tables.
        if u32_be(&header, 56).is_none_or(|encoding| encoding > 1) {
            return Err(ContainerError::Unread("this version does not read SQLite databases in UTF-16"));
        }
        let pages = content.length() / u64::from(page_size) + wal.map_or(0, Wal::page_count);
        Ok(Self { content, wal, page_size, usable: usable as usize, pages })
    }

    fn page(&self, number: u32, visited: &mut Visited) -> Outcome<Cow<'a, [u8]>> {
        visited.note(number)?;
        let length = self.page_size as usize;
        if let Some((wal, place)) = self.wal.and_then(|wal| Some((wal, wal.place(number)?))) {
            return Ok(wal.content().slice(place, length)?);
        }
        let place = u64::from(number.checked_sub(1).ok_or(BAD_PAGE)?) * u64::from(self.page_size);
        Ok(self.content.slice(place, length)?)
    }

    /// Hands on the record of every row of the table at a root page, in the order of their numbers.
    fn rows(&self, root: u32, take: &mut Take<'_>) -> Outcome<()> {
        let mut visited = Visited::default();
        let mut ahead = vec![root];
        while let Some(number) = ahead.pop() {
            let page = self.page(number, &mut visited)?;
            let page = &page[..self.usable];
            let start = if number == 1 { HEADER_BYTES } else { 0 };
            let kind = page[start];
            let cells = usize::from(u16_be(page, start + 3)?);
            let pointers = start + if kind == INTERIOR { 12 } else { 8 };
            let cell = |index: usize| page.get(usize::from(u16_be(page, pointers + 2 * index)?)..).ok_or(BAD_PAGE);
            match kind {
                LEAF => {
                    // Cells do not overlap: all together are no longer than the page, whatever the pointers say.
                    let mut left = page.len();
                    for index in 0..cells {
                        let (record, local) = self.record(cell(index)?, &mut visited)?;
                        left = left.checked_sub(local).ok_or(BAD_PAGE)?;
                        take(&record);
                    }
                }
                INTERIOR => {
                    ahead.push(u32_be(page, start + 8).ok_or(BAD_PAGE)?);
                    for index in (0..cells).rev() {
                        ahead.push(u32_be(cell(index)?, 0).ok_or(BAD_PAGE)?);
                    }
                    if ahead.len() as u64 > self.pages {
                        return Err(BAD_PAGE);
                    }
                }
                _ => return Err(BAD_PAGE),
            }
        }
        Ok(())
    }

    /// The record in a leaf's cell, gathered from its overflow pages where it has such, and how many of its bytes lie in the
    /// cell.
    fn record<'p>(&self, cell: &'p [u8], visited: &mut Visited) -> Outcome<(Cow<'p, [u8]>, usize)> {
        let (stated, cell) = varint(cell).ok_or(BAD_PAGE)?;
        let (_row, cell) = varint(cell).ok_or(BAD_PAGE)?;
        let total = length(stated)?;
        let most = self.usable - 35;
        if total <= most {
            return Ok((Cow::Borrowed(cell.get(..total).ok_or(BAD_PAGE)?), total));
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let fitting = least + (total - least) % (self.usable - 4);
        let local = if fitting <= most { fitting } else { least };
        let mut record = cell.get(..local).ok_or(BAD_PAGE)?.to_vec();
        let mut next = u32_be(cell, local).ok_or(BAD_PAGE)?;
        while record.len() < total {
            let page = self.page(next, visited)?;
            let part = (total - record.len()).min(self.usable - 4);
            record.extend_from_slice(&page[4..4 + part]);
            next = u32_be(&page, 0).ok_or(BAD_PAGE)?;
        }
        Ok((Cow::Owned(record), local))
    }
}

fn u16_be(bytes: &[u8], at: usize) -> Outcome<u16> {
    array(bytes, at).map(u16::from_be_bytes).ok_or(BAD_PAGE)
}

/// A small database in tests, in pages of 512 bytes: the schema, an inner page over two leaves, a row with overflow pages.
#[cfg(test)]
pub(super) fn database(headers: [&[u8]; 2]) -> Vec<u8> {
    const PAGE: usize = 512;
    let varint = |number: usize| {
        let low = u8::try_from(number & 0x7f).unwrap();
        let high = u8::try_from(number >> 7).unwrap();
        if high == 0 { vec![low] } else { vec![0x80 | high, low] }
    };
    let row = |number: u8, values: &[(usize, &[u8])]| {
        let kinds: Vec<u8> = values.iter().flat_map(|(kind, _)| varint(*kind)).collect();
        let mut record = varint(kinds.len() + 1);
        record.extend(kinds);
        record.extend(values.iter().flat_map(|(_, value)| value.to_vec()));
        ([varint(record.len()), vec![number]].concat(), record)
    };
    let mut file = vec![0; 4 * PAGE];
    file[..16].copy_from_slice(MAGIC);
    file[16..18].copy_from_slice(&512_u16.to_be_bytes());
    file[18..20].copy_from_slice(&[2, 2]);
    file[59] = 1;
    let mut leaf = |page: usize, (mut cell, record): (Vec<u8>, Vec<u8>)| {
        let most = PAGE - 35;
        let mut local = record.len();
        if local > most {
            let least = (PAGE - 12) * 32 / 255 - 23;
            let fitting = least + (local - least) % (PAGE - 4);
            local = if fitting <= most { fitting } else { least };
        }
        cell.extend(&record[..local]);
        let overflow: Vec<&[u8]> = record[local..].chunks(PAGE - 4).collect();
        let first = u32::try_from(file.len() / PAGE + 1).unwrap();
        if !overflow.is_empty() {
            cell.extend(first.to_be_bytes());
        }
        for (index, part) in (1..).zip(&overflow) {
            let next = if index as usize == overflow.len() { 0 } else { first + index };
            file.extend([&next.to_be_bytes()[..], part].concat());
            file.resize(file.len().next_multiple_of(PAGE), 0);
        }
        let start = (page - 1) * PAGE + if page == 1 { HEADER_BYTES } else { 0 };
        let at = PAGE - cell.len();
        file[start..start + 5].copy_from_slice(&[LEAF, 0, 0, 0, 1]);
        file[start + 8..start + 10].copy_from_slice(&u16::try_from(at).unwrap().to_be_bytes());
        file[page * PAGE - cell.len()..page * PAGE].copy_from_slice(&cell);
    };
    leaf(1, row(1, &[(23, b"table"), (29, b"Packages"), (29, b"Packages"), (1, &[2])]));
    leaf(3, row(1, &[(0, b""), (12 + 2 * headers[0].len(), headers[0])]));
    leaf(4, row(2, &[(0, b""), (12 + 2 * headers[1].len(), headers[1])]));
    file[PAGE..PAGE + 14].copy_from_slice(&[INTERIOR, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 4, 1, 0]);
    file[PAGE + 256..PAGE + 261].copy_from_slice(&[0, 0, 0, 3, 1]);
    file
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::rpm::wal;

    const LONG: [u8; 1500] = [7; 1500];

    fn read_all(file: Vec<u8>, log: Option<Vec<u8>>) -> (Vec<Vec<u8>>, Outcome<()>) {
        let mut headers = Vec::new();
        let log: Option<Content> = log.map(Into::into);
        let log = log.as_ref().and_then(|log| Wal::read(log).unwrap());
        let outcome = read(&file.into(), log.as_ref(), &mut |header| headers.push(header.to_vec()));
        (headers, outcome)
    }

    #[test]
    fn rows_are_read_through_inner_and_overflow_pages_whatever_the_header_says_of_a_log() {
        for version in [1, 2] {
            let mut file = database([&[5; 30], &LONG]);
            file[18..20].fill(version);
            let (headers, outcome) = read_all(file, None);
            outcome.unwrap();
            assert_eq!(headers, [&[5; 30][..], &LONG]);
        }
    }

    #[test]
    fn a_log_replaces_pages() {
        let (old, new) = (database([b"old", b"same"]), database([b"new", b"same"]));
        let page = |number: u32| (number, new[(number as usize - 1) * 512..number as usize * 512].to_vec(), 4);
        let (headers, outcome) = read_all(old.clone(), Some(wal::log(512, 0, &[page(3)])));
        outcome.unwrap();
        assert_eq!(headers, [&b"new"[..], b"same"]);
        // Pages that the database does not have yet: its first ones are enough.
        let (headers, outcome) = read_all(old[..512].to_vec(), Some(wal::log(512, 1, &[page(2), page(3), page(4)])));
        outcome.unwrap();
        assert_eq!(headers, [&b"new"[..], b"same"]);
        assert!(read_all(old, Some(wal::log(1024, 0, &[(3, vec![0; 1024], 4)]))).1.is_err());
    }

    #[test]
    fn damage_is_an_error() {
        let damages: [(usize, &[u8]); 13] = [
            // A page size of none, too many reserved bytes, UTF-16.
            (16, &[2, 1]),
            (20, &[0xff]),
            (59, &[2]),
            // The schema's page is none, names another table, has a cell outside.
            (100, &[INTERIOR]),
            (470, &[b'x'; 42]),
            (108, &[0xff; 2]),
            // The inner page leads to itself, to page 0, past the end; its cell lies outside.
            (512 + 8, &[0, 0, 0, 2]),
            (512 + 8, &[0, 0, 0, 0]),
            (512 + 8, &[0xff; 4]),
            (512 + 12, &[2, 0]),
            // A leaf of another kind, overflow pages in a circle and past the end.
            (2 * 512, &[2]),
            (4 * 512, &[0, 0, 0, 5]),
            (4 * 512, &[0xff; 4]),
        ];
        for (at, bytes) in damages {
            let mut file = database([&[5; 30], &LONG]);
            file[at..at + bytes.len()].copy_from_slice(bytes);
            assert!(read_all(file, None).1.is_err(), "{at}");
        }
        let file = database([&[5; 30], &LONG]);
        for end in 0..file.len() {
            assert!(read_all(file[..end].to_vec(), None).1.is_err(), "{end}");
        }
    }

    #[test]
    fn cells_of_one_place_are_no_more_than_the_page() {
        let mut file = database([&[5; 30], &[6; 100]]);
        let page = &mut file[3 * 512..];
        page[4] = 100;
        let cell = [page[8], page[9]];
        page[8..208].as_chunks_mut().0.fill(cell);
        let (headers, outcome) = read_all(file, None);
        assert!(outcome.is_err() && headers.len() < 8, "{}", headers.len());
    }

    #[test]
    fn pages_ahead_are_no_more_than_the_database_has() {
        let mut file = database([&[5; 30], &LONG]);
        let cells: Vec<u8> = (0..200_u16).flat_map(|index| (112 + index).to_be_bytes()).collect();
        file[512 + 4] = 200;
        file[512 + 12..512 + 412].copy_from_slice(&cells);
        assert!(matches!(read_all(file, None), (headers, Err(_)) if headers.is_empty()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8)) {
            let mut file = database([&[5; 30], &LONG]);
            for (index, byte) in flips {
                let at = index.index(file.len());
                file[at] = byte;
            }
            let _ = read_all(file, None);
        }
    }
}
