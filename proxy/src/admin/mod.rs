//! Health, readiness and the metrics page.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

use crate::http::{Body, full};
use crate::metrics::Metrics;

pub mod local;

/// Whether the process wants traffic. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says that requests are welcome, or no longer.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }

    /// Whether requests are welcome.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The paths that are answered here.
const PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Whether a path is answered here.
pub fn answers(path: &str) -> bool {
    PATHS.contains(&path)
}

/// Answers `/healthz`, `/readyz` and `/metrics`; 404 for every other path.
pub fn answer(path: &str, readiness: &Readiness, metrics: &Metrics) -> Response<Body> {
    match path {
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" if readiness.is_ready() => text(StatusCode::OK, "ready\n"),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        "/metrics" => page(metrics),
        _ => text(StatusCode::NOT_FOUND, "not found\n"),
    }
}

fn page(metrics: &Metrics) -> Response<Body> {
    match metrics.page() {
        Ok(page) => {
            let mut response = Response::new(full(page));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
            response
        }
        Err(error) => {
            tracing::error!(%error, "the metrics page could not be written");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics page could not be written\n")
        }
    }
}

fn text(status: StatusCode, body: &'static str) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_follows_its_state_and_health_does_not() {
        let (readiness, metrics) = (Readiness::default(), Metrics::new().unwrap());
        let status = |path: &str| answer(path, &readiness, &metrics).status().as_u16();
        assert_eq!(PATHS.map(status), [200, 503, 200]);
        readiness.set(true);
        assert_eq!(PATHS.map(status), [200, 200, 200]);
        assert!(PATHS.into_iter().all(answers) && !answers("/") && !answers("/metrics/"));
    }
}
