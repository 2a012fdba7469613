//! Reads a request's path and query once: which upstream, which repository, what of it.
//!
//! The upstream is named by `?ns=HOST` (containerd), else by the first path segment, else it is `docker.io`. It is a key into
//! the configured upstreams and never an address to dial: what is not configured is refused before anything leaves.

use hyper::Method;
use url::form_urlencoded;
use weir_scanner::oci::{Digest, Repository, Selector};

use super::error::{ApiError, ErrorCode};
use crate::pull::Location;

/// What a request asks of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A manifest by tag or digest.
    Manifest(Selector),
    /// A blob.
    Blob(Digest),
    /// The list of tags.
    Tags,
    /// The manifests that refer to one.
    Referrers(Digest),
}

/// A request for something of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The repository.
    pub location: Location,
    /// What of it.
    pub resource: Resource,
    /// The `ns` parameter as it was sent, answered in `OCI-Namespace`.
    pub namespace: Option<String>,
    /// The path before the resource, as the client wrote it (`/v2/docker.io/library/nginx`): links are rewritten onto it.
    pub prefix: String,
    /// The query without `ns`, passed on for tags and referrers.
    pub query: String,
}

/// A parsed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// `/v2/`: does this speak the protocol?
    Ping,
    /// Something of a repository.
    Route(Box<Route>),
}

/// Parses a request's line. `known` tells whether a name is a configured upstream.
///
/// # Errors
/// The OCI error to answer with: a push, an unknown upstream, a malformed name, reference or digest.
pub(super) fn parse(
    method: &Method,
    path: &str,
    query: &str,
    known: impl Fn(&str) -> bool,
) -> Result<Request, ApiError> {
    if method != Method::GET && method != Method::HEAD {
        return Err(ApiError::new(ErrorCode::Unsupported, "weir is a mirror: it takes no pushes and deletes nothing"));
    }
    let path = percent_decode(path).ok_or_else(|| ApiError::new(ErrorCode::NameInvalid, "the path is not UTF-8"))?;
    let not_found = || ApiError::new(ErrorCode::NameUnknown, "no such endpoint of the distribution API").status(404);
    let rest = match path.strip_prefix("/v2") {
        Some("" | "/") => return Ok(Request::Ping),
        Some(rest) => rest.strip_prefix('/').ok_or_else(not_found)?,
        None => return Err(not_found()),
    };
    let (name, kind, last) = split(rest).ok_or_else(not_found)?;
    let resource = match kind {
        "manifests" => Resource::Manifest(
            Selector::parse(last).map_err(|error| ApiError::new(ErrorCode::ManifestInvalid, error.to_string()))?,
        ),
        "blobs" => Resource::Blob(parse_digest(last)?),
        "referrers" => Resource::Referrers(parse_digest(last)?),
        _ => Resource::Tags,
    };
    let namespace =
        form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "ns").map(|(_, value)| value.into_owned());
    let location = locate(name, namespace.as_deref(), known)?;
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key != "ns"))
        .finish();
    Ok(Request::Route(Box::new(Route { location, resource, namespace, prefix: format!("/v2/{name}"), query })))
}

/// Splits `NAME/manifests/REF`, `NAME/blobs/DIGEST`, `NAME/referrers/DIGEST` and `NAME/tags/list`.
fn split(rest: &str) -> Option<(&str, &str, &str)> {
    let (head, last) = rest.rsplit_once('/')?;
    let (name, kind) = head.rsplit_once('/')?;
    let known = matches!(kind, "manifests" | "blobs" | "referrers") || (kind == "tags" && last == "list");
    (known && !name.is_empty()).then_some((name, kind, last))
}

fn parse_digest(text: &str) -> Result<Digest, ApiError> {
    Digest::parse(text).map_err(|error| ApiError::new(ErrorCode::DigestInvalid, error.to_string()))
}

fn locate(name: &str, namespace: Option<&str>, known: impl Fn(&str) -> bool) -> Result<Location, ApiError> {
    let unknown = |upstream: &str| {
        let shown: String = upstream.chars().take(80).collect();
        ApiError::new(ErrorCode::NameUnknown, format!("{shown:?} is not a configured upstream of this mirror"))
            .status(404)
    };
    let (upstream, repository) = match (namespace, name.split_once('/')) {
        (Some(namespace), _) => {
            let upstream = canonical(namespace);
            if !known(&upstream) {
                return Err(unknown(namespace));
            }
            // A client configured with both a prefix and `ns` names its upstream twice.
            (upstream.clone(), name.strip_prefix(&upstream).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name))
        }
        (None, Some((first, rest))) if known(&canonical(first)) => (canonical(first), rest),
        (None, Some((first, _))) if first.contains(['.', ':']) || first == "localhost" => return Err(unknown(first)),
        (None, _) if known("docker.io") => ("docker.io".to_owned(), name),
        (None, _) => return Err(unknown("docker.io")),
    };
    let invalid = |error: weir_scanner::oci::InvalidReference| ApiError::new(ErrorCode::NameInvalid, error.to_string());
    let repository = Repository::parse(repository).and_then(|repository| repository.on(&upstream)).map_err(invalid)?;
    Ok(Location { upstream, repository })
}

