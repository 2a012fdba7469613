//! Tags and referrers, with links that lead back here.

use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, LINK};
use weir_scanner::oci::Digest;

use super::error::{ApiError, Asked};
use super::{Mirror, Route};
use crate::http::{Body, full};
use crate::pull::{Identity, Listing};

const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

impl Mirror {
    pub(super) async fn tags(&self, route: &Route, identity: &Identity) -> Result<Response<Body>, ApiError> {
        let listing = self.puller.tags(&route.location, &route.query, identity).await;
        let listing = listing.map_err(|error| self.failed(route, Asked::Manifest, &error))?;
        Ok(answer(route, "tags/list", listing, "application/json"))
    }

    pub(super) async fn referrers(
        &self,
        route: &Route,
        digest: Digest,
        identity: &Identity,
    ) -> Result<Response<Body>, ApiError> {
        let listing = self.puller.referrers(&route.location, digest, &route.query, identity).await;
        let listing = listing.map_err(|error| self.failed(route, Asked::Manifest, &error))?;
        Ok(answer(route, &format!("referrers/{digest}"), listing, "application/vnd.oci.image.index.v1+json"))
    }
}

fn answer(route: &Route, tail: &str, listing: Listing, media_type: &'static str) -> Response<Body> {
    let mut response = Response::new(full(listing.bytes));
    let headers = response.headers_mut();
    // Clients compare the type exactly; what the upstream adds to it (a charset) is dropped.
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Some(link) = listing.link.as_deref().and_then(|link| next_link(route, tail, link)) {
        headers.insert(LINK, link);
    }
    if let Some(filters) = listing.filters_applied.and_then(|filters| HeaderValue::from_str(&filters).ok()) {
        headers.insert(FILTERS_APPLIED, filters);
    }
    response
}

/// The upstream's `<…?last=x&n=5>; rel="next"` as a link to the same page through weir.
fn next_link(route: &Route, tail: &str, link: &str) -> Option<HeaderValue> {
    let (target, relation) = link.trim().strip_prefix('<')?.split_once('>')?;
    if !relation.contains("rel=\"next\"") && !relation.contains("rel=next") {
        return None;
    }
    let query = target.split_once('?')?.1;
    let namespace = route.namespace.as_ref().map(|namespace| format!("&ns={namespace}")).unwrap_or_default();
    HeaderValue::from_str(&format!("<{}/{tail}?{query}{namespace}>; rel=\"next\"", route.prefix)).ok()
}

#[cfg(test)]
mod tests {
    use hyper::Method;

    use super::super::route::{Request, parse};
    use super::*;

    fn route(path: &str, query: &str) -> Route {
        match parse(&Method::GET, path, query, |name| name == "docker.io").unwrap() {
            Request::Route(route) => *route,
            Request::Ping => panic!("a ping"),
        }
    }

    #[test]
    fn the_next_page_lies_here_and_names_the_upstream_again() {
        let upstream = "</v2/library/nginx/tags/list?last=1.27&n=2>; rel=\"next\"";
        for (path, query, expected) in [
            ("/v2/docker.io/nginx/tags/list", "n=2", "</v2/docker.io/nginx/tags/list?last=1.27&n=2>; rel=\"next\""),
            (
                "/v2/library/nginx/tags/list",
                "ns=docker.io",
                "</v2/library/nginx/tags/list?last=1.27&n=2&ns=docker.io>; rel=\"next\"",
            ),
        ] {
            assert_eq!(next_link(&route(path, query), "tags/list", upstream).unwrap(), expected);
        }
        let absolute = "<https://registry.example/v2/a/tags/list?n=2&last=x>; rel=\"next\"";
        let here = next_link(&route("/v2/a/tags/list", ""), "tags/list", absolute).unwrap();
        assert_eq!(here, "</v2/a/tags/list?n=2&last=x>; rel=\"next\"");
        assert_eq!(next_link(&route("/v2/a/tags/list", ""), "tags/list", "</x?y>; rel=\"prev\""), None);
    }
}
