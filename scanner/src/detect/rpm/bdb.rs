//! `Packages` as a Berkeley DB hash, which rpm wrote until 4.16: package numbers to headers.
//!
//! The layout is Berkeley DB's `dbinc/db_page.h`; numbers are in the order of the machine that wrote the file. Buckets are
//! walked as a program would that looks for a key, so that what a deletion left behind on unused pages is not found again.

use std::borrow::Cow;

use super::container::{ContainerError, Outcome, Take, Visited, array, length};
use crate::content::Content;

/// Of a hash database, at [`MAGIC_AT`].
const MAGIC: u32 = 0x0006_1561;
const MAGIC_AT: usize = 12;
/// Bytes of the first page that matter here.
const META_BYTES: usize = 512;
/// Bytes before a page's index of items.
const PAGE_HEADER: usize = 26;
/// Types of pages that hold items.
const HASH_UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH: u8 = 13;
/// Types of items.
const KEY_DATA: u8 = 1;
const OFF_PAGE: u8 = 3;

/// Whether a file that begins so is a Berkeley DB hash.
pub(super) fn is_bdb(head: &[u8]) -> bool {
    array(head, MAGIC_AT).is_some_and(|magic| [u32::from_le_bytes(magic), u32::from_be_bytes(magic)].contains(&MAGIC))
}

/// Hands on every header.
pub(super) fn read(content: &Content, take: &mut Take<'_>) -> Outcome<()> {
    let meta = content.slice(0, META_BYTES)?;
    let order = Order { little: array(&meta, MAGIC_AT).map(u32::from_le_bytes) == Some(MAGIC) };
    let number = |at| order.u32(&meta, at).ok_or(BAD_PAGE);
    let (page_size, max_bucket) = (number(20)?, number(72)?);
    let (encryption, flags) = (meta[24], meta[26]);
    if encryption != 0 || flags & 1 != 0 {
        return Err(ContainerError::Unread(
            "this version does not read Berkeley DB files with encryption or checksums",
        ));
    }
    if !(512..=65_536).contains(&page_size) || !page_size.is_power_of_two() {
        return Err(ContainerError::Broken("the size of the database's pages is none of Berkeley DB's"));
    }
    let mut database = Database { content, order, page_size, visited: Visited::default() };
    if u64::from(max_bucket) >= content.length() / u64::from(page_size) {
        return Err(ContainerError::Broken("the database has fewer pages than buckets"));
    }
    for bucket in 0..=max_bucket {
        // Buckets come in runs that double; `spares` says how far each run is from where it would be without other pages.
        let run = (u32::BITS - bucket.leading_zeros()) as usize;
        let mut page = number(96 + 4 * run)?.wrapping_add(bucket);
        while page != 0 {
            page = database.bucket_page(page, take)?;
        }
    }
    Ok(())
}

const BAD_PAGE: ContainerError = ContainerError::Broken("a page of the database breaks its format");

/// How the machine that wrote the database ordered the bytes of a number.
#[derive(Clone, Copy)]
struct Order {
    little: bool,
}

impl Order {
    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        array(bytes, at).map(if self.little { u32::from_le_bytes } else { u32::from_be_bytes })
    }

    fn u16(self, bytes: &[u8], at: usize) -> Option<usize> {
        array(bytes, at).map(if self.little { u16::from_le_bytes } else { u16::from_be_bytes }).map(usize::from)
    }
}

struct Database<'a> {
    content: &'a Content,
    order: Order,
    page_size: u32,
    visited: Visited,
}

