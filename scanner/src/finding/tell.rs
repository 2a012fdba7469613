//! Tells one finding from the records that matched one package for one vulnerability.

use std::collections::BTreeSet;

use super::Finding;
use super::affects::smallest_fix;
use super::group::{Groups, cve_of, is_bulletin, names};
use super::matching::Match;
use super::rating::Ratings;
use crate::advisory::{Advisory, Affected};

/// One finding from the matches of one package and vulnerability; whose package it is, is filled in later.
pub(super) fn tell(group: usize, matches: &[&Match<'_>], groups: &Groups) -> Finding {
    let id = groups.display(group);
    let query = matches[0].query;
    let advisories: BTreeSet<&str> = matches.iter().map(|found| found.advisory.id.as_str()).collect();
    let mut shown: BTreeSet<&str> =
        matches.iter().flat_map(|found| own_names(&found.advisory, group, groups)).collect();
    shown.extend(
        groups
            .aliased(group)
            .iter()
            .flat_map(|advisory| names(advisory).filter(|name| groups.find(name) == Some(group))),
    );
    shown.remove(id.as_str());
    let entries: Vec<&Affected> = matches.iter().flat_map(|found| found.affected()).collect();
    let (severity, cvss) = ratings(group, matches, groups).choose();
    let mut by_weight: Vec<&Advisory> = matches.iter().map(|found| &*found.advisory).collect();
    by_weight.sort_by_key(|advisory| is_bulletin(advisory));
    let summary = by_weight.iter().map(|advisory| &advisory.summary).find(|summary| !summary.is_empty());
    Finding {
        aliases: shown.into_iter().map(str::to_owned).collect(),
        advisories: advisories.into_iter().map(str::to_owned).collect(),
        package: String::new(),
        layer: 0,
        severity,
        cvss,
        fixed_version: smallest_fix(&entries, query.scheme, &query.version),
        summary: summary.cloned().unwrap_or_default(),
        id,
    }
}

/// The names a matched record gives a vulnerability. Of a bulletin: its id, the names of this vulnerability, and names that
/// are not known to be another's.
fn own_names<'a>(advisory: &'a Advisory, group: usize, groups: &Groups) -> impl Iterator<Item = &'a str> {
    names(advisory).filter(move |name| {
        *name == advisory.id
            || groups
                .find(name)
                .is_none_or(|other| other == group || (groups.cve(other).is_none() && cve_of(name).is_none()))
    })
}

fn ratings<'a>(group: usize, matches: &[&'a Match<'_>], groups: &'a Groups) -> Ratings<'a> {
    let mut ratings = Ratings::default();
    for found in matches {
        ratings.package.extend(found.affected().flat_map(|affected| &affected.ratings));
        let whole = if is_bulletin(&found.advisory) { &mut ratings.bulletin } else { &mut ratings.matched };
        whole.extend(&found.advisory.ratings);
    }
    for advisory in groups.aliased(group).iter().chain(groups.derived(group)) {
        if !matches.iter().any(|found| found.advisory.id == advisory.id) {
            ratings.group.extend(&advisory.ratings);
            ratings.group.extend(advisory.affected.iter().flat_map(|affected| &affected.ratings));
        }
    }
    ratings
}
