//! Redirects, followed by hand: where to, how often, and with what.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderMap, LOCATION};
use hyper::{Method, Response, StatusCode};
use url::Url;

use super::error::{Asked, RedirectRefusal, UpstreamError};
use super::transport::{Purpose, Transport};

/// Most redirects in a row.
const MAX_REDIRECTS: usize = 5;

/// An answer, and whether it comes from the place that was asked.
pub(crate) struct Arrived {
    pub(crate) response: Response<Incoming>,
    /// Whether a redirect led to another scheme, host or port.
    pub(crate) elsewhere: bool,
}

/// Sends a request and follows redirects. `Authorization` goes no further than the place it was meant for: it is dropped
/// for good at the first hop to another scheme, host or port.
pub(crate) async fn follow(
    transport: &Transport,
    purpose: Purpose,
    method: &Method,
    url: &Url,
    mut headers: HeaderMap,
    asked: &Arc<Asked>,
) -> Result<Arrived, UpstreamError> {
    let mut visited = vec![url.clone()];
    let mut elsewhere = false;
    loop {
        let at = visited.last().expect("starts with one and only grows");
        let response = transport.send(purpose, method, at, headers.clone(), asked).await?;
        if !is_redirect(response.status()) {
            return Ok(Arrived { response, elsewhere });
        }
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let next =
            next(&visited, location).map_err(|refusal| UpstreamError::Redirect { asked: asked.clone(), refusal })?;
        if !same_origin(at, &next) {
            headers.remove(AUTHORIZATION);
            elsewhere = true;
        }
        visited.push(next);
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host() == b.host() && a.port_or_known_default() == b.port_or_known_default()
}

/// Where `location` leads from the last of the places visited so far.
fn next(visited: &[Url], location: Option<&str>) -> Result<Url, RedirectRefusal> {
    let (Some(at), Some(location)) = (visited.last(), location) else { return Err(RedirectRefusal::NoLocation) };
    let mut next = at.join(location).map_err(|_| RedirectRefusal::NoLocation)?;
    next.set_fragment(None);
    let plain = next.username().is_empty() && next.password().is_none();
    if !matches!(next.scheme(), "http" | "https") || !next.has_host() || !plain {
        return Err(RedirectRefusal::NoLocation);
    }
    if at.scheme() == "https" && next.scheme() == "http" {
        return Err(RedirectRefusal::Downgrade(next.host_str().unwrap_or_default().to_owned()));
    }
    if visited.contains(&next) {
        return Err(RedirectRefusal::Loop);
    }
    if visited.len() > MAX_REDIRECTS {
        return Err(RedirectRefusal::TooMany(MAX_REDIRECTS));
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn places() {
        let visited: Vec<Url> =
            ["https://r.example/v2/a", "https://r.example/b/c"].map(|url| url.parse().unwrap()).to_vec();
        let next = |location| next(&visited, Some(location)).map(|url| url.to_string());
        assert_eq!(next("https://cdn.example/x?sig=1#f"), Ok("https://cdn.example/x?sig=1".to_owned()));
        assert_eq!(next("/x"), Ok("https://r.example/x".to_owned()));
        assert_eq!(next("d"), Ok("https://r.example/b/d".to_owned()));
        assert_eq!(next("//cdn.example/x"), Ok("https://cdn.example/x".to_owned()));
        assert_eq!(next("/v2/a"), Err(RedirectRefusal::Loop));
        assert_eq!(next("http://r.example/x"), Err(RedirectRefusal::Downgrade("r.example".to_owned())));
        for none in ["https://", "ftp://x/y", "https://user:pw@x/y", "data:x"] {
            assert_eq!(next(none), Err(RedirectRefusal::NoLocation), "{none}");
        }
        let many: Vec<Url> = (0..6).map(|n| format!("https://r.example/{n}").parse().unwrap()).collect();
        assert_eq!(super::next(&many, Some("/7")), Err(RedirectRefusal::TooMany(5)));
        assert_eq!(super::next(&many, None), Err(RedirectRefusal::NoLocation));
    }
}
