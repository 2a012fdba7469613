//! The page of metrics: written from what the instruments say of themselves and from what a weir with a cluster shows, and kept equal
//! to both. Neither alone is everything: a page leaves out what was never counted, and the series of the inventory are made by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use weir_proxy::metrics::{Described, Metrics};
use weir_proxy::workload::ImageIdForm;
use weir_scanner::exception::{Narrowest, State};
use weir_scanner::finding::Severity;
use weir_scanner::image::ScanStatus;

use crate::report::run_in_two_namespaces;
use crate::support::get;
use crate::workloads::{Images, World};

const INTRODUCTION: &str = "\
# Metrics

<!-- Written from the instruments; `WEIR_UPDATE_DOCS=1 cargo test --release -p weir-proxy --test it -- metrics::` writes it anew. -->

weir shows these at `/metrics` of `listen.report`, in the Prometheus text format, to whoever asks unless `auth.protect_metrics` is set.
No label holds a tag, digest, path, pod or vulnerability. Clusters beyond 32 and namespaces beyond 250 are counted as `other`, and
`weir_metrics_series_limited` says so. Findings are counted as workload times package times vulnerability, so that they add up over
every label; those under an exception are not counted.

A label with `=` has no other values than these. Alerts and recording rules are in `deploy/observe/rules/weir.yaml`, dashboards for
Grafana in `deploy/observe/dashboards`; each alert has its page in [runbooks](runbooks/README.md).

| metric | kind | unit | labels | meaning |
|---|---|---|---|---|
";

/// What the values of a label are: of a metric, or of every one where none is named.
const OPEN: &[(&str, &str, &str)] = &[
    (
        "weir_advisory_source_updated_timestamp_seconds",
        "source",
        "an ecosystem as OSV names it, or `kev`, `epss`, `cvss`",
    ),
    ("weir_advisory_refreshes_total", "source", "an ecosystem as OSV names it, or `kev`, `epss`, `cvss`"),
    ("weir_http_requests_total", "code", "the status"),
    ("weir_upstream_requests_total", "code", "the status, or `error` where no answer came"),
    ("weir_layer_scans_total", "reason", "`none`, or the code of the first reason, as in a result's `scan.reasons`"),
    ("weir_findings_opened_total", "cluster", "each that runs the image, empty where none does"),
    ("weir_findings_closed_total", "cluster", "each that runs the image, empty where none does"),
    ("", "cluster", "the cluster's name"),
    ("", "namespace", "the namespace"),
    ("", "upstream", "its name in the settings"),
    ("", "webhook", "its name in the settings"),
    ("", "version", "weir's"),
];

