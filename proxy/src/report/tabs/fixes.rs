//! What to upgrade: for each package the version that clears all that can be cleared, and how much that is.
//!
//! Packages of one source are one, where the ecosystem builds from sources: upgrading one upgrades its siblings. A version clears a finding
//! where it is, by the ecosystem's own order, at or above the fix of the last branch there is, or at or above a fix of its own branch (all
//! but the last number alike). What may be cleared but is not known to be counts as not cleared.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use schemars::JsonSchema;
use serde::Serialize;
use weir_scanner::finding::query::{Host, query};
use weir_scanner::image::{ImageInventory, ImagePackage};
use weir_scanner::package::Package;
use weir_scanner::version::{Scheme, compare};

use super::ask::Ask;
use super::decision::Decisions;
use super::facts::{Meant, OneImage, counts};
use super::order::{Key, Part, Sort};
use crate::report::shape::Counts;

/// What the list can be sorted by. Without, what clears the worse and the more goes first.
pub(in crate::report) const SORTS: [&str; 2] = ["package", "clears"];

/// One upgrade.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(in crate::report) struct Fix {
    /// The package, or the source that its packages are built from.
    pub(in crate::report) package: String,
    #[serde(rename = "type")]
    pub(in crate::report) kind: String,
    /// The version that is there.
    pub(in crate::report) version: String,
    /// The version that clears all that can be cleared.
    pub(in crate::report) fixed_version: String,
    /// How many vulnerabilities it clears.
    pub(in crate::report) clears: u64,
    /// The same by severity, and how many of them are exploited.
    pub(in crate::report) counts: Counts,
    /// The packages it is about, as package URLs.
    pub(in crate::report) packages: Vec<String>,
    /// The layers that brought them.
    pub(in crate::report) layers: Vec<u32>,
}

/// A version that clears findings.
pub(super) struct Clearing {
    pub(super) version: String,
    /// Distinct vulnerabilities.
    pub(super) clears: u64,
}

/// What tells upgrades apart: type, name, and the version that is there.
type Group<'a> = (&'static str, &'a str, &'a str);

/// The upgrades that clear the findings that are meant; `None` until the image was read and matched.
pub(in crate::report) fn fixes(image: &OneImage, ask: &Ask, decisions: &Decisions) -> Option<Vec<Fix>> {
    let (meant, inventory) = (image.meant(ask, decisions)?, image.inventory()?);
    let mut groups: BTreeMap<Group<'_>, Vec<(&Meant<'_>, &ImagePackage)>> = BTreeMap::new();
    for one in meant.iter().filter(|one| one.is_fixable() && one.finding.covered_by.is_none()) {
        if let Some(package) = one.package {
            groups.entry(group(&package.package)).or_default().push((one, package));
        }
    }
    let fix = |((kind, name, version), found): (Group<'_>, Vec<(&Meant<'_>, &ImagePackage)>)| {
        let (_, first) = found.first()?;
        let findings: Vec<&Meant<'_>> = found.iter().map(|(one, _)| *one).collect();
        let clearing = clearing(inventory, &first.package, &findings)?;
        let packages: BTreeSet<&str> = found.iter().map(|(_, package)| &*package.purl).collect();
        let layers: BTreeSet<u32> = found.iter().map(|(_, package)| package.layer).collect();
        Some(Fix {
            package: name.to_owned(),
            kind: kind.to_owned(),
            version: version.to_owned(),
            fixed_version: clearing.version,
            clears: clearing.clears,
            counts: counts(findings.iter().copied()),
            packages: packages.into_iter().map(str::to_owned).collect(),
            layers: layers.into_iter().collect(),
        })
    };
    Some(Sort::default().order(groups.into_iter().filter_map(fix).collect(), key))
}

fn group(package: &Package) -> Group<'_> {
    let source = package.source.as_ref().map(|source| (source.name.as_str(), source.version.as_str()));
    let (name, version) = source.unwrap_or((&package.name, &package.version));
    (package.package_type.name(), name, version)
}

