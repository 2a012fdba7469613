//! The list of vulnerabilities.

use std::collections::BTreeSet;

use super::Model;
use super::count::{Distinct, Vulnerabilities};
use super::cursor::{Entry, Listed, Numbers, Page, Sort, cut};
use super::finding::Findings;
use super::kinds::Kinds;
use super::select::{Question, Selection};
use super::texts::Vulnerability;
use crate::clock::rfc3339;
use crate::report::filter::Filter;
use crate::report::problem::Problem;
use crate::report::shape::VulnerabilityItem;

/// The orders of the list.
pub(in crate::report) const SORTS: [&str; 7] =
    ["id", "severity", "cvss", "epss", "known_exploited", "images", "first_seen"];

/// What the findings of one vulnerability come to, and where they are.
#[derive(Clone, Debug)]
pub(super) struct Gathered {
    /// Positions among the selection's images.
    pub(super) images: Vec<u32>,
    packages: Vec<u32>,
    first_seen: u32,
    kinds: Kinds,
    /// The highest, as [`Findings::scores`] has it.
    score: u8,
}

impl Gathered {
    pub(super) const NONE: Self =
        Self { images: Vec::new(), packages: Vec::new(), first_seen: u32::MAX, kinds: Kinds::NONE, score: 0 };

    /// Adds a finding that is meant, of the image at a position among the selection's; images one after the other.
    pub(super) fn add(&mut self, position: u32, findings: &Findings<'_>, at: usize) {
        if self.images.last() != Some(&position) {
            self.images.push(position);
        }
        let package = findings.packages[at];
        if self.packages.last() != Some(&package) {
            self.packages.push(package);
        }
        self.first_seen = self.first_seen.min(findings.first_seen[at]);
        self.score = self.score.max(findings.scores[at]);
        self.kinds |= findings.heads[at].kind();
    }

    /// The same without any image.
    pub(super) fn of_none(self) -> Self {
        Self { images: Vec::new(), packages: Vec::new(), ..self }
    }
}

/// The tenths of a score, as [`Findings::scores`] has it.
const fn tenths(score: u32) -> Option<u32> {
    score.checked_sub(1)
}

/// Of which kinds the findings of each vulnerability are, and by what it is put in order as far as that is of findings: its highest
/// score, how many images have it, or when it was first seen; by its number.
fn measure(selection: &Selection<'_>, sort: Sort<'_>) -> (Vulnerabilities, Vec<u32>) {
    let numbers = selection.model().catalog.vulnerabilities.len();
    let mut met = Vulnerabilities::new(numbers);
    let mut measures = vec![if sort.name == "first_seen" { u32::MAX } else { 0 }; numbers];
    let mut last = vec![u32::MAX; if sort.name == "images" { numbers } else { 0 }];
    for selected in &selection.images {
        let Findings { scores, first_seen, .. } = selection.findings(selected);
        match sort.name {
            "" | "cvss" => selection.each_kind(selected, |at, number, kind| {
                met.add(number, kind);
                let highest = &mut measures[number as usize];
                *highest = (*highest).max(if kind.is_none() { 0 } else { u32::from(scores[at]) });
            }),
            "first_seen" => selection.each_kind(selected, |at, number, kind| {
                met.add(number, kind);
                let oldest = &mut measures[number as usize];
                *oldest = (*oldest).min(if kind.is_none() { u32::MAX } else { first_seen[at] });
            }),
            "images" => selection.each_kind(selected, |_, number, kind| {
                met.add(number, kind);
                let last = &mut last[number as usize];
                let is_new = !kind.is_none() & (*last != selected.number);
                measures[number as usize] += u32::from(is_new);
                *last = if is_new { selected.number } else { *last };
            }),
            _ => selection.each_kind(selected, |_, number, kind| met.add(number, kind)),
        }
    }
    (met, measures)
}

/// What the findings of each of some vulnerabilities come to, in their order.
fn gather(selection: &Selection<'_>, numbers: &[u32]) -> Vec<Gathered> {
    const NOT_ASKED: u32 = u32::MAX;
    let mut slots = vec![NOT_ASKED; selection.model().catalog.vulnerabilities.len()];
    for (slot, number) in numbers.iter().enumerate() {
        slots[*number as usize] = slot as u32;
    }
    let mut gathered = vec![Gathered::NONE; numbers.len()];
    for (position, selected) in (0..).zip(&selection.images) {
        let findings = selection.findings(selected);
        selection.each_kind(selected, |at, number, kind| {
            let slot = slots[number as usize];
            if slot != NOT_ASKED && !kind.is_none() {
                gathered[slot as usize].add(position, &findings, at);
            }
        });
    }
    gathered
}

