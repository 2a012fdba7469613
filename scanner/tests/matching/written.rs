//! Feeds that are not among the shared advisories, in records of their published form.

use weir_scanner::layer::ChannelKind;
use weir_scanner::package::PackageType;

use crate::support::{Image, written};

/// A record of one CVE: id, upstream, ecosystem, name, fix and what else the entry has.
fn record(id: &str, cve: &str, entries: &[(&str, &str, &str, &str)]) -> String {
    let entries: Vec<String> = entries
        .iter()
        .map(|(ecosystem, name, fix, specific)| {
            format!(
                r#"{{"package":{{"ecosystem":"{ecosystem}","name":"{name}"}},"ecosystem_specific":{specific},
                    "ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}},{{"fixed":"{fix}"}}]}}]}}"#
            )
        })
        .collect();
    format!(
        r#"{{"id":"{id}","modified":"2024-01-01T00:00:00Z","upstream":["{cve}"],"affected":[{}]}}"#,
        entries.join(",")
    )
}

fn ids(image: &Image, records: &[String]) -> Vec<String> {
    image.ids(&written(&records.iter().map(String::as_str).collect::<Vec<_>>()))
}

#[test]
fn every_stream_of_red_hats_major_is_heard() {
    let records = [
        record(
            "RHSA-1",
            "CVE-2024-1",
            &[("Red Hat:enterprise_linux:9::baseos", "openssl-libs", "1:3.0.7-25.el9_3", "{}")],
        ),
        record("RHSA-2", "CVE-2024-2", &[("Red Hat:enterprise_linux:9::appstream", "curl", "0:7.76.1-26.el9_3", "{}")]),
        record("RHSA-3", "CVE-2024-3", &[("Red Hat:enterprise_linux:8::baseos", "curl", "0:99-1.el8", "{}")]),
        record("RHSA-4", "CVE-2024-4", &[("Red Hat:openshift:4.14::el9", "curl", "0:99-1.el9", "{}")]),
    ];
    let image = |libs: &str, curl: &str| {
        Image::of("rhel 9.3").built(PackageType::Rpm, "openssl-libs", libs, ("openssl", "3.0.7-24.el9")).built(
            PackageType::Rpm,
            "libcurl",
            curl,
            ("curl", curl),
        )
    };
    assert_eq!(ids(&image("1:3.0.7-24.el9", "7.76.1-25.el9"), &records), ["CVE-2024-1", "CVE-2024-2"]);
    assert!(ids(&image("1:3.0.7-25.el9_3", "7.76.1-26.el9_3"), &records).is_empty());
}

#[test]
fn red_hats_extended_support_is_heard_where_the_content_sets_say_so() {
    let records = [
        record("RHSA-1", "CVE-2024-1", &[("Red Hat:enterprise_linux:9::baseos", "a", "0:1.0-5.el9_4", "{}")]),
        record("RHSA-2", "CVE-2024-1", &[("Red Hat:rhel_eus:9.2::baseos", "a", "0:1.0-3.el9_2.1", "{}")]),
        record("RHSA-3", "CVE-2024-2", &[("Red Hat:rhel_eus:9.2::baseos", "a", "0:1.0-9.el9_2", "{}")]),
    ];
    let plain = |version: &str| Image::of("rhel 9.2").package(PackageType::Rpm, "a", version);
    let eus = |version: &str| plain(version).channel(ChannelKind::ContentSet, "rhel-9-for-x86_64-baseos-eus-rpms");
    assert_eq!(ids(&plain("1.0-3.el9_2.1"), &records), ["CVE-2024-1"]);
    assert_eq!(
        ids(&eus("1.0-3.el9_2.1"), &records),
        ["CVE-2024-2"],
        "its own fix counts, though the release's is later"
    );
    assert_eq!(ids(&eus("1.0-3.el9_2"), &records), ["CVE-2024-1", "CVE-2024-2"]);
}

#[test]
fn a_layered_product_of_red_hats_is_heard_where_the_image_has_it() {
    let layered = |id: &str, cve: &str, fix: &str| record(id, cve, &[("Red Hat:openshift:4.14::el9", "a", fix, "{}")]);
    let records = [
        layered("RHSA-1", "CVE-2024-1", "0:1.0-5.el9"),
        record(
            "RHSA-2",
            "CVE-2024-2",
            &[
                ("Red Hat:enterprise_linux:9::appstream", "a", "0:1.0-3.el9", "{}"),
                ("Red Hat:openshift:4.14::el9", "a", "0:1.0-9.rhaos4.14.el9", "{}"),
            ],
        ),
    ];
    let base = |version: &str| Image::of("rhel 9.4").package(PackageType::Rpm, "a", version);
    let product = |version: &str| base(version).channel(ChannelKind::ContentSet, "rhocp-4.14-for-rhel-9-x86_64-rpms");
    let other = |version: &str| base(version).channel(ChannelKind::ContentSet, "rhocp-4.13-for-rhel-9-x86_64-rpms");
    for (image, found) in [
        (base("1.0-2.el9"), &["CVE-2024-2"][..]),
        (base("1.0-4.el9"), &[]),
        (other("1.0-2.el9"), &["CVE-2024-2"]),
        (product("1.0-2.el9"), &["CVE-2024-1", "CVE-2024-2"]),
        // Where one record speaks of both, the system's word counts for what may be the system's.
        (product("1.0-4.el9"), &["CVE-2024-1"]),
        (product("1.0-5.el9"), &[]),
        // The system's own build, and the product's.
        (product("1.0-2.el9_4"), &["CVE-2024-2"]),
        (product("1.0-4.rhaos4.14.el9"), &["CVE-2024-1", "CVE-2024-2"]),
        (product("1.0-9.rhaos4.14.el9"), &[]),
    ] {
        assert_eq!(ids(&image, &records), found, "{image:?}");
    }
}

