//! Authorization for weir's own requests: bearer tokens by repository, or Basic.
//!
//! Tokens are held by repository, since their scope is one, and fetched once however many wait for them. Every token here
//! was issued to weir's own identity; those of clients are never held.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use serde::Deserialize;
use time::OffsetDateTime;
use tokio::time::Instant;
use url::Url;
use weir_scanner::oci::Repository;

use super::answer::read_whole;
use super::challenge::Challenge;
use super::credential::CredentialSource;
use super::error::{Asked, UpstreamError};
use super::retry::parse_retry_after;
use super::transport::{Purpose, Transport};
use super::trust::trusts;
use crate::clock::Clock;

/// Most bytes of a token endpoint's answer.
const MAX_ANSWER: usize = 256 * 1024;
/// Most repositories whose tokens are held.
const MAX_HELD: usize = 4096;
/// The lifetime of a token that states none, by the token specification.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
/// The longest lifetime believed.
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The authorization of one upstream's own requests.
pub(crate) struct Authorizer {
    upstream: Url,
    token_hosts: Vec<String>,
    credentials: CredentialSource,
    clock: Clock,
    /// Whether the upstream has asked for Basic credentials.
    basic: AtomicBool,
    slots: Mutex<HashMap<Repository, Slot>>,
}

/// One repository's token. Locked while it is fetched, so that others wait for it rather than fetch too.
type Slot = Arc<tokio::sync::Mutex<Option<Held>>>;

struct Held {
    token: HeaderValue,
    grant: Grant,
    renew_at: Instant,
    expires_at: Instant,
}

/// Where a token comes from and what it is for.
#[derive(Clone)]
struct Grant {
    realm: Url,
    service: Option<String>,
    scopes: Vec<String>,
}

#[derive(Deserialize)]
struct Issued {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Authorizer {
    pub(crate) fn new(upstream: Url, token_hosts: Vec<String>, credentials: CredentialSource, clock: Clock) -> Self {
        Self { upstream, token_hosts, credentials, clock, basic: AtomicBool::new(false), slots: Mutex::default() }
    }

    /// What is known to be needed for `repository`: a token that is still good, renewed when its end is near, or Basic
    /// credentials. `None` where the upstream has not asked for anything yet.
    pub(crate) async fn current(
        &self,
        transport: &Transport,
        repository: &Repository,
        asked: &Arc<Asked>,
    ) -> Result<Option<HeaderValue>, UpstreamError> {
        if self.basic.load(Ordering::Relaxed) {
            return self.basic(asked).await;
        }
        let Some(slot) = self.slots.lock().unwrap_or_else(PoisonError::into_inner).get(repository).cloned() else {
            return Ok(None);
        };
        let mut held = slot.lock().await;
        let now = Instant::now();
        let grant = match held.as_ref() {
            None => return Ok(None),
            Some(token) if now < token.renew_at => return Ok(Some(token.token.clone())),
            Some(token) => token.grant.clone(),
        };
        match self.fetch(transport, grant, asked).await {
            Ok(fresh) => {
                let token = fresh.token.clone();
                *held = Some(fresh);
                Ok(Some(token))
            }
            // Renewed early, so the old one still serves while the endpoint has a bad moment.
            Err(_) if held.as_ref().is_some_and(|token| now < token.expires_at) => {
                Ok(held.as_ref().map(|token| token.token.clone()))
            }
            Err(error) => {
                *held = None;
                Err(error)
            }
        }
    }

    /// What answers the challenges of a refused request, which carried `refused`. `None` where nothing could: no challenge
    /// that weir understands, or credentials that were refused already.
    pub(crate) async fn answer(
        &self,
        transport: &Transport,
        repository: &Repository,
        challenges: &[Challenge],
        refused: Option<&HeaderValue>,
        asked: &Arc<Asked>,
    ) -> Result<Option<HeaderValue>, UpstreamError> {
        let bearer =
            challenges.iter().find(|challenge| challenge.scheme == "bearer" && challenge.parameter("realm").is_some());
        let Some(bearer) = bearer else {
            if !challenges.iter().any(|challenge| challenge.scheme == "basic") {
                return Ok(None);
            }
            let credentials = self.basic(asked).await?;
            self.basic.store(credentials.is_some(), Ordering::Relaxed);
            if credentials.is_some() && credentials.as_ref() == refused {
                self.credentials.refused().await;
                // A command may print others now; a file gives the same again.
                return Ok(self.basic(asked).await?.filter(|fresh| Some(fresh) != refused));
            }
            return Ok(credentials);
        };
        let grant = self.grant(bearer, repository, asked)?;
        let slot = self.slot(repository);
        let mut held = slot.lock().await;
        if let Some(token) = held.as_ref()
            && Some(&token.token) != refused
            && Instant::now() < token.expires_at
        {
            return Ok(Some(token.token.clone()));
        }
        *held = None;
        let fresh = self.fetch(transport, grant, asked).await?;
        let token = fresh.token.clone();
        *held = Some(fresh);
        Ok(Some(token))
    }

    async fn basic(&self, asked: &Arc<Asked>) -> Result<Option<HeaderValue>, UpstreamError> {
        match self.credentials.current().await {
            Ok(credential) => Ok(credential.map(|credential| credential.basic())),
            Err(cause) => Err(UpstreamError::Credential { asked: asked.clone(), cause: Arc::new(cause) }),
        }
    }

    fn slot(&self, repository: &Repository) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MAX_HELD && !slots.contains_key(repository) {
            // A token costs one request to get back; which ones go does not matter, those in use keep working.
            slots.clear();
        }
        slots.entry(repository.clone()).or_default().clone()
    }

