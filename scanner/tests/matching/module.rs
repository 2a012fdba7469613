//! AlmaLinux and Rocky: binary names, modules and their streams, severity and names in unusual places.

use weir_scanner::advisory::AdvisorySource;
use weir_scanner::advisory::RatingValue;
use weir_scanner::finding::Severity;
use weir_scanner::package::PackageType;

use crate::support::{Image, add, shared};

#[test]
fn almalinux_is_matched_by_binary_names() {
    let Some(source) = shared("AlmaLinux", &["ALSA-2024:0310"]) else { return };
    let image = |version: &str| {
        Image::of("almalinux 9.3").built(PackageType::Rpm, "openssl-libs", version, ("openssl", "3.0.7-24.el9"))
    };
    let expected = ("CVE-2023-5363".into(), "openssl-libs".into(), Some("1:3.0.7-25.el9_3".into()));
    assert_eq!(image("1:3.0.7-24.el9").told(&source), [expected]);
    assert!(image("1:3.0.7-25.el9_3").told(&source).is_empty());
    // A binary package of the same source that the record does not list.
    let other =
        Image::of("almalinux 9.3").built(PackageType::Rpm, "other", "1:3.0.7-24.el9", ("openssl", "3.0.7-24.el9"));
    assert!(other.told(&source).is_empty());
    // Another major.
    let eight = Image::of("almalinux 8.9").package(PackageType::Rpm, "openssl-libs", "1:1.1.1-1.el8");
    assert!(eight.matched(&source).missing_feeds.contains(&"AlmaLinux:8".to_owned()));
}

#[test]
fn an_almalinux_finding_goes_by_its_related_cve_and_the_word_in_its_summary() {
    let Some(source) = shared("AlmaLinux", &["ALSA-2024:0310"]) else { return };
    let found = Image::of("almalinux 9.3").package(PackageType::Rpm, "openssl", "1:3.0.7-24.el9").matched(&source);
    let finding = &found.findings[0];
    assert_eq!((finding.id.as_str(), finding.severity), ("CVE-2023-5363", Severity::Medium));
    assert_eq!(
        (finding.aliases.join(" "), finding.rated_by.as_deref()),
        ("ALSA-2024:0310".into(), Some("ALSA-2024:0310"))
    );
    assert_eq!(finding.ratings[0].value, RatingValue::Word("Moderate".into()));
}

#[test]
fn bug_fixes_and_enhancements_are_no_findings() {
    let Some(source) = shared("AlmaLinux", &["ALBA-2019:0973", "ALSA-2019:0975"]) else { return };
    let old = "1:0.1.15-1.git2d0b8a3.module_el8.3.0+1+12421f43";
    let found = Image::of("almalinux 8.5").modular("oci-systemd-hook", old, "container-tools:rhel8").matched(&source);
    let advisories: Vec<_> = found.findings.iter().flat_map(|finding| &finding.advisories).collect();
    assert_eq!(advisories, ["ALSA-2019:0975"]);
}

#[test]
fn several_builds_of_one_release_are_one_fix() {
    let Some(source) = shared("AlmaLinux", &["ALSA-2019:0975"]) else { return };
    let image =
        |version: &str| Image::of("almalinux 8.5").modular("oci-systemd-hook", version, "container-tools:rhel8");
    // Fixed for 8.5, 8.4 and 8.3 in builds that order by the release they were made for: having the oldest is enough.
    assert!(image("1:0.1.15-2.git2d0b8a3.module_el8.3.0+2044+12421f43").ids(&source).is_empty());
    assert!(image("1:0.1.15-2.git2d0b8a3.module_el8.4.0+2496+12421f43").ids(&source).is_empty());
    assert_eq!(image("1:0.1.15-1.git2d0b8a3.module_el8.5.0+9+9a9ec082").ids(&source), ["CVE-2019-5736"]);
}

#[test]
fn a_stream_is_not_matched_with_anothers_fix() {
    let Some(source) = shared("AlmaLinux", &["ALSA-2023:0050", "ALSA-2023:1582"]) else { return };
    let image = |version: &str, module: &str| Image::of("almalinux 8.7").modular("nodejs", version, module);
    let advisories = |image: &Image| {
        let mut found: Vec<_> =
            image.matched(&source).findings.into_iter().flat_map(|finding| finding.advisories).collect();
        found.sort();
        found.dedup();
        found
    };
    let old14 = image("1:14.21.1-1.module_el8.7.0+1+a4c18c43", "nodejs:14");
    assert_eq!(advisories(&old14), ["ALSA-2023:0050"], "below 16's fix too, but of another stream");
    let old16 = image("1:16.18.1-1.module_el8.7.0+1+a59a3324", "nodejs:16");
    assert_eq!(advisories(&old16), ["ALSA-2023:1582"]);
    assert!(advisories(&image("1:14.21.1-2.module_el8.7.0+3373+a4c18c43", "nodejs:14")).is_empty());
    assert!(advisories(&image("1:12.0.0-1.module_el8.7.0+1+aaaaaaaa", "nodejs:12")).is_empty());
    // Not of a module at all.
    let plain = Image::of("almalinux 8.7").package(PackageType::Rpm, "nodejs", "1:10.0.0-1.el8");
    assert!(advisories(&plain).is_empty());
}

