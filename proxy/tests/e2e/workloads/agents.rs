//! Two clusters, each with an agent, report to one weir over TLS; agents and server die as processes do.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use weir_storage::index::{ClusterObject, PodRecord, WatchedKind};

use super::{names, set};
use crate::api_server::{Behaviour, node, pod, runs};
use crate::support::{
    Daemon, Kubernetes, Registry, ServerCertificate, Weir, advisories, configure, free_port, layout_of, machine, run,
    small_image,
};

/// Seconds without a word from an agent after which its cluster is stale.
const STALE_AFTER: i64 = 90;
const REPOSITORY: &str = "docker.io/library/small";

/// `weir agent` for a cluster.
struct Cluster {
    name: &'static str,
    api: Kubernetes,
    directory: PathBuf,
    arguments: Vec<String>,
    agent: Daemon,
}

impl Cluster {
    fn start(
        directory: &Path,
        name: &'static str,
        behaviour: Behaviour,
        weir: &Weir,
        server: &ServerCertificate,
    ) -> Self {
        let api = Kubernetes::start(directory, name, behaviour);
        let mut create = Weir::command(&[]);
        create.args(["token", "create", "--role", "agent", "--cluster", name, "--data"]).arg(&weir.data);
        let token = directory.join(format!("{name}.token"));
        std::fs::write(&token, run(&mut create)).unwrap();
        let report = format!("https://{}", weir.report);
        let paths = [&token, &server.certificate, &api.kubeconfig].map(|path| path.display().to_string());
        let [token, ca, kubeconfig] = paths.each_ref().map(String::as_str);
        let arguments =
            ["--cluster", name, "--report", &report, "--token-file", token, "--ca", ca, "--kubernetes", kubeconfig];
        let arguments = arguments.map(str::to_owned).to_vec();
        let agent = agent(directory, name, &arguments);
        Self { name, api, directory: directory.to_owned(), arguments, agent }
    }

    fn restart_agent(&mut self) {
        self.agent = agent(&self.directory, self.name, &self.arguments);
    }

    /// Its pods in the report, by namespace and name.
    fn pods(&self, weir: &Weir) -> BTreeSet<(String, String)> {
        let items = weir.items(&format!("resources?cluster={}", self.name));
        let text = |item: &Value, key: &str| item[key].as_str().unwrap().to_owned();
        let pods: BTreeSet<_> = items.iter().map(|item| (text(item, "namespace"), text(item, "name"))).collect();
        assert_eq!(pods.len(), items.len(), "a pod is there twice: {}", json!(items));
        pods
    }

    /// Waits until the report has these of its pods, all of them read.
    fn until(&self, weir: &Weir, pods: &[(&str, &str)]) -> Vec<Value> {
        let expected: Vec<_> = pods.iter().map(|(namespace, name)| (json!(namespace), json!(name))).collect();
        weir.until(&format!("resources?cluster={}", self.name), 90, |items| {
            let found = items.iter().map(|item| (item["namespace"].clone(), item["name"].clone()));
            let are_read = items.iter().all(|item| !item["findings"].is_null() && !item["first_seen"].is_null());
            (are_read && found.eq(expected.iter().cloned())).then(|| items.to_vec())
        })
    }
}

fn agent(directory: &Path, name: &str, arguments: &[String]) -> Daemon {
    Daemon::start(&format!("agent-{name}"), directory, Weir::binary(), |command| {
        configure(command, &[]);
        command.arg("agent").args(arguments);
    })
}

/// A pod of a namespace that runs an image by its digest.
fn of(namespace: &str, name: &str, digest: &str) -> ClusterObject {
    let id = format!("{REPOSITORY}@{digest}");
    let pod = pod(name, "worker", vec![runs("app", &id, &id)]);
    ClusterObject::Pod(PodRecord { namespace: namespace.to_owned(), ..pod })
}

fn status<'a>(clusters: &'a [Value], name: &str) -> &'a Value {
    clusters.iter().find(|cluster| cluster["name"] == name).unwrap()
}

