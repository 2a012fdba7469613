//! `events` and `images/{digest}/history`: what opened, changed and closed, newest first.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use hyper::Response;
use serde::Serialize;
use weir_scanner::finding::Severity;
use weir_scanner::oci::Digest;
use weir_storage::index::{EventCursor, EventKind, EventPage, Index, IndexError, ListedEvent};

use super::filter::{ImageFilter, OF_IMAGES, OF_WORKLOADS};
use super::images::{ImageContext, MOST_LOOKED_AT};
use super::list::{Page, limit};
use super::problem::Problem;
use super::{Parameters, Report, json};
use crate::clock::rfc3339;
use crate::http::Body;

/// One event.
#[derive(Serialize)]
struct EventItem {
    id: String,
    at: String,
    kind: &'static str,
    /// Why it opened or closed; `null` for another rating.
    reason: Option<&'static str>,
    image: Digest,
    vulnerability: String,
    package: String,
    severity: Severity,
    /// The severity before, where that changed.
    previous_severity: Option<Severity>,
    fixed_version: Option<String>,
}

impl From<ListedEvent> for EventItem {
    fn from(listed: ListedEvent) -> Self {
        let ListedEvent { cursor, at, image, event } = listed;
        Self {
            id: cursor.to_string(),
            at: rfc3339(at),
            kind: event.kind.name(),
            reason: event.kind.reason(),
            image,
            vulnerability: event.id,
            package: event.package,
            severity: event.severity,
            previous_severity: match event.kind {
                EventKind::Rerated(before) => Some(before),
                EventKind::Opened(_) | EventKind::Closed(_) => None,
            },
            fixed_version: event.fixed_version,
        }
    }
}

impl Report {
    pub(super) async fn events(&self, parameters: &Parameters) -> Result<Response<Body>, Problem> {
        parameters.only(&[&OF_WORKLOADS[..], &OF_IMAGES[..], &["limit", "cursor"]].concat())?;
        self.list_events(None, parameters).await
    }

    pub(super) async fn image_history(
        &self,
        digest: Digest,
        parameters: &Parameters,
    ) -> Result<Response<Body>, Problem> {
        parameters.only(&["limit", "cursor", "platform"])?;
        let (manifest, _) = self.chosen(digest, parameters).await?;
        self.list_events(Some(manifest), parameters).await
    }

    async fn list_events(&self, image: Option<Digest>, parameters: &Parameters) -> Result<Response<Body>, Problem> {
        let limit = limit(parameters)?;
        let cursor = parameters.get("cursor").map(str::parse::<EventCursor>).transpose();
        let cursor = cursor.map_err(|error| Problem::bad_request(format!("cursor: {error}")))?;
        let filter = ImageFilter::parse(parameters)?;
        let (view, idle_seconds, now) = (self.fleet.view(), self.idle_seconds(), self.clock.now());
        let load = move |index: &Index| -> Result<_, IndexError> {
            if filter.workloads.is_empty() && filter.is_of_any_image() {
                return index.events().list(image.as_ref(), cursor, limit);
            }
            filtered(&ImageContext { index, view: &view, idle_seconds, now }, &filter, cursor, limit)
        };
        let page = self.index.run(load).await?;
        json(&Page {
            items: page.events.into_iter().map(EventItem::from).collect::<Vec<_>>(),
            next_cursor: page.next.map(|next| next.to_string()),
        })
    }
}

/// Events of the images that are meant.
fn filtered(
    context: &ImageContext<'_>,
    filter: &ImageFilter,
    mut after: Option<EventCursor>,
    limit: usize,
) -> Result<EventPage, IndexError> {
    let mut known: HashMap<Digest, bool> = HashMap::new();
    let (mut events, mut looked_at) = (Vec::new(), 0);
    loop {
        let page = context.index.events().list(None, after, limit)?;
        for listed in page.events {
            looked_at += 1;
            after = Some(listed.cursor);
            let takes = match known.entry(listed.image) {
                Entry::Occupied(entry) => *entry.get(),
                Entry::Vacant(entry) => *entry.insert(context.takes(filter, &listed.image)?),
            };
            if takes {
                events.push(listed);
            }
            if events.len() == limit || looked_at == MOST_LOOKED_AT {
                return Ok(EventPage { events, next: after });
            }
        }
        if page.next.is_none() {
            return Ok(EventPage { events, next: None });
        }
    }
}
