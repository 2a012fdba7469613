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
use url::Url;
use weir_config::{Secret, WebhookSection};

use super::answer::{Attempt, excerpt, retry_after};
use crate::http::chain;
use crate::upstream::HttpClient;

/// How much of an answer is read, in bytes; the connection is closed where there is more.
const LONGEST_ANSWER: usize = 16 << 10;
/// How much of it is shown, in characters.
const LONGEST_EXCERPT: usize = 300;
/// The shortest part of a URL that may be a secret by itself, in bytes.
const SHORTEST_SECRET: usize = 8;

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
        Ok::<_, BoxError>(read(client.request(request).await?, &settings.url).await)
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

async fn read(response: Response<Incoming>, url: &Url) -> Attempt {
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
    let response = excerpt(&without_place(&String::from_utf8_lossy(&read), url), LONGEST_EXCERPT);
    Attempt { status: Some(status), duration: Duration::ZERO, response, error: None, retry_after }
}

/// An answer without what stands in the URL behind the host. Receivers repeat it (`Cannot POST /…`), for many it is the secret, and
/// the answer is shown to whoever may look at webhooks.
fn without_place(answer: &str, url: &Url) -> String {
    let (path, query) = (url.path(), url.query().unwrap_or_default());
    let whole = [query, path].into_iter().filter(|part| part.len() > 1);
    let parts = path.split('/').chain(query.split(['&', '='])).filter(|part| part.len() >= SHORTEST_SECRET);
    whole.chain(parts).fold(answer.to_owned(), |text, part| text.replace(part, "…"))
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

    #[test]
    fn an_answer_does_not_repeat_the_place() {
        let url = Url::parse("https://hooks.example/T0/abcdefgh12?key=12345678&a=b").unwrap();
        for (answer, shown) in [
            ("Cannot POST /T0/abcdefgh12?key=12345678&a=b", "Cannot POST …?…"),
            ("no hook abcdefgh12 with 12345678", "no hook … with …"),
            ("<p>/T0/abcdefgh12?key=12345678&amp;a=b", "<p>…?key=…&amp;a=b"),
            ("what is T0?", "what is T0?"),
        ] {
            assert_eq!(without_place(answer, &url), shown, "{answer}");
        }
        let bare = Url::parse("https://hooks.example/").unwrap();
        assert_eq!(without_place("and/or", &bare), "and/or");
    }
}
