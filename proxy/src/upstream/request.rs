//! The way of one request: breaker, authorization, redirects, retries, and what a failure's answer means.

use std::sync::{Arc, PoisonError};

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;
use weir_scanner::oci::Repository;

use super::answer::read_whole;
use super::breaker::{Admission, Breaker};
use super::challenge::Challenge;
use super::client::{ClientAuth, UpstreamClient, text};
use super::error::{Asked, Retry, UpstreamError};
use super::redirect::{Arrived, follow};
use super::retry::parse_retry_after;
use super::token::now;
use super::transport::Purpose;

/// Most bytes of an error's body that are read for its reason.
const MAX_ERROR: usize = 64 * 1024;
/// Most characters of an upstream's reason that are repeated.
const MAX_DETAIL: usize = 300;
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// One request, ready to be sent as often as needed.
pub(super) struct Ask<'a> {
    pub(super) method: hyper::Method,
    pub(super) purpose: Purpose,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) repository: &'a Repository,
    pub(super) auth: &'a ClientAuth,
    pub(super) asked: Arc<Asked>,
}

/// The form of errors in the distribution specification.
#[derive(Deserialize)]
struct ErrorBody {
    errors: Vec<ErrorItem>,
}

#[derive(Deserialize)]
struct ErrorItem {
    code: String,
    #[serde(default)]
    message: String,
}

impl UpstreamClient {
    /// Sends a request as often as the retry policy allows, if the breaker lets it. Succeeds with 200 or 206 only.
    pub(super) async fn request(&self, ask: &Ask<'_>) -> Result<Response<Incoming>, UpstreamError> {
        let pass = self.pass(&ask.asked)?;
        let started = Instant::now();
        let mut tried = 0;
        loop {
            let error = match self.attempt(ask).await {
                Ok(response) => {
                    pass.succeeded();
                    return Ok(response);
                }
                Err(error) => error,
            };
            tried += 1;
            let wait = match error.retry() {
                Retry::After(_) => {
                    self.0.transport.limits().retry.wait(tried, started.elapsed(), error.retry_after(), fastrand::f64())
                }
                Retry::Never => None,
            };
            let Some(wait) = wait else {
                pass.ended(&error);
                return Err(error);
            };
            tracing::debug!(upstream = self.0.name, %error, tried, "asking again in {wait:?}");
            tokio::time::sleep(wait).await;
        }
    }

    /// One try: authorized, redirects followed, a challenge answered once.
    async fn attempt(&self, ask: &Ask<'_>) -> Result<Response<Incoming>, UpstreamError> {
        let authorization = match ask.auth {
            ClientAuth::Own => self.0.authorizer.current(&self.0.transport, ask.repository, &ask.asked).await?,
            ClientAuth::Relayed(authorization) => {
                authorization.as_deref().and_then(|value| HeaderValue::from_str(value).ok())
            }
        };
        let arrived = self.send(ask, authorization.clone()).await?;
        let arrived = match self.second_try(ask, &arrived, authorization.as_ref()).await? {
            Some(authorization) => self.send(ask, Some(authorization)).await?,
            None => arrived,
        };
        match arrived.response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(arrived.response),
            _ => Err(self.failure(ask, arrived).await),
        }
    }

    async fn send(&self, ask: &Ask<'_>, authorization: Option<HeaderValue>) -> Result<Arrived, UpstreamError> {
        let mut headers = ask.headers.clone();
        if let Some(mut authorization) = authorization {
            authorization.set_sensitive(true);
            headers.insert(AUTHORIZATION, authorization);
        }
        follow(&self.0.transport, ask.purpose, &ask.method, &ask.url, headers, &ask.asked).await
    }

    /// The authorization to try once more with: the upstream itself refused weir's own, and a fresh one can be had.
    async fn second_try(
        &self,
        ask: &Ask<'_>,
        arrived: &Arrived,
        refused: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, UpstreamError> {
        let status = arrived.response.status();
        // Some registries answer 403 to a token that has lost its rights; only one that was held is worth replacing.
        let denied = status == StatusCode::UNAUTHORIZED || (status == StatusCode::FORBIDDEN && refused.is_some());
        if *ask.auth != ClientAuth::Own || !denied || arrived.elsewhere {
            return Ok(None);
        }
        let challenges = Challenge::all(arrived.response.headers());
        self.0.authorizer.answer(&self.0.transport, ask.repository, &challenges, refused, &ask.asked).await
    }

    async fn failure(&self, ask: &Ask<'_>, arrived: Arrived) -> UpstreamError {
        let Arrived { response, elsewhere } = arrived;
        let asked = ask.asked.clone();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let after = text(&headers, &RETRY_AFTER).and_then(|after| parse_retry_after(after, now(&self.0.clock)));
        // The reason is a courtesy: an error body that is too long or breaks off leaves the status to speak.
        let body = self.small_body(response, MAX_ERROR, &asked).await.unwrap_or_default();
        let said = serde_json::from_slice::<ErrorBody>(&body).ok().and_then(|body| body.errors.into_iter().next());
        let detail =
            said.as_ref().map(|item| shortened(&format!("{}: {}", item.code, item.message))).unwrap_or_default();
        match status {
            404 => UpstreamError::NotFound {
                asked,
                authoritative: !elsewhere && (said.is_some() || headers.contains_key(API_VERSION)),
            },
            401 => UpstreamError::Unauthorized {
                asked,
                // What another host asks for is not for this upstream's clients to answer.
                challenges: if elsewhere { Vec::new() } else { challenges(&headers) },
                relayed: matches!(ask.auth, ClientAuth::Relayed(_)),
            },
            403 => UpstreamError::Denied { asked, detail },
            429 => UpstreamError::RateLimited { asked, after },
            _ => UpstreamError::Status { asked, status, detail, after },
        }
    }

    pub(super) async fn small_body(
        &self,
        response: Response<Incoming>,
        limit: usize,
        asked: &Arc<Asked>,
    ) -> Result<bytes::Bytes, UpstreamError> {
        read_whole(response.into_body(), limit, self.0.transport.limits().small_body_timeout, asked).await
    }

    fn pass(&self, asked: &Arc<Asked>) -> Result<Pass<'_>, UpstreamError> {
        match self.breaker().admit(Instant::now()) {
            Admission::Admitted => Ok(Pass { client: self, reported: false }),
            Admission::Refused(after) => Err(UpstreamError::Unavailable { asked: asked.clone(), after }),
        }
    }

    pub(super) fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.0.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request the breaker let through; tells it how that ended, also when the caller leaves.
struct Pass<'a> {
    client: &'a UpstreamClient,
    reported: bool,
}

impl Pass<'_> {
    fn succeeded(mut self) {
        self.reported = true;
        self.client.breaker().succeeded();
    }

    /// A refusal or a 404 is an answer: the upstream is there. What never reached it says nothing.
    fn ended(mut self, error: &UpstreamError) {
        match error {
            UpstreamError::Credential { .. } | UpstreamError::ClosedAddress { .. } => return,
            error if error.is_outage() => self.client.breaker().failed(Instant::now()),
            _ => self.client.breaker().succeeded(),
        }
        self.reported = true;
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if !self.reported {
            self.client.breaker().abandoned(Instant::now());
        }
    }
}

fn challenges(headers: &HeaderMap) -> Vec<String> {
    headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).map(str::to_owned).collect()
}

fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_DETAIL).collect()
}
