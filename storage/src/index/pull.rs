//! Pulls: which node asked for which image, when, and by what name.
//!
//! Owns the order of pulls, a sequence number that only grows and is never given twice, and the bound on how many are
//! kept: the oldest go in the batch that brings new ones, so the table never holds more. A second table gives an
//! image's rows. A pull says nothing about what runs.

use std::fmt;
use std::str::FromStr;

use weir_scanner::oci::{Digest, Repository, Tag};

use super::engine::{Batch, Scan, Table};
use super::error::intact;
use super::{Index, IndexError, StampRecord, decode_key, key, lock, record};

/// The stamp that holds the sequence number written last.
const SEQUENCE_STAMP: &str = "pull_sequence";
/// Most pulls kept; at some 200 bytes each.
const MOST_PULLS: u64 = 1_000_000;
/// Rows removed together when pulls grow too old.
const TRIM_ROWS: usize = 512;

/// How the node of a pull is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PullNode {
    /// It showed a client certificate of its own.
    Certificate,
    /// It sent the configured header.
    Header,
    /// Its address is that of a node of a watched cluster.
    Address,
    /// It is not known.
    Unknown,
}

impl PullNode {
    /// The name in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Header => "header",
            Self::Address => "address",
            Self::Unknown => "unknown",
        }
    }
}

/// One pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRecord {
    /// When, seconds since the epoch.
    pub at: i64,
    /// The manifest that was asked for: a platform's, or an index.
    pub image: Digest,
    /// The upstream it was asked of.
    pub upstream: String,
    /// The repository it was asked of.
    pub repository: Repository,
    /// The tag it was asked by, where it was by one.
    pub tag: Option<Tag>,
    /// The node that asked, where it is known.
    pub node: Option<String>,
    /// How the node is known.
    pub node_source: PullNode,
    /// The node's cluster, where it is known.
    pub cluster: Option<String>,
    /// The address the request came from.
    pub address: String,
    /// The client's `User-Agent`; empty where it sent none.
    pub agent: String,
}

/// A place in a list of pulls. As text it goes into the report's `next_cursor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PullCursor {
    /// The row's number.
    pub sequence: u64,
}

impl fmt::Display for PullCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.sequence)
    }
}

/// A text that is not a cursor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of a list of pulls")]
pub struct InvalidPullCursor;

impl FromStr for PullCursor {
    type Err = InvalidPullCursor;

    fn from_str(text: &str) -> Result<Self, InvalidPullCursor> {
        Ok(Self { sequence: text.parse().map_err(|_| InvalidPullCursor)? })
    }
}

/// A page of a list of pulls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullPage {
    /// The pulls, newest first.
    pub pulls: Vec<(PullCursor, PullRecord)>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<PullCursor>,
}

/// The table of pulls.
pub struct Pulls<'a> {
    index: &'a Index,
}

