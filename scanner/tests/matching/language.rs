//! Packages of languages, and applications.

use weir_scanner::advisory::{Advisory, AdvisorySource, RatingValue};
use weir_scanner::finding::{Severity, UncoveredReason};
use weir_scanner::package::PackageType;

use crate::support::{Image, add, all, ids_of, shared};

#[test]
fn names_are_spelled_as_each_ecosystem_does() {
    for (ecosystem, id, package_type, name, inside, outside, found) in [
        ("PyPI", "PYSEC-2019-217", PackageType::Pypi, "Jinja2", "2.10", "2.10.1", "CVE-2019-10906"),
        ("NuGet", "GHSA-gxr4-xjj5-5px2", PackageType::Nuget, "jQuery", "3.4.1", "3.5.0", "CVE-2020-11022"),
        ("NuGet", "GHSA-77rm-9x9h-xj3g", PackageType::Nuget, "google.protobuf", "3.14.0", "3.15.0", "CVE-2021-22570"),
        (
            "NuGet",
            "GHSA-77rm-9x9h-xj3g",
            PackageType::Composer,
            "Google/Protobuf",
            "3.14.0",
            "3.15.0",
            "CVE-2021-22570",
        ),
        (
            "Maven",
            "GHSA-26vr-8j45-3r4w",
            PackageType::Maven,
            "org.eclipse.jetty:jetty-server",
            "9.4.38.v20210224",
            "9.4.39",
            "CVE-2021-28165",
        ),
        ("RubyGems", "GHSA-23c2-gwp5-pxw9", PackageType::Gem, "globalid", "1.0.0", "1.0.1", "CVE-2023-22799"),
        ("crates.io", "RUSTSEC-2016-0003", PackageType::Cargo, "portaudio", "0.7.0", "", "CVE-2016-10933"),
        (
            "Bitnami",
            "BIT-activemq-2021-21341",
            PackageType::Bitnami,
            "activemq",
            "5.15.13-4",
            "5.15.14-0",
            "CVE-2021-21341",
        ),
        (
            "SwiftURL",
            "GHSA-r6r4-5pr8-gjcp",
            PackageType::Swift,
            "github.com/vapor/vapor",
            "4.89.0",
            "4.90.0",
            "CVE-2024-21631",
        ),
        (
            "SwiftURL",
            "GHSA-wc9m-r3v6-9p5h",
            PackageType::Swift,
            "github.com/sparkle-project/Sparkle",
            "2.6.3",
            "2.6.4",
            "CVE-2025-0509",
        ),
        ("CRAN", "RSEC-2023-6", PackageType::Cran, "commonmark", "1.7", "1.8", "CVE-2020-5238"),
        ("Hex", "GHSA-738q-mc72-2q22", PackageType::Hex, "mtproto_proxy", "0.7.2", "0.7.3", "CVE-2023-45312"),
        (
            "Pub",
            "GHSA-fmj7-7gfw-64pg",
            PackageType::Pub,
            "agent_dart",
            "1.0.0-dev.28",
            "1.0.0-dev.29",
            "CVE-2024-48915",
        ),
        ("npm", "GHSA-27gm-ghr9-4v95", PackageType::Npm, "tinymce", "5.1.3", "5.1.4", "CVE-2020-17480"),
        (
            "Packagist",
            "DRUPAL-CORE-2018-001",
            PackageType::Composer,
            "drupal/core",
            "8.4.4",
            "8.4.5",
            "DRUPAL-CORE-2018-001",
        ),
    ] {
        let Some(source) = shared(ecosystem, &[id]) else { return };
        assert_eq!(ids_of(&source, package_type, name, inside), [found], "{name} {inside}");
        assert!(ids_of(&source, package_type, name, outside).is_empty(), "{name} {outside}");
        assert!(ids_of(&source, package_type, &format!("{name}x"), inside).is_empty(), "{name}x");
    }
}

#[test]
fn case_tells_packages_of_npm_and_go_apart() {
    let Some(mut source) = shared("npm", &["GHSA-27gm-ghr9-4v95"]) else { return };
    add(&mut source, "Go", &["GO-2022-1059"]).unwrap();
    assert!(ids_of(&source, PackageType::Npm, "TinyMCE", "5.1.3").is_empty());
    assert!(ids_of(&source, PackageType::Golang, "golang.org/X/text", "v0.3.7").is_empty());
}

#[test]
fn drupals_own_repository_speaks_for_its_packages() {
    let Some(source) = shared("Packagist", &["DRUPAL-CONTRIB-2017-082"]) else { return };
    let found = Image::of("").package(PackageType::Composer, "drupal/permissions_by_term", "1.34.0").matched(&source);
    assert_eq!(found.findings[0].id, "DRUPAL-CONTRIB-2017-082");
    assert_eq!(found.feeds[0].ecosystem.as_str(), "Packagist:https://packages.drupal.org/8");
    assert!(ids_of(&source, PackageType::Composer, "drupal/permissions_by_term", "1.35.0").is_empty());
}

