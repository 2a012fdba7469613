//! Events as they happen: server-sent events after the HTML standard, section 9.2.
//!
//! Owns streams and their number. A stream holds a place in the sequence of events and reads from the index when its client takes more, so a
//! slow client costs no memory; a client that comes back says which place it had last and misses nothing. Who may read is asked when a
//! stream opens, so none stays open for long: whoever comes back is asked again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Response;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use weir_storage::index::{EventCursor, EventPage, IndexError};

use super::Report;
use super::event::EventItem;
use super::filter::Filter;
use super::problem::Problem;
use crate::http::{Body, BodyError, from_chunks};

/// Streams that are open at once.
const MOST_STREAMS: usize = 64;
/// How long whoever comes beyond that is asked to wait, in seconds.
const RETRY_AFTER: u32 = 30;
/// How often the index is asked for more.
const POLL: Duration = Duration::from_secs(1);
/// How often something is said where nothing happens: less than proxies and load balancers wait.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a stream stays open at most: a token that was revoked, or a session that ended, reads on no longer than that.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Events of one chunk.
const PAGE: usize = 100;
/// How long a client is to wait before it comes back, in milliseconds.
const RETRY: u32 = 5000;

/// The places there are for streams. Clones share them.
#[derive(Clone)]
pub struct EventStreams {
    places: Arc<Semaphore>,
    token: CancellationToken,
}

impl EventStreams {
    /// Places for streams that end when `token` is cancelled.
    pub fn new(token: CancellationToken) -> Self {
        Self { places: Arc::new(Semaphore::new(MOST_STREAMS)), token }
    }
}

/// One stream.
struct Stream {
    report: Report,
    filter: Filter,
    after: EventCursor,
    /// When it was opened, and whether anything was said since.
    opened: Instant,
    begun: bool,
    said: Instant,
    _place: OwnedSemaphorePermit,
}

impl Report {
    /// A stream of the events of images that are meant, after one or from now on.
    pub(super) async fn stream_events(
        &self,
        filter: Filter,
        after: Option<EventCursor>,
    ) -> Result<Response<Body>, Problem> {
        let Ok(place) = Arc::clone(&self.streams.places).try_acquire_owned() else {
            let detail = format!("{MOST_STREAMS} streams are open already");
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(RETRY_AFTER));
        };
        let after = match after {
            Some(after) => after,
            None => {
                let sequence = self.index.run(|index| index.events().last()).await?;
                EventCursor { sequence, position: u32::MAX }
            }
        };
        let report = self.clone();
        let opened = Instant::now();
        let stream = Stream { report, filter, after, opened, begun: false, said: opened, _place: place };
        let mut response = Response::new(from_chunks(stream, None, Stream::next));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}

impl Stream {
    /// The next chunk; `None` at a shutdown, or when it was open long enough.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, BodyError> {
        if !self.begun {
            self.begun = true;
            // Something to read at once, with a place to come back to.
            let preamble = format!(": events of weir\nid: {}\nretry: {RETRY}\n\n", self.after);
            return Ok(Some((preamble.into(), self)));
        }
        let token = self.report.streams.token.clone();
        loop {
            if token.is_cancelled() || self.opened.elapsed() >= LONGEST {
                return Ok(None);
            }
            let EventPage { events, next } = self.read().await.map_err(BodyError::new)?;
            if !events.is_empty() {
                self.said = Instant::now();
                let text: String = events.into_iter().map(|listed| message(&EventItem::from(listed))).collect();
                return Ok(Some((text.into(), self)));
            }
            if self.said.elapsed() >= HEARTBEAT {
                self.said = Instant::now();
                // Without data it is no event, but moves the place of a client whose filter means little.
                return Ok(Some((format!("id: {}\n\n", self.after).into(), self)));
            }
            // Where one page was not enough to find anything that is meant, the next follows at once.
            if next.is_none() {
                let _ = token.run_until_cancelled(tokio::time::sleep(POLL)).await;
            }
        }
    }

    /// Events beyond the stream's place, which moves behind all that was looked at, so that what is not meant is not looked at again.
    async fn read(&mut self) -> Result<EventPage, IndexError> {
        let last = self.report.index.run(|index| index.events().last()).await?;
        let end = EventCursor { sequence: last, position: u32::MAX };
        if self.after >= end {
            return Ok(EventPage { events: Vec::new(), next: None });
        }
        let page = self.report.events_after(&self.filter, Some(self.after), PAGE).await?;
        let shown = page.events.last().map_or(self.after, |last| last.cursor);
        self.after = page.next.unwrap_or(end.max(shown));
        Ok(page)
    }
}

/// One event. JSON has no line breaks outside of its texts, where they are escaped, so the data is one line.
fn message(item: &EventItem) -> String {
    let data = serde_json::to_string(item).unwrap_or_default();
    format!("id: {}\nevent: {}\ndata: {data}\n\n", item.id, item.kind)
}
