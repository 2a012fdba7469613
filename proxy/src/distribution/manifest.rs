//! GET and HEAD of manifests.

use hyper::Response;
use hyper::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, WARNING};
use weir_scanner::oci::Selector;

use super::error::{ApiError, Asked, of_pull};
use super::{DOCKER_CONTENT_DIGEST, Mirror, Route, unless_head};
use crate::http::{Body, full};
use crate::pull::{Accept, Identity, ManifestAnswer, Purpose};

/// The specification's limit on a `Warning`, in bytes.
const MAX_WARNING: usize = 4096;

impl Mirror {
    pub(super) async fn manifest(
        &self,
        route: &Route,
        selector: &Selector,
        identity: &Identity,
        headers: &HeaderMap,
    ) -> Result<ManifestAnswer, ApiError> {
        let accept = Accept::new(headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()));
        let answer = self.puller.manifest(&route.location, selector, &accept, identity, Purpose::Client).await;
        answer.map_err(|error| self.failed(route, Asked::Manifest, &error))
    }

    /// Logs a failed pull, once, and gives its answer.
    pub(super) fn failed(&self, route: &Route, asked: Asked, error: &crate::pull::PullError) -> ApiError {
        let answer = of_pull(asked, error, self.puller.is_restricted(&route.location));
        if answer.status_code() >= 500 {
            let cause: &(dyn std::error::Error + 'static) = error;
            tracing::warn!(image.repository = %route.location, error = cause, "{} could not be pulled: {error}", route.location);
        }
        answer
    }
}

/// A manifest as its answer.
pub(super) fn response(answer: &ManifestAnswer, head: bool) -> Response<Body> {
    let mut response = Response::new(unless_head(head, || full(answer.bytes.clone())));
    let headers = response.headers_mut();
    let digest = answer.digest.to_string();
    if let Ok(media_type) = HeaderValue::from_str(answer.media_type.as_str()) {
        headers.insert(CONTENT_TYPE, media_type);
    }
    headers.insert(CONTENT_LENGTH, HeaderValue::from(answer.bytes.len()));
    if let (Ok(etag), Ok(digest)) = (HeaderValue::from_str(&format!("\"{digest}\"")), HeaderValue::from_str(&digest)) {
        headers.insert(ETAG, etag);
        headers.insert(DOCKER_CONTENT_DIGEST, digest);
    }
    if let Some(warning) = answer.warning.as_deref().and_then(warning) {
        headers.insert(WARNING, warning);
    }
    response
}

/// `299 - "text"`, as the distribution specification asks, with what a quoted string cannot hold left out.
fn warning(text: &str) -> Option<HeaderValue> {
    let plain: String = text.chars().filter(|c| matches!(c, ' '..='~')).take(MAX_WARNING - 16).collect();
    let quoted = plain.replace('\\', "\\\\").replace('"', "\\\"");
    HeaderValue::from_str(&format!("299 - \"{quoted}\"")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_one_quoted_string() {
        assert_eq!(warning("a \"b\" \\ c\r\nd").unwrap(), "299 - \"a \\\"b\\\" \\\\ cd\"");
        assert!(warning(&"x".repeat(10_000)).unwrap().len() <= MAX_WARNING);
    }
}
