//! What is told when it begins: silence, age, and exceptions about to end. Once each, whatever happens to weir in between.

use serde_json::{Value, json};
use weir_storage::index::Index;

use super::{Delivery, Receiver, except, over, publish, webhook};
use crate::api_server::Act;
use crate::workloads::{Images, World, running};

/// One field of the only item of each notification.
fn each(got: &[Delivery], field: &str) -> Vec<Value> {
    got.iter().map(|delivery| delivery.json()["items"][0][field].clone()).collect()
}

async fn world(receiver: &Receiver, kind: &str) -> World {
    let images = Images::new("a");
    let settings = webhook(receiver, &[("KINDS", kind)]);
    let settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let world = World::with(&[&images.held("team/app", "1")], &settings, |_| None).await;
    world.put([running("one", "amd", "team/app:1", &format!("docker.io/team/app@{}", images.amd.index_digest))]);
    world.until("resources", |items| items.len() == 1 && items[0]["findings"]["high"] == 2).await;
    world
}

async fn until_status(world: &World, status: &str) {
    world.until("clusters", |items| items.iter().any(|item| item["status"] == status)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_falls_silent_is_told_once_and_so_is_its_return() {
    let receiver = Receiver::start().await;
    let world = world(&receiver, "agent_silent").await;
    let fails = |items: &[Value]| items[0]["problems"].as_array().unwrap().len() >= 8;
    world.server.on_request(|_, _| Act::Refuse(503, "ServiceUnavailable"));
    world.server.restart();
    world.until("clusters", fails).await;
    world.weir.clock.advance(91);
    let silent = receiver.until(1).await[0].json();
    assert_eq!((&silent["kind"], &silent["summary"]), (&json!("agent_silent"), &json!("cluster prod is not heard of")));
    assert_eq!((&silent["items"][0]["state"], &silent["items"][0]["source"]), (&json!("silent"), &json!("local")));

    let world = world.restart().await;
    world.until("clusters", fails).await;
    world.weir.clock.advance(91);
    until_status(&world, "stale").await;
    world.server.on_request(|_, _| Act::Serve);
    world
        .until("clusters", |items| {
            world.server.bookmark();
            items.iter().any(|item| item["status"] == "live")
        })
        .await;
    let got = receiver.until(2).await;
    assert_eq!(each(&got, "state"), ["silent", "returned"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_grows_too_old_is_told_once_and_so_is_its_end() {
    let receiver = Receiver::start().await;
    let world = world(&receiver, "feed_stale").await;
    world.weir.clock.advance(3 * 86_400);
    let stale = receiver.until(1).await[0].json();
    let items = |notice: &Value| -> Vec<(Value, Value)> {
        let items = notice["items"].as_array().unwrap().clone();
        items.into_iter().map(|item| (item["ecosystem"].clone(), item["state"].clone())).collect()
    };
    assert!(items(&stale).contains(&(json!("Debian:12"), json!("stale"))), "{stale}");
    let directory = world.weir.data().parent().unwrap().to_owned();
    let world = world.restart().await;
    publish(&directory, Some(&world.weir), &[("openssl", 1)]).await;
    let mut ended = Vec::new();
    for notice in &receiver.until(2).await[1..] {
        ended.extend(items(&notice.json()));
    }
    assert!(ended.iter().all(|(_, state)| state == "recovered"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_about_to_end_is_told_once() {
    let receiver = Receiver::start().await;
    let index = Index::in_memory();
    let settings = webhook(&receiver, &[("KINDS", "exception_expiring"), ("EXPIRING_WITHIN", "2h")]);
    except(&index, "CVE-1", Some(1_790_000_000 + 3600));
    except(&index, "CVE-2", Some(1_790_000_000 + 3 * 3600));
    let weir = over(&index, &settings).await;
    receiver.until(1).await;
    weir.stop().await;
    let weir = over(&index, &settings).await;
    weir.clock.advance(3601);
    let got = receiver.until(2).await;
    assert_eq!(each(&got, "subject"), ["CVE-1", "CVE-2"]);
    let first = got[0].json();
    assert_eq!((&first["items"][0]["created_by"], &first["items"][0]["reason"]), (&json!("ann"), &json!("lived with")));
    assert_eq!(first["summary"], "1 exception will expire soon");
    weir.stop().await;
}
