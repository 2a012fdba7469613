//! The list of nodes keeps the rules of every list.

use serde_json::{Value, json};

use super::{bad, good, tell, token};
use crate::support::{get, get_with};
use crate::workloads::{World, names, node};

/// Five nodes of the cluster `prod`, of which two tell.
async fn world() -> World {
    let world = World::new(&[]).await;
    world.put(["worker-1", "worker-2", "worker-10"].map(|name| node(name, Some("amd64"))));
    let token = token(&world.weir, "agent", Some("prod")).await;
    for (node, body) in [("worker-1", good()), ("worker-10", bad())] {
        assert_eq!(tell(&world.weir, &token, "prod", node, &body).await.status, 204);
    }
    let are_told = |items: &[Value]| items.iter().filter(|item| item["check"] != Value::Null).count() == 2;
    world.until("nodes", |items| items.len() == 5 && are_told(items)).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_narrow_and_pages_hold_every_node_once() {
    let world = world().await;
    for (query, expected) in [
        ("", vec!["amd", "arm", "worker-1", "worker-10", "worker-2"]),
        ("cluster=prod&q=WORKER", vec!["worker-1", "worker-10", "worker-2"]),
        ("q=er-1", vec!["worker-1", "worker-10"]),
        ("cluster=other", vec![]),
        ("cluster=other&cluster=prod&q=a", vec!["amd", "arm"]),
        ("state=through_weir", vec!["worker-1"]),
        ("state=bypasses&state=through_weir", vec!["worker-1", "worker-10"]),
        ("state=unknown&q=worker", vec!["worker-2"]),
    ] {
        let got = get(world.weir.report, &format!("/api/v1/nodes?{query}")).await.json();
        assert_eq!(
            (names(got["items"].as_array().unwrap()), &got["total"]),
            (expected.clone(), &json!(expected.len())),
            "{query}"
        );
    }
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(world.weir.report, &format!("/api/v1/nodes?limit=2{cursor}")).await.json();
        assert_eq!(page["total"], 5);
        found.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        assert_eq!(found.len() % 2, 0);
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, world.items("nodes").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_parameter_or_no_value_is_refused() {
    let world = world().await;
    for (query, says) in [
        ("colour=red", "unknown parameter"),
        ("state=fine", "through_weir, bypasses, unknown"),
        ("limit=0", "from 1 to 1000"),
        ("cursor=x", "not a cursor"),
        ("q=a&q=b", "q: given 2 times"),
        ("format=xml", "json or csv"),
        ("namespace=shop", "unknown parameter"),
    ] {
        let got = get(world.weir.report, &format!("/api/v1/nodes?{query}")).await;
        let detail = got.json()["detail"].as_str().unwrap().to_owned();
        assert!(got.status == 400 && detail.contains(says), "{query}: {} {detail}", got.status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_comes_as_csv_and_is_not_sent_twice() {
    let world = world().await;
    let got = get(world.weir.report, "/api/v1/nodes?format=csv&q=worker-1").await;
    let text = String::from_utf8(got.body).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "cluster,name,platform,pods,state,reason,last_pull.at,last_pull.reference,last_pull.image,check.at,check.old,\
         check.runtime,check.version,check.config_path,check.through_weir,check.findings"
    );
    assert!(
        lines[1].starts_with("prod,worker-1,linux/amd64,0,through_weir,") && lines[2].starts_with("prod,worker-10,"),
        "{text}"
    );
    assert_eq!(lines.len(), 3);
    let first = get(world.weir.report, "/api/v1/nodes").await;
    let tag = first.header("etag").unwrap();
    let again = get_with(world.weir.report, "/api/v1/nodes", &[("If-None-Match", tag)]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
}
