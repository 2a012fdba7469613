//! Reads a `modified_id.csv` of the OSV bucket: one line a record, its time of change and its id.
//!
//! The public list stands newest first; nothing here relies on that. A list with a line that is none, or without the end of its last
//! line, is refused as a whole: what was cut off would look like records that are gone.

use std::io::{BufRead, Read as _};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The longest line read, in bytes; ids have some dozens.
const MAX_LINE_BYTES: u64 = 1024;
/// The most lines read; the public list of all of npm has a quarter million.
const MAX_LINES: u64 = 2_000_000;

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRecord {
    /// The record's id.
    pub id: String,
    /// When it last changed, seconds since the epoch.
    pub modified: i64,
}

/// Why a list was refused.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It cannot be read.
    #[error("the list of changes cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// A line is not `<time>,<id>`.
    #[error("the list of changes, line {line}: {detail}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        detail: &'static str,
    },
}

/// The lines of a list, in its order. After an error nothing follows.
pub struct ModifiedList<R> {
    reader: R,
    line: u64,
    failed: bool,
}

impl<R: BufRead> ModifiedList<R> {
    /// Reads from `reader`.
    pub const fn new(reader: R) -> Self {
        Self { reader, line: 0, failed: false }
    }

    fn read(&mut self) -> Result<Option<ListedRecord>, ListError> {
        let mut bytes = Vec::new();
        self.reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.line += 1;
        let wrong = |detail| ListError::Line { line: self.line, detail };
        if self.line > MAX_LINES {
            return Err(wrong("the list is longer than any feed"));
        }
        let text = bytes.strip_suffix(b"\n").ok_or_else(|| wrong("it is cut off, or too long"))?;
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let text = str::from_utf8(text).map_err(|_| wrong("it is no text"))?;
        let (modified, id) = text.split_once(',').ok_or_else(|| wrong("it is no time and id"))?;
        let modified = OffsetDateTime::parse(modified, &Rfc3339).map_err(|_| wrong("it does not begin with a time"))?;
        if id.is_empty() || id.contains(['/', ',']) || id.starts_with('.') || id.chars().any(char::is_control) {
            return Err(wrong("its id is none"));
        }
        Ok(Some(ListedRecord { id: id.to_owned(), modified: modified.unix_timestamp() }))
    }
}

impl<R: BufRead> Iterator for ModifiedList<R> {
    type Item = Result<ListedRecord, ListError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let record = self.read().transpose();
        self.failed = matches!(record, Some(Err(_)));
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<ListedRecord>, ListError> {
        ModifiedList::new(text.as_bytes()).collect()
    }

    #[test]
    fn lines_are_times_and_ids() {
        let list =
            read("2026-07-23T14:34:38.042882Z,PYSEC-2026-3542\r\n2016-04-20T00:00:00+02:00,x_NSWG-ECO-10\n").unwrap();
        let expected = [("PYSEC-2026-3542", 1_784_817_278), ("x_NSWG-ECO-10", 1_461_103_200)];
        assert_eq!(list, expected.map(|(id, modified)| ListedRecord { id: id.into(), modified }));
        assert_eq!(read("").unwrap(), []);
    }

    #[test]
    fn a_list_with_any_other_line_is_refused() {
        let good = "2016-04-20T00:00:00Z,A-1\n";
        let long = format!("2016-04-20T00:00:00Z,{}\n", "a".repeat(2000));
        for bad in [
            "2016-04-20T00:00:00Z,A-2",
            "2016-04-20T00:00:00Z,",
            "A-2,2016-04-20T00:00:00Z\n",
            "<html>\n",
            "\n",
            "2016-04-20T00:00:00Z,../A\n",
            "2016-04-20T00:00:00Z,a/b\n",
            "2016-04-20T00:00:00Z,A\u{1}\n",
            &long,
        ] {
            let error = read(&format!("{good}{bad}{good}")).unwrap_err();
            assert!(matches!(error, ListError::Line { line: 2, .. }) || !bad.ends_with('\n'), "{bad:?}: {error}");
        }
        let mut list = ModifiedList::new(b"<html>\n2016-04-20T00:00:00Z,A-1\n".as_slice());
        assert!(list.next().unwrap().is_err());
        assert!(list.next().is_none(), "nothing follows an error");
    }

    /// Every list beside the checkout names as many records as its archive has files, and the archive's own times.
    #[test]
    fn shared_lists_agree_with_their_archives() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/advisories/osv");
        for ecosystem in ["PyPI", "npm", "Debian"] {
            let Ok(bytes) = std::fs::read(folder.join(ecosystem).join("modified_id.csv")) else { continue };
            let mut listed: Vec<_> = ModifiedList::new(bytes.as_slice()).map(|r| r.unwrap()).collect();
            let file = std::fs::File::open(folder.join(ecosystem).join("all.zip")).unwrap();
            let heads = crate::advisory::archive::AdvisoryArchive::open(file).unwrap().heads();
            let mut heads: Vec<_> = heads.map(|head| head.unwrap()).collect();
            for list in [&mut listed, &mut heads] {
                list.sort_by(|a, b| a.id.cmp(&b.id));
            }
            assert_eq!(listed, heads, "{ecosystem}");
        }
    }
}
