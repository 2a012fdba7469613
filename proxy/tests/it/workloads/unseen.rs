//! Images that run and that nobody pulled through weir: fetched in the background, or told why not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use serde_json::{Value, json};
use weir_scanner::oci::Digest;

use super::{Images, World, node, running};
use crate::support::{Answer, get};

/// The one image of the one resource: scan status and reason.
fn state(items: &[Value]) -> (&Value, &Value) {
    (&items[0]["images"][0]["scan_status"], &items[0]["images"][0]["reason"])
}

async fn until_state(world: &World, status: &str, reason: Value) -> Vec<Value> {
    world.until("resources", |items| items.len() == 1 && state(items) == (&json!(status), &reason)).await
}

fn id(images: &Images) -> String {
    format!("docker.io/team/app@{}", images.amd.index_digest)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_pulled_is_fetched_by_digest_and_read() {
    let images = Images::new("a");
    let world = World::new(&[&images.held("team/app", "1")]).await;
    world.put([running("one", "arm", "team/app:1", &id(&images))]);
    let items = until_state(&world, "complete", Value::Null).await;
    assert_eq!(items[0]["images"][0]["digest"], json!(images.arm.manifest_digest));
    let world_items = world.until("resources", |items| items[0]["findings"]["high"] == 2).await;
    assert_eq!(world_items[0]["images"][0]["vulnerabilities"]["high"], 2);
    let image = get(world.weir.report, &format!("/api/v1/images/{}", images.arm.manifest_digest)).await.json();
    assert_eq!(
        (&image["images"][0]["last_pulled"], &image["images"][0]["image_status"]),
        (&Value::Null, &json!("running"))
    );
    assert_eq!(world.items("pulls").await, [] as [Value; 0]);
    // By digest only, and the platform that runs only.
    assert_eq!(world.registry.count("GET", "/manifests/1"), 0);
    assert_eq!(world.registry.count("GET", &images.amd.manifest_digest.to_string()), 0);
    assert_eq!(world.registry.count("GET", &images.arm.layers[0].digest.to_string()), 1);
    // It was seen to run from the first moment, and not from when its index was read.
    assert_eq!(items[0]["first_seen"], "2026-09-21T14:13:20Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_known_by_its_configuration_only_is_sought_under_its_tag() {
    let images = Images::new("a");
    let world = World::new(&[&images.held("team/app", "1")]).await;
    world.put([running("one", "arm", "team/app:1", &images.arm.config_digest.hex())]);
    let items = until_state(&world, "complete", Value::Null).await;
    assert_eq!(items[0]["images"][0]["digest"], json!(images.arm.manifest_digest));
    // One that its tag does not lead to any more stays what it is: unresolved.
    let other = Digest::of(b"loaded by hand").to_string();
    world.put([running("two", "arm", "team/app:1", &other)]);
    let unresolved = world.until("unresolved", |items| items.len() == 1).await;
    assert_eq!((&unresolved[0]["reason"], &unresolved[0]["form"]), (&json!("config_unknown"), &json!("digest")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_told_from_what_is_not_there_yet() {
    let images = Images::new("a");
    for (answer, status, reason, retried_after) in [
        (403, "no_access", "denied", Some(21_600)),
        (401, "no_access", "denied", Some(21_600)),
        (404, "no_access", "not_found", Some(21_600)),
        (429, "never_seen", "rate_limited", Some(30)),
    ] {
        let code = Arc::new(AtomicU16::new(answer));
        let told = Arc::clone(&code);
        let world = World::with(&[&images.held("team/app", "1")], &[], move |ask| {
            let code = told.load(Ordering::SeqCst);
            (code != 0 && ask.path() != "/v2/").then(|| Answer::new(code, &[("Retry-After", "1")], b"{}"))
        })
        .await;
        world.put([running("one", "amd", "team/app:1", &id(&images))]);
        let items = until_state(&world, status, json!(reason)).await;
        assert!(items[0]["images"][0]["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{items:?}");
        assert_eq!(items[0]["images"][0]["vulnerabilities"], Value::Null);
        let listed = world.items(&format!("images?scan_status={status}")).await;
        assert_eq!((listed.len(), &listed[0]["reason"]), (1, &json!(reason)));
        let line = format!(r#"weir_running_images{{cluster="prod",scan_status="{status}"}}"#);
        world.until_metric(&line, 1.0).await;
        // Access is granted; weir asks again when it may help, and not before.
        code.store(0, Ordering::SeqCst);
        let asked = world.registry.asked().len();
        if let Some(after) = retried_after {
            world.weir.clock.advance(after - 1);
            world.until_made().await;
            assert_eq!(world.registry.asked().len(), asked, "{reason}");
            world.weir.clock.advance(2);
            let items = until_state(&world, "complete", Value::Null).await;
            assert_eq!(items[0]["first_seen"], "2026-09-21T14:13:20Z", "{reason}: it ran all the time");
        }
        world.weir.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_is_not_a_private_image_and_is_tried_again() {
    let images = Images::new("a");
    // A port nobody listens on, until somebody does.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}");
    let world = World::with(&[], &[("UPSTREAM__1__NAME", "quay.io"), ("UPSTREAM__1__URL", &url)], |_| None).await;
    let id = format!("quay.io/team/app@{}", images.amd.index_digest);
    world.put([running("one", "amd", "quay.io/team/app:1", &id)]);
    let items = until_state(&world, "never_seen", json!("unreachable")).await;
    let first = items[0]["images"][0]["detail"].clone();
    assert!(first.as_str().unwrap().contains("quay.io"), "{first}");
    let requests = r#"weir_upstream_requests_total{code="error",upstream="quay.io"}"#;
    let before = world.weir.metric(requests).await;
    world.weir.clock.advance(3600);
    crate::support::eventually("another try", || async { (world.weir.metric(requests).await > before).then_some(()) })
        .await;
    until_state(&world, "never_seen", json!("unreachable")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_weir_may_not_ask_for_is_told_as_such() {
    let images = Images::new("a");
    let world = World::with(&[], &[("UPSTREAM__0__ACCESS", "client")], |_| None).await;
    world.put([running("one", "amd", "team/app:1", &id(&images))]);
    until_state(&world, "no_access", json!("credentials_needed")).await;
    world.put([running("one", "amd", "ghcr.io/a/b:1", &format!("ghcr.io/a/b@{}", images.amd.index_digest))]);
    let items = until_state(&world, "no_access", json!("unknown_upstream")).await;
    assert!(items[0]["images"][0]["detail"].as_str().unwrap().contains("ghcr.io"));
    assert_eq!(world.registry.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_names_the_one_that_can_be_had_counts() {
    let images = Images::new("a");
    let gone = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&gone);
    let world = World::with(&[&images.held("team/app", "1")], &[], move |_| {
        told.load(Ordering::SeqCst).then(|| Answer::new(503, &[], b"{}"))
    })
    .await;
    // The name in the specification is of a registry weir does not mirror, the runtime's is of one that is down.
    world.put([running("one", "amd", "registry.example/team/app:1", &id(&images))]);
    world
        .until("resources", |items| items.len() == 1 && state(items).0 == "never_seen" && !state(items).1.is_null())
        .await;
    gone.store(false, Ordering::SeqCst);
    world.weir.clock.advance(3600);
    let items = until_state(&world, "complete", Value::Null).await;
    assert_eq!(items[0]["images"][0]["served_as"], "docker.io/team/app");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_are_fetched_at_once_and_all_are_fetched() {
    use std::sync::atomic::AtomicUsize;

    let images: Vec<Images> = (0..7).map(|number| Images::new(&number.to_string())).collect();
    let held: Vec<_> =
        images.iter().enumerate().map(|(number, image)| image.held(&format!("team/n{number}"), "1")).collect();
    let gate = crate::support::Gate::default();
    let (waiting, answers) = (Arc::new(AtomicUsize::new(0)), held.clone());
    let (counted, behind) = (Arc::clone(&waiting), gate.clone());
    let world = World::with(&held.iter().collect::<Vec<_>>(), &[], move |ask| {
        let answer = ask.path().contains("/manifests/").then(|| crate::support::truth(&answers, ask))?;
        counted.fetch_add(1, Ordering::SeqCst);
        Some(answer.gated(0, &behind))
    })
    .await;
    world.put([node("other", Some("amd64"))]);
    world.put((0..7).map(|number| {
        let id = format!("docker.io/team/n{number}@{}", images[number].amd.index_digest);
        running(&format!("pod-{number}"), "amd", &format!("team/n{number}:1"), &id)
    }));
    world.until("resources?scan_status=never_seen", |items| items.len() == 7).await;
    crate::support::eventually("two are asked for", || async { (waiting.load(Ordering::SeqCst) == 2).then_some(()) })
        .await;
    // Another look takes no more.
    world.put([running("pod-x", "amd", "team/n0:1", &Digest::of(b"x").to_string())]);
    world.until("unresolved", |items| items.len() == 1).await;
    assert_eq!(waiting.load(Ordering::SeqCst), 2);
    gate.open();
    world.until("images?scan_status=complete", |items| items.len() == 7).await;
}
