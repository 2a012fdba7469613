//! Events: which findings opened, were rated anew or closed, when and why.
//!
//! Owns the order of events. One row holds everything one matching of one image changed, or one catalogue of exploited vulnerabilities,
//! under a sequence number that only grows; a second table gives an image's rows. Rows are written in the batch of what they tell of,
//! so that neither is there without the other.

use std::fmt;
use std::str::FromStr;

use weir_scanner::finding::Severity;
use weir_scanner::oci::Digest;

use super::engine::{Batch, Direction, Scan, Table};
use super::{Index, IndexError, StampRecord, decode_key, key, lock, record};

/// The stamp that holds the sequence number written last.
const SEQUENCE_STAMP: &str = "event_sequence";
/// Rows removed together when events grow too old.
const TRIM_ROWS: usize = 512;

/// What happened to a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It was found, where it was not before.
    Opened(OpenedReason),
    /// Its severity changed from this one.
    Rerated(Severity),
    /// What is known of its exploitation changed.
    Exploitation(Exploitation),
    /// It is there no longer.
    Closed(ClosedReason),
}

impl EventKind {
    /// The name in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened(_) => "opened",
            Self::Rerated(_) | Self::Exploitation(_) => "rerated",
            Self::Closed(_) => "closed",
        }
    }

    /// The name of its reason in the report and in the metrics, where it has one.
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Opened(reason) => Some(reason.name()),
            Self::Exploitation(exploitation) => Some(exploitation.name()),
            Self::Closed(reason) => Some(reason.name()),
            Self::Rerated(_) => None,
        }
    }
}

/// Why a finding is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenedReason {
    /// The image was matched for the first time.
    NewImage,
    /// An advisory came or changed, or the image was read further.
    Advisory,
    /// Detectors or matching rules of another version of weir see it.
    DetectorChanged,
}

impl OpenedReason {
    /// The name in the report and in the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NewImage => "new_image",
            Self::Advisory => "advisory",
            Self::DetectorChanged => "detector_changed",
        }
    }
}

/// What is known of the exploitation of a finding that stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exploitation {
    /// It is in the catalogue of known exploited vulnerabilities, where it was not before.
    Known,
    /// It is in it no longer.
    Withdrawn,
}

impl Exploitation {
    /// The name in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Known => "known_exploited",
            Self::Withdrawn => "exploitation_withdrawn",
        }
    }
}

/// Why a finding is there no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedReason {
    /// The advisories no longer say that this version is affected.
    FixedInFeed,
    /// Every advisory behind it was withdrawn or removed.
    Withdrawn,
    /// The image was read again, by the same detectors, and the package is not in it.
    ImageChanged,
    /// Detectors or matching rules of another version of weir see it otherwise.
    DetectorChanged,
}

impl ClosedReason {
    /// The name in the report and in the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FixedInFeed => "fixed_in_feed",
            Self::Withdrawn => "withdrawn",
            Self::ImageChanged => "image_changed",
            Self::DetectorChanged => "detector_changed",
        }
    }
}

/// One change of one finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingEvent {
    /// What happened.
    pub kind: EventKind,
    /// The vulnerability's id, as it is shown then.
    pub id: String,
    /// The package's package URL.
    pub package: String,
    /// Its severity after the change; of a closed one, the last.
    pub severity: Severity,
    /// The version that fixes it, as known then.
    pub fixed_version: Option<String>,
}

/// Everything one matching, or one catalogue, changed of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// When, seconds since the epoch.
    pub at: i64,
    /// The image's manifest.
    pub image: Digest,
    /// The changes.
    pub changes: Vec<FindingEvent>,
}

/// A place in a list of events. As text it goes into the report's `next_cursor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventCursor {
    /// The row's number.
    pub sequence: u64,
    /// The change's number in it.
    pub position: u32,
}

impl fmt::Display for EventCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.sequence, self.position)
    }
}

/// A text that is not a cursor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of a list of events")]
pub struct InvalidEventCursor;

impl FromStr for EventCursor {
    type Err = InvalidEventCursor;

    fn from_str(text: &str) -> Result<Self, InvalidEventCursor> {
        let (sequence, position) = text.split_once('.').ok_or(InvalidEventCursor)?;
        let sequence = sequence.parse().map_err(|_| InvalidEventCursor)?;
        Ok(Self { sequence, position: position.parse().map_err(|_| InvalidEventCursor)? })
    }
}

