//! That the series are what the lists add up to, whatever runs.

use std::collections::{BTreeMap, BTreeSet};

use prometheus::proto::MetricFamily;
use proptest::prelude::*;
use weir_scanner::exception::Scope;
use weir_scanner::finding::Severity;

use super::series::families;
use super::view::running_images;
use crate::metrics::Metrics;
use crate::report::model::sample::{
    NOW, Sample, SampleFinding, SampleImage, SampleUser, digest as sample_digest, exception,
};
use crate::report::model::{Model, Work};
use crate::workload::{Content, Workload};

/// An image: what was found in it, or that it was never read.
type Image = Option<Vec<SampleFinding>>;
/// A workload: its cluster, its namespace, the images it uses and whether each runs; none for one that leads nowhere.
type User = (usize, usize, Vec<(Option<usize>, bool)>);

/// A fleet of clusters that run these images, joined with what is found in them.
fn fleet(clusters: usize, images: &[Image], users: &[User], namespace: impl Fn(usize) -> String) -> Sample {
    let image = |findings: &Image| SampleImage { findings: findings.clone(), ..SampleImage::default() };
    let user = |(cluster, at, uses): &User| SampleUser {
        cluster: cluster % clusters,
        namespace: namespace(*at),
        labels: Vec::new(),
        uses: uses.iter().map(|(image, active)| (image.map(|image| image % images.len()), *active)).collect(),
    };
    Sample {
        images: images.iter().map(image).collect(),
        clusters,
        users: users.iter().map(user).collect(),
        exceptions: Vec::new(),
        exploited: (0..10).filter(|number| number % 2 == 1).collect(),
    }
}

/// Every series of a family: its labels and its value.
fn series(families: &[MetricFamily], name: &str) -> Vec<(BTreeMap<String, String>, u64)> {
    let family = families.iter().find(|family| family.name() == name).unwrap();
    let labels = |metric: &prometheus::proto::Metric| {
        metric.get_label().iter().map(|label| (label.name().to_owned(), label.value().to_owned())).collect()
    };
    family.get_metric().iter().map(|metric| (labels(metric), metric.get_gauge().get_value() as u64)).collect()
}

/// No family has the same labels twice, and the page holds every series on a line of its own.
fn check_page(families: &[MetricFamily]) {
    let metrics = Metrics::new().unwrap();
    metrics.inventory.publish(families.to_vec());
    let page = String::from_utf8(metrics.page().unwrap()).unwrap();
    let is_ours = |line: &&str| families.iter().any(|family| line.split('{').next() == Some(family.name()));
    let lines: Vec<&str> = page.lines().filter(is_ours).collect();
    let count: usize = families.iter().map(|family| family.get_metric().len()).sum();
    assert_eq!(lines.len(), count);
    let names: BTreeSet<&str> = lines
        .iter()
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            value.parse::<f64>().unwrap();
            assert!(name.starts_with("weir_") && name.ends_with('}'), "{line}");
            name
        })
        .collect();
    assert_eq!(names.len(), count, "the same labels twice");
}

fn severity() -> impl Strategy<Value = Severity> {
    (0..Severity::ALL.len()).prop_map(|at| Severity::ALL[at])
}

fn image() -> impl Strategy<Value = Image> {
    let finding = (severity(), any::<bool>(), 0..10_usize, 0..3_usize, NOW - 3000..=NOW);
    let finding = finding.prop_map(|(severity, fixable, vulnerability, package, first_seen)| SampleFinding {
        vulnerability,
        package,
        severity,
        layer: 0,
        fixable,
        covered: false,
        first_seen,
    });
    prop::option::weighted(0.8, prop::collection::vec(finding, 0..6))
}

fn user() -> impl Strategy<Value = User> {
    let used = (prop::option::weighted(0.9, 0..8_usize), prop::bool::weighted(0.8));
    (0..50_usize, 0..20_usize, prop::collection::vec(used, 0..4))
}

/// What the findings of everything a workload runs come to, each image once.
fn works(model: &Model, place: (usize, usize), workload: &Workload) -> Work {
    let mut all = Work::default();
    running_images(workload).filter_map(|digest| model.work_at(&digest, place)).for_each(|work| all.add(&work));
    all
}

