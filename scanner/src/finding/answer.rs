//! The answer to one question: what the source knows of one package in one version, one finding a vulnerability.
//!
//! The invariant: an answer depends on its question and on the source, on nothing else of an image, so answers are kept and shared
//! between images ([`super::Answers`]) and dropped by what changes in the source ([`super::touched_by_names`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Finding;
use super::affects::{Hit, Order, affects};
use super::group::Groups;
use super::module::{is_modular, speaks_of_stream};
use super::query::{Query, QueryName, Standing};
use super::tell::tell;
use crate::advisory::{Advisory, AdvisorySource, Affected};

/// What the source says of a question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The findings by id, without the package, its layer and its owner, which are the image's.
    pub findings: Vec<Finding>,
}

/// Asks the source one question.
///
/// # Errors
/// Where the source fails; there is no half answer.
pub fn answer<S: AdvisorySource>(query: &Query, source: &S) -> Result<Answer, S::Error> {
    let heard = Heard::listen(query, source)?;
    if heard.matches.is_empty() {
        return Ok(Answer::default());
    }
    let records = heard.matches.iter().map(|found| Arc::clone(&found.advisory)).collect::<Vec<_>>();
    let groups = Groups::of(&records, source)?;
    let cured: BTreeSet<usize> = heard.cured.iter().flat_map(|advisory| groups_of(advisory, &groups)).collect();
    let mut findings = Vec::new();
    for (group, matches) in by_group(&heard.matches, &groups) {
        if !cured.contains(&group) {
            findings.push(tell(group, &matches, &groups, source)?);
        }
    }
    findings.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Answer { findings })
}

/// The records that affect a version, and those that say what they once affected is mended in it.
struct Heard<'a> {
    matches: Vec<Match<'a>>,
    /// Of extended support, whose word on its own builds is better than the release's.
    cured: Vec<Arc<Advisory>>,
}

impl<'a> Heard<'a> {
    fn listen<S: AdvisorySource>(query: &'a Query, source: &S) -> Result<Self, S::Error> {
        let mut matches: BTreeMap<String, Match<'a>> = BTreeMap::new();
        let mut cured = Vec::new();
        for name in &query.names {
            for advisory in source.affecting(query.ecosystem.name(), &name.key)? {
                if advisory.withdrawn.is_some() || is_passed_over(&advisory, query, name) {
                    continue;
                }
                let judged = Judged::of(&advisory, query, name);
                if !judged.hits.is_empty() {
                    let found = matches.entry(advisory.id.clone()).or_insert_with(|| Match::new(query, advisory));
                    found.hits.extend(judged.hits.into_iter().map(|index| (index, name)));
                    found.offers.extend(judged.offers.into_iter().map(|index| (index, name)));
                    found.offered &= judged.first == Some(Standing::Offered);
                } else if judged.first == Some(Standing::Special) {
                    cured.push(advisory);
                }
            }
        }
        Ok(Self { matches: matches.into_values().collect(), cured })
    }
}

/// Records that are no vulnerabilities, and those another feed tells better: AlmaLinux's and Rocky's bug fixes and enhancements, and
/// GitHub's word on Go's own modules, of which Go's database is the source.
fn is_passed_over(advisory: &Advisory, query: &Query, name: &QueryName) -> bool {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| advisory.id.starts_with(prefix));
    match query.ecosystem.name() {
        "AlmaLinux" => begins(&["ALBA-", "ALEA-"]),
        "Rocky Linux" => begins(&["RLBA-", "RLEA-"]),
        "Go" => {
            let of_go = matches!(name.key.as_str(), "stdlib" | "toolchain") || name.key.starts_with("golang.org/x/");
            of_go && begins(&["GHSA-"])
        }
        _ => false,
    }
}

/// What one record's entries say of one name.
struct Judged {
    /// The standing of the entries that decide; `None` where none speaks.
    first: Option<Standing>,
    /// Those of them that affect the version.
    hits: Vec<usize>,
    /// Entries whose fixes are on offer.
    offers: Vec<usize>,
}

