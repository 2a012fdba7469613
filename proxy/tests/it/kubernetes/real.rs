//! The same watch against a real `kube-apiserver` over a real `etcd`, where `KUBEBUILDER_ASSETS` names a directory with both.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use hyper::Request;
use kube::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use weir_config::Kubernetes;
use weir_proxy::workload::client::connect;
use weir_storage::index::{ClusterObject, ContainerRecord, ContainerState, WatchedKind};

use super::View;
use super::watching::{Watching, brisk};
use crate::api_server::kubeconfig;
use crate::support::eventually;

const ADMINISTRATOR: &str = "token-of-the-administrator";
const WEIR: &str = "token-of-weir";

/// Objects whose kinds a bare API server has.
const KINDS: [WatchedKind; 8] = [
    WatchedKind::Pod,
    WatchedKind::Node,
    WatchedKind::ReplicaSet,
    WatchedKind::Deployment,
    WatchedKind::StatefulSet,
    WatchedKind::DaemonSet,
    WatchedKind::Job,
    WatchedKind::CronJob,
];

struct Cluster {
    assets: PathBuf,
    directory: TempDir,
    etcd_port: u16,
    port: u16,
    _etcd: Child,
    server: Child,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn spawn(program: &Path, arguments: &[String]) -> Child {
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

impl Cluster {
    async fn start(assets: PathBuf) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let key = rcgen::KeyPair::generate().unwrap();
        std::fs::write(at("sa.key"), key.serialize_pem()).unwrap();
        std::fs::write(at("sa.pub"), key.public_key_pem()).unwrap();
        let tokens = format!(
            "{ADMINISTRATOR},administrator,1,\"system:masters\"\n{WEIR},system:serviceaccount:weir:weir,2,\"system:authenticated\"\n"
        );
        std::fs::write(at("tokens.csv"), tokens).unwrap();
        let (etcd_port, peer_port, port) = (free_port(), free_port(), free_port());
        let (client, peer) = (format!("http://127.0.0.1:{etcd_port}"), format!("http://127.0.0.1:{peer_port}"));
        let etcd = spawn(
            &assets.join("etcd"),
            &[
                format!("--data-dir={}", at("etcd").display()),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=default={peer}"),
                "--unsafe-no-fsync".to_owned(),
            ],
        );
        let server = api_server(&assets, directory.path(), etcd_port, port);
        let cluster = Self { assets, directory, etcd_port, port, _etcd: etcd, server };
        cluster.ready().await;
        cluster
    }

    fn kubeconfig(&self, token: &str) -> String {
        let text = kubeconfig(&format!("https://127.0.0.1:{}", self.port), token);
        let mut document: Value = serde_json::from_str(&text).unwrap();
        // The server makes its certificate itself.
        document["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = json!(true);
        document.to_string()
    }

    async fn administrator(&self) -> Client {
        let path = self.directory.path().join("kubeconfig");
        std::fs::write(&path, self.kubeconfig(ADMINISTRATOR)).unwrap();
        connect(&Kubernetes::Kubeconfig(path)).await.unwrap().unwrap()
    }

    async fn ready(&self) {
        let client = self.administrator().await;
        eventually("the API server is ready", || async {
            client.request_text(Request::get("/readyz").body(Vec::new()).unwrap()).await.ok()
        })
        .await;
    }

    /// Ends the API server and starts it anew over the same store.
    async fn restart(&mut self) {
        self.server.kill().await.unwrap();
        self.server = api_server(&self.assets, self.directory.path(), self.etcd_port, self.port);
        self.ready().await;
    }
}

fn api_server(assets: &Path, directory: &Path, etcd_port: u16, port: u16) -> Child {
    let at = |name: &str| directory.join(name).display().to_string();
    spawn(
        &assets.join("kube-apiserver"),
        &[
            format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            format!("--cert-dir={}", at("certificates")),
            "--authorization-mode=RBAC".to_owned(),
            format!("--token-auth-file={}", at("tokens.csv")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", at("sa.pub")),
            format!("--service-account-signing-key-file={}", at("sa.key")),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            "--disable-admission-plugins=ServiceAccount".to_owned(),
        ],
    )
}

async fn send(client: &Client, method: &str, path: &str, content_type: &str, body: &Value) {
    let request = Request::builder().method(method).uri(path).header("content-type", content_type);
    let request = request.body(body.to_string().into_bytes()).unwrap();
    client.request::<Value>(request).await.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
}

async fn post(client: &Client, path: &str, body: &Value) {
    send(client, "POST", path, "application/json", body).await;
}

/// Where the objects of a kind are, in the test's namespace.
fn collection(kind: WatchedKind) -> String {
    match kind {
        WatchedKind::Node => "/api/v1/nodes".to_owned(),
        WatchedKind::Pod => "/api/v1/namespaces/shop/pods".to_owned(),
        kind => {
            let plural = format!("{}s", kind.name().to_lowercase());
            format!("/apis/{}/v1/namespaces/shop/{plural}", kind.group())
        }
    }
}

/// The least that the API takes of a kind.
fn object(kind: WatchedKind, name: &str) -> Value {
    let pod = json!({"containers": [{"name": "app", "image": "nginx:1.27"}], "restartPolicy": "Always"});
    let template = json!({"metadata": {"labels": {"app": name}}, "spec": pod});
    let mut once = template.clone();
    once["spec"]["restartPolicy"] = json!("Never");
    let selector = json!({"matchLabels": {"app": name}});
    let spec = match kind {
        WatchedKind::Pod => pod,
        WatchedKind::Node => json!({}),
        WatchedKind::Job => json!({"template": once}),
        WatchedKind::CronJob => json!({"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": once}}}),
        WatchedKind::StatefulSet => json!({"serviceName": name, "selector": selector, "template": template}),
        _ => json!({"selector": selector, "template": template}),
    };
    json!({"apiVersion": crate::api_server::api_version(kind), "kind": kind.name(), "metadata": {"name": name, "labels": {"app": name}},
        "spec": spec})
}

fn app_of(view: &View, name: &str) -> Option<ContainerRecord> {
    view.objects.values().find_map(|object| match object {
        ClusterObject::Pod(pod) if pod.name == name => pod.containers.first().cloned(),
        _ => None,
    })
}

fn names(view: &View, kind: WatchedKind) -> Vec<&str> {
    view.objects.keys().filter(|key| key.kind == kind).map(|key| key.name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_api_server_is_watched() {
    let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS") else {
        eprintln!("skipped: KUBEBUILDER_ASSETS does not name a directory with kube-apiserver and etcd");
        return;
    };
    let mut cluster = Cluster::start(assets.into()).await;
    let client = cluster.administrator().await;
    for namespace in ["shop", "weir"] {
        post(&client, "/api/v1/namespaces", &json!({"metadata": {"name": namespace}})).await;
    }
    let rights: Vec<Value> = serde_saphyr::from_multiple(crate::api_server::MANIFEST).unwrap();
    for document in rights {
        let path = match document["kind"].as_str().unwrap() {
            "ServiceAccount" => "/api/v1/namespaces/weir/serviceaccounts",
            "ClusterRole" => "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            _ => "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        };
        post(&client, path, &document).await;
    }
    for kind in KINDS {
        post(&client, &collection(kind), &object(kind, "first")).await;
    }
    let watching = Watching::start(&cluster.kubeconfig(WEIR), brisk()).await;
    let all_have = |view: &View, expected: &[&str]| KINDS.iter().all(|kind| names(view, *kind) == expected);
    watching.until("what is there is listed", |view| all_have(view, &["first"])).await;
    watching
        .until("the cluster has no rollouts", |view| {
            view.unavailable.iter().any(|(kind, _)| *kind == WatchedKind::Rollout)
        })
        .await;

    for kind in KINDS {
        post(&client, &collection(kind), &object(kind, "second")).await;
    }
    watching.until("what comes is seen", |view| all_have(view, &["first", "second"])).await;
    let told = json!({"status": {"phase": "Running", "containerStatuses": [{"name": "app", "image": "nginx:1.27", "ready": true,
        "restartCount": 0, "imageID": "docker.io/library/nginx@sha256:aa", "state": {"running": {"startedAt": "2026-03-01T10:00:00Z"}}}]}});
    let status = format!("{}/first/status", collection(WatchedKind::Pod));
    send(&client, "PATCH", &status, "application/merge-patch+json", &told).await;
    watching
        .until("what changes is seen", |view| {
            app_of(view, "first").is_some_and(|app| {
                app.state == ContainerState::Running
                    && app.image_id.as_deref() == Some("docker.io/library/nginx@sha256:aa")
            })
        })
        .await;
    for kind in KINDS {
        let path = format!("{}/second?gracePeriodSeconds=0&propagationPolicy=Background", collection(kind));
        send(&client, "DELETE", &path, "application/json", &json!({})).await;
    }
    watching.until("what goes is seen", |view| all_have(view, &["first"])).await;

    cluster.restart().await;
    let client = cluster.administrator().await;
    for kind in KINDS {
        post(&client, &collection(kind), &object(kind, "third")).await;
    }
    watching.until("the watch goes on after a restart", |view| all_have(view, &["first", "third"])).await;
    watching.stop().await;
}
