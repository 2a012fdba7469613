//! Keeps pages of other sites from changing anything: a browser sends them to a loopback address as readily as its user.
//!
//! Follows the Fetch Metadata request headers (W3C) and, for browsers without them, `Origin` (RFC 6454). Programs send
//! neither, and are let through.

use hyper::header::{HOST, ORIGIN};
use hyper::{HeaderMap, Request, StatusCode, Uri};
use url::Url;

use super::problem::Problem;

/// Refuses a request that a browser made for a page of another origin than the request's and `public`, the address people have of the
/// report: proxies may ask for it under another.
///
/// # Errors
/// 403 with what gave it away.
pub(super) fn refuse_cross_site<B>(request: &Request<B>, public: Option<&Url>) -> Result<(), Problem> {
    let headers = request.headers();
    let site = text(headers, "sec-fetch-site");
    if let Some(site) = site.filter(|site| !matches!(*site, "same-origin" | "none")) {
        return Err(refused(&format!("Sec-Fetch-Site is {site:?}")));
    }
    let Some(origin) = text(headers, ORIGIN.as_str()) else { return Ok(()) };
    if public.is_some_and(|public| public.origin().ascii_serialization() == origin) {
        return Ok(());
    }
    let host = host(headers, request.uri());
    if host.is_some_and(|host| is_of(origin, host)) { Ok(()) } else { Err(refused(&format!("Origin is {origin:?}"))) }
}

/// The host and port that a request asks for; HTTP/2 names them in its URI.
pub(super) fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    text(headers, HOST.as_str()).or_else(|| uri.authority().map(|authority| authority.as_str()))
}

/// Whether an origin is the host a request was sent to. Behind a proxy that ends TLS the schemes differ, so they are not compared.
fn is_of(origin: &str, host: &str) -> bool {
    let Ok(origin) = Url::parse(origin) else { return false };
    let Ok(asked) = Url::parse(&format!("{}://{host}", origin.scheme())) else { return false };
    origin.host_str().is_some() && origin.host() == asked.host() && origin.port() == asked.port()
}

/// A header's value; one that is not text is as good as a strange one.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("not text"))
}

fn refused(why: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, format!("a page of another site may not change anything here: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_let_through(headers: &[(&str, &str)]) -> bool {
        let mut request = Request::post("/api/v1/advisories/refresh");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let public = Url::parse("https://weir.example.org/").unwrap();
        refuse_cross_site(&request.body(()).unwrap(), Some(&public)).is_ok()
    }

    #[test]
    fn only_pages_of_the_same_origin_and_programs_may_change_anything() {
        let host = ("host", "127.0.0.1:9090");
        for (headers, passes) in [
            (&[host][..], true),
            (&[host, ("sec-fetch-site", "same-origin")], true),
            (&[host, ("sec-fetch-site", "none")], true),
            (&[host, ("sec-fetch-site", "same-site")], false),
            (&[host, ("sec-fetch-site", "cross-site")], false),
            (&[host, ("origin", "http://127.0.0.1:9090")], true),
            (&[host, ("origin", "https://127.0.0.1:9090")], true),
            (&[host, ("origin", "http://127.0.0.1:9091")], false),
            (&[host, ("origin", "http://127.0.0.1")], false),
            (&[host, ("origin", "http://attacker.example")], false),
            (&[host, ("origin", "null")], false),
            (&[("origin", "http://127.0.0.1:9090")], false),
            (&[("host", "weir.example"), ("origin", "https://weir.example")], true),
            (&[host, ("origin", "https://weir.example.org")], true),
            (&[host, ("origin", "http://weir.example.org")], false),
            (&[host, ("origin", "https://weir.example.org"), ("sec-fetch-site", "cross-site")], false),
            (&[host, ("origin", "http://127.0.0.1:9090"), ("sec-fetch-site", "cross-site")], false),
        ] {
            assert_eq!(is_let_through(headers), passes, "{headers:?}");
        }
    }
}