#[test]
fn a_summary_without_a_stream_speaks_of_the_stream_its_version_is_of() {
    let Some(source) = shared("AlmaLinux", &["ALSA-2024:4499"]) else { return };
    let image =
        |module: &str| Image::of("almalinux 8.10").modular("ruby", "2.5.9-111.module_el8.10.0+1+342e2c2f", module);
    assert!(!image("ruby:2.5").ids(&source).is_empty());
    assert!(image("ruby:2.6").ids(&source).is_empty());
}

#[test]
fn rocky_is_matched_by_source_without_an_epoch_and_by_stream() {
    let Some(mut source) = shared("Rocky Linux", &["RLSA-2021:3891", "RLSA-2024:3671"]) else { return };
    add(&mut source, "Rocky Linux", &["RLSA-2023:3220"]).unwrap();
    let java = |version: &str, source_version: &str| {
        let source = ("java-11-openjdk", source_version);
        Image::of("rocky 8.5").built(PackageType::Rpm, "java-11-openjdk-headless", version, source)
    };
    // The source's file name has no epoch; the fix has one.
    let found = java("1:11.0.12.0.7-0.el8_4", "11.0.12.0.7-0.el8_4").matched(&source).findings;
    // Under each of the ten CVEs among its related ids.
    assert_eq!(found.len(), 10);
    assert!(found.iter().all(|one| one.id.starts_with("CVE-2021-355") || one.id == "CVE-2021-35603"), "{found:?}");
    assert!(found.iter().all(|one| one.aliases == ["RLSA-2021:3891"]), "{found:?}");
    assert!(java("1:11.0.13.0.8-1.el8_4", "11.0.13.0.8-1.el8_4").ids(&source).is_empty());
    // Releases do not cross.
    let nine = Image::of("rocky 9.3").package(PackageType::Rpm, "firefox", "100.0-1.el9");
    assert!(nine.ids(&source).is_empty());
    let ruby = |module: &str| Image::of("rocky 9.4").modular("ruby", "3.1.0-1.module+el9.4.0+1+4c237fd3", module);
    assert_eq!(ruby("ruby:3.3").ids(&source), ["CVE-2024-27280", "CVE-2024-27281", "CVE-2024-27282"]);
    assert!(ruby("ruby:3.1").ids(&source).is_empty());
}

/// Of the three security advisories of Rocky Linux among the shared records, all name their CVEs as related ids (ten, seven and three),
/// and none has aliases or upstream ids.
#[test]
fn rockys_cves_are_among_its_related_ids() {
    let ids = ["RLSA-2021:3891", "RLSA-2023:3220", "RLSA-2024:3671"];
    let Some(source) = shared("Rocky Linux", &ids) else { return };
    for (id, cve, count) in
        [(ids[0], "CVE-2021-35550", 10), (ids[1], "CVE-2023-32205", 7), (ids[2], "CVE-2024-27280", 3)]
    {
        let named = source.named(cve).unwrap();
        let [record] = &named[..] else { panic!("{named:?}") };
        assert_eq!((record.id.as_str(), record.cves().len()), (id, count));
        assert!(record.aliases.is_empty() && record.upstream.is_empty(), "{id}");
        assert!(record.is_bulletin(), "{id}");
    }
}

#[test]
fn epel_is_not_almalinux() {
    let Some(source) = shared("AlmaLinux", &["ALSA-2024:0310"]) else { return };
    let openssl = weir_scanner::package::Package::new(PackageType::Rpm, "openssl", "1:3.0.7-24.el9");
    let vendor = |vendor: &str| weir_scanner::package::Package { packager: Some(vendor.into()), ..openssl.clone() };
    assert!(Image::of("almalinux 9.3").with(vendor("Fedora Project")).ids(&source).is_empty());
    assert_eq!(Image::of("almalinux 9.3").with(vendor("AlmaLinux")).ids(&source), ["CVE-2023-5363"]);
    // A bill of materials that speaks of another distribution.
    assert!(Image::of("almalinux 9.3").with(vendor("centos")).ids(&source).is_empty());
}
