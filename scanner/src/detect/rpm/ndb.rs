//! `Packages.db`: rpm's own container, which SUSE uses.
//!
//! The layout is `lib/backend/ndb/rpmpkg.c`'s of rpm: pages of slots, then blobs between a head and a tail, all numbers
//! little-endian.

use super::container::{ContainerError, Outcome, Take, length, u32_le};
use crate::content::Content;

/// Of the file, of a slot, and of a blob's ends.
const MAGIC: &[u8; 4] = b"RpmP";
const SLOT_MAGIC: &[u8; 4] = b"Slot";
const HEAD_MAGIC: &[u8; 4] = b"BlbS";
const TAIL_MAGIC: &[u8; 4] = b"BlbE";
const HEADER_BYTES: usize = 32;
const PAGE_BYTES: usize = 4096;
const SLOT_BYTES: usize = 16;
/// A blob's place is counted in these.
const BLOCK_BYTES: u64 = 16;
const HEAD_BYTES: usize = 16;
/// Most packages of one database: a slot is short, and leads to two places to read.
const MAX_PACKAGES: usize = 1_000_000;
const TAIL_BYTES: usize = 12;

/// Whether a file that begins so is of this kind.
pub(super) fn is_ndb(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

/// Hands on every header.
pub(super) fn read(content: &Content, take: &mut Take<'_>) -> Outcome<()> {
    let header = content.slice(0, HEADER_BYTES)?;
    if u32_le(&header, 4) != Some(0) {
        return Err(ContainerError::Unread("this version does not read databases of rpm's ndb in a newer format"));
    }
    let pages = u64::from(u32_le(&header, 12).unwrap_or_default());
    if pages * PAGE_BYTES as u64 > content.length() {
        return Err(ContainerError::Broken("the database has more slots than bytes"));
    }
    // Blobs do not overlap: all together are no longer than the file, whatever the slots say.
    let mut left = content.length();
    let mut packages = 0;
    for page in 0..pages {
        let slots = content.slice(page * PAGE_BYTES as u64, PAGE_BYTES)?;
        let before = if page == 0 { HEADER_BYTES / SLOT_BYTES } else { 0 };
        for slot in slots.as_chunks::<SLOT_BYTES>().0.iter().skip(before) {
            let (index, block) = (u32_le(slot, 4), u32_le(slot, 8));
            if !slot.starts_with(SLOT_MAGIC) {
                return Err(ContainerError::Broken("a slot of the database is none"));
            }
            let (Some(1..), Some(block)) = (index, block) else { continue };
            let blob = blob(content, u64::from(block) * BLOCK_BYTES, &slot[4..8], left)?;
            packages += 1;
            if packages > MAX_PACKAGES {
                return Err(ContainerError::Broken("the database has more packages than are read"));
            }
            left -= blob.len() as u64;
            take(&blob);
        }
    }
    Ok(())
}

/// The blob at `offset` that belongs to a package's index and has at most `most` bytes.
fn blob<'a>(content: &'a Content, offset: u64, index: &[u8], most: u64) -> Outcome<std::borrow::Cow<'a, [u8]>> {
    let broken = ContainerError::Broken("a package's place in the database holds none");
    let head = content.slice(offset, HEAD_BYTES)?;
    let stated = u64::from(u32_le(&head, 12).unwrap_or_default());
    if !head.starts_with(HEAD_MAGIC) || head[4..8] != *index || stated > most {
        return Err(broken);
    }
    let length = length(stated)?;
    let start = offset + HEAD_BYTES as u64;
    // The tail ends with a whole block.
    let end = (start + stated + TAIL_BYTES as u64).next_multiple_of(BLOCK_BYTES);
    let tail = content.slice(end - TAIL_BYTES as u64, TAIL_BYTES)?;
    if u32_le(&tail, 4).map(u64::from) != Some(stated) || !tail.ends_with(TAIL_MAGIC) {
        return Err(broken);
    }
    Ok(content.slice(start, length)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One page of slots, of which two are used, and their blobs.
    fn database() -> Vec<u8> {
        let mut file = [&MAGIC[..], &[0; 8], &1_u32.to_le_bytes(), &3_u32.to_le_bytes(), &[0; 12]].concat();
        for (index, block) in [(1_u32, 256_u32), (0, 0), (2, 260)] {
            file.extend([&SLOT_MAGIC[..], &index.to_le_bytes(), &block.to_le_bytes(), &3_u32.to_le_bytes()].concat());
        }
        file.resize(PAGE_BYTES, 0);
        for slot in file[5 * SLOT_BYTES..].chunks_exact_mut(SLOT_BYTES) {
            slot[..4].copy_from_slice(SLOT_MAGIC);
        }
        for (index, blob, padding) in [(1_u32, &b"first header"[..], 8), (2, b"second", 14)] {
            let length = u32::try_from(blob.len()).unwrap().to_le_bytes();
            file.extend([&HEAD_MAGIC[..], &index.to_le_bytes(), &[0; 4], &length, blob, &vec![0; padding]].concat());
            file.extend([&[0; 4], &length, &TAIL_MAGIC[..]].concat());
            file.resize(file.len().next_multiple_of(16), 0);
            if index == 1 {
                file.resize(PAGE_BYTES + 64, 0);
            }
        }
        file
    }

    fn read_all(file: Vec<u8>) -> (Vec<Vec<u8>>, Outcome<()>) {
        let mut headers = Vec::new();
        let outcome = read(&file.into(), &mut |header| headers.push(header.to_vec()));
        (headers, outcome)
    }

    #[test]
    fn packages_are_found_through_their_slots() {
        let (headers, outcome) = read_all(database());
        outcome.unwrap();
        assert_eq!(headers, [&b"first header"[..], b"second"]);
    }

    #[test]
    fn damage_is_an_error() {
        let damages: [(usize, &[u8]); 6] = [
            // A newer format, more slots than bytes, a slot without its mark, one that leads nowhere, another's blob, a length.
            (4, &[1]),
            (12, &[0xff; 4]),
            (4080, b"none"),
            (40, &[0xff; 4]),
            (PAGE_BYTES + 4, &[2]),
            (PAGE_BYTES + 12, &[0xff; 4]),
        ];
        for (at, bytes) in damages {
            let mut file = database();
            file[at..at + bytes.len()].copy_from_slice(bytes);
            assert!(read_all(file).1.is_err(), "{at}");
        }
        for end in 0..PAGE_BYTES + 100 {
            assert!(read_all(database()[..end].to_vec()).1.is_err(), "{end}");
        }
    }

    #[test]
    fn many_slots_of_one_blob_are_no_more_than_the_file() {
        let mut file = database();
        for slot in file[HEADER_BYTES..PAGE_BYTES].chunks_exact_mut(SLOT_BYTES) {
            slot[4..12].copy_from_slice(&[1, 0, 0, 0, 0, 1, 0, 0]);
        }
        file.resize(PAGE_BYTES + 100, 0);
        file.extend(vec![0; 3000]);
        file[PAGE_BYTES + 12..][..4].copy_from_slice(&3000_u32.to_le_bytes());
        let end = (PAGE_BYTES + 16 + 3000 + 12).next_multiple_of(16);
        file[end - 8..end].copy_from_slice(&[&3000_u32.to_le_bytes()[..], TAIL_MAGIC].concat());
        let (headers, outcome) = read_all(file);
        assert!(headers.len() == 2 && outcome.is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(flips in prop::collection::vec((0_usize..96, any::<u8>()), 0..4), tail in any::<[u8; 4]>()) {
            let mut file = database();
            for (at, byte) in flips {
                file[at] = byte;
            }
            file[PAGE_BYTES + 12..PAGE_BYTES + 16].copy_from_slice(&tail);
            let _ = read_all(file);
        }
    }
}
