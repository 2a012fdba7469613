//! `/tokens`: what programs and agents are let in by, for administrators.

use askama::Template;
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use hyper::{Method, Response};
use serde_json::{Value, json};

use super::super::query;
use super::super::query::segment;
use super::super::read::{List, Token};
use super::super::{Frame, Place, Query, Section, Visit, see_other, shown, written};
use crate::clock::rfc3339;
use crate::http::Body;
use crate::report::problem::Problem;

/// The page.
#[derive(Template)]
#[template(path = "tokens.html")]
pub(super) struct Tokens {
    pub(super) frame: Frame,
    pub(super) rows: Vec<Token>,
    /// A token just made.
    pub(super) secret: Option<String>,
}

pub(super) async fn answer(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    page(&visit, visit.here.clone(), None).await
}

async fn page(visit: &Visit<'_>, here: Place, secret: Option<String>) -> Result<Response<Body>, Problem> {
    let tokens: List<Token> = visit.ask.get("/api/v1/tokens", &Query::default().and("limit", 1000)).await?;
    let frame = Frame::load(&visit.ask, Section::Tokens, "Tokens", here).await;
    let has_secret = secret.is_some();
    let mut response = written(&Tokens { frame, rows: tokens.items, secret })?;
    if has_secret {
        // Nobody who opens this browser later finds it there.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

/// Makes a token. Its page is the answer itself, since the secret is nowhere to be had again.
pub(super) async fn create(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    let form = &visit.form;
    let days = form.get("days").map(str::parse::<i64>).transpose();
    let days = days.map_err(|_| Problem::bad_request("days: a whole number is needed"))?;
    let asked = json!({
        "role": form.get("role"),
        "name": form.get("name"),
        "cluster": form.get("cluster"),
        "expires_at": days.map(|days| rfc3339(visit.ask.now().saturating_add(days.saturating_mul(86_400)))),
    });
    let made: Value = visit.ask.post("/api/v1/tokens", &asked).await?;
    let secret = made["token"].as_str().map(str::to_owned);
    page(&visit, Place::new("/tokens", Query::default()), secret).await
}

/// Ends a token.
pub(super) async fn revoke(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    visit.ask.tell(Method::DELETE, &format!("/api/v1/tokens/{}", segment(visit.place)), Bytes::new()).await?;
    Ok(see_other("/tokens?asked=revoked"))
}

#[cfg(test)]
mod tests {
    use super::super::super::sample;
    use super::*;

    #[test]
    fn a_secret_is_shown_once_and_only_what_holds_can_be_revoked() {
        let frame = || sample::frame(Section::Tokens, "Tokens", "/tokens");
        let rows = vec![sample::token("aa", None), sample::token("bb", Some("2026-11-20T00:00:00Z"))];
        let text = sample::keep("tokens", &Tokens { frame: frame(), rows, secret: Some("weir_x_y".into()) });
        assert!(text.contains("weir_x_y") && text.matches(">Revoke</button>").count() == 1);
        let text = sample::keep("tokens-empty", &Tokens { frame: frame(), rows: Vec::new(), secret: None });
        assert!(text.contains("No token yet") && !text.contains("shown this once"));
    }
}