/// The same where there are no others.
fn closed(metric: &str, label: &str) -> Option<Vec<&'static str>> {
    Some(match (metric, label) {
        ("weir_blob_requests_total", "result") => vec!["stored", "joined", "fetched", "error"],
        ("weir_blob_bytes_total", "source") => vec!["store", "upstream"],
        ("weir_advisory_refreshes_total", "result") => vec!["success", "failure"],
        ("weir_layer_scans_total", "result") => vec!["complete", "partial", "unsupported", "failed"],
        ("weir_findings_opened_total", "reason") => vec!["new_image", "advisory", "detector_changed"],
        ("weir_findings_closed_total", "reason") => {
            vec!["fixed_in_feed", "withdrawn", "image_changed", "detector_changed"]
        }
        ("weir_webhook_deliveries_total", "result") => vec!["delivered", "retried", "failed", "dropped"],
        ("weir_nodes", "state") => vec!["through_weir", "bypasses", "unknown"],
        ("weir_exceptions", "state") => State::ALL.map(State::name).to_vec(),
        ("weir_metrics_series_limited", "metric") => vec!["weir_running_findings", "weir_running_images"],
        (_, "route") => vec!["manifest", "blob", "tags", "referrers", "ping", "unknown"],
        (_, "method") => vec!["GET", "HEAD", "other"],
        (_, "severity") => Severity::ALL.iter().map(|severity| severity.name()).collect(),
        (_, "fixable") => vec!["true", "false"],
        (_, "scan_status") => ScanStatus::ALL.iter().map(|status| status.name()).collect(),
        (_, "form") => ImageIdForm::ALL.map(ImageIdForm::name).to_vec(),
        (_, "scope") => Narrowest::ALL.map(Narrowest::name).to_vec(),
        (_, "within") => vec!["1d", "7d", "30d"],
        _ => return None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_metrics_is_up_to_date() {
    let (app, side) = (Images::new("app"), Images::new("side"));
    let world = World::new(&[&app.held("team/app", "1"), &side.held("team/side", "1")]).await;
    world.pull("team/app", "1", &app.amd).await;
    world.pull("team/app", "1", &app.arm).await;
    run_in_two_namespaces(&world, &app, &side).await;
    let shown = families(&String::from_utf8(get(world.weir.report, "/metrics").await.body).unwrap());

    let metrics = Metrics::new().unwrap();
    let registered: BTreeMap<_, _> =
        metrics.described().iter().map(|described| (described.name.clone(), described.clone())).collect();
    for (name, known) in registered.iter().filter(|(name, _)| shown.contains_key(*name)) {
        let (mut said, mut seen) = (known.labels.clone(), shown[name].labels.clone());
        said.sort();
        seen.sort();
        assert_eq!((said, known.kind), (seen, shown[name].kind), "{name} is not what it says of itself");
    }
    // What was registered knows the order of its labels.
    let mut all = shown;
    all.extend(registered);

    let mut wanted = INTRODUCTION.to_owned();
    for metric in all.values() {
        let labels: Vec<_> = metric.labels.iter().map(|label| words(&metric.name, label)).collect();
        let (unit, help) = (unit(metric), metric.help.replace('|', "\\|"));
        writeln!(wanted, "| `{}` | {} | {unit} | {} | {help} |", metric.name, metric.kind, labels.join("; ")).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    if std::env::var_os("WEIR_UPDATE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &wanted).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == wanted, "docs/metrics.md differs from the metrics; write it anew with WEIR_UPDATE_DOCS=1");
}

fn words(metric: &str, label: &str) -> String {
    if let Some(values) = closed(metric, label) {
        let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
        return format!("`{label}` = {}", values.join(", "));
    }
    let about = OPEN.iter().find(|(of, known, _)| (of.is_empty() || *of == metric) && *known == label);
    let (_, _, about) = about.unwrap_or_else(|| panic!("say in this file what the values of {metric}'s {label} are"));
    format!("`{label}`: {about}")
}

/// By the endings that Prometheus's conventions give to names.
fn unit(metric: &Described) -> &'static str {
    let name = metric.name.trim_end_matches("_total");
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if ends(&["_timestamp_seconds", "_time_seconds"]) {
        "seconds since 1970"
    } else if ends(&["_seconds"]) {
        "seconds"
    } else if ends(&["_bytes"]) {
        "bytes"
    } else if ends(&["_info", "_open", "_limited"]) {
        "0 or 1"
    } else {
        "count"
    }
}

/// What a page in the text format has.
fn families(page: &str) -> BTreeMap<String, Described> {
    let mut families: BTreeMap<String, Described> = BTreeMap::new();
    let mut last = String::new();
    for line in page.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            let made = Described { name: name.to_owned(), kind: "", labels: Vec::new(), help: help.to_owned() };
            families.insert(name.to_owned(), made);
            last = name.to_owned();
        } else if let Some((_, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let kinds = ["counter", "gauge", "histogram"];
            families.get_mut(&last).unwrap().kind = kinds.into_iter().find(|known| *known == kind).unwrap();
        } else if let Some((_, labels)) = line.split_once('{').filter(|_| !line.starts_with('#')) {
            let keys = labels.split("\",").filter_map(|label| label.split_once("=\"")).map(|(key, _)| key.to_owned());
            families.get_mut(&last).unwrap().labels = keys.filter(|key| key != "le").collect();
        }
    }
    families
}