#[test]
fn suse_is_matched_by_source_and_its_list_of_binaries() {
    let binaries = r#"{"binaries":[{"curl":"8.0.1-150400.5.41.1","libcurl4":"8.0.1-150400.5.41.1"}]}"#;
    let entry = ("openSUSE:Leap 15.5", "curl", "8.0.1-150400.5.41.1", binaries);
    let records = [record("openSUSE-SU-2024:1-1", "CVE-2024-1", &[entry])];
    let image = |binary: &str, source: &str, version: &str| {
        Image::of("opensuse-leap 15.5").built(PackageType::Rpm, binary, version, (source, version))
    };
    let old = "8.0.1-150400.5.40.1";
    assert_eq!(ids(&image("libcurl4", "curl", old), &records), ["CVE-2024-1"]);
    assert_eq!(ids(&image("curl", "curl", old), &records), ["CVE-2024-1"]);
    assert!(ids(&image("libcurl-devel", "curl", old), &records).is_empty(), "not in the list");
    assert!(ids(&image("curl", "other", old), &records).is_empty(), "of another source");
    assert!(ids(&image("libcurl4", "curl", "8.0.1-150400.5.41.1"), &records).is_empty());
    let sles = Image::of("sles 15.5").named("SUSE Linux Enterprise Server 15 SP5");
    let sles = sles.built(PackageType::Rpm, "libcurl4", old, ("curl", old));
    assert!(ids(&sles, &records).is_empty(), "another product");
    let entry = ("SUSE:Linux Enterprise Module for Basesystem 15 SP5", "curl", "8.0.1-150400.5.41.1", binaries);
    assert_eq!(ids(&sles, &[record("SUSE-SU-2024:1-1", "CVE-2024-1", &[entry])]), ["CVE-2024-1"]);
}

#[test]
fn wolfi_and_chainguard_are_matched_by_origin_and_by_name() {
    for (distribution, ecosystem) in [("wolfi 20230201", "Wolfi"), ("chainguard 20230214", "Chainguard")] {
        let records = [
            record("CGA-1", "CVE-2024-1", &[(ecosystem, "openssl", "3.1.4-r1", "{}")]),
            record("CGA-2", "CVE-2024-2", &[(ecosystem, "libcrypto3", "3.1.4-r1", "{}")]),
            record("CGA-3", "CVE-2024-3", &[(ecosystem, "openssl", "0", "{}")]),
        ];
        let image = |version: &str| {
            Image::of(distribution).built(PackageType::Apk, "libcrypto3", version, ("openssl", version))
        };
        assert_eq!(ids(&image("3.1.4-r0"), &records), ["CVE-2024-1", "CVE-2024-2"], "fixed in 0 was never affected");
        assert!(ids(&image("3.1.4-r1"), &records).is_empty());
    }
}

#[test]
fn a_source_without_an_epoch_is_compared_without_one() {
    for (distribution, ecosystem) in
        [("mageia 9", "Mageia:9"), ("openeuler 24.03", "openEuler:24.03"), ("photon 5.0", "Photon OS:5.0")]
    {
        let records = [record("X-1", "CVE-2024-1", &[(ecosystem, "perl", "4:5.36.0-5", "{}")])];
        // perl-Errno has an epoch of its own, its source's is not in its file's name.
        let image = |version: &str| {
            Image::of(distribution).built(
                PackageType::Rpm,
                "perl-Errno",
                &format!("0:1.36-{version}"),
                ("perl", &format!("5.36.0-{version}")),
            )
        };
        assert_eq!(ids(&image("4"), &records), ["CVE-2024-1"], "{ecosystem}");
        assert!(ids(&image("5"), &records).is_empty(), "{ecosystem}");
    }
}

#[test]
fn git_ranges_empty_entries_and_limits() {
    let records = [r#"{"id":"GHSA-1","modified":"2024-01-01T00:00:00Z","affected":[
        {"package":{"ecosystem":"npm","name":"git"},
         "ranges":[{"type":"GIT","repo":"https://example.org/r","events":[{"introduced":"0"}]}]},
        {"package":{"ecosystem":"npm","name":"both"},
         "ranges":[{"type":"GIT","repo":"https://example.org/r","events":[{"introduced":"0"}]},
                   {"type":"SEMVER","events":[{"fixed":"2.0.0"},{"introduced":"0"}]}]},
        {"package":{"ecosystem":"npm","name":"empty"}},
        {"package":{"ecosystem":"npm","name":"limit"},
         "ranges":[{"type":"SEMVER","events":[{"introduced":"1.0.0"},{"limit":"3.0.0"}]}]}]}"#
        .to_owned()];
    for (name, version, affected) in [
        ("git", "1.0.0", false),
        ("both", "1.0.0", true), // behind a range of another type, with its events in any order
        ("both", "2.0.0", false),
        ("empty", "1.0.0", false),
        ("limit", "2.9.0", true),
        ("limit", "3.0.0", false),
    ] {
        let image = Image::of("").package(PackageType::Npm, name, version);
        assert_eq!(!ids(&image, &records).is_empty(), affected, "{name} {version}");
    }
}
