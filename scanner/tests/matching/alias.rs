//! Names of one vulnerability, and ratings that come through them.

use weir_scanner::advisory::{MemoryAdvisories, Rating, RatingValue};
use weir_scanner::finding::Severity;
use weir_scanner::package::PackageType;

use crate::support::{Image, add, shared, written};

#[test]
fn records_of_two_feeds_are_one_finding_under_its_cve() {
    let Some(mut source) = shared("Go", &["GO-2022-1059"]) else { return };
    add(&mut source, "Go", &["GHSA-69ch-w2m2-3vjp"]).unwrap();
    let found = Image::of("").package(PackageType::Golang, "golang.org/x/text", "v0.3.7").matched(&source);
    let [finding] = &found.findings[..] else { panic!("{:?}", found.findings) };
    assert_eq!(
        (finding.id.as_str(), finding.aliases.join(" ")),
        ("CVE-2022-32149", "GHSA-69ch-w2m2-3vjp GO-2022-1059".into())
    );
}

const DEBIAN: &str = r#"{"id":"DEBIAN-CVE-2024-1","modified":"2024-01-01T00:00:00Z","upstream":["CVE-2024-1"],
    "affected":[{"package":{"ecosystem":"Debian:12","name":"a"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}],
    "ecosystem_specific":{"urgency":"not yet assigned"}}]}"#;

fn rated(source: &MemoryAdvisories) -> (Severity, Option<String>) {
    let found = Image::of("debian 12").package(PackageType::Deb, "a", "1").matched(source);
    (found.findings[0].severity, found.findings[0].rated_by.clone())
}

#[test]
fn a_rating_is_taken_from_who_has_one_in_the_stated_order() {
    let github = r#"{"id":"GHSA-a","modified":"2024-01-01T00:00:00Z","aliases":["CVE-2024-1"],
        "database_specific":{"severity":"LOW"}}"#;
    let other = r#"{"id":"BELL-CVE-2024-1","modified":"2024-01-01T00:00:00Z","upstream":["CVE-2024-1"],
        "severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}]}"#;
    let critical = RatingValue::Cvss("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H".into());
    let nvd = Rating { source: "nvd".into(), value: critical };
    assert_eq!(rated(&written(&[DEBIAN])), (Severity::Unknown, None));
    let mut source = written(&[DEBIAN, other]);
    assert_eq!(rated(&source), (Severity::High, Some("BELL-CVE-2024-1".into())));
    source.rate("CVE-2024-1", nvd.clone());
    assert_eq!(rated(&source), (Severity::Critical, Some("nvd".into())));
    let mut source = written(&[DEBIAN, other, github]);
    source.rate("CVE-2024-1", nvd);
    assert_eq!(rated(&source), (Severity::Low, Some("GHSA-a".into())));
    let found = Image::of("debian 12").package(PackageType::Deb, "a", "1").matched(&source);
    assert_eq!(found.findings[0].ratings.len(), 4, "all are kept");
}

#[test]
fn related_ids_join_nothing_but_almalinuxs_and_rockys() {
    let source = written(&[
        DEBIAN,
        r#"{"id":"GHSA-b","modified":"2024-01-01T00:00:00Z","related":["CVE-2024-1"],"database_specific":{"severity":"HIGH"},
            "affected":[{"package":{"ecosystem":"npm","name":"b"},"versions":["1.0.0"]}]}"#,
    ]);
    assert_eq!(rated(&source).0, Severity::Unknown);
    assert_eq!(Image::of("").package(PackageType::Npm, "b", "1.0.0").ids(&source), ["GHSA-b"]);
    let rocky = |id: &str| {
        written(&[
            &format!(
                r#"{{"id":"{id}","modified":"2024-01-01T00:00:00Z","related":["CVE-2024-1"],
                "summary":"a security update","affected":[{{"package":{{"ecosystem":"Rocky Linux:9","name":"a"}},
                "ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}}]}}]}}]}}"#
            ),
            r#"{"id":"GHSA-b","modified":"2024-01-01T00:00:00Z","aliases":["CVE-2024-1"],
                "database_specific":{"severity":"HIGH"}}"#,
        ])
    };
    let image = Image::of("rocky 9.4").package(PackageType::Rpm, "a", "1");
    let found = image.matched(&rocky("RLSA-2024:1")).findings;
    assert_eq!((found[0].id.as_str(), found[0].severity), ("CVE-2024-1", Severity::High));
    assert!(image.ids(&rocky("RLBA-2024:1")).is_empty(), "a bug fix");
}
