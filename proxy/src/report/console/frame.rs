//! What every page has around it: the head, the navigation, who is signed in, how fresh the feeds are, and what was just done.

use std::borrow::Borrow;

use askama::Template;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use weir_config::Role;

use super::ask::Ask;
use super::asset::{ICON, SCRIPT, STYLE};
use super::query::{Place, Query};
use super::read::{Feed, List};
use crate::auth::Caller;
use crate::http::{Body, full};
use crate::report::problem::Problem;

/// What pages may load and where forms may go: nothing but weir itself, no inline script or style, and nobody may frame them.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The parts of the console, as the navigation lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Repositories,
    Vulnerabilities,
    Exceptions,
    Compare,
    Clusters,
    Feeds,
    Activity,
    Tokens,
    Other,
}

/// How old the feeds are that findings come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Freshness {
    pub(super) feeds: u64,
    pub(super) records: u64,
    pub(super) stale: u64,
    pub(super) failing: u64,
    /// When the feed that was fetched longest ago was fetched.
    pub(super) oldest: Option<String>,
}

impl Freshness {
    fn of(feeds: &[Feed]) -> Self {
        let count = |test: fn(&&Feed) -> bool| u64::try_from(feeds.iter().filter(test).count()).unwrap_or(u64::MAX);
        Self {
            feeds: count(|feed| feed.kind == "osv"),
            records: feeds.iter().filter(|feed| feed.kind == "osv").map(|feed| feed.records).sum(),
            stale: count(|feed| feed.stale),
            failing: count(|feed| feed.error.is_some()),
            oldest: feeds.iter().filter_map(|feed| feed.fetched_at.clone()).min(),
        }
    }

    /// Whether any feed can speak at all.
    pub(super) fn speaks(&self) -> bool {
        self.records > 0
    }
}

/// What was just done, with a way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) text: String,
    /// A page that undoes it.
    pub(super) undo: Option<Place>,
}

/// What is around a page.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) section: Section,
    pub(super) caller: Option<Caller>,
    /// Proves to weir that a form is its own, where the caller has a session.
    pub(super) csrf: Option<String>,
    pub(super) freshness: Option<Freshness>,
    pub(super) notice: Option<Notice>,
    /// The page itself, to come back to.
    pub(super) here: Place,
    pub(super) now: i64,
}

impl Frame {
    /// The frame of a page for whoever asks for it.
    pub(super) async fn load(ask: &Ask<'_>, section: Section, title: &str, here: Place) -> Self {
        let feeds = ask.get::<List<Feed>>("/api/v1/advisories", &Query::default().and("limit", 1000)).await;
        let notice = notice(&here.query);
        Self {
            title: title.to_owned(),
            section,
            caller: Some(ask.caller().clone()),
            csrf: ask.csrf(),
            freshness: feeds.ok().map(|feeds| Freshness::of(&feeds.items)),
            notice,
            here: here.settled(),
            now: ask.now(),
        }
    }

    /// The frame of a page for somebody who may see nothing yet.
    pub(super) fn outside(title: &str, here: Place) -> Self {
        Self {
            title: title.to_owned(),
            section: Section::Other,
            caller: None,
            csrf: None,
            freshness: None,
            notice: None,
            here,
            now: 0,
        }
    }

    fn has(&self, role: Role) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.role >= role)
    }

    /// Whether exceptions may be set and scans asked for.
    pub(super) fn may_edit(&self) -> bool {
        self.has(Role::Editor)
    }

    /// Whether tokens may be made.
    pub(super) fn may_manage(&self) -> bool {
        self.has(Role::Administrator)
    }

    pub(super) fn is_known(&self) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.name != "anonymous")
    }

    pub(super) fn at(&self, section: impl Borrow<Section>) -> bool {
        self.section == *section.borrow()
    }

    pub(super) fn style(&self) -> &str {
        &STYLE.path
    }

    pub(super) fn script(&self) -> &str {
        &SCRIPT.path
    }

    pub(super) fn icon(&self) -> &str {
        &ICON.path
    }

    pub(super) fn search(&self) -> &str {
        self.here.query.get("q").unwrap_or_default()
    }

    /// The page to come back to after a form, without what was done on it before.
    pub(super) fn back(&self) -> String {
        self.here.settled().to_string()
    }

    /// How old something is.
    pub(super) fn age(&self, rfc3339: &str) -> String {
        super::shown::seconds(rfc3339).map(|at| super::shown::span((self.now - at).max(0))).unwrap_or_default()
    }
}

fn notice(query: &Query) -> Option<Notice> {
    let count = |name| query.all(name).count();
    if count("made") > 0 {
        let ids = query.all("made").fold(Query::default(), |ids, id| ids.and("id", id));
        let text = format!("{} set. It takes effect at once.", super::shown::things(count("made"), "exception"));
        let undo = Some(Place::new("/exceptions/cancel", ids.and("reason", "Set by mistake")));
        return Some(Notice { text, undo });
    }
    let text = match (query.get("ended"), query.get("asked")) {
        (Some(ended), _) => match ended.parse::<u64>() {
            Ok(count) => format!("{} cancelled. What they hid counts again.", super::shown::things(count, "exception")),
            Err(_) => return None,
        },
        (None, Some("scan")) => "A scan was asked for. This page shows its result once it is done.".to_owned(),
        (None, Some("refresh")) => "Newer advisories were asked for. The ages below change as they arrive.".to_owned(),
        (None, Some("revoked")) => "The token was revoked. It opens nothing any more.".to_owned(),
        (None, Some("removed")) => "The cluster was removed.".to_owned(),
        (None, _) => return None,
    };
    Some(Notice { text, undo: None })
}

/// A page as a response.
///
/// # Errors
/// 500 where a template fails, which none does.
pub(super) fn page(template: &impl Template) -> Result<Response<Body>, Problem> {
    let text = template.render().map_err(|error| {
        tracing::error!(%error, "a page could not be written");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be written")
    })?;
    let mut response = Response::new(full(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(guarded(response))
}

/// The same with the headers that keep a browser from doing anything else with it.
pub(super) fn guarded(mut response: Response<Body>) -> Response<Body> {
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
