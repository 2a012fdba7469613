//! Reads an `all.zip` of the OSV bucket: one record in memory at a time.
//!
//! One bad record is an error of its own and the next one follows; an archive that cannot be opened, that is truncated for
//! example, is an error of the whole. Sizes are counted while inflating, never believed from a header.

use std::io::{Read, Seek};

use zip::ZipArchive;
use zip::result::ZipError;

use super::Advisory;
use super::osv::{self, InvalidRecord, MAX_RECORD_BYTES};

/// Why an archive as a whole cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("not a readable zip archive")]
pub struct ArchiveError(#[source] ZipError);

/// A record of an archive that was skipped.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {cause}")]
pub struct RecordError {
    /// Its file name in the archive.
    pub name: String,
    /// Why it was skipped.
    pub cause: RecordCause,
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

/// The records of an archive, in its order.
pub struct AdvisoryArchive<R> {
    zip: ZipArchive<R>,
    next: usize,
    buffer: Vec<u8>,
}

impl<R: Read + Seek> AdvisoryArchive<R> {
    /// Opens an archive. Its directory of names is read here, and held while the archive is open.
    ///
    /// # Errors
    /// Where the bytes are no zip archive, or a truncated one.
    pub fn open(reader: R) -> Result<Self, ArchiveError> {
        Ok(Self { zip: ZipArchive::new(reader).map_err(ArchiveError)?, next: 0, buffer: Vec::new() })
    }

    /// The number of files, whether or not they are records.
    pub fn files(&self) -> usize {
        self.zip.len()
    }

    /// Reads one entry; `None` for a directory or a file that is no `.json`.
    fn read(&mut self, index: usize) -> Option<Result<Advisory, RecordError>> {
        let mut entry = match self.zip.by_index(index) {
            Ok(entry) => entry,
            Err(error) => {
                let name = format!("file {index}");
                return Some(Err(RecordError { name, cause: RecordCause::Unreadable(error.to_string()) }));
            }
        };
        let name = entry.name().map_or_else(|_| format!("file {index}"), std::borrow::Cow::into_owned);
        if !name.ends_with(".json") {
            return None;
        }
        self.buffer.clear();
        let limit = MAX_RECORD_BYTES as u64 + 1;
        let read = entry.by_ref().take(limit).read_to_end(&mut self.buffer);
        let record = match read {
            Ok(_) => osv::read(&self.buffer).map_err(RecordCause::from),
            Err(error) => Err(RecordCause::Unreadable(error.to_string())),
        };
        Some(record.map_err(|cause| RecordError { name, cause }))
    }
}

impl<R: Read + Seek> Iterator for AdvisoryArchive<R> {
    type Item = Result<Advisory, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.next < self.zip.len() {
            let index = self.next;
            self.next += 1;
            if let Some(record) = self.read(index) {
                return Some(record);
            }
        }
        None
    }
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
            assert_eq!(tally.records(), archive.files() as u64, "{ecosystem}");
            let feeds = tally.feeds();
            assert_eq!((feeds.len(), feeds[0].ecosystem.as_str(), feeds[0].records), (1, ecosystem, tally.records()));
        }
    }
}