#[test]
fn agents_and_server_are_killed_and_nothing_is_lost_or_counted_twice() {
    let _machine = machine();
    let directory = tempfile::tempdir().unwrap();
    let feeds = advisories(directory.path());
    let registry = Registry::start(directory.path());
    let [both, east_only] = ["both", "east"].map(|seed| {
        let image = small_image("amd64", seed);
        registry.push(&layout_of(&directory.path().join(seed), &image), &format!("library/small:{seed}"));
        image.manifest_digest.to_string()
    });
    let server = ServerCertificate::make(directory.path());
    // An agent looks for the server where it was.
    let (url, report) = (registry.url(), format!("127.0.0.1:{}", free_port()));
    let settings = [
        ("UPSTREAM__0__NAME", "docker.io"),
        ("UPSTREAM__0__URL", url.as_str()),
        ("ADVISORY__SOURCE", feeds.to_str().unwrap()),
        ("LISTEN__REPORT", report.as_str()),
        ("LISTEN__TLS__CERTIFICATE", server.certificate.to_str().unwrap()),
        ("LISTEN__TLS__KEY", server.key.to_str().unwrap()),
        ("CLUSTER__KUBERNETES", "off"),
    ];
    let start = || Weir::start_tls(directory.path(), &settings, &server.trust);
    let mut weir = start();
    let paged = Behaviour { minor: 25, absent: vec![WatchedKind::Rollout], ..Behaviour::default() };
    let mut east = Cluster::start(directory.path(), "east", Behaviour::default(), &weir, &server);
    let west = Cluster::start(directory.path(), "west", paged, &weir, &server);
    for cluster in [&east, &west] {
        cluster.api.put([node("worker", Some("amd64")), of("shop", "cart", &both)]);
    }
    east.api.put([of("back", "ledger", &east_only), of("shop", "web", &both)]);
    let in_east = east.until(&weir, &[("back", "ledger"), ("shop", "cart"), ("shop", "web")]);
    let in_west = west.until(&weir, &[("shop", "cart")]);
    one_report_of_both(&weir, &both, &east_only);

    // The agent dies; what happens in its cluster from now on nobody tells.
    east.agent.kill();
    east.api.delete(&of("shop", "cart", &both).key());
    east.api.put([of("back", "new", &both)]);
    // Then the server dies, with something on its way to it, and more happens where the agent lives.
    west.api.put([of("shop", "last", &both)]);
    weir.daemon.kill();
    west.api.put([of("shop", "later", &both)]);
    drop(weir);
    let weir = start();
    assert_eq!(weir.items("resources?cluster=east"), in_east, "from the first answer on");
    let later = west.until(&weir, &[("shop", "cart"), ("shop", "last"), ("shop", "later")]);
    assert_eq!(later[0], in_west[0]);
    assert_eq!(weir.items("images").len(), 2);
    let series = |cluster: &str| format!("weir_running_images{{cluster=\"{cluster}\",scan_status=\"complete\"}}");
    weir.until("clusters", 30, |items| (items.len() == 2 && status(items, "west")["status"] == "live").then_some(()));
    assert_eq!((weir.metric(&series("east")), weir.metric(&series("west"))), (Some(2.0), Some(1.0)));
    let valid = weir.metric("weir_tls_certificate_not_after_timestamp_seconds").unwrap();
    assert!(valid > SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64(), "{valid}");

    // Its cluster grows stale when the rule says so, and keeps what it had.
    let ago = weir.until("clusters", 150, |items| {
        let (east, west) = (status(items, "east"), status(items, "west"));
        assert_eq!((&west["status"], &east["pods"], &east["nodes"]), (&json!("live"), &json!(3), &json!(1)));
        let (age, is_stale) = (east["age_seconds"].as_i64().unwrap(), east["status"] == "stale");
        assert!(!is_stale || age >= STALE_AFTER, "{east}");
        is_stale.then_some(age)
    });
    assert!(ago <= STALE_AFTER + 5, "stale only {ago} s after the last word");
    assert_eq!(weir.items("resources?cluster=east"), in_east);

    // The agent comes back, and with it everything that happened meanwhile.
    east.restart_agent();
    let again = east.until(&weir, &[("back", "ledger"), ("back", "new"), ("shop", "web")]);
    assert_eq!((&again[0], &again[2]), (&in_east[0], &in_east[2]));
    weir.until("clusters", 30, |items| (status(items, "east")["status"] == "live").then_some(()));
    assert_eq!(west.pods(&weir).len(), 3);
    let affected = weir.items(&format!("images/{both}/resources?cluster=east"));
    let running: Vec<_> = affected.iter().map(|item| (item["name"].as_str().unwrap(), &item["running"])).collect();
    assert_eq!(running, [("new", &json!(true)), ("cart", &json!(false)), ("web", &json!(true))]);
    for mut cluster in [east, west] {
        cluster.agent.terminate();
        assert!(cluster.agent.wait(Duration::from_secs(10)).success(), "{}", cluster.agent.log());
    }
}

/// One report, narrowed by cluster and by namespace.
fn one_report_of_both(weir: &Weir, both: &str, east_only: &str) {
    let clusters = weir.items("clusters");
    assert_eq!(names(&clusters), set(["east", "west"]));
    for cluster in &clusters {
        assert_eq!((&cluster["source"], &cluster["status"]), (&json!("agent"), &json!("live")), "{cluster}");
        assert_eq!(cluster["agent_version"], env!("CARGO_PKG_VERSION"));
    }
    assert_eq!(status(&clusters, "west")["kubernetes_version"], "v1.25.2-test");
    for (query, count) in [
        ("resources", 4),
        ("resources?namespace=shop", 3),
        ("resources?cluster=east&namespace=shop", 2),
        ("resources?cluster=west&namespace=back", 0),
        ("images?cluster=east", 2),
        ("images?cluster=west", 1),
        ("images?namespace=back", 1),
    ] {
        assert_eq!(weir.items(query).len(), count, "{query}");
    }
    let images = weir.items("images?image_status=running");
    let clusters_of = |digest: &str| &images.iter().find(|image| image["digest"] == digest).unwrap()["clusters"];
    assert_eq!((clusters_of(both), clusters_of(east_only)), (&json!(["east", "west"]), &json!(["east"])));
    assert_eq!(weir.items(&format!("images/{both}/resources")).len(), 3);
}

#[test]
fn settings_that_cannot_work_end_the_command() {
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "weir_a_b").unwrap();
    let token = token.to_str().unwrap();
    let nowhere = "/nowhere";
    for (arguments, word) in [
        (["--report", "http://10.0.0.1", "--token-file", token, "--kubernetes", nowhere], "in the clear"),
        (["--report", "https://weir.example", "--token-file", nowhere, "--kubernetes", nowhere], "--token-file"),
        (["--report", "https://weir.example", "--token-file", token, "--kubernetes", nowhere], "--kubernetes"),
        (["--report", "https://weir.example", "--token-file", token, "--ca", nowhere], "--ca"),
    ] {
        let output = Weir::command(&[]).args(["agent", "--cluster", "east"]).args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(word), "{word}: {said}");
    }
}
