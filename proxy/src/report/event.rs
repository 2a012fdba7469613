//! `events` and `images/{digest}/history`: what opened, changed and closed, newest first; events also oldest first, and as a stream.

use std::collections::BTreeSet;

use hyper::Response;
use hyper::header::{ACCEPT, HeaderMap};
use schemars::JsonSchema;
use serde::Serialize;
use weir_scanner::finding::Severity;
use weir_scanner::oci::Digest;
use weir_storage::index::{EventCursor, EventKind, EventPage, Index, IndexError, ListedEvent};

use super::filter::Filter;
use super::list::{Page, limit};
use super::model::Model;
use super::problem::Problem;
use super::schema::{DigestText, SeverityName};
use super::{Parameters, Report};
use crate::clock::rfc3339;
use crate::http::Body;

/// Events a filtered page looks through at most; a page that found less than it may still says where to go on.
const MOST_LOOKED_AT: usize = 10_000;

/// One event.
#[derive(Serialize, JsonSchema)]
pub(super) struct EventItem {
    /// Its place: what `after`, `cursor` and `Last-Event-ID` take.
    pub(super) id: String,
    at: String,
    pub(super) kind: &'static str,
    /// Why it opened or closed, or what became known of its exploitation; `null` for another severity.
    reason: Option<&'static str>,
    #[schemars(with = "DigestText")]
    image: Digest,
    vulnerability: String,
    package: String,
    #[schemars(with = "SeverityName")]
    severity: Severity,
    /// The severity before, where that changed.
    #[schemars(with = "Option<SeverityName>")]
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
                EventKind::Opened(_) | EventKind::Exploitation(_) | EventKind::Closed(_) => None,
            },
            fixed_version: event.fixed_version,
        }
    }
}

impl Report {
    /// A stream, where the client accepts nothing but one.
    pub(super) async fn event_stream(
        &self,
        parameters: &Parameters,
        headers: &HeaderMap,
    ) -> Option<Result<Response<Body>, Problem>> {
        if !accepts_stream(headers) {
            return None;
        }
        let place = || {
            parameters.only(&[&Filter::PARAMETERS[..], &["after"]].concat())?;
            let after = cursor(parameters, "after")?;
            // A browser that comes back asks for the same URL and says in a header which event it had last.
            let last = headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default());
            let last = last.map(|id| parse("Last-Event-ID", id)).transpose()?;
            Ok((Filter::of_facts(parameters)?, last.or(after)))
        };
        Some(match place() {
            Ok((filter, after)) => self.stream_events(filter, after).await,
            Err(problem) => Err(problem),
        })
    }

    pub(super) async fn events(&self, parameters: &Parameters) -> Result<Page<EventItem>, Problem> {
        parameters.only(&[&Filter::PARAMETERS[..], &["limit", "cursor", "order", "after"]].concat())?;
        let after = cursor(parameters, "after")?;
        let place = cursor(parameters, "cursor")?;
        match parameters.get("order") {
            None | Some("desc") if after.is_none() => self.list_events(None, parameters).await,
            // A page of those after one goes on by its cursor.
            None | Some("asc") => {
                let filter = Filter::of_facts(parameters)?;
                Ok(listed(self.events_after(&filter, place.or(after), limit(parameters)?).await?))
            }
            Some("desc") => {
                Err(Problem::bad_request("after: events after one come oldest first, which order=desc is not"))
            }
            Some(other) => Err(Problem::bad_request(format!("order: expected asc or desc, found {other:?}"))),
        }
    }

    /// Up to `limit` events of images that are meant, oldest first, after one. A page that ends early says where to go on.
    pub(super) async fn events_after(
        &self,
        filter: &Filter,
        after: Option<EventCursor>,
        limit: usize,
    ) -> Result<EventPage, IndexError> {
        let (model, filter) = (self.model(), filter.clone());
        let load = move |index: &Index| match meant_by(&model, &filter) {
            None => index.events().after(None, after, limit),
            Some(meant) => filtered(&meant, after, limit, |after| index.events().after(None, after, limit)),
        };
        self.index.run(load).await
    }

    pub(super) async fn image_history(
        &self,
        digest: Digest,
        parameters: &Parameters,
    ) -> Result<Page<EventItem>, Problem> {
        parameters.only(&["limit", "cursor", "platform"])?;
        let (manifest, _) = self.chosen(digest, parameters).await?;
        self.list_events(Some(manifest), parameters).await
    }

    async fn list_events(&self, image: Option<Digest>, parameters: &Parameters) -> Result<Page<EventItem>, Problem> {
        let limit = limit(parameters)?;
        let cursor = cursor(parameters, "cursor")?;
        let (model, filter) = (self.model(), Filter::of_facts(parameters)?);
        let load = move |index: &Index| match meant_by(&model, &filter) {
            None => index.events().list(image.as_ref(), cursor, limit),
            Some(meant) => filtered(&meant, cursor, limit, |after| index.events().list(None, after, limit)),
        };
        Ok(listed(self.index.run(load).await?))
    }
}

/// The images that a filter means; `None` where it means all. Blocks for as long as going through their findings takes.
fn meant_by(model: &Model, filter: &Filter) -> Option<BTreeSet<Digest>> {
    let is_any = filter.workloads.is_empty() && filter.is_of_any_image();
    (!is_any).then(|| model.meant(filter))
}

fn listed(page: EventPage) -> Page<EventItem> {
    Page {
        items: page.events.into_iter().map(EventItem::from).collect(),
        next_cursor: page.next.map(|next| next.to_string()),
    }
}

/// A place among events, of a parameter.
fn cursor(parameters: &Parameters, name: &str) -> Result<Option<EventCursor>, Problem> {
    parameters.get(name).map(|text| parse(name, text)).transpose()
}

fn parse(name: &str, text: &str) -> Result<EventCursor, Problem> {
    text.parse().map_err(|error| Problem::bad_request(format!("{name}: {error}")))
}

/// Whether a client asks for a stream, as `EventSource` does.
fn accepts_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let types = accepted.flat_map(|value| value.split(',')).map(|one| one.split(';').next().unwrap_or_default().trim());
    let mut types = types.peekable();
    types.peek().is_some() && types.all(|one| one.eq_ignore_ascii_case("text/event-stream"))
}

/// Events of the images that are meant, of the pages that `read` gives.
fn filtered(
    meant: &BTreeSet<Digest>,
    mut after: Option<EventCursor>,
    limit: usize,
    read: impl Fn(Option<EventCursor>) -> Result<EventPage, IndexError>,
) -> Result<EventPage, IndexError> {
    let (mut events, mut looked_at) = (Vec::new(), 0);
    loop {
        let page = read(after)?;
        for listed in page.events {
            looked_at += 1;
            after = Some(listed.cursor);
            if meant.contains(&listed.image) {
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
