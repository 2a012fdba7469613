//! The two steps of a sign-in: sending the browser to the provider, and taking what it comes back with.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hyper::header::HeaderValue;
use serde::Deserialize;
use url::{Url, form_urlencoded};
use weir_config::{Role, Secret};

use super::exchange::{Failure, post};
use super::flow::{FLOW_SECONDS, Flow, Flows};
use super::id_token::{Expected, candidates, header, verify};
use super::known::{Known, Metadata};
use super::{Callback, Identity, OidcError, Started, signature};
use crate::auth::hash;
use crate::upstream::{InvalidUpstream, report_client};

/// The provider as the settings name it.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// Its issuer identifier.
    pub issuer: Url,
    /// The name it knows weir by.
    pub client_id: String,
    /// The file that holds the client's secret; read at each use.
    pub client_secret_file: Option<PathBuf>,
    /// The authorities that it proves itself by, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim that decides the role.
    pub role_claim: String,
    /// Which of its values give which role.
    pub roles: Vec<(Role, Vec<String>)>,
}

/// The provider. Clones share what is known of it and the sign-ins under way.
#[derive(Clone)]
pub struct Provider(Arc<Inner>);

struct Inner {
    settings: ProviderSettings,
    known: Known,
    flows: Flows,
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
}

impl Provider {
    /// How long a browser may take at the provider, in seconds.
    pub const FLOW_SECONDS: i64 = FLOW_SECONDS;

    /// The provider of these settings. Nothing is contacted.
    ///
    /// # Errors
    /// The authorities cannot be used, or TLS cannot be set up.
    pub fn new(settings: ProviderSettings) -> Result<Self, InvalidUpstream> {
        signature::install();
        let client = report_client(&settings.issuer, settings.ca_file.clone())?;
        let known = Known::new(settings.issuer.clone(), client);
        Ok(Self(Arc::new(Inner { settings, known, flows: Flows::default() })))
    }

    /// What sessions made with it remember it by.
    pub fn issuer(&self) -> &str {
        self.0.settings.issuer.as_str()
    }

    /// What people know it by: its host.
    pub fn host(&self) -> &str {
        self.0.settings.issuer.host_str().unwrap_or_default()
    }

    /// Begins a sign-in at `now` (seconds since the epoch): the provider is to send the browser back to `redirect`, and the person
    /// wants to see the local path `next`.
    ///
    /// # Errors
    /// The provider cannot be asked for its description, or there is no randomness.
    pub async fn start(&self, redirect: &str, next: &str, now: i64) -> Result<Started, OidcError> {
        let metadata = self.metadata(now).await?;
        let (names, flow) = self.0.flows.begin(redirect, next, now)?;
        let challenge = URL_SAFE_NO_PAD.encode(hash(&flow.verifier));
        let scopes = std::iter::once("openid").chain(self.0.settings.scopes.iter().map(String::as_str));
        let scope = scopes.collect::<Vec<_>>().join(" ");
        let mut location = metadata.authorization_endpoint;
        location.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.0.settings.client_id),
            ("redirect_uri", redirect),
            ("scope", &scope),
            ("state", &names.state),
            ("nonce", &flow.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        Ok(Started { location, cookie: names.cookie })
    }

