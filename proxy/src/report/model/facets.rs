//! Facets: what each value of a parameter would show, the rest of the filter being as it is.
//!
//! Invariant: the number beside a value is the total of the list of images once it is chosen.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_scanner::finding::Severity;
use weir_scanner::image::ScanStatus;

use super::Model;
use super::count::Distinct;
use super::kinds::Kinds;
use super::names::{LabelValues, Names};
use super::search::Found;
use super::select::{Question, Selection};
use crate::report::filter::{Choice, Filter, ImageFacts, ImageStatus, WorkloadFilter};
use crate::report::shape::{Facet, FacetValue};

/// Label keys, values of those that are chosen, and namespaces that are told: those of most images.
const MOST_LABELS: usize = 50;
const MOST_NAMESPACES: usize = 250;

/// A parameter whose values are names of workloads.
#[derive(Clone, Copy)]
enum OfWorkloads {
    Cluster,
    Namespace,
    Label,
    /// The values of the labels whose keys are chosen.
    LabelValue,
}

/// The numbers that values go by.
struct Numbers<'m> {
    names: &'m Names,
    values: LabelValues<'m>,
}

impl OfWorkloads {
    const ALL: [Self; 4] = [Self::Cluster, Self::Namespace, Self::Label, Self::LabelValue];

    const fn parameter(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Namespace => "namespace",
            Self::Label | Self::LabelValue => "label",
        }
    }

    /// The filter without its own values; labels add to each other, so they stay.
    fn rest(self, filter: &Filter) -> Filter {
        let workloads = filter.workloads.clone();
        let workloads = match self {
            Self::Cluster => WorkloadFilter { clusters: Vec::new(), ..workloads },
            Self::Namespace => WorkloadFilter { namespaces: Vec::new(), ..workloads },
            Self::Label | Self::LabelValue => workloads,
        };
        Filter { workloads, ..filter.clone() }
    }

    fn is_selected(self, filter: &WorkloadFilter, value: &str) -> bool {
        match self {
            Self::Cluster => filter.clusters.iter().any(|chosen| chosen == value),
            Self::Namespace => filter.namespaces.iter().any(|chosen| chosen == value),
            Self::Label => filter.labels.iter().any(|(key, asked)| asked.is_none() && key == value),
            Self::LabelValue => {
                let mut asked = filter.labels.iter().filter_map(|(key, asked)| Some((key, asked.as_ref()?)));
                asked.any(|(key, asked)| value.split_once('=') == Some((key, asked)))
            }
        }
    }
}

impl Model {
    /// The values of each parameter that can be chosen from a list, each with the number of images it would show.
    pub(in crate::report) fn facets(&self, filter: &Filter) -> Vec<Facet> {
        let found = Found::asked(self, filter);
        let open = Filter {
            statuses: Vec::new(),
            scan_statuses: Vec::new(),
            severities: Vec::new(),
            fixable: Choice::default(),
            known_exploited: Choice::default(),
            ..filter.clone()
        };
        let numbers = Numbers { names: self.names(), values: LabelValues::of(&self.view, &filter.workloads) };
        let rests = OfWorkloads::ALL.map(|kind| kind.rest(filter));
        // A filter that does not have a parameter is the same without it: most of these are one selection.
        let mut selections: Vec<Selection<'_>> = Vec::new();
        let rests = rests.each_ref().map(|rest| self.select_once(rest, &found, &mut selections));
        let open = self.select_once(&open, &found, &mut selections);
        let open = selections[open].images.iter();
        let images: Vec<(ImageFacts, Kinds)> =
            open.map(|selected| (self.facts(selected.number), selected.kinds)).collect();
        let mut facets: Vec<Facet> = Vec::new();
        for (kind, at) in OfWorkloads::ALL.into_iter().zip(rests) {
            let (parameter, values) = (kind.parameter(), self.of_workloads(kind, &numbers, filter, &selections[at]));
            match facets.last_mut().filter(|last| last.parameter == parameter) {
                Some(last) => last.values.extend(values),
                None => facets.push(Facet { parameter: parameter.to_owned(), values }),
            }
        }
        facets.extend(of_facts(filter, &images));
        facets.extend(of_findings(filter, &images));
        facets
    }

