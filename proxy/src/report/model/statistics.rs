//! The numbers above a list.

use std::collections::BTreeSet;

use weir_scanner::finding::Severity;

use super::Model;
use super::count::{Distinct, Vulnerabilities};
use super::repositories::counted;
use super::select::{Question, Selection};
use super::work::{DueBefore, WorkCounter};
use crate::report::filter::{Except, Filter};
use crate::report::shape::{Counts, Statistics};

impl Model {
    /// What the images that are meant come to.
    pub(in crate::report) fn statistics(&self, filter: &Filter) -> Statistics {
        let selection = Selection::new(Question::new(self, filter));
        let mut statistics = Statistics { images: selection.images.len() as u64, ..Statistics::default() };
        let rows = || selection.images.iter().map(|selected| self.image(selected.number));
        statistics.scan_statuses = counted(rows().map(|image| image.row.status.name()));
        statistics.image_statuses = counted(rows().map(|image| image.status.name()));
        statistics.scanned_images = rows().filter(|image| image.row.found.is_some()).count() as u64;
        statistics.repositories = mark_repositories(&selection, &mut Distinct::new(self.repositories.len()));
        self.count_workloads(&selection, &mut statistics);
        let counted = self.count_findings(&selection, &mut statistics);
        self.count_excepted(filter, &selection, &counted, &mut statistics);
        statistics
    }

    fn count_workloads(&self, selection: &Selection<'_>, statistics: &mut Statistics) {
        let mut distinct = Distinct::new(self.places.len());
        let (mut clusters, mut namespaces) = (BTreeSet::new(), BTreeSet::new());
        for workload in selection.images.iter().flat_map(|selected| selection.relevant(selected)) {
            if distinct.is_new(workload) {
                statistics.running_resources += 1;
                let cluster = self.cluster_of(workload);
                clusters.insert(cluster);
                namespaces.insert((cluster, self.workload(workload).key.namespace.as_str()));
            }
        }
        statistics.clusters = clusters.len() as u64;
        statistics.namespaces = namespaces.len() as u64;
    }

    /// Counts findings, and answers with which vulnerabilities were counted.
    fn count_findings(&self, selection: &Selection<'_>, statistics: &mut Statistics) -> Vulnerabilities {
        let mut counted = Vulnerabilities::new(self.catalog.vulnerabilities.len());
        let (mut counter, due) = (WorkCounter::new(), DueBefore::new(&self.settings, self.now));
        for selected in &selection.images {
            selection.work(selected, &due, &mut counter, |number, kind| counted.add(number, kind));
        }
        let work = counter.work();
        statistics.vulnerabilities = (statistics.scanned_images > 0).then(|| Counts::from(counted.tally()));
        for severity in Severity::ALL {
            let (fixable, others) = (work.counts.of(severity, true), work.counts.of(severity, false));
            statistics.findings.add(severity, fixable + others);
            statistics.fixable_findings += fixable;
            statistics.overdue_findings += work.overdue.of(severity);
        }
        statistics.known_exploited_findings = work.exploited;
        counted
    }

    /// What the same filter would show but for exceptions. `counted` are the vulnerabilities of the selection.
    fn count_excepted(
        &self,
        filter: &Filter,
        selection: &Selection<'_>,
        counted: &Vulnerabilities,
        statistics: &mut Statistics,
    ) {
        // Of an image that no exception speaks of, all that is meant is open.
        let decided: Vec<u32> =
            (0..).zip(&self.decided).filter(|(_, decisions)| decisions.is_some()).map(|(number, _)| number).collect();
        if decided.is_empty() {
            return;
        }
        // What is meant whatever exceptions say is open or excepted; so what they alone keep from being shown is what is excepted and
        // nowhere open.
        let [excepted, open] = [Except::Excepted, Except::Active].map(|except| Filter { except, ..filter.clone() });
        let question = |filter| Question::with(self, filter, selection.question.found());
        // One of them may be what was selected already.
        let open = (filter.except != Except::Active).then(|| Selection::new(question(&open)));
        let excepted = (filter.except != Except::Excepted).then(|| Selection::among(question(&excepted), decided));
        let [known, hidden] = [&open, &excepted].map(|own| own.as_ref().map_or_else(|| counted.clone(), met));
        let mut repositories = Distinct::new(self.repositories.len());
        mark_repositories(open.as_ref().unwrap_or(selection), &mut repositories);
        statistics.excepted_vulnerabilities = hidden.all().filter(|(number, _)| !known.has(*number)).count() as u64;
        statistics.excepted_repositories = mark_repositories(excepted.as_ref().unwrap_or(selection), &mut repositories);
    }
}

/// The vulnerabilities of what a selection means.
fn met(selection: &Selection<'_>) -> Vulnerabilities {
    let mut met = Vulnerabilities::new(selection.model().catalog.vulnerabilities.len());
    for selected in &selection.images {
        selection.each_kind(selected, |_, number, kind| met.add(number, kind));
    }
    met
}

/// Marks the repositories under which images are meant; answers how many were not.
fn mark_repositories(selection: &Selection<'_>, marked: &mut Distinct) -> u64 {
    let pairs = selection.images.iter().flat_map(|selected| selection.pairs(selected));
    pairs.filter_map(|pair| pair.repository).filter(|number| marked.is_new(*number)).count() as u64
}
