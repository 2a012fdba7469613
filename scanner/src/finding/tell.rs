//! Tells one finding from the records that matched one package for one vulnerability.

use std::collections::BTreeSet;

use super::affects::{Fixes, Hit, fixes};
use super::answer::Match;
use super::group::Groups;
use super::rating::{Chosen, Ratings};
use super::{Finding, FixState};
use crate::advisory::{Advisory, AdvisorySource, RatingValue, cve_of};

/// The most names shown besides the first; a kernel's update goes by hundreds.
const MAX_ALIASES: usize = 256;
/// The most affected packages of a module that are shown.
const MAX_IMPORTS: usize = 16;

/// One finding from the matches of one package and vulnerability; whose package it is, is filled in later.
pub(super) fn tell<S: AdvisorySource>(
    group: usize,
    matches: &[&Match<'_>],
    groups: &Groups,
    source: &S,
) -> Result<Finding, S::Error> {
    let id = groups.display(group);
    let advisories: BTreeSet<&str> = matches.iter().map(|found| found.advisory.id.as_str()).collect();
    let mut shown: BTreeSet<&str> =
        matches.iter().flat_map(|found| own_names(&found.advisory, group, groups)).collect();
    shown.extend(
        groups
            .aliased(group)
            .iter()
            .flat_map(|advisory| advisory.names().filter(|name| groups.find(name) == Some(group))),
    );
    shown.remove(id.as_str());
    let scores = groups.cve(group).map(|cve| source.cve_ratings(cve)).transpose()?.unwrap_or_default();
    let mut ratings = ratings(group, matches, groups);
    ratings.scores.extend(&scores);
    let Chosen { severity, cvss, by } = ratings.choose();
    let (fix_state, Fixes { smallest, others }) = mended(matches);
    let mut by_weight: Vec<&Advisory> = matches.iter().map(|found| &*found.advisory).collect();
    by_weight.sort_by_key(|advisory| advisory.is_bulletin());
    let summary = by_weight.iter().map(|advisory| &advisory.summary).find(|summary| !summary.is_empty());
    Ok(Finding {
        aliases: shown.into_iter().take(MAX_ALIASES).map(str::to_owned).collect(),
        advisories: advisories.into_iter().map(str::to_owned).collect(),
        package: String::new(),
        layer: 0,
        severity,
        cvss,
        rated_by: by,
        ratings: ratings.all(),
        fixed_version: smallest,
        fix_state,
        other_fixes: others,
        imports: imports(matches),
        covered_by: None,
        summary: summary.cloned().unwrap_or_default(),
        id,
    })
}

/// The names a matched record gives a vulnerability. Of a bulletin: its id, the names of this vulnerability, and names that
/// are not known to be another's.
fn own_names<'a>(advisory: &'a Advisory, group: usize, groups: &Groups) -> impl Iterator<Item = &'a str> {
    advisory.names().filter(move |name| {
        *name == advisory.id
            || groups
                .find(name)
                .is_none_or(|other| other == group || (groups.cve(other).is_none() && cve_of(name).is_none()))
    })
}

/// The fixes everybody gets; where there is none, those on offer to subscribers.
fn mended(matches: &[&Match<'_>]) -> (FixState, Fixes) {
    let open: Vec<Hit<'_>> = matches.iter().filter(|found| !found.offered).flat_map(|found| found.hits()).collect();
    let free = fixes(&open);
    if free.smallest.is_some() {
        return (FixState::Fixed, free);
    }
    let offered = matches.iter().flat_map(|found| found.offers());
    let offered = fixes(&offered.collect::<Vec<_>>());
    let state = if offered.smallest.is_some() { FixState::Pro } else { FixState::None };
    (state, offered)
}

/// The packages of a Go module that the records are about, where none of them is about the whole.
fn imports(matches: &[&Match<'_>]) -> Vec<String> {
    let mut paths: BTreeSet<&str> = BTreeSet::new();
    for hit in matches.iter().flat_map(|found| found.hits()) {
        if hit.affected.imports.is_empty() {
            return Vec::new();
        }
        paths.extend(hit.affected.imports.iter().map(String::as_str));
    }
    paths.into_iter().take(MAX_IMPORTS).map(str::to_owned).collect()
}

fn ratings<'a>(group: usize, matches: &'a [&Match<'a>], groups: &'a Groups) -> Ratings<'a> {
    let mut ratings = Ratings::default();
    for found in matches {
        ratings.package.extend(found.hits().flat_map(|hit| &hit.affected.ratings));
        // A word under a name of its own is the distribution's; its vectors are mostly somebody else's.
        let (vendors, own): (Vec<_>, Vec<_>) = found
            .advisory
            .ratings
            .iter()
            .partition(|rating| matches!(rating.value, RatingValue::Word(_)) && rating.source != found.advisory.id);
        ratings.vendor.extend(vendors);
        if found.advisory.is_bulletin() { &mut ratings.bulletin } else { &mut ratings.matched }.extend(own);
    }
    for advisory in groups.aliased(group).iter().chain(groups.derived(group)) {
        if matches.iter().any(|found| found.advisory.id == advisory.id) {
            continue;
        }
        let others = if advisory.id.starts_with("GHSA-") { &mut ratings.github } else { &mut ratings.others };
        others.extend(&advisory.ratings);
        // What a record says of one package in words (`unimportant`: not in Debian's binaries) holds for no other.
        let of_packages = advisory.affected.iter().flat_map(|affected| &affected.ratings);
        others.extend(of_packages.filter(|rating| !matches!(rating.value, RatingValue::Word(_))));
    }
    ratings
}
