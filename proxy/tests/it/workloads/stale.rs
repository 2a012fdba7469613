//! A cluster that is not heard of any more keeps what it had, however long and across restarts, and says so.

use serde_json::{Value, json};
use weir_storage::index::WatchedKind;

use super::{Images, World, names, owned_by, owner, pod, running, runs};
use crate::api_server::Act;

/// A deployment with two pods and a bare pod, all of one image.
async fn world(images: &Images) -> World {
    let world = World::new(&[&images.held("team/app", "1")]).await;
    let id = format!("docker.io/team/app@{}", images.amd.index_digest);
    let web = |name: &str| {
        let mut one = pod(name, "amd", vec![runs("app", "team/app:1", &id)]);
        one.owner = Some(owned_by("apps", "ReplicaSet", "web-1"));
        weir_storage::index::ClusterObject::Pod(one)
    };
    world.put([
        owner(WatchedKind::Deployment, "web", None),
        owner(WatchedKind::ReplicaSet, "web-1", Some(owned_by("apps", "Deployment", "web"))),
        web("web-1-a"),
        web("web-1-b"),
        running("bare", "amd", "team/app:1", &id),
    ]);
    world.until("resources", is_whole).await;
    world
}

fn is_whole(items: &[Value]) -> bool {
    items.len() == 2 && items[1]["pods"] == 2 && items.iter().all(|item| item["findings"]["high"] == 2)
}

fn fall_silent(world: &World) {
    world.server.on_request(|_, _| Act::Refuse(503, "ServiceUnavailable"));
    world.server.restart();
}

/// Waits until every kind is heard of again: a watch that goes on where it was says so by its next bookmark.
async fn until_live(world: &World) -> Value {
    world
        .until("clusters", |items| {
            world.server.bookmark();
            items.iter().any(|item| item["status"] == "live" && item["problems"] == json!([]))
        })
        .await[0]
        .clone()
}

async fn until_status(world: &World, status: &str) -> Value {
    world.until("clusters", |items| items.iter().any(|item| item["status"] == status)).await[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_does_not_answer_is_stale_and_keeps_everything() {
    let images = Images::new("a");
    let world = world(&images).await;
    let before = world.items("resources").await;
    let synced = until_status(&world, "live").await["synced_at"].clone();
    fall_silent(&world);
    world.until("clusters", |items| items[0]["problems"].as_array().unwrap().len() >= 8).await;
    assert_eq!(until_status(&world, "live").await["synced_at"], synced, "not yet: this may pass");
    world.weir.clock.advance(91);
    let cluster = until_status(&world, "stale").await;
    assert_eq!((&cluster["synced_at"], &cluster["age_seconds"], &cluster["pods"]), (&synced, &json!(91), &json!(3)));
    assert_eq!(world.items("resources").await, before);
    // However long it takes.
    world.weir.clock.advance(365 * 86_400);
    world.until_made().await;
    assert_eq!(world.items("resources").await, before);
    assert_eq!(world.items("images?image_status=running").await.len(), 1);
    let line = r#"weir_agent_last_sync_timestamp_seconds{cluster="prod"}"#;
    world.until_metric(line, weir_proxy::clock::seconds(synced.as_str().unwrap()).unwrap() as f64).await;

    world.server.on_request(|_, _| Act::Serve);
    assert_eq!(until_live(&world).await["age_seconds"], 0);
    assert_eq!(world.items("resources").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_heard_outlives_a_restart_while_the_cluster_is_silent() {
    let images = Images::new("a");
    let world = world(&images).await;
    let before = world.items("resources").await;
    let affected = format!("images/{}/resources", images.amd.manifest_digest);
    let lives =
        world.until(&affected, |items| items.len() == 2 && items.iter().all(|item| item["running"] == true)).await;
    fall_silent(&world);
    let world = world.restart().await;
    assert_eq!(world.items("resources").await, before, "from the first answer on");
    assert_eq!(until_status(&world, "connecting").await["pods"], 3);
    world.until("clusters", |items| items[0]["problems"].as_array().unwrap().len() >= 8).await;
    world.weir.clock.advance(91);
    until_status(&world, "stale").await;
    assert_eq!(world.items("resources").await, before);
    assert_eq!(world.items("images?image_status=running").await.len(), 1);

    // It answers again, and has changed meanwhile.
    world.delete("bare");
    world.server.on_request(|_, _| Act::Serve);
    until_live(&world).await;
    let items = world.until("resources", |items| items.len() == 1).await;
    assert_eq!((names(&items), &items[0]["pods"]), (vec!["web"], &json!(2)));
    let again = world.until(&affected, |items| items.iter().any(|item| item["running"] == false)).await;
    assert_eq!(again.len(), 2, "no workload that never was: {again:?}");
    let first_seen = |items: &[Value]| items.iter().map(|item| item["first_seen"].clone()).collect::<Vec<_>>();
    assert_eq!(first_seen(&again), first_seen(&lives));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_restarts_of_both_sides_nothing_is_counted_twice() {
    let images = Images::new("a");
    let mut world = world(&images).await;
    let before = world.items("resources").await;
    for _ in 0..2 {
        world.server.restart();
        world = world.restart().await;
        until_status(&world, "live").await;
        assert_eq!(world.items("resources").await, before);
    }
    let affected = world.items(&format!("images/{}/resources", images.amd.manifest_digest)).await;
    assert_eq!(names(&affected), ["bare", "web"]);
    assert_eq!(world.items("images").await.len(), 1);
    world.until_metric(r#"weir_running_images{cluster="prod",scan_status="complete"}"#, 1.0).await;
    let line = r#"weir_running_findings{cluster="prod",namespace="shop",severity="high",fixable="true"}"#;
    world.until_metric(line, 4.0).await;
}
