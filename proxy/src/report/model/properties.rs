//! That lists, statistics and facets add up, and mean what the grammar says, whatever runs and whatever is excepted.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use weir_scanner::exception::{Place, Rules, Scope, Subject};
use weir_scanner::finding::Severity;
use weir_scanner::image::ScanStatus;
use weir_scanner::verdict::SeverityCounts;

use super::sample::{
    NOW, Sample, SampleFinding, SampleImage, SampleUser, digest, exception, id, layer, purl, repository,
};
use super::{Listed, Model, Page, Work};
use crate::report::Parameters;
use crate::report::filter::{Except, Filter, ImageFacts, ImageStatus, LayerChoice};
use crate::report::fleet::running_images;
use crate::report::shape::{Counts, Statistics};
use crate::workload::Workload;

/// What a filter means, worked out one finding at a time.
struct Meaning<'a> {
    sample: &'a Sample,
    filter: &'a Filter,
    rules: Rules,
    workloads: Vec<Workload>,
}

/// An image that is meant under some of its repositories.
struct Meant {
    image: usize,
    /// By repository, the positions of the findings that are meant.
    under: BTreeMap<Option<usize>, BTreeSet<usize>>,
    /// Numbers of the workloads that are meant.
    relevant: Vec<usize>,
}

impl Meant {
    /// The findings that are meant under any repository.
    fn findings(&self) -> BTreeSet<usize> {
        self.under.values().flatten().copied().collect()
    }
}

impl<'a> Meaning<'a> {
    fn new(sample: &'a Sample, filter: &'a Filter, model: &Model) -> Self {
        let workloads = model.view().workloads().map(|(_, workload)| workload.clone()).collect();
        Self { sample, filter, rules: Rules::new(sample.exceptions.clone()), workloads }
    }

