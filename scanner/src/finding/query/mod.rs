//! What is asked for a package: which feed, under which names, for which versions.
//!
//! Owns the table of feeds: system packages in `system`, languages in `language`; `release` says which
//! releases' entries speak for a question, `red_hat` of the products of Red Hat's. New feeds join here.
//!
//! A question holds all that its answer depends on besides the source, so equal questions have equal answers, whatever
//! image they come from.

mod language;
mod packager;
mod red_hat;
mod release;
mod system;

pub use red_hat::RedHatProducts;
pub use release::{Releases, Standing};

use crate::image::ImageInventory;
use crate::layer::Channel;
use crate::package::{Distribution, Ecosystem, Package};
use crate::version::Scheme;

/// One question to a feed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Query {
    /// The feed: an ecosystem with its release.
    pub ecosystem: Ecosystem,
    /// Which of the ecosystem's releases speak besides.
    pub releases: Releases,
    /// The names the feed may know the package by, each with the version that goes with it.
    pub names: Vec<QueryName>,
    /// How its versions compare.
    pub scheme: Scheme,
    /// The module and stream of a modular RPM: `nodejs:18`.
    pub module: Option<String>,
    /// The binary package, where the feed names sources and lists the binaries it speaks of.
    pub binary: Option<String>,
}

/// A name a feed may know a package by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryName {
    /// The package's key in the feed.
    pub key: String,
    /// The version to match.
    pub version: String,
    /// Whether the version's epoch is not known (a source RPM's file name has none), so that none is compared.
    pub without_epoch: bool,
}

impl QueryName {
    /// A name whose version is whole.
    fn new(key: impl Into<String>, version: impl Into<String>) -> Self {
        Self { key: key.into(), version: version.into(), without_epoch: false }
    }
}

/// What can be asked for a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// A feed would speak for it.
    Asked(Query),
    /// No feed this version knows speaks for it; the name of what is missing: `fedora:39`, `rpm`.
    NoFeed(String),
    /// It comes from somebody else than the distribution, whose feed, named here, does not speak for it.
    ThirdParty(String),
    /// Its name or version is not one that the feed named here could know: a library without its group, a module built
    /// from a checkout.
    Unnamed(String),
}

impl Coverage {
    /// The question, where there is one.
    pub fn question(self) -> Option<Query> {
        match self {
            Self::Asked(query) => Some(query),
            Self::NoFeed(_) | Self::ThirdParty(_) | Self::Unnamed(_) => None,
        }
    }
}

/// What an image says of all its packages.
#[derive(Clone, Debug)]
pub struct Host<'a> {
    distribution: Option<&'a Distribution>,
    ecosystem: Option<Ecosystem>,
    releases: Releases,
}

impl<'a> Host<'a> {
    /// The distribution of an inventory, with what its channels enable.
    pub fn of(inventory: &'a ImageInventory) -> Self {
        Self::new(inventory.distribution.as_ref(), &inventory.channels)
    }

    /// A distribution, with what the channels of its packages enable.
    pub fn new(distribution: Option<&'a Distribution>, channels: &[Channel]) -> Self {
        let ecosystem = distribution.and_then(Distribution::ecosystem);
        let releases = match (&ecosystem, distribution) {
            (Some(ecosystem), Some(distribution)) => Releases::of_distribution(ecosystem, distribution, channels),
            _ => Releases::Own,
        };
        Self { distribution, ecosystem, releases }
    }
}

/// The question for a package of an image.
pub fn query(package: &Package, host: &Host<'_>) -> Coverage {
    if package.package_type.is_system() { system::query(package, host) } else { language::query(package) }
}

/// The question, where the feed's versions can be compared.
fn asked(ecosystem: Ecosystem, releases: Releases, names: Vec<QueryName>) -> Coverage {
    match Scheme::of(&ecosystem) {
        Some(scheme) => Coverage::Asked(Query { ecosystem, releases, names, scheme, module: None, binary: None }),
        None => Coverage::NoFeed(ecosystem.to_string()),
    }
}

impl Query {
    /// How an entry of `ecosystem` stands to the question; `None` where it does not speak for it.
    pub fn standing(&self, ecosystem: &Ecosystem) -> Option<Standing> {
        if ecosystem.name() != self.ecosystem.name() {
            return None;
        }
        self.releases.standing(self.ecosystem.release(), ecosystem.release())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{PackageType, SourcePackage};

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

    fn coverage(package: &Package, distribution: Option<&Distribution>) -> Coverage {
        query(package, &Host::new(distribution, &[]))
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
            let Coverage::Asked(query) = coverage(&package, Some(distribution)) else { panic!("{package:?}") };
            let [asked] = &query.names[..] else { panic!("{query:?}") };
            assert_eq!((query.ecosystem.as_str(), &*asked.key, &*asked.version), (ecosystem, name, version));
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
            (&rpm, Some(distribution("amzn", "2023")), "amzn:2023"),
            (&rpm, Some(distribution("centos", "7")), "centos:7"),
            (&deb, Some(distribution("azurelinux", "3.0")), "deb"),
        ] {
            assert_eq!(coverage(package, distribution.as_ref()), Coverage::NoFeed(name.into()));
        }
    }

    #[test]
    fn a_third_partys_package_is_not_asked_of_the_distribution() {
        let mut docker = package(PackageType::Deb, "docker-ce", None);
        docker.packager = Some("Docker <support@docker.com>".into());
        assert_eq!(coverage(&docker, Some(&distribution("debian", "12"))), Coverage::ThirdParty("Debian:12".into()));
    }
}
