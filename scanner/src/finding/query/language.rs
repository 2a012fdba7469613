//! Questions for packages of languages, and of those who publish whole applications.

use super::{Coverage, QueryName, Releases, asked};
use crate::advisory::key::package_key;
use crate::package::{Ecosystem, Package, PackageType};

/// The ecosystem of a type's packages; `None` where no feed speaks for them.
const fn ecosystem(package_type: PackageType) -> Option<&'static str> {
    Some(match package_type {
        PackageType::Bitnami => "Bitnami",
        PackageType::Cargo => "crates.io",
        PackageType::Composer => "Packagist",
        PackageType::Conan => "ConanCenter",
        PackageType::Cran => "CRAN",
        PackageType::Gem => "RubyGems",
        PackageType::Golang => "Go",
        PackageType::Hex => "Hex",
        PackageType::Julia => "Julia",
        PackageType::Maven => "Maven",
        PackageType::Npm => "npm",
        PackageType::Nuget => "NuGet",
        PackageType::Pub => "Pub",
        PackageType::Pypi => "PyPI",
        PackageType::Swift => "SwiftURL",
        _ => return None,
    })
}

pub(super) fn query(package: &Package) -> Coverage {
    let Some(name) = ecosystem(package.package_type) else {
        return Coverage::NoFeed(package.package_type.name().to_owned());
    };
    if !is_whole(package) {
        return Coverage::Unnamed(name.to_owned());
    }
    let releases = match package.package_type {
        PackageType::Composer | PackageType::Maven => Releases::Any,
        _ => Releases::Own,
    };
    let key = package_key(name, &package.name).into_owned();
    asked(Ecosystem::new(name, None), releases, vec![QueryName::new(key, version(package))])
}

/// Whether name and version are such that the feed could know them.
fn is_whole(package: &Package) -> bool {
    match package.package_type {
        PackageType::Maven => package.name.contains(':'),
        // What Go makes up for a program built from a checkout comes before every release, so each advisory would match; the
        // modules a program depends on never have such a version with a mark of changes.
        PackageType::Golang => {
            let made_up = package.version.starts_with("v0.0.0-") && package.version.contains("+dirty");
            package.version != "(devel)" && !made_up && !package.version.is_empty()
        }
        _ => !package.version.is_empty(),
    }
}

/// The version as the feed counts. Bitnami's carry the number of the build behind it, which Semantic Versioning would take for
/// a pre-release.
fn version(package: &Package) -> &str {
    let digits = |build: &str| !build.is_empty() && build.bytes().all(|byte| byte.is_ascii_digit());
    match package.version.rsplit_once('-') {
        Some((version, build)) if package.package_type == PackageType::Bitnami && digits(build) => version,
        _ => &package.version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Scheme;

    fn key_and_version(package_type: PackageType, name: &str, version: &str) -> Option<(String, String)> {
        match query(&Package::new(package_type, name, version)) {
            Coverage::Asked(query) => Some((query.names[0].key.clone(), query.names[0].version.clone())),
            _ => None,
        }
    }

    #[test]
    fn packages_are_asked_for_as_their_feed_spells_them() {
        for (package_type, name, version, key, asked) in [
            (PackageType::Npm, "@Scope/Name", "1.0.0", "@Scope/Name", "1.0.0"),
            (PackageType::Pypi, "Zope.Interface", "1.0", "zope-interface", "1.0"),
            (PackageType::Nuget, "Newtonsoft.Json", "1.0.0", "newtonsoft.json", "1.0.0"),
            (PackageType::Composer, "Drupal/Core", "1.0.0", "drupal/core", "1.0.0"),
            (
                PackageType::Golang,
                "github.com/Masterminds/goutils",
                "v1.0.0",
                "github.com/Masterminds/goutils",
                "v1.0.0",
            ),
            (PackageType::Maven, "org.Example:Shop", "1.0", "org.Example:Shop", "1.0"),
            (PackageType::Swift, "github.com/apple/swift-nio", "1.0.0", "github.com/apple/swift-nio", "1.0.0"),
            (PackageType::Bitnami, "nginx", "1.25.3-1", "nginx", "1.25.3"),
            (PackageType::Bitnami, "etcd", "3.5.0-rc.1", "etcd", "3.5.0-rc.1"),
        ] {
            let name_of = ecosystem(package_type).unwrap();
            if Scheme::of(&Ecosystem::parse(name_of)).is_some() {
                let expected = Some((key.to_owned(), asked.to_owned()));
                assert_eq!(key_and_version(package_type, name, version), expected, "{name}");
            }
        }
    }

    #[test]
    fn what_no_feed_could_know_is_not_asked_for() {
        for (package_type, name, version, feed) in [
            (PackageType::Maven, "commons-io", "2.6", "Maven"),
            (PackageType::Golang, "example.org/own", "(devel)", "Go"),
            (PackageType::Golang, "example.org/own", "v0.0.0-20240101000000-abcdefabcdef+dirty", "Go"),
            (PackageType::Npm, "a", "", "npm"),
        ] {
            let expected = Coverage::Unnamed(feed.to_owned());
            assert_eq!(query(&Package::new(package_type, name, version)), expected, "{name} {version}");
        }
        let luarocks = query(&Package::new(PackageType::Luarocks, "a", "1"));
        assert_eq!(luarocks, Coverage::NoFeed("luarocks".into()));
    }
}
