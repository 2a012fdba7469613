//! The pull side of the OCI distribution specification 1.1.
//!
//! Owns parsing of requests, status codes, headers and error bodies. What to answer with is [`crate::pull`]'s. This is the response
//! edge: an answer is logged and counted here and nowhere else.

mod blob;
mod error;
mod listing;
mod manifest;
mod provenance;
mod route;

use std::time::Instant;

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};

use crate::http::{Body, ConnInfo, empty, full};
use crate::metrics::ServeMetrics;
use crate::pull::{Identity, Puller};

pub use error::{ApiError, Asked, ErrorCode};
use provenance::Peer;
pub use provenance::{LedgerParts, NodeLookup, Provenance, PullLedger, Pulled};
pub use route::{Resource, Route};

const OCI_NAMESPACE: HeaderName = HeaderName::from_static("oci-namespace");
const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// The mirror's service. Clones share everything.
#[derive(Clone)]
pub struct Mirror {
    puller: Puller,
    metrics: ServeMetrics,
    provenance: Provenance,
}

impl Mirror {
    /// The service over a pull path; `provenance` is told of every pull.
    pub const fn new(puller: Puller, metrics: ServeMetrics, provenance: Provenance) -> Self {
        Self { puller, metrics, provenance }
    }

    /// Answers one request. Any body the client sends is left unread.
    pub async fn answer<B>(&self, request: Request<B>, connection: ConnInfo) -> Response<Body> {
        let began = Instant::now();
        let (method, uri, headers) = (request.method().clone(), request.uri().clone(), request.headers());
        let peer = self.provenance.peer(&connection, headers);
        let parsed = route::parse(&method, uri.path(), uri.query().unwrap_or_default(), |name| self.puller.knows(name));
        let (name, mut response) = match &parsed {
            Err(error) => ("unknown", refusal(error)),
            Ok(route::Request::Ping) => ("ping", ping()),
            Ok(route::Request::Route(route)) => {
                let (name, answer) = self.dispatch(route, &method, headers, &peer).await;
                let mut response = answer.unwrap_or_else(|error| refusal(&error));
                if let Some(namespace) =
                    route.namespace.as_deref().and_then(|namespace| HeaderValue::from_str(namespace).ok())
                {
                    response.headers_mut().insert(OCI_NAMESPACE, namespace);
                }
                (name, response)
            }
        };
        response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
        let seconds = began.elapsed().as_secs_f64();
        let code = response.status().as_u16();
        self.metrics.answered(name, method_label(&method), code, seconds);
        let node = peer.node.as_deref().unwrap_or_default();
        tracing::info!(
            %method, path = uri.path(), status = code, duration_ms = (seconds * 1000.0).round(), client = %peer.address, node,
            "{method} {} {code}", uri.path()
        );
        response
    }

    async fn dispatch(
        &self,
        route: &Route,
        method: &Method,
        headers: &HeaderMap,
        peer: &Peer,
    ) -> (&'static str, Result<Response<Body>, ApiError>) {
        let identity = Identity::new(headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()));
        let head = method == Method::HEAD;
        match &route.resource {
            Resource::Manifest(selector) => {
                let answer = self.manifest(route, selector, &identity, headers).await;
                if let Ok(answer) = &answer {
                    self.provenance.answered(peer, &route.location, selector, answer.digest, headers, head);
                }
                ("manifest", answer.map(|answer| manifest::response(&answer, head)))
            }
            Resource::Blob(digest) => ("blob", self.blob(route, *digest, &identity, headers, head).await),
            Resource::Tags => ("tags", self.tags(route, &identity).await),
            Resource::Referrers(digest) => ("referrers", self.referrers(route, *digest, &identity).await),
        }
    }
}

/// Methods outside the protocol share one label, so that a client cannot make series.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        _ => "other",
    }
}

fn ping() -> Response<Body> {
    let mut response = Response::new(full("{}"));
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An error as its answer.
fn refusal(error: &ApiError) -> Response<Body> {
    let mut response = Response::new(full(error.body()));
    *response.status_mut() = StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(hyper::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for challenge in error.challenges().iter().filter_map(|challenge| HeaderValue::from_str(challenge).ok()) {
        headers.append(WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = error.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.status_code() == 405 {
        headers.insert(hyper::header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

/// The body of an answer: nothing for HEAD, whose headers say what GET would send.
fn unless_head(head: bool, body: impl FnOnce() -> Body) -> Body {
    if head { empty() } else { body() }
}
