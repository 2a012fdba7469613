//! Reads an `all.zip` of the OSV bucket: one record in memory at a time.
//!
//! One bad record is an error of its own and the next one follows; an archive that cannot be opened, that is truncated for
//! example, is an error of the whole. Sizes are counted while inflating, never believed from a header.

use std::io::{Read, Seek};

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Advisory;
use super::entries::{Entries, Entry};
use super::modified::ListedRecord;
use super::osv::{self, InvalidRecord, MAX_RECORD_BYTES};

/// Why an archive as a whole cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("not a readable zip archive: {0}")]
pub struct ArchiveError(#[source] std::io::Error);

/// A record of an archive that was skipped.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {cause}")]
pub struct RecordError {
    /// Its file name in the archive.
    pub name: String,
    /// Why it was skipped.
    pub cause: RecordCause,
}

impl RecordError {
    /// The id the record would have: its file's name says it.
    pub fn id(&self) -> &str {
        id_of(&self.name)
    }
}

/// Why a record was skipped.
#[derive(Debug, thiserror::Error)]
pub enum RecordCause {
    /// The entry cannot be inflated, or its checksum is wrong.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// The entry is no record.
    #[error(transparent)]
    Invalid(#[from] InvalidRecord),
}

/// The records of an archive, in its order. Memory holds one record and a piece of the directory.
pub struct AdvisoryArchive<R> {
    entries: Entries<R>,
    buffer: Vec<u8>,
    broken: bool,
}

impl<R: Read + Seek> AdvisoryArchive<R> {
    /// Opens an archive.
    ///
    /// # Errors
    /// Where the bytes are no zip archive, or a truncated one.
    pub fn open(reader: R) -> Result<Self, ArchiveError> {
        Ok(Self { entries: Entries::open(reader).map_err(ArchiveError)?, buffer: Vec::new(), broken: false })
    }

    /// The number of files, whether or not they are records.
    pub const fn files(&self) -> u64 {
        self.entries.files()
    }

    /// Id and time of every record, read no further than that.
    pub fn heads(mut self) -> impl Iterator<Item = Result<ListedRecord, RecordError>> {
        std::iter::from_fn(move || self.next_with(|_| true, head))
    }

    /// The ids that its records' files are named for. Nothing is inflated; a directory that breaks off ends the list.
    pub fn ids(mut self) -> impl Iterator<Item = String> {
        std::iter::from_fn(move || {
            loop {
                let entry = self.entries.next().ok().flatten()?;
                if entry.name.ends_with(".json") {
                    return Some(id_of(&entry.name).to_owned());
                }
            }
        })
    }

    /// Only the records whose file is named for an id that `wanted` says yes to. The others are not inflated.
    pub fn only(mut self, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = Result<Advisory, RecordError>> {
        std::iter::from_fn(move || self.next_with(&wanted, osv::read))
    }

    /// Bytes of the record that was read last, as JSON.
    pub const fn record_bytes(&self) -> usize {
        self.buffer.len()
    }

    fn next_with<T>(
        &mut self,
        wanted: impl Fn(&str) -> bool,
        read: impl Fn(&[u8]) -> Result<T, InvalidRecord>,
    ) -> Option<Result<T, RecordError>> {
        while !self.broken {
            let entry = match self.entries.next() {
                Ok(entry) => entry?,
                Err(error) => {
                    self.broken = true;
                    let cause = RecordCause::Unreadable(error.to_string());
                    return Some(Err(RecordError { name: "the rest of the archive".into(), cause }));
                }
            };
            if entry.name.ends_with(".json") && wanted(id_of(&entry.name)) {
                return Some(self.read(entry, read));
            }
        }
        None
    }

    fn read<T>(&mut self, entry: Entry, read: impl Fn(&[u8]) -> Result<T, InvalidRecord>) -> Result<T, RecordError> {
        let bytes = self.entries.read(&entry, MAX_RECORD_BYTES, &mut self.buffer);
        let record = match bytes {
            Ok(()) => read(&self.buffer).map_err(RecordCause::from),
            Err(error) => Err(RecordCause::Unreadable(error.to_string())),
        };
        record.map_err(|cause| RecordError { name: entry.name, cause })
    }
}

impl<R: Read + Seek> Iterator for AdvisoryArchive<R> {
    type Item = Result<Advisory, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_with(|_| true, osv::read)
    }
}

/// The id a record's file is named for.
fn id_of(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.strip_suffix(".json").unwrap_or(name)
}

#[derive(Deserialize)]
struct RawHead {
    id: String,
    modified: String,
}

fn head(bytes: &[u8]) -> Result<ListedRecord, InvalidRecord> {
    if bytes.len() > MAX_RECORD_BYTES {
        return Err(InvalidRecord::TooLong);
    }
    let head: RawHead =
        serde_json::from_slice(bytes).map_err(|error| InvalidRecord::Malformed { detail: error.to_string() })?;
    let modified = OffsetDateTime::parse(&head.modified, &Rfc3339).map_err(|error| InvalidRecord::Field {
        id: head.id.clone(),
        field: "modified".into(),
        detail: error.to_string(),
    })?;
    Ok(ListedRecord { id: head.id, modified: modified.unix_timestamp() })
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::advisory::FeedTally;

    const GOOD: &[u8] = br#"{"id":"A-1","modified":"2024-01-01T00:00:00Z"}"#;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn a_bad_record_is_reported_and_the_next_one_follows() {
        let bomb = vec![b' '; MAX_RECORD_BYTES * 4];
        let bytes =
            archive(&[("A-1.json", GOOD), ("B.json", b"{}"), ("notes.txt", b"x"), ("C.json", &bomb), ("D.json", GOOD)]);
        let records: Vec<_> = AdvisoryArchive::open(Cursor::new(bytes)).unwrap().collect();
        assert_eq!(records.len(), 4);
        assert_eq!(records[0].as_ref().unwrap().id, "A-1");
        assert_eq!(records[1].as_ref().unwrap_err().name, "B.json");
        let RecordCause::Invalid(cause) = &records[2].as_ref().unwrap_err().cause else { panic!("{:?}", records[2]) };
        assert_eq!(*cause, InvalidRecord::TooLong);
        assert!(records[3].is_ok());
    }

    #[test]
    fn a_record_whose_bytes_changed_is_reported() {
        let mut bytes = archive(&[("A.json", GOOD), ("B.json", GOOD)]);
        // The first byte of the first entry's data, which follows its 30 byte header and its name.
        bytes[30 + "A.json".len()] ^= 0x55;
        let records: Vec<_> = AdvisoryArchive::open(Cursor::new(bytes)).unwrap().collect();
        assert!(matches!(records[0].as_ref().unwrap_err().cause, RecordCause::Unreadable(_)), "{:?}", records[0]);
        assert!(records[1].is_ok());
    }

    #[test]
    fn a_truncated_archive_is_an_error_of_the_whole() {
        let bytes = archive(&[("A.json", GOOD), ("B.json", GOOD)]);
        for length in 0..bytes.len() {
            assert!(AdvisoryArchive::open(Cursor::new(&bytes[..length])).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn an_archive_with_the_large_forms_of_its_fields_is_read() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default();
        for (name, options) in [
            ("A.json", options.large_file(true)),
            ("B.json", options.compression_method(zip::CompressionMethod::Stored)),
        ] {
            writer.start_file(name, options).unwrap();
            writer.write_all(GOOD).unwrap();
        }
        writer.set_comment("a comment PK\u{5}\u{6} that looks like an end, and is longer than one").unwrap();
        let bytes = writer.finish().unwrap().into_inner();
        let archive = AdvisoryArchive::open(Cursor::new(bytes)).unwrap();
        assert_eq!(archive.files(), 2);
        assert!(archive.map(|record| record.unwrap().id).eq(["A-1", "A-1"]));
    }

    #[test]
    fn a_directory_of_more_files_than_a_piece_holds_is_walked_to_its_end() {
        // More than 65,535 files need the zip64 form of the directory's end as well.
        let names: Vec<String> = (0..66_000).map(|n| format!("ADVISORY-2024-{n}.json")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), GOOD)).collect();
        let bytes = archive(&files);
        let archive = AdvisoryArchive::open(Cursor::new(&bytes)).unwrap();
        assert_eq!(archive.files(), 66_000);
        assert_eq!(archive.heads().filter(|head| head.as_ref().unwrap().id == "A-1").count(), 66_000);
        let archive = AdvisoryArchive::open(Cursor::new(&bytes)).unwrap();
        assert_eq!(archive.only(|id| id == "ADVISORY-2024-65999").count(), 1);
    }

    #[test]
    fn any_change_of_a_byte_gives_records_or_errors_and_ends() {
        let good = archive(&[("A.json", GOOD), ("B.json", GOOD), ("C.json", GOOD)]);
        for at in 0..good.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = good.clone();
                bytes[at] ^= flip;
                if let Ok(archive) = AdvisoryArchive::open(Cursor::new(bytes)) {
                    assert!(archive.count() <= 4, "byte {at}");
                }
            }
        }
    }

    /// Every record of the advisories beside the checkout, where they are, is read: as many as the archive has files.
    #[test]
    fn shared_advisories_are_read_to_the_last_record() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/advisories/osv");
        for ecosystem in ["PyPI", "npm"] {
            let Ok(file) = std::fs::File::open(folder.join(ecosystem).join("all.zip")) else {
                continue;
            };
            let mut archive = AdvisoryArchive::open(std::io::BufReader::new(file)).unwrap();
            let mut tally = FeedTally::new(ecosystem, i64::MAX);
            for record in &mut archive {
                tally.count(&record.unwrap());
            }
            assert_eq!(tally.records(), archive.files(), "{ecosystem}");
            let feeds = tally.feeds();
            assert_eq!((feeds.len(), feeds[0].ecosystem.as_str(), feeds[0].records), (1, ecosystem, tally.records()));
        }
    }
}