    fn place(&self, workload: usize) -> Place<'_> {
        let Workload { key, labels, .. } = &self.workloads[workload];
        Place { cluster: &key.cluster, namespace: &key.namespace, labels }
    }

    fn users(&self, image: usize) -> Vec<usize> {
        let runs = |workload: &Workload| running_images(workload).any(|running| running == digest(image));
        (0..self.workloads.len()).filter(|number| runs(&self.workloads[*number])).collect()
    }

    fn names(&self, image: usize) -> Vec<String> {
        self.sample.images[image].repositories.iter().map(|number| repository(*number)).collect()
    }

    fn is_excepted(&self, image: usize, finding: &SampleFinding, workloads: &[usize]) -> bool {
        let names = self.names(image);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (id, alias) = (id(finding.vulnerability), format!("GHSA-{:04}", finding.vulnerability));
        let subject = Subject {
            names: &[&id, &alias],
            package: &purl(finding.package),
            fixable: finding.fixable,
            image: &digest(image),
            repositories: &names,
        };
        let places: Vec<Place<'_>> = workloads.iter().map(|number| self.place(*number)).collect();
        self.rules.of_finding_in(&subject, places, NOW).is_some()
    }

    fn is_repository_excepted(&self, image: usize, number: usize, workloads: &[usize]) -> bool {
        let places: Vec<Place<'_>> = workloads.iter().map(|number| self.place(*number)).collect();
        self.rules.of_repository_in(&[&repository(number)], &digest(image), places, NOW).is_some()
    }

    fn facts(&self, image: usize) -> ImageFacts {
        let SampleImage { first_seen, last_pulled, last_run, findings, .. } = &self.sample.images[image];
        let runs = !self.users(image).is_empty();
        let last = (*last_pulled).max(*last_run).unwrap_or(*first_seen);
        let status = match runs {
            true => ImageStatus::Running,
            false if NOW - last <= 1000 => ImageStatus::Idle,
            false => ImageStatus::Retired,
        };
        let scan_status = if findings.is_some() { ScanStatus::Complete } else { ScanStatus::Queued };
        ImageFacts { status, scan_status, pulled: last_pulled.is_some(), ran: runs || last_run.is_some() }
    }

    fn has_text(&self, text: &str) -> bool {
        self.filter.q.as_ref().is_none_or(|q| text.to_lowercase().contains(q.as_str()))
    }

    /// Whether a finding is meant as far as it can be told by itself.
    fn is_of_kind(&self, image: usize, finding: &SampleFinding) -> bool {
        let layers = [layer(0), layer(1), layer(2 + image as u32)];
        let is_exploited = self.sample.exploited.contains(&finding.vulnerability);
        let Filter { severities, fixable, known_exploited, layers: asked, .. } = self.filter;
        !finding.covered
            && (severities.is_empty() || severities.contains(&finding.severity))
            && fixable.takes(finding.fixable)
            && known_exploited.takes(is_exploited)
            && (asked.is_empty() || asked.contains(&LayerChoice::Digest(layers[finding.layer as usize])))
    }

    fn image(&self, image: usize) -> Option<Meant> {
        let filter = self.filter;
        let sample = &self.sample.images[image];
        let relevant: Vec<usize> =
            self.users(image).into_iter().filter(|number| filter.workloads.takes(&self.workloads[*number])).collect();
        if !filter.takes_facts(&self.facts(image)) || !filter.workloads.is_empty() && relevant.is_empty() {
            return None;
        }
        let mut names: Vec<Option<usize>> = sample.repositories.iter().copied().map(Some).collect();
        if names.is_empty() {
            names.push(None);
        }
        let mut under = BTreeMap::new();
        for name in names {
            let is_asked =
                |name: Option<usize>| name.is_some_and(|name| filter.repositories.contains(&repository(name)));
            let is_excepted = name.is_some_and(|name| self.is_repository_excepted(image, name, &relevant));
            if !filter.repositories.is_empty() && !is_asked(name) || is_excepted && filter.except == Except::Active {
                continue;
            }
            let tag = sample.tag.as_ref().filter(|_| name.is_some());
            let in_name = self.has_text(&digest(image).to_string())
                || name.is_some_and(|name| self.has_text(&repository(name)))
                || tag.is_some_and(|tag| self.has_text(tag));
            let is_meant = |finding: &SampleFinding| {
                let in_finding = [id(finding.vulnerability), format!("GHSA-{:04}", finding.vulnerability)]
                    .iter()
                    .any(|name| self.has_text(name))
                    || self.has_text(&format!("debian/lib-{}", finding.package));
                let own = self.is_excepted(image, finding, &relevant);
                let is_state = match filter.except {
                    Except::Active => !own,
                    Except::Excepted => own || is_excepted,
                    Except::All => true,
                };
                self.is_of_kind(image, finding) && (in_name || in_finding) && is_state
            };
            let findings = sample.findings.iter().flatten().enumerate();
            let meant: BTreeSet<usize> =
                findings.filter(|(_, finding)| is_meant(finding)).map(|(position, _)| position).collect();
            let is_whole = in_name && (filter.except != Except::Excepted || is_excepted) && !filter.is_of_findings();
            if is_whole || !meant.is_empty() {
                under.insert(name, meant);
            }
        }
        (!under.is_empty()).then_some(Meant { image, under, relevant })
    }

    fn images(&self) -> Vec<Meant> {
        (0..self.sample.images.len()).filter_map(|image| self.image(image)).collect()
    }

    fn finding(&self, image: usize, position: usize) -> &SampleFinding {
        &self.sample.images[image].findings.as_ref().unwrap()[position]
    }

    /// The distinct vulnerabilities of some findings, each as its worst.
    fn counts(&self, findings: impl Iterator<Item = (usize, usize)>) -> Counts {
        let mut worst: BTreeMap<usize, (Severity, bool)> = BTreeMap::new();
        for (image, position) in findings {
            let finding = self.finding(image, position);
            let known = worst.entry(finding.vulnerability).or_insert((finding.severity, false));
            *known = (known.0.max(finding.severity), known.1 || finding.fixable);
        }
        let mut counts = Counts::default();
        for (number, (severity, is_fixable)) in worst {
            counts.vulnerabilities.count(severity);
            counts.fixable += u64::from(is_fixable);
            counts.known_exploited += u64::from(self.sample.exploited.contains(&number));
        }
        counts
    }

    /// Findings at the workloads that are meant, where they are meant there.
    fn at_workloads(&self, meant: &[Meant]) -> SeverityCounts {
        let mut counts = SeverityCounts::default();
        for Meant { image, under, relevant } in meant {
            for workload in relevant {
                let mut names = under.keys().flatten().peekable();
                let is_hidden = self.filter.except == Except::Active
                    && names.peek().is_some()
                    && names.all(|name| self.is_repository_excepted(*image, *name, &[*workload]));
                let all: BTreeSet<usize> = under.values().flatten().copied().collect();
                for position in all.into_iter().filter(|_| !is_hidden) {
                    let finding = self.finding(*image, position);
                    let own = self.is_excepted(*image, finding, &[*workload]);
                    if self.filter.except != Except::Active || !own {
                        counts.count(finding.severity);
                    }
                }
            }
        }
        counts
    }
}

