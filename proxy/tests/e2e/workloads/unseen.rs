//! An image that a node pulled past weir: fetched by its digest, read, and shown as never pulled until somebody pulls it.

use serde_json::{Value, json};

use super::Counts;
use crate::api_server::{Behaviour, node, running};
use crate::pull::packages_are_the_truth;
use crate::support::{Containerd, DemoImage, Kubernetes, Prometheus, Registry, Weir, advisories, machine, run};

const REPOSITORY: &str = "docker.io/library/weir-demo";

#[test]
fn what_was_pulled_past_weir_is_read_and_shown_as_never_pulled() {
    let _machine = machine();
    let demo = DemoImage::get();
    let directory = tempfile::tempdir().unwrap();
    let feeds = advisories(directory.path());
    let registry = Registry::start(directory.path());
    registry.push(&demo.layout("oci-zstd", "1"), "library/weir-demo:1");
    let cluster = Kubernetes::start(directory.path(), "prod", Behaviour::default());
    cluster.put([node("worker", Some("amd64"))]);
    let url = registry.url();
    let settings = [
        ("UPSTREAM__0__NAME", "docker.io"),
        ("UPSTREAM__0__URL", url.as_str()),
        ("ADVISORY__SOURCE", feeds.to_str().unwrap()),
        ("CLUSTER__NAME", "prod"),
        ("CLUSTER__KUBERNETES", cluster.kubeconfig.to_str().unwrap()),
    ];
    let mut weir = Weir::start(directory.path(), &settings);
    let mut prometheus = Prometheus::start(directory.path(), weir.report);
    let reference = format!("{REPOSITORY}:1");
    let pull = |name: &str, from: &str| {
        let hosts = directory.path().join(format!("certs-of-{name}"));
        run(Weir::command(&settings).args(["hosts", "--only", "--mirror", from, "--out"]).arg(&hosts));
        let containerd = Containerd::start(&directory.path().join(name));
        containerd.pull_platform(&hosts, &reference, "linux/amd64");
        containerd.digest(&reference)
    };
    let digest = pull("past", &url);
    assert_eq!(digest, demo.digest("oci-zstd", "1").to_string());
    cluster.put([running("shop", "worker", &reference, &format!("{REPOSITORY}@{digest}"))]);

    let report = weir.result(&digest, "", 300);
    packages_are_the_truth(&demo, &report);
    let counts = Counts::of(&report);
    let resource = weir.until("resources", 30, |items| {
        items.iter().find(|item| item["images"][0]["scan_status"] == "complete" && !item["findings"].is_null()).cloned()
    });
    assert_eq!((&resource["images"][0]["digest"], &resource["findings"]), (&json!(digest), &counts.findings()));
    let never = weir.items("images?pulled=false");
    assert_eq!((never.len(), &never[0]["digest"], &never[0]["last_pulled"]), (1, &json!(digest), &Value::Null));
    assert_eq!(
        (&never[0]["image_status"], &never[0]["vulnerabilities"]),
        (&json!("running"), &counts.vulnerabilities())
    );
    for list in ["images?pulled=true", "pulls"] {
        assert_eq!(weir.items(list), [] as [Value; 0], "{list}");
    }
    prometheus.expect("weir_running_images_never_pulled{cluster=\"prod\"}", 1.0);
    prometheus.expect("weir_running_images{cluster=\"prod\",scan_status=\"complete\"}", 1.0);
    prometheus.expect("sum(weir_blob_requests_total) or vector(0)", 0.0);
    let bytes = demo.blob_sizes("oci-zstd").iter().sum::<u64>() as f64;
    prometheus.expect("weir_blob_bytes_total{source=\"upstream\"}", bytes);

    // What was fetched to be read is served like any other.
    assert_eq!(pull("through", &weir.url()), digest);
    weir.until("images?pulled=true", 30, |items| {
        items.iter().any(|item| item["last_pulled"].is_string()).then_some(())
    });
    assert_eq!(weir.items("images?pulled=false"), [] as [Value; 0]);
    prometheus.expect("weir_running_images_never_pulled{cluster=\"prod\"}", 0.0);
    prometheus.expect("weir_blob_bytes_total{source=\"store\"}", bytes);
    prometheus.expect("weir_blob_bytes_total{source=\"upstream\"}", bytes);
}
