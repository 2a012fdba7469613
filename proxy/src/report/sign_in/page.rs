//! The page people sign in on: plain HTML that works without scripts, and the headers that guard it.

use askama::Template;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};

use super::super::problem::Problem;
use crate::auth::{Caller, How};
use crate::http::{Body, full};

/// What went wrong, for the person who meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// The token does not hold.
    Token,
    /// Too many attempts: in how many seconds the next is allowed.
    TooOften(u32),
    /// The provider cannot be used.
    Unreachable,
    /// The sign-in is not known any more.
    Again,
    /// The provider signed nobody in, or what it sent proves nothing.
    Declined,
    /// This person has no role.
    NoRole(&'a str),
}

impl std::fmt::Display for Message<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token => {
                formatter.write_str("This token does not open the console: it is unknown, over, or an agent's.")
            }
            Self::TooOften(seconds) => write!(formatter, "Too many attempts. Try again in {seconds} s."),
            Self::Unreachable => {
                formatter.write_str("The provider cannot be reached or used now. weir's log says why.")
            }
            Self::Again => formatter
                .write_str("This sign-in took too long, is over, or was begun in another browser. Sign in again."),
            Self::Declined => formatter.write_str("The provider did not sign you in. weir's audit says why."),
            Self::NoRole(name) => write!(
                formatter,
                "The provider knows you as {name}, but you have no role here. Ask whoever runs weir for one."
            ),
        }
    }
}

/// The page.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(super) struct SignInPage<'a> {
    /// Who asks for it.
    pub(super) caller: &'a Caller,
    /// The local path to go on to.
    pub(super) next: &'a str,
    /// The provider's host, if there is one.
    pub(super) provider: Option<&'a str>,
    /// What went wrong.
    pub(super) message: Option<Message<'a>>,
}

impl SignInPage<'_> {
    /// Whether the caller is signed in already.
    fn is_signed_in(&self) -> bool {
        matches!(self.caller.how, How::Session { .. })
    }

    /// The page as an answer of this status.
    pub(super) fn answer(&self, status: StatusCode) -> Result<Response<Body>, Problem> {
        let text = self.render().map_err(|error| {
            tracing::error!(%error, "the page to sign in on could not be written");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be written")
        })?;
        let mut response = guard(Response::new(full(text)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"weir\""));
        }
        if let Some(Message::TooOften(seconds)) = self.message {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        Ok(response)
    }
}

/// Keeps an answer out of caches and frames, and its address out of what other sites see. A referrer of the same site stays: without
/// one, browsers do not say where a form comes from.
pub(super) fn guard(mut response: Response<Body>) -> Response<Body> {
    let policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, policy),
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use weir_config::Role;

    use super::*;

    #[test]
    fn what_comes_from_outside_is_text() {
        let caller = Caller::anonymous(Role::Viewer);
        let (next, name) = ("/?q=\"><script>", "<b>ada</b>");
        let page =
            SignInPage { caller: &caller, next, provider: Some("login.example"), message: Some(Message::NoRole(name)) };
        let text = page.render().unwrap();
        assert!(!text.contains("<script>") && !text.contains("<b>"), "{text}");
        assert!(text.contains("login.example") && text.contains("role=\"alert\""));
        assert!(!text.contains("name=\"csrf\"") && !text.contains("/sign-out"));
    }

    #[test]
    fn who_is_signed_in_can_sign_out_and_sends_back_what_it_takes() {
        let how = How::Session { id: "s".into(), csrf: "c1".into() };
        let caller = Caller { name: "ada".into(), role: Role::Editor, how };
        let text = SignInPage { caller: &caller, next: "/", provider: None, message: None }.render().unwrap();
        assert_eq!(text.matches("name=\"csrf\" value=\"c1\"").count(), 2, "{text}");
        assert!(text.contains("/sign-out") && text.contains("ada") && !text.contains("/sign-in/oidc"));
    }
}
