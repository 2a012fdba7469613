//! Bodies of requests, read into memory within a size and a time.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Request, StatusCode};
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// How long a body may take to arrive.
const TIME: Duration = Duration::from_secs(30);

/// What a request carries as JSON of at most `limit` bytes.
///
/// # Errors
/// 400 where it is something else than `T`, and what [`read_json`] meets.
pub(super) async fn parsed<T, B>(request: Request<B>, limit: usize) -> Result<T, Problem>
where
    T: DeserializeOwned,
    B: hyper::body::Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = read_json(request, limit).await?;
    serde_json::from_slice(&body).map_err(|error| Problem::bad_request(format!("body: {error}")))
}

/// The JSON a request carries, of at most `limit` bytes.
///
/// # Errors
/// 415 where it is said to be something else, and what [`read`] meets.
pub(super) async fn read_json<B>(request: Request<B>, limit: usize) -> Result<Bytes, Problem>
where
    B: hyper::body::Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if !is_json(request.headers()) {
        let detail = "the body is JSON: send Content-Type: application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    read(request.into_body(), limit).await
}

/// Whether a body is said to be JSON, by its own name or by that of a form of it (RFC 6839 section 3.1); one of which nothing is said is
/// taken for it.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE) else { return true };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// A body of at most `limit` bytes.
///
/// # Errors
/// 413 where it is longer, 408 where it does not arrive in time, 400 where it breaks off.
pub(super) async fn read<B>(body: B, limit: usize) -> Result<Bytes, Problem>
where
    B: hyper::body::Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match tokio::time::timeout(TIME, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("body: over the limit of {limit} bytes")))
        }
        Ok(Err(error)) => Err(Problem::bad_request(format!("body: {error}"))),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body: it did not arrive in time")),
    }
}
