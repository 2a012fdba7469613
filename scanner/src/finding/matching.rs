//! Matches one image from nothing.

use super::{Answers, Finding, ImageFindings, Rematched, Stale, rematch_image};
use crate::advisory::AdvisorySource;
use crate::image::ImageInventory;

/// Matches what an image holds against a source, and says which feeds spoke.
///
/// # Errors
/// Where the source fails; there is no half answer.
pub fn match_image<S: AdvisorySource>(inventory: &ImageInventory, source: &S) -> Result<ImageFindings, S::Error> {
    // No question of one image is asked twice.
    let mut answers = Answers::new(0);
    let Rematched { found, .. } = rematch_image(inventory, source, &mut answers, None, &Stale::everything())?;
    Ok(found)
}

/// The order of an image's findings: severest first, then the higher score, then by id, package and layer.
pub(super) fn default_order(a: &Finding, b: &Finding) -> std::cmp::Ordering {
    let score = |finding: &Finding| finding.cvss.as_ref().map_or(0.0, |cvss| cvss.score);
    b.severity
        .cmp(&a.severity)
        .then_with(|| score(b).total_cmp(&score(a)))
        .then_with(|| (&a.id, &a.package, a.layer).cmp(&(&b.id, &b.package, b.layer)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisory::{MemoryAdvisories, RatingValue};
    use crate::finding::Severity;
    use crate::fixture::AdvisoryBuilder;
    use crate::image::{ImagePackage, ScanStatus};
    use crate::package::{Distribution, Package, PackageType, SourcePackage};

    const HIGH: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N";
    const CRITICAL: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";

    fn package(package_type: PackageType, name: &str, version: &str) -> ImagePackage {
        ImagePackage {
            package: Package {
                package_type,
                name: name.into(),
                version: version.into(),
                architecture: None,
                source: None,
                packager: None,
                module: None,
            },
            purl: format!("pkg:{}/{name}@{version}", package_type.name()),
            layer: 0,
            paths: Vec::new(),
            owner: None,
        }
    }

    fn built_from(mut package: ImagePackage, name: &str, version: &str) -> ImagePackage {
        package.package.source = Some(SourcePackage { name: name.into(), version: version.into() });
        package
    }

    fn image(id: &str, version: &str, packages: Vec<ImagePackage>) -> ImageInventory {
        ImageInventory {
            status: ScanStatus::Complete,
            reasons: Vec::new(),
            distribution: Some(Distribution { id: id.into(), version: version.into(), pretty_name: None }),
            packages,
            channels: Vec::new(),
            risks: Vec::new(),
        }
    }

    fn matched(image: &ImageInventory, advisories: &[AdvisoryBuilder]) -> ImageFindings {
        let mut source = MemoryAdvisories::new(1000);
        for advisory in advisories {
            source.insert(advisory.clone().build());
        }
        match_image(image, &source).unwrap()
    }

    fn told(findings: &ImageFindings) -> Vec<(&str, &str, Option<&str>)> {
        let told = findings.findings.iter();
        told.map(|finding| (finding.id.as_str(), finding.package.as_str(), finding.fixed_version.as_deref())).collect()
    }

    #[test]
    fn debian_is_matched_by_source_and_its_version() {
        let rebuilt = built_from(package(PackageType::Deb, "libssl3", "3.0.9-1+b1"), "openssl", "3.0.9-1");
        let other = built_from(package(PackageType::Deb, "openssl", "3.0.11-1"), "openssl-fips", "3.0.11-1");
        let image = image("debian", "12", vec![rebuilt, other]);
        let findings = matched(
            &image,
            &[
                AdvisoryBuilder::new("DSA-1-1").upstream("CVE-2024-1").affects(
                    "Debian:12",
                    "openssl",
                    &["0", "3.0.9-2"],
                ),
                AdvisoryBuilder::new("DSA-2-1").upstream("CVE-2024-2").affects(
                    "Debian:12",
                    "openssl",
                    &["0", "3.0.9-1"],
                ),
                AdvisoryBuilder::new("DSA-3-1").upstream("CVE-2024-3").affects("Debian:11", "openssl", &["0"]),
                AdvisoryBuilder::new("DSA-4-1").upstream("CVE-2024-4").affects("Debian:12", "libssl3", &["0"]),
                AdvisoryBuilder::new("DSA-5-1").upstream("CVE-2024-5").affects("Debian", "openssl", &["0"]),
            ],
        );
        // The rebuild's own version, 3.0.9-1+b1, would be past neither fix; releases do not mix; an entry without a release
        // is for all.
        let libssl3 = "pkg:deb/libssl3@3.0.9-1+b1";
        assert_eq!(told(&findings), [("CVE-2024-1", libssl3, Some("3.0.9-2")), ("CVE-2024-5", libssl3, None)]);
    }

    #[test]
    fn a_bulletin_of_several_vulnerabilities_tells_each() {
        let bulletin =
            ["CVE-2024-1", "CVE-2024-2", "CVE-2024-3", "DEBIAN-CVE-2024-1", "DEBIAN-CVE-2024-2", "DEBIAN-CVE-2024-3"];
        let bulletin = bulletin.iter().fold(AdvisoryBuilder::new("DSA-1-1"), |builder, id| builder.upstream(id));
        let curl = package(PackageType::Deb, "curl", "7.88.1-1");
        let findings = matched(
            &image("debian", "12", vec![curl]),
            &[
                bulletin.affects("Debian:12", "curl", &["0", "7.88.1-2"]),
                AdvisoryBuilder::new("CVE-2024-2").cvss(CRITICAL).affects("npm", "curl", &["0"]),
                AdvisoryBuilder::new("GHSA-a").alias("CVE-2024-3").cvss(HIGH).affects("npm", "curl", &["0"]),
            ],
        );
        let seen: Vec<_> = findings
            .findings
            .iter()
            .map(|finding| {
                (finding.id.as_str(), finding.severity, finding.aliases.join(" "), finding.advisories.join(" "))
            })
            .collect();
        // Each has its own rating, through its own aliases.
        assert_eq!(
            seen,
            [
                ("CVE-2024-2", Severity::Critical, "DEBIAN-CVE-2024-2 DSA-1-1".into(), "DSA-1-1".into()),
                ("CVE-2024-3", Severity::High, "DEBIAN-CVE-2024-3 DSA-1-1 GHSA-a".into(), "DSA-1-1".into()),
                ("CVE-2024-1", Severity::Unknown, "DEBIAN-CVE-2024-1 DSA-1-1".into(), "DSA-1-1".into()),
            ]
        );
    }

    #[test]
    fn records_of_one_vulnerability_are_one_finding() {
        let jinja = package(PackageType::Pypi, "Jinja2", "2.10");
        let findings = matched(
            &image("debian", "12", vec![jinja]),
            &[
                AdvisoryBuilder::new("PYSEC-1").alias("CVE-2019-1").affects("PyPI", "jinja2", &["0", "2.10.1"]),
                AdvisoryBuilder::new("GHSA-a").alias("CVE-2019-1").cvss(HIGH).word("MODERATE").affects(
                    "PyPI",
                    "jinja2",
                    &["0", "2.10.2"],
                ),
                AdvisoryBuilder::new("UBUNTU-CVE-2019-1").upstream("CVE-2019-1").affects(
                    "Ubuntu:22.04:LTS",
                    "jinja2",
                    &["0"],
                ),
            ],
        );
        let [finding] = &findings.findings[..] else { panic!("{:?}", told(&findings)) };
        assert_eq!(finding.id, "CVE-2019-1");
        assert_eq!(finding.aliases, ["GHSA-a", "PYSEC-1"], "a distribution's record is not this package's");
        assert_eq!(finding.advisories, ["GHSA-a", "PYSEC-1"]);
        assert_eq!((finding.severity, finding.cvss.as_ref().map(|cvss| cvss.score)), (Severity::High, Some(7.5)));
        assert_eq!(finding.fixed_version.as_deref(), Some("2.10.2"), "safe after both records");
    }

    #[test]
    fn a_distributions_record_rates_what_nobody_else_does() {
        let package = package(PackageType::Pypi, "a", "1");
        let findings = matched(
            &image("debian", "12", vec![package]),
            &[
                AdvisoryBuilder::new("PYSEC-1").alias("CVE-2019-1").affects("PyPI", "a", &["0"]),
                AdvisoryBuilder::new("ALPINE-CVE-2019-1").upstream("CVE-2019-1").cvss(HIGH).affects(
                    "Alpine:v3.9",
                    "b",
                    &["0"],
                ),
                AdvisoryBuilder::new("GHSA-gone").withdrawn(1).alias("CVE-2019-1").cvss(CRITICAL).affects(
                    "npm",
                    "b",
                    &["0"],
                ),
            ],
        );
        assert_eq!(findings.findings[0].severity, Severity::High, "not the withdrawn record's");
    }

    #[test]
    fn the_affected_packages_own_rating_wins() {
        let package = package(PackageType::Deb, "a", "1");
        let findings = matched(
            &image("debian", "12", vec![package]),
            &[AdvisoryBuilder::new("DEBIAN-CVE-2024-1")
                .upstream("CVE-2024-1")
                .cvss(CRITICAL)
                .affects("Debian:12", "a", &["0"])
                .package_rating(RatingValue::Word("unimportant".into()))],
        );
        assert_eq!((findings.findings[0].severity, &findings.findings[0].cvss), (Severity::None, &None));
    }

    #[test]
    fn alpine_is_matched_by_origin_and_fixed_zero_is_never_affected() {
        let package = built_from(package(PackageType::Apk, "libcrypto3", "3.1.4-r0"), "openssl", "3.1.4-r0");
        let findings = matched(
            &image("alpine", "3.20.1", vec![package]),
            &[
                AdvisoryBuilder::new("ALPINE-CVE-2024-1").affects("Alpine:v3.20", "openssl", &["0", "3.1.4-r1"]),
                AdvisoryBuilder::new("ALPINE-CVE-2024-2").affects("Alpine:v3.20", "openssl", &["0", "0"]),
                AdvisoryBuilder::new("ALPINE-CVE-2024-3").affects("Alpine:v3.19", "openssl", &["0", "9"]),
            ],
        );
        assert_eq!(told(&findings), [("CVE-2024-1", "pkg:apk/libcrypto3@3.1.4-r0", Some("3.1.4-r1"))]);
    }

    #[test]
    fn names_are_keyed_as_their_ecosystem_does_and_withdrawn_records_do_not_match() {
        let packages = vec![
            package(PackageType::Npm, "JSONStream", "1.0.0"),
            package(PackageType::Npm, "jsonstream", "1.0.0"),
            package(PackageType::Pypi, "Zope_Interface", "4.0"),
        ];
        let findings = matched(
            &image("debian", "12", packages),
            &[
                AdvisoryBuilder::new("GHSA-a").affects("npm", "JSONStream", &["0", "2.0.0-rc.1"]),
                AdvisoryBuilder::new("GHSA-b").withdrawn(5).affects("npm", "JSONStream", &["0"]),
                AdvisoryBuilder::new("GHSA-c").affects("PyPI", "zope-interface", &[]).version("4.0.0"),
                AdvisoryBuilder::new("GHSA-d").affects("PyPI", "zope-interface", &[]),
            ],
        );
        let expected = [
            ("GHSA-a", "pkg:npm/JSONStream@1.0.0", Some("2.0.0-rc.1")),
            ("GHSA-c", "pkg:pypi/Zope_Interface@4.0", None),
        ];
        assert_eq!(told(&findings), expected);
    }

    #[test]
    fn coverage_names_the_feeds_that_spoke_and_those_that_could_not() {
        let mut docker = package(PackageType::Deb, "docker-ce", "5:24.0.7");
        docker.package.packager = Some("Docker <support@docker.com>".into());
        let packages = vec![
            package(PackageType::Deb, "curl", "7.88.1-1"),
            docker,
            package(PackageType::Npm, "a", "1.0.0"),
            package(PackageType::Npm, "b", "1.0.0"),
            package(PackageType::Pypi, "c", "1.0"),
            package(PackageType::Rpm, "d", "1.0"),
        ];
        let advisories = [
            AdvisoryBuilder::new("DSA-1-1").modified(7).affects("Debian:12", "docker-ce", &["0"]),
            AdvisoryBuilder::new("DSA-2-1").modified(9).affects("Debian:11", "curl", &["0"]),
            AdvisoryBuilder::new("PYSEC-1").modified(8).affects("PyPI", "unrelated", &["0"]),
        ];
        let findings = matched(&image("debian", "12", packages), &advisories);
        assert_eq!(told(&findings), [], "the distribution does not speak for a third party's package");
        let feeds: Vec<_> =
            findings.feeds.iter().map(|feed| (feed.ecosystem.as_str(), feed.records, feed.as_of)).collect();
        assert_eq!(feeds, [("Debian:12", 1, Some(7)), ("PyPI", 1, Some(8))]);
        assert_eq!(findings.missing_feeds, ["npm", "rpm"]);
        assert_eq!(findings.uncovered_packages, 4, "docker-ce, two of npm, one of rpm");
    }

    #[test]
    fn a_release_nothing_speaks_for_is_missing_though_the_feed_is_there() {
        let image = image("debian", "13", vec![package(PackageType::Deb, "curl", "8.0-1")]);
        let findings = matched(&image, &[AdvisoryBuilder::new("DSA-1-1").affects("Debian:12", "curl", &["0"])]);
        assert_eq!((findings.missing_feeds, findings.uncovered_packages), (vec!["Debian:13".to_owned()], 1));
    }

    #[test]
    fn answers_kept_from_other_images_change_nothing() {
        let mut source = MemoryAdvisories::new(1000);
        for advisory in [
            AdvisoryBuilder::new("GHSA-1").alias("CVE-2024-1").word("HIGH").affects("npm", "a", &["0", "2.0.0"]),
            AdvisoryBuilder::new("GHSA-2").alias("CVE-2024-1").affects("npm", "b", &["0"]),
            AdvisoryBuilder::new("DSA-1-1").upstream("CVE-2024-1").upstream("CVE-2024-2").affects(
                "Debian:12",
                "a",
                &["0"],
            ),
        ] {
            source.insert(advisory.build());
        }
        let mut answers = Answers::new(100);
        let (a, b) = (package(PackageType::Npm, "a", "1.0.0"), package(PackageType::Npm, "b", "1.0.0"));
        let newer = package(PackageType::Npm, "a", "2.0.0");
        let deb = package(PackageType::Deb, "a", "1");
        for packages in [vec![a.clone()], vec![a.clone(), b.clone(), deb], vec![newer, b], vec![a]] {
            let image = image("debian", "12", packages);
            let everything = Stale::everything();
            let kept = rematch_image(&image, &source, &mut answers, None, &everything).unwrap();
            assert_eq!(kept.whole(), match_image(&image, &source).unwrap());
        }
        assert_eq!(answers.len(), 4, "each question is asked once");
    }

    #[test]
    fn an_image_is_asked_for_under_every_key() {
        let openssl = built_from(package(PackageType::Apk, "libcrypto3", "3.1.4-r0"), "openssl", "3.1.4-r0");
        let image = image("wolfi", "20230201", vec![openssl, package(PackageType::Luarocks, "socket", "1")]);
        let keys: Vec<_> = crate::finding::questions(&image).into_iter().collect();
        let key = |package: &str| ("Wolfi".to_owned(), package.to_owned());
        assert_eq!(keys, [key("libcrypto3"), key("openssl")]);
    }

    #[test]
    fn findings_stand_severest_first() {
        let packages = vec![package(PackageType::Npm, "b", "1.0.0"), package(PackageType::Npm, "a", "1.0.0")];
        let findings = matched(
            &image("debian", "12", packages),
            &[
                AdvisoryBuilder::new("GHSA-1").word("CRITICAL").affects("npm", "a", &["0"]),
                AdvisoryBuilder::new("GHSA-2").cvss(CRITICAL).affects("npm", "a", &["0"]).affects("npm", "b", &["0"]),
                AdvisoryBuilder::new("GHSA-3").affects("npm", "a", &["0"]),
                AdvisoryBuilder::new("GHSA-4").cvss(HIGH).affects("npm", "b", &["0"]),
            ],
        );
        let order: Vec<_> = told(&findings).iter().map(|(id, package, _)| (*id, &package[8..9])).collect();
        assert_eq!(order, [("GHSA-2", "a"), ("GHSA-2", "b"), ("GHSA-1", "a"), ("GHSA-4", "b"), ("GHSA-3", "a")]);
    }
}
