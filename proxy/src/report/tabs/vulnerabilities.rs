//! The tab of vulnerabilities: every finding of an image that is meant.

use weir_scanner::finding::Severity;
use weir_scanner::package::PackageUrl;

use super::ask::Ask;
use super::decision::Decisions;
use super::facts::{Meant, OneImage};
use super::order::{Key, Part, Sort};
use super::packages::kind_name;
use crate::clock::rfc3339;
use crate::report::shape::ImageVulnerability;

/// What the tab can be sorted by. Without, what is exploited goes first, then the higher CVSS, then the likelier.
pub(in crate::report) const SORTS: [&str; 6] = ["id", "cvss", "epss", "severity", "package", "first_seen"];

/// The findings that are meant; `None` until the image was read and matched.
pub(in crate::report) fn vulnerabilities(
    image: &OneImage,
    ask: &Ask,
    decisions: &Decisions,
) -> Option<Vec<ImageVulnerability>> {
    let items = image.meant(ask, decisions)?.into_iter().map(item).collect();
    Some(Sort::default().order(items, key))
}

fn item(meant: Meant<'_>) -> ImageVulnerability {
    let fixable = meant.is_fixable();
    let Meant { finding, package, exploited, likelihood, first_seen, exception } = meant;
    let (name, version, kind) = match package {
        Some(found) => (found.package.name.clone(), found.package.version.clone(), found.package.package_type),
        // Only where the inventory is of another reading than the findings.
        None => named(&finding.package),
    };
    ImageVulnerability {
        id: finding.id.clone(),
        aliases: finding.aliases.clone(),
        summary: finding.summary.clone(),
        package: finding.package.clone(),
        package_name: name,
        package_version: version,
        package_kind: kind_name(kind).to_owned(),
        layer: finding.layer,
        severity: finding.severity,
        cvss: finding.cvss.as_ref().map(|cvss| cvss.score),
        cvss_version: finding.cvss.as_ref().map(|cvss| cvss.version.clone()),
        cvss_vector: finding.cvss.as_ref().map(|cvss| cvss.vector.clone()),
        rated_by: finding.rated_by.clone(),
        epss: likelihood,
        known_exploited: exploited,
        fixed_version: finding.fixed_version.clone(),
        fixable,
        other_fixes: finding.other_fixes.clone(),
        advisories: finding.advisories.clone(),
        paths: package.map(|package| package.paths.clone()).unwrap_or_default(),
        covered_by: finding.covered_by.clone(),
        first_seen: rfc3339(first_seen),
        exception,
    }
}

/// Name, version and type of a package by its package URL.
fn named(purl: &str) -> (String, String, weir_scanner::package::PackageType) {
    match PackageUrl::parse(purl).ok().and_then(|url| url.package(None)) {
        Some(package) => (package.name, package.version, package.package_type),
        None => (purl.to_owned(), String::new(), weir_scanner::package::PackageType::Generic),
    }
}

/// What a finding is sorted by.
pub(super) fn key(item: &ImageVulnerability, sort: &Sort) -> Key {
    // What is not known goes below everything that is.
    let number = |number: Option<f64>| number.unwrap_or(-1.0);
    let field = |name: &str| match name {
        "cvss" => Part::from(number(item.cvss)),
        "epss" => number(item.epss).into(),
        "severity" => rank(item.severity).into(),
        "package" => item.package_name.as_str().into(),
        "first_seen" => item.first_seen.as_str().into(),
        _ => item.id.as_str().into(),
    };
    let default = || {
        let exploited = f64::from(u8::from(item.known_exploited == Some(true)));
        [exploited, number(item.cvss), number(item.epss), rank(item.severity)]
            .map(|number| Part::from(-number))
            .to_vec()
    };
    sort.key(field, default, vec![item.id.as_str().into(), item.package.as_str().into(), f64::from(item.layer).into()])
}

/// The worse, the higher.
pub(super) fn rank(severity: Severity) -> f64 {
    let better = Severity::ALL.iter().filter(|other| **other < severity).count();
    u32::try_from(better).map_or(0.0, f64::from)
}
