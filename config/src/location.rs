//! Owns what all URLs in settings have in common.

use std::path::{Path, PathBuf};

use url::{Host, Url};

/// Where advisories or lists come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An `https` or `http` URL.
    Url(Url),
    /// A directory on this machine, or a file where one file is wanted.
    Directory(PathBuf),
    /// An artifact in a registry: `HOST/REPOSITORY[:TAG][@DIGEST]`. Only feeds may come from one.
    Artifact(String),
}

/// Reads an absolute `https` or `http` URL without credentials and without a fragment.
///
/// No message repeats the text, because a URL that is refused for its password holds one.
pub(crate) fn web_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("expected a URL: {error}"))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err("expected an https or http URL".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL must not hold a user name or password".to_owned());
    }
    if url.fragment().is_some() {
        return Err("a URL's fragment (after #) is never sent; leave it out".to_owned());
    }
    Ok(url)
}

/// Reads what comes after `oci://`: an artifact of one of the registries in `upstreams`.
pub(crate) fn artifact(text: &str, upstreams: &[String]) -> Result<Source, String> {
    let (host, name) = text.split_once('/').unwrap_or_default();
    if host.is_empty() || name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '?' || c == '#') {
        return Err("expected an artifact such as oci://registry.example/weir/advisories:latest".to_owned());
    }
    if !upstreams.iter().any(|upstream| upstream == host) {
        return Err(format!("{host} is no upstream: an [[upstream]] of this name says how it is reached"));
    }
    Ok(Source::Artifact(text.to_owned()))
}

/// Reads a URL, or a path that starts at `base` when it is relative. A `file` URL is a path.
pub(crate) fn source(text: &str, base: &Path) -> Result<Source, String> {
    if !text.contains("://") {
        return Ok(Source::Directory(base.join(text)));
    }
    // Schemes are case-insensitive, RFC 3986 section 3.1.
    if text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("file:")) {
        return Url::parse(text)
            .ok()
            .and_then(|url| url.to_file_path().ok())
            .map(Source::Directory)
            .ok_or_else(|| "expected a file URL such as file:///srv/advisories".to_owned());
    }
    web_url(text).map(Source::Url)
}

/// Whether a URL goes over a network without encryption.
pub(crate) fn is_exposed(url: &Url) -> bool {
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && !loopback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_do_not_repeat_a_password() {
        let refused = web_url("https://robot:hunter2@example.org/").unwrap_err();
        assert!(refused.contains("password") && !refused.contains("hunter2"));
        for text in ["ftp://a.b", "a.b", "//a.b", "https://", "https://a.b/#c", "https://a b"] {
            assert!(web_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sources_are_urls_and_paths() {
        let base = Path::new("/etc/weir");
        let directory = |path: &str| Ok(Source::Directory(PathBuf::from(path)));
        assert_eq!(source("advisories", base), directory("/etc/weir/advisories"));
        assert_eq!(source("/srv/a", base), directory("/srv/a"));
        assert_eq!(source("FILE:///srv/a", base), directory("/srv/a"));
        assert_eq!(source("https://a.b/c", base), Ok(Source::Url(Url::parse("https://a.b/c").unwrap())));
        assert!(source("file://host/srv", base).is_err());
        assert!(source("s3://bucket", base).is_err());
    }

    #[test]
    fn artifacts_are_of_configured_registries() {
        let upstreams = ["registry.example".to_owned()];
        let text = "registry.example/weir/advisories:latest";
        assert_eq!(artifact(text, &upstreams), Ok(Source::Artifact(text.to_owned())));
        for text in ["other.example/a:1", "registry.example", "registry.example/", "/a", "registry.example/a b"] {
            assert!(artifact(text, &upstreams).is_err(), "{text}");
        }
        assert!(source("oci://registry.example/a", Path::new("/")).is_err(), "not where a file is wanted");
    }

    #[test]
    fn only_plain_http_beyond_this_machine_is_exposed() {
        let exposed = |text: &str| is_exposed(&Url::parse(text).unwrap());
        assert!(exposed("http://a.b"));
        assert!(exposed("http://10.0.0.1"));
        for text in ["https://a.b", "http://localhost:1", "http://127.9.9.9", "http://[::1]"] {
            assert!(!exposed(text), "{text}");
        }
    }
}
