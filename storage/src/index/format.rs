//! What an index is written in: the file in its directory by which a weir that knows less refuses it before it reads a row.
//!
//! Owns the file `FORMAT`, lines of text: `schema` with a number, `weir` with the version that wrote the file, and `record` with a stored
//! form and its newest version there. It is text and not a row, so that it can be read where the database itself no longer
//! can. Invariants: it never goes down, and it is on disk before the first row of a form it names.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use super::IndexError;
use super::record::FORMS;

/// The file's name, in the index's directory.
pub(super) const FORMAT_FILE: &str = "FORMAT";
/// The schema this version writes: raised when a change needs a migration that a record's version byte cannot carry, such as another
/// order of keys.
const SCHEMA: u64 = 1;
/// More than any such file has.
const MAX_BYTES: u64 = 64 << 10;

/// What an index is written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Format {
    schema: u64,
    /// The version that wrote the file last.
    weir: String,
    records: BTreeMap<String, u8>,
}

impl Format {
    /// What this version writes.
    pub(super) fn own() -> Self {
        let records = FORMS.iter().map(|(name, version)| ((*name).to_owned(), *version)).collect();
        Self { schema: SCHEMA, weir: env!("CARGO_PKG_VERSION").to_owned(), records }
    }

    /// Refuses an index of which this version would not understand everything. A directory without the file is none, or has an index
    /// that was begun before there were such files.
    pub(super) fn check(directory: &Path) -> Result<Option<Self>, IndexError> {
        let opened = |source: io::Error| IndexError::Open { path: directory.to_owned(), source: source.into() };
        let mut text = String::new();
        match File::open(directory.join(FORMAT_FILE)) {
            Ok(file) => file.take(MAX_BYTES).read_to_string(&mut text).map_err(opened)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(opened(error)),
        };
        let Some(stored) = Self::parse(&text) else {
            let source = format!("its file {FORMAT_FILE} names no schema and no version of weir").into();
            return Err(IndexError::Open { path: directory.to_owned(), source });
        };
        match stored.beyond(&Self::own()) {
            Some(unknown) => {
                let found = format!("weir {}, with {unknown}", stored.weir);
                Err(IndexError::Newer { path: directory.to_owned(), found })
            }
            None => Ok(Some(stored)),
        }
    }

    /// Checks, and notes what this version writes where the file does not say it yet. The caller has the index to itself.
    pub(super) fn raise(directory: &Path) -> Result<(), IndexError> {
        let (own, stored) = (Self::own(), Self::check(directory)?);
        if stored.is_some_and(|stored| own.beyond(&stored).is_none()) {
            return Ok(());
        }
        // What is stored and not refused is at most this version's own.
        own.write(directory).map_err(|source| IndexError::Open { path: directory.to_owned(), source: source.into() })
    }

    /// Beside its place, then renamed: a loss of power leaves the one or the other.
    fn write(&self, directory: &Path) -> io::Result<()> {
        let beside = directory.join(format!("{FORMAT_FILE}.new"));
        let mut file = File::create(&beside)?;
        file.write_all(self.to_string().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, directory.join(FORMAT_FILE))?;
        File::open(directory)?.sync_all()
    }

    /// What of this is unknown to a weir that knows `known`.
    fn beyond(&self, known: &Self) -> Option<String> {
        if self.schema > known.schema {
            return Some(format!("schema {}", self.schema));
        }
        let newer = |(name, version): &(&String, &u8)| known.records.get(*name).is_none_or(|known| *version > known);
        let unknown: Vec<String> =
            self.records.iter().filter(newer).map(|(name, version)| format!("{name} {version}")).collect();
        (!unknown.is_empty()).then(|| format!("records {}", unknown.join(", ")))
    }

    /// Reads the lines; those that begin with another word are a later version's to add.
    fn parse(text: &str) -> Option<Self> {
        let (mut schema, mut weir, mut records) = (None, None, BTreeMap::new());
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match (words.next(), words.next(), words.next()) {
                (Some("schema"), Some(number), None) => schema = number.parse().ok(),
                (Some("weir"), Some(version), None) => weir = Some(version.to_owned()),
                (Some("record"), Some(name), Some(version)) => {
                    records.insert(name.to_owned(), version.parse().ok()?);
                }
                _ => {}
            }
        }
        Some(Self { schema: schema?, weir: weir?, records })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("schema {}\nweir {}\n", self.schema, self.weir);
        for (name, version) in &self.records {
            writeln!(text, "record {name} {version}")?;
        }
        formatter.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Index;

    fn rewritten(directory: &Path, from: &str, to: &str) {
        let file = directory.join(FORMAT_FILE);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
    }

    #[test]
    fn what_a_newer_weir_wrote_is_refused_with_its_version_and_untouched() {
        let own = Format::own();
        let image = own.records["image"];
        for (from, to, unknown) in [
            ("schema 1\n".to_owned(), "schema 2\n".to_owned(), "schema 2".to_owned()),
            (
                format!("record image {image}\n"),
                format!("record image {}\n", image + 1),
                format!("image {}", image + 1),
            ),
            ("record image ".to_owned(), "record hologram 1\nrecord image ".to_owned(), "hologram 1".to_owned()),
        ] {
            let directory = tempfile::tempdir().unwrap();
            drop(Index::open(directory.path()).unwrap());
            rewritten(directory.path(), &from, &to);
            rewritten(directory.path(), &format!("weir {}", own.weir), "weir 99.1.2");
            let before = std::fs::read(directory.path().join(FORMAT_FILE)).unwrap();
            for opened in [Index::open(directory.path()), Index::open_read_only(directory.path())] {
                let error = opened.err().unwrap();
                assert!(matches!(&error, IndexError::Newer { .. }), "{error}");
                assert!(error.to_string().contains("99.1.2") && error.to_string().contains(&unknown), "{error}");
            }
            assert_eq!(std::fs::read(directory.path().join(FORMAT_FILE)).unwrap(), before);
        }
    }

    #[test]
    fn what_an_older_weir_wrote_is_opened_and_marked_and_a_reader_marks_nothing() {
        let directory = tempfile::tempdir().unwrap();
        drop(Index::open(directory.path()).unwrap());
        let own = Format::own().to_string();
        let file = directory.path().join(FORMAT_FILE);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), own);
        let image = format!("record image {}\n", Format::own().records["image"]);
        rewritten(directory.path(), &image, "record image 1\n");
        drop(Index::open_read_only(directory.path()).unwrap());
        assert_ne!(std::fs::read_to_string(&file).unwrap(), own);
        drop(Index::open(directory.path()).unwrap());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), own);
        std::fs::remove_file(&file).unwrap();
        drop(Index::open(directory.path()).unwrap());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), own, "an index from before there were such files");
    }

    #[test]
    fn a_file_that_says_nothing_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        drop(Index::open(directory.path()).unwrap());
        std::fs::write(directory.path().join(FORMAT_FILE), "").unwrap();
        let error = Index::open(directory.path()).err().unwrap();
        assert!(matches!(error, IndexError::Open { .. }) && error.to_string().contains(FORMAT_FILE), "{error}");
    }
}