#[test]
fn gos_own_database_speaks_for_gos_own_modules() {
    let Some(mut source) = shared("Go", &["GHSA-69ch-w2m2-3vjp"]) else { return };
    let found =
        |source: &_| Image::of("").package(PackageType::Golang, "golang.org/x/text", "v0.3.7").matched(source).findings;
    assert!(found(&source).is_empty(), "GitHub's record alone does not speak");
    add(&mut source, "Go", &["GO-2022-1059"]).unwrap();
    let found = found(&source);
    assert_eq!(
        (found.len(), found[0].id.as_str(), found[0].advisories.join(" ")),
        (1, "CVE-2022-32149", "GO-2022-1059".into())
    );
    // Though it does not match, it rates: the Go database itself has no ratings.
    assert_eq!((found[0].severity, found[0].rated_by.as_deref()), (Severity::High, Some("GHSA-69ch-w2m2-3vjp")));
    // Other modules are GitHub's business too.
    let Some(gitea) = shared("Go", &["GHSA-4h4p-553m-46qh"]) else { return };
    assert_eq!(ids_of(&gitea, PackageType::Golang, "code.gitea.io/gitea", "v1.22.0"), ["CVE-2024-6886"]);
}

#[test]
fn a_record_about_packages_of_a_module_says_so() {
    let Some(mut source) = shared("Go", &["GO-2022-1059", "GO-2021-0067"]) else { return };
    add(&mut source, "Go", &["GO-2021-0068", "GO-2022-0617"]).unwrap();
    let image = Image::of("")
        .package(PackageType::Golang, "golang.org/x/text", "v0.3.7")
        .package(PackageType::Golang, "stdlib", "1.16.0")
        .package(PackageType::Golang, "toolchain", "1.15.6");
    let mut imports: Vec<_> =
        image.matched(&source).findings.into_iter().map(|finding| (finding.id, finding.imports.join(" "))).collect();
    imports.sort();
    let expected = [
        ("CVE-2021-27919".to_owned(), "archive/zip".to_owned()),
        ("CVE-2021-3115".to_owned(), "cmd/go".to_owned()),
        ("CVE-2022-32149".to_owned(), "golang.org/x/text/language".to_owned()),
    ];
    assert_eq!(imports, expected);
    assert!(ids_of(&source, PackageType::Golang, "stdlib", "1.16.1").is_empty());
    assert!(ids_of(&source, PackageType::Golang, "toolchain", "1.14.14").is_empty(), "fixed in the older branch");
    let Some(whole) = shared("Go", &["GHSA-4h4p-553m-46qh"]) else { return };
    let whole = Image::of("").package(PackageType::Golang, "code.gitea.io/gitea", "v1.22.0").matched(&whole);
    assert!(whole.findings[0].imports.is_empty(), "about the whole module");
    // Withdrawn.
    assert!(ids_of(&source, PackageType::Golang, "k8s.io/kubernetes", "v1.0.0").is_empty());
}

#[test]
fn a_program_built_from_a_checkout_is_not_compared() {
    let Some(source) = shared("Go", &["GO-2022-1059"]) else { return };
    let found = Image::of("").package(PackageType::Golang, "golang.org/x/text", "(devel)").matched(&source);
    assert_eq!((found.findings.len(), found.uncovered[0].reason), (0, UncoveredReason::Unnamed));
    // A pseudo-version of a dependency is a version.
    let pseudo = "v0.0.0-20170915032832-14c0d48ead0c";
    assert_eq!(ids_of(&source, PackageType::Golang, "golang.org/x/text", pseudo), ["CVE-2022-32149"]);
}

#[test]
fn a_range_without_a_fix_ends_where_github_last_knew() {
    let Some(source) = shared("npm", &["GHSA-67hx-6x53-jw92"]) else { return };
    let found = Image::of("").package(PackageType::Npm, "babel-traverse", "6.26.0").matched(&source);
    assert_eq!((found.findings.len(), found.findings[0].fixed_version.as_deref()), (1, None), "no fix is known");
    assert!(ids_of(&source, PackageType::Npm, "babel-traverse", "7.23.2").is_empty());
    let Some(maven) = shared("Maven", &["GHSA-3832-9276-x7gf"]) else { return };
    let httpclient = "commons-httpclient:commons-httpclient";
    assert_eq!(ids_of(&maven, PackageType::Maven, httpclient, "3.1"), ["CVE-2012-5783"]);
    assert_eq!(ids_of(&maven, PackageType::Maven, httpclient, "20020423"), ["CVE-2012-5783"], "named");
    assert!(ids_of(&maven, PackageType::Maven, httpclient, "4.0").is_empty());
    assert!(ids_of(&maven, PackageType::Maven, "commons-httpclient", "3.1").is_empty(), "without its group");
}