    fn grant(
        &self,
        challenge: &Challenge,
        repository: &Repository,
        asked: &Arc<Asked>,
    ) -> Result<Grant, UpstreamError> {
        let text = challenge.parameter("realm").unwrap_or_default();
        let untrusted = |realm: String| UpstreamError::UntrustedRealm { asked: asked.clone(), realm };
        let realm =
            Url::parse(text).map_err(|_| untrusted(text.chars().filter(|c| !c.is_control()).take(100).collect()))?;
        if !trusts(&self.upstream, &realm, &self.token_hosts) {
            return Err(untrusted(without_query(&realm)));
        }
        let own = format!("repository:{repository}:pull");
        // A realm may want a scope of its own beside ours (Amazon's public registry has `aws`), and an upstream below a path
        // knows the repository by a longer name. What would let more than pull, or something else, is not asked for.
        let wanted = challenge.parameter("scope").unwrap_or_default().split_ascii_whitespace();
        let others = wanted.filter(|scope| *scope != own && is_pull_of(scope, repository)).map(str::to_owned).take(4);
        let scopes = std::iter::once(own.clone()).chain(others).collect();
        Ok(Grant { realm, service: challenge.parameter("service").map(str::to_owned), scopes })
    }

    async fn fetch(&self, transport: &Transport, grant: Grant, asked: &Arc<Asked>) -> Result<Held, UpstreamError> {
        let mut url = grant.realm.clone();
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = &grant.service {
                query.append_pair("service", service);
            }
            for scope in &grant.scopes {
                query.append_pair("scope", scope);
            }
        }
        let mut headers = HeaderMap::new();
        if let Some(credentials) = self.basic(asked).await? {
            headers.insert(AUTHORIZATION, credentials);
        }
        let realm = without_query(&grant.realm);
        let failed = |status, after, cause| UpstreamError::Token {
            asked: asked.clone(),
            realm: realm.clone(),
            status,
            after,
            cause,
        };
        let response =
            transport.send(Purpose::Token, &Method::GET, &url, headers, asked).await.map_err(|error| match error {
                // Says more by itself, and names the setting that helps.
                error @ UpstreamError::ClosedAddress { .. } => error,
                error => failed(None, None, Some(Arc::new(error) as _)),
            })?;
        let status = response.status().as_u16();
        if status != 200 {
            if matches!(status, 401 | 403) {
                self.credentials.refused().await;
            }
            let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let after = after.and_then(|after| parse_retry_after(after, now(&self.clock)));
            return Err(failed(Some(status), after, None));
        }
        let body = read_whole(response.into_body(), MAX_ANSWER, transport.limits().small_body_timeout, asked).await;
        let body = body.map_err(|cause| failed(Some(200), None, Some(Arc::new(cause) as _)))?;
        let (token, lifetime) =
            parse(&body).map_err(|what| failed(Some(200), None, Some(Arc::new(std::io::Error::other(what)) as _)))?;
        let now = Instant::now();
        // A fifth of the lifetime early, and half a minute where that leaves half of it.
        let margin = (lifetime / 5).max(Duration::from_secs(30).min(lifetime / 2));
        Ok(Held { token, grant, renew_at: now + (lifetime - margin), expires_at: now + lifetime })
    }
}

pub(crate) fn now(clock: &Clock) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(clock.now()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn is_pull_of(scope: &str, repository: &Repository) -> bool {
    let Some(rest) = scope.strip_prefix("repository:") else { return !scope.contains(':') };
    let Some(name) = rest.strip_suffix(":pull") else { return false };
    name.strip_suffix(repository.as_str()).is_some_and(|before| before.ends_with('/'))
}

fn without_query(url: &Url) -> String {
    format!(
        "{}://{}{}{}",
        url.scheme(),
        url.host_str().unwrap_or_default(),
        url.port().map(|port| format!(":{port}")).unwrap_or_default(),
        url.path()
    )
}

fn parse(body: &[u8]) -> Result<(HeaderValue, Duration), &'static str> {
    let issued: Issued = serde_json::from_slice(body).map_err(|_| "its answer is not a token in JSON")?;
    let token =
        issued.token.or(issued.access_token).filter(|token| !token.is_empty()).ok_or("its answer holds no token")?;
    let mut value =
        HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| "its token cannot be sent in a header")?;
    value.set_sensitive(true);
    Ok((value, issued.expires_in.map_or(DEFAULT_LIFETIME, Duration::from_secs).min(LONGEST_LIFETIME)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn both_names_of_a_token_and_its_lifetime_are_read() {
        let read = |text: &str| {
            parse(text.as_bytes()).map(|(token, lifetime)| (token.to_str().unwrap().to_owned(), lifetime.as_secs()))
        };
        assert_eq!(read(r#"{"token":"a","expires_in":300}"#), Ok(("Bearer a".to_owned(), 300)));
        assert_eq!(read(r#"{"access_token":"b"}"#), Ok(("Bearer b".to_owned(), 60)));
        assert_eq!(read(r#"{"token":"a","expires_in":18446744073709551615}"#), Ok(("Bearer a".to_owned(), 86400)));
        for broken in ["", "{}", r#"{"token":""}"#, r#"{"token":"a\nb"}"#, "<html>"] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn only_scopes_that_pull_the_repository_are_asked_for() {
        let repository = Repository::parse("library/nginx").unwrap();
        for (scope, asked) in [
            ("aws", true),
            ("repository:prefix/library/nginx:pull", true),
            ("repository:prefix/library/nginx:pull,push", false),
            ("repository:other:pull", false),
            ("repository:otherlibrary/nginx:pull", false),
            ("registry:catalog:*", false),
        ] {
            assert_eq!(is_pull_of(scope, &repository), asked, "{scope}");
        }
    }
}