/// Docker Hub's other names mean `docker.io`.
fn canonical(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    if matches!(name.as_str(), "index.docker.io" | "registry-1.docker.io") { "docker.io".into() } else { name }
}

fn percent_decode(path: &str) -> Option<String> {
    if !path.contains('%') {
        return Some(path.to_owned());
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let digits = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok())?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn known(name: &str) -> bool {
        matches!(name, "docker.io" | "ghcr.io" | "localhost:5001")
    }

    fn route(path: &str, query: &str) -> Result<Route, ApiError> {
        match parse(&Method::GET, path, query, known)? {
            Request::Route(route) => Ok(*route),
            Request::Ping => panic!("a ping"),
        }
    }

    #[test]
    fn the_upstream_is_named_by_ns_then_by_prefix_then_it_is_docker_hub() {
        for (path, query, location) in [
            ("/v2/library/nginx/manifests/1", "ns=docker.io", "docker.io/library/nginx"),
            ("/v2/nginx/manifests/1", "ns=docker.io", "docker.io/library/nginx"),
            ("/v2/nginx/manifests/1", "", "docker.io/library/nginx"),
            ("/v2/nginx/manifests/1", "ns=registry-1.docker.io", "docker.io/library/nginx"),
            ("/v2/nginx/manifests/1", "ns=ghcr.io", "ghcr.io/nginx"),
            ("/v2/ghcr.io/a/b/manifests/1", "", "ghcr.io/a/b"),
            ("/v2/ghcr.io/a/b/manifests/1", "ns=ghcr.io", "ghcr.io/a/b"),
            ("/v2/localhost%3A5001/a/manifests/1", "", "localhost:5001/a"),
            ("/v2/docker.io/nginx/tags/list", "n=5", "docker.io/library/nginx"),
        ] {
            assert_eq!(route(path, query).unwrap().location.to_string(), location, "{path}?{query}");
        }
    }

    #[test]
    fn an_unknown_upstream_is_refused_as_an_unknown_name() {
        for (path, query) in [
            ("/v2/a/manifests/1", "ns=evil.example"),
            ("/v2/evil.example/a/manifests/1", ""),
            ("/v2/169.254.169.254/latest/manifests/1", ""),
            ("/v2/a/manifests/1", "ns=http%3A%2F%2Flocalhost"),
        ] {
            let error = route(path, query).unwrap_err();
            assert_eq!((error.code(), error.status_code()), (ErrorCode::NameUnknown, 404), "{path}?{query}");
        }
    }

    #[test]
    fn resources_are_read_from_the_end_of_the_path() {
        let blob = route(&format!("/v2/manifests/blobs/{DIGEST}"), "").unwrap();
        assert_eq!(blob.resource, Resource::Blob(Digest::parse(DIGEST).unwrap()));
        assert_eq!(blob.location.repository.as_str(), "library/manifests");
        let tags = route("/v2/ghcr.io/a/b/tags/list", "ns=ghcr.io&n=5&last=x").unwrap();
        assert_eq!(
            (tags.resource, tags.query.as_str(), tags.prefix.as_str()),
            (Resource::Tags, "n=5&last=x", "/v2/ghcr.io/a/b")
        );
        assert_eq!(tags.namespace.as_deref(), Some("ghcr.io"));
        assert_eq!(parse(&Method::HEAD, "/v2/", "", known).unwrap(), Request::Ping);
    }

    #[test]
    fn what_is_malformed_gets_its_own_code() {
        for (path, code) in [
            ("/v2/A/manifests/1", ErrorCode::NameInvalid),
            ("/v2/a/../b/manifests/1", ErrorCode::NameInvalid),
            ("/v2/a/manifests/sha256:1", ErrorCode::ManifestInvalid),
            ("/v2/a/blobs/md5:1", ErrorCode::DigestInvalid),
            ("/v2/a/referrers/x", ErrorCode::DigestInvalid),
            ("/v2/_catalog", ErrorCode::NameUnknown),
            ("/v1/a", ErrorCode::NameUnknown),
        ] {
            assert_eq!(route(path, "").unwrap_err().code(), code, "{path}");
        }
    }

    #[test]
    fn pushes_are_unsupported() {
        for method in [Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
            let error = parse(&method, "/v2/a/blobs/uploads/", "", known).unwrap_err();
            assert_eq!((error.code(), error.status_code()), (ErrorCode::Unsupported, 405), "{method}");
        }
    }
}
