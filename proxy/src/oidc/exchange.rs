//! What is said to the provider over HTTP: small JSON documents, within a time and a size.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use crate::http::chain;
use crate::upstream::HttpClient;

/// The longest answer in bytes.
const MAX_BYTES: usize = 1 << 20;
/// How long one exchange may take.
pub(super) const TIME: Duration = Duration::from_secs(10);

/// Why there is no document.
#[derive(Debug)]
pub(super) struct Failure {
    /// What happened, with the address.
    pub(super) detail: String,
    /// The error that the answer names, RFC 6749 section 5.2.
    pub(super) error: Option<String>,
}

impl From<String> for Failure {
    fn from(detail: String) -> Self {
        Self { detail, error: None }
    }
}

/// Asks for a document.
pub(super) async fn get<T: DeserializeOwned>(client: &HttpClient<Full<Bytes>>, url: &Url) -> Result<T, String> {
    let request = Request::builder().method(Method::GET).uri(url.as_str());
    exchange(client, url, request.body(Full::default())).await.map_err(|failure| failure.detail)
}

/// Sends a form and asks for a document.
pub(super) async fn post<T: DeserializeOwned>(
    client: &HttpClient<Full<Bytes>>,
    url: &Url,
    form: String,
    authorization: Option<HeaderValue>,
) -> Result<T, Failure> {
    let mut request = Request::builder().method(Method::POST).uri(url.as_str());
    request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    exchange(client, url, request.body(Full::new(form.into()))).await
}

async fn exchange<T: DeserializeOwned>(
    client: &HttpClient<Full<Bytes>>,
    url: &Url,
    request: Result<Request<Full<Bytes>>, hyper::http::Error>,
) -> Result<T, Failure> {
    let mut request = request.map_err(|error| format!("{url}: {error}"))?;
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    let answer = async {
        let response = client.request(request).await.map_err(|error| format!("{url}: {}", chain(&error)))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BYTES).collect().await;
        let body = body.map_err(|error| format!("{url}: the answer broke off or is too long: {error}"))?.to_bytes();
        if status != StatusCode::OK {
            let detail = format!("{url}: answered {status}{}", said(&body));
            return Err(Failure { detail, error: word(&body, "error") });
        }
        let read = serde_json::from_slice(&body);
        Ok(read.map_err(|error| format!("{url}: the answer is not what was asked for: {error}"))?)
    };
    let answered = tokio::time::timeout(TIME, answer).await;
    answered.unwrap_or_else(|_| Err(format!("{url}: no answer within {TIME:?}").into()))
}

/// What an error's body says, RFC 6749 section 5.2.
fn said(body: &[u8]) -> String {
    let parts: Vec<String> = ["error", "error_description"].into_iter().filter_map(|name| word(body, name)).collect();
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join(": ")) }
}

/// A member of an error's body, as one line.
fn word(body: &[u8], name: &str) -> Option<String> {
    let said: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(said[name].as_str()?.chars().filter(|c| !c.is_control()).take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_the_provider_said_in_one_line() {
        let body = br#"{"error": "invalid_client", "error_description": "client\nauthentication failed"}"#;
        assert_eq!(said(body), ": invalid_client: clientauthentication failed");
        assert_eq!((said(b"<html>"), said(b"{}")), (String::new(), String::new()));
    }
}