impl<'a> Pulls<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// Adds pulls, the oldest first, in one batch. Where there are too many then, the oldest of all go with it.
    pub fn add(&self, pulls: &[PullRecord]) -> Result<(), IndexError> {
        self.add_within(pulls, MOST_PULLS)
    }

    /// [`Pulls::add`] for a bound of `most` rows, which is the same in every call of one index.
    fn add_within(&self, pulls: &[PullRecord], most: u64) -> Result<(), IndexError> {
        if pulls.is_empty() {
            return Ok(());
        }
        let _guard = lock(&self.index.locks.pulls);
        let last = self.index.stamps().get(SEQUENCE_STAMP)?.map_or(0, |stamp| stamp.at.cast_unsigned());
        let next = last + pulls.len() as u64;
        let mut batch = Batch::new();
        // Numbers have no gaps but at the start, so how many there are need not be counted.
        for sequence in last.saturating_sub(most) + 1..=next.saturating_sub(most).min(last) {
            if let Some(old) = intact(self.get(sequence))? {
                batch.delete(Table::ImagePulls, key::encode(&(old.image, sequence)));
            }
            batch.delete(Table::Pulls, key::encode(&sequence));
        }
        for (sequence, pull) in (last + 1..).zip(pulls) {
            if sequence > next.saturating_sub(most) {
                batch.put(Table::Pulls, key::encode(&sequence), record::encode(pull));
                batch.put(Table::ImagePulls, key::encode(&(pull.image, sequence)), Vec::new());
            }
        }
        let stamp = StampRecord { at: next.cast_signed(), value: Vec::new() };
        batch.put(Table::Stamps, key::encode(SEQUENCE_STAMP), record::encode(&stamp));
        self.index.write(batch)
    }

    /// Up to `limit` pulls of all images, or of the digest that was asked for, newest first, beyond `after`.
    pub fn list(
        &self,
        image: Option<&Digest>,
        after: Option<PullCursor>,
        limit: usize,
    ) -> Result<PullPage, IndexError> {
        let after = after.map(|cursor| cursor.sequence);
        let scan = match image {
            Some(image) => Scan::prefix(Table::ImagePulls, key::encode(image))
                .after(after.map(|sequence| key::encode(&(image, sequence)))),
            None => Scan::prefix(Table::Pulls, Vec::new()).after(after.map(|sequence| key::encode(&sequence))),
        };
        let mut rows = self.index.rows(scan.keys_only().backward());
        let (mut pulls, mut last) = (Vec::new(), None);
        for row in rows.by_ref().take(limit) {
            let sequence = match image {
                Some(_) => decode_key::<(Digest, u64)>(Table::ImagePulls, &row?.key)?.1,
                None => decode_key(Table::Pulls, &row?.key)?,
            };
            let cursor = PullCursor { sequence };
            // The row may be trimmed between the two reads.
            if let Some(pull) = self.get(sequence)? {
                pulls.push((cursor, pull));
            }
            last = Some(cursor);
        }
        let next = if rows.next().transpose()?.is_some() { last } else { None };
        Ok(PullPage { pulls, next })
    }

    /// The last pull of a digest.
    pub fn latest_of(&self, image: &Digest) -> Result<Option<PullRecord>, IndexError> {
        Ok(self.list(Some(image), None, 1)?.pulls.pop().map(|(_, pull)| pull))
    }

    /// Removes pulls of before `before` (seconds since the epoch), a part of them at a time; answers with the number
    /// removed, 0 when none is left.
    pub fn trim(&self, before: i64) -> Result<usize, IndexError> {
        let _guard = lock(&self.index.locks.pulls);
        let mut batch = Batch::new();
        let mut removed = 0;
        for row in self.index.rows(Scan::prefix(Table::Pulls, Vec::new())).take(TRIM_ROWS) {
            let row = row?;
            let sequence: u64 = decode_key(Table::Pulls, &row.key)?;
            let pull: PullRecord = record::decode(Table::Pulls, &row.key, &row.value)?;
            if pull.at >= before {
                break;
            }
            batch.delete(Table::ImagePulls, key::encode(&(pull.image, sequence)));
            batch.delete(Table::Pulls, row.key);
            removed += 1;
        }
        self.index.write(batch)?;
        Ok(removed)
    }

    fn get(&self, sequence: u64) -> Result<Option<PullRecord>, IndexError> {
        self.index.get(Table::Pulls, &key::encode(&sequence))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::engine::{FaultyEngine, MemoryEngine};
    use super::*;

    fn pull(at: i64, image: &str) -> PullRecord {
        PullRecord {
            at,
            image: Digest::of(image.as_bytes()),
            upstream: "docker.io".into(),
            repository: Repository::parse("library/nginx").unwrap(),
            tag: None,
            node: None,
            node_source: PullNode::Unknown,
            cluster: None,
            address: "10.0.0.1".into(),
            agent: "containerd/2.0.0".into(),
        }
    }

    /// The times of pulls, every page after the other, so that each place where one may end is met.
    fn read(index: &Index, image: Option<&str>, limit: usize) -> Vec<i64> {
        let image = image.map(|image| Digest::of(image.as_bytes()));
        let (mut times, mut after) = (Vec::new(), None);
        loop {
            let page = index.pulls().list(image.as_ref(), after, limit).unwrap();
            assert!(page.pulls.len() <= limit);
            times.extend(page.pulls.iter().map(|(_, pull)| pull.at));
            match page.next {
                Some(next) => after = Some(next.to_string().parse().unwrap()),
                None => return times,
            }
        }
    }

    #[test]
    fn pulls_are_listed_newest_first_of_all_images_or_of_one_whatever_the_page() {
        let index = Index::in_memory();
        index.pulls().add(&[pull(1, "a"), pull(2, "b"), pull(3, "a")]).unwrap();
        index.pulls().add(&[]).unwrap();
        index.pulls().add(&[pull(4, "c"), pull(5, "a")]).unwrap();
        for limit in 1..7 {
            assert_eq!(read(&index, None, limit), [5, 4, 3, 2, 1], "{limit}");
            assert_eq!(read(&index, Some("a"), limit), [5, 3, 1], "{limit}");
            assert_eq!(read(&index, Some("d"), limit), Vec::<i64>::new(), "{limit}");
        }
        assert_eq!(index.pulls().latest_of(&Digest::of(b"a")).unwrap(), Some(pull(5, "a")));
        assert_eq!(index.pulls().latest_of(&Digest::of(b"d")).unwrap(), None);
    }

    #[test]
    fn old_pulls_go_and_numbers_are_not_given_again() {
        let index = Index::in_memory();
        index.pulls().add(&[pull(1, "a"), pull(2, "b"), pull(3, "a")]).unwrap();
        assert_eq!(index.pulls().trim(3).unwrap(), 2);
        assert_eq!(index.pulls().trim(3).unwrap(), 0);
        assert_eq!((read(&index, None, 9), read(&index, Some("a"), 9)), (vec![3], vec![3]));
        assert_eq!(index.pulls().trim(i64::MAX).unwrap(), 1);
        index.pulls().add(&[pull(4, "a")]).unwrap();
        let page = index.pulls().list(None, None, 9).unwrap();
        assert_eq!(page.pulls, [(PullCursor { sequence: 4 }, pull(4, "a"))]);
    }

    #[test]
    fn a_trim_takes_many_in_parts() {
        let index = Index::in_memory();
        let pulls: Vec<_> = (0..1000).map(|at| pull(at, "a")).collect();
        index.pulls().add(&pulls).unwrap();
        let removed: Vec<_> = std::iter::repeat_with(|| index.pulls().trim(900).unwrap()).take(3).collect();
        assert_eq!(removed, [512, 388, 0]);
        assert_eq!(read(&index, None, 1000).len(), 100);
    }

    #[test]
    fn the_oldest_make_room_for_the_newest() {
        let index = Index::in_memory();
        let add = |pulls: &[PullRecord]| index.pulls().add_within(pulls, 3).unwrap();
        for at in 1..=5 {
            add(&[pull(at, if at % 2 == 0 { "even" } else { "odd" })]);
        }
        assert_eq!((read(&index, None, 9), read(&index, Some("odd"), 9)), (vec![5, 4, 3], vec![5, 3]));
        add(&[pull(6, "even"), pull(7, "odd")]);
        assert_eq!((read(&index, None, 9), read(&index, Some("even"), 9)), (vec![7, 6, 5], vec![6]));
        index.pulls().trim(7).unwrap();
        add(&[pull(8, "even"), pull(9, "odd")]);
        assert_eq!(read(&index, None, 9), [9, 8, 7]);
        let many: Vec<_> = (10..20).map(|at| pull(at, "many")).collect();
        add(&many);
        assert_eq!((read(&index, None, 9), read(&index, Some("many"), 9)), (vec![19, 18, 17], vec![19, 18, 17]));
        assert_eq!(index.rows(Scan::prefix(Table::ImagePulls, Vec::new())).count(), 3);
    }

    #[test]
    fn a_write_that_fails_adds_none_and_takes_no_number() {
        let engine = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::default())));
        let index = Index::new(engine.clone());
        index.pulls().add_within(&[pull(1, "a"), pull(2, "a")], 2).unwrap();
        engine.fail_writes(true);
        assert!(index.pulls().add_within(&[pull(3, "a")], 2).is_err());
        assert!(index.pulls().trim(9).is_err());
        assert_eq!(read(&index, Some("a"), 9), [2, 1]);
        engine.fail_writes(false);
        index.pulls().add_within(&[pull(4, "a")], 2).unwrap();
        let page = index.pulls().list(None, None, 1).unwrap();
        assert_eq!(page.pulls, [(PullCursor { sequence: 3 }, pull(4, "a"))]);
        assert_eq!(read(&index, None, 9), [4, 2]);
    }

    #[test]
    fn pulls_added_at_the_same_time_are_all_there() {
        let index = Index::in_memory();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for at in 0..50 {
                        index.pulls().add(&[pull(at, "a")]).unwrap();
                    }
                });
            }
        });
        assert_eq!(read(&index, Some("a"), 33).len(), 200);
    }

    #[test]
    fn texts_that_are_no_cursors_are_refused() {
        for text in ["", "a", "-1", "1.1", "18446744073709551616"] {
            assert_eq!(text.parse::<PullCursor>(), Err(InvalidPullCursor), "{text:?}");
        }
    }
}
