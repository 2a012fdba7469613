//! Which package a package URL means, whatever its writer's habits: type, namespace and name as the type's rules spell them, and
//! the version where there is one.
//!
//! Owns when two package URLs mean one package. Qualifiers and subpaths say how a package was built and which part of it is
//! meant; neither counts here.

use std::fmt;

use super::purl::{encode, is_lowercase, is_vendors};
use super::{PackageType, PackageUrl, PurlError, python_name};

/// A package, of one version or of any.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageIdentity {
    type_name: String,
    namespace: Option<String>,
    name: String,
    version: Option<String>,
}

impl PackageIdentity {
    /// The package that a package URL means.
    ///
    /// # Errors
    /// The text is no package URL.
    pub fn parse(text: &str) -> Result<Self, PurlError> {
        let url = PackageUrl::parse(text)?;
        let kind = PackageType::parse(&url.type_name);
        let namespace = url.namespace.map(|namespace| {
            let parts = namespace.split('/').filter(|part| !part.is_empty());
            let lowercase = kind.is_some_and(|kind| is_lowercase(kind) || is_vendors(kind));
            let joined = parts.collect::<Vec<_>>().join("/");
            if lowercase { joined.to_lowercase() } else { joined }
        });
        let name = match kind {
            Some(PackageType::Pypi) => python_name(&url.name),
            // NuGet's own registry does not tell names apart by case.
            Some(kind) if is_lowercase(kind) || kind == PackageType::Nuget => url.name.to_lowercase(),
            _ => url.name.into_owned(),
        };
        let version = url.version.filter(|version| !version.is_empty()).map(|version| version.into_owned());
        Ok(Self { type_name: url.type_name, namespace, name, version })
    }

    /// Whether `other` is this package; of any version where this has none.
    pub fn covers(&self, other: &Self) -> bool {
        self.type_name == other.type_name
            && self.namespace == other.namespace
            && self.name == other.name
            && (self.version.is_none() || self.version == other.version)
    }

    /// The version that is meant; `None` means any.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

/// As a package URL without qualifiers.
impl fmt::Display for PackageIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = format!("pkg:{}/", self.type_name);
        for segment in self.namespace.iter().flat_map(|namespace| namespace.split('/')) {
            encode(&mut url, segment);
            url.push('/');
        }
        encode(&mut url, &self.name);
        if let Some(version) = &self.version {
            url.push('@');
            encode(&mut url, version);
        }
        f.write_str(&url)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn identity(text: &str) -> PackageIdentity {
        PackageIdentity::parse(text).unwrap()
    }

    #[test]
    fn habits_of_writing_do_not_count() {
        for (written, canonical) in [
            (
                "pkg:deb/debian/libssl3@3.0.11-1~deb12u1?arch=amd64&distro=debian-12",
                "pkg:deb/debian/libssl3@3.0.11-1~deb12u1",
            ),
            ("pkg:deb/Debian/g++@4:12", "pkg:deb/debian/g%2B%2B@4:12"),
            ("pkg:npm/@angular/core@12.3.1", "pkg:npm/%40angular/core@12.3.1"),
            ("pkg:npm/%40angular/core@12.3.1#dist", "pkg:npm/%40angular/core@12.3.1"),
            ("pkg:PyPI/Zope.Interface", "pkg:pypi/zope-interface"),
            ("pkg:nuget/Newtonsoft.Json@13.0.1", "pkg:nuget/newtonsoft.json@13.0.1"),
            ("pkg:golang/github.com/Gorilla//Context@v1.1.1", "pkg:golang/github.com/gorilla/context@v1.1.1"),
            ("pkg:maven/org.apache.Xml/Batik@1+2", "pkg:maven/org.apache.Xml/Batik@1%2B2"),
            ("pkg:unknown/A/B@1", "pkg:unknown/A/B@1"),
        ] {
            assert_eq!(identity(written).to_string(), canonical);
            assert_eq!(identity(canonical), identity(written));
        }
    }

    #[test]
    fn no_version_is_any_version() {
        let (any, one) = (identity("pkg:apk/alpine/curl"), identity("pkg:apk/alpine/curl@8.1-r0?arch=x86"));
        assert!(any.covers(&one) && one.covers(&one) && !one.covers(&any));
        for other in ["pkg:apk/wolfi/curl@8.1-r0", "pkg:deb/alpine/curl@8.1-r0", "pkg:apk/alpine/libcurl@8.1-r0"] {
            assert!(!any.covers(&identity(other)), "{other}");
        }
        assert!(!one.covers(&identity("pkg:apk/alpine/curl@8.1-r1")));
        assert_eq!((any.version(), one.version()), (None, Some("8.1-r0")));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same(text in "pkg:(deb|npm|pypi|golang|maven|x)/([a-zA-Z@+._-]{1,6}/){0,2}[a-zA-Z@+._-]{1,6}(@[a-z0-9:+~]{0,5})?") {
            if let Ok(parsed) = PackageIdentity::parse(&text) {
                prop_assert_eq!(identity(&parsed.to_string()), parsed);
            }
        }
    }
}
