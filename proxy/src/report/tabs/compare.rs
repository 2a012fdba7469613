//! Two images beside each other: what the second mends, what it brings, and what stays.
//!
//! A finding is the same in both where a name of its vulnerability and the package's type and name are; versions and layers may differ.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use schemars::JsonSchema;
use serde::Serialize;
use weir_scanner::finding::query::{Host, query};
use weir_scanner::image::ImageInventory;
use weir_scanner::package::{Package, PackageType};
use weir_scanner::version::compare as versions;

use super::ask::Ask;
use super::decision::Decisions;
use super::facts::OneImage;
use super::packages::kind_name;
use super::vulnerabilities::vulnerabilities;
use crate::report::document::ScanPart;
use crate::report::shape::ImageVulnerability;

/// Two images compared.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::report) struct Comparison {
    pub(in crate::report) a: ComparedImage,
    pub(in crate::report) b: ComparedImage,
    /// Findings of `a` that `b` does not have; like the next two `null` until both were read and matched.
    pub(in crate::report) fixed: Option<Vec<ImageVulnerability>>,
    /// Findings of `b` that `a` does not have.
    pub(in crate::report) new: Option<Vec<ImageVulnerability>>,
    /// Findings of both, as `b` has them.
    pub(in crate::report) unchanged: Option<Vec<ImageVulnerability>>,
    /// `null` until both were read.
    pub(in crate::report) packages: Option<Vec<PackageChange>>,
    /// `null` where weir has no manifest of one of them.
    pub(in crate::report) layers: Option<SharedLayers>,
}

/// One of them.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::report) struct ComparedImage {
    pub(in crate::report) digest: String,
    pub(in crate::report) reference: Option<String>,
    pub(in crate::report) platform: Option<String>,
    pub(in crate::report) scan: ScanPart,
}

/// A package that is not the same in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::report) struct PackageChange {
    #[serde(rename = "type")]
    pub(in crate::report) kind: String,
    pub(in crate::report) name: String,
    /// `os` or `application`.
    pub(in crate::report) package_kind: String,
    pub(in crate::report) change: Change,
    /// The version in `a`.
    pub(in crate::report) from: Option<String>,
    /// The version in `b`.
    pub(in crate::report) to: Option<String>,
}

/// What became of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::report) enum Change {
    Added,
    Removed,
    Upgraded,
    Downgraded,
    /// Another version, of which nobody knows whether it is newer.
    Changed,
}

/// What two images have in common at their bottom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::report) struct SharedLayers {
    /// How many layers are the same from the bottom up.
    pub(in crate::report) shared: u32,
    pub(in crate::report) shared_bytes: u64,
    /// How many `a` has.
    pub(in crate::report) a: u32,
    /// How many `b` has.
    pub(in crate::report) b: u32,
}

/// Compares two images; each of their names beside it.
pub(in crate::report) fn compare(
    (a, a_reference): (&OneImage, Option<String>),
    (b, b_reference): (&OneImage, Option<String>),
    ask: &Ask,
    decisions: &Decisions,
) -> Comparison {
    let found = vulnerabilities(a, ask, decisions).zip(vulnerabilities(b, ask, decisions));
    let (fixed, new, unchanged) = match found {
        Some((a, b)) => {
            let (fixed, new, unchanged) = findings(a, b);
            (Some(fixed), Some(new), Some(unchanged))
        }
        None => (None, None, None),
    };
    Comparison {
        fixed,
        new,
        unchanged,
        packages: a.inventory().zip(b.inventory()).map(|(a, b)| packages(a, b)),
        layers: layers(a, b),
        a: compared(a, a_reference),
        b: compared(b, b_reference),
    }
}

fn compared(image: &OneImage, reference: Option<String>) -> ComparedImage {
    ComparedImage { digest: image.digest.to_string(), reference, platform: image.platform.clone(), scan: image.scan() }
}

type Findings = Vec<ImageVulnerability>;