/// Every item of a list, page by page.
pub(super) fn all<T>(limit: usize, list: impl Fn(&Page) -> Listed<T>) -> Vec<T> {
    let (mut items, mut page) = (Vec::new(), Page { limit, ..Page::default() });
    loop {
        let listed = list(&page);
        let total = listed.total;
        items.extend(listed.items);
        match listed.next_cursor {
            Some(next) => page.cursor = Some(next),
            None => {
                assert_eq!(items.len() as u64, total);
                return items;
            }
        }
    }
}

fn check_lists(model: &Model, meaning: &Meaning<'_>, limit: usize) -> Statistics {
    let (filter, meant) = (meaning.filter, meaning.images());
    let images = all(limit, |page| model.images(filter, page).unwrap());
    let listed: BTreeSet<String> = images.iter().map(|item| item.digest.clone()).collect();
    let expected: BTreeSet<String> = meant.iter().map(|meant| digest(meant.image).to_string()).collect();
    assert_eq!(listed, expected, "images");
    for Meant { image, under, relevant } in &meant {
        let item = images.iter().find(|item| item.digest == digest(*image).to_string()).unwrap();
        let is_read = meaning.sample.images[*image].findings.is_some();
        let all: BTreeSet<usize> = under.values().flatten().copied().collect();
        let counts = meaning.counts(all.into_iter().map(|position| (*image, position)));
        assert_eq!(item.vulnerabilities, is_read.then_some(counts.vulnerabilities), "{item:?}");
        assert_eq!(
            (item.fixable, item.known_exploited),
            (is_read.then_some(counts.fixable), is_read.then_some(counts.known_exploited))
        );
        assert_eq!(item.running_resources, relevant.len() as u64);
    }

    let repositories = all(limit, |page| model.repositories(filter, page).unwrap());
    let names: BTreeSet<usize> = meant.iter().flat_map(|meant| meant.under.keys().flatten()).copied().collect();
    assert_eq!(
        repositories.iter().map(|item| item.name.clone()).collect::<BTreeSet<_>>(),
        names.iter().map(|name| repository(*name)).collect()
    );
    for number in names {
        let item = repositories.iter().find(|item| item.name == repository(number)).unwrap();
        let own: Vec<&Meant> = meant.iter().filter(|meant| meant.under.contains_key(&Some(number))).collect();
        let is_read = own.iter().any(|meant| meaning.sample.images[meant.image].findings.is_some());
        let findings =
            own.iter().flat_map(|meant| meant.under[&Some(number)].iter().map(|position| (meant.image, *position)));
        assert_eq!(item.counts, is_read.then(|| meaning.counts(findings)), "{item:?}");
        assert_eq!(item.images, own.len() as u64);
        let workloads: BTreeSet<usize> = own.iter().flat_map(|meant| &meant.relevant).copied().collect();
        assert_eq!(item.running_resources, workloads.len() as u64);
        assert_eq!(model.repository(filter, &item.name).as_ref(), Some(item));
    }

    let vulnerabilities = all(limit, |page| model.vulnerabilities(filter, page).unwrap());
    let mut affected: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for meant in &meant {
        for position in meant.findings() {
            affected.entry(id(meaning.finding(meant.image, position).vulnerability)).or_default().insert(meant.image);
        }
    }
    let counted: BTreeMap<String, u64> = vulnerabilities.iter().map(|item| (item.id.clone(), item.images)).collect();
    assert_eq!(counted, affected.into_iter().map(|(id, images)| (id, images.len() as u64)).collect());
    for item in &vulnerabilities {
        let alias = &item.aliases[0];
        let detail = model.vulnerability(filter, &Page::default(), alias).unwrap().unwrap();
        assert_eq!(&detail.item, item, "by its alias");
        assert!(detail.affected.total >= item.images);
    }
    let statistics = model.statistics(filter);
    check_statistics(meaning, &meant, &statistics);
    // Statistics are what the lists add up to.
    let mut worst = Counts::default();
    for item in &vulnerabilities {
        worst.vulnerabilities.count(item.severity);
        worst.fixable += u64::from(item.fixable);
        worst.known_exploited += u64::from(item.known_exploited == Some(true));
    }
    let scanned = images.iter().filter(|item| item.vulnerabilities.is_some()).count() as u64;
    assert_eq!(statistics.vulnerabilities, (scanned > 0).then_some(worst));
    assert_eq!((statistics.images, statistics.scanned_images), (images.len() as u64, scanned));
    assert_eq!(statistics.repositories, repositories.len() as u64);
    assert_eq!(statistics.image_statuses.values().sum::<u64>(), statistics.images);
    assert_eq!(statistics.scan_statuses.values().sum::<u64>(), statistics.images);
    statistics
}

