//! The console: the report as pages for people, made on the server.
//!
//! Owns pages, their addresses and their forms. Every page works without script, holds its whole state in its address and shows only what
//! the API answers to the same caller ([`ask`]). Leaves to the API what is known and who may do what. Invariant: nothing from outside
//! reaches a page but through a template that escapes it.

mod ask;
mod asset;
mod facet;
mod frame;
mod node;
mod page;
mod query;
mod read;
#[cfg(test)]
mod sample;
mod shown;

use askama::Template;
use bytes::Bytes;
use hyper::header::{HeaderValue, LOCATION};
use hyper::{Method, Request, Response, StatusCode};

use super::Report;
use super::body::read;
use super::problem::Problem;
use super::sign_in::is_local;
use crate::auth::Caller;
use crate::http::{Body, empty};
use ask::Ask;
use frame::{Frame, Section, guarded, page as written};
use query::{Place, Query};

/// Longest body of a form, in bytes: some thousand selected rows.
const MAX_FORM: usize = 256 * 1024;
/// Rows of a page.
const ROWS: usize = 50;

/// The pages and forms of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Screen {
    Activity,
    Asset,
    Cancel,
    CancelForm,
    Clusters,
    Compare,
    Except,
    ExceptForm,
    Exception,
    Exceptions,
    Feeds,
    Image,
    Nodes,
    RefreshFeeds,
    RemoveCluster,
    Repositories,
    Repository,
    RequestScan,
    RevokeToken,
    Tokens,
    TokenForm,
    Vulnerabilities,
    Vulnerability,
}

/// A request for a page or from a form.
struct Visit<'a> {
    ask: Ask<'a>,
    /// The page that was asked for.
    here: Place,
    /// What stands in the places of its path.
    place: &'a str,
    /// What a form sent.
    form: Query,
}

impl Report {
    /// Answers a request for a screen by whoever may see it.
    pub(super) async fn console<B>(
        &self,
        screen: Screen,
        place: &str,
        request: Request<B>,
        caller: Caller,
    ) -> Result<Response<Body>, Problem>
    where
        B: hyper::body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if screen == Screen::Asset {
            return asset::answer(place).map(guarded);
        }
        let (head, body) = request.into_parts();
        let form = if head.method == Method::POST { read(body, MAX_FORM).await? } else { Bytes::new() };
        let here = Place::new(head.uri.path(), Query::parse(head.uri.query().unwrap_or_default()));
        let visit = Visit { ask: Ask::new(self, caller), here, place, form: Query::read(&form) };
        page::answer(screen, visit).await
    }
}

/// What went wrong, as a page.
#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    title: &'static str,
    detail: String,
    todo: &'static str,
    sign_in: bool,
}

/// A page that says what went wrong with the page or form at `path`.
pub(super) fn problem(problem: &Problem, path: &str) -> Response<Body> {
    let status = problem.status();
    let (title, todo) = match status {
        StatusCode::NOT_FOUND => ("Not known here", "It may have been forgotten, or its address is incomplete."),
        StatusCode::FORBIDDEN => ("Not allowed", "Ask somebody with a higher role, or sign in as somebody else."),
        StatusCode::BAD_REQUEST => ("The address or form does not say what weir understands", "Go back and change it."),
        StatusCode::CONFLICT => ("Not as it stands", "Go back and choose."),
        StatusCode::SERVICE_UNAVAILABLE => ("Not now", "Try again in a while."),
        _ => ("That did not work", "weir's log says more."),
    };
    let frame = Frame::outside(title, Place::new(path, Query::default()));
    let sign_in = status == StatusCode::FORBIDDEN;
    let page = ProblemPage { frame, title, detail: shown::sentence(problem.detail()), todo, sign_in };
    let mut response = written(&page).unwrap_or_else(|problem| problem.response());
    *response.status_mut() = status;
    response
}

/// The path of the style sheet, for the page people sign in on.
pub(super) fn style_sheet() -> &'static str {
    &asset::STYLE.path
}

/// The path of the icon, for the same page.
pub(super) fn icon() -> &'static str {
    &asset::ICON.path
}

/// Sends a browser on to a page after a form did what it should (RFC 9110 section 15.4.4).
fn see_other(target: &str) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let target = HeaderValue::from_str(target).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, target);
    guarded(response)
}

/// A page of the console to go back to; anything else, such as another site, leads to `otherwise`.
fn local(back: Option<&str>, otherwise: &str) -> Place {
    let back = back.filter(|back| is_local(back)).unwrap_or(otherwise);
    let (path, query) = back.split_once('?').unwrap_or((back, ""));
    Place::new(path, Query::parse(query))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_leads_back_to_this_site_only() {
        for (back, leads_to) in [
            (Some("/vulnerabilities?q=a%26b"), "/vulnerabilities?q=a%26b"),
            (Some("//evil.example/"), "/exceptions"),
            (Some("https://evil.example/"), "/exceptions"),
            (Some("/\\evil.example"), "/exceptions"),
            (Some("/\t/evil.example"), "/exceptions"),
            (Some("/\n/evil.example"), "/exceptions"),
            (Some(""), "/exceptions"),
            (None, "/exceptions"),
        ] {
            assert_eq!(local(back, "/exceptions").to_string(), leads_to, "{back:?}");
        }
    }
}