    /// The place of a filter's selection among those that were made, where it is put unless it is there.
    fn select_once<'m>(
        &'m self,
        filter: &'m Filter,
        found: &Option<Arc<Found>>,
        selections: &mut Vec<Selection<'m>>,
    ) -> usize {
        let known = selections.iter().position(|selection| *selection.question.filter == *filter);
        known.unwrap_or_else(|| {
            selections.push(Selection::new(Question::with(self, filter, found.clone())));
            selections.len() - 1
        })
    }

    /// The values of one kind among the images that the rest of the filter means.
    fn of_workloads(
        &self,
        kind: OfWorkloads,
        numbers: &Numbers<'_>,
        filter: &Filter,
        selection: &Selection<'_>,
    ) -> Vec<FacetValue> {
        let all: Vec<String> = match kind {
            OfWorkloads::Cluster => {
                (0..self.view.inventory.clusters.len()).map(|at| self.cluster_name(at).to_owned()).collect()
            }
            OfWorkloads::Namespace => numbers.names.namespaces.clone(),
            OfWorkloads::Label => numbers.names.keys.clone(),
            OfWorkloads::LabelValue => numbers.values.texts.clone(),
        };
        if all.is_empty() {
            return Vec::new();
        }
        let (mut counts, mut distinct) = (vec![0_u64; all.len()], Distinct::new(all.len()));
        for selected in selection.images.iter().filter(|selected| !self.is_decided_by_place(selected.number)) {
            distinct.begin();
            for workload in selection.relevant(selected) {
                self.each_value(kind, numbers, workload, |value| {
                    counts[value as usize] += u64::from(distinct.is_new(value));
                });
            }
        }
        self.count_decided_by_place(kind, numbers, selection, &mut counts);
        let values = all.into_iter().zip(counts).map(|(value, images)| {
            let selected = kind.is_selected(&filter.workloads, &value);
            FacetValue { value, images, selected }
        });
        let most = match kind {
            OfWorkloads::Cluster => usize::MAX,
            OfWorkloads::Namespace => MOST_NAMESPACES,
            OfWorkloads::Label | OfWorkloads::LabelValue => MOST_LABELS,
        };
        most_common(values.collect(), most)
    }

    /// Counts the images of which exceptions speak at some workloads only: they may be meant with one value and not with another.
    fn count_decided_by_place(
        &self,
        kind: OfWorkloads,
        numbers: &Numbers<'_>,
        selection: &Selection<'_>,
        counts: &mut [u64],
    ) {
        let question = &selection.question;
        let mut meant = selection.images.iter().map(|selected| selected.number).peekable();
        // By value, the images that run with it somewhere and without it elsewhere.
        let mut mixed: Vec<Vec<u32>> = vec![Vec::new(); counts.len()];
        for number in (0..self.images.len() as u32).filter(|number| self.is_decided_by_place(*number)) {
            while meant.next_if(|next| *next < number).is_some() {}
            let is_meant = meant.peek() == Some(&number);
            let users = self.users_of(number);
            let (mut relevant, mut with) = (0, BTreeMap::<u32, usize>::new());
            for position in question.relevant(number) {
                relevant += 1;
                self.each_value(kind, numbers, users[position], |value| *with.entry(value).or_default() += 1);
            }
            for (value, workloads) in with {
                if workloads < relevant {
                    mixed[value as usize].push(number);
                } else {
                    counts[value as usize] += u64::from(is_meant);
                }
            }
        }
        for (value, images) in mixed.iter().enumerate().filter(|(_, images)| !images.is_empty()) {
            let narrowed = question.among(|workload| {
                let mut has = false;
                self.each_value(kind, numbers, workload, |known| has |= known as usize == value);
                has
            });
            counts[value] += images.iter().filter(|number| narrowed.is_meant(**number)).count() as u64;
        }
    }

    fn each_value(&self, kind: OfWorkloads, numbers: &Numbers<'_>, workload: u32, mut tell: impl FnMut(u32)) {
        let Numbers { names, values } = numbers;
        match kind {
            OfWorkloads::Cluster => tell(self.cluster_of(workload) as u32),
            OfWorkloads::Namespace => tell(names.namespace_of[workload as usize]),
            OfWorkloads::Label => names.keys_of[workload as usize].iter().for_each(|key| tell(*key)),
            OfWorkloads::LabelValue => values.numbers_of(self.workload(workload)).for_each(tell),
        }
    }

    /// Whether an exception speaks of an image at some of its workloads only.
    fn is_decided_by_place(&self, number: u32) -> bool {
        self.decided[number as usize].as_ref().is_some_and(|decisions| decisions.is_of_places())
    }
}

