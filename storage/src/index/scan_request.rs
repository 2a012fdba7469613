//! Requests to scan an image: what was asked for, how far it is, and what it led to.
//!
//! Owns the order of requests, newest first. A request that did not end outlives a restart and every trim, so that it
//! is taken up again.

use std::fmt;
use std::str::FromStr;

use weir_scanner::oci::{Digest, Platform};

use super::engine::{Batch, Scan, Table};
use super::key::NewestFirst;
use super::{Index, IndexError, decode_key, key, lock, record};

/// Rows removed together by a trim.
const TRIM_ROWS: usize = 512;

/// How far a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScanRequestState {
    /// It waits.
    Queued,
    /// The image's manifests are fetched.
    Fetching,
    /// Its layers are read.
    Scanning,
    /// It ended; what was read of the image its own status tells.
    Done,
    /// It ended without an image.
    Failed {
        /// Why, for programs.
        code: String,
        /// Why, for people.
        detail: String,
    },
}

impl ScanRequestState {
    /// The name in the report.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Fetching => "fetching",
            Self::Scanning => "scanning",
            Self::Done => "done",
            Self::Failed { .. } => "failed",
        }
    }

    /// Whether nothing more happens to the request.
    pub const fn is_finished(&self) -> bool {
        matches!(self, Self::Done | Self::Failed { .. })
    }
}

/// A request to scan an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanRequestRecord {
    /// Its id.
    pub id: String,
    /// The image, as it was asked for.
    pub reference: String,
    /// The platform that was asked for; `None` for all of an index.
    pub platform: Option<Platform>,
    /// When it was asked for, seconds since the epoch.
    pub requested_at: i64,
    /// When its state last changed, seconds since the epoch.
    pub updated_at: i64,
    /// How far it is.
    pub state: ScanRequestState,
    /// The images it led to, by their manifests.
    pub images: Vec<Digest>,
}

/// A place in a list of requests. As text it goes into the report's `next_cursor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanRequestCursor {
    requested_at: i64,
    id: String,
}

impl fmt::Display for ScanRequestCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.requested_at, self.id)
    }
}

/// A text that is not a cursor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of a list of scan requests")]
pub struct InvalidScanRequestCursor;

impl FromStr for ScanRequestCursor {
    type Err = InvalidScanRequestCursor;

    fn from_str(text: &str) -> Result<Self, InvalidScanRequestCursor> {
        let (requested_at, id) = text.split_once('.').ok_or(InvalidScanRequestCursor)?;
        Ok(Self { requested_at: requested_at.parse().map_err(|_| InvalidScanRequestCursor)?, id: id.into() })
    }
}

/// A page of a list of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanRequestPage {
    /// The requests, newest first.
    pub requests: Vec<ScanRequestRecord>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<ScanRequestCursor>,
}

/// The table of requests.
pub struct ScanRequests<'a> {
    index: &'a Index,
}

impl<'a> ScanRequests<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// Sets a request, whatever its id had before.
    pub fn put(&self, request: &ScanRequestRecord) -> Result<(), IndexError> {
        let _guard = lock(&self.index.locks.scan_requests);
        let mut batch = Batch::new();
        let place = place(request);
        match self.get(&request.id)?.map(|old| self::place(&old)) {
            Some(old) if old == place => {}
            old => {
                if let Some(old) = old {
                    batch.delete(Table::ScanRequestOrder, old);
                }
                batch.put(Table::ScanRequestOrder, place, Vec::new());
            }
        }
        batch.put(Table::ScanRequests, key::encode(&request.id), record::encode(request));
        self.index.write(batch)
    }

    /// A request, by its id.
    pub fn get(&self, id: &str) -> Result<Option<ScanRequestRecord>, IndexError> {
        self.index.get(Table::ScanRequests, &key::encode(id))
    }

    /// Up to `limit` requests, newest first, beyond `after`.
    pub fn list(&self, after: Option<&ScanRequestCursor>, limit: usize) -> Result<ScanRequestPage, IndexError> {
        let mut places = self.places(after);
        let (mut requests, mut last) = (Vec::new(), None);
        for place in places.by_ref().take(limit) {
            let cursor = place?;
            // The row may be trimmed between the two reads.
            requests.extend(self.get(&cursor.id)?);
            last = Some(cursor);
        }
        let next = if places.next().transpose()?.is_some() { last } else { None };
        Ok(ScanRequestPage { requests, next })
    }

    /// Every request that has not ended, oldest first.
    pub fn unfinished(&self) -> Result<Vec<ScanRequestRecord>, IndexError> {
        let mut requests = Vec::new();
        for place in self.places(None) {
            requests.extend(self.get(&place?.id)?.filter(|request| !request.state.is_finished()));
        }
        requests.reverse();
        Ok(requests)
    }

    /// Removes requests that ended: those whose state last changed before `before` (seconds since the epoch), and those
    /// beyond the newest `keep` of all requests. A part of them at a time; answers with the number removed, 0 when none
    /// is left.
    pub fn trim(&self, before: i64, keep: usize) -> Result<usize, IndexError> {
        let _guard = lock(&self.index.locks.scan_requests);
        let (mut batch, mut removed) = (Batch::new(), 0);
        for (number, place) in self.places(None).enumerate() {
            let Some(request) = self.get(&place?.id)? else { continue };
            if request.state.is_finished() && (request.updated_at < before || number >= keep) {
                batch.delete(Table::ScanRequestOrder, self::place(&request));
                batch.delete(Table::ScanRequests, key::encode(&request.id));
                removed += 1;
            }
            if removed == TRIM_ROWS {
                break;
            }
        }
        self.index.write(batch)?;
        Ok(removed)
    }

    fn places(
        &self,
        after: Option<&ScanRequestCursor>,
    ) -> impl Iterator<Item = Result<ScanRequestCursor, IndexError>> + use<'a> {
        let start = after.map(|cursor| key::encode(&(NewestFirst(cursor.requested_at), &cursor.id)));
        let scan = Scan::prefix(Table::ScanRequestOrder, Vec::new()).after(start).keys_only();
        self.index.rows(scan).map(|row| {
            let (NewestFirst(requested_at), id) = decode_key(Table::ScanRequestOrder, &row?.key)?;
            Ok(ScanRequestCursor { requested_at, id })
        })
    }
}