fn check_statistics(meaning: &Meaning<'_>, meant: &[Meant], statistics: &Statistics) {
    assert_eq!(statistics.findings, meaning.at_workloads(meant), "findings at workloads");
    let workloads: BTreeSet<usize> = meant.iter().flat_map(|meant| &meant.relevant).copied().collect();
    assert_eq!(statistics.running_resources, workloads.len() as u64);
    let clusters: BTreeSet<&str> = workloads.iter().map(|number| meaning.place(*number).cluster).collect();
    assert_eq!(statistics.clusters, clusters.len() as u64);
}

/// The number beside each value of a facet is what choosing it shows.
fn check_facets(model: &Model, filter: &Filter) {
    for facet in model.facets(filter) {
        for value in &facet.values {
            let mut rest = filter.query();
            if facet.parameter != "label" {
                let own = format!("{}=", facet.parameter);
                rest = rest.split('&').filter(|pair| !pair.starts_with(&own)).collect::<Vec<_>>().join("&");
            }
            let chosen = Parameters::parse(&format!("{rest}&{}={}", facet.parameter, value.value));
            let chosen = Filter::parse(&Parameters {
                all: chosen.all.into_iter().filter(|(name, _)| !name.is_empty()).collect(),
                at_once: None,
            })
            .unwrap();
            let total = model.images(&chosen, &Page::default()).unwrap().total;
            assert_eq!(value.images, total, "{} {value:?} {}", facet.parameter, chosen.query());
        }
    }
}

fn finding() -> impl Strategy<Value = SampleFinding> {
    let kind = (0..Severity::ALL.len(), any::<bool>(), prop::bool::weighted(0.15), 0..3_u32);
    (0..6_usize, 0..3_usize, kind, NOW - 3000..=NOW).prop_map(
        |(vulnerability, package, (severity, fixable, covered, layer), first_seen)| SampleFinding {
            vulnerability,
            package,
            severity: Severity::ALL[severity],
            layer,
            fixable,
            covered,
            first_seen,
        },
    )
}

fn image() -> impl Strategy<Value = SampleImage> {
    let times = (NOW - 3000..=NOW, prop::option::of(NOW - 3000..=NOW), prop::option::of(NOW - 3000..=NOW));
    let names = prop::collection::btree_set(0..3_usize, 0..3);
    let tag = prop::option::of(prop::sample::select(vec!["v1", "V2-rc"]));
    (names, tag, times, prop::option::weighted(0.8, prop::collection::vec(finding(), 0..6))).prop_map(
        |(repositories, tag, (first_seen, last_pulled, last_run), findings)| SampleImage {
            repositories: repositories.into_iter().collect(),
            tag: tag.map(str::to_owned),
            first_seen,
            last_pulled,
            last_run,
            findings,
        },
    )
}

fn user() -> impl Strategy<Value = SampleUser> {
    let labels = prop::collection::vec((prop::sample::select(vec!["app", "tier"]), 0..2_u8), 0..3);
    let uses = prop::collection::vec((prop::option::weighted(0.9, 0..6_usize), prop::bool::weighted(0.8)), 0..4);
    (0..2_usize, prop::sample::select(vec!["shop", "back"]), labels, uses).prop_map(
        |(cluster, namespace, labels, uses)| SampleUser {
            cluster,
            namespace: namespace.to_owned(),
            labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_string())).collect(),
            uses,
        },
    )
}

fn scope() -> impl Strategy<Value = Scope> {
    let place = (
        prop::option::weighted(0.4, 0..2_usize),
        prop::option::weighted(0.3, prop::sample::select(vec!["shop", "back"])),
        prop::collection::vec(prop::sample::select(vec!["app", "tier=1"]), 0..2),
    );
    let thing = (
        prop::option::weighted(0.3, 0..3_usize),
        prop::option::weighted(0.2, 0..6_usize),
        prop::option::weighted(0.3, 0..3_usize),
    );
    (place, thing).prop_map(|((cluster, namespace, labels), (name, image, package))| Scope {
        cluster: cluster.map(|number| format!("cluster-{number:03}")),
        namespace: namespace.map(str::to_owned),
        labels: labels.into_iter().map(str::to_owned).collect(),
        repository: name.map(repository),
        image: image.map(digest),
        package: package.map(|number| format!("pkg:deb/debian/lib-{number}")),
    })
}

