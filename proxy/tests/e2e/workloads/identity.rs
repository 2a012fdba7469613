//! An image of two platforms is pulled through weir by a node of each, and runs under every name a node has for it.

use std::path::Path;

use serde_json::{Value, json};
use weir_storage::index::{ClusterObject, PodRecord, WatchedKind};

use super::{Counts, SEVERITIES, names, set};
use crate::api_server::{Behaviour, node, owned_by, owner, pod, runs};
use crate::support::{
    Containerd, DemoImage, Kubernetes, Prometheus, Registry, Weir, advisories, layout_of_both, machine, run,
    small_image,
};

const REPOSITORY: &str = "docker.io/library/weir-demo";
const TAG: &str = "docker.io/library/weir-demo:1";
/// What a node may have the same content from as well.
const OTHER: &str = "quay.io/other/copy";
/// What the nodes' pods are called, by how their image is named: in the specification, and by the runtime.
const NAMED: [&str; 7] = ["config", "config-bare", "index", "other-name", "platform", "platform-own", "tag"];

/// A node, and what its containerd calls the image it pulled.
struct Node {
    name: &'static str,
    index: String,
    manifest: String,
    config: String,
}

impl Node {
    /// Pulls the tag, and the platform's manifest by its digest.
    fn pull(directory: &Path, hosts: &Path, name: &'static str) -> Self {
        let containerd = Containerd::start(&directory.join(name));
        let platform = format!("linux/{name}");
        containerd.pull_platform(hosts, TAG, &platform);
        let index = containerd.digest(TAG);
        let children = containerd.document(&index)["manifests"].as_array().unwrap().clone();
        let own = children.iter().find(|child| child["platform"]["architecture"] == name).unwrap();
        let manifest = own["digest"].as_str().unwrap().to_owned();
        let config = containerd.document(&manifest)["config"]["digest"].as_str().unwrap().to_owned();
        assert_eq!(containerd.document(&config)["architecture"], name);
        let pinned = format!("{REPOSITORY}@{manifest}");
        containerd.pull_platform(hosts, &pinned, &platform);
        assert_eq!(containerd.digest(&pinned), manifest);
        containerd.tag(TAG, &format!("{OTHER}:1"));
        assert_eq!(containerd.digest(&format!("{OTHER}:1")), index);
        Self { name, index, manifest, config }
    }

    /// A pod of each form: what the specification says, and what a kubelet over this containerd reports.
    fn pods(&self, namespace: &str) -> Vec<ClusterObject> {
        let by_index = format!("{REPOSITORY}@{}", self.index);
        let by_manifest = format!("{REPOSITORY}@{}", self.manifest);
        let bare = self.config.strip_prefix("sha256:").unwrap();
        let other = format!("{OTHER}@{}", self.index);
        let forms: [(&str, &str); NAMED.len()] = [
            (TAG, &self.config),
            (TAG, bare),
            (&by_index, &by_index),
            (TAG, &other),
            (&by_manifest, &by_index),
            (&by_manifest, &by_manifest),
            ("weir-demo:1", &by_index),
        ];
        let pods = NAMED.iter().zip(forms).map(|(form, (image, id))| {
            let pod = pod(form, self.name, vec![runs("app", image, id)]);
            ClusterObject::Pod(PodRecord { namespace: namespace.to_owned(), ..pod })
        });
        pods.collect()
    }

    /// A pod of the deployment that runs on both nodes.
    fn of_the_deployment(&self) -> ClusterObject {
        let mut pod = pod(
            &format!("web-1-{}", self.name),
            self.name,
            vec![runs("app", TAG, &format!("{REPOSITORY}@{}", self.index))],
        );
        pod.owner = Some(owned_by("apps", "ReplicaSet", "web-1"));
        ClusterObject::Pod(pod)
    }
}

#[test]
fn every_name_that_nodes_have_leads_to_the_image_of_their_platform() {
    let _machine = machine();
    let demo = DemoImage::get();
    let directory = tempfile::tempdir().unwrap();
    let feeds = advisories(directory.path());
    let registry = Registry::start(directory.path());
    let layout = layout_of_both(&directory.path().join("layout"), &demo, &small_image("arm64", "identity"), "arm64");
    registry.push(&layout, "library/weir-demo:1");
    let cluster = Kubernetes::start(directory.path(), "prod", Behaviour::default());
    cluster.put([node("amd64", Some("amd64")), node("arm64", Some("arm64"))]);
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
    let hosts = directory.path().join("certs.d");
    run(Weir::command(&settings).args(["hosts", "--mirror", &weir.url(), "--out"]).arg(&hosts));

    let [amd, arm] = ["amd64", "arm64"].map(|name| Node::pull(directory.path(), &hosts, name));
    assert_eq!((&amd.index, amd.manifest != arm.manifest), (&arm.index, true));
    let [on_amd, on_arm] = [&amd, &arm].map(|node| Counts::of(&weir.result(&node.manifest, "", 300)));
    cluster.put([
        owner(WatchedKind::Deployment, "web", None),
        owner(WatchedKind::ReplicaSet, "web-1", Some(owned_by("apps", "Deployment", "web"))),
        amd.of_the_deployment(),
        arm.of_the_deployment(),
    ]);
    cluster.put(amd.pods("shop"));
    cluster.put(arm.pods("edge"));

    let all = 2 * NAMED.len() + 1;
    weir.until("resources", 30, |items| {
        (items.len() == all && items.iter().all(|item| !item["findings"].is_null())).then_some(())
    });
    for (node, namespace, counts) in [(&amd, "shop", &on_amd), (&arm, "edge", &on_arm)] {
        let items = weir.items(&format!("resources?namespace={namespace}"));
        pods_run(&items, node, counts);
        images_lead_there(&weir, node, counts);
    }
    let web = &weir.items("resources?label=team=of-web")[0];
    let both = on_amd.plus(&on_arm);
    assert_eq!(
        (&web["kind"], &web["pods"], web["images"].as_array().unwrap().len()),
        (&json!("Deployment"), &json!(2), 2)
    );
    assert_eq!((&web["findings"], &web["fixable"]), (&both.findings(), &json!(both.fixable())));
    let affected = weir.items(&format!("images/{}/resources", amd.index));
    assert_eq!(affected.len(), all, "the index leads to both platforms");
    the_cluster_is_whole(&weir);
    numbers_are_the_same(&mut prometheus, &on_amd, &on_arm);
    assert_eq!(weir.items("unresolved"), [] as [Value; 0]);
}

