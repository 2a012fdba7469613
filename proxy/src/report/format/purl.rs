//! The package URL of an image, and the parts of a package's name, after the package URL specification.

use std::fmt::Write as _;

use weir_scanner::oci::{Digest, Reference};

/// `pkg:oci/NAME@DIGEST`, for an image known under a canonical reference: what a directory or file is called is none.
pub(in crate::report) fn image(reference: &str, digest: &Digest, platform: Option<&str>) -> Option<String> {
    let parsed: Reference = reference.parse().ok()?;
    if parsed.to_string() != reference || parsed.upstream.ends_with(':') {
        return None;
    }
    let repository = parsed.repository.as_str();
    let name = repository.rsplit('/').next().unwrap_or(repository);
    let mut url = format!("pkg:oci/{}@{}", encode(name), encode(&digest.to_string()));
    let architecture = platform.and_then(|platform| platform.split('/').nth(1)).map(str::to_owned);
    let at = Some(format!("{}/{repository}", parsed.upstream));
    let tag = parsed.tag.map(|tag| tag.to_string());
    let mut separator = '?';
    // Qualifiers are sorted by key.
    for (key, value) in [("arch", architecture), ("repository_url", at), ("tag", tag)] {
        if let Some(value) = value {
            write!(url, "{separator}{key}={}", encode(&value)).expect("a String takes every write");
            separator = '&';
        }
    }
    Some(url)
}

/// `pkg:oci/NAME?repository_url=…`, for every image of a repository, `<upstream>/<repository>`.
pub(in crate::report) fn repository(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    format!("pkg:oci/{}?repository_url={}", encode(last), encode(name))
}

/// A package's name as namespace and name, where its type has namespaces.
pub(super) fn split_name<'a>(package_type: &str, name: &'a str) -> (Option<&'a str>, &'a str) {
    let parts = match package_type {
        "npm" | "composer" => name.rsplit_once('/'),
        "maven" => name.split_once(':'),
        _ => None,
    };
    parts.map_or((None, name), |(namespace, name)| (Some(namespace), name))
}

/// Percent-encodes all but letters, digits, `.-_~` and the colon.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => {
                encoded.push(char::from(byte))
            }
            _ => write!(encoded, "%{byte:02X}").expect("a String takes every write"),
        }
    }
    encoded
}

/// A path inside the image as a relative URI reference of RFC 3986, whose first segment holds no colon.
pub(super) fn uri_path(path: &str) -> String {
    let segments: Vec<String> =
        path.trim_start_matches('/').split('/').map(|segment| encode(segment).replace(':', "%3A")).collect();
    segments.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_registries_have_package_urls() {
        let digest = Digest::of(b"");
        let expected = format!("pkg:oci/nginx@{digest}?arch=amd64&repository_url=docker.io%2Flibrary%2Fnginx&tag=1.27");
        assert_eq!(image("docker.io/library/nginx:1.27", &digest, Some("linux/amd64")), Some(expected));
        let by_digest = format!("ghcr.io/a/b@{digest}");
        assert_eq!(
            image(&by_digest, &digest, None),
            Some(format!("pkg:oci/b@{digest}?repository_url=ghcr.io%2Fa%2Fb"))
        );
        for other in ["dir:/tmp/root", "oci:/tmp/layout:1", "oci:layout", "docker-archive:x.tar", "nginx", "a b", ""] {
            assert_eq!(image(other, &digest, None), None, "{other}");
        }
    }

    #[test]
    fn a_repository_has_a_package_url() {
        let expected = "pkg:oci/nginx?repository_url=docker.io%2Flibrary%2Fnginx";
        assert_eq!(repository("docker.io/library/nginx"), expected);
    }

    #[test]
    fn names_and_paths_fall_into_their_parts() {
        assert_eq!(split_name("npm", "@scope/name"), (Some("@scope"), "name"));
        assert_eq!(split_name("npm", "name"), (None, "name"));
        assert_eq!(split_name("maven", "org.a:b"), (Some("org.a"), "b"));
        assert_eq!(split_name("golang", "example.org/a/b"), (None, "example.org/a/b"));
        assert_eq!(uri_path("/opt/a b:c.jar!/ü"), "opt/a%20b%3Ac.jar%21/%C3%BC");
    }
}
