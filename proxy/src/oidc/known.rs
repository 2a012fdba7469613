//! What is known of the provider: its own description (OpenID Connect Discovery 1.0) and its keys (RFC 7517), kept for a while.

use bytes::Bytes;
use http_body_util::Full;
use jsonwebtoken::jwk::JwkSet;
use serde::{Deserialize, Deserializer};
use tokio::sync::{Mutex, MutexGuard};
use url::Url;

use super::exchange::{TIME, get};
use crate::upstream::HttpClient;

/// How long a description and keys are kept, in seconds.
const KEEP_SECONDS: i64 = 3600;
/// How often keys may be asked for because a token names one that is not known, in seconds.
const ANEW_SECONDS: i64 = 60;

/// A provider's description of itself, as far as it matters.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) issuer: String,
    #[serde(deserialize_with = "url")]
    pub(super) authorization_endpoint: Url,
    #[serde(deserialize_with = "url")]
    pub(super) token_endpoint: Url,
    #[serde(deserialize_with = "url")]
    pub(super) jwks_uri: Url,
    /// How clients prove who they are; `client_secret_basic` where it is not said.
    #[serde(default)]
    pub(super) token_endpoint_auth_methods_supported: Vec<String>,
    /// Whether the browser is sent back with the issuer's name, RFC 9207.
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// The provider as it was last asked. One exchange goes on at a time, and those who wait for it share what it brings, or wait no longer
/// than it may take: nobody queues before a provider that does not answer.
pub(super) struct Known {
    issuer: Url,
    client: HttpClient<Full<Bytes>>,
    metadata: Mutex<Option<Kept<Metadata>>>,
    keys: Mutex<Option<Kept<JwkSet>>>,
}

#[derive(Clone)]
struct Kept<T> {
    value: T,
    at: i64,
}

impl<T> Kept<T> {
    fn is_younger(&self, seconds: i64, now: i64) -> bool {
        // One from the future was kept before a clock was set back.
        (0..seconds).contains(&(now - self.at))
    }
}

impl Known {
    pub(super) fn new(issuer: Url, client: HttpClient<Full<Bytes>>) -> Self {
        Self { issuer, client, metadata: Mutex::default(), keys: Mutex::default() }
    }

    /// The client all is asked with.
    pub(super) fn client(&self) -> &HttpClient<Full<Bytes>> {
        &self.client
    }

    /// The provider's description, at most an hour old.
    pub(super) async fn metadata(&self, now: i64) -> Result<Metadata, String> {
        let mut kept = turn(&self.metadata).await?;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.is_younger(KEEP_SECONDS, now)) {
            return Ok(kept.value.clone());
        }
        let base = self.issuer.as_str().trim_end_matches('/');
        let place = format!("{base}/.well-known/openid-configuration");
        let place = Url::parse(&place).map_err(|error| format!("{place}: {error}"))?;
        let metadata: Metadata = get(&self.client, &place).await?;
        self.check(&metadata)?;
        *kept = Some(Kept { value: metadata.clone(), at: now });
        Ok(metadata)
    }

    /// The provider's keys, at most an hour old; where those `lack` what is needed, asked for anew, though not too often.
    pub(super) async fn keys(
        &self,
        metadata: &Metadata,
        lack: impl Fn(&JwkSet) -> bool,
        now: i64,
    ) -> Result<JwkSet, String> {
        let mut kept = turn(&self.keys).await?;
        if let Some(kept) = kept.as_ref() {
            let keep = if lack(&kept.value) { ANEW_SECONDS } else { KEEP_SECONDS };
            if kept.is_younger(keep, now) {
                return Ok(kept.value.clone());
            }
        }
        let keys: JwkSet = get(&self.client, &metadata.jwks_uri).await?;
        *kept = Some(Kept { value: keys.clone(), at: now });
        Ok(keys)
    }

    /// A description has to be the configured issuer's own (section 4.3), and may not lead to where the network is not trusted.
    fn check(&self, metadata: &Metadata) -> Result<(), String> {
        // A URL is kept with the slash that an issuer without a path need not have.
        if metadata.issuer.trim_end_matches('/') != self.issuer.as_str().trim_end_matches('/') {
            return Err(format!("it calls itself {:?}, and auth.oidc.issuer {}", metadata.issuer, self.issuer));
        }
        let Metadata { authorization_endpoint, token_endpoint, jwks_uri, .. } = metadata;
        for endpoint in [authorization_endpoint, token_endpoint, jwks_uri] {
            if endpoint.scheme() != "https" && !(endpoint.scheme() == "http" && self.issuer.scheme() == "http") {
                return Err(format!("it leads to {endpoint}, which is not https"));
            }
        }
        Ok(())
    }
}

async fn turn<T>(kept: &Mutex<T>) -> Result<MutexGuard<'_, T>, String> {
    let late = |_| format!("it was asked already, and did not answer within {TIME:?}");
    tokio::time::timeout(TIME, kept.lock()).await.map_err(late)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::report_client;

    #[test]
    fn a_description_is_the_issuers_own_and_stays_with_https() {
        let metadata = |issuer: &str, token: &str| Metadata {
            issuer: issuer.into(),
            authorization_endpoint: "https://login.example/auth".parse().unwrap(),
            token_endpoint: token.parse().unwrap(),
            jwks_uri: "https://login.example/jwks".parse().unwrap(),
            token_endpoint_auth_methods_supported: Vec::new(),
            authorization_response_iss_parameter_supported: false,
        };
        let known = |issuer: &str| {
            let issuer: Url = issuer.parse().unwrap();
            let client = report_client(&issuer, None).unwrap();
            Known::new(issuer, client)
        };
        for (configured, named, token, sound) in [
            ("https://login.example", "https://login.example", "https://login.example/token", true),
            ("https://login.example", "https://login.example/", "https://login.example/token", true),
            ("https://login.example/realm", "https://login.example/realm", "https://elsewhere.example/token", true),
            ("https://login.example", "https://login.example/realm", "https://login.example/token", false),
            ("https://login.example", "https://login.example", "http://login.example/token", false),
            ("http://localhost:9", "http://localhost:9", "http://localhost:9/token", true),
        ] {
            assert_eq!(known(configured).check(&metadata(named, token)).is_ok(), sound, "{configured} {named} {token}");
        }
    }

    #[test]
    fn what_is_kept_has_an_age() {
        let kept = Kept { value: (), at: 1000 };
        assert!(kept.is_younger(60, 1000) && kept.is_younger(60, 1059));
        assert!(!kept.is_younger(60, 1060) && !kept.is_younger(60, 999));
    }
}
