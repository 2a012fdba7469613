//! How long an image counts as in use: running, idle, retired.

use serde_json::{Value, json};

use super::{Images, World, running};
use crate::support::get;

const DAY: i64 = 86_400;

/// Status, last run and last pull of the one image there is.
async fn image(world: &World) -> (String, Value, Value) {
    let items = world.items("images").await;
    assert_eq!(items.len(), 1, "{items:?}");
    let text = items[0]["image_status"].as_str().unwrap().to_owned();
    (text, items[0]["last_run"].clone(), items[0]["last_pulled"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_ran_is_idle_for_a_while_and_then_retired() {
    let images = Images::new("a");
    let world = World::with(&[&images.held("team/app", "1")], &[("REPORT__IDLE_AFTER", "7d")], |_| None).await;
    let id = format!("docker.io/team/app@{}", images.amd.index_digest);
    world.put([running("one", "amd", "team/app:1", &id)]);
    world.until("images?scan_status=complete&image_status=running", |items| items.len() == 1).await;
    world.weir.clock.advance(30 * DAY);
    world.until_made().await;
    assert_eq!(image(&world).await.0, "running", "however long it has run");
    let stopped_at = json!(weir_proxy::clock::rfc3339(world.weir.clock.now()));
    world.delete("one");
    world.until("images?image_status=idle", |items| items.len() == 1).await;
    let affected = format!("images/{}/resources", images.amd.manifest_digest);
    let items = world.until(&affected, |items| items.len() == 1 && items[0]["running"] == false).await;
    assert_eq!((&items[0]["first_seen"], &items[0]["last_seen"]), (&json!("2026-09-21T14:13:20Z"), &stopped_at));
    assert_eq!((&items[0]["pods"], &items[0]["containers"]), (&Value::Null, &json!([])));
    assert_eq!(world.items(&format!("{affected}?label=app")).await, [] as [Value; 0], "what is gone has no labels");
    assert_eq!(world.items(&format!("{affected}?namespace=shop")).await.len(), 1);
    assert_eq!(world.items(&format!("{affected}?namespace=other")).await.len(), 0);

    world.weir.clock.advance(7 * DAY);
    assert_eq!(image(&world).await, ("idle".to_owned(), stopped_at.clone(), Value::Null));
    world.weir.clock.advance(1);
    assert_eq!(image(&world).await, ("retired".to_owned(), stopped_at.clone(), Value::Null));
    assert_eq!(world.items("images?image_status=retired&ran=true&pulled=false").await.len(), 1);

    // A pull makes it idle again, and a pod makes it run; neither is a new image.
    let target = format!("/v2/team/app/manifests/{}?ns=docker.io", images.amd.manifest_digest);
    assert_eq!(get(world.weir.mirror, &target).await.status, 200);
    world.until("images?image_status=idle&pulled=true", |items| items.len() == 1).await;
    world.put([running("two", "amd", "team/app:1", &id)]);
    let items = world.until("images?image_status=running", |items| items.len() == 1).await;
    assert_eq!(items[0]["first_seen"], "2026-09-21T14:13:20Z");
    let items = world.until(&affected, |items| items.len() == 2).await;
    assert_eq!((&items[0]["running"], &items[1]["running"]), (&json!(false), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_never_became_a_workload_is_visible() {
    let (images, other) = (Images::new("a"), Images::new("b"));
    let world = World::new(&[&images.held("team/app", "1"), &other.held("team/other", "1")]).await;
    world.pull("team/app", "1", &images.amd).await;
    let id = format!("docker.io/team/other@{}", other.amd.index_digest);
    world.put([running("one", "amd", "team/other:1", &id)]);
    world.until("images?scan_status=complete", |items| items.len() == 2).await;
    let digests = |items: Vec<Value>| items.into_iter().map(|item| item["digest"].clone()).collect::<Vec<_>>();
    assert_eq!(digests(world.items("images?pulled=true&ran=false").await), [json!(images.amd.manifest_digest)]);
    assert_eq!(digests(world.items("images?pulled=false&ran=true").await), [json!(other.amd.manifest_digest)]);
}
