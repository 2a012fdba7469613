//! The report: what is known of images, as JSON under `/api/v1`.
//!
//! Owns routes, parameters and documents. Reads stored facts only; nothing here fetches, scans or matches.

mod access;
mod advisories;
mod agents;
mod clusters;
mod current;
mod document;
mod event;
mod filter;
mod fleet;
mod format;
mod image;
mod images;
mod layer;
mod list;
mod origin;
mod problem;
mod pulls;
mod resources;
mod scans;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use url::form_urlencoded;
use weir_scanner::oci::Digest;
use weir_storage::index::Index;

use crate::clock::Clock;
use crate::http::{Body, full};
use crate::scan::ScanRequests;
use crate::workload::Clusters;
use origin::refuse_cross_site;
use problem::Problem;

pub use agents::Agents;
pub use current::Current;
pub use document::{ResultDocument, ResultInput, result};
pub use fleet::{
    Due, FindingCounts, Fleet, FleetParts, FleetView, Judged, Known, Place, Posture, RetentionParts, RunningImage,
    forget_unused,
};
pub(crate) use format::columns;
pub use format::{Format, Terminal, render, table};

/// The report's service. Clones share everything.
#[derive(Clone)]
pub struct Report {
    index: Index,
    clock: Clock,
    fleet: Fleet,
    clusters: Clusters,
    stale_after: Duration,
    idle_after: Duration,
    access: ReportAccess,
    refresh: Arc<dyn Fn() + Send + Sync>,
    scans: ScanRequests,
    agents: Agents,
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
    /// How long after its last use an image is idle.
    pub idle_after: Duration,
    /// Who may read it.
    pub access: ReportAccess,
    /// Asks for newer advisories.
    pub refresh: Arc<dyn Fn() + Send + Sync>,
    /// Takes requests for scans.
    pub scans: ScanRequests,
    /// Takes what agents report.
    pub agents: Agents,
}

/// Who may read the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportAccess {
    /// Everyone who reaches the address: it is a loopback one, or the settings say so.
    Open,
    /// Whoever has a token: the address is not a loopback one and no anonymous access is configured.
    Closed,
}

impl Report {
    /// The service over these parts.
    pub fn new(parts: ReportParts) -> Self {
        let ReportParts { index, clock, fleet, clusters, stale_after, idle_after, access, refresh, scans, agents } =
            parts;
        Self { index, clock, fleet, clusters, stale_after, idle_after, access, refresh, scans, agents }
    }

    fn idle_seconds(&self) -> i64 {
        i64::try_from(self.idle_after.as_secs()).unwrap_or(i64::MAX)
    }

    /// Answers one request. Its body is read only where one is expected, and no further than that allows.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: hyper::body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path = request.uri().path().trim_end_matches('/').to_owned();
        if let Some((cluster, message)) = path.strip_prefix("/api/v1/agents/").and_then(|rest| rest.split_once('/'))
            && let Some(message) = agents::message(message)
        {
            // Agents have a token of their own, so what the report shows to whom is not asked.
            return match refuse_cross_site(&request) {
                Ok(()) => agents::agents(&self.agents, cluster, message, request).await,
                Err(problem) => problem.response(),
            };
        }
        match self.route(request).await {
            Ok(response) => response,
            Err(problem) => problem.response(),
        }
    }

    async fn route<B>(&self, request: Request<B>) -> Result<Response<Body>, Problem>
    where
        B: hyper::body::Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path = request.uri().path().trim_end_matches('/');
        let Some(rest) = path.strip_prefix("/api/v1/") else {
            return Err(Problem::not_found(format!("{:?}", request.uri().path())));
        };
        self.admit(request.method(), request.headers()).await?;
        if request.method() != Method::GET && request.method() != Method::HEAD {
            refuse_cross_site(&request)?;
        }
        // What was heard before a restart is shown from the first answer on; pulls do not wait for it.
        self.fleet.made().await;
        let parameters = Parameters::parse(request.uri().query().unwrap_or_default());
        let parts: Vec<&str> = rest.split('/').collect();
        if parts == ["advisories", "refresh"] {
            return self.refresh_feeds(request.method(), &parameters);
        }
        if parts == ["scans"] && request.method() == Method::POST {
            return self.request_scan(&parameters, request.into_body()).await;
        }
        if let (["clusters", name], &Method::DELETE) = (parts.as_slice(), request.method()) {
            return self.remove_cluster(name, &parameters).await;
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return Ok(only(if parts == ["scans"] { "GET, HEAD, POST" } else { "GET, HEAD" }));
        }
        match parts.as_slice() {
            ["images"] => self.images(&parameters).await,
            ["images", digest] => self.image(parse_digest(digest)?, &parameters).await,
            ["images", digest, "report"] => {
                self.image_report(parse_digest(digest)?, &parameters, request.headers()).await
            }
            ["images", digest, "resources"] => self.image_resources(parse_digest(digest)?, &parameters).await,
            ["images", digest, "history"] => self.image_history(parse_digest(digest)?, &parameters).await,
            ["images", digest, "pulls"] => self.image_pulls(parse_digest(digest)?, &parameters).await,
            ["pulls"] => self.pulls(&parameters).await,
            ["scans"] => self.scan_requests(&parameters).await,
            ["scans", id] => self.scan_request(id, &parameters).await,
            ["events"] => self.events(&parameters).await,
            ["layers", digest] => self.layer(parse_digest(digest)?, &parameters).await,
            ["advisories"] => self.advisories(&parameters).await,
            ["clusters"] => self.list_clusters(&parameters),
            ["resources"] => self.resources(&parameters).await,
            ["unresolved"] => self.unresolved(&parameters),
            _ => Err(Problem::not_found(format!("{:?}", request.uri().path()))),
        }
    }

    /// Accepts a request for newer advisories; what comes of it is told by the list of advisories.
    fn refresh_feeds(&self, method: &Method, parameters: &Parameters) -> Result<Response<Body>, Problem> {
        if method != Method::POST {
            return Ok(only("POST"));
        }
        parameters.only(&[])?;
        (self.refresh)();
        let mut response = Response::new(full(""));
        *response.status_mut() = StatusCode::ACCEPTED;
        Ok(response)
    }
}

/// The answer to a method that a resource does not know.
fn only(methods: &'static str) -> Response<Body> {
    let detail = format!("only {methods} is answered here");
    let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).response();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}

/// Query parameters; what is not asked for is refused rather than passed over.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => {
                Err(Problem::bad_request(format!("unknown parameter {name:?}; known here: {}", known.join(", "))))
            }
            None => Ok(()),
        }
    }

    /// The values of a parameter that may be repeated.
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn parse_digest(text: &str) -> Result<Digest, Problem> {
    let text = text.replace("%3A", ":").replace("%3a", ":");
    Digest::parse(&text).map_err(|error| Problem::bad_request(error.to_string()))
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
