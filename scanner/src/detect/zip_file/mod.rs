//! Zip archives as Java and Python ship code in them.
//!
//! Owns where an archive's directory lies, its entries in order, and the bytes of one. The `zip` crate keeps every entry of a
//! directory, so that an archive of 256 MiB decides over a gigabyte of memory; this reader keeps none: an entry is looked at
//! while the directory passes by. It believes the directory at the end as Java's and Python's own readers do, and
//! a local header for nothing but the place of the data. Checksums are not compared, since Java's class loader
//! compares none.

mod directory;
mod end;
mod part;
#[cfg(test)]
pub(crate) mod sample;

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::bufread::DeflateDecoder;

pub(crate) use directory::{Entries, Entry};
pub(crate) use part::Part;

use crate::content::Spool;

/// Bytes inflated at once.
const CHUNK: usize = 64 << 10;
const LOCAL_HEADER: usize = 30;
const LOCAL_SIGNATURE: &[u8] = b"PK\x03\x04";

/// Why an archive, or one entry of it, cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ZipError {
    /// The bytes are none.
    #[error("it is no zip archive")]
    NoArchive,
    /// It breaks its own format.
    #[error("{0}")]
    Malformed(&'static str),
    /// It is of a kind no reader here knows.
    #[error("{0}")]
    Unsupported(Cow<'static, str>),
    /// The bytes themselves could not be had.
    #[error(transparent)]
    Read(io::Error),
}

impl ZipError {
    /// Decoders say with an error of reading that their bytes are wrong.
    fn of_decoder(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                Self::Malformed("an entry cannot be inflated")
            }
            _ => Self::Read(error),
        }
    }
}

/// An archive whose directory was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ZipFile<'a> {
    part: Part<'a>,
    directory: Part<'a>,
    /// What the directory's places count from: the length of whatever lies before the archive.
    base: u64,
    /// The number of entries it states, and the bits of it that count.
    stated: (u64, u64),
}

impl<'a> ZipFile<'a> {
    /// Finds the directory.
    pub(crate) fn open(part: Part<'a>) -> Result<Self, ZipError> {
        end::find(part)
    }

    /// Its entries in the directory's order.
    pub(crate) fn entries(&self) -> Result<Entries<'a>, ZipError> {
        Entries::new(self.directory, self.stated)
    }

    /// Room for an entry's bytes, on the budget of the archive's own.
    pub(crate) fn spool(&self) -> Spool {
        self.part.spool()
    }

    /// The bytes of an entry as they are stored.
    pub(crate) fn stored(&self, entry: &Entry<'_>) -> Result<Part<'a>, ZipError> {
        if entry.is_encrypted {
            return Err(ZipError::Unsupported("it is encrypted".into()));
        }
        let past = ZipError::Malformed("an entry lies past the archive's end");
        let Some(start) = self.base.checked_add(entry.offset) else { return Err(past) };
        let header = self.part.slice(start, LOCAL_HEADER)?;
        if !header.starts_with(LOCAL_SIGNATURE) {
            return Err(ZipError::Malformed("an entry is not where the directory says"));
        }
        let names = u64::from(u16_at(&header, 26)) + u64::from(u16_at(&header, 28));
        let data = start + LOCAL_HEADER as u64 + names;
        self.part.narrow(data, entry.compressed_bytes).ok_or(past)
    }

    /// Hands an entry's bytes to `take` piece by piece while that says to go on; whether it did to the end.
    pub(crate) fn read(
        &self,
        entry: &Entry<'_>,
        mut take: impl FnMut(&[u8]) -> io::Result<bool>,
    ) -> Result<bool, ZipError> {
        let stored = self.stored(entry)?.reader(0)?;
        let mut reader: Box<dyn Read + '_> = match entry.method {
            Entry::STORED => Box::new(stored),
            Entry::DEFLATED => Box::new(DeflateDecoder::new(stored)),
            other => {
                return Err(ZipError::Unsupported(format!("it is compressed by method {other}").into()));
            }
        };
        // One byte more than stated, so that the end is met at once; what is stated decides no more than that.
        let size = usize::try_from(entry.bytes).map_or(CHUNK, |bytes| bytes.saturating_add(1).min(CHUNK));
        let (mut chunk, mut total) = (vec![0; size], 0);
        loop {
            let count = reader.read(&mut chunk).map_err(ZipError::of_decoder)?;
            if count == 0 {
                break;
            }
            total += count as u64;
            if !take(&chunk[..count]).map_err(ZipError::Read)? {
                return Ok(false);
            }
        }
        if total == entry.bytes { Ok(true) } else { Err(ZipError::Malformed("an entry's size is not the stated one")) }
    }
}

