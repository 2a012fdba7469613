//! Which nodes pull through weir and which go past it: a test API server, a registry, nodes that pull or do not, and what they tell.

mod checks;
mod list;
mod states;

use serde_json::{Value, json};
use weir_proxy::admin::local::{LocalRequest, ask};
use weir_proxy::auth::NewToken;

use crate::support::{Got, Weir, get_with, post};
use crate::workloads::World;

/// Longer than an image has to be late to have come past weir.
const HOURS: i64 = 2 * 3600;
/// For how long a check counts.
const DAY: i64 = 24 * 3600;

/// A token of a role, for a cluster or for the first it tells of.
async fn token(weir: &Weir, role: &str, cluster: Option<&str>) -> String {
    let cluster = cluster.map(str::to_owned);
    let token = NewToken { role: role.into(), name: None, cluster, lifetime_seconds: None };
    let made = ask(&weir.data(), &LocalRequest::CreateToken { token }, |_| {}).await.unwrap();
    made.as_str().unwrap().to_owned()
}

/// What a node tells that is set up to pull through weir.
fn good() -> Value {
    json!({"runtime": "containerd", "version": "1.6.20", "config_path": "/etc/containerd/certs.d", "through_weir": true,
        "findings": [{"level": "warning", "code": "old_version", "detail": "containerd 1.6 is out of support"}]})
}

/// What one tells that looks for no mirrors.
fn bad() -> Value {
    json!({"runtime": "containerd", "version": null, "config_path": null, "through_weir": false,
        "findings": [{"level": "error", "code": "config_path_missing", "detail": "no config_path in /etc/containerd/config.toml"}]})
}

/// One node tells something.
async fn tell(weir: &Weir, token: &str, cluster: &str, node: &str, body: &Value) -> Got {
    let authorization = format!("Bearer {token}");
    let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
    post(weir.report, &format!("/api/v1/agents/{cluster}/nodes/{node}"), &headers, body.to_string().as_bytes()).await
}

/// A node pulls a manifest of `team/NAME` through weir.
async fn pull_as(weir: &Weir, node: &str, name: &str) {
    let target = format!("/v2/team/{name}/manifests/1?ns=docker.io");
    assert_eq!(get_with(weir.mirror, &target, &[("X-Weir-Node", node)]).await.status, 200);
}

/// Waits until a node has a state; its item then.
async fn until_state(world: &World, node: &str, state: &str) -> Value {
    let items = world.until(&format!("nodes?q={node}"), |items| items.len() == 1 && items[0]["state"] == state).await;
    items[0].clone()
}

fn reason(item: &Value) -> &str {
    item["reason"].as_str().unwrap()
}