fn place(request: &ScanRequestRecord) -> Vec<u8> {
    key::encode(&(NewestFirst(request.requested_at), &request.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: &str, requested_at: i64, state: ScanRequestState) -> ScanRequestRecord {
        ScanRequestRecord {
            id: id.into(),
            reference: "docker.io/library/nginx:1.27".into(),
            platform: None,
            requested_at,
            updated_at: requested_at,
            state,
            images: Vec::new(),
        }
    }

    fn failed() -> ScanRequestState {
        ScanRequestState::Failed { code: "denied".into(), detail: "the upstream said no".into() }
    }

    /// The ids of all requests, every page after the other.
    fn read(index: &Index, limit: usize) -> Vec<String> {
        let (mut ids, mut after) = (Vec::new(), None::<ScanRequestCursor>);
        loop {
            let page = index.scan_requests().list(after.as_ref(), limit).unwrap();
            assert!(page.requests.len() <= limit);
            ids.extend(page.requests.into_iter().map(|request| request.id));
            match page.next {
                Some(next) => after = Some(next.to_string().parse().unwrap()),
                None => return ids,
            }
        }
    }

    #[test]
    fn requests_are_listed_newest_first_whatever_the_page_and_stay_in_one_place() {
        let index = Index::in_memory();
        for (id, at) in [("b", 1), ("a", 3), ("c.d", 2), ("e", 2)] {
            index.scan_requests().put(&request(id, at, ScanRequestState::Queued)).unwrap();
        }
        let scanning = request("b", 1, ScanRequestState::Scanning);
        index.scan_requests().put(&scanning).unwrap();
        for limit in 1..6 {
            assert_eq!(read(&index, limit), ["a", "c.d", "e", "b"], "{limit}");
        }
        assert_eq!(index.scan_requests().get("b").unwrap(), Some(scanning));
        index.scan_requests().put(&request("b", 9, ScanRequestState::Queued)).unwrap();
        assert_eq!(read(&index, 2), ["b", "a", "c.d", "e"]);
    }

    #[test]
    fn what_has_not_ended_is_known_oldest_first() {
        let index = Index::in_memory();
        let states = [ScanRequestState::Queued, ScanRequestState::Done, ScanRequestState::Fetching, failed()];
        for (at, state) in (0..).zip(states) {
            index.scan_requests().put(&request(&at.to_string(), at, state)).unwrap();
        }
        let ids: Vec<_> = index.scan_requests().unfinished().unwrap().into_iter().map(|request| request.id).collect();
        assert_eq!(ids, ["0", "2"]);
    }

    #[test]
    fn a_trim_takes_what_ended_by_age_and_by_number_and_nothing_else() {
        let index = Index::in_memory();
        for at in 0..10_i64 {
            let state = match at {
                1 => ScanRequestState::Scanning,
                n if n % 2 == 0 => ScanRequestState::Done,
                _ => failed(),
            };
            index.scan_requests().put(&request(&at.to_string(), at, state)).unwrap();
        }
        assert_eq!(index.scan_requests().trim(3, 100).unwrap(), 2);
        assert_eq!(read(&index, 100), ["9", "8", "7", "6", "5", "4", "3", "1"]);
        assert_eq!(index.scan_requests().trim(3, 4).unwrap(), 3);
        assert_eq!(read(&index, 100), ["9", "8", "7", "6", "1"]);
        assert_eq!(index.scan_requests().trim(3, 4).unwrap(), 0);
        assert_eq!(index.scan_requests().get("5").unwrap(), None);
    }

    #[test]
    fn texts_that_are_no_cursors_are_refused() {
        for text in ["", "1", "a.b", ".b"] {
            assert_eq!(text.parse::<ScanRequestCursor>(), Err(InvalidScanRequestCursor), "{text:?}");
        }
    }
}
