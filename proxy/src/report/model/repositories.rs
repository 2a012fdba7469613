//! The list of repositories.

use std::collections::BTreeMap;

use super::Model;
use super::count::{Distinct, Tally, Vulnerabilities};
use super::cursor::{Entry, Listed, Numbers, Page, Sort, cut};
use super::select::{Pair, Question, Selected, Selection};
use crate::clock::rfc3339;
use crate::report::filter::Filter;
use crate::report::problem::Problem;
use crate::report::shape::{Counts, RepositoryItem};

/// The orders of the list.
pub(in crate::report) const SORTS: [&str; 6] =
    ["name", "vulnerabilities", "known_exploited", "images", "running_resources", "oldest_finding"];

/// A repository that is meant.
#[derive(Default)]
pub(super) struct Member<'s> {
    pub(super) number: u32,
    pub(super) images: Vec<(&'s Selected, Pair)>,
    /// `None` until one was read and matched.
    tally: Option<Tally>,
    running_resources: u64,
    oldest: Option<u32>,
}

/// The repositories that a selection's images are meant under.
pub(super) fn members<'s>(selection: &'s Selection<'_>) -> Vec<Member<'s>> {
    let mut by_number: Vec<Member<'s>> = Vec::new();
    by_number.resize_with(selection.model().repositories.len(), Member::default);
    for selected in &selection.images {
        for pair in selection.pairs(selected) {
            if let Some(number) = pair.repository {
                by_number[number as usize].images.push((selected, *pair));
            }
        }
    }
    let numbered = by_number.into_iter().enumerate().map(|(number, member)| Member { number: number as u32, ..member });
    numbered.filter(|member| !member.images.is_empty()).collect()
}

/// Counts what a list shows of repositories.
struct Counter<'s, 'm> {
    selection: &'s Selection<'m>,
    vulnerabilities: Vulnerabilities,
    workloads: Distinct,
}

impl<'s, 'm> Counter<'s, 'm> {
    fn new(selection: &'s Selection<'m>) -> Self {
        let model = selection.model();
        Self {
            selection,
            vulnerabilities: Vulnerabilities::new(model.catalog.vulnerabilities.len()),
            workloads: Distinct::new(model.places.len()),
        }
    }

    fn count_workloads(&mut self, member: &mut Member<'_>) {
        self.workloads.begin();
        let users = member.images.iter().flat_map(|(selected, _)| self.selection.relevant(selected));
        member.running_resources = users.filter(|user| self.workloads.is_new(*user)).count() as u64;
    }

    fn count_findings(&mut self, member: &mut Member<'_>) {
        let (mut is_judged, mut oldest) = (false, u32::MAX);
        for (selected, pair) in &member.images {
            is_judged |= self.selection.model().image(selected.number).row.found.is_some();
            let first_seen = self.selection.findings(selected).first_seen;
            self.selection.each_kind_of(selected, pair, |at, vulnerability, kind| {
                self.vulnerabilities.add(vulnerability, kind);
                oldest = oldest.min(if kind.is_none() { u32::MAX } else { first_seen[at] });
            });
        }
        // What was just gone through is at hand: each vulnerability is counted where it is met first.
        let mut tally = Tally::default();
        for (selected, _) in &member.images {
            let heads = self.selection.findings(selected).heads.iter();
            heads.for_each(|head| tally.count(self.vulnerabilities.take(head.vulnerability())));
        }
        member.tally = is_judged.then_some(tally);
        member.oldest = Some(oldest).filter(|_| !tally.is_empty());
    }
}

/// The key of a repository in an order.
fn key(sort: Sort<'_>, member: &Member<'_>) -> Numbers {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    match sort.name {
        "name" => sort.key(Some([0])),
        "images" => sort.key(Some([member.images.len() as i64])),
        "running_resources" => sort.key(Some([number(member.running_resources)])),
        "oldest_finding" => sort.key(member.oldest.map(|oldest| [i64::from(oldest)])),
        "vulnerabilities" => sort.key(member.tally.map(|tally| severities(&tally))),
        "known_exploited" => sort.key(member.tally.map(|tally| [number(tally.exploited)])),
        // What to look at first.
        _ => {
            let worst_first = Sort { name: "", descends: true };
            worst_first.key(member.tally.map(|tally| {
                let [critical, high, medium, low, none, unknown] = severities(&tally);
                [number(tally.exploited), critical, high, medium, low, none, unknown]
            }))
        }
    }
}

/// The counts of a tally, those of the worst severity first.
pub(super) fn severities(tally: &Tally) -> [i64; 6] {
    weir_scanner::finding::Severity::ALL.map(|severity| i64::try_from(tally.of(severity)).unwrap_or(i64::MAX))
}

