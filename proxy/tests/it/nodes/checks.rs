//! What nodes may tell, who may, and for how long it is kept.

use serde_json::{Value, json};
use weir_proxy::workload::wire::SnapshotPart;
use weir_storage::index::ClusterObject;

use super::{DAY, bad, good, tell, token, until_state};
use crate::support::{Got, Weir, get, post, request};
use crate::workloads::{World, names, node};

fn problem(got: &Got, status: u16, says: &str) {
    let text = String::from_utf8_lossy(&got.body).into_owned();
    assert_eq!((got.status, got.header("content-type")), (status, Some("application/problem+json")), "{text}");
    assert!(got.json()["detail"].as_str().unwrap().contains(says), "{says}: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_what_was_told() {
    let world = World::new(&[]).await;
    let token = token(&world.weir, "agent", Some("prod")).await;
    for (node, body) in [("amd", bad()), ("arm", good()), ("elsewhere", good())] {
        assert_eq!(tell(&world.weir, &token, "prod", node, &body).await.status, 204);
    }
    let before =
        world.until("nodes", |items| items.len() == 3 && items.iter().all(|item| item["check"] != Value::Null)).await;
    let world = world.restart().await;
    let after = world.until("nodes", |items| items.len() == 3).await;
    assert_eq!(after, before);
    // The cluster does not have that one, and still it told.
    assert_eq!((names(&after), &after[2]["pods"]), (vec!["amd", "arm", "elsewhere"], &Value::Null));
    // The same again is since then.
    assert_eq!(tell(&world.weir, &token, "prod", "amd", &bad()).await.status, 204);
    until_state(&world, "amd", "bypasses").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_agents_token_tells_and_only_of_its_cluster() {
    let world = World::new(&[]).await;
    let weir = &world.weir;
    let east = token(weir, "agent", Some("east")).await;
    problem(&tell(weir, &east, "prod", "amd", &good()).await, 403, "another cluster");
    problem(&tell(weir, "weir_none", "prod", "amd", &good()).await, 401, "token");
    problem(
        &post(weir.report, "/api/v1/agents/prod/nodes/amd", &[], good().to_string().as_bytes()).await,
        401,
        "token",
    );
    for role in ["viewer", "editor", "administrator"] {
        let token = token(weir, role, None).await;
        problem(&tell(weir, &token, "prod", "amd", &good()).await, 403, "role agent");
    }
    // One without a cluster belongs to the first it tells of, which may be the one that the server watches.
    let any = token(weir, "agent", None).await;
    assert_eq!(tell(weir, &any, "prod", "amd", &good()).await.status, 204);
    problem(&tell(weir, &any, "east", "amd", &good()).await, 403, "another cluster");
    assert_eq!(tell(weir, &east, "east", "amd", &bad()).await.status, 204);
    let told = |items: &[Value]| items.iter().filter(|item| item["check"] != Value::Null).count() == 2;
    let items = world.until("nodes", told).await;
    let state = |item: &Value| format!("{} {} {}", item["cluster"], item["name"], item["state"]).replace('"', "");
    assert_eq!(
        items.iter().map(state).collect::<Vec<_>>(),
        ["east amd bypasses", "prod amd through_weir", "prod arm unknown"]
    );
    world.until_metric(r#"weir_nodes{cluster="east",state="bypasses"}"#, 1.0).await;
    let got = request(weir.report, "GET", "/api/v1/agents/prod/nodes/amd", &[]).await;
    assert_eq!((got.status, got.header("allow")), (405, Some("POST")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_none_changes_nothing() {
    let world = World::new(&[]).await;
    let weir = &world.weir;
    let token = token(weir, "agent", Some("prod")).await;
    assert_eq!(tell(weir, &token, "prod", "amd", &good()).await.status, 204);
    let with = |name: &str, value: Value| {
        let mut body = good();
        body[name] = value;
        body
    };
    let finding = json!({"level": "error", "code": "a", "detail": "d"});
    for (body, says) in [
        (with("colour", json!("red")), "unknown field `colour`"),
        (with("runtime", json!("")), "runtime: 1 to 64"),
        (with("version", json!("v".repeat(65))), "version: 1 to 64"),
        (with("config_path", json!("p".repeat(1025))), "config_path: 1 to 1024"),
        (with("through_weir", json!(1)), "invalid type"),
        (with("findings", json!(vec![finding; 65])), "findings: at most 64"),
        (with("findings", json!([{"level": "error", "code": "A b", "detail": "d"}])), "findings[0].code"),
        (json!([]), "body"),
        (json!({}), "missing field"),
    ] {
        problem(&tell(weir, &token, "prod", "amd", &body).await, 400, says);
    }
    let send = async |place: &str, headers: &[(&str, &str)], body: &[u8]| {
        let authorization = format!("Bearer {token}");
        let mut all = vec![("Authorization", authorization.as_str())];
        all.extend(headers);
        post(weir.report, &format!("/api/v1/agents/{place}"), &all, body).await
    };
    let body = good().to_string();
    problem(&send("prod/nodes/amd", &[], b"\xff\x00").await, 400, "body");
    problem(&send("prod/nodes/amd", &[], &vec![b' '; 65 * 1024]).await, 413, "65536 bytes");
    problem(&send("prod/nodes/amd", &[("Content-Type", "text/plain")], body.as_bytes()).await, 415, "application/json");
    problem(&send("prod/nodes/amd", &[("Content-Encoding", "gzip")], body.as_bytes()).await, 415, "plain JSON");
    for node in ["Amd", "a%2Fb", "a_b", "-a", "%00", &"a".repeat(254)] {
        problem(&send(&format!("prod/nodes/{node}"), &[], body.as_bytes()).await, 400, "no node's name");
    }
    problem(&send("pr%20od/nodes/amd", &[], body.as_bytes()).await, 400, "no cluster's name");
    assert_eq!(until_state(&world, "amd", "through_weir").await["check"]["findings"][0]["code"], "old_version");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_told_goes_with_the_node_and_with_the_cluster() {
    let world = World::new(&[]).await;
    let weir = &world.weir;
    let (prod, east) = (token(weir, "agent", Some("prod")).await, token(weir, "agent", Some("east")).await);
    for (token, cluster, node) in [(&prod, "prod", "arm"), (&prod, "prod", "gone"), (&east, "east", "n1")] {
        assert_eq!(tell(weir, token, cluster, node, &good()).await.status, 204);
    }
    snapshot(weir, &east).await;
    world.until("nodes", |items| items.len() == 4).await;
    world.weir.clock.advance(DAY - 1);
    world.until("nodes", |items| items.len() == 4 && items[3]["check"]["old"] == false).await;
    world.weir.clock.advance(61);
    // Of a node that is there the last word stays, and counts no more.
    let items = world.until("nodes", |items| items.len() == 3).await;
    assert_eq!(names(&items), ["n1", "amd", "arm"]);
    assert_eq!((&items[2]["check"]["old"], &items[2]["state"]), (&json!(true), &json!("unknown")));
    assert!(
        super::reason(&items[2]).starts_with("its last check was told at 2026-09-21T14:13:20Z, which is too long ago")
    );
    let got = request(weir.report, "DELETE", "/api/v1/clusters/east", &[]).await;
    assert_eq!(got.status, 204, "{:?}", String::from_utf8_lossy(&got.body));
    let items = world.until("nodes", |items| items.len() == 2).await;
    assert_eq!(names(&items), ["amd", "arm"]);
    let world = world.restart().await;
    assert_eq!(world.until("nodes", |items| items.len() == 2).await[1]["check"]["at"], "2026-09-21T14:13:20Z");
    assert_eq!(get(world.weir.report, "/api/v1/nodes?cluster=east").await.json()["total"], 0);
}

/// What an agent tells of the cluster `east`, which has one node.
async fn snapshot(weir: &Weir, token: &str) {
    let objects: Vec<ClusterObject> = vec![node("n1", Some("amd64"))];
    let part = SnapshotPart {
        agent_version: "0.1.0".into(),
        kubernetes_version: None,
        session: "s".into(),
        part: 0,
        last: true,
        objects,
    };
    let authorization = format!("Bearer {token}");
    let body = serde_json::to_vec(&part).unwrap();
    let got = post(weir.report, "/api/v1/agents/east/snapshot", &[("Authorization", &authorization)], &body).await;
    assert_eq!(got.status, 200);
}
