//! That the series are what the lists add up to, whatever runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use prometheus::proto::MetricFamily;
use proptest::prelude::*;
use weir_scanner::finding::Severity;
use weir_scanner::oci::Digest;
use weir_storage::index::{ClusterSource, ContainerKind, WorkloadKey};

use super::posture::{Due, Judged, Posture};
use super::sample::image_record;
use super::series::families;
use super::view::{FleetView, Known, RunningImage, running_images};
use crate::metrics::Metrics;
use crate::workload::{
    ClusterInventory, ClusterStatus, Content, Freshness, ImageUse, Inventory, StateCounts, Unresolved, Workload,
};

const NOW: i64 = 1_000_000;

/// An image: what was found in it, or that it was never read.
type Image = Option<Vec<(Severity, bool, bool, i64)>>;
/// A workload: its cluster, its namespace, the images it uses and whether each runs; none for one that leads nowhere.
type User = (usize, usize, Vec<(Option<usize>, bool)>);

fn digest(number: usize) -> Digest {
    Digest::of(&number.to_le_bytes())
}

fn workload(number: usize, cluster: usize, namespace: &str, uses: &[(Option<usize>, bool)]) -> Workload {
    let used = |(image, active): &(Option<usize>, bool)| ImageUse {
        container: "app".into(),
        kind: ContainerKind::Container,
        image: "team/app:1".into(),
        image_id: Some(Digest::of(b"config").to_string().into()),
        platform: None,
        states: StateCounts::default(),
        active: *active,
        content: image.map_or(Content::Unresolved(Unresolved::ConfigUnknown), |image| Content::Image(digest(image))),
    };
    Workload {
        key: WorkloadKey {
            cluster: format!("cluster-{cluster:03}"),
            namespace: namespace.to_owned(),
            group: "apps".to_owned(),
            kind: "Deployment".to_owned(),
            name: format!("web-{number}"),
        },
        created_at: None,
        labels: Vec::new(),
        pods: 1,
        uses: uses.iter().map(used).collect(),
    }
}