/// One event of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedEvent {
    /// Its place.
    pub cursor: EventCursor,
    /// When it happened, seconds since the epoch.
    pub at: i64,
    /// The image's manifest.
    pub image: Digest,
    /// What happened.
    pub event: FindingEvent,
}

/// A page of a list of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPage {
    /// The events, in the order that was asked for.
    pub events: Vec<ListedEvent>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<EventCursor>,
}

/// The table of events.
pub struct Events<'a> {
    index: &'a Index,
}

impl<'a> Events<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// Up to `limit` events of all images, or of one, newest first, beyond `after`.
    pub fn list(
        &self,
        image: Option<&Digest>,
        after: Option<EventCursor>,
        limit: usize,
    ) -> Result<EventPage, IndexError> {
        self.page(image, after, limit, Direction::Backward)
    }

    /// Up to `limit` events of all images, or of one, oldest first, beyond `after`. Rows are numbered as they are written, so nothing
    /// that is written later stands before what was read.
    pub fn after(
        &self,
        image: Option<&Digest>,
        after: Option<EventCursor>,
        limit: usize,
    ) -> Result<EventPage, IndexError> {
        self.page(image, after, limit, Direction::Forward)
    }

    /// The number of the row written last; 0 before the first.
    pub fn last(&self) -> Result<u64, IndexError> {
        Ok(self.index.stamps().get(SEQUENCE_STAMP)?.map_or(0, |stamp| stamp.at.cast_unsigned()))
    }

    fn page(
        &self,
        image: Option<&Digest>,
        after: Option<EventCursor>,
        limit: usize,
        direction: Direction,
    ) -> Result<EventPage, IndexError> {
        // The row of the cursor may hold more, so reading begins with it.
        let beside = after.and_then(|cursor| match direction {
            Direction::Backward => Some(cursor.sequence.saturating_add(1)),
            Direction::Forward => cursor.sequence.checked_sub(1),
        });
        let scan = match image {
            Some(image) => Scan::prefix(Table::ImageEvents, key::encode(image))
                .after(beside.map(|sequence| key::encode(&(image, sequence)))),
            None => Scan::prefix(Table::Events, Vec::new()).after(beside.map(|sequence| key::encode(&sequence))),
        };
        let (mut events, mut next) = (Vec::new(), None);
        'rows: for row in self.index.rows(Scan { direction, ..scan.keys_only() }) {
            let sequence = match image {
                Some(_) => decode_key::<(Digest, u64)>(Table::ImageEvents, &row?.key)?.1,
                None => decode_key(Table::Events, &row?.key)?,
            };
            // Trimming may take a row between the two reads.
            let Some(EventRecord { at, image, changes }) = self.get(sequence)? else { continue };
            for (position, event) in (0..).zip(changes) {
                let cursor = EventCursor { sequence, position };
                if after.is_some_and(|after| sequence == after.sequence && position <= after.position) {
                    continue;
                }
                if events.len() == limit {
                    next = events.last().map(|last: &ListedEvent| last.cursor);
                    break 'rows;
                }
                events.push(ListedEvent { cursor, at, image, event });
            }
        }
        Ok(EventPage { events, next })
    }

    /// Removes events of before `time` (seconds since the epoch), a part of them at a time; answers with the number of rows
    /// removed, 0 when none is left.
    pub fn trim(&self, time: i64) -> Result<usize, IndexError> {
        let _guard = lock(&self.index.locks.findings);
        let mut batch = Batch::new();
        let mut removed = 0;
        for row in self.index.rows(Scan::prefix(Table::Events, Vec::new())).take(TRIM_ROWS) {
            let row = row?;
            let sequence: u64 = decode_key(Table::Events, &row.key)?;
            let event: EventRecord = record::decode(Table::Events, &row.key, &row.value)?;
            if event.at >= time {
                break;
            }
            batch.delete(Table::ImageEvents, key::encode(&(event.image, sequence)));
            batch.delete(Table::Events, row.key);
            removed += 1;
        }
        self.index.write(batch)?;
        Ok(removed)
    }

    fn get(&self, sequence: u64) -> Result<Option<EventRecord>, IndexError> {
        self.index.get(Table::Events, &key::encode(&sequence))
    }

    /// Adds rows to a batch, in their order. The caller holds the lock of the findings' table.
    pub(super) fn add(&self, batch: &mut Batch, events: &[EventRecord]) -> Result<(), IndexError> {
        let mut sequence = self.last()?;
        for event in events {
            sequence += 1;
            batch.put(Table::Events, key::encode(&sequence), record::encode(event));
            batch.put(Table::ImageEvents, key::encode(&(event.image, sequence)), Vec::new());
        }
        if !events.is_empty() {
            let stamp = StampRecord { at: sequence.cast_signed(), value: Vec::new() };
            batch.put(Table::Stamps, key::encode(SEQUENCE_STAMP), record::encode(&stamp));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(index: &Index, at: i64, image: &[u8], ids: &[&str]) {
        let change = |id: &&str| FindingEvent {
            kind: EventKind::Opened(OpenedReason::Advisory),
            id: (*id).into(),
            package: "pkg:npm/a@1".into(),
            severity: Severity::High,
            fixed_version: None,
        };
        let event = EventRecord { at, image: Digest::of(image), changes: ids.iter().map(change).collect() };
        let mut batch = Batch::new();
        index.events().add(&mut batch, &[event]).unwrap();
        index.write(batch).unwrap();
    }

    /// Every page after the other, so that each place where one may end is met.
    fn read(index: &Index, image: Option<&Digest>, limit: usize) -> Vec<String> {
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page = index.events().list(image, after, limit).unwrap();
            assert!(page.events.len() <= limit);
            ids.extend(page.events.iter().map(|listed| listed.event.id.clone()));
            match page.next {
                Some(next) => after = Some(next.to_string().parse().unwrap()),
                None => return ids,
            }
        }
    }

    #[test]
    fn events_are_listed_newest_first_of_all_images_or_of_one_whatever_the_page() {
        let index = Index::in_memory();
        add(&index, 10, b"a", &["1", "2", "3"]);
        add(&index, 20, b"b", &["4"]);
        add(&index, 30, b"a", &["5", "6"]);
        for limit in 1..8 {
            assert_eq!(read(&index, None, limit), ["5", "6", "4", "1", "2", "3"], "{limit}");
            assert_eq!(read(&index, Some(&Digest::of(b"a")), limit), ["5", "6", "1", "2", "3"], "{limit}");
        }
    }

    #[test]
    fn events_are_read_oldest_first_from_any_place_and_those_that_come_later_follow() {
        let index = Index::in_memory();
        add(&index, 10, b"a", &["1", "2", "3"]);
        add(&index, 20, b"b", &["4"]);
        let ids = |image: Option<&Digest>, after| -> Vec<String> {
            let page = index.events().after(image, after, 9).unwrap();
            page.events.into_iter().map(|listed| listed.event.id).collect()
        };
        let (mut after, mut read) = (None, Vec::new());
        for limit in [2, 1, 5] {
            let page = index.events().after(None, after, limit).unwrap();
            after = page.events.last().map(|last| last.cursor);
            assert_eq!(page.next, after.filter(|_| limit < 5));
            read.extend(page.events.into_iter().map(|listed| listed.event.id));
        }
        assert_eq!(read, ["1", "2", "3", "4"]);
        assert_eq!(ids(None, after), Vec::<String>::new());
        add(&index, 30, b"a", &["5", "6"]);
        assert_eq!((ids(None, after), index.events().last().unwrap()), (vec!["5".into(), "6".into()], 3));
        assert_eq!(ids(Some(&Digest::of(b"a")), Some(EventCursor { sequence: 1, position: 1 })), ["3", "5", "6"]);
        // A cursor of a row that was trimmed still names a place.
        index.events().trim(25).unwrap();
        assert_eq!(ids(None, Some(EventCursor { sequence: 1, position: 0 })), ["5", "6"]);
        assert_eq!(ids(None, Some(EventCursor { sequence: 0, position: 0 })), ["5", "6"]);
    }

    #[test]
    fn old_events_go_and_numbers_are_not_given_again() {
        let index = Index::in_memory();
        add(&index, 10, b"a", &["1"]);
        add(&index, 20, b"b", &["2"]);
        assert_eq!(index.events().trim(20).unwrap(), 1);
        assert_eq!(index.events().trim(20).unwrap(), 0);
        assert_eq!(read(&index, None, 9), ["2"]);
        assert_eq!(read(&index, Some(&Digest::of(b"a")), 9), Vec::<String>::new());
        assert_eq!(index.events().trim(i64::MAX).unwrap(), 1);
        add(&index, 30, b"a", &["3"]);
        assert_eq!(index.events().list(None, None, 1).unwrap().events[0].cursor.sequence, 3);
    }

    #[test]
    fn texts_that_are_no_cursors_are_refused() {
        for text in ["", "1", "1.", ".1", "a.1", "-1.1", "1.99999999999"] {
            assert_eq!(text.parse::<EventCursor>(), Err(InvalidEventCursor), "{text:?}");
        }
    }
}
