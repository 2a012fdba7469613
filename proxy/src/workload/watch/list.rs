//! One whole list of a kind.
//!
//! Owns the choice between a stream and pages. A stream comes from the server's memory, object by object, and goes over into
//! the watch; pages come from its store, and a list of many of them may expire on the way (kube#1748: with 25,000 pods it did
//! again and again), so each expiry makes the pages larger, up to a list in one piece. Either way one object is in memory
//! at a time.

use tracing::{debug, info};

use super::Observed;
use super::error::WatchError;
use super::event::Event;
use super::follow::{GONE, KindWatch, Position};
use super::read::Body;
use super::resource;
use crate::workload::object::ObjectForm;

/// How much larger the pages are after a list that expired.
const PAGE_GROWTH: u32 = 4;

/// Pages larger than this are no pages any more: the list comes in one piece.
const LARGEST_PAGE: u32 = 50_000;

/// Streamed lists that may break one after the other before one is taken in pages.
const MAX_BROKEN_STREAMS: u32 = 3;

/// How lists of a kind are taken.
#[derive(Debug)]
pub(super) struct ListMode {
    /// Until the server refused.
    streams: bool,
    /// How many streamed lists broke since one was whole.
    broken_streams: u32,
    /// Objects in a page; `None` for all of them.
    page_size: Option<u32>,
}

impl ListMode {
    pub(super) fn new(page_size: u32) -> Self {
        Self { streams: true, broken_streams: 0, page_size: Some(page_size.max(1)) }
    }

    /// Learns from what went wrong.
    pub(super) fn failed(&mut self, error: &WatchError) {
        if matches!(error, WatchError::ListExpired) {
            let larger = self.page_size.map(|size| size.saturating_mul(PAGE_GROWTH));
            self.page_size = larger.filter(|size| *size <= LARGEST_PAGE);
        }
    }
}

impl<F: ObjectForm> KindWatch<F> {
    /// Tells one whole list, and where the watch goes on.
    pub(super) async fn list(&mut self) -> Result<Position, WatchError> {
        if self.mode.streams && self.mode.broken_streams < MAX_BROKEN_STREAMS && self.server_may_stream().await? {
            match self.stream().await {
                Err(WatchError::NoStreaming) => {
                    info!(kind = self.kind.name(), "the cluster does not stream lists: they are taken in pages");
                    self.mode.streams = false;
                }
                // It may be a server that ignores what it was asked for and has nothing else to say.
                Err(WatchError::Silent(_)) => self.mode.broken_streams = MAX_BROKEN_STREAMS,
                Err(error) if breaks_streams(&error) => {
                    self.mode.broken_streams += 1;
                    return Err(error);
                }
                result => {
                    self.mode.broken_streams = 0;
                    return result;
                }
            }
        }
        self.pages().await.inspect(|_| self.mode.broken_streams = 0)
    }

    /// A server that does not tell its version gets what every version understands.
    async fn server_may_stream(&mut self) -> Result<bool, WatchError> {
        let version = self.shared.server.get_or_try_init(|| resource::server_version(&self.shared.client)).await;
        match version {
            Ok(version) => Ok(version.may_stream()),
            Err(error) if error.code().is_some_and(|code| code < 500) => {
                debug!("the cluster does not tell its version: {}", error.text());
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// A list as the first events of a watch (KEP-3157).
    async fn stream(&mut self) -> Result<Position, WatchError> {
        let request = resource::watch(self.kind, "", true, self.timeout_seconds())?;
        let mut body = Body::open(&self.shared.client, request, self.shared.options.silence).await.map_err(refused)?;
        self.tell(Observed::Begin(self.kind)).await?;
        loop {
            match body.line::<Event<F>>(self.shared.options.silence).await?.ok_or(WatchError::Cut)? {
                Event::Added(form) | Event::Modified(form) => {
                    self.tell(Observed::Listed(form.into_object(self.kind))).await?;
                }
                Event::Bookmark(bookmark) if bookmark.ends_list() => {
                    let version = bookmark.into_version();
                    if version.is_empty() {
                        return Err(WatchError::NoVersion);
                    }
                    self.tell(Observed::End(self.kind)).await?;
                    return Ok(Position { version, body: Some(body) });
                }
                // Neither is part of a list: the server ignores that one was asked for.
                Event::Deleted(_) | Event::Bookmark(_) => return Err(WatchError::NoStreaming),
                Event::Error(status) if status.code == GONE => return Err(WatchError::ListExpired),
                Event::Error(status) => return Err(refused(WatchError::Answered(status))),
            }
        }
    }

    /// A list in pages, all of one version.
    async fn pages(&mut self) -> Result<Position, WatchError> {
        let (mut version, mut token) = (None, None);
        loop {
            let request = resource::list(self.kind, self.mode.page_size, token.take())?;
            let page = Body::open(&self.shared.client, request, self.shared.options.silence).await;
            let mut page = page.map_err(list_expired)?.into_list();
            if version.is_none() {
                self.tell(Observed::Begin(self.kind)).await?;
            }
            while let Some(form) = page.item::<F>(self.shared.options.silence).await? {
                self.tell(Observed::Listed(form.into_object(self.kind))).await?;
            }
            let metadata = page.end()?.metadata;
            if metadata.resource_version.is_empty() {
                return Err(WatchError::NoVersion);
            }
            let version = version.get_or_insert(metadata.resource_version).clone();
            if metadata.token.is_empty() {
                self.tell(Observed::End(self.kind)).await?;
                return Ok(Position { version, body: None });
            }
            token = Some(metadata.token);
        }
    }
}

/// A server that knows of streamed lists and does not do them says that the request is wrong.
fn refused(error: WatchError) -> WatchError {
    if matches!(error.code(), Some(400 | 422)) { WatchError::NoStreaming } else { error }
}

/// Whether pages may fare better: something between here and the server may not bear streams.
fn breaks_streams(error: &WatchError) -> bool {
    matches!(error, WatchError::Cut | WatchError::Broken(_)) || error.code().is_some_and(|code| code >= 500)
}

fn list_expired(error: WatchError) -> WatchError {
    if error.code() == Some(GONE) { WatchError::ListExpired } else { error }
}
