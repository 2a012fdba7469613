//! The fleet as series for Prometheus.
//!
//! Findings are counted as workload times package times vulnerability, so that they add up over every label. Names of clusters and
//! namespaces come from outside, so both are limited: what is beyond goes to `other`, and a series says so.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use prometheus::proto::MetricFamily;
use weir_scanner::finding::Severity;
use weir_scanner::image::ScanStatus;

use super::posture::{Due, FindingCounts};
use super::view::{FleetView, RunningImage, running_images};
use crate::metrics::{Sample, gauges};
use crate::workload::{Content, ImageId, ImageIdForm};

/// Clusters with series of their own.
const MOST_CLUSTERS: usize = 32;
/// Namespaces with series of their own, of all clusters together: with two series for each severity these are the most there are.
const MOST_NAMESPACES: usize = 250;
/// What is beyond the limits.
const OTHER: &str = "other";

/// Every series of the inventory and of the posture, at `now` (seconds since the epoch).
pub(super) fn families(view: &FleetView, due: &Due, now: i64) -> Vec<MetricFamily> {
    let labels = Labels::of(view);
    let mut all = inventory(view, &labels);
    all.extend(posture(view, &labels, due, now));
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
        Self {
            clusters: view.inventory.clusters.iter().map(|cluster| cluster.status.name.as_str()).collect(),
            namespaces: namespaces.into_iter().map(|(namespace, _)| namespace).collect(),
            met,
        }
    }

    fn cluster(&self, at: usize) -> String {
        if at < MOST_CLUSTERS { self.clusters[at].to_owned() } else { OTHER.to_owned() }
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
    image.posture().is_some_and(|posture| posture.record.last_pulled.is_some())
}

fn posture(view: &FleetView, labels: &Labels<'_>, due: &Due, now: i64) -> Vec<MetricFamily> {
    let mut findings: BTreeMap<(String, String), (FindingCounts, u64)> = BTreeMap::new();
    let mut overdue: BTreeMap<(String, Severity), u64> = BTreeMap::new();
    for at in 0..view.inventory.clusters.len() {
        for severity in due.keys() {
            overdue.entry((labels.cluster(at), *severity)).or_default();
        }
    }
    let late: HashMap<_, Vec<(Severity, u64)>> = view
        .images
        .iter()
        .filter_map(|(digest, image)| {
            let judged = image.posture()?.judged.as_ref()?;
            Some((*digest, due.keys().map(|severity| (*severity, judged.overdue(*severity, due, now))).collect()))
        })
        .collect();
    for ((at, _), workload) in view.workloads() {
        let (counts, exploited) = findings.entry(labels.namespace(at, &workload.key.namespace)).or_default();
        for digest in running_images(workload) {
            let judged = view.images.get(&digest).and_then(|image| image.posture()?.judged.as_ref());
            let Some(judged) = judged else { continue };
            counts.add(&judged.findings);
            *exploited += judged.exploited;
            for (severity, count) in late.get(&digest).into_iter().flatten() {
                *overdue.entry((labels.cluster(at), *severity)).or_default() += count;
            }
        }
    }
    let by_severity = findings.iter().flat_map(|((cluster, namespace), (counts, _))| {
        Severity::ALL.iter().flat_map(move |severity| {
            [true, false].map(|fixable| -> Sample {
                let fix = if fixable { "true" } else { "false" };
                let values = [cluster, namespace, severity.name(), fix].map(str::to_owned);
                (values.to_vec(), counts.of(*severity, fixable) as f64)
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
            findings.iter().map(|((cluster, namespace), (_, exploited))| {
                (vec![cluster.clone(), namespace.clone()], *exploited as f64)
            }),
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