/// The smallest version known that clears all fixable findings of a package; `None` where none is fixable, or where nobody knows how its
/// versions compare and the findings name different ones.
pub(super) fn clearing(inventory: &ImageInventory, package: &Package, meant: &[&Meant<'_>]) -> Option<Clearing> {
    let fixable = meant.iter().filter(|one| one.is_fixable() && one.finding.covered_by.is_none());
    let mut branches: Vec<Vec<&str>> = Vec::new();
    let mut cleared: HashSet<&str> = HashSet::new();
    for one in fixable {
        let Some(fixed) = &one.finding.fixed_version else { continue };
        branches.push([fixed].into_iter().chain(&one.finding.other_fixes).map(String::as_str).collect());
        cleared.insert(&one.finding.id);
    }
    let scheme = query(package, &Host::of(inventory)).question().map(|question| question.scheme);
    let version = smallest(scheme, &branches)?;
    Some(Clearing { version: version.to_owned(), clears: cleared.len() as u64 })
}

/// The smallest version that clears findings, each given by the fixes of its branches.
fn smallest<'a>(scheme: Option<Scheme>, findings: &[Vec<&'a str>]) -> Option<&'a str> {
    let Some(scheme) = scheme else {
        let first = findings.first()?.first()?;
        return findings.iter().all(|fixes| fixes.first() == Some(first)).then_some(first);
    };
    let mut candidates: Vec<&str> = findings.iter().flatten().copied().collect();
    candidates.sort_by(|a, b| compare(scheme, a, b).then_with(|| a.cmp(b)));
    candidates.into_iter().find(|candidate| findings.iter().all(|fixes| clears(scheme, candidate, fixes)))
}

/// Whether a version clears a finding that these versions fix, each on its branch.
fn clears(scheme: Scheme, version: &str, fixes: &[&str]) -> bool {
    let reaches = |fix: &&&str| compare(scheme, version, fix) != Ordering::Less;
    fixes.iter().all(|fix| reaches(&fix)) || fixes.iter().filter(reaches).any(|fix| branch(fix) == branch(version))
}

/// A version without its last number.
fn branch(version: &str) -> &str {
    version.rsplit_once('.').map_or(version, |(branch, _)| branch)
}

/// What an upgrade is sorted by.
pub(super) fn key(item: &Fix, sort: &Sort) -> Key {
    #[expect(clippy::cast_precision_loss, reason = "counts of findings are far below 2^52")]
    let number = |count: u64| count as f64;
    let field = |name: &str| match name {
        "clears" => Part::from(number(item.clears)),
        _ => item.package.as_str().into(),
    };
    let default = || {
        let worst = weir_scanner::finding::Severity::ALL.map(|severity| item.counts.vulnerabilities.of(severity));
        let counts = [item.counts.known_exploited].into_iter().chain(worst);
        counts.map(|count| Part::from(-number(count))).collect()
    };
    sort.key(
        field,
        default,
        vec![item.package.as_str().into(), item.kind.as_str().into(), item.version.as_str().into()],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_version_that_clears_everything_is_found() {
        let semver = Some(Scheme::SemVer);
        for (scheme, findings, expected) in [
            (semver, vec![vec!["1.2.9"], vec!["1.2.10"]], Some("1.2.10")),
            // 2.0.0 lies between the branches of the first finding, of which nobody says whether it was mended.
            (semver, vec![vec!["1.2.9", "2.0.3"], vec!["2.0.0"]], Some("2.0.3")),
            (semver, vec![vec!["1.2.9", "2.0.3"], vec!["1.2.10"]], Some("1.2.10")),
            (semver, vec![vec!["1.2.9", "2.0.3"], vec!["1.3.0"]], Some("2.0.3")),
            (Some(Scheme::Go), vec![vec!["1.21.5", "1.22.1"], vec!["1.21.8", "1.22.1"]], Some("1.21.8")),
            (Some(Scheme::Dpkg), vec![vec!["1.1.1n-0+deb11u5"], vec!["1.1.1~rc1"]], Some("1.1.1n-0+deb11u5")),
            (None, vec![vec!["2"], vec!["2"]], Some("2")),
            (None, vec![vec!["2"], vec!["3"]], None),
            (semver, vec![], None),
            (None, vec![], None),
        ] {
            assert_eq!(smallest(scheme, &findings), expected, "{findings:?}");
        }
    }
}
