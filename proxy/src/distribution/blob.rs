//! GET and HEAD of blobs, whole or one range of them.

use hyper::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_RANGE, RANGE,
};
use hyper::{Response, StatusCode};
use weir_scanner::oci::Digest;
use weir_storage::blob::{RangeRequest, Resolved};

use super::error::{ApiError, Asked};
use super::{DOCKER_CONTENT_DIGEST, Mirror, Route, refusal, unless_head};
use crate::http::{Body, BodyError, from_chunks};
use crate::pull::{BlobAnswer, Identity, Purpose};

impl Mirror {
    pub(super) async fn blob(
        &self,
        route: &Route,
        digest: Digest,
        identity: &Identity,
        headers: &HeaderMap,
        head: bool,
    ) -> Result<Response<Body>, ApiError> {
        let failed = |error| self.failed(route, Asked::Blob, &error);
        if head {
            let len = self.puller.blob_size(&route.location, digest, identity).await.map_err(failed)?;
            return Ok(answer(digest, StatusCode::OK, len, None, crate::http::empty()));
        }
        let blob = self.puller.blob(&route.location, digest, identity, Purpose::Client).await.map_err(failed)?;
        Ok(self.body(route, digest, blob, range(digest, headers)))
    }

    fn body(&self, route: &Route, digest: Digest, blob: BlobAnswer, range: RangeRequest) -> Response<Body> {
        let BlobAnswer { reader, len, .. } = blob;
        let (reader, status, length, shown) = match range.resolve(len) {
            // Without a length yet, a range cannot be told; RFC 9110 lets the whole answer it.
            Resolved::Whole | Resolved::NeedsLength => (reader, StatusCode::OK, len, None),
            Resolved::Part { start, end } => {
                let total = len.unwrap_or(end);
                let shown = format!("bytes {start}-{}/{total}", end - 1);
                (reader.range(start, Some(end)), StatusCode::PARTIAL_CONTENT, Some(end - start), Some(shown))
            }
            Resolved::Unsatisfiable => {
                let error =
                    ApiError::new(super::ErrorCode::DigestInvalid, "the range lies outside the blob").status(416);
                let mut response = refusal(&error);
                if let Some(value) = len.and_then(|len| HeaderValue::from_str(&format!("bytes */{len}")).ok()) {
                    response.headers_mut().insert(CONTENT_RANGE, value);
                }
                return response;
            }
        };
        let served = self.metrics.bytes_served(&route.location.upstream);
        let body = from_chunks(reader, length, move |mut reader| {
            let served = served.clone();
            async move {
                let chunk = reader.next_chunk().await.map_err(BodyError::new)?;
                served.inc_by(chunk.as_ref().map_or(0, |chunk| chunk.len() as u64));
                Ok(chunk.map(|chunk| (chunk, reader)))
            }
        });
        answer(digest, status, length, shown, unless_head(false, || body))
    }
}

/// The request's range. A blob never changes, so its digest is the validator an `If-Range` may name.
fn range(digest: Digest, headers: &HeaderMap) -> RangeRequest {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let same = text(IF_RANGE).is_none_or(|etag| etag == format!("\"{digest}\""));
    text(RANGE).filter(|_| same).map_or(RangeRequest::Whole, |range| RangeRequest::parse(range.as_bytes()))
}

fn answer(digest: Digest, status: StatusCode, len: Option<u64>, range: Option<String>, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let (Ok(value), Ok(etag)) =
        (HeaderValue::from_str(&digest.to_string()), HeaderValue::from_str(&format!("\"{digest}\"")))
    {
        headers.insert(DOCKER_CONTENT_DIGEST, value);
        headers.insert(ETAG, etag);
    }
    if let Some(len) = len {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
    }
    if let Some(range) = range.and_then(|range| HeaderValue::from_str(&range).ok()) {
        headers.insert(CONTENT_RANGE, range);
    }
    response
}
