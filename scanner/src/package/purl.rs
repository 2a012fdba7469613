//! Package URLs, after the package URL specification (ECMA-427) and its types' rules.

use std::fmt::Write as _;

use super::{Distribution, Package, PackageType};

/// The package URL of `package`, with a distribution's namespace and qualifiers for packages it installs:
/// `pkg:deb/debian/libssl3@3.0.11-1~deb12u1?arch=amd64&distro=debian-12`.
pub fn package_url(package: &Package, distribution: Option<&Distribution>) -> String {
    let system = package.package_type.is_system();
    let (scope, name) = match package.package_type {
        PackageType::Npm => {
            package.name.rsplit_once('/').map_or((None, &*package.name), |(scope, name)| (Some(scope), name))
        }
        _ => (None, &*package.name),
    };
    let namespace = if system { Some(vendor(package.package_type, distribution)) } else { scope };
    let lowercase = matches!(package.package_type, PackageType::Apk | PackageType::Deb | PackageType::Pypi);
    let mut url = format!("pkg:{}/", package.package_type.name());
    if let Some(namespace) = namespace {
        encode(&mut url, namespace, system);
        url.push('/');
    }
    encode(&mut url, name, lowercase);
    url.push('@');
    encode(&mut url, &package.version, false);
    let mut separator = '?';
    let release = distribution.filter(|release| system && !release.version.is_empty());
    let distro = release.map(|release| format!("{}-{}", release.id, release.version));
    // Qualifiers are sorted by key.
    for (key, value) in [("arch", package.architecture.as_ref().filter(|_| system)), ("distro", distro.as_ref())] {
        if let Some(value) = value {
            url.push(separator);
            url.push_str(key);
            url.push('=');
            encode(&mut url, value, false);
            separator = '&';
        }
    }
    url
}

/// The namespace of a system package: the distribution, else the one the type is named for.
fn vendor(package_type: PackageType, distribution: Option<&Distribution>) -> &str {
    match (distribution, package_type) {
        (Some(distribution), _) => &distribution.id,
        (None, PackageType::Apk) => "alpine",
        (None, PackageType::Rpm) => "redhat",
        (None, _) => "debian",
    }
}

/// Percent-encodes all but letters, digits, `.-_~` and the colon.
fn encode(url: &mut String, text: &str, lowercase: bool) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' if lowercase => url.push(char::from(byte.to_ascii_lowercase())),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => url.push(char::from(byte)),
            _ => write!(url, "%{byte:02X}").expect("a String takes every write"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(package_type: PackageType, name: &str, version: &str, release: Option<(&str, &str)>) -> String {
        let package = Package {
            package_type,
            name: name.into(),
            version: version.into(),
            architecture: package_type.is_system().then(|| "amd64".into()),
            source: None,
            packager: None,
            module: None,
        };
        let distribution =
            release.map(|(id, version)| Distribution { id: id.into(), version: version.into(), pretty_name: None });
        package_url(&package, distribution.as_ref())
    }

    #[test]
    fn urls_follow_their_types_rules() {
        use PackageType::{Apk, Deb, Npm, Pypi};
        let debian = Some(("debian", "12"));
        for (actual, expected) in [
            (
                url(Deb, "libssl3", "3.0.11-1~deb12u1", debian),
                "pkg:deb/debian/libssl3@3.0.11-1~deb12u1?arch=amd64&distro=debian-12",
            ),
            (url(Deb, "g++", "4:12.2.0-3", Some(("debian", ""))), "pkg:deb/debian/g%2B%2B@4:12.2.0-3?arch=amd64"),
            (url(Deb, "a", "1+b1", None), "pkg:deb/debian/a@1%2Bb1?arch=amd64"),
            (
                url(Apk, "musl", "1.2.4-r2", Some(("alpine", "3.20.1"))),
                "pkg:apk/alpine/musl@1.2.4-r2?arch=amd64&distro=alpine-3.20.1",
            ),
            (url(Pypi, "django", "3.2", debian), "pkg:pypi/django@3.2"),
            (url(Npm, "@scope/name", "1.0.0+b", debian), "pkg:npm/%40scope/name@1.0.0%2Bb"),
            (url(Npm, "JSONStream", "1.0.0", None), "pkg:npm/JSONStream@1.0.0"),
        ] {
            assert_eq!(actual, expected);
        }
    }
}
