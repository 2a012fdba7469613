//! The fleet as series for Prometheus.
//!
//! Findings are counted as workload times package times vulnerability, so that they add up over every label. Names of clusters and
//! namespaces come from outside, so both are limited: what is beyond goes to `other`, and a series says so.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use prometheus::proto::MetricFamily;
use weir_scanner::finding::Severity;
use weir_scanner::image::ScanStatus;

use super::view::{FleetView, RunningImage};
use crate::metrics::{Sample, gauges};
use crate::report::model::{Model, Work};
use crate::report::nodes::{StateCounts, counts};
use crate::workload::{Content, ImageId, ImageIdForm};

/// Clusters with series of their own.
const MOST_CLUSTERS: usize = 32;
/// Namespaces with series of their own, of all clusters together: with two series for each severity these are the most there are.
const MOST_NAMESPACES: usize = 250;
/// What is beyond the limits.
const OTHER: &str = "other";

/// Every series of the inventory and of the posture. What exceptions cover at a workload is not counted there.
pub(super) fn families(model: &Model) -> Vec<MetricFamily> {
    let view = model.view();
    let labels = Labels::of(view);
    let mut all = inventory(view, &labels);
    all.extend(posture(model, &labels));
    let limited = |metric: &str, is_limited: bool| (vec![metric.to_owned()], f64::from(u8::from(is_limited)));
    all.push(gauges(
        "weir_metrics_series_limited",
        "1 where names of clusters or namespaces beyond a limit are counted as \"other\".",
        &["metric"],
        [
            limited("weir_running_findings", labels.limits_namespaces()),
            limited("weir_running_images", labels.limits_clusters()),
        ],
    ));
    all
}

/// Which names are labels, and which are counted as others.
struct Labels<'a> {
    clusters: Vec<&'a str>,
    /// Clusters of which nodes alone tell, as far as there is room.
    unwatched: BTreeSet<&'a str>,
    namespaces: BTreeSet<(usize, &'a str)>,
    met: usize,
}

impl<'a> Labels<'a> {
    fn of(view: &'a FleetView) -> Self {
        let mut workloads: HashMap<(usize, &str), usize> = HashMap::new();
        for ((cluster, _), workload) in view.workloads() {
            *workloads.entry((cluster, workload.key.namespace.as_str())).or_default() += 1;
        }
        let met = workloads.len();
        let mut namespaces: Vec<_> =
            workloads.into_iter().filter(|((cluster, _), _)| *cluster < MOST_CLUSTERS).collect();
        // Those with most to tell have series of their own; of equals the first by name, so that none comes and goes.
        namespaces.sort_by(|(a, many), (b, others)| others.cmp(many).then(a.cmp(b)));
        namespaces.truncate(MOST_NAMESPACES);
        let room = MOST_CLUSTERS.saturating_sub(view.inventory.clusters.len());
        let is_watched = |name: &str| view.inventory.clusters.iter().any(|cluster| cluster.status.name == name);
        let unwatched = counts(&view.nodes).into_keys().filter(|name| !is_watched(name)).take(room);
        Self {
            unwatched: unwatched.collect(),
            clusters: view.inventory.clusters.iter().map(|cluster| cluster.status.name.as_str()).collect(),
            namespaces: namespaces.into_iter().map(|(namespace, _)| namespace).collect(),
            met,
        }
    }

    fn cluster(&self, at: usize) -> String {
        if at < MOST_CLUSTERS { self.clusters[at].to_owned() } else { OTHER.to_owned() }
    }

    /// The label of a cluster that told something, whether it is watched or not.
    fn named(&self, name: &str) -> String {
        match self.clusters.iter().position(|known| *known == name) {
            Some(at) => self.cluster(at),
            None => self.unwatched.get(name).copied().unwrap_or(OTHER).to_owned(),
        }
    }

    fn namespace(&self, cluster: usize, namespace: &str) -> (String, String) {
        let own = self.namespaces.contains(&(cluster, namespace));
        (self.cluster(cluster), if own { namespace.to_owned() } else { OTHER.to_owned() })
    }

    fn limits_clusters(&self) -> bool {
        self.clusters.len() > MOST_CLUSTERS
    }

    fn limits_namespaces(&self) -> bool {
        self.met > self.namespaces.len()
    }
}