/// Those that would show anything or are chosen, at most so many, by name.
fn most_common(mut values: Vec<FacetValue>, most: usize) -> Vec<FacetValue> {
    values.retain(|value| value.images > 0 || value.selected);
    values
        .sort_by(|a, b| b.selected.cmp(&a.selected).then(b.images.cmp(&a.images)).then_with(|| a.value.cmp(&b.value)));
    values.truncate(most);
    values.sort_by(|a, b| a.value.cmp(&b.value));
    values
}

fn has_findings(filter: &Filter, kinds: Kinds) -> bool {
    !filter.is_of_findings() || !(kinds & Kinds::meant(filter)).is_none()
}

fn of_facts(filter: &Filter, images: &[(ImageFacts, Kinds)]) -> [Facet; 2] {
    let (mut by_status, mut by_scan): (BTreeMap<_, u64>, BTreeMap<_, u64>) = Default::default();
    for (facts, _) in images.iter().filter(|(_, kinds)| has_findings(filter, *kinds)) {
        if filter.scan_statuses.is_empty() || filter.scan_statuses.contains(&facts.scan_status) {
            *by_status.entry(facts.status.name()).or_default() += 1;
        }
        if filter.statuses.is_empty() || filter.statuses.contains(&facts.status) {
            *by_scan.entry(facts.scan_status.name()).or_default() += 1;
        }
    }
    let status = ImageStatus::ALL.map(|status| FacetValue {
        value: status.name().to_owned(),
        images: by_status.get(status.name()).copied().unwrap_or_default(),
        selected: filter.statuses.contains(&status),
    });
    let scan = ScanStatus::ALL.map(|status| FacetValue {
        value: status.name().to_owned(),
        images: by_scan.get(status.name()).copied().unwrap_or_default(),
        selected: filter.scan_statuses.contains(&status),
    });
    [
        Facet { parameter: "image_status".to_owned(), values: status.into() },
        Facet { parameter: "scan_status".to_owned(), values: scan.into() },
    ]
}

fn of_findings(filter: &Filter, images: &[(ImageFacts, Kinds)]) -> [Facet; 3] {
    let facts_only =
        Filter { statuses: filter.statuses.clone(), scan_statuses: filter.scan_statuses.clone(), ..Filter::default() };
    let kinds: Vec<Kinds> =
        images.iter().filter(|(facts, _)| facts_only.takes_facts(facts)).map(|(_, kinds)| *kinds).collect();
    let count = |filter: &Filter| {
        let mask = Kinds::meant(filter);
        kinds.iter().filter(|kinds| !(**kinds & mask).is_none()).count() as u64
    };
    let severities = Severity::ALL.map(|severity| FacetValue {
        value: severity.name().to_owned(),
        images: count(&Filter { severities: vec![severity], ..filter.clone() }),
        selected: filter.severities.contains(&severity),
    });
    let choices = |chosen: Choice, with: &dyn Fn(Choice) -> Filter| {
        let values = [("true", Choice { yes: true, no: false }), ("false", Choice { yes: false, no: true })];
        values.map(|(value, choice)| FacetValue {
            value: value.to_owned(),
            images: count(&with(choice)),
            selected: chosen.is_given() && chosen.takes(choice.yes),
        })
    };
    let fixable = choices(filter.fixable, &|fixable| Filter { fixable, ..filter.clone() });
    let exploited = choices(filter.known_exploited, &|known_exploited| Filter { known_exploited, ..filter.clone() });
    [
        Facet { parameter: "severity".to_owned(), values: severities.into() },
        Facet { parameter: "fixable".to_owned(), values: fixable.into() },
        Facet { parameter: "known_exploited".to_owned(), values: exploited.into() },
    ]
}