impl<'a> Database<'a> {
    fn page(&mut self, number: u32) -> Outcome<Cow<'a, [u8]>> {
        self.visited.note(number)?;
        Ok(self.content.slice(u64::from(number) * u64::from(self.page_size), self.page_size as usize)?)
    }

    /// Hands on the headers of one page; returns the bucket's next page, 0 after its last.
    fn bucket_page(&mut self, number: u32, take: &mut Take<'_>) -> Outcome<u32> {
        let page = self.page(number)?;
        match page[25] {
            HASH | HASH_UNSORTED => {}
            // A bucket nothing was ever put into is a page of zeros.
            0 => return Ok(0),
            _ => return Err(BAD_PAGE),
        }
        let entries = self.order.u16(&page, 20).ok_or(BAD_PAGE)?;
        let mut end = page.len();
        let mut key_is_zero = false;
        for entry in 0..entries {
            // Items lie from the page's end downwards, each up to the one before.
            let start = self.order.u16(&page, PAGE_HEADER + 2 * entry).ok_or(BAD_PAGE)?;
            let item = page.get(start..end).ok_or(BAD_PAGE)?;
            end = start;
            let (kind, value) = item.split_first().ok_or(BAD_PAGE)?;
            match (entry % 2, *kind) {
                (0, KEY_DATA) => key_is_zero = value.iter().all(|byte| *byte == 0),
                // Under the number 0 rpm keeps the last number it gave.
                (1, _) if key_is_zero => {}
                (1, KEY_DATA) => take(value),
                (1, OFF_PAGE) => take(&self.overflow(item)?),
                _ => return Err(BAD_PAGE),
            }
        }
        self.order.u32(&page, 16).ok_or(BAD_PAGE)
    }

    /// A value too large for its page.
    fn overflow(&mut self, item: &[u8]) -> Outcome<Vec<u8>> {
        let mut number = self.order.u32(item, 4).ok_or(BAD_PAGE)?;
        let total = length(u64::from(self.order.u32(item, 8).ok_or(BAD_PAGE)?))?;
        let mut value = Vec::new();
        while value.len() < total {
            let page = self.page(number)?;
            let used = self.order.u16(&page, 22).filter(|used| *used > 0 && page[25] == OVERFLOW);
            let part = used.and_then(|used| page.get(PAGE_HEADER..PAGE_HEADER + used)).ok_or(BAD_PAGE)?;
            value.extend_from_slice(part);
            number = self.order.u32(&page, 16).ok_or(BAD_PAGE)?;
        }
        value.truncate(total);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAGE: usize = 512;

    /// A big-endian database: the meta page, one bucket with the keys 0 and 1, a value of 600 bytes on two pages.
    fn database() -> Vec<u8> {
        let mut file = vec![0; 4 * PAGE];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(12, &MAGIC.to_be_bytes());
        put(20, &512_u32.to_be_bytes());
        put(96, &1_u32.to_be_bytes());
        let items: [&[u8]; 4] =
            [&[1, 0, 0, 0, 0], &[1, 0, 0, 0, 9], &[1, 0, 0, 0, 1], &[3, 0, 0, 0, 0, 0, 0, 2, 0, 0, 2, 88]];
        put(PAGE + 20, &[0, 4]);
        put(PAGE + 25, &[HASH]);
        let mut end = PAGE;
        for (entry, item) in items.into_iter().enumerate() {
            end -= item.len();
            put(PAGE + end, item);
            put(PAGE + PAGE_HEADER + 2 * entry, &u16::try_from(end).unwrap().to_be_bytes());
        }
        for (page, next, used) in [(2, 3_u32, 486_u16), (3, 0, 114)] {
            put(page * PAGE + 16, &next.to_be_bytes());
            put(page * PAGE + 22, &used.to_be_bytes());
            put(page * PAGE + 25, &[OVERFLOW]);
            put(page * PAGE + PAGE_HEADER, &vec![u8::try_from(page).unwrap(); usize::from(used)]);
        }
        file
    }

    fn read_all(file: Vec<u8>) -> (Vec<Vec<u8>>, Outcome<()>) {
        let mut headers = Vec::new();
        let outcome = read(&file.into(), &mut |header| headers.push(header.to_vec()));
        (headers, outcome)
    }

    #[test]
    fn a_big_endian_database_is_read_through_its_overflow_pages() {
        assert!(is_bdb(&database()));
        let (headers, outcome) = read_all(database());
        outcome.unwrap();
        assert_eq!(headers, [[vec![2; 486], vec![3; 114]].concat()]);
    }

    #[test]
    fn damage_is_an_error() {
        let damages: [(usize, &[u8]); 9] = [
            // A page size of none, encryption, more buckets than pages, a bucket at the meta page's place.
            (20, &[0, 0, 2, 1]),
            (24, &[1]),
            (72, &[0xff; 4]),
            (96, &[0xff; 4]),
            // The bucket's page follows itself; its items lie outside.
            (PAGE + 16, &[0, 0, 0, 1]),
            (PAGE + PAGE_HEADER, &[0xff; 2]),
            // Overflow pages in a circle, one without bytes, one of another type.
            (3 * PAGE + 22, &[0, 1]),
            (2 * PAGE + 22, &[0, 0]),
            (2 * PAGE + 25, &[HASH]),
        ];
        for (at, bytes) in damages {
            let mut file = database();
            file[at..at + bytes.len()].copy_from_slice(bytes);
            assert!(read_all(file).1.is_err(), "{at}");
        }
        for end in 0..3 * PAGE {
            assert!(read_all(database()[..end].to_vec()).1.is_err(), "{end}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8)) {
            let mut file = database();
            for (index, byte) in flips {
                let at = index.index(file.len());
                file[at] = byte;
            }
            let _ = read_all(file);
        }
    }
}
