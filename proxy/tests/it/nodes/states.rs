//! The states of nodes, by each of what they are told by.

use serde_json::{Value, json};

use super::{DAY, HOURS, bad, good, pull_as, reason, tell, token, until_state};
use crate::support::get;
use crate::workloads::{Images, World, node, running};

/// A cluster of the nodes `amd` and `arm`, and a registry that has `team/app` and `team/late`. Nothing runs yet.
async fn world() -> (Images, Images, World) {
    let (app, late) = (Images::new("app"), Images::new("late"));
    let world = World::new(&[&app.held("team/app", "1"), &late.held("team/late", "1")]).await;
    world.until("nodes", |items| items.len() == 2).await;
    (app, late, world)
}

/// What weir itself fetched of an image that runs, once it has it.
async fn until_read(world: &World, images: &Images) {
    let digest = images.amd.manifest_digest.to_string();
    let is_read = |item: &Value| item["digest"] == digest && item["scan_status"] == "complete";
    world.until("images", |items| items.iter().any(is_read)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_of_a_node_before_something_was_heard() {
    let (app, _, world) = world().await;
    let item = until_state(&world, "amd", "unknown").await;
    assert_eq!(reason(&item), "it never pulled through weir, and no check was told");
    assert_eq!(
        (&item["cluster"], &item["platform"], &item["pods"], &item["last_pull"], &item["check"]),
        (&json!("prod"), &json!("linux/amd64"), &json!(0), &Value::Null, &Value::Null)
    );
    // What ran before weir came says nothing.
    let id = format!("docker.io/team/app@{}", app.amd.index_digest);
    world.put([running("one", "amd", "team/app:1", &id), running("two", "amd", "team/app:1", &id)]);
    until_read(&world, &app).await;
    world.weir.clock.advance(HOURS);
    world.until_made().await;
    let item = until_state(&world, "amd", "unknown").await;
    assert_eq!(item["pods"], 2);
    world.until_metric(r#"weir_nodes{cluster="prod",state="unknown"}"#, 2.0).await;
    let cluster = &world.items("clusters").await[0];
    assert_eq!(cluster["node_states"], json!({"through_weir": 0, "bypasses": 0, "unknown": 2}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_speaks_for_a_node_and_images_that_came_past_weir_against_it() {
    let (_, late, world) = world().await;
    pull_as(&world.weir, "amd", "app").await;
    let item = until_state(&world, "amd", "through_weir").await;
    assert_eq!(reason(&item), "it pulled docker.io/team/app:1 through weir at 2026-09-21T14:13:20Z");
    assert_eq!(
        (&item["last_pull"]["at"], &item["last_pull"]["reference"]),
        (&json!("2026-09-21T14:13:20Z"), &json!("docker.io/team/app:1"))
    );

    // Two hours later an image begins to run that nobody pulled here.
    world.weir.clock.advance(HOURS);
    let id = format!("docker.io/team/late@{}", late.amd.index_digest);
    world.put(["amd", "arm"].map(|node| running(&format!("late-{node}"), node, "docker.io/team/late:1", &id)));
    until_read(&world, &late).await;
    let item = until_state(&world, "arm", "bypasses").await;
    let said = "it never pulled through weir, and docker.io/team/late:1 runs here, began to run at 2026-09-21T16:13:20Z and was not \
                pulled through weir by anyone";
    assert_eq!(reason(&item), said);
    // For one that pulled before both is said.
    let item = until_state(&world, "amd", "unknown").await;
    assert!(
        reason(&item).contains("through weir at 2026-09-21T14:13:20Z, but docker.io/team/late:1 runs here"),
        "{item}"
    );
    for (state, count) in [("through_weir", 0.0), ("bypasses", 1.0), ("unknown", 1.0)] {
        world.until_metric(&format!(r#"weir_nodes{{cluster="prod",state="{state}"}}"#), count).await;
    }

    // Once one node pulls it, that one is told from the other, which did not.
    pull_as(&world.weir, "amd", "late").await;
    assert_eq!(until_state(&world, "amd", "through_weir").await["last_pull"]["reference"], "docker.io/team/late:1");
    pull_manifest(&world, "amd", &late).await;
    world.until("nodes?q=arm", |items| reason(&items[0]).ends_with("not pulled through weir by this node")).await;
    assert_eq!(until_state(&world, "arm", "bypasses").await["last_pull"], Value::Null);
    // Somebody without a name pulls: that may have been this node.
    world.weir.clock.advance(61);
    assert_eq!(get(world.weir.mirror, "/v2/team/app/manifests/1?ns=docker.io").await.status, 200);
    until_state(&world, "arm", "unknown").await;
}

/// A node pulls the manifest of its platform, as it does after the index.
async fn pull_manifest(world: &World, node: &str, images: &Images) {
    for image in [&images.amd, &images.arm] {
        let target = format!("/v2/team/late/manifests/{}?ns=docker.io", image.manifest_digest);
        let got = crate::support::get_with(world.weir.mirror, &target, &[("X-Weir-Node", node)]).await;
        assert_eq!(got.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_speaks_for_itself_and_until_it_is_old() {
    let (_, late, world) = world().await;
    let token = token(&world.weir, "agent", Some("prod")).await;
    let told =
        async |node: &str, body: &Value| assert_eq!(tell(&world.weir, &token, "prod", node, body).await.status, 204);
    told("amd", &good()).await;
    let item = until_state(&world, "amd", "through_weir").await;
    assert_eq!(reason(&item), "its check says that it is set up to pull through weir; it pulled nothing yet");
    let mut check = good();
    check["at"] = json!("2026-09-21T14:13:20Z");
    check["old"] = json!(false);
    assert_eq!(item["check"], check);

    pull_as(&world.weir, "arm", "app").await;
    until_state(&world, "arm", "through_weir").await;
    told("arm", &bad()).await;
    let item = until_state(&world, "arm", "bypasses").await;
    assert_eq!(reason(&item), "its check found config_path_missing: no config_path in /etc/containerd/config.toml");
    let mut broken = good();
    broken["findings"][0]["level"] = json!("error");
    told("amd", &broken).await;
    until_state(&world, "amd", "bypasses").await;
    world.until_metric(r#"weir_nodes{cluster="prod",state="bypasses"}"#, 2.0).await;

    // Set up at last, images come past it all the same: containerd was not started again, say.
    told("amd", &good()).await;
    until_state(&world, "amd", "through_weir").await;
    world.weir.clock.advance(HOURS);
    let id = format!("docker.io/team/late@{}", late.amd.index_digest);
    world.put([running("late", "amd", "docker.io/team/late:1", &id)]);
    until_state(&world, "amd", "bypasses").await;
    // A day after the last word it counts for nothing.
    world.weir.clock.advance(DAY);
    let item = world.until("nodes?q=arm", |items| items[0]["check"]["old"] == true).await.remove(0);
    assert_eq!(item["state"], "through_weir", "it pulled, and what its check found is long ago");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_came_later_and_pulls_are_judged_from_there_on() {
    let (app, _, world) = world().await;
    // An image that began to run long after weir came, and before this node did.
    world.weir.clock.advance(HOURS);
    let id = format!("docker.io/team/app@{}", app.amd.index_digest);
    world.put([running("first", "amd", "docker.io/team/app:1", &id)]);
    until_read(&world, &app).await;
    until_state(&world, "amd", "bypasses").await;
    let mut fresh =
        crate::workloads::pod("fresh", "added", vec![crate::workloads::runs("app", "docker.io/team/app:1", &id)]);
    fresh.created_at = world.weir.clock.now();
    world.put([node("added", Some("amd64")), weir_storage::index::ClusterObject::Pod(fresh)]);
    let item = world.until("nodes?q=added", |items| items.len() == 1 && items[0]["pods"] == 1).await.remove(0);
    assert_eq!(
        (&item["state"], reason(&item)),
        (&json!("unknown"), "it never pulled through weir, and no check was told")
    );
}
