//! The way over the provider, there and back.

use hyper::header::{HeaderValue, SET_COOKIE};
use hyper::{Response, StatusCode};
use url::Url;
use weir_storage::index::SessionOrigin;

use super::super::access::Asking;
use super::super::cookie::{SIGN_IN, cookie, set_cookie};
use super::super::problem::Problem;
use super::super::{Parameters, Report};
use super::page::Message;
use super::see_other;
use crate::auth::{Caller, NewSession};
use crate::http::Body;
use crate::oidc::{Callback, OidcError, Provider};

/// Where the provider sends browsers back to.
const CALLBACK: &str = "/sign-in/oidc/callback";

impl Report {
    /// Sends a browser to the provider.
    pub(super) async fn sign_in_by_provider(
        &self,
        caller: &Caller,
        asking: &Asking<'_>,
        next: &str,
    ) -> Result<Response<Body>, Problem> {
        let provider = self.provider()?;
        if let Some(refusal) = self.attempt(caller, asking, next)? {
            return Ok(refusal);
        }
        match provider.start(&self.callback(asking)?, next, self.clock.now()).await {
            Ok(started) => {
                let mut response = see_other(started.location.as_str());
                let cookie = set_cookie(SIGN_IN, &started.cookie, Provider::FLOW_SECONDS, asking.secure);
                response.headers_mut().append(SET_COOKIE, cookie);
                Ok(response)
            }
            Err(error) => self.refuse(caller, asking, next, &error).await,
        }
    }

    /// Takes a browser that comes back.
    pub(super) async fn back_from_provider(
        &self,
        caller: &Caller,
        asking: &Asking<'_>,
        parameters: &Parameters,
    ) -> Result<Response<Body>, Problem> {
        let provider = self.provider()?;
        // Providers add parameters of their own, such as session_state, which have to be passed over (RFC 6749 section 4.1.2).
        let value = |name: &str| parameters.get(name).map(str::to_owned);
        let callback =
            Callback { code: value("code"), state: value("state"), iss: value("iss"), error: value("error") };
        let browser = cookie(asking.headers, SIGN_IN, asking.secure);
        match provider.finish(callback, browser, self.clock.now()).await {
            Ok(identity) => {
                let issuer = provider.issuer().to_owned();
                let origin = SessionOrigin::Oidc { issuer, subject: identity.subject };
                let new = NewSession { name: identity.name, role: identity.role, origin };
                self.begin(asking, new, &identity.next).await
            }
            // What does not come back from a sign-in that was counted when it set out is counted here.
            Err(error) => match self.attempt(caller, asking, "/")? {
                Some(refusal) => Ok(refusal),
                None => self.refuse(caller, asking, "/", &error).await,
            },
        }
    }

    fn provider(&self) -> Result<&Provider, Problem> {
        self.access.provider().ok_or_else(|| Problem::not_found("auth.oidc is not set: this"))
    }

    /// The page that says why nobody was signed in; what does not concern the person is only logged.
    async fn refuse(
        &self,
        caller: &Caller,
        asking: &Asking<'_>,
        next: &str,
        error: &OidcError,
    ) -> Result<Response<Body>, Problem> {
        let (status, message) = match error {
            OidcError::Provider { .. } | OidcError::Secret { .. } | OidcError::Random(_) => {
                tracing::error!(%error, "nobody can sign in with the provider: {error}");
                (StatusCode::BAD_GATEWAY, Message::Unreachable)
            }
            OidcError::Unknown => (StatusCode::BAD_REQUEST, Message::Again),
            OidcError::Declined(_) | OidcError::Token(_) => (StatusCode::FORBIDDEN, Message::Declined),
            OidcError::NoRole { name, .. } => (StatusCode::FORBIDDEN, Message::NoRole(name)),
        };
        let who = match error {
            OidcError::NoRole { name, .. } => name.as_str(),
            _ => "anonymous",
        };
        // That the provider cannot be used says nothing of anyone.
        if status != StatusCode::BAD_GATEWAY {
            let detail = format!("{error}, from {}", asking.connection.peer.ip());
            self.audit(who, "sign_in.refused", "provider", &detail).await;
        }
        let mut response = self.page(caller, next, status, Some(message))?;
        let gone: HeaderValue = set_cookie(SIGN_IN, "", 0, asking.secure);
        response.headers_mut().append(SET_COOKIE, gone);
        Ok(response)
    }

    /// The URL of [`CALLBACK`] as browsers reach it.
    fn callback(&self, asking: &Asking<'_>) -> Result<String, Problem> {
        let base = match self.access.public_url() {
            Some(url) => url.clone(),
            None => {
                let scheme = if asking.secure { "https" } else { "http" };
                let host = asking.host().unwrap_or_default();
                Url::parse(&format!("{scheme}://{host}/"))
                    .map_err(|error| Problem::bad_request(format!("Host {host:?}: {error}")))?
            }
        };
        let url = base.join(CALLBACK).map_err(|error| Problem::bad_request(format!("{base}: {error}")))?;
        Ok(url.into())
    }
}
