//! The report: what is known of images, as JSON under `/api/v1`.
//!
//! Owns routes, parameters and documents. Reads stored facts only; nothing here fetches, scans or matches.

mod access;
mod advisories;
mod agents;
mod answer;
mod audit;
mod body;
mod clusters;
mod console;
mod cookie;
mod credentials;
mod csrf;
mod csv;
mod current;
mod dispatch;
mod document;
mod event;
mod exceptions;
mod filter;
mod fleet;
mod format;
mod image;
mod images;
mod layer;
mod list;
mod model;
mod nodes;
mod notices;
mod openapi;
mod origin;
mod problem;
mod pulls;
mod repositories;
mod resources;
mod route;
mod scans;
mod schema;
mod settings;
mod shape;
mod sign_in;
mod statistics;
mod stream;
mod tabs;
mod vulnerabilities;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use url::{Url, form_urlencoded};
use weir_scanner::oci::Digest;
use weir_storage::index::Index;

use crate::clock::Clock;
use crate::http::{Body, ConnInfo, full};
use crate::notify::Notifier;
use crate::scan::ScanRequests;
use crate::workload::Clusters;
use answer::{Asked, dress};
use problem::Problem;
use route::{Endpoint, Found};
use sign_in::{see_other, sign_in_place};

pub use agents::Agents;
pub use current::Current;
pub use document::{ResultDocument, ResultInput, result};
pub use exceptions::{ExceptionGaugeParts, Exceptions, count_exceptions};
pub use fleet::{Due, Fleet, FleetParts, FleetView, RetentionParts, forget_unused};
pub(crate) use format::columns;
pub use format::{Format, Terminal, render, table};
pub use nodes::NodeChecks;
pub use notices::{NoticesParts, gather_notices};
pub use route::{RouteLine, routes};
pub use settings::{Anonymous, ReportAccess, ReportAccessParts};
pub use stream::EventStreams;

/// The report's service. Clones share everything.
#[derive(Clone)]
pub struct Report {
    index: Index,
    clock: Clock,
    fleet: Fleet,
    clusters: Clusters,
    stale_after: Duration,
    access: ReportAccess,
    refresh: Arc<dyn Fn() + Send + Sync>,
    scans: ScanRequests,
    agents: Agents,
    checks: NodeChecks,
    exceptions: Exceptions,
    notifier: Notifier,
    public_url: Option<Url>,
    streams: EventStreams,
}

/// What a [`Report`] is built from.
pub struct ReportParts {
    /// The index.
    pub index: Index,
    /// The time.
    pub clock: Clock,
    /// What runs where.
    pub fleet: Fleet,
    /// The clusters it is made from.
    pub clusters: Clusters,
    /// Feeds older than this are shown as stale.
    pub stale_after: Duration,
    /// Who may use it.
    pub access: ReportAccess,
    /// Asks for newer advisories.
    pub refresh: Arc<dyn Fn() + Send + Sync>,
    /// Takes requests for scans.
    pub scans: ScanRequests,
    /// Takes what agents report.
    pub agents: Agents,
    /// What nodes told of themselves.
    pub checks: NodeChecks,
    /// What was decided.
    pub exceptions: Exceptions,
    /// The webhooks.
    pub notifier: Notifier,
    /// Where people reach the report, for links.
    pub public_url: Option<Url>,
    /// The places there are for streams of events.
    pub streams: EventStreams,
}

impl Report {
    /// The service over these parts.
    pub fn new(parts: ReportParts) -> Self {
        let ReportParts { index, clock, fleet, clusters, stale_after, access, .. } = parts;
        let ReportParts { refresh, scans, agents, checks, exceptions, notifier, public_url, streams, .. } = parts;
        Self {
            index,
            clock,
            fleet,
            clusters,
            stale_after,
            access,
            refresh,
            scans,
            agents,
            checks,
            exceptions,
            notifier,
            public_url,
            streams,
        }
    }