impl Model {
    /// A page of the repositories that are meant.
    ///
    /// # Errors
    /// 400 for an order or a cursor that the list does not know.
    pub(in crate::report) fn repositories(
        &self,
        filter: &Filter,
        page: &Page,
    ) -> Result<Listed<RepositoryItem>, Problem> {
        let sort = Sort::of(page, &SORTS)?;
        let selection = Selection::new(Question::new(self, filter));
        let mut members = members(&selection);
        let mut counter = Counter::new(&selection);
        // What an order does not ask for is counted of what is shown alone.
        let is_by_workloads = sort.name == "running_resources";
        let is_by_findings = !is_by_workloads && !["name", "images"].contains(&sort.name);
        for member in &mut members {
            if is_by_findings {
                counter.count_findings(member);
            }
            if is_by_workloads {
                counter.count_workloads(member);
            }
        }
        let entry = |(at, member): (usize, &Member<'_>)| Entry {
            numbers: key(sort, member),
            id: self.repository_name(member.number).as_bytes(),
            at,
        };
        let entries = members.iter().enumerate().map(entry).collect();
        let (positions, next_cursor, total) = cut(page, entries, sort.name == "name" && sort.descends)?;
        let items = positions.into_iter().map(|at| {
            let member = &mut members[at];
            if !is_by_findings {
                counter.count_findings(member);
            }
            if !is_by_workloads {
                counter.count_workloads(member);
            }
            self.repository_item(&selection, member)
        });
        let items = items.collect();
        Ok(Listed { items, next_cursor, total })
    }

    /// One repository, `<upstream>/<repository>`, with what is meant of it, which may be nothing; `None` where no image is of it.
    pub(in crate::report) fn repository(&self, filter: &Filter, name: &str) -> Option<RepositoryItem> {
        let number = self.repositories.iter().position(|repository| &*repository.name == name)? as u32;
        if !self.images.iter().any(|image| image.row.repositories.contains(&number)) {
            return None;
        }
        let filter = Filter { repositories: vec![name.to_owned()], ..filter.clone() };
        let selection = Selection::new(Question::new(self, &filter));
        let member = members(&selection).into_iter().find(|member| member.number == number);
        let mut member = member.unwrap_or(Member { number, ..Member::default() });
        let mut counter = Counter::new(&selection);
        counter.count_findings(&mut member);
        counter.count_workloads(&mut member);
        Some(self.repository_item(&selection, &member))
    }

    fn repository_item(&self, selection: &Selection<'_>, member: &Member<'_>) -> RepositoryItem {
        let images = || member.images.iter().map(|(selected, _)| (selected, self.image(selected.number)));
        let scanned = images().filter(|(_, image)| image.row.found.is_some());
        let latest = scanned.clone().max_by_key(|(_, image)| (image.row.matched_at, image.row.first_seen));
        let repository = &self.repositories[member.number as usize];
        let tag = latest.and_then(|(_, image)| repository.tags_of(&image.row.digest, &image.row.parents).next());
        RepositoryItem {
            name: repository.name.to_string(),
            images: member.images.len() as u64,
            scanned_images: scanned.count() as u64,
            scan_statuses: counted(images().map(|(_, image)| image.row.status.name())),
            counts: member.tally.map(Counts::from),
            clusters: self.clusters(images().flat_map(|(selected, _)| selection.relevant(selected))),
            running_resources: member.running_resources,
            latest_scanned_tag: tag.map(str::to_owned),
            latest_scanned_image: latest.map(|(_, image)| image.row.digest.to_string()),
            oldest_finding: member.oldest.map(|oldest| rfc3339(i64::from(oldest))),
            exception: self.exception_of(selection, member),
        }
    }

    /// The exception that all of a repository's images stand under.
    fn exception_of(&self, selection: &Selection<'_>, member: &Member<'_>) -> Option<String> {
        let name = self.repository_name(member.number);
        let mut ids = member.images.iter().map(|(selected, _)| self.whole_exception(selection, selected, &[name]));
        let first = ids.next()??;
        ids.all(|id| id.is_some()).then_some(first)
    }

    /// The id of the exception that an image stands under with all of these repositories.
    pub(super) fn whole_exception(
        &self,
        selection: &Selection<'_>,
        selected: &Selected,
        repositories: &[&str],
    ) -> Option<String> {
        self.decided[selected.number as usize].as_ref()?;
        let places: Vec<_> = selection.relevant(selected).map(|workload| self.rule_place(workload)).collect();
        let digest = &self.image(selected.number).row.digest;
        let found = self.rules.of_repository_in(repositories, digest, places, self.now);
        found.map(|exception| exception.id.clone())
    }
}

/// How often each status is there.
pub(super) fn counted(statuses: impl Iterator<Item = &'static str>) -> BTreeMap<String, u64> {
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    statuses.for_each(|status| *counted.entry(status.to_owned()).or_default() += 1);
    counted
}
