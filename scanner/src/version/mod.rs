//! How versions compare: one comparator per ecosystem behind one entry point.
//!
//! Each comparator follows its own specification and is total over any text: what the specification does not call a
//! version still has one fixed place, so that sorting and matching never depend on who asks first. No comparator panics,
//! recurses or allocates more than its input is long.

mod apk;
mod composer;
mod conan;
mod digits;
mod dpkg;
mod gem;
mod go;
mod maven;
mod nuget;
mod numbers;
mod pep440;
mod rpm;
mod semver;

use std::cmp::Ordering;

use crate::package::Ecosystem;

/// A way of comparing versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Alpine's apk-tools.
    Apk,
    /// PHP's Composer.
    Composer,
    /// Conan 2.
    Conan,
    /// dpkg, after deb-version(7).
    Dpkg,
    /// Ruby's `Gem::Version`.
    Gem,
    /// Go's modules and Go's own releases.
    Go,
    /// Maven's `ComparableVersion`.
    Maven,
    /// NuGet: four numbers, labels without regard to case.
    NuGet,
    /// Lists of numbers: R's packages, and Haskell's after the Package Versioning Policy.
    Numbers,
    /// Python, after PEP 440.
    Pep440,
    /// rpm, with the epoch.
    Rpm,
    /// rpm without the epochs of either side, where one of them is unknown: the name of a source package has none.
    RpmWithoutEpoch,
    /// Semantic Versioning 2.0.0, read leniently: npm, crates.io, Hex and others.
    SemVer,
    /// The same, where build metadata counts: Pub and Julia.
    SemVerWithBuild,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 14] = [
        Self::Apk,
        Self::Composer,
        Self::Conan,
        Self::Dpkg,
        Self::Gem,
        Self::Go,
        Self::Maven,
        Self::NuGet,
        Self::Numbers,
        Self::Pep440,
        Self::Rpm,
        Self::RpmWithoutEpoch,
        Self::SemVer,
        Self::SemVerWithBuild,
    ];

    /// The scheme of an ecosystem of the OSV schema, where this version knows one; the release or the registry after
    /// the name does not matter.
    pub fn of(ecosystem: &Ecosystem) -> Option<Self> {
        Some(match ecosystem.name() {
            "Alpaquita" | "Alpine" | "BellSoft Hardened Containers" | "Chainguard" | "MinimOS" | "Wolfi" => Self::Apk,
            "ConanCenter" => Self::Conan,
            "Debian" | "Echo" | "Ubuntu" => Self::Dpkg,
            "Go" => Self::Go,
            "Maven" => Self::Maven,
            "NuGet" => Self::NuGet,
            "Bioconductor" | "CRAN" | "GHC" | "Hackage" => Self::Numbers,
            "Packagist" => Self::Composer,
            "PyPI" => Self::Pep440,
            "AlmaLinux" | "Azure Linux" | "Mageia" | "Photon OS" | "Red Hat" | "Rocky Linux" | "SUSE" | "openEuler"
            | "openSUSE" => Self::Rpm,
            "RubyGems" => Self::Gem,
            "Bitnami" | "GitHub Actions" | "Hex" | "SwiftURL" | "VSCode" | "crates.io" | "npm" => Self::SemVer,
            "Julia" | "Pub" => Self::SemVerWithBuild,
            _ => return None,
        })
    }
}

/// Compares two versions. Different texts may be equal (`1.0` and `1.0.0` in Python).
pub fn compare(scheme: Scheme, a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    match scheme {
        Scheme::Apk => apk::compare(a, b),
        Scheme::Composer => composer::compare(a, b),
        Scheme::Conan => conan::compare(a, b),
        Scheme::Dpkg => dpkg::compare(a, b),
        Scheme::Gem => gem::compare(a, b),
        Scheme::Go => go::compare(a, b),
        Scheme::Maven => maven::compare(a, b),
        Scheme::NuGet => nuget::compare(a, b),
        Scheme::Numbers => numbers::compare(a, b),
        Scheme::Pep440 => pep440::compare(a, b),
        Scheme::Rpm => rpm::compare(a, b),
        Scheme::RpmWithoutEpoch => rpm::compare_ignoring_epoch(a, b),
        Scheme::SemVer => semver::compare(a, b),
        Scheme::SemVerWithBuild => semver::compare_with_build(a, b),
    }
}