    /// Ends a sign-in at `now` (seconds since the epoch) with what the browser came back with; `cookie` is the one it was given.
    ///
    /// # Errors
    /// Nobody was signed in, and why.
    pub async fn finish(&self, callback: Callback, cookie: Option<&str>, now: i64) -> Result<Identity, OidcError> {
        let state = callback.state.unwrap_or_default();
        let flow = self.0.flows.end(&state, cookie.unwrap_or_default(), now).ok_or(OidcError::Unknown)?;
        let metadata = self.metadata(now).await?;
        let is_missing = metadata.authorization_response_iss_parameter_supported && callback.iss.is_none();
        if is_missing || callback.iss.is_some_and(|iss| iss != metadata.issuer) {
            return Err(OidcError::Token("another issuer sent the browser back".to_owned()));
        }
        if let Some(error) = callback.error {
            return Err(OidcError::Declined(error.chars().filter(|c| !c.is_control()).take(200).collect()));
        }
        let code = callback.code.ok_or_else(|| OidcError::Declined("there is no code".to_owned()))?;
        let token = self.exchange(&metadata, &flow, &code).await?;
        let token_header = header(&token)?;
        let lack = |keys: &_| candidates(keys, &token_header).is_empty();
        let keys = self.0.known.keys(&metadata, lack, now).await.map_err(|detail| self.unusable(detail))?;
        let settings = &self.0.settings;
        let expected = Expected { issuer: &metadata.issuer, client_id: &settings.client_id, nonce: &flow.nonce, now };
        let claims = verify(&token, &token_header, &candidates(&keys, &token_header), &expected)?;
        let name = claims.name().to_owned();
        match claims.role(&settings.role_claim, &settings.roles) {
            Some(role) => Ok(Identity { name, subject: claims.subject().to_owned(), role, next: flow.next }),
            None => Err(OidcError::NoRole { name, claim: settings.role_claim.clone() }),
        }
    }

    async fn metadata(&self, now: i64) -> Result<Metadata, OidcError> {
        self.0.known.metadata(now).await.map_err(|detail| self.unusable(detail))
    }

    /// Exchanges the code for the ID token, RFC 6749 section 4.1.3.
    async fn exchange(&self, metadata: &Metadata, flow: &Flow, code: &str) -> Result<String, OidcError> {
        let secret = self.secret().await?;
        let (form, authorization) = self.token_request(metadata, flow, code, secret.as_ref());
        let answer = post(self.0.known.client(), &metadata.token_endpoint, form, authorization).await;
        let answer: Result<TokenAnswer, Failure> = answer;
        match answer {
            Ok(answer) => Ok(answer.id_token),
            // A code that is too old or was used says nothing of the provider.
            Err(failure) if failure.error.as_deref() == Some("invalid_grant") => {
                Err(OidcError::Declined(failure.detail))
            }
            Err(failure) => Err(self.unusable(failure.detail)),
        }
    }

    /// The form that is sent for the ID token, and how weir proves beside it who it is, where not within it.
    fn token_request(
        &self,
        metadata: &Metadata,
        flow: &Flow,
        code: &str,
        secret: Option<&Secret>,
    ) -> (String, Option<HeaderValue>) {
        let client_id = &self.0.settings.client_id;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs([
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &flow.redirect),
            ("code_verifier", &flow.verifier),
        ]);
        let Some(secret) = secret else {
            return (form.append_pair("client_id", client_id).finish(), None);
        };
        let takes = |method: &str| metadata.token_endpoint_auth_methods_supported.iter().any(|known| known == method);
        if takes("client_secret_post") && !takes("client_secret_basic") {
            form.append_pair("client_id", client_id).append_pair("client_secret", secret.expose());
            return (form.finish(), None);
        }
        (form.finish(), Some(basic(client_id, secret)))
    }

    async fn secret(&self) -> Result<Option<Secret>, OidcError> {
        let Some(path) = &self.0.settings.client_secret_file else { return Ok(None) };
        let text = tokio::fs::read_to_string(path).await;
        let text = text.map_err(|cause| OidcError::Secret { path: path.clone(), cause })?;
        Ok(Some(Secret::from_file_contents(&text)))
    }

    fn unusable(&self, detail: String) -> OidcError {
        OidcError::Provider { issuer: self.issuer().to_owned(), detail }
    }
}

/// The client's name and secret as RFC 6749 section 2.3.1 writes them: form-encoded first.
fn basic(client_id: &str, secret: &Secret) -> HeaderValue {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(client_id), encoded(secret.expose()));
    let value = format!("Basic {}", STANDARD.encode(pair));
    let mut value = HeaderValue::try_from(value).expect("base64 is made of visible characters");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_proves_itself_with_encoded_name_and_secret() {
        let value = basic("we:ir", &Secret::new("a b+c"));
        assert_eq!(value, format!("Basic {}", STANDARD.encode("we%3Air:a+b%2Bc")).as_str());
        assert!(value.is_sensitive());
    }
}