pub(super) fn sample() -> impl Strategy<Value = Sample> {
    let exceptions = prop::collection::vec((prop::option::weighted(0.7, 0..6_usize), 0..3_usize, scope()), 0..4);
    let exploited = prop::collection::btree_set(0..6_usize, 0..3);
    (prop::collection::vec(image(), 1..6), prop::collection::vec(user(), 0..6), exceptions, exploited).prop_map(
        |(images, mut users, exceptions, exploited)| {
            for (at, _) in users.iter_mut().flat_map(|user| &mut user.uses) {
                *at = at.map(|at| at % images.len());
            }
            let exceptions = exceptions.into_iter().enumerate().map(|(number, (vulnerability, name, scope))| {
                // A repository's exception names it.
                let own = Scope { repository: Some(repository(name)), package: None, ..scope.clone() };
                exception(number, vulnerability, if vulnerability.is_some() { scope } else { own })
            });
            let exceptions = exceptions.collect();
            Sample { images, clusters: 2, users, exceptions, exploited: exploited.into_iter().collect() }
        },
    )
}

/// A query of the grammar.
pub(super) fn query() -> impl Strategy<Value = String> {
    let values = vec![
        "cluster=cluster-000",
        "cluster=cluster-001",
        "namespace=shop",
        "label=app",
        "label=tier%3D1",
        "repository=docker.io/team/app-0",
        "repository=docker.io/team/app-1",
        "image_status=running",
        "image_status=idle",
        "scan_status=complete",
        "pulled=true",
        "ran=false",
        "severity=critical",
        "severity=high",
        "severity=unknown",
        "fixable=true",
        "fixable=false",
        "known_exploited=true",
        "known_exploited=false",
        "layer=0",
        "layer=own",
        "q=app-1",
        "q=LIB-2",
        "q=0003",
        "q=ghsa",
        "q=v2",
        "q=sha256:",
    ];
    let except = prop::sample::select(vec!["active", "active", "excepted", "all"]);
    (prop::sample::subsequence(values, 0..4), except).prop_map(|(values, except)| {
        let mut seen = BTreeSet::new();
        let pairs = values.into_iter().filter(|pair| !pair.starts_with("q=") || seen.insert("q"));
        let pairs = pairs.map(|pair| match pair {
            "layer=0" => format!("layer={}", layer(0)),
            "layer=own" => format!("layer={}", layer(3)),
            pair => pair.to_owned(),
        });
        pairs.chain([format!("except={except}")]).collect::<Vec<_>>().join("&")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn lists_statistics_and_facets_add_up(sample in sample(), query in query(), limit in 1..4_usize) {
        let model = sample.model();
        let filter = Filter::parse(&Parameters::parse(&query)).unwrap();
        let statistics = check_lists(&model, &Meaning::new(&sample, &filter, &model), limit);
        check_facets(&model, &filter);
        // What is excepted is what another view of the same shows beyond.
        let with = |except| Filter { except, ..filter.clone() };
        let (open, any) = (model.statistics(&with(Except::Active)), model.statistics(&with(Except::All)));
        let total = |statistics: &Statistics| {
            statistics.vulnerabilities.as_ref().map_or(0, |counts| counts.vulnerabilities.total())
        };
        prop_assert_eq!(statistics.excepted_vulnerabilities, total(&any) - total(&open));
        prop_assert_eq!(statistics.excepted_repositories, any.repositories - open.repositories);
        // What metrics add up at each workload is what statistics say of everything.
        let (mut work, everything) = (Work::default(), model.statistics(&Filter::default()));
        model.each_work(|_, found| work.add(found));
        for severity in Severity::ALL {
            let counted = [true, false].map(|fixable| work.counts.of(severity, fixable));
            prop_assert_eq!(counted.iter().sum::<u64>(), everything.findings.of(severity));
        }
        prop_assert_eq!(work.exploited, everything.known_exploited_findings);
        prop_assert_eq!(work.overdue.total(), everything.overdue_findings);
    }

    #[test]
    fn a_preview_is_what_the_exception_hides(sample in sample()) {
        let open = Sample { exceptions: Vec::new(), ..sample.clone() };
        let before = open.model();
        for exception in &sample.exceptions {
            // Alone, and of images by themselves: where it holds everywhere, what it hides is what was previewed.
            if exception.scope.is_of_workloads() {
                continue;
            }
            let preview = before.preview(exception);
            let after = Sample { exceptions: vec![exception.clone()], ..sample.clone() }.model();
            let excepted = Filter { except: Except::Excepted, ..Filter::default() };
            let listed = after.statistics(&excepted);
            prop_assert_eq!((preview.images, preview.workloads), (listed.images, listed.running_resources));
            prop_assert_eq!(
                preview.vulnerabilities,
                listed.vulnerabilities.map_or(0, |counts| counts.vulnerabilities.total())
            );
            prop_assert_eq!(preview.examples.len() as u64, preview.images.min(10));
        }
    }
}
