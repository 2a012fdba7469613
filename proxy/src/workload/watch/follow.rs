//! One kind: its list, its watch, and what comes after either breaks.
//!
//! Owns the position in the cluster's history. Invariant: the position is that of the last thing told, so a watch that breaks
//! goes on where it was and nothing is told twice or left out; without a position there is a list.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::{OnceCell, mpsc};
use tokio::time::sleep;
use tracing::debug;
use weir_storage::index::WatchedKind;

use super::error::WatchError;
use super::event::Event;
use super::list::ListMode;
use super::pause::{Pause, jittered};
use super::read::Body;
use super::resource::{self, ServerVersion};
use super::{Observed, WatchOptions};
use crate::workload::object::ObjectForm;

/// The code of a version that is too old: "Gone".
pub(super) const GONE: u16 = 410;

/// What every kind's watch shares.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) sender: mpsc::Sender<Observed>,
    pub(super) options: WatchOptions,
    /// The server's version, once it was asked for.
    pub(super) server: Arc<OnceCell<ServerVersion>>,
}

/// The watch of one kind.
pub(super) struct KindWatch<F> {
    pub(super) kind: WatchedKind,
    pub(super) shared: Shared,
    pub(super) mode: ListMode,
    position: Option<Position>,
    /// Whether anything came through since the last attempt began.
    heard: bool,
    /// How many watches in a row broke without anything having come through.
    broken: u32,
    form: PhantomData<fn() -> F>,
}

/// Where in the cluster's history the watch is.
pub(super) struct Position {
    pub(super) version: String,
    /// The watch that goes on from there, where it is open.
    pub(super) body: Option<Body>,
}

impl<F: ObjectForm> KindWatch<F> {
    pub(super) fn new(kind: WatchedKind, shared: Shared) -> Self {
        let mode = ListMode::new(shared.options.page_size);
        Self { kind, shared, mode, position: None, heard: false, broken: 0, form: PhantomData }
    }

    /// Lists and watches until nobody receives any more.
    pub(super) async fn run(mut self) {
        let mut pause = Pause::new(self.shared.options.first_pause, self.shared.options.longest_pause);
        loop {
            self.heard = false;
            let turn = self.turn().await;
            if self.heard {
                pause.reset();
            }
            let wait = match turn {
                // The server ended the watch, as it does every few minutes.
                Ok(()) => pause.next(),
                Err(WatchError::Closed) => return,
                Err(error) => match self.report(error).await {
                    Ok(wait) => wait.unwrap_or_else(|| pause.next()),
                    Err(_) => return,
                },
            };
            sleep(wait).await;
        }
    }

    async fn turn(&mut self) -> Result<(), WatchError> {
        if self.position.is_none() {
            self.position = Some(self.list().await?);
        }
        self.follow().await
    }

    /// Goes on from the position until the watch ends.
    async fn follow(&mut self) -> Result<(), WatchError> {
        let Some(Position { mut version, body }) = self.position.take() else { return Ok(()) };
        let result = self.follow_from(&mut version, body).await;
        match result {
            Err(WatchError::Expired) => {}
            // Where only the watch is refused, each further attempt lists anew, so that the kind is minutes old and not for ever.
            Err(ref error) if self.is_unavailable(error) => {}
            _ => self.position = Some(Position { version, body: None }),
        }
        result
    }

    async fn follow_from(&mut self, version: &mut String, body: Option<Body>) -> Result<(), WatchError> {
        let timeout = self.timeout_seconds();
        let mut body = match body {
            Some(body) => body,
            None => {
                let request = resource::watch(self.kind, version, false, timeout)?;
                Body::open(&self.shared.client, request, self.shared.options.silence).await.map_err(expired)?
            }
        };
        let patience = Duration::from_secs(timeout.into()) + self.shared.options.silence;
        loop {
            let event = match body.line::<Event<F>>(patience).await {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(()),
                // Connections are cut all the time; it is a failure where nothing comes through any more.
                Err(error @ (WatchError::Broken(_) | WatchError::Cut)) if self.broken == 0 => {
                    self.broken = 1;
                    debug!(kind = self.kind.name(), "a watch broke and goes on: {}", error.text());
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            let (told, next) = match event {
                Event::Added(form) | Event::Modified(form) => {
                    let next = form.resource_version().to_owned();
                    (Observed::Set(form.into_object(self.kind)), next)
                }
                Event::Deleted(form) => {
                    let next = form.resource_version().to_owned();
                    (Observed::Gone(form.into_object(self.kind).key()), next)
                }
                Event::Bookmark(bookmark) => (Observed::Alive(self.kind), bookmark.into_version()),
                Event::Error(status) => return Err(expired(WatchError::Answered(status))),
            };
            if next.is_empty() {
                return Err(WatchError::NoVersion);
            }
            if goes_back(version, &next) {
                return Err(WatchError::Expired);
            }
            self.tell(told).await?;
            *version = next;
            (self.heard, self.broken) = (true, 0);
        }
    }

    /// Tells what went wrong, where it is one, and how long to wait, where that is not the usual pause.
    async fn report(&mut self, error: WatchError) -> Result<Option<Duration>, WatchError> {
        if matches!(error, WatchError::Expired) {
            debug!(kind = self.kind.name(), "the watch expired, a list follows");
            return Ok(None);
        }
        self.mode.failed(&error);
        let text = error.text();
        if self.is_unavailable(&error) {
            self.tell(Observed::Unavailable { kind: self.kind, reason: text }).await?;
            return Ok(Some(jittered(self.shared.options.unavailable_pause)));
        }
        self.tell(Observed::Failed { kind: self.kind, error: text }).await?;
        Ok(None)
    }

    /// Whether the error says that the cluster has no such kind, or keeps it from weir.
    fn is_unavailable(&self, error: &WatchError) -> bool {
        resource::is_optional(self.kind) && matches!(error.code(), Some(403 | 404))
    }

    pub(super) async fn tell(&mut self, observed: Observed) -> Result<(), WatchError> {
        self.shared.sender.send(observed).await.map_err(|_| WatchError::Closed)
    }

    /// How long the server is to keep a watch open.
    pub(super) fn timeout_seconds(&self) -> u32 {
        u32::try_from(jittered(self.shared.options.watch_timeout).as_secs()).unwrap_or(u32::MAX).max(1)
    }
}

/// Whether the cluster's history was set back, as when its store was restored from a backup: then what was told of the time
/// since is void, and no server says so. Versions of one kind are ordered numbers (KEP-5504); others are left alone.
fn goes_back(from: &str, to: &str) -> bool {
    let number = |text: &str| text.parse::<u64>().ok();
    number(from).zip(number(to)).is_some_and(|(from, to)| to < from)
}

fn expired(error: WatchError) -> WatchError {
    if error.code() == Some(GONE) { WatchError::Expired } else { error }
}
