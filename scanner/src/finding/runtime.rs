//! Runtimes of languages past their end of life, whose later vulnerabilities nobody mends.
//!
//! Judged when asked, never stored: a runtime ends while its image stays as it is. A distribution mends the runtimes of its own release
//! until that ends, so its own packages are past their end only where the release is as well; those of other publishers, and what came
//! without a package manager, end with their makers' support.

use std::collections::BTreeMap;

use super::query::{Coverage, Host, query};
use crate::image::{ImageInventory, ImagePackage};
use crate::package::{EndOfLife, Package, PackageType, end_of_life, runtime_end_of_life};

/// A runtime that gets no security updates any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedRuntime {
    /// The language's runtime: `node`, `python`, `php`, `ruby`, `java` or `go`.
    pub name: &'static str,
    /// Its version as its makers count, without what a packager adds.
    pub version: String,
    /// The package URL of a package that holds it; of several of one version, the first.
    pub package: String,
    /// When its updates ended for everybody, seconds of Unix time.
    pub ended: i64,
}

/// What follows the number in names of system packages that hold a runtime, or have its version.
const PARTS: [(&str, &str, &[&str]); 7] = [
    ("node", "nodejs", &["", "-current", "-lts"]),
    ("python", "python", &["", "-base", "-minimal"]),
    ("php", "php", &["", "-cgi", "-cli", "-common", "-fpm"]),
    ("ruby", "ruby", &[""]),
    ("java", "openjdk", JAVA),
    ("java", "openjdk-", JAVA),
    ("java", "temurin-", JAVA),
];
const JAVA: &[&str] = &["", "-jdk", "-jdk-headless", "-jre", "-jre-base", "-jre-headless"];

/// The runtimes of an image whose support has ended at `now`, in seconds of Unix time, by name and version, each once. What the table
/// of dates does not know is not among them.
pub fn ended_runtimes(inventory: &ImageInventory, now: i64) -> Vec<EndedRuntime> {
    let host = Host::of(inventory);
    let release_ended = || {
        inventory.distribution.as_ref().is_some_and(|known| matches!(end_of_life(known, now), EndOfLife::Ended { .. }))
    };
    let mut ended = BTreeMap::new();
    for found in &inventory.packages {
        let Some((name, version)) = runtime(&found.package) else { continue };
        let EndOfLife::Ended { since, .. } = runtime_end_of_life(name, &version, now) else { continue };
        if is_distributions(found, &host) && !release_ended() {
            continue;
        }
        ended.entry((name, version)).or_insert_with(|| (found.purl.clone(), since));
    }
    let told = |((name, version), (package, ended))| EndedRuntime { name, version, package, ended };
    ended.into_iter().map(told).collect()
}

/// Whether the distribution brought it.
fn is_distributions(found: &ImagePackage, host: &Host<'_>) -> bool {
    let third_party = || matches!(query(&found.package, host), Coverage::ThirdParty(_));
    found.owner.is_some() || (found.package.package_type.is_system() && !third_party())
}

/// The runtime a package holds, with its maker's version.
fn runtime(package: &Package) -> Option<(&'static str, String)> {
    let name = match package.package_type {
        PackageType::Generic | PackageType::Bitnami => {
            ["java", "node", "php", "python", "ruby"].into_iter().find(|known| *known == package.name)?
        }
        PackageType::Golang if package.name == "stdlib" => "go",
        PackageType::Alpm | PackageType::Apk | PackageType::Conda | PackageType::Deb | PackageType::Rpm => {
            packaged(&package.name)?
        }
        _ => return None,
    };
    Some((name, makers_version(name, &package.version)))
}

/// The runtime of a package of that name: `python3.11-minimal`, `nodejs18`, `java-17-openjdk-headless`.
fn packaged(name: &str) -> Option<&'static str> {
    let after = |prefix: &str| {
        Some(name.strip_prefix(prefix)?.trim_start_matches(|c: char| matches!(c, '0'..='9' | '.' | '_')))
    };
    let known = |(_, prefix, parts): &&(&str, &str, &[&str])| after(prefix).is_some_and(|part| parts.contains(&part));
    if let Some((runtime, ..)) = PARTS.iter().find(known) {
        return Some(runtime);
    }
    let of_rpm = |part: &str| ["-openjdk", "-amazon-corretto"].iter().any(|build| part.starts_with(build));
    after("java-").is_some_and(of_rpm).then_some("java")
}

