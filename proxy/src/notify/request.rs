//! One try: the request with its signature, and the answer as far as it is of interest.
//!
//! The key and the value of `Authorization` are read from their files at each try, so that a changed one counts from then on. Without a
//! file that can be read nothing is sent: a receiver that checks signatures would refuse it, and one that does not should not be misled.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response};
use sha2::Sha256;
use tokio::time::Instant;
use weir_config::{Secret, WebhookSection};

use super::answer::{Attempt, excerpt, retry_after};
use crate::upstream::HttpClient;

/// How much of an answer is read, in bytes; the connection is closed where there is more.
const LONGEST_ANSWER: usize = 16 << 10;
/// How much of it is shown, in characters.
const LONGEST_EXCERPT: usize = 300;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The signature of a body sent at `timestamp` (seconds since the epoch): the hexadecimal HMAC-SHA256 (RFC 2104) of the timestamp, a dot and
/// the body.
pub fn signature(key: &[u8], timestamp: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sends a body once, at `now` (seconds since the epoch), and waits for the answer for at most `limit`.
pub(super) async fn attempt(
    client: &HttpClient<Full<Bytes>>,
    settings: &WebhookSection,
    id: &str,
    body: Bytes,
    now: i64,
    limit: Duration,
) -> Attempt {
    let began = Instant::now();
    let answer = async {
        let request = request(settings, id, body, now)?;
        read(client.request(request).await?).await
    };
    let outcome = tokio::time::timeout(limit, answer).await;
    let failed = |error: String| Attempt {
        status: None,
        duration: began.elapsed(),
        response: String::new(),
        error: Some(error),
        retry_after: None,
    };
    match outcome {
        Ok(Ok(answer)) => Attempt { duration: began.elapsed(), ..answer },
        Ok(Err(error)) => failed(chain(error.as_ref())),
        Err(_) => failed(format!("no answer within {limit:?}")),
    }
}

fn request(settings: &WebhookSection, id: &str, body: Bytes, now: i64) -> Result<Request<Full<Bytes>>, BoxError> {
    let mut request = Request::post(settings.url.as_str())
        .header(CONTENT_TYPE, "application/json")
        .header("x-weir-delivery", id)
        .header("x-weir-timestamp", now);
    if let Some(path) = &settings.secret_file {
        let key = secret("secret_file", path)?;
        let signature = signature(key.expose().as_bytes(), now, &body);
        request = request.header("x-weir-signature", format!("sha256={signature}"));
    }
    if let Some(path) = &settings.authorization_file {
        let value = secret("authorization_file", path)?;
        let mut value =
            HeaderValue::try_from(value.expose()).map_err(|_| "authorization_file: it is no header value")?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    Ok(request.body(Full::new(body))?)
}

fn secret(key: &str, path: &Path) -> Result<Secret, BoxError> {
    let contents =
        std::fs::read_to_string(path).map_err(|error| format!("{key} {} cannot be read: {error}", path.display()))?;
    let secret = Secret::from_file_contents(&contents);
    if secret.expose().is_empty() { Err(format!("{key} {} is empty", path.display()).into()) } else { Ok(secret) }
}

async fn read(response: Response<Incoming>) -> Result<Attempt, BoxError> {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let mut body = response.into_body();
    let mut read = Vec::new();
    // The status was the answer; a body that breaks off takes nothing from it.
    while let Some(Ok(frame)) = body.frame().await {
        read.extend_from_slice(frame.data_ref().map(Bytes::as_ref).unwrap_or_default());
        if read.len() >= LONGEST_ANSWER {
            break;
        }
    }
    let response = excerpt(&read, LONGEST_EXCERPT);
    Ok(Attempt { status: Some(status), duration: Duration::ZERO, response, error: None, retry_after })
}

/// An error with everything below it.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `printf '%s' '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key` says.
    #[test]
    fn a_signature_is_over_the_time_and_the_body() {
        let expected = "a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03";
        assert_eq!(signature(b"key", 1_700_000_000, br#"{"a":1}"#), expected);
        assert_ne!(signature(b"key", 1_700_000_001, br#"{"a":1}"#), expected);
        assert_ne!(signature(b"other", 1_700_000_000, br#"{"a":1}"#), expected);
    }
}