    /// Answers one request, which came over `connection`. Its body is read only where one is expected, and no further than that
    /// allows.
    pub async fn answer<B>(&self, request: Request<B>, connection: &ConnInfo) -> Response<Body>
    where
        B: hyper::body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let asked = Asked::of(&request);
        let response = match route::find(request.method(), request.uri().path()) {
            Found::Route(route, places) => {
                let sign_in = route.is_page().then(|| sign_in_place(request.uri(), route.method == Method::GET));
                let page = matches!(route.endpoint, Endpoint::Console(_)).then(|| request.uri().path().to_owned());
                let taken = self.take(route, &places, request, connection).await;
                taken.unwrap_or_else(|problem| match (sign_in, page) {
                    (Some(place), _) if problem.status() == StatusCode::UNAUTHORIZED => see_other(&place),
                    (_, Some(page)) => console::problem(&problem, &page),
                    _ => problem.response(),
                })
            }
            Found::Method(allowed) => only(&allowed),
            Found::Nothing => Problem::not_found(format!("{:?}", request.uri().path())).response(),
        };
        dress(&asked, response).await
    }

    /// Accepts a request for newer advisories; what comes of it is told by the list of advisories.
    fn refresh_feeds(&self, parameters: &Parameters) -> Result<Response<Body>, Problem> {
        parameters.only(&[])?;
        (self.refresh)();
        let mut response = Response::new(full(""));
        *response.status_mut() = StatusCode::ACCEPTED;
        Ok(response)
    }
}

/// The answer to a method that a resource does not know.
fn only(methods: &str) -> Response<Body> {
    let detail = format!("only {methods} is answered here");
    let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).response();
    response.headers_mut().extend(HeaderValue::from_str(methods).ok().map(|methods| (ALLOW, methods)));
    response
}

/// Most characters of a query, and of parameters in it.
const MAX_QUERY: usize = 16 * 1024;
const MAX_PARAMETERS: usize = 256;

/// Query parameters; what is not asked for is refused rather than passed over.
#[derive(Clone, Debug, Default)]
struct Parameters {
    all: Vec<(String, String)>,
    /// Items of a page where `limit` does not say: set for CSV alone.
    at_once: Option<usize>,
}

impl Parameters {
    /// The parameters of a query from outside.
    ///
    /// # Errors
    /// It is too long, is not UTF-8 once decoded, or holds control characters, which none of what is asked for has.
    fn of(query: &str) -> Result<Self, Problem> {
        if query.len() > MAX_QUERY {
            return Err(Problem::bad_request(format!("the query is longer than {MAX_QUERY} bytes")));
        }
        let parameters = Self::parse(query);
        if parameters.all.len() > MAX_PARAMETERS {
            return Err(Problem::bad_request(format!("the query has more than {MAX_PARAMETERS} parameters")));
        }
        // What was no UTF-8 became a replacement character.
        let is_odd =
            |text: &str| text.chars().any(|letter| letter.is_control() || letter == char::REPLACEMENT_CHARACTER);
        match parameters.all.iter().find(|(name, value)| is_odd(name) || is_odd(value)) {
            Some((name, _)) => Err(Problem::bad_request(format!(
                "{name:?}: neither control characters nor what is not UTF-8 is taken"
            ))),
            None => Ok(parameters),
        }
    }

    fn parse(query: &str) -> Self {
        Self { all: form_urlencoded::parse(query.as_bytes()).into_owned().collect(), at_once: None }
    }

    /// The same from a place in a list on.
    fn from(&self, cursor: &str) -> Self {
        let mut parameters = self.clone();
        parameters.all.retain(|(name, _)| name != "cursor");
        parameters.all.push(("cursor".to_owned(), cursor.to_owned()));
        parameters
    }

    /// Takes a parameter out.
    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.all.iter().position(|(known, _)| known == name)?;
        Some(self.all.remove(at).1)
    }

    fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.all.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => {
                Err(Problem::bad_request(format!("unknown parameter {name:?}; known here: {}", known.join(", "))))
            }
            None => Ok(()),
        }
    }

    /// The values of a parameter that may be repeated.
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.all.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.all.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn parse_digest(text: &str) -> Result<Digest, Problem> {
    Digest::parse(text).map_err(|error| Problem::bad_request(error.to_string()))
}

fn json(document: &impl Serialize) -> Result<Response<Body>, Problem> {
    let body = serde_json::to_vec(document).map_err(unwritten)?;
    let mut response = Response::new(full(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn unwritten(error: serde_json::Error) -> Problem {
    tracing::error!(%error, "a document could not be written");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the document could not be written")
}