#[test]
fn the_last_affected_version_is_affected_and_withdrawn_records_are_not_heard() {
    let Some(source) = shared("PyPI", &["GHSA-4vmg-rw8f-92f9", "GHSA-rwqr-c348-m5wr"]) else { return };
    assert_eq!(ids_of(&source, PackageType::Pypi, "torch", "2.3.1"), ["CVE-2024-7804"]);
    assert!(ids_of(&source, PackageType::Pypi, "torch", "2.3.1.post1").is_empty());
    assert!(ids_of(&source, PackageType::Pypi, "aiohttp", "3.8.1").is_empty());
}

#[test]
fn fixes_of_other_branches_are_listed() {
    let Some(source) = shared("Go", &["GO-2021-0068"]) else { return };
    let found = Image::of("").package(PackageType::Golang, "toolchain", "1.14.0").matched(&source);
    let finding = &found.findings[0];
    assert_eq!((finding.fixed_version.as_deref(), finding.other_fixes.join(" ")), (Some("1.14.14"), "1.15.7".into()));
}

#[test]
fn a_score_without_a_vector_rates() {
    let Some(source) = shared("RubyGems", &["GHSA-228g-948r-83gx"]) else { return };
    let found = Image::of("").package(PackageType::Gem, "loofah", "2.19.0").matched(&source);
    let finding = &found.findings[0];
    assert_eq!((finding.severity, &finding.cvss), (Severity::Medium, &None));
    assert_eq!(finding.ratings[0].value, RatingValue::Score("6.1".into()));
}

#[test]
fn what_rustsec_only_notes_is_kept_and_no_finding() {
    for (id, name, version, found) in [
        ("RUSTSEC-2021-0139", "ansi_term", "0.12.1", &[][..]), // unmaintained
        ("RUSTSEC-2022-0058", "inconceivable", "0.1.0", &[]),  // notice
        ("RUSTSEC-2020-0025", "bigint", "4.4.3", &["CVE-2020-35880"]), // unmaintained, and rated
        ("RUSTSEC-2024-0434", "matrix-sdk-crypto", "0.7.2", &["CVE-2024-52813"]), // notice, and a CVE
        ("RUSTSEC-2018-0018", "smallvec", "0.6.2", &["CVE-2018-25023"]), // unsound
    ] {
        let Some(source) = shared("crates.io", &[id]) else { return };
        assert_eq!(ids_of(&source, PackageType::Cargo, name, version), found, "{id}");
        assert_eq!(source.named(id).unwrap().len(), 1, "{id} is kept");
    }
}

#[test]
fn every_record_of_rustsec_that_only_notes_affects_nothing() {
    let Some(records) = all("crates.io") else { return };
    let silent =
        |record: &&Advisory| record.affected.iter().all(|entry| entry.ranges.is_empty() && entry.versions.is_empty());
    // Of 267 that say `unmaintained` two are rated and one has a CVE, of six that say `notice` one has.
    assert_eq!((records.len(), records.iter().filter(silent).count()), (1209, 269));
}

#[test]
fn gos_custom_ranges_end_what_its_own_versions_leave_open() {
    let Some(source) = shared("Go", &["GO-2024-2661", "GO-2025-3568", "GO-2024-2826", "GO-2025-3853"]) else { return };
    for (name, version, affected) in [
        ("github.com/grafana/grafana", "v6.4.3+incompatible", true),
        ("github.com/grafana/grafana", "v6.4.4+incompatible", false),
        ("github.com/grafana/grafana", "v10.2.0", false),
        ("github.com/grafana/grafana", "v0.0.0-20230101000000-abcdefabcdef", true), // any commit
        ("k8s.io/ingress-nginx", "v1.11.4", true),
        ("k8s.io/ingress-nginx", "v1.11.5", false),
        ("k8s.io/ingress-nginx", "v1.12.0", true),
        ("k8s.io/ingress-nginx", "v1.12.1", false),
        // Its ranges have an end, in other numbers than the project's.
        ("vitess.io/vitess", "v0.17.6", true),
        ("vitess.io/vitess", "v0.17.7", false),
        ("vitess.io/vitess", "v0.20.0", false),
        // A closed range of commits, and an open one of releases.
        ("github.com/openbao/openbao", "v0.0.0-20250101000000-abcdefabcdef", true),
        ("github.com/openbao/openbao", "v0.0.0-20250901000000-abcdefabcdef", false),
        ("github.com/openbao/openbao", "v2.3.1", true),
        ("github.com/openbao/openbao", "v2.3.2", false),
    ] {
        assert_eq!(!ids_of(&source, PackageType::Golang, name, version).is_empty(), affected, "{name} {version}");
    }
    let fixed = Image::of("").package(PackageType::Golang, "k8s.io/ingress-nginx", "v1.11.4").matched(&source);
    assert_eq!(fixed.findings[0].fixed_version.as_deref(), Some("1.11.5"), "the project's own fix");
}