fn inventory(view: &FleetView, labels: &Labels<'_>) -> Vec<MetricFamily> {
    let mut images: BTreeMap<(String, &str), f64> = BTreeMap::new();
    let mut unpulled: BTreeMap<String, f64> = BTreeMap::new();
    let mut unresolved: BTreeMap<(String, &str), BTreeSet<&str>> = BTreeMap::new();
    for at in 0..view.inventory.clusters.len() {
        let cluster = labels.cluster(at);
        unpulled.entry(cluster.clone()).or_default();
        for status in ScanStatus::ALL {
            images.entry((cluster.clone(), status.name())).or_default();
        }
        for form in ImageIdForm::ALL {
            unresolved.entry((cluster.clone(), form.name())).or_default();
        }
    }
    for image in view.images.values() {
        let clusters: BTreeSet<usize> = image.users.iter().map(|(cluster, _)| *cluster).collect();
        for at in clusters {
            let cluster = labels.cluster(at);
            *unpulled.entry(cluster.clone()).or_default() += f64::from(u8::from(!is_pulled(image)));
            *images.entry((cluster, image.status().name())).or_default() += 1.0;
        }
    }
    for ((at, _), workload) in view.workloads() {
        for used in workload.uses.iter().filter(|used| matches!(used.content, Content::Unresolved(_))) {
            let id = used.image_id.as_deref().unwrap_or_default();
            unresolved.entry((labels.cluster(at), ImageId::parse(id).form.name())).or_default().insert(id);
        }
    }
    let mut nodes: BTreeMap<(String, &str), f64> = BTreeMap::new();
    for cluster in (0..view.inventory.clusters.len()).map(|at| labels.cluster(at)) {
        for (state, _) in StateCounts::default().each() {
            nodes.entry((cluster.clone(), state)).or_default();
        }
    }
    for (cluster, counts) in counts(&view.nodes) {
        let cluster = labels.named(cluster);
        for (state, count) in counts.each() {
            *nodes.entry((cluster.clone(), state)).or_default() += count as f64;
        }
    }
    let synced = view
        .inventory
        .clusters
        .iter()
        .enumerate()
        .take(MOST_CLUSTERS)
        .map(|(at, cluster)| (vec![labels.cluster(at)], cluster.status.synced_at as f64));
    vec![
        gauges(
            "weir_agent_last_sync_timestamp_seconds",
            "When a cluster was last heard of, by its agent or by the server's own watch.",
            &["cluster"],
            synced,
        ),
        gauges(
            "weir_nodes",
            "Nodes, by whether they pull through weir.",
            &["cluster", "state"],
            nodes.into_iter().map(|((cluster, state), count)| (vec![cluster, state.to_owned()], count)),
        ),
        gauges(
            "weir_running_images",
            "Distinct images that run, by how far reading them has come.",
            &["cluster", "scan_status"],
            images.into_iter().map(|((cluster, status), count)| (vec![cluster, status.to_owned()], count)),
        ),
        gauges(
            "weir_running_images_never_pulled",
            "Distinct images that run and that no client ever pulled through weir.",
            &["cluster"],
            unpulled.into_iter().map(|(cluster, count)| (vec![cluster], count)),
        ),
        gauges(
            "weir_unresolved_image_ids",
            "Distinct image ids that lead to no image, by their form.",
            &["cluster", "form"],
            unresolved.into_iter().map(|((cluster, form), ids)| (vec![cluster, form.to_owned()], ids.len() as f64)),
        ),
    ]
}

/// Whether a client ever pulled an image through weir.
fn is_pulled(image: &RunningImage) -> bool {
    image.row().is_some_and(|row| row.last_pulled.is_some())
}

fn posture(model: &Model, labels: &Labels<'_>) -> Vec<MetricFamily> {
    let view = model.view();
    let mut findings: BTreeMap<(String, String), Work> = BTreeMap::new();
    let mut overdue: BTreeMap<(String, Severity), u64> = BTreeMap::new();
    for at in 0..view.inventory.clusters.len() {
        for severity in model.due() {
            overdue.entry((labels.cluster(at), severity)).or_default();
        }
    }
    // Of many workloads of one namespace the names are looked up once.
    let mut by_namespace: HashMap<(usize, &str), Work> = HashMap::new();
    for ((at, _), workload) in view.workloads() {
        by_namespace.entry((at, workload.key.namespace.as_str())).or_default();
    }
    model.each_work(|place, work| {
        let namespace = view.workload(place).key.namespace.as_str();
        by_namespace.entry((place.0, namespace)).or_default().add(work);
    });
    for ((at, namespace), work) in by_namespace {
        findings.entry(labels.namespace(at, namespace)).or_default().add(&work);
        for severity in model.due() {
            *overdue.entry((labels.cluster(at), severity)).or_default() += work.overdue.of(severity);
        }
    }
    let by_severity = findings.iter().flat_map(|((cluster, namespace), work)| {
        Severity::ALL.iter().flat_map(move |severity| {
            [true, false].map(|fixable| -> Sample {
                let fix = if fixable { "true" } else { "false" };
                let values = [cluster, namespace, severity.name(), fix].map(str::to_owned);
                (values.to_vec(), work.counts.of(*severity, fixable) as f64)
            })
        })
    });
    vec![
        gauges(
            "weir_running_findings",
            "Findings in what runs: workload times package times vulnerability.",
            &["cluster", "namespace", "severity", "fixable"],
            by_severity,
        ),
        gauges(
            "weir_running_known_exploited_findings",
            "Findings in what runs that are known to be exploited.",
            &["cluster", "namespace"],
            findings
                .iter()
                .map(|((cluster, namespace), work)| (vec![cluster.clone(), namespace.clone()], work.exploited as f64)),
        ),
        gauges(
            "weir_overdue_findings",
            "Findings in what runs that should be gone by report.due.",
            &["cluster", "severity"],
            overdue
                .into_iter()
                .map(|((cluster, severity), count)| (vec![cluster, severity.name().to_owned()], count as f64)),
        ),
    ]
}