/// Those of `a` alone, of `b` alone, and of both.
fn findings(a: Findings, b: Findings) -> (Findings, Findings, Findings) {
    let names = |found: &Findings| -> HashSet<(String, String)> {
        found.iter().flat_map(|item| names(item).map(|name| (name.to_owned(), place(item)))).collect()
    };
    let (of_a, of_b) = (names(&a), names(&b));
    let is_in = |item: &ImageVulnerability, known: &HashSet<(String, String)>| {
        self::names(item).any(|name| known.contains(&(name.to_owned(), place(item))))
    };
    let fixed = a.into_iter().filter(|item| !is_in(item, &of_b)).collect();
    let (unchanged, new) = b.into_iter().partition(|item| is_in(item, &of_a));
    (fixed, new, unchanged)
}

fn names(item: &ImageVulnerability) -> impl Iterator<Item = &str> {
    [&item.id].into_iter().chain(&item.aliases).map(String::as_str)
}

/// The package of a finding without its version: the head of its package URL tells types apart.
fn place(item: &ImageVulnerability) -> String {
    let kind = item.package.split('/').next().unwrap_or_default();
    format!("{kind}/{}", item.package_name)
}

/// What tells packages apart, versions aside.
type Name<'a> = (PackageType, &'a str);

fn packages(a: &ImageInventory, b: &ImageInventory) -> Vec<PackageChange> {
    let (of_a, of_b) = (by_name(a), by_name(b));
    let names: BTreeSet<&Name<'_>> = of_a.keys().chain(of_b.keys()).collect();
    let mut changes = Vec::new();
    let none = BTreeMap::new();
    for name in names {
        let (before, after) = (of_a.get(name).unwrap_or(&none), of_b.get(name).unwrap_or(&none));
        let gone: Vec<&Package> = only(before, after);
        let come: Vec<&Package> = only(after, before);
        // Where an image has several versions of one package, they pair up from the lowest.
        for at in 0..gone.len().max(come.len()) {
            let (from, to) = (gone.get(at).copied(), come.get(at).copied());
            changes.push(PackageChange {
                kind: name.0.name().to_owned(),
                name: name.1.to_owned(),
                package_kind: kind_name(name.0).to_owned(),
                change: change(b, from, to),
                from: from.map(|package| package.version.clone()),
                to: to.map(|package| package.version.clone()),
            });
        }
    }
    changes
}

/// Every package by its name, and by its version.
fn by_name(inventory: &ImageInventory) -> HashMap<Name<'_>, BTreeMap<&str, &Package>> {
    let mut found: HashMap<Name<'_>, BTreeMap<&str, &Package>> = HashMap::new();
    for package in inventory.packages.iter().map(|found| &found.package) {
        let of_name = found.entry((package.package_type, &package.name)).or_default();
        of_name.insert(&package.version, package);
    }
    found
}

/// The versions of the first that the second does not have.
fn only<'a>(of: &BTreeMap<&str, &'a Package>, than: &BTreeMap<&str, &Package>) -> Vec<&'a Package> {
    of.iter().filter(|(version, _)| !than.contains_key(*version)).map(|(_, package)| *package).collect()
}

fn change(inventory: &ImageInventory, from: Option<&Package>, to: Option<&Package>) -> Change {
    match (from, to) {
        (Some(from), Some(to)) => {
            let question = query(to, &Host::of(inventory)).question();
            match question.map(|question| versions(question.scheme, &from.version, &to.version)) {
                Some(Ordering::Less) => Change::Upgraded,
                Some(Ordering::Greater) => Change::Downgraded,
                Some(Ordering::Equal) | None => Change::Changed,
            }
        }
        (None, _) => Change::Added,
        (_, None) => Change::Removed,
    }
}

fn layers(a: &OneImage, b: &OneImage) -> Option<SharedLayers> {
    let (a, b) = (&a.record.as_ref()?.layers, &b.record.as_ref()?.layers);
    let shared =
        a.iter().zip(b).take_while(|(a, b)| a.digest == b.digest || (a.diff_id.is_some() && a.diff_id == b.diff_id));
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let sizes: Vec<u64> = shared.map(|(_, b)| b.size).collect();
    Some(SharedLayers {
        shared: count(sizes.len()),
        shared_bytes: sizes.iter().sum(),
        a: count(a.len()),
        b: count(b.len()),
    })
}
