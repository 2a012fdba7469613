//! Which workload a pod belongs to, and that it stays the same one whatever becomes of its pods.

use serde_json::{Value, json};
use weir_storage::index::{ClusterObject, OwnerReference, PodRecord, WatchedKind};

use super::{CREATED, Images, World, owned_by, owner, pod, runs};

fn controlled(name: &str, owner: Option<OwnerReference>, id: &str) -> ClusterObject {
    ClusterObject::Pod(PodRecord { owner, ..pod(name, "amd", vec![runs("app", "team/app:1", id)]) })
}

/// Group, kind, name, time of creation and pods.
fn told(item: &Value) -> String {
    let text = |key: &str| item[key].as_str().unwrap_or("none").to_owned();
    format!("{}/{} {} {} {}", text("group"), text("kind"), text("name"), text("created_at"), item["pods"])
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_that_control_are_followed_as_far_as_they_are_watched() {
    let images = Images::new("a");
    let world = World::new(&[&images.held("team/app", "1")]).await;
    let id = format!("docker.io/team/app@{}", images.amd.index_digest);
    let (apps, batch) = ("apps", "batch");
    world.put([
        owner(WatchedKind::Deployment, "web", None),
        owner(WatchedKind::ReplicaSet, "web-1", Some(owned_by(apps, "Deployment", "web"))),
        owner(WatchedKind::ReplicaSet, "web-2", Some(owned_by(apps, "Deployment", "web"))),
        owner(WatchedKind::Rollout, "canary", None),
        owner(WatchedKind::ReplicaSet, "canary-1", Some(owned_by("argoproj.io", "Rollout", "canary"))),
        owner(WatchedKind::CronJob, "nightly", None),
        owner(WatchedKind::Job, "nightly-1", Some(owned_by(batch, "CronJob", "nightly"))),
        owner(WatchedKind::Job, "once", None),
        owner(WatchedKind::StatefulSet, "db", None),
        owner(WatchedKind::DaemonSet, "agent", None),
        // A set that is controlled by what weir does not watch is that one's.
        owner(WatchedKind::ReplicaSet, "game-1", Some(owned_by("agones.dev", "Fleet", "game"))),
        controlled("web-1-a", Some(owned_by(apps, "ReplicaSet", "web-1")), &id),
        controlled("web-1-b", Some(owned_by(apps, "ReplicaSet", "web-1")), &id),
        controlled("web-2-a", Some(owned_by(apps, "ReplicaSet", "web-2")), &id),
        controlled("canary-1-a", Some(owned_by(apps, "ReplicaSet", "canary-1")), &id),
        controlled("nightly-1-a", Some(owned_by(batch, "Job", "nightly-1")), &id),
        controlled("once-a", Some(owned_by(batch, "Job", "once")), &id),
        controlled("db-0", Some(owned_by(apps, "StatefulSet", "db")), &id),
        controlled("agent-a", Some(owned_by(apps, "DaemonSet", "agent")), &id),
        controlled("game-1-a", Some(owned_by(apps, "ReplicaSet", "game-1")), &id),
        controlled("build-pod", Some(owned_by("tekton.dev", "TaskRun", "build")), &id),
        controlled("orphan-a", Some(owned_by(apps, "ReplicaSet", "orphan")), &id),
        controlled("kube-proxy-amd", Some(owned_by("", "Node", "amd")), &id),
        controlled("bare", None, &id),
    ]);
    let items = world.until("resources", |items| items.len() == 11).await;
    let told: Vec<String> = items.iter().map(told).collect();
    let expected = [
        format!("/Pod bare {CREATED} 1"),
        format!("/Pod kube-proxy-amd {CREATED} 1"),
        "agones.dev/Fleet game none 1".to_owned(),
        format!("apps/DaemonSet agent {CREATED} 1"),
        format!("apps/Deployment web {CREATED} 3"),
        "apps/ReplicaSet orphan none 1".to_owned(),
        format!("apps/StatefulSet db {CREATED} 1"),
        format!("argoproj.io/Rollout canary {CREATED} 1"),
        format!("batch/CronJob nightly {CREATED} 1"),
        format!("batch/Job once {CREATED} 1"),
        "tekton.dev/TaskRun build none 1".to_owned(),
    ];
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_has_its_own_labels_and_those_of_its_pods_but_for_the_controllers_marks() {
    let images = Images::new("a");
    let world = World::new(&[&images.held("team/app", "1")]).await;
    let id = format!("docker.io/team/app@{}", images.amd.index_digest);
    let ClusterObject::Pod(mut marked) = controlled("web-1-a", Some(owned_by("apps", "ReplicaSet", "web-1")), &id)
    else {
        unreachable!()
    };
    marked.labels.insert("pod-template-hash".to_owned(), "7c9".to_owned());
    marked.labels.insert("team".to_owned(), "of-the-pod".to_owned());
    world.put([
        owner(WatchedKind::Deployment, "web", None),
        owner(WatchedKind::ReplicaSet, "web-1", Some(owned_by("apps", "Deployment", "web"))),
        ClusterObject::Pod(marked),
    ]);
    let items = world.until("resources", |items| items.len() == 1).await;
    assert_eq!(items[0]["labels"], json!({"app": "web-1-a", "team": "of-web"}), "the workload's own word comes first");
    for (query, count) in [
        ("label=team=of-web", 1),
        ("label=app=web-1-a&label=team", 1),
        ("label=team=of-the-pod", 0),
        ("label=pod-template-hash", 0),
        ("namespace=shop&cluster=prod", 1),
        ("namespace=other", 0),
    ] {
        assert_eq!(world.items(&format!("resources?{query}")).await.len(), count, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_replaced_under_its_workload_resets_nothing() {
    let images = Images::new("a");
    let world = World::new(&[&images.held("team/app", "1")]).await;
    world.pull("team/app", "1", &images.amd).await;
    let id = format!("docker.io/team/app@{}", images.amd.index_digest);
    let set = || Some(owned_by("apps", "ReplicaSet", "web-1"));
    world.put([
        owner(WatchedKind::Deployment, "web", None),
        owner(WatchedKind::ReplicaSet, "web-1", Some(owned_by("apps", "Deployment", "web"))),
        controlled("web-1-a", set(), &id),
    ]);
    let affected = format!("images/{}/resources", images.amd.manifest_digest);
    let first = world.until(&affected, |items| items.len() == 1 && items[0]["running"] == true).await;
    let first_seen = first[0]["first_seen"].clone();
    world.weir.clock.advance(86_400);
    // First the new one, then not even that: for a while nothing of the workload runs.
    world.put([controlled("web-1-b", set(), &id)]);
    world.delete("web-1-a");
    world.until("resources", |items| items[0]["pods"] == 1).await;
    world.delete("web-1-b");
    world.until(&affected, |items| items[0]["running"] == false).await;
    world.weir.clock.advance(86_400);
    world.put([controlled("web-1-c", set(), &id)]);
    let again = world.until(&affected, |items| items[0]["running"] == true).await;
    assert_eq!((again.len(), &again[0]["first_seen"], &again[0]["created_at"]), (1, &first_seen, &json!(CREATED)));
    let items = world.items("resources").await;
    assert_eq!(items[0]["first_seen"], first_seen);
    assert_eq!(world.items("images").await[0]["running_resources"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_heard_of_before_its_owners_leaves_nothing_under_their_names() {
    let images = Images::new("a");
    let world = World::new(&[&images.held("team/app", "1")]).await;
    world.pull("team/app", "1", &images.amd).await;
    let id = format!("docker.io/team/app@{}", images.amd.index_digest);
    let affected = format!("images/{}/resources", images.amd.manifest_digest);
    world.put([controlled("web-1-a", Some(owned_by("apps", "ReplicaSet", "web-1")), &id)]);
    let early = world.until(&affected, |items| items.len() == 1).await;
    assert_eq!(told(&early[0]), "apps/ReplicaSet web-1 none 1", "the pod says no more");
    world.weir.clock.advance(60);
    world.put([
        owner(WatchedKind::Deployment, "web", None),
        owner(WatchedKind::ReplicaSet, "web-1", Some(owned_by("apps", "Deployment", "web"))),
    ]);
    let items = world
        .until(&affected, |items| items.iter().any(|item| item["kind"] == "Deployment" && item["pods"] == 1))
        .await;
    assert_eq!(items.iter().map(told).collect::<Vec<_>>(), [format!("apps/Deployment web {CREATED} 1")]);
}