/// A fleet of clusters that run these images, made as the maker makes it.
fn fleet(clusters: usize, images: &[Image], users: &[User], namespace: impl Fn(usize) -> String) -> FleetView {
    let mut workloads: Vec<Vec<Workload>> = vec![Vec::new(); clusters];
    for (number, (cluster, at, uses)) in users.iter().enumerate() {
        let uses: Vec<_> =
            uses.iter().map(|(image, active)| (image.map(|image| image % images.len()), *active)).collect();
        workloads[cluster % clusters].push(workload(number, cluster % clusters, &namespace(*at), &uses));
    }
    let mut running: HashMap<Digest, RunningImage> = HashMap::new();
    for (cluster, workloads) in workloads.iter().enumerate() {
        for (index, workload) in workloads.iter().enumerate() {
            for digest in running_images(workload) {
                let number = (0..images.len()).find(|number| self::digest(*number) == digest).unwrap();
                let judged = images[number].as_deref().map(Judged::sample);
                let known = Known::Seen(Arc::new(Posture { record: image_record(), judged }));
                let image = RunningImage { known, users: Vec::new(), first_seen: 0 };
                running.entry(digest).or_insert(image).users.push((cluster, index));
            }
        }
    }
    let inventory = |(number, workloads): (usize, Vec<Workload>)| ClusterInventory {
        status: ClusterStatus {
            name: format!("cluster-{number:03}"),
            source: ClusterSource::Local,
            freshness: Freshness::Live,
            synced_at: NOW,
            first_seen: 0,
            kubernetes_version: None,
            agent_version: None,
            pods: 0,
            nodes: 0,
            problems: Vec::new(),
        },
        workloads: Arc::new(workloads),
    };
    let clusters = workloads.into_iter().enumerate().map(inventory).collect();
    FleetView { inventory: Inventory { clusters, at: NOW, ..Inventory::default() }, images: running }
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

fn due() -> Due {
    [(Severity::Critical, Duration::from_secs(100)), (Severity::High, Duration::from_secs(1000))].into()
}

fn severity() -> impl Strategy<Value = Severity> {
    (0..Severity::ALL.len()).prop_map(|at| Severity::ALL[at])
}

fn image() -> impl Strategy<Value = Image> {
    let finding = (severity(), any::<bool>(), any::<bool>(), NOW - 3000..=NOW);
    prop::option::weighted(0.8, prop::collection::vec(finding, 0..6))
}

fn user() -> impl Strategy<Value = User> {
    let used = (prop::option::weighted(0.9, 0..8_usize), prop::bool::weighted(0.8));
    (0..50_usize, 0..20_usize, prop::collection::vec(used, 0..4))
}

proptest! {
    #[test]
    fn series_are_what_the_resources_add_up_to(
        clusters in 1..40_usize,
        images in prop::collection::vec(image(), 1..8),
        users in prop::collection::vec(user(), 0..60),
        odd in prop::collection::vec("[a-z\\\\\"\n]{1,4}", 20),
    ) {
        let view = fleet(clusters, &images, &users, |at| odd[at].clone());
        let made = families(&view, &due(), NOW);
        check_page(&made);
        for severity in Severity::ALL {
            for fixable in [true, false] {
                let expected: u64 = view.workloads().map(|(_, workload)| view.findings(workload).of(severity, fixable)).sum();
                let is_of = |labels: &BTreeMap<String, String>| {
                    labels["severity"] == severity.name() && labels["fixable"] == fixable.to_string()
                };
                let found = series(&made, "weir_running_findings");
                let found: u64 = found.iter().filter(|(labels, _)| is_of(labels)).map(|(_, value)| value).sum();
                prop_assert_eq!(found, expected);
            }
        }
        let judged = |workload: &Workload| -> Vec<&Judged> {
            running_images(workload).filter_map(|digest| view.images[&digest].posture()?.judged.as_ref()).collect()
        };
        let all: Vec<&Judged> = view.workloads().flat_map(|(_, workload)| judged(workload)).collect();
        let sum = |name: &str| series(&made, name).iter().map(|(_, value)| value).sum::<u64>();
        let exploited: u64 = all.iter().map(|judged| judged.exploited).sum();
        prop_assert_eq!(sum("weir_running_known_exploited_findings"), exploited);
        let overdue: u64 =
            all.iter().flat_map(|judged| due().into_keys().map(|severity| judged.overdue(severity, &due(), NOW))).sum();
        prop_assert_eq!(sum("weir_overdue_findings"), overdue);
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
    let found: Image = Some(vec![(Severity::High, true, true, NOW)]);
    let limited = |made: &[MetricFamily]| -> Vec<u64> {
        series(made, "weir_metrics_series_limited").into_iter().map(|(_, value)| value).collect()
    };
    let users: Vec<User> = (0..400).map(|number| (0, number, vec![(Some(0), true)])).collect();
    let view = fleet(1, &[found], &users, |at| format!("ns-{at:03}"));
    let made = families(&view, &due(), NOW);
    check_page(&made);
    let exploited = series(&made, "weir_running_known_exploited_findings");
    assert_eq!(exploited.len(), 251);
    let others = exploited.iter().find(|(labels, _)| labels["namespace"] == "other").unwrap();
    assert_eq!((&others.0["cluster"], others.1), (&"cluster-000".to_owned(), 150));
    assert_eq!(limited(&made), [1, 0]);
    let total: usize = made.iter().map(|family| family.get_metric().len()).sum();
    assert!(total <= 5000, "{total} series");

    // Exactly as many as there may be are all shown.
    let view = fleet(1, &[Some(Vec::new())], &users[..250], |at| format!("ns-{at:03}"));
    let made = families(&view, &due(), NOW);
    assert_eq!((series(&made, "weir_running_known_exploited_findings").len(), limited(&made)), (250, vec![0, 0]));

    let users: Vec<User> = (0..40).map(|number| (number, 0, vec![(Some(0), true)])).collect();
    let view = fleet(40, &[Some(Vec::new())], &users, |_| "default".to_owned());
    let made = families(&view, &due(), NOW);
    check_page(&made);
    let images = series(&made, "weir_running_images");
    let clusters: BTreeSet<&str> = images.iter().map(|(labels, _)| labels["cluster"].as_str()).collect();
    assert_eq!(clusters.len(), 33);
    let others = |(labels, _): &&(BTreeMap<String, String>, u64)| labels["cluster"] == "other";
    assert_eq!(images.iter().filter(others).map(|(_, value)| value).sum::<u64>(), 8);
    assert_eq!(limited(&made)[1], 1);
    assert_eq!(series(&made, "weir_agent_last_sync_timestamp_seconds").len(), 32);
}
