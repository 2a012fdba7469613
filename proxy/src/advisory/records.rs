//! Single records of a feed, all of them at hand before the first is written: what an increment is made of.
//!
//! Over HTTP they wait in one nameless file; in a directory they are files of their own, or entries of its archive. Memory holds one.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use weir_scanner::advisory::archive::{AdvisoryArchive, RecordError};
use weir_scanner::advisory::osv::MAX_RECORD_BYTES;
use weir_scanner::advisory::{Advisory, osv};

use super::fetch::SourceError;

/// Records to read once.
pub(super) struct Records(Kind);

enum Kind {
    Spool(Spool),
    Folder { folder: PathBuf, ids: Vec<String> },
    Archive { file: File, name: String, ids: Vec<String> },
}

/// A record's id, and the record or why it is none.
pub(super) type ReadRecord = (String, Result<Advisory, String>);

/// Records, of which it is known which are there.
pub(super) struct Present {
    /// The ids.
    pub(super) ids: BTreeSet<String>,
    /// The records, in any order.
    pub(super) records: Box<dyn Iterator<Item = Result<ReadRecord, SourceError>>>,
}

impl Records {
    /// Those of a directory; nothing is read yet.
    pub(super) const fn folder(folder: PathBuf, ids: Vec<String>) -> Self {
        Self(Kind::Folder { folder, ids })
    }

    /// Those of an archive called `name`; nothing is read yet.
    pub(super) const fn archive(file: File, name: String, ids: Vec<String>) -> Self {
        Self(Kind::Archive { file, name, ids })
    }

    /// Those that were fetched.
    pub(super) const fn spooled(spool: Spool) -> Self {
        Self(Kind::Spool(spool))
    }

    /// Finds out which are there. Blocks.
    pub(super) fn open(self) -> Result<Present, SourceError> {
        match self.0 {
            Kind::Spool(spool) => spool.open(),
            Kind::Folder { folder, ids } => open_folder(&folder, ids),
            Kind::Archive { file, name, ids } => open_archive(&file, Path::new(&name), ids.into_iter().collect()),
        }
    }
}

/// Records as JSON in a nameless file.
pub(super) struct Spool {
    file: File,
    path: PathBuf,
    records: Vec<(String, usize)>,
}

impl Spool {
    /// An empty one, in a file of the directory `scratch`.
    pub(super) fn new(scratch: &Path) -> Result<Self, SourceError> {
        let file =
            tempfile::tempfile_in(scratch).map_err(|source| SourceError::Io { path: scratch.to_owned(), source })?;
        Ok(Self { file, path: scratch.to_owned(), records: Vec::new() })
    }

    /// Adds the bytes of a record.
    pub(super) fn push(&mut self, id: String, bytes: &[u8]) -> Result<(), SourceError> {
        self.file.write_all(bytes).map_err(|source| SourceError::Io { path: self.path.clone(), source })?;
        self.records.push((id, bytes.len()));
        Ok(())
    }

    fn open(mut self) -> Result<Present, SourceError> {
        let failed = move |source| SourceError::Io { path: self.path.clone(), source };
        self.file.seek(SeekFrom::Start(0)).map_err(&failed)?;
        let ids = self.records.iter().map(|(id, _)| id.clone()).collect();
        let mut reader = BufReader::new(self.file);
        let records = self.records.into_iter().map(move |(id, length)| {
            let mut bytes = vec![0; length];
            reader.read_exact(&mut bytes).map_err(&failed)?;
            Ok(read(id, &bytes))
        });
        Ok(Present { ids, records: Box::new(records) })
    }
}

fn open_folder(folder: &Path, ids: Vec<String>) -> Result<Present, SourceError> {
    let (files, rest): (Vec<String>, Vec<String>) = ids.into_iter().partition(|id| file_of(folder, id).is_file());
    let mut present: BTreeSet<String> = files.iter().cloned().collect();
    let directory = folder.to_owned();
    let files = files.into_iter().map(move |id| {
        let path = file_of(&directory, &id);
        let failed = |source| SourceError::Io { path: path.clone(), source };
        let mut bytes = Vec::new();
        let file = File::open(&path).map_err(failed)?;
        file.take(MAX_RECORD_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        Ok(read(id, &bytes))
    });
    if rest.is_empty() {
        return Ok(Present { ids: present, records: Box::new(files) });
    }
    let path = folder.join("all.zip");
    let archive = File::open(&path).map_err(|source| SourceError::Io { path: path.clone(), source })?;
    let mut rest = open_archive(&archive, &path, rest.into_iter().collect())?;
    present.append(&mut rest.ids);
    Ok(Present { ids: present, records: Box::new(files.chain(rest.records)) })
}

fn open_archive(file: &File, path: &Path, ids: BTreeSet<String>) -> Result<Present, SourceError> {
    // Opened twice, one after the other: for the names, then for the records.
    let archive = || {
        let failed = |source| SourceError::Io { path: path.to_owned(), source };
        let mut file = file.try_clone().map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        AdvisoryArchive::open(file).map_err(|error| failed(std::io::Error::other(error.to_string())))
    };
    let present = archive()?.ids().filter(|id| ids.contains(id)).collect();
    let records = archive()?.only(move |id| ids.contains(id)).map(|record| {
        Ok(match record {
            Ok(advisory) => (advisory.id.clone(), Ok(advisory)),
            Err(error) => (RecordError::id(&error).to_owned(), Err(error.cause.to_string())),
        })
    });
    Ok(Present { ids: present, records: Box::new(records) })
}

fn file_of(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.json"))
}

fn read(id: String, bytes: &[u8]) -> ReadRecord {
    let record = match osv::read(bytes) {
        Ok(advisory) if advisory.id != id => Err(format!("the record in its file is {:?}", advisory.id)),
        record => record.map_err(|error| error.to_string()),
    };
    (id, record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str) -> Vec<u8> {
        format!(r#"{{"id":"{id}","modified":"2024-01-01T00:00:00Z"}}"#).into_bytes()
    }

    fn collect(records: Records) -> (Vec<String>, Vec<(String, bool)>) {
        let present = records.open().unwrap();
        let read = present.records.map(|read| read.map(|(id, record)| (id, record.is_ok())).unwrap());
        (present.ids.into_iter().collect(), read.collect())
    }

    #[test]
    fn a_spool_gives_back_what_it_took() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(directory.path()).unwrap();
        for (id, bytes) in [("A", record("A")), ("B", b"{".to_vec()), ("C", record("D"))] {
            spool.push(id.into(), &bytes).unwrap();
        }
        let (ids, read) = collect(Records::spooled(spool));
        assert_eq!(ids, ["A", "B", "C"]);
        assert_eq!(read, [("A".into(), true), ("B".into(), false), ("C".into(), false)]);
    }

    #[test]
    fn a_directory_gives_files_and_entries_of_its_archive() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("FILE.json"), record("FILE")).unwrap();
        let mut archive = zip::ZipWriter::new(File::create(directory.path().join("all.zip")).unwrap());
        for id in ["ENTRY", "FILE", "OTHER"] {
            archive.start_file(format!("{id}.json"), zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(&record(id)).unwrap();
        }
        archive.finish().unwrap();
        let ids = ["ENTRY", "FILE", "GONE"].map(String::from).to_vec();
        let (ids, read) = collect(Records::folder(directory.path().to_owned(), ids));
        assert_eq!(ids, ["ENTRY", "FILE"]);
        assert_eq!(read, [("FILE".into(), true), ("ENTRY".into(), true)]);
    }
}