/// A version without epoch and build: `1:8u392-ga-1` is `8`, Java's `1.8.0_392` as well.
fn makers_version(name: &str, version: &str) -> String {
    let version = version.split_once(':').map_or(version, |(_, version)| version);
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    let number = version[..end].trim_end_matches('.');
    let number = if name == "java" { number.strip_prefix("1.").unwrap_or(number) } else { number };
    number.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ScanStatus;
    use crate::package::Distribution;

    /// 2026-01-02.
    const NOW: i64 = 1_767_312_000;

    fn image(release: (&str, &str), packages: Vec<ImagePackage>) -> ImageInventory {
        ImageInventory {
            status: ScanStatus::Complete,
            reasons: Vec::new(),
            distribution: Some(Distribution { id: release.0.into(), version: release.1.into(), pretty_name: None }),
            channels: Vec::new(),
            packages,
            risks: Vec::new(),
        }
    }

    fn package(package_type: PackageType, name: &str, version: &str) -> ImagePackage {
        let purl = format!("pkg:{}/{name}@{version}", package_type.name());
        let package = Package::new(package_type, name, version);
        ImagePackage { package, purl, layer: 0, paths: Vec::new(), owner: None }
    }

    fn told(release: (&str, &str), packages: Vec<ImagePackage>) -> Vec<String> {
        let ended = ended_runtimes(&image(release, packages), NOW);
        ended.iter().map(|runtime| format!("{} {}", runtime.name, runtime.version)).collect()
    }

    #[test]
    fn runtimes_are_known_by_the_names_their_packages_have() {
        for (package_type, name, version, expected) in [
            (PackageType::Generic, "node", "16.20.2", Some(("node", "16.20.2"))),
            (PackageType::Generic, "java", "1.8.0_392", Some(("java", "8.0"))),
            (PackageType::Generic, "redis", "5.0.0", None),
            (PackageType::Bitnami, "php", "8.0.1-3", Some(("php", "8.0.1"))),
            (PackageType::Golang, "stdlib", "1.20.1", Some(("go", "1.20.1"))),
            (PackageType::Golang, "python", "v1.0.0", None),
            (PackageType::Deb, "nodejs", "18.19.0+dfsg-6~deb12u2", Some(("node", "18.19.0"))),
            (PackageType::Deb, "python3.11-minimal", "3.11.2-6", Some(("python", "3.11.2"))),
            (PackageType::Deb, "python3-yaml", "6.0-3", None),
            (PackageType::Deb, "php", "2:8.2+93", Some(("php", "8.2"))),
            (PackageType::Deb, "php8.2-fpm", "8.2.7-1~deb12u1", Some(("php", "8.2.7"))),
            (PackageType::Deb, "php8.2-redis", "5.3.7-1", None),
            (PackageType::Deb, "ruby3.1", "3.1.2-7", Some(("ruby", "3.1.2"))),
            (PackageType::Deb, "ruby-json", "2.6.3-1", None),
            (PackageType::Deb, "openjdk-8-jre-headless", "8u392-ga-1", Some(("java", "8"))),
            (PackageType::Apk, "openjdk17-jre", "17.0.9_p8-r0", Some(("java", "17.0.9"))),
            (PackageType::Apk, "php82", "8.2.13-r0", Some(("php", "8.2.13"))),
            (PackageType::Rpm, "java-1.8.0-openjdk-headless", "1:1.8.0.402.b06-2.el9", Some(("java", "8.0.402"))),
            (PackageType::Rpm, "java-1_8_0-openjdk", "1.8.0.402-150000.3.88.1", Some(("java", "8.0.402"))),
            (PackageType::Rpm, "java-atk-wrapper", "0.33", None),
            (PackageType::Npm, "nodejs", "1.0.0", None),
            (PackageType::Pypi, "python", "1.0", None),
        ] {
            let expected = expected.map(|(runtime, version)| (runtime, version.to_owned()));
            assert_eq!(runtime(&Package::new(package_type, name, version)), expected, "{name} {version}");
        }
    }

    #[test]
    fn a_runtime_without_a_distribution_ends_with_its_makers() {
        let packages = vec![
            package(PackageType::Generic, "python", "3.8.18"),
            package(PackageType::Generic, "node", "22.1.0"),
            package(PackageType::Generic, "node", "99.0.0"),
            package(PackageType::Golang, "stdlib", "1.20.1"),
        ];
        let found = ended_runtimes(&image(("debian", "12"), packages.clone()), NOW);
        let python = found.last().unwrap();
        assert_eq!((python.name, &*python.package), ("python", "pkg:generic/python@3.8.18"));
        // 2024-10-08, the first second after its last day.
        assert_eq!(python.ended, 1_728_345_600);
        assert_eq!(told(("debian", "12"), packages), ["go 1.20.1", "python 3.8.18"]);
    }

    #[test]
    fn a_distributions_own_runtime_ends_with_its_release() {
        let node = || package(PackageType::Deb, "nodejs", "18.19.0+dfsg-6~deb12u2");
        assert!(told(("debian", "12"), vec![node()]).is_empty(), "Debian 12 keeps it");
        let owned = ImagePackage {
            owner: Some("pkg:deb/debian/nodejs".into()),
            ..package(PackageType::Generic, "node", "18.19.0")
        };
        assert!(told(("debian", "12"), vec![owned]).is_empty(), "its program as well");
        let python = package(PackageType::Deb, "python3.7", "3.7.3-2+deb10u6");
        assert_eq!(told(("debian", "10"), vec![python.clone()]), ["python 3.7.3"]);
        assert!(told(("debian", "99"), vec![python]).is_empty(), "a release whose end nobody knows");
    }

    #[test]
    fn another_publishers_runtime_is_not_the_distributions() {
        let mut node = package(PackageType::Deb, "nodejs", "16.20.2-1nodesource1");
        node.package.packager = Some("Ivan <ivan@nodesource.com>".into());
        let program = package(PackageType::Generic, "node", "16.20.2");
        assert_eq!(told(("debian", "12"), vec![node, program]), ["node 16.20.2"], "once");
    }
}
