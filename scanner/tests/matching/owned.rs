//! Packages of languages that a distribution's package brought, and coverage.

use weir_scanner::finding::UncoveredReason;
use weir_scanner::package::{Package, PackageType};
use weir_scanner::verdict::Verdict;

use crate::support::{Image, written};

const JINJA: &str = r#"{"id":"PYSEC-1","modified":"2024-01-01T00:00:00Z","aliases":["CVE-2024-1"],
    "affected":[{"package":{"ecosystem":"PyPI","name":"jinja2"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]}]}"#;
const DEBIAN: &str = r#"{"id":"DSA-1-1","modified":"2024-01-01T00:00:00Z",
    "affected":[{"package":{"ecosystem":"Debian:12","name":"other"},"versions":["1"]}]}"#;

#[test]
fn a_distributions_own_python_package_is_marked_where_its_feed_speaks() {
    let image = |packager: Option<&str>| {
        let deb = Package::new(PackageType::Deb, "python3-jinja2", "3.1.2-1");
        Image::of("debian 12")
            .with(Package { packager: packager.map(str::to_owned), ..deb })
            .package(PackageType::Pypi, "jinja2", "3.1.2")
            .owned_by(0)
    };
    let covered = image(None).matched(&written(&[JINJA, DEBIAN]));
    let [finding] = &covered.findings[..] else { panic!("the finding is kept: {covered:?}") };
    assert_eq!(finding.covered_by.as_deref(), Some("pkg:deb/debian/python3-jinja2@3.1.2-1?distro=debian-12"));
    let verdict = Verdict::of(&covered);
    assert_eq!((verdict.vulnerabilities.total(), verdict.findings, verdict.covered), (0, 1, 1));
    // No feed of the distribution, or a third party's package: nobody else speaks for it.
    for found in [
        image(None).matched(&written(&[JINJA])),
        image(Some("Docker <support@docker.com>")).matched(&written(&[JINJA, DEBIAN])),
    ] {
        assert_eq!(found.findings[0].covered_by, None);
        assert_eq!(Verdict::of(&found).vulnerabilities.total(), 1);
    }
}

#[test]
fn packages_nobody_speaks_for_are_told_by_ecosystem_and_reason() {
    let mut image = Image::of("debian 12")
        .package(PackageType::Luarocks, "socket", "3.0")
        .package(PackageType::Maven, "no-group", "1")
        .with(Package {
            packager: Some("Docker <support@docker.com>".into()),
            ..Package::new(PackageType::Deb, "docker-ce", "5:24")
        });
    for number in 0..7 {
        image = image.package(PackageType::Npm, &format!("p{number}"), "1.0.0");
    }
    let found = image.matched(&written(&[DEBIAN]));
    let told: Vec<_> = found
        .uncovered
        .iter()
        .map(|left| (left.ecosystem.as_str(), left.reason, left.packages, left.examples.len()))
        .collect();
    assert_eq!(
        told,
        [
            ("Debian:12", UncoveredReason::ThirdParty, 1, 1),
            ("Maven", UncoveredReason::Unnamed, 1, 1),
            ("luarocks", UncoveredReason::NoFeed, 1, 1),
            ("npm", UncoveredReason::MissingFeed, 7, 5),
        ]
    );
    assert_eq!((found.uncovered_packages, found.missing_feeds.join(" ")), (10, "luarocks npm".into()));
}