impl Judged {
    fn of(advisory: &Advisory, query: &Query, name: &QueryName) -> Self {
        let speaks = |affected: &Affected| {
            if affected.package != name.key {
                return None;
            }
            let standing = query.standing(&affected.ecosystem)?;
            let listed = |binary: &String| affected.binaries.is_empty() || affected.binaries.contains(binary);
            query.binary.as_ref().is_none_or(listed).then_some(standing)
        };
        let entries = || advisory.affected.iter().enumerate();
        let mut standing: Vec<(usize, Standing)> =
            entries().filter_map(|(index, affected)| Some((index, speaks(affected)?))).collect();
        // Only records that name a package are asked about modules, which costs reading their summaries.
        let modular = query.module.is_some() || is_modular(&name.version);
        if has_modules(query) {
            standing.retain(|(index, _)| is_modular_entry(&advisory.affected[*index]) == modular);
            if modular && !standing.is_empty() && !speaks_of_stream(advisory, query) {
                standing.clear();
            }
        }
        let first = standing.iter().map(|(_, standing)| *standing).min();
        let order = Order::of(query, name);
        let hits = standing.iter().filter(|(_, standing)| Some(*standing) == first).map(|(index, _)| *index);
        let hits = hits.filter(|index| affects(&advisory.affected[*index], order, &name.version)).collect();
        let offers = standing.iter().filter(|(_, standing)| *standing == Standing::Offered).map(|(index, _)| *index);
        Self { first, hits, offers: offers.collect() }
    }
}

/// Whether the feed's distribution has modules.
fn has_modules(query: &Query) -> bool {
    matches!(query.ecosystem.name(), "AlmaLinux" | "Red Hat" | "Rocky Linux")
}

fn is_modular_entry(affected: &Affected) -> bool {
    affected.ranges.iter().flat_map(|range| &range.events).any(|event| is_modular(event.version()))
}

/// A record that affects the version a question asks for, with the entries that say so.
pub(super) struct Match<'a> {
    pub(super) query: &'a Query,
    pub(super) advisory: Arc<Advisory>,
    hits: Vec<(usize, &'a QueryName)>,
    offers: Vec<(usize, &'a QueryName)>,
    /// Whether its own fixes are only on offer.
    pub(super) offered: bool,
}

impl<'a> Match<'a> {
    fn new(query: &'a Query, advisory: Arc<Advisory>) -> Self {
        Self { query, advisory, hits: Vec::new(), offers: Vec::new(), offered: true }
    }

    /// The entries that say so.
    pub(super) fn hits(&self) -> impl Iterator<Item = Hit<'_>> {
        self.resolve(&self.hits)
    }

    /// Entries whose fixes are on offer.
    pub(super) fn offers(&self) -> impl Iterator<Item = Hit<'_>> {
        self.resolve(&self.offers)
    }

    fn resolve<'m>(&'m self, entries: &'m [(usize, &'a QueryName)]) -> impl Iterator<Item = Hit<'m>> {
        entries.iter().map(|(index, name)| Hit {
            affected: &self.advisory.affected[*index],
            order: Order::of(self.query, name),
            installed: &name.version,
        })
    }
}

/// The vulnerabilities a record speaks of: its own, of a bulletin each of its CVEs.
fn groups_of(advisory: &Advisory, groups: &Groups) -> Vec<usize> {
    let cves = advisory.cves();
    let ids = if cves.len() > 1 { cves } else { BTreeSet::from([advisory.id.as_str()]) };
    let own = ids.iter().filter_map(|id| groups.find(id)).collect::<Vec<_>>();
    // A record that did not match has no group of its own, but may name one.
    if own.is_empty() { advisory.names().filter_map(|name| groups.find(name)).collect() } else { own }
}

/// The matches of one question by vulnerability; a bulletin stands under each of its own.
fn by_group<'m, 'a>(matches: &'m [Match<'a>], groups: &Groups) -> BTreeMap<usize, Vec<&'m Match<'a>>> {
    let mut found: BTreeMap<usize, Vec<&Match<'_>>> = BTreeMap::new();
    for one in matches {
        for group in groups_of(&one.advisory, groups) {
            found.entry(group).or_default().push(one);
        }
    }
    found
}