/// Each bare pod runs its node's image, whatever it is called.
fn pods_run(items: &[Value], node: &Node, counts: &Counts) {
    let pods: Vec<Value> = items.iter().filter(|item| item["kind"] == "Pod").cloned().collect();
    assert_eq!(names(&pods), set(NAMED));
    for item in pods {
        let used = &item["images"][0];
        let expected = [
            ("digest", json!(node.manifest)),
            ("platform", json!(format!("linux/{}", node.name))),
            ("served_as", if item["name"] == "other-name" { json!(OTHER) } else { Value::Null }),
            ("scan_status", json!("complete")),
            ("reason", Value::Null),
            ("vulnerabilities", counts.vulnerabilities()),
        ];
        for (field, value) in expected {
            assert_eq!(used[field], value, "{field} of {item}");
        }
        assert_eq!((&item["findings"], &item["fixable"]), (&counts.findings(), &json!(counts.fixable())), "{item}");
    }
}

/// The same from the image's side, by each of its digests that is of this platform alone.
fn images_lead_there(weir: &Weir, node: &Node, counts: &Counts) {
    let expected = set(NAMED.into_iter().chain(["web"]));
    for digest in [&node.manifest, &node.config] {
        let items = weir.items(&format!("images/{digest}/resources"));
        assert_eq!(names(&items), expected, "{digest}");
        assert!(items.iter().all(|item| item["running"] == true && item["cluster"] == "prod"), "{}", json!(items));
    }
    let running = weir.items("images?image_status=running");
    assert_eq!(running.len(), 2, "{}", json!(running));
    let image = running.iter().find(|image| image["digest"] == node.manifest).unwrap();
    assert_eq!((&image["running_resources"], &image["clusters"]), (&json!(expected.len()), &json!(["prod"])));
    assert_eq!((&image["scan_status"], &image["reference"]), (&json!("complete"), &json!(TAG)));
    assert!(image["last_pulled"].is_string() && image["last_run"].is_string(), "{image}");
    assert_eq!(image["vulnerabilities"], counts.vulnerabilities());
}

fn the_cluster_is_whole(weir: &Weir) {
    let clusters = weir.items("clusters");
    assert_eq!(names(&clusters), set(["prod"]));
    let expected = [
        ("source", json!("local")),
        ("status", json!("live")),
        ("kubernetes_version", json!("v1.31.2-test")),
        ("nodes", json!(2)),
        ("pods", json!(2 * NAMED.len() + 2)),
        ("workloads", json!(2 * NAMED.len() + 1)),
        ("namespaces", json!(["edge", "shop"])),
        ("running_images", json!({"complete": 2})),
        ("unresolved_image_ids", json!(0)),
        ("problems", json!([])),
    ];
    for (field, value) in expected {
        assert_eq!(clusters[0][field], value, "{field} of {}", clusters[0]);
    }
}

/// The metrics, as a real Prometheus reads them, say what the reports of the images say.
fn numbers_are_the_same(prometheus: &mut Prometheus, on_amd: &Counts, on_arm: &Counts) {
    let pods = NAMED.len() as u64;
    prometheus.expect("sum(weir_running_images{cluster=\"prod\",scan_status=\"complete\"})", 2.0);
    prometheus.expect("sum(weir_running_images{cluster=\"prod\"})", 2.0);
    prometheus.expect("weir_running_images_never_pulled{cluster=\"prod\"}", 0.0);
    prometheus.expect("sum(weir_unresolved_image_ids{cluster=\"prod\"})", 0.0);
    prometheus.expect("time() - weir_agent_last_sync_timestamp_seconds{cluster=\"prod\"} < bool 90", 1.0);
    for severity in SEVERITIES {
        for fixed in [true, false] {
            let (amd, arm) = (on_amd.finding(severity, fixed), on_arm.finding(severity, fixed));
            for (namespace, count) in [("shop", (pods + 1) * amd + arm), ("edge", pods * arm)] {
                let labels = format!("namespace=\"{namespace}\",severity=\"{severity}\",fixable=\"{fixed}\"");
                // Where there is none, there may be no series.
                let query = format!("sum(weir_running_findings{{cluster=\"prod\",{labels}}}) or vector(0)");
                prometheus.expect(&query, count as f64);
            }
        }
    }
}
