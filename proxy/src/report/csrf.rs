//! What a session's own pages send back with everything they change, so that no other page can use the session's cookie.
//!
//! Besides the check of where a request comes from ([`super::origin`]), for browsers that do not say it. Tokens need none: a browser
//! does not send them by itself.

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Method, Request, StatusCode};
use url::form_urlencoded;

use super::body;
use super::problem::Problem;
use super::route::Route;
use crate::auth::Caller;

/// The header that scripts send it in.
const HEADER: &str = "x-csrf-token";
/// The field that forms send it in.
const FIELD: &str = "csrf";
/// The longest form in bytes.
const MAX_FORM: usize = 1 << 20;

/// Lets a request of a session through if it carries what the session's pages were given; its body stays as it was.
///
/// # Errors
/// 403 where it does not; what reading a form meets.
pub(super) async fn guarded<B>(
    route: &Route,
    caller: &Caller,
    request: Request<B>,
) -> Result<Request<Either<B, Full<Bytes>>>, Problem>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if route.method == Method::GET || caller.csrf().is_none() {
        return Ok(request.map(Either::Left));
    }
    if let Some(sent) = request.headers().get(HEADER) {
        let accepted = caller.accepts_csrf(sent.to_str().ok());
        return if accepted { Ok(request.map(Either::Left)) } else { Err(refused()) };
    }
    if !is_form(request.headers()) {
        return Err(refused());
    }
    let (head, form) = request.into_parts();
    let form = body::read(form, MAX_FORM).await?;
    let sent = form_urlencoded::parse(&form).find(|(name, _)| name == FIELD).map(|(_, value)| value);
    if caller.accepts_csrf(sent.as_deref()) {
        Ok(Request::from_parts(head, Either::Right(Full::new(form))))
    } else {
        Err(refused())
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn refused() -> Problem {
    let detail = "a session's requests need the header X-CSRF-Token, or a form's field csrf, with what GET /api/v1/me says; \
                  load the page anew";
    Problem::new(StatusCode::FORBIDDEN, detail)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use weir_config::Role;

    use super::super::route::ROUTES;
    use super::*;
    use crate::auth::How;

    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    const JSON: (&str, &str) = ("content-type", "application/json");

    async fn sent(method: &Method, headers: &[(&str, &str)], body: &'static str) -> Option<String> {
        let route = ROUTES.iter().find(|route| route.method == method).unwrap();
        let how = How::Session { id: "s".into(), csrf: "right".into() };
        let caller = Caller { name: "ada".into(), role: Role::Editor, how };
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap();
        let passed = guarded(route, &caller, request).await.ok()?;
        Some(String::from_utf8(passed.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_change_passes_with_what_its_page_was_given_and_with_its_body() {
        let header = |value| ("X-CSRF-Token", value);
        for (headers, body, passes) in [
            (&[JSON][..], "{}", false),
            (&[JSON, header("right")], "{}", true),
            (&[JSON, header("wrong")], "{}", false),
            (&[FORM], "a=1&csrf=right", true),
            (&[FORM], "a=1&csrf=wrong&csrf=right", false),
            (&[FORM], "a=1", false),
            (&[FORM, header("wrong")], "csrf=right", false),
            (&[("content-type", "text/plain")], "csrf=right", false),
            (&[], "csrf=right", false),
        ] {
            let passed = sent(&Method::POST, headers, body).await;
            assert_eq!(passed.as_deref(), passes.then_some(body), "{headers:?} {body}");
        }
        assert_eq!(sent(&Method::GET, &[], "").await.as_deref(), Some(""));
    }
}
