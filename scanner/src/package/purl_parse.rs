//! Reads package URLs, after the package URL specification (ECMA-427) and its types' rules.
//!
//! Lenient where tools are careless: a scope's `@` and a version's `/` may stand unencoded, and slashes may follow the scheme.

use std::borrow::Cow;

use thiserror::Error;

use super::{Package, PackageType, SourcePackage};

/// Why a text is no package URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PurlError {
    /// The scheme is another.
    #[error("the text does not start with pkg:")]
    NotPurl,
    /// No type or no name.
    #[error("the package URL has no type or no name")]
    Incomplete,
    /// A percent sign is followed by something else than two hexadecimal digits, or the bytes are no UTF-8.
    #[error("the package URL's encoding is broken")]
    Encoding,
}

/// A package URL in its parts, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageUrl<'a> {
    /// The type's name, in lower case; whether weir knows it is [`PackageType::parse`]'s to say.
    pub type_name: String,
    /// What stands between type and name, its parts joined by slashes.
    pub namespace: Option<Cow<'a, str>>,
    /// The name.
    pub name: Cow<'a, str>,
    /// The version.
    pub version: Option<Cow<'a, str>>,
    qualifiers: &'a str,
}

impl<'a> PackageUrl<'a> {
    /// Reads a package URL.
    pub fn parse(text: &'a str) -> Result<Self, PurlError> {
        let (scheme, rest) = text.trim().split_once(':').ok_or(PurlError::NotPurl)?;
        if !scheme.eq_ignore_ascii_case("pkg") {
            return Err(PurlError::NotPurl);
        }
        let rest = rest.rsplit_once('#').map_or(rest, |(rest, _subpath)| rest);
        let (rest, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
        let (type_name, rest) = rest.trim_start_matches('/').split_once('/').ok_or(PurlError::Incomplete)?;
        let (path, version) = split_version(rest.trim_matches('/'));
        let (namespace, name) = match path.trim_end_matches('/').rsplit_once('/') {
            Some((namespace, name)) => (Some(namespace.trim_matches('/')).filter(|text| !text.is_empty()), name),
            None => (None, path),
        };
        if type_name.is_empty() || name.is_empty() {
            return Err(PurlError::Incomplete);
        }
        Ok(Self {
            type_name: type_name.to_ascii_lowercase(),
            namespace: namespace.map(decode).transpose()?,
            name: decode(name)?,
            version: version.map(decode).transpose()?,
            qualifiers,
        })
    }

    /// The value of a qualifier; `None` where it is missing, empty or broken.
    pub fn qualifier(&self, key: &str) -> Option<Cow<'a, str>> {
        let pairs = self.qualifiers.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(key))?;
        decode(value).ok().filter(|value| !value.is_empty())
    }

    /// Whether it names a source package, which is installed nowhere.
    pub fn is_source(&self) -> bool {
        self.qualifier("arch").is_some_and(|arch| matches!(&*arch, "source" | "src" | "nosrc"))
    }

    /// The package it names, spelled as its type's detectors and advisories do; `stated` is its version where the URL has none.
    /// `None` where the type is unknown, the package is a source, or no version is known. The packager of a system package is
    /// the distribution its URL names, for a program may bring another distribution's libraries along.
    pub fn package(&self, stated: Option<&str>) -> Option<Package> {
        let package_type = PackageType::parse(&self.type_name).filter(|_| !self.is_source())?;
        let version = self.version.as_deref().filter(|version| !version.is_empty()).or(stated)?;
        let version = match self.qualifier("epoch").filter(|epoch| epoch != "0") {
            Some(epoch) if package_type == PackageType::Rpm && !version.contains(':') => format!("{epoch}:{version}"),
            _ => version.to_owned(),
        };
        let name = spelled(package_type, self.namespace.as_deref(), &self.name);
        let architecture = self.qualifier("arch").map(Cow::into_owned);
        let source = self.source(package_type, &name, &version);
        let module = self.qualifier("rpmmod").map(Cow::into_owned).filter(|_| package_type == PackageType::Rpm);
        let packager = self.namespace.as_deref().map(str::to_lowercase).filter(|_| package_type.is_system());
        Some(Package { architecture, source, packager, module, ..Package::new(package_type, name, version) })
    }

    /// The source package: what the `upstream` qualifier says, `NAME`, `NAME@VERSION` or an RPM's `NAME-VERSION-RELEASE.src.rpm`; else
    /// the binary package's own name where the type has sources.
    fn source(&self, package_type: PackageType, name: &str, version: &str) -> Option<SourcePackage> {
        if !matches!(package_type, PackageType::Apk | PackageType::Deb | PackageType::Rpm) {
            return None;
        }
        let upstream = self.qualifier("upstream");
        let upstream = upstream.as_deref().unwrap_or(name);
        let rpm = upstream.strip_suffix(".rpm").and_then(|file| {
            let (stem, _architecture) = file.rsplit_once('.')?;
            let (_, release) = stem.rsplit_once('-')?;
            let (name, version) = stem[..stem.len() - release.len() - 1].rsplit_once('-')?;
            Some((name, stem.get(stem.len() - version.len() - release.len() - 1..)?))
        });
        let (source, version) = rpm.or_else(|| upstream.split_once('@')).unwrap_or((upstream, version));
        Some(SourcePackage { name: source.to_owned(), version: version.to_owned() })
    }
}