proptest! {
    #[test]
    fn series_are_what_the_resources_add_up_to(
        clusters in 1..40_usize,
        images in prop::collection::vec(image(), 1..8),
        users in prop::collection::vec(user(), 0..60),
        odd in prop::collection::vec("[a-z\\\\\"\n]{1,4}", 20),
        excepted in prop::option::of(0..10_usize),
    ) {
        let mut sample = fleet(clusters, &images, &users, |at| odd[at].clone());
        let scope = Scope { cluster: Some("cluster-000".to_owned()), ..Scope::default() };
        sample.exceptions.extend(excepted.map(|number| exception(0, Some(number), scope)));
        let model = sample.model();
        let view = model.view();
        let made = families(&model);
        check_page(&made);
        let at_each: Vec<Work> = view.workloads().map(|(place, workload)| works(&model, place, workload)).collect();
        for severity in Severity::ALL {
            for fixable in [true, false] {
                let expected: u64 = at_each.iter().map(|work| work.counts.of(severity, fixable)).sum();
                let is_of = |labels: &BTreeMap<String, String>| {
                    labels["severity"] == severity.name() && labels["fixable"] == fixable.to_string()
                };
                let found = series(&made, "weir_running_findings");
                let found: u64 = found.iter().filter(|(labels, _)| is_of(labels)).map(|(_, value)| value).sum();
                prop_assert_eq!(found, expected);
            }
        }
        let sum = |name: &str| series(&made, name).iter().map(|(_, value)| value).sum::<u64>();
        let exploited: u64 = at_each.iter().map(|work| work.exploited).sum();
        prop_assert_eq!(sum("weir_running_known_exploited_findings"), exploited);
        let overdue: u64 = at_each.iter().map(|work| work.overdue.total()).sum();
        prop_assert_eq!(sum("weir_overdue_findings"), overdue);
        // Counted from what the fleet was made of: what is excepted in a cluster is left out there alone.
        let expected: usize = view.workloads().map(|((cluster, _), workload)| {
            let found = running_images(workload).filter_map(|digest| {
                (0..images.len()).find(|number| sample_digest(*number) == digest).and_then(|number| images[number].as_ref())
            });
            found.flatten().filter(|finding| cluster != 0 || Some(finding.vulnerability) != excepted).count()
        }).sum();
        prop_assert_eq!(sum("weir_running_findings"), expected as u64);
        // Images are counted in each cluster that runs them.
        let running: usize = view.images.values().map(|image| {
            image.users.iter().map(|(cluster, _)| cluster).collect::<BTreeSet<_>>().len()
        }).sum();
        prop_assert_eq!(sum("weir_running_images"), running as u64);
        prop_assert_eq!(sum("weir_running_images_never_pulled"), running as u64);
        let unresolved: BTreeSet<_> = view.workloads().filter(|(_, workload)| {
            workload.uses.iter().any(|used| matches!(used.content, Content::Unresolved(_)))
        }).map(|((cluster, _), _)| cluster.min(32)).collect();
        prop_assert_eq!(sum("weir_unresolved_image_ids"), unresolved.len() as u64);
    }
}

#[test]
fn namespaces_and_clusters_beyond_the_limits_are_others_and_a_series_says_so() {
    let found: Image = Some(vec![SampleFinding {
        vulnerability: 1,
        package: 0,
        severity: Severity::High,
        layer: 0,
        fixable: true,
        covered: false,
        first_seen: NOW,
    }]);
    let limited = |made: &[MetricFamily]| -> Vec<u64> {
        series(made, "weir_metrics_series_limited").into_iter().map(|(_, value)| value).collect()
    };
    let users: Vec<User> = (0..400).map(|number| (0, number, vec![(Some(0), true)])).collect();
    let sample = fleet(1, &[found], &users, |at| format!("ns-{at:03}"));
    let made = families(&sample.model());
    check_page(&made);
    let exploited = series(&made, "weir_running_known_exploited_findings");
    assert_eq!(exploited.len(), 251);
    let others = exploited.iter().find(|(labels, _)| labels["namespace"] == "other").unwrap();
    assert_eq!((&others.0["cluster"], others.1), (&"cluster-000".to_owned(), 150));
    assert_eq!(limited(&made), [1, 0]);
    let total: usize = made.iter().map(|family| family.get_metric().len()).sum();
    assert!(total <= 5000, "{total} series");

    // Exactly as many as there may be are all shown.
    let sample = fleet(1, &[Some(Vec::new())], &users[..250], |at| format!("ns-{at:03}"));
    let made = families(&sample.model());
    assert_eq!((series(&made, "weir_running_known_exploited_findings").len(), limited(&made)), (250, vec![0, 0]));

    let users: Vec<User> = (0..40).map(|number| (number, 0, vec![(Some(0), true)])).collect();
    let sample = fleet(40, &[Some(Vec::new())], &users, |_| "default".to_owned());
    let made = families(&sample.model());
    check_page(&made);
    let images = series(&made, "weir_running_images");
    let clusters: BTreeSet<&str> = images.iter().map(|(labels, _)| labels["cluster"].as_str()).collect();
    assert_eq!(clusters.len(), 33);
    let others = |(labels, _): &&(BTreeMap<String, String>, u64)| labels["cluster"] == "other";
    assert_eq!(images.iter().filter(others).map(|(_, value)| value).sum::<u64>(), 8);
    assert_eq!(limited(&made)[1], 1);
    assert_eq!(series(&made, "weir_agent_last_sync_timestamp_seconds").len(), 32);
}
