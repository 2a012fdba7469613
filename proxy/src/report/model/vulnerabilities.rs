//! The list of vulnerabilities.

use std::collections::BTreeSet;

use weir_scanner::finding::Severity;

use super::Model;
use super::count::Distinct;
use super::cursor::{Entry, Listed, Numbers, Page, Sort, cut};
use super::row::FindingRow;
use super::select::{Question, Selection};
use super::texts::Vulnerability;
use crate::clock::rfc3339;
use crate::report::filter::Filter;
use crate::report::problem::Problem;
use crate::report::shape::VulnerabilityItem;

/// The orders of the list.
pub(in crate::report) const SORTS: [&str; 7] =
    ["id", "severity", "cvss", "epss", "known_exploited", "images", "first_seen"];

/// What the findings of one vulnerability come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gathered {
    /// 0 where none is meant.
    pub(super) images: u32,
    /// The image met last.
    last: u32,
    pub(super) first_seen: u32,
    pub(super) severity: Severity,
    /// In tenths; negative where there is none.
    tenths: i16,
    pub(super) is_fixable: bool,
}

impl Gathered {
    pub(super) const NONE: Self = Self {
        images: 0,
        last: u32::MAX,
        first_seen: u32::MAX,
        severity: Severity::Unknown,
        tenths: -1,
        is_fixable: false,
    };

    pub(super) fn add(&mut self, image: u32, row: &FindingRow) {
        if self.last != image {
            self.last = image;
            self.images += 1;
        }
        self.first_seen = self.first_seen.min(row.first_seen);
        self.severity = self.severity.max(row.severity);
        self.tenths = self.tenths.max(row.tenths().map_or(-1, i16::from));
        self.is_fixable |= row.is_fixable();
    }

    /// The same without any image.
    pub(super) const fn of_none(self) -> Self {
        Self { images: 0, ..self }
    }

    fn cvss(&self) -> Option<f64> {
        (self.tenths >= 0).then(|| f64::from(self.tenths) / 10.0)
    }
}

/// Where one vulnerability is.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// Positions among the selection's images.
    images: Vec<u32>,
    packages: Vec<u32>,
}

impl Places {
    /// Adds a finding of the image at a position, images one after the other.
    pub(super) fn add(&mut self, position: u32, row: &FindingRow) {
        if self.images.last() != Some(&position) {
            self.images.push(position);
        }
        if self.packages.last() != Some(&row.package) {
            self.packages.push(row.package);
        }
    }
}

/// What the findings of every vulnerability come to, by its number.
fn gather(selection: &Selection<'_>) -> Vec<Gathered> {
    let mut gathered = vec![Gathered::NONE; selection.model().catalog.vulnerabilities.len()];
    for selected in &selection.images {
        selection.each(selected, |_, row| gathered[row.vulnerability as usize].add(selected.number, row));
    }
    gathered
}

/// Where each of some vulnerabilities is, in their order.
fn places(selection: &Selection<'_>, numbers: &[u32]) -> Vec<Places> {
    const NOT_ASKED: u32 = u32::MAX;
    let mut slots = vec![NOT_ASKED; selection.model().catalog.vulnerabilities.len()];
    for (slot, number) in numbers.iter().enumerate() {
        slots[*number as usize] = slot as u32;
    }
    let mut places = vec![Places::default(); numbers.len()];
    for (position, selected) in selection.images.iter().enumerate() {
        let position = position as u32;
        selection.each(selected, |_, row| {
            let slot = slots[row.vulnerability as usize];
            if slot != NOT_ASKED {
                places[slot as usize].add(position, row);
            }
        });
    }
    places
}

/// The key of a vulnerability in an order.
fn key(sort: Sort<'_>, known: &Vulnerability, gathered: &Gathered) -> Numbers {
    // A likelihood has at most nine decimals.
    let epss = known.epss.map(|epss| (epss * 1e9).round() as i64);
    let (exploited, tenths) = (i64::from(known.is_exploited), i64::from(gathered.tenths));
    match sort.name {
        "id" => sort.key(Some([0])),
        "severity" => sort.key(Some([gathered.severity as i64])),
        "cvss" => sort.key((gathered.tenths >= 0).then_some([tenths])),
        "epss" => sort.key(epss.map(|epss| [epss])),
        "known_exploited" => sort.key(Some([exploited])),
        "images" => sort.key(Some([i64::from(gathered.images)])),
        "first_seen" => sort.key(Some([i64::from(gathered.first_seen)])),
        // What to look at first.
        _ => Sort { name: "", descends: true }.key(Some([exploited, tenths, epss.unwrap_or(-1)])),
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
        let gathered = gather(&selection);
        let meant = gathered.iter().enumerate().filter(|(_, gathered)| gathered.images > 0);
        let entry = |(at, gathered): (usize, &Gathered)| {
            let known = &self.catalog.vulnerabilities[at];
            Entry { numbers: key(sort, known, gathered), id: known.id.as_bytes(), at }
        };
        let (positions, next_cursor, total) =
            cut(page, meant.map(entry).collect(), sort.name == "id" && sort.descends)?;
        let numbers: Vec<u32> = positions.iter().map(|at| *at as u32).collect();
        let mut made = ItemMaker::new(&selection);
        let items = numbers.iter().zip(places(&selection, &numbers));
        let items = items.map(|(number, places)| made.item(*number, &gathered[*number as usize], &places));
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

    pub(super) fn item(&mut self, number: u32, gathered: &Gathered, places: &Places) -> VulnerabilityItem {
        let model = self.selection.model();
        self.repositories.begin();
        self.workloads.begin();
        let (mut repositories, mut workloads, mut clusters) = (0, 0, BTreeSet::new());
        for position in &places.images {
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
        let packages = places.packages.iter().map(|package| model.catalog.packages[*package as usize].bare());
        let packages: BTreeSet<&str> = packages.collect();
        VulnerabilityItem {
            id: known.id.to_string(),
            aliases: known.aliases.iter().map(ToString::to_string).collect(),
            summary: known.summary.to_string(),
            severity: gathered.severity,
            cvss: gathered.cvss(),
            epss: known.epss,
            known_exploited: model.catalog.knows_exploited.then_some(known.is_exploited),
            fixable: gathered.is_fixable,
            images: u64::from(gathered.images),
            repositories,
            running_resources: workloads,
            clusters: clusters.into_iter().map(|cluster| model.cluster_name(cluster).to_owned()).collect(),
            packages: packages.into_iter().map(str::to_owned).collect(),
            first_seen: rfc3339(i64::from(gathered.first_seen)),
        }
    }
}