/// Splits off the version at the last `@` that does not begin a part of the path.
fn split_version(path: &str) -> (&str, Option<&str>) {
    let begins_part = |at: usize| at == 0 || path.as_bytes()[at - 1] == b'/';
    match path.rmatch_indices('@').find(|(at, _)| !begins_part(*at)) {
        Some((at, _)) => (&path[..at], Some(&path[at + 1..])),
        None => (path, None),
    }
}

/// The name as detectors and advisories of the type spell it.
fn spelled(package_type: PackageType, namespace: Option<&str>, name: &str) -> String {
    let joined = |separator: &str| match namespace {
        Some(namespace) => format!("{namespace}{separator}{name}"),
        None => name.to_owned(),
    };
    match package_type {
        PackageType::Maven => joined(":"),
        PackageType::Golang | PackageType::Npm | PackageType::Swift => joined("/"),
        PackageType::Composer => joined("/").to_lowercase(),
        PackageType::Pypi => super::python_name(name),
        PackageType::Nuget | PackageType::Hex => name.to_lowercase(),
        // The namespace is a distribution, a user or a channel, which is no part of the name.
        _ => name.to_owned(),
    }
}

fn decode(text: &str) -> Result<Cow<'_, str>, PurlError> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let (digits, rest) = part.as_bytes().split_at_checked(2).ok_or(PurlError::Encoding)?;
        let [high, low] = [digits[0], digits[1]].map(|digit| char::from(digit).to_digit(16));
        let byte = high.zip(low).and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
        bytes.push(byte.ok_or(PurlError::Encoding)?);
        bytes.extend_from_slice(rest);
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| PurlError::Encoding)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_name_packages_as_their_types_spell_them() {
        for (url, package_type, name, version) in [
            ("pkg:npm/%40angular/core@12.3.1", PackageType::Npm, "@angular/core", "12.3.1"),
            ("pkg:npm/@angular/core@12.3.1", PackageType::Npm, "@angular/core", "12.3.1"),
            ("pkg:npm/foobar@12.3.1", PackageType::Npm, "foobar", "12.3.1"),
            ("pkg:pypi/Zope_Interface@5.4", PackageType::Pypi, "zope-interface", "5.4"),
            ("pkg:maven/org.apache.commons/io@1.3.4?type=jar", PackageType::Maven, "org.apache.commons:io", "1.3.4"),
            (
                "pkg:golang/google.golang.org/genproto@v0.1.0#a/b",
                PackageType::Golang,
                "google.golang.org/genproto",
                "v0.1.0",
            ),
            ("pkg:golang/stdlib@1.20.1", PackageType::Golang, "stdlib", "1.20.1"),
            ("pkg:composer/Laravel/Laravel@5.5.0", PackageType::Composer, "laravel/laravel", "5.5.0"),
            ("pkg:nuget/EnterpriseLibrary.Common@6.0.1304", PackageType::Nuget, "enterpriselibrary.common", "6.0.1304"),
            ("pkg:swift/github.com/apple/swift-nio@2.0.0", PackageType::Swift, "github.com/apple/swift-nio", "2.0.0"),
            (
                "PKG://gem/ruby-advisory-db-check@0.12.4?platform=java",
                PackageType::Gem,
                "ruby-advisory-db-check",
                "0.12.4",
            ),
            ("pkg:cargo/rand@0.7.2+a%2Bb", PackageType::Cargo, "rand", "0.7.2+a+b"),
            ("pkg:bitnami/nginx@1.25.3-1?arch=amd64&distro=debian-12", PackageType::Bitnami, "nginx", "1.25.3-1"),
            ("pkg:conan/pocoproject/poco@1.9.4", PackageType::Conan, "poco", "1.9.4"),
            ("pkg:deb/debian/g%2B%2B@4:12.2.0-3", PackageType::Deb, "g++", "4:12.2.0-3"),
            ("pkg:rpm/fedora/curl@7.50.3-1.fc25?arch=i386&epoch=2", PackageType::Rpm, "curl", "2:7.50.3-1.fc25"),
            ("pkg:generic/a@feature/b", PackageType::Generic, "a", "feature/b"),
        ] {
            let found = PackageUrl::parse(url).unwrap().package(None).unwrap();
            assert_eq!((found.package_type, &*found.name, &*found.version), (package_type, name, version), "{url}");
        }
    }

    #[test]
    fn qualifiers_tell_architecture_source_and_module() {
        for (url, source, source_version) in [
            ("pkg:deb/debian/libssl3@3.0.11-1%2Bb1?arch=amd64&upstream=openssl%403.0.11-1", "openssl", "3.0.11-1"),
            ("pkg:deb/debian/curl@7.88-1?arch=amd64&upstream=curl", "curl", "7.88-1"),
            ("pkg:apk/wolfi/libcrypto3@3.1-r0?arch=amd64&upstream=openssl", "openssl", "3.1-r0"),
            (
                "pkg:rpm/redhat/glibc-common@2.34-28.el9?arch=amd64&upstream=glibc-2.34-28.el9.src.rpm",
                "glibc",
                "2.34-28.el9",
            ),
            ("pkg:deb/debian/zlib1g@1?arch=amd64", "zlib1g", "1"),
        ] {
            let package = PackageUrl::parse(url).unwrap().package(None).unwrap();
            let expected = SourcePackage { name: source.into(), version: source_version.into() };
            assert_eq!((package.source, package.architecture.as_deref()), (Some(expected), Some("amd64")), "{url}");
            assert!(url.contains(&format!("/{}/", package.packager.unwrap())), "{url}");
        }
        let module = PackageUrl::parse("pkg:rpm/r/npm@8?rpmmod=nodejs%3A18").unwrap().package(None).unwrap().module;
        assert_eq!(module.as_deref(), Some("nodejs:18"));
    }

    #[test]
    fn what_names_no_installed_package_is_none() {
        for url in ["pkg:oci/debian@sha256:ab", "pkg:npm/%40scope/name", "pkg:deb/debian/a@1?arch=source", "pkg:gem/a@"]
        {
            assert_eq!(PackageUrl::parse(url).unwrap().package(None), None, "{url}");
        }
        let unversioned = PackageUrl::parse("pkg:gem/a").unwrap();
        assert_eq!(unversioned.package(Some("1")), Some(Package::new(PackageType::Gem, "a", "1")));
        for (text, error) in [
            ("", PurlError::NotPurl),
            ("https://example.com/a", PurlError::NotPurl),
            ("pkg:gem", PurlError::Incomplete),
            ("pkg:gem//", PurlError::Incomplete),
            ("pkg:gem/a%2", PurlError::Encoding),
            ("pkg:gem/a%ff@1", PurlError::Encoding),
            ("pkg:gem/%é", PurlError::Encoding),
        ] {
            assert_eq!(PackageUrl::parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "pkg:(deb|rpm|npm)/[a@/%2?#é.=&-]{0,40}(upstream=[a@.rpm-]{0,20})?") {
            if let Ok(url) = PackageUrl::parse(&text) {
                url.package(None);
            }
        }
    }
}