/// The key of a vulnerability in an order.
fn key(sort: Sort<'_>, known: &Vulnerability, kinds: Kinds, measure: u32) -> Numbers {
    // A likelihood has at most nine decimals.
    let epss = known.epss.map(|epss| (epss * 1e9).round() as i64);
    let exploited = i64::from(known.is_exploited);
    match sort.name {
        "id" => sort.key(Some([0])),
        "severity" => sort.key(Some([kinds.worst() as i64])),
        "cvss" => sort.key(tenths(measure).map(|tenths| [i64::from(tenths)])),
        "epss" => sort.key(epss.map(|epss| [epss])),
        "known_exploited" => sort.key(Some([exploited])),
        "images" | "first_seen" => sort.key(Some([i64::from(measure)])),
        // What to look at first.
        _ => {
            let tenths = tenths(measure).map_or(-1, i64::from);
            Sort { name: "", descends: true }.key(Some([exploited, tenths, epss.unwrap_or(-1)]))
        }
    }
}

impl Model {
    /// A page of the vulnerabilities that are meant.
    ///
    /// # Errors
    /// 400 for an order or a cursor that the list does not know.
    pub(in crate::report) fn vulnerabilities(
        &self,
        filter: &Filter,
        page: &Page,
    ) -> Result<Listed<VulnerabilityItem>, Problem> {
        let sort = Sort::of(page, &SORTS)?;
        let selection = Selection::new(Question::new(self, filter));
        let (met, measures) = measure(&selection, sort);
        let entry = |(number, kinds): (u32, Kinds)| {
            let at = number as usize;
            let known = &self.catalog.vulnerabilities[at];
            Entry { numbers: key(sort, known, kinds, measures[at]), id: known.id.as_bytes(), at }
        };
        let (positions, next_cursor, total) =
            cut(page, met.all().map(entry).collect(), sort.name == "id" && sort.descends)?;
        let numbers: Vec<u32> = positions.iter().map(|at| *at as u32).collect();
        let mut made = ItemMaker::new(&selection);
        let items = numbers.iter().zip(gather(&selection, &numbers));
        let items = items.map(|(number, gathered)| made.item(*number, &gathered));
        Ok(Listed { items: items.collect(), next_cursor, total })
    }
}

/// Makes items of a selection.
pub(super) struct ItemMaker<'s, 'm> {
    selection: &'s Selection<'m>,
    repositories: Distinct,
    workloads: Distinct,
}

impl<'s, 'm> ItemMaker<'s, 'm> {
    pub(super) fn new(selection: &'s Selection<'m>) -> Self {
        let model = selection.model();
        let (repositories, workloads) = (model.repositories.len(), model.places.len());
        Self { selection, repositories: Distinct::new(repositories), workloads: Distinct::new(workloads) }
    }

    pub(super) fn item(&mut self, number: u32, gathered: &Gathered) -> VulnerabilityItem {
        let model = self.selection.model();
        self.repositories.begin();
        self.workloads.begin();
        let (mut repositories, mut workloads, mut clusters) = (0, 0, BTreeSet::new());
        for position in &gathered.images {
            let selected = &self.selection.images[*position as usize];
            for pair in self.selection.pairs(selected) {
                // An image that is meant under several repositories may have it under some of them only.
                let is_new = |number: &u32| self.repositories.is_new(*number);
                let has = |pair| self.selection.has(selected, pair, number);
                repositories += u64::from(pair.repository.filter(|_| has(pair)).as_ref().is_some_and(is_new));
            }
            for workload in self.selection.relevant(selected) {
                if self.workloads.is_new(workload) {
                    workloads += 1;
                    clusters.insert(model.cluster_of(workload));
                }
            }
        }
        let known = &model.catalog.vulnerabilities[number as usize];
        let packages = gathered.packages.iter().map(|package| model.catalog.packages[*package as usize].bare());
        let packages: BTreeSet<&str> = packages.collect();
        VulnerabilityItem {
            id: known.id.to_string(),
            aliases: known.aliases.iter().map(ToString::to_string).collect(),
            summary: known.summary.to_string(),
            severity: gathered.kinds.worst(),
            cvss: tenths(u32::from(gathered.score)).map(|tenths| f64::from(tenths) / 10.0),
            epss: known.epss,
            known_exploited: model.catalog.knows_exploited.then_some(known.is_exploited),
            fixable: gathered.kinds.is_fixable(),
            images: gathered.images.len() as u64,
            repositories,
            running_resources: workloads,
            clusters: clusters.into_iter().map(|cluster| model.cluster_name(cluster).to_owned()).collect(),
            packages: packages.into_iter().map(str::to_owned).collect(),
            first_seen: rfc3339(i64::from(gathered.first_seen)),
        }
    }
}