/// Compares by bytes, ASCII letters without regard to case.
fn compare_ignoring_case(a: &str, b: &str) -> Ordering {
    a.bytes().map(|byte| byte.to_ascii_lowercase()).cmp(b.bytes().map(|byte| byte.to_ascii_lowercase()))
}

#[cfg(test)]
pub(crate) mod table {
    //! Reads tables of comparisons, one `A < B` a line; `#` starts a comment.

    use std::cmp::Ordering;

    /// Checks every line both ways round.
    pub(crate) fn check(compare: fn(&str, &str) -> Ordering, table: &str) {
        let mut lines = 0;
        for line in table.lines().map(|line| line.split('#').next().unwrap().trim()).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [a, sign, b] = words[..] else { panic!("not a comparison: {line}") };
            let expected = match sign {
                "<" => Ordering::Less,
                "=" => Ordering::Equal,
                ">" => Ordering::Greater,
                _ => panic!("not a comparison: {line}"),
            };
            assert_eq!(compare(a, b), expected, "{line}");
            assert_eq!(compare(b, a), expected.reverse(), "{line}, turned round");
            lines += 1;
        }
        assert!(lines > 0, "the table is empty");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any text, and text that looks like versions, so that the grammars' deeper branches are met.
    fn version() -> impl Strategy<Value = String> {
        prop_oneof![
            1 => any::<String>(),
            2 => "[0-9a-z.~+:_!*-]{0,10}",
            3 => "([0-9]{1,2}|0|0|[.+~^_:!@*-]|\\.|-|a|b|m|x|v|go|p|alpha|beta|rc|cr|sp|ga|final|SNAPSHOT|dev|stable|pre|post|foo|devel ){1,9}",
            3 => "v?([01]!)?[0-9]{1,2}(\\.[0-9]{1,2}){0,3}[a-c]?((-|_|\\.)?(a|b|rc|alpha|beta|pre|post|p|dev|r)[0-9]{0,2}){0,2}(~[0-9a-f]{1,3})?(-r?[0-9]{1,2})?(\\+[0-9a-z.]{1,3})?",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn every_order_is_total(a in version(), b in version(), c in version()) {
            for scheme in Scheme::ALL {
                let (ab, bc, ac) = (compare(scheme, &a, &b), compare(scheme, &b, &c), compare(scheme, &a, &c));
                prop_assert_eq!(compare(scheme, &a, &a), Ordering::Equal);
                prop_assert_eq!(ab, compare(scheme, &b, &a).reverse());
                if ab == bc {
                    prop_assert_eq!(ac, ab, "{:?}: {:?} {:?} {:?}", scheme, a, b, c);
                }
                if ab == Ordering::Equal {
                    prop_assert_eq!(ac, bc);
                }
            }
        }
    }

    #[test]
    fn an_ecosystem_has_its_scheme_whatever_follows_its_name() {
        for (ecosystems, scheme) in [
            ("Debian:12,Ubuntu:22.04:LTS,Ubuntu:Pro:FIPS-updates:18.04:LTS", Some(Scheme::Dpkg)),
            ("Alpine:v3.20,Alpaquita:stream,BellSoft Hardened Containers:23,Wolfi,Chainguard", Some(Scheme::Apk)),
            ("AlmaLinux:9,Rocky Linux:8,Red Hat:enterprise_linux:9::baseos,Azure Linux:3", Some(Scheme::Rpm)),
            ("SUSE:Linux Enterprise Server 15 SP5,openSUSE:Leap 15.5,Photon OS:5.0", Some(Scheme::Rpm)),
            ("PyPI", Some(Scheme::Pep440)),
            ("npm,crates.io,Hex,SwiftURL,Bitnami", Some(Scheme::SemVer)),
            ("Pub,Julia", Some(Scheme::SemVerWithBuild)),
            ("Maven,Maven:https://repo.example/maven2", Some(Scheme::Maven)),
            ("Packagist,Packagist:https://packages.example/8", Some(Scheme::Composer)),
            ("Plan9,,:,debian:12", None),
        ] {
            for ecosystem in ecosystems.split(',') {
                assert_eq!(Scheme::of(&Ecosystem::parse(ecosystem)), scheme, "{ecosystem}");
            }
        }
    }
}
