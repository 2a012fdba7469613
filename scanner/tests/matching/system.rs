//! Distributions by source package or origin.

use weir_scanner::finding::Severity;
use weir_scanner::package::PackageType;

use crate::support::{Image, shared};

#[test]
fn alpine_is_matched_by_origin_and_branch() {
    let Some(source) = shared("Alpine", &["ALPINE-CVE-2014-0138"]) else { return };
    let image = |release: &str, version: &str| {
        Image::of(release).built(PackageType::Apk, "libcurl", version, ("curl", version))
    };
    let expected = ("CVE-2014-0138".into(), "libcurl".into(), Some("7.36.0-r0".into()));
    assert_eq!(image("alpine 3.4.6", "7.35.0-r2").told(&source), [expected]);
    assert!(image("alpine 3.4.6", "7.36.0-r0").told(&source).is_empty());
    // Branches have fixes of their own.
    assert_eq!(image("alpine 3.6.0", "7.35.0-r2").told(&source)[0].2.as_deref(), Some("7.36.0"));
    // Nothing speaks for this branch.
    let edge = image("alpine 3.20.1", "7.35.0-r2").matched(&source);
    assert_eq!((edge.findings.len(), edge.missing_feeds), (0, vec!["Alpine:v3.20".to_owned()]));
    // The name of a binary package is not asked for.
    let binary = Image::of("alpine 3.4.6").built(PackageType::Apk, "curl", "7.35.0-r2", ("other", "7.35.0-r2"));
    assert!(binary.ids(&source).is_empty());
}

#[test]
fn alpaquita_says_where_a_vulnerability_began() {
    let Some(source) = shared("Alpaquita", &["BELL-CVE-2018-15853"]) else { return };
    let image = |release: &str, version: &str| Image::of(release).package(PackageType::Apk, "xkbcomp", version);
    assert_eq!(image("alpaquita 23", "1.4.5-r1").ids(&source), ["CVE-2018-15853"]);
    assert!(image("alpaquita 25", "1.4.5-r1").ids(&source).is_empty(), "before it began there");
    assert!(image("alpaquita 23", "1.5.0-r0").ids(&source).is_empty());
    let found = image("alpaquita stream", "1.4.6-r0").matched(&source);
    assert_eq!((found.findings.len(), found.feeds[0].ecosystem.as_str()), (1, "Alpaquita:stream"));
    assert_ne!(found.findings[0].severity, Severity::Unknown);
}

#[test]
fn azure_linux_is_matched_by_either_name() {
    let Some(source) = shared("Azure Linux", &["AZL-34538"]) else { return };
    let image = |version: &str| Image::of("azurelinux 3.0").package(PackageType::Rpm, "ansible", version);
    assert_eq!(image("2.16.0-1.azl3").ids(&source), ["CVE-2023-5764"]);
    assert!(image("2.17.0-1.azl3").ids(&source).is_empty());
    let binary =
        Image::of("azurelinux 3.0").built(PackageType::Rpm, "ansible-test", "2.16.0-1", ("ansible", "2.16.0-1"));
    assert_eq!(binary.ids(&source), ["CVE-2023-5764"]);
    let mariner = Image::of("mariner 2.0").package(PackageType::Rpm, "ansible", "2.16.0-1.cm2");
    assert!(mariner.ids(&source).is_empty());
}

#[test]
fn debian_is_matched_by_source_name_and_version() {
    let Some(source) = shared("Debian", &["DSA-4875-1"]) else { return };
    // openssl of Debian 10, fixed in 1.1.1d-0+deb10u6.
    let image = |version: &str, source: (&str, &str)| {
        Image::of("debian 10").built(PackageType::Deb, "libssl1.1", version, source)
    };
    let old = image("1.1.1d-0+deb10u5", ("openssl", "1.1.1d-0+deb10u5"));
    assert_eq!(old.told(&source)[0].2.as_deref(), Some("1.1.1d-0+deb10u6"));
    // A rebuild: the binary's version is past the fix, the source's is not, and the other way round.
    assert!(!image("1.1.1d-0+deb10u6", ("openssl", "1.1.1d-0+deb10u5")).ids(&source).is_empty());
    assert!(image("1.1.1d-0+deb10u5", ("openssl", "1.1.1d-0+deb10u6")).ids(&source).is_empty());
    assert!(image("1.1.1d-0+deb10u5", ("nodejs", "1.1.1d-0+deb10u5")).ids(&source).is_empty());
    let eleven = Image::of("debian 11").package(PackageType::Deb, "openssl", "1.1.1d-0+deb10u5");
    assert!(eleven.ids(&source).is_empty());
}
