//! The tab of packages: what an image holds, system and application packages alike, and what is wrong with each.
//!
//! Packages that an upper layer removed are not in the composed image, and so not here.

use std::collections::HashMap;

use weir_scanner::finding::Severity;
use weir_scanner::package::PackageType;

use super::ask::Ask;
use super::decision::Decisions;
use super::facts::{Meant, OneImage, counts};
use super::fixes::clearing;
use super::order::{Key, Part, Sort};
use crate::report::shape::PackageItem;

/// What the tab can be sorted by. Without, what has exploited vulnerabilities goes first, then what has worse and more ones.
pub(in crate::report) const SORTS: [&str; 4] = ["package", "severity", "clears", "layer"];

/// The packages that are meant; `None` until the image was read. Where something is asked of findings, only packages with such are.
pub(in crate::report) fn packages(image: &OneImage, ask: &Ask, decisions: &Decisions) -> Option<Vec<PackageItem>> {
    let (inventory, record) = (image.inventory()?, image.record.as_ref()?);
    let meant = image.meant(ask, decisions);
    let mut of_package: HashMap<(&str, u32), Vec<Meant<'_>>> = HashMap::new();
    for one in meant.into_iter().flatten() {
        of_package.entry((&one.finding.package, one.finding.layer)).or_default().push(one);
    }
    let is_matched = image.matched().is_some();
    let mut items = Vec::new();
    for found in &inventory.packages {
        let findings = of_package.remove(&(&*found.purl, found.layer)).unwrap_or_default();
        if !ask.takes_layer(record, found.layer)
            || (ask.is_of_findings() && findings.is_empty())
            || (findings.is_empty() && !ask.takes_text([found.package.name.as_str()].into_iter()))
        {
            continue;
        }
        let fix = clearing(inventory, &found.package, &findings.iter().collect::<Vec<_>>());
        items.push(PackageItem {
            purl: found.purl.clone(),
            kind: found.package.package_type.name().to_owned(),
            name: found.package.name.clone(),
            version: found.package.version.clone(),
            package_kind: kind_name(found.package.package_type).to_owned(),
            layer: found.layer,
            paths: found.paths.clone(),
            counts: is_matched.then(|| counts(&findings)),
            clears: fix.as_ref().map_or(0, |fix| fix.clears),
            fixed_version: fix.map(|fix| fix.version),
        });
    }
    Some(Sort::default().order(items, key))
}

/// `os` for what a distribution's package manager installs, else `application`.
pub(super) fn kind_name(package_type: PackageType) -> &'static str {
    if package_type.is_system() { "os" } else { "application" }
}

/// What a package is sorted by.
pub(super) fn key(item: &PackageItem, sort: &Sort) -> Key {
    #[expect(clippy::cast_precision_loss, reason = "counts of findings are far below 2^52")]
    let number = |count: u64| count as f64;
    let of = |severity: Severity| number(item.counts.as_ref().map_or(0, |counts| counts.vulnerabilities.of(severity)));
    let worst = || Severity::ALL.into_iter().find(|severity| of(*severity) > 0.0);
    let field = |name: &str| match name {
        "severity" => Part::from(worst().map_or(-1.0, super::vulnerabilities::rank)),
        "clears" => number(item.clears).into(),
        "layer" => f64::from(item.layer).into(),
        _ => item.name.as_str().into(),
    };
    let default = || {
        let exploited = number(item.counts.as_ref().map_or(0, |counts| counts.known_exploited));
        [exploited].into_iter().chain(Severity::ALL.map(of)).map(|number| Part::from(-number)).collect()
    };
    sort.key(field, default, vec![item.name.as_str().into(), item.purl.as_str().into(), f64::from(item.layer).into()])
}
