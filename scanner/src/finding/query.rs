//! What is asked for a package: which feed, under which name, for which version.
//!
//! Debian and Ubuntu by source package, Alpine by origin, Python and npm by the package itself. New feeds join here.

use super::packager::is_third_party;
use crate::advisory::key::package_key;
use crate::package::{Distribution, Ecosystem, Package, PackageType};
use crate::version::Scheme;

/// One question to a feed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Query {
    /// The feed: an ecosystem with its release.
    pub ecosystem: Ecosystem,
    /// The package's key in it.
    pub package: String,
    /// The version to match.
    pub version: String,
    /// How its versions compare.
    pub scheme: Scheme,
}

/// What can be asked for a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// A feed would speak for it.
    Asked(Query),
    /// No feed this version knows speaks for it; the name of what is missing: `fedora:39`, `rpm`.
    NoFeed(String),
    /// It comes from somebody else than the distribution, whose feed does not speak for it.
    ThirdParty,
}

/// The question for a package of an image with this distribution.
pub fn query(package: &Package, distribution: Option<&Distribution>) -> Coverage {
    let (ecosystem, name, version) = match package.package_type {
        PackageType::Npm => (Ecosystem::parse("npm"), &package.name, &package.version),
        PackageType::Pypi => (Ecosystem::parse("PyPI"), &package.name, &package.version),
        system if system.is_system() => {
            let Some(ecosystem) = distribution.and_then(Distribution::ecosystem) else {
                return Coverage::NoFeed(missing_name(package.package_type, distribution));
            };
            if is_third_party(package) {
                return Coverage::ThirdParty;
            }
            match &package.source {
                Some(source) => (ecosystem, &source.name, &source.version),
                None => (ecosystem, &package.name, &package.version),
            }
        }
        other => return Coverage::NoFeed(other.name().to_owned()),
    };
    // A package manager foreign to the distribution, such as rpm on Debian.
    if installs(&ecosystem).is_some_and(|installs| installs != package.package_type) {
        return Coverage::NoFeed(package.package_type.name().to_owned());
    }
    match Scheme::of(&ecosystem) {
        Some(scheme) => Coverage::Asked(Query {
            package: package_key(ecosystem.name(), name).into_owned(),
            version: version.clone(),
            scheme,
            ecosystem,
        }),
        // A feed whose versions this version cannot compare.
        None => Coverage::NoFeed(ecosystem.to_string()),
    }
}

/// The type of the packages a distribution's feed speaks of.
fn installs(ecosystem: &Ecosystem) -> Option<PackageType> {
    match ecosystem.name() {
        "Debian" | "Ubuntu" => Some(PackageType::Deb),
        "Alpine" | "Alpaquita" | "BellSoft Hardened Containers" | "Chainguard" | "MinimOS" | "Wolfi" => {
            Some(PackageType::Apk)
        }
        "AlmaLinux" | "Azure Linux" | "Mageia" | "Photon OS" | "Rocky Linux" | "SUSE" | "openEuler" | "openSUSE" => {
            Some(PackageType::Rpm)
        }
        _ => None,
    }
}

/// A distribution without a feed by its own id and version; without any distribution, the kind of package.
fn missing_name(package_type: PackageType, distribution: Option<&Distribution>) -> String {
    match distribution {
        Some(distribution) if distribution.version.is_empty() => distribution.id.clone(),
        Some(distribution) => format!("{}:{}", distribution.id, distribution.version),
        None => package_type.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::SourcePackage;

    fn package(package_type: PackageType, name: &str, source: Option<(&str, &str)>) -> Package {
        Package {
            package_type,
            name: name.into(),
            version: "1.0".into(),
            architecture: None,
            source: source.map(|(name, version)| SourcePackage { name: name.into(), version: version.into() }),
            packager: None,
            module: None,
        }
    }

    fn distribution(id: &str, version: &str) -> Distribution {
        Distribution { id: id.into(), version: version.into(), pretty_name: None }
    }

    #[test]
    fn each_type_is_asked_for_under_its_feeds_key() {
        let debian = distribution("debian", "12");
        let alpine = distribution("alpine", "3.20.1");
        for (package, distribution, ecosystem, name, version) in [
            (package(PackageType::Deb, "libssl3", Some(("openssl", "3.0"))), &debian, "Debian:12", "openssl", "3.0"),
            (package(PackageType::Deb, "curl", None), &debian, "Debian:12", "curl", "1.0"),
            (
                package(PackageType::Apk, "libcrypto3", Some(("openssl", "3.1-r0"))),
                &alpine,
                "Alpine:v3.20",
                "openssl",
                "3.1-r0",
            ),
            (package(PackageType::Pypi, "Zope.Interface", None), &debian, "PyPI", "zope-interface", "1.0"),
            (package(PackageType::Npm, "@Scope/Name", None), &debian, "npm", "@Scope/Name", "1.0"),
        ] {
            let Coverage::Asked(query) = query(&package, Some(distribution)) else { panic!("{package:?}") };
            assert_eq!((query.ecosystem.as_str(), &*query.package, &*query.version), (ecosystem, name, version));
        }
    }

    #[test]
    fn what_no_feed_covers_is_named() {
        let deb = package(PackageType::Deb, "a", None);
        let rpm = package(PackageType::Rpm, "a", None);
        for (package, distribution, name) in [
            (&rpm, Some(distribution("fedora", "39")), "fedora:39"),
            (&deb, Some(distribution("debian", "")), "debian"),
            (&deb, None, "deb"),
            (&rpm, Some(distribution("debian", "12")), "rpm"),
            (&deb, Some(distribution("alpine", "3.20.1")), "deb"),
            (&rpm, Some(distribution("almalinux", "9.3")), "AlmaLinux:9"),
            (&rpm, Some(distribution("rocky", "8.9")), "Rocky Linux:8"),
            (&package(PackageType::Apk, "a", None), Some(distribution("wolfi", "20230201")), "Wolfi"),
            (&deb, Some(distribution("azurelinux", "3.0")), "deb"),
        ] {
            assert_eq!(query(package, distribution.as_ref()), Coverage::NoFeed(name.into()));
        }
    }

    #[test]
    fn a_third_partys_package_is_not_asked_of_the_distribution() {
        let mut docker = package(PackageType::Deb, "docker-ce", None);
        docker.packager = Some("Docker <support@docker.com>".into());
        assert_eq!(query(&docker, Some(&distribution("debian", "12"))), Coverage::ThirdParty);
    }
}
