//! Which image a container really runs, by everything a runtime may call it.

use serde_json::{Value, json};
use weir_storage::index::{ClusterObject, ContainerKind, ContainerRecord, ContainerState};

use super::{Images, World, all, names, node, pod, running, runs};

/// A world with one tag for two platforms, both pulled.
async fn world() -> (Images, World) {
    let images = Images::new("a");
    let world = World::new(&[&images.held("team/app", "1")]).await;
    world.pull("team/app", "1", &images.amd).await;
    world.pull("team/app", "1", &images.arm).await;
    (images, world)
}

/// Name, digest, reason and `served_as` of the one image of each resource.
fn uses(items: &[Value]) -> Vec<(&str, &Value, &Value, &Value)> {
    let used = |item: &'_ Value| -> usize { item["images"].as_array().unwrap().len() };
    assert!(items.iter().all(|item| used(item) == 1), "{items:?}");
    let one = |item| -> (&str, &Value, &Value, &Value) {
        let item: &Value = item;
        let used = &item["images"][0];
        (item["name"].as_str().unwrap(), &used["digest"], &used["reason"], &used["served_as"])
    };
    items.iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_name_an_image_goes_by_leads_to_the_manifest_of_the_node_s_platform() {
    let (images, world) = world().await;
    let (amd, arm) = (json!(images.amd.manifest_digest), json!(images.arm.manifest_digest));
    let index = images.amd.index_digest;
    let tag = "team/app:1";
    let by_index = format!("docker.io/team/app@{index}");
    let platform = |image: &weir_scanner::fixture::BuiltImage| format!("docker.io/team/app@{}", image.manifest_digest);
    world.put([
        node("mute", None),
        running("config", "amd", tag, &images.amd.config_digest.to_string()),
        running("config-bare", "arm", tag, &images.arm.config_digest.hex()),
        running("docker", "arm", tag, &format!("docker-pullable://team/app@{}", images.arm.manifest_digest)),
        running("index", "amd", &by_index, &by_index),
        running("other-name", "arm", tag, &format!("quay.io/other/copy@{index}")),
        running("pinned", "amd", &platform(&images.amd), &by_index),
        running("pinned-mute", "mute", &platform(&images.arm), &by_index),
        running("platform", "arm", tag, &platform(&images.arm)),
        running("tag", "amd", tag, &by_index),
        running("tag-arm", "arm", tag, &by_index),
        running("tag-mute", "mute", tag, &by_index),
        running("tag-nowhere", "gone", tag, &by_index),
    ]);
    let items = world.until("resources", |items| items.len() == 12).await;
    let none = &Value::Null;
    let expected = [
        ("config", &amd, none, none),
        ("config-bare", &arm, none, none),
        ("docker", &arm, none, none),
        ("index", &amd, none, none),
        ("other-name", &arm, none, &json!("quay.io/other/copy")),
        ("pinned", &amd, none, none),
        ("pinned-mute", &arm, none, none),
        ("platform", &arm, none, none),
        ("tag", &amd, none, none),
        ("tag-arm", &arm, none, none),
        ("tag-mute", none, &json!("platform_unknown"), none),
        ("tag-nowhere", none, &json!("platform_unknown"), none),
    ];
    assert_eq!(uses(&items), expected);

    // The same from the image's side, by each of its digests.
    let world = &world;
    let affected =
        |digest: String| async move { names(&world.items(&format!("images/{digest}/resources")).await).join(" ") };
    let (on_amd, on_arm) = ("config index pinned tag", "config-bare docker other-name pinned-mute platform tag-arm");
    assert_eq!(affected(images.amd.manifest_digest.to_string()).await, on_amd);
    assert_eq!(affected(images.amd.config_digest.to_string()).await, on_amd);
    assert_eq!(affected(images.arm.manifest_digest.to_string()).await, on_arm);
    assert_eq!(world.items(&format!("images/{index}/resources")).await.len(), 10);
    let of_arm = world.items(&format!("images/{index}/resources?platform=linux/arm64")).await;
    assert_eq!(names(&of_arm).join(" "), on_arm);
    let other = of_arm.iter().find(|item| item["name"] == "other-name").unwrap();
    assert_eq!(other["containers"][0]["served_as"], "quay.io/other/copy");

    // What cannot be told is listed and counted, and is told as soon as the node's platform is.
    let unresolved = world.items("unresolved").await;
    assert_eq!(names(&unresolved), ["tag-mute", "tag-nowhere"]);
    assert_eq!(
        (&unresolved[0]["reason"], &unresolved[0]["form"], &unresolved[0]["image_id"]),
        (&json!("platform_unknown"), &json!("repository_digest"), &json!(by_index))
    );
    let metric = r#"weir_unresolved_image_ids{cluster="prod",form="repository_digest"}"#;
    assert_eq!(world.weir.metric(metric).await, 1.0, "one id in two pods");
    world.put([node("mute", Some("arm64")), node("gone", Some("amd64"))]);
    assert_eq!(world.until("unresolved", <[Value]>::is_empty).await, [] as [Value; 0]);
    world.until_metric(metric, 0.0).await;
    let items = world.items("resources?label=app=tag-mute&label=app").await;
    assert_eq!(uses(&items), [("tag-mute", &arm, none, none)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_in_a_pod_that_holds_an_image_is_told_with_its_state() {
    let (images, world) = world().await;
    let id = format!("docker.io/team/app@{}", images.amd.index_digest);
    let part = |name: &str, kind, state, id: Option<&str>| ContainerRecord {
        name: name.to_owned(),
        kind,
        image: "team/app:1".to_owned(),
        image_id: id.map(str::to_owned),
        state,
    };
    let containers = vec![
        runs("app", "team/app:1", &id),
        part("setup", ContainerKind::Init, ContainerState::Completed, Some(&id)),
        part("mesh", ContainerKind::Sidecar, ContainerState::Running, Some(&id)),
        part("debug", ContainerKind::Ephemeral, ContainerState::Running, Some(&id)),
        part("late", ContainerKind::Ephemeral, ContainerState::Waiting, None),
        part("model", ContainerKind::Volume, ContainerState::Mounted, Some(&id)),
    ];
    let named = |uid: &str, name: &str| {
        let mut one = pod(name, "amd", containers.clone());
        one.uid = uid.to_owned();
        one.owner = Some(super::owned_by("apps", "StatefulSet", "db"));
        ClusterObject::Pod(one)
    };
    world.put([named("1", "db-0"), named("2", "db-1")]);
    let items = world.until("resources", |items| items.len() == 1 && items[0]["pods"] == 2).await;
    let told = |used: &Value| -> String {
        let counts = ["running", "waiting", "completed", "mounted"].map(|state| used["states"][state].to_string());
        let scan = used["scan_status"].as_str().unwrap_or("none");
        format!("{} {} {} {scan}", used["container"].as_str().unwrap(), used["kind"].as_str().unwrap(), counts.join(""))
    };
    let told: Vec<String> = items[0]["images"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(
        told,
        [
            "app container 2000 complete",
            "setup init 0020 complete",
            "mesh sidecar 2000 complete",
            "debug ephemeral 2000 complete",
            "late ephemeral 0200 none",
            "model volume 0002 complete",
        ]
    );
    // One image, once, however many of its containers run it.
    assert_eq!((&items[0]["findings"]["high"], &items[0]["fixable"]), (&json!(2), &json!(2)), "{items:?}");
    let image = &world.items("images?image_status=running").await[0];
    assert_eq!((&image["running_resources"], &image["clusters"]), (&json!(1), &json!(["prod"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_has_ended_runs_nothing() {
    let (images, world) = world().await;
    let id = format!("docker.io/team/app@{}", images.amd.index_digest);
    let mut done = runs("app", "team/app:1", &id);
    done.state = ContainerState::Completed;
    let mut sidecar = runs("mesh", "team/app:1", &id);
    sidecar.kind = ContainerKind::Sidecar;
    world.put([ClusterObject::Pod(pod("done", "amd", vec![done.clone(), sidecar]))]);
    let items = world.until("resources", |items| items.len() == 1).await;
    assert_eq!(all(&items, "findings"), [&Value::Null]);
    assert_eq!(world.items("images?image_status=running").await, [] as [Value; 0]);
    // While another of its containers has not, the pod runs what it holds.
    world.put([ClusterObject::Pod(pod("done", "amd", vec![done, runs("other", "team/app:1", &id)]))]);
    world.until("images?image_status=running", |items| items.len() == 1).await;
}
