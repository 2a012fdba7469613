//! Signing in and out: the page, a token sent by its form, the way over an OpenID Connect provider, and the end of a session.
//!
//! Owns what a browser sends and is answered. Who holds a token, and whom the provider names, is decided in [`crate::auth`] and
//! [`crate::oidc`]. Invariants: every attempt is counted before its token is looked at or its provider asked; nobody is sent on to another
//! site than the provider; no answer here is kept by a cache.

mod page;
mod place;
mod provider;

use bytes::Bytes;
use hyper::header::{HeaderValue, LOCATION, SET_COOKIE};
use hyper::{Request, Response, StatusCode, Uri};
use url::form_urlencoded;
use weir_storage::index::SessionOrigin;

use self::page::{Message, SignInPage};
pub(super) use self::place::is_local;
use self::place::local;
use super::access::Asking;
use super::body;
use super::cookie::{SESSION, SIGN_IN, set_cookie};
use super::problem::Problem;
use super::{Parameters, Report};
use crate::auth::{Caller, How, NewSession, SessionError, Sessions, TokenError, Tokens, role_name, role_of};
use crate::http::{Body, ConnInfo, empty};

/// The longest form in bytes.
const MAX_FORM: usize = 16 * 1024;

/// A step of signing in or out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum SignIn {
    /// The page.
    Page,
    /// Its form, with a token.
    Token,
    /// The way to the provider.
    Provider,
    /// The way back from it.
    Callback,
    /// The end of the session.
    Out,
}

/// Where somebody is sent who has to sign in to see a page.
pub(super) fn sign_in_place(uri: &Uri, comes_back: bool) -> String {
    let page = uri.path_and_query().filter(|_| comes_back).map_or("/", |page| page.as_str());
    format!("/sign-in?next={}", form_urlencoded::byte_serialize(page.as_bytes()).collect::<String>())
}

impl Report {
    /// Answers a step of signing in or out by `caller`, who may be anonymous.
    pub(super) async fn sign_in<B>(
        &self,
        step: SignIn,
        caller: &Caller,
        connection: &ConnInfo,
        request: Request<B>,
    ) -> Result<Response<Body>, Problem>
    where
        B: hyper::body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let asking = self.asking(&head.headers, &head.uri, connection);
        let parameters = Parameters::parse(head.uri.query().unwrap_or_default());
        match step {
            SignIn::Page => {
                parameters.only(&["next"])?;
                self.page(caller, local(parameters.get("next")), StatusCode::OK, None)
            }
            SignIn::Token => {
                parameters.only(&[])?;
                self.sign_in_by_token(caller, &asking, body).await
            }
            SignIn::Provider => {
                parameters.only(&["next"])?;
                self.sign_in_by_provider(caller, &asking, local(parameters.get("next"))).await
            }
            SignIn::Callback => self.back_from_provider(caller, &asking, &parameters).await,
            SignIn::Out => self.sign_out(caller, &asking).await,
        }
    }

    /// The page, with what went wrong.
    fn page(
        &self,
        caller: &Caller,
        next: &str,
        status: StatusCode,
        message: Option<Message<'_>>,
    ) -> Result<Response<Body>, Problem> {
        let provider = self.access.provider().map(|provider| provider.host());
        SignInPage { caller, next, provider, message }.answer(status)
    }

    /// Counts an attempt to sign in; the page that refuses it, where there were too many.
    fn attempt(&self, caller: &Caller, asking: &Asking<'_>, next: &str) -> Result<Option<Response<Body>>, Problem> {
        let peer = asking.connection.peer.ip();
        let Err(seconds) = self.access.attempts().take(peer, self.clock.now()) else { return Ok(None) };
        tracing::debug!(%peer, "too many attempts to sign in from {peer}");
        self.page(caller, next, StatusCode::TOO_MANY_REQUESTS, Some(Message::TooOften(seconds))).map(Some)
    }

    async fn sign_in_by_token<B>(
        &self,
        caller: &Caller,
        asking: &Asking<'_>,
        body: B,
    ) -> Result<Response<Body>, Problem>
    where
        B: hyper::body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if let Some(refusal) = self.attempt(caller, asking, "/")? {
            return Ok(refusal);
        }
        let form = body::read(body, MAX_FORM).await?;
        let field = |name: &str| {
            let value = form_urlencoded::parse(&form).find(|(known, _)| known == name).map(|(_, value)| value);
            value.map(std::borrow::Cow::into_owned)
        };
        let (next, token, now) = (field("next"), field("token").unwrap_or_default(), self.clock.now());
        let next = local(next.as_deref());
        let presented = token.trim().to_owned();
        let verified = self.index.run(move |index| Tokens::new(index.clone()).verify(&presented, now)).await;
        let (who, why) = match verified {
            Ok(verified) => match role_of(verified.role) {
                Some(role) => {
                    let origin = SessionOrigin::Token(verified.id);
                    return self.begin(asking, NewSession { name: verified.name, role, origin }, next).await;
                }
                None => (verified.name, "a token of role agent does not sign anyone in".to_owned()),
            },
            Err(TokenError::Index(error)) => return Err(error.into()),
            // Outside, all of these are one answer.
            Err(error) => ("anonymous".to_owned(), error.to_string()),
        };
        self.audit(&who, "sign_in.refused", "token", &format!("{why}, from {}", asking.connection.peer.ip())).await;
        self.page(caller, next, StatusCode::UNAUTHORIZED, Some(Message::Token))
    }

    /// Makes a session and sends its browser on to `next`.
    async fn begin(&self, asking: &Asking<'_>, new: NewSession, next: &str) -> Result<Response<Body>, Problem> {
        let (limits, now) = (self.access.sessions(), self.clock.now());
        let seconds = i64::try_from(limits.lifetime.as_secs()).unwrap_or(i64::MAX);
        let (name, role) = (new.name.clone(), role_name(new.role));
        let by = match &new.origin {
            SessionOrigin::Token(id) => format!("token {id}"),
            SessionOrigin::Oidc { issuer, subject } => format!("subject {subject} of {issuer}"),
        };
        let made = self.index.run(move |index| Sessions::new(index, &limits).create(new, now)).await;
        let session = made.map_err(|error| match error {
            SessionError::Index(error) => Problem::from(error),
            error => {
                tracing::error!(%error, "a session could not be made");
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "a session could not be made")
            }
        })?;
        self.access.attempts().give_back(asking.connection.peer.ip());
        let detail = format!("role {role}, by {by}, from {}", asking.connection.peer.ip());
        self.audit(&name, "sign_in", &name, &detail).await;
        let mut response = see_other(next);
        response.headers_mut().append(SET_COOKIE, set_cookie(SESSION, &session, seconds, asking.secure));
        response.headers_mut().append(SET_COOKIE, set_cookie(SIGN_IN, "", 0, asking.secure));
        Ok(response)
    }

    async fn sign_out(&self, caller: &Caller, asking: &Asking<'_>) -> Result<Response<Body>, Problem> {
        if let How::Session { id, .. } = &caller.how {
            let (ended, limits, now) = (id.clone(), self.access.sessions(), self.clock.now());
            self.index.run(move |index| Sessions::new(index, &limits).revoke(&ended, now)).await?;
            self.audit(&caller.name, "sign_out", &caller.name, &format!("session {id}")).await;
        }
        let mut response = see_other("/sign-in");
        response.headers_mut().append(SET_COOKIE, set_cookie(SESSION, "", 0, asking.secure));
        Ok(response)
    }
}

/// Sends a browser on to a place, by `GET`.
pub(super) fn see_other(place: &str) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(LOCATION, place);
    }
    page::guard(response)
}