/// A little-endian number; zero past the end, which no caller asks for.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |two| u16::from_le_bytes([two[0], two[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::sample::{deflated, stored};
    use super::*;
    use crate::content::Content;

    /// Names and bytes of all entries, as far as there are any, and what is wrong with it.
    fn read(bytes: &[u8]) -> (Vec<(String, Vec<u8>)>, Option<String>) {
        let content = Content::from(bytes.to_vec());
        let mut found = Vec::new();
        let read = ZipFile::open(Part::whole(&content)).and_then(|zip| {
            let mut entries = zip.entries()?;
            while let Some(entry) = entries.next()? {
                let mut bytes = Vec::new();
                zip.read(&entry, |piece| {
                    bytes.extend_from_slice(piece);
                    Ok(bytes.len() < 1 << 20)
                })?;
                found.push((String::from_utf8_lossy(entry.name).into_owned(), bytes));
            }
            Ok(())
        });
        (found, read.err().map(|error| error.to_string()))
    }

    fn two() -> Vec<(String, Vec<u8>)> {
        vec![("a".to_owned(), b"one".to_vec()), ("b/c".to_owned(), vec![b'x'; 100_000])]
    }

    fn files() -> [(&'static str, &'static [u8]); 2] {
        [("a", b"one"), ("b/c", &[b'x'; 100_000])]
    }

    #[test]
    fn entries_are_read_whatever_lies_before_and_behind() {
        for archive in [stored(&files()), deflated(&files())] {
            assert_eq!(read(&archive), (two(), None));
            for before in [&b"#!/bin/sh\nexec java -jar \"$0\"\n"[..], b"JM\x01\x00", b"PK\x05\x06"] {
                assert_eq!(read(&[before, &archive].concat()), (two(), None), "{before:?}");
            }
            assert_eq!(read(&[&archive[..], b"a few more bytes"].concat()), (two(), None));
        }
        assert_eq!(read(&stored(&[])), (vec![], None));
    }

    #[test]
    fn the_record_of_zip64_is_followed() {
        // As many entries as need it, under one name.
        let header = |signature: &[u8; 4], rest: usize| [&signature[..], &vec![0; rest]].concat();
        let local = header(b"PK\x03\x04", 26);
        let entry = header(b"PK\x01\x02", 42);
        let count = 70_000_u64;
        let directory = entry.repeat(70_000);
        let (start, bytes) = (local.len() as u64, directory.len() as u64);
        let end64 = [
            &b"PK\x06\x06"[..],
            &44_u64.to_le_bytes(),
            &[0; 20],
            &count.to_le_bytes(),
            &bytes.to_le_bytes(),
            &start.to_le_bytes(),
        ]
        .concat();
        let locator = |at: u64| [&b"PK\x06\x07"[..], &[0; 4], &at.to_le_bytes(), &[1, 0, 0, 0]].concat();
        let end = [&b"PK\x05\x06"[..], &[0; 4], &[0xff; 12], &[0; 2]].concat();
        for (before, at) in [(0, start + bytes), (100, start + bytes), (100, u64::MAX)] {
            let archive = [&vec![b'#'; before][..], &local, &directory, &end64, &locator(at), &end].concat();
            let (found, wrong) = read(&archive);
            assert_eq!((found.len(), wrong), (70_000, None), "{before} {at}");
        }
    }

    #[test]
    fn what_is_no_archive_or_a_broken_one_is_told() {
        let archive = deflated(&files());
        let end = archive.len() - 22;
        let with = |at: usize, bytes: &[u8]| {
            let mut archive = archive.clone();
            archive[at..at + bytes.len()].copy_from_slice(bytes);
            archive
        };
        let directory = memchr::memmem::find(&archive, directory::SIGNATURE).unwrap();
        for (bytes, expected) in [
            (b"version https://git-lfs.github.com/spec/v1\n".to_vec(), "it is no zip archive"),
            (vec![], "it is no zip archive"),
            (archive[..end].to_vec(), "it has no directory at its end"),
            // A directory far larger than the file; 65535 entries without one.
            (with(end + 12, &[0xff; 4]), "it has no directory at its end"),
            ([&b"PK\x05\x06"[..], &[0; 4], &[0xff; 4], &[0; 10]].concat(), "it has no directory at its end"),
            (with(end + 10, &[9, 0]), "it states another number of entries than it has"),
            (with(directory + 28, &[0xff, 0xff]), "its directory is cut off"),
            (with(directory + 28, &[3, 0]), "its directory holds something that is no entry"),
            (with(directory + 42, &[0xf0, 0xff, 0xff, 0x7f]), "it ends early"),
            (with(directory + 42, &[1, 0, 0, 0]), "an entry is not where the directory says"),
            (with(directory + 20, &[0xf0, 0xff, 0xff, 0x7f]), "an entry lies past the archive's end"),
            (with(directory + 24, &[2, 0, 0, 0]), "an entry's size is not the stated one"),
            (with(directory + 8, &[1, 0]), "it is encrypted"),
            (with(directory + 10, &[12, 0]), "it is compressed by method 12"),
            (with(31, &[0xff; 4]), "an entry cannot be inflated"),
        ] {
            assert_eq!(read(&bytes).1.as_deref(), Some(expected), "{}", bytes.len());
        }
    }

    #[test]
    fn an_archive_cut_anywhere_is_told() {
        let archive = stored(&[("a", b"one"), ("b", b"two")]);
        for end in 0..archive.len() {
            assert!(read(&archive[..end]).1.is_some(), "{end}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
            compress in any::<bool>(),
        ) {
            let files = [("META-INF/MANIFEST.MF", &b"a: b\n"[..]), ("b", b"two")];
            let mut archive = if compress { deflated(&files) } else { stored(&files) };
            for (index, byte) in flips {
                let at = index.index(archive.len());
                archive[at] = byte;
            }
            read(&archive);
        }
    }
}
