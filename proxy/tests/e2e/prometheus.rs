//! A real Prometheus scrapes weir, and its own API is asked what it saw.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{DemoImage, Prometheus, Registry, Weir, advisories, get, machine, run, tool};

fn copy(weir: &Weir, to: &Path) {
    let mut copy = Command::new(tool("skopeo"));
    copy.args(["--insecure-policy", "copy", "--quiet", "--preserve-digests", "--src-tls-verify=false"]);
    copy.arg(format!("docker://{}/docker.io/library/weir-demo:1", weir.mirror));
    run(copy.arg(format!("oci:{}:1", to.display())));
}

#[test]
fn prometheus_sees_what_two_pulls_and_a_scan_did() {
    let _machine = machine();
    let image = DemoImage::get();
    let directory = tempfile::tempdir().unwrap();
    let registry = Registry::start(directory.path());
    registry.push(&image.layout("oci", "1"), "library/weir-demo:1");
    let (url, feeds) = (registry.url(), advisories(directory.path()));
    let settings = [
        ("UPSTREAM__0__NAME", "docker.io"),
        ("UPSTREAM__0__URL", url.as_str()),
        ("ADVISORY__SOURCE", feeds.to_str().unwrap()),
    ];
    let mut weir = Weir::start(directory.path(), &settings);
    let mut prometheus = Prometheus::start(directory.path(), weir.report);
    let began = unix_seconds();
    copy(&weir, &directory.path().join("first"));
    weir.result(&image.digest("oci", "1").to_string(), "", 300);
    copy(&weir, &directory.path().join("second"));

    let sizes = image.blob_sizes("oci");
    let (blobs, bytes) = (sizes.len() as f64, sizes.iter().sum::<u64>() as f64);
    prometheus.expect("up{job=\"weir\"}", 1.0);
    prometheus.expect(&format!("weir_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0);
    // The scanner may have begun a fetch before the client asked: then the client joined it. Every request of the second
    // pull was answered from the store.
    prometheus.expect("sum(weir_blob_requests_total{upstream=\"docker.io\",result!=\"error\"})", 2.0 * blobs);
    prometheus.expect("weir_blob_requests_total{upstream=\"docker.io\",result=\"error\"}", 0.0);
    let stored = prometheus.value("weir_blob_requests_total{result=\"stored\"}").unwrap();
    assert!(stored >= blobs, "{stored} of {blobs} requests of the second pull were answered from the store");
    // Fetched once, served twice.
    prometheus.expect("weir_blob_bytes_total{source=\"upstream\"}", bytes);
    prometheus.expect("weir_blob_bytes_total{source=\"store\"}", 2.0 * bytes);
    prometheus.expect("weir_cache_size_bytes", bytes);
    prometheus.expect("sum(weir_layer_scans_total{result=\"complete\"})", blobs - 1.0);
    prometheus.expect("sum(weir_layer_scans_total)", blobs - 1.0);
    prometheus.expect("weir_scan_queue_length", 0.0);
    let asked = prometheus.value("sum(weir_upstream_requests_total{code=\"200\"})").unwrap();
    assert!(asked > blobs, "{asked} requests upstream for a manifest and {blobs} blobs");
    assert_eq!(prometheus.value("sum(weir_upstream_requests_total{code!=\"200\"})").unwrap_or(0.0), 0.0);
    for source in ["Debian", "PyPI", "npm"] {
        let query = format!("weir_advisory_source_updated_timestamp_seconds{{source=\"{source}\"}}");
        let updated = prometheus.value(&query).unwrap_or_else(|| panic!("no {query}"));
        assert!((began..=unix_seconds()).contains(&updated), "{query} = {updated}, the test began at {began}");
    }
    promtool_finds_nothing(&get(weir.report, "/metrics").unwrap().body);
}

fn promtool_finds_nothing(page: &[u8]) {
    let mut check = Command::new(tool("promtool"));
    check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = check.spawn().unwrap();
    child.stdin.take().unwrap().write_all(page).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "promtool check metrics: {said}");
}

fn unix_seconds() -> f64 {
    run(Command::new(tool("date")).arg("+%s")).trim().parse().unwrap()
}
