//! Which findings are told, when, and to whom.

use serde_json::{Value, json};
use weir_storage::index::{ClusterObject, Index, PodRecord};

use super::{Receiver, except, numbered, over_in, publish, told, webhook};
use crate::scan::pull;
use crate::support::{Image, Registry, post};
use crate::workloads::{EXPLOITED, Images, World, pod, running, runs, write_catalogue};

/// A world with these settings that runs `team/app:1`, with the id it runs by.
async fn world_that_runs(images: &Images, settings: &[(String, String)]) -> (World, String) {
    let settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let world = World::with(&[&images.held("team/app", "1")], &settings, |_| None).await;
    world.pull("team/app", "1", &images.amd).await;
    let id = format!("docker.io/team/app@{}", images.amd.index_digest);
    world.put([running("one", "amd", "team/app:1", &id)]);
    (world, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_told_when_it_runs_and_from_then_on_what_happens_to_it() {
    let [all, grave, chat] = [Receiver::start().await, Receiver::start().await, Receiver::start().await];
    let mut settings = webhook(&all, &[("KINDS", "opened,closed")]);
    settings.extend(numbered(1, "grave", &grave.url(), &[("SEVERITY", "critical")]));
    settings.extend(numbered(2, "chat", &chat.url(), &[("FORMAT", "slack"), ("NAMESPACES", "back")]));
    let images = Images::new("app");
    let (world, id) = world_that_runs(&images, &settings).await;
    let directory = world.weir.data().parent().unwrap().to_owned();

    let first = all.until(1).await[0].json();
    assert_eq!((&first["kind"], &first["webhook"], &first["test"]), (&json!("opened"), &json!("ops"), &json!(false)));
    assert_eq!(first["summary"], "2 findings opened: 2 vulnerabilities in 1 image");
    assert_eq!(first["totals"], json!({"vulnerabilities": 2, "images": 1, "findings": 2}));
    let [exploited, other] = first["items"].as_array().unwrap().as_slice() else { panic!("{first}") };
    assert_eq!((&exploited["id"], &exploited["known_exploited"]), (&json!("CVE-2026-0001"), &json!(true)));
    assert_eq!((&other["id"], &other["known_exploited"]), (&json!("CVE-2026-0002"), &json!(false)));
    assert_eq!((&exploited["severity"], &exploited["reasons"]), (&json!("high"), &json!(["image_runs"])));
    assert_eq!(exploited["packages"][0]["fixed_version"], "3.0.2");
    let image = &exploited["images"][0];
    assert_eq!(image["digest"], images.amd.manifest_digest.to_string());
    assert_eq!(image["repositories"], json!(["docker.io/team/app"]));
    assert_eq!(image["workloads"], json!([{"cluster": "prod", "namespace": "shop", "kind": "Pod", "name": "one"}]));
    assert_eq!(told(&grave.until(1).await[0]), ["CVE-2026-0001"], "not critical, but exploited");

    publish(&directory, Some(&world.weir), &[("openssl", 1), ("bash", 2), ("bash", 3)]).await;
    let second = &all.until(2).await[1];
    assert_eq!(
        (told(second), &second.json()["items"][0]["reasons"]),
        (vec!["CVE-2026-0003".into()], &json!(["advisory"]))
    );

    // What was told before a restart is not told after it, and what happens next is.
    let world = world.restart().await;
    publish(&directory, Some(&world.weir), &[("openssl", 1), ("bash", 3)]).await;
    let third = &all.until(3).await[2];
    assert_eq!((third.json()["kind"].clone(), told(third)), (json!("closed"), vec!["CVE-2026-0002".into()]));

    // While it does not run nothing is told of it; once it runs again, what came meanwhile.
    world.delete("one");
    world.until("images?image_status=running", <[Value]>::is_empty).await;
    publish(&directory, Some(&world.weir), &[("openssl", 1), ("bash", 3), ("bash", 4)]).await;
    let history = format!("images/{}/history", images.amd.manifest_digest);
    world.until(&history, |items| items[0]["vulnerability"] == "CVE-2026-0004").await;
    let back = PodRecord { namespace: "back".to_owned(), ..pod("two", "amd", vec![runs("app", "team/app:1", &id)]) };
    world.put([ClusterObject::Pod(back)]);
    let fourth = &all.until(4).await[3];
    assert_eq!(
        (told(fourth), &fourth.json()["items"][0]["reasons"]),
        (vec!["CVE-2026-0004".into()], &json!(["advisory"]))
    );
    let workloads = &fourth.json()["items"][0]["images"][0]["workloads"];
    assert_eq!(workloads[0]["namespace"], "back");

    // Who is told of one namespace hears of the image when it first runs there.
    let message = chat.until(1).await[0].json();
    assert_eq!(message["text"], "3 findings opened: 3 vulnerabilities in 1 image");
    assert!(message["blocks"][1]["text"]["text"].as_str().unwrap().contains("run by prod/back/Pod two"), "{message}");
    assert_eq!([all.got().len(), grave.got().len(), chat.got().len()], [4, 1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_known_of_exploitation_is_told_once_and_stands_in_the_history() {
    let [ops, grave] = [Receiver::start().await, Receiver::start().await];
    let mut settings = webhook(&ops, &[("SEVERITY", "critical"), ("KINDS", "opened,rerated")]);
    settings.extend(numbered(1, "grave", &grave.url(), &[("SEVERITY", "critical"), ("KNOWN_EXPLOITED", "false")]));
    let images = Images::new("app");
    let (world, _) = world_that_runs(&images, &settings).await;
    let directory = world.weir.data().parent().unwrap().to_owned();
    assert_eq!(told(&ops.until(1).await[0]), [EXPLOITED]);

    let catalogue = async |exploited: &[&str]| {
        world.weir.clock.advance(60);
        write_catalogue(&directory, exploited);
        assert_eq!(post(world.weir.report, "/api/v1/advisories/refresh", &[], b"").await.status, 202);
    };
    catalogue(&[EXPLOITED, "CVE-2026-0002", "CVE-2026-0003"]).await;
    let listed = ops.until(2).await[1].json();
    assert_eq!((&listed["kind"], listed["items"].as_array().unwrap().len()), (&json!("rerated"), 1));
    let item = &listed["items"][0];
    assert_eq!((&item["id"], &item["severity"]), (&json!("CVE-2026-0002"), &json!("high")));
    assert_eq!((&item["known_exploited"], &item["reasons"]), (&json!(true), &json!(["known_exploited"])));
    assert_eq!((&item["previous_severity"], &item["images"][0]["workloads"][0]["name"]), (&Value::Null, &json!("one")));

    catalogue(&[EXPLOITED, "CVE-2026-0003"]).await;
    let withdrawn = ops.until(3).await[2].json();
    let item = &withdrawn["items"][0];
    assert_eq!((&withdrawn["kind"], &item["id"]), (&json!("rerated"), &json!("CVE-2026-0002")));
    assert_eq!((&item["known_exploited"], &item["reasons"]), (&json!(false), &json!(["exploitation_withdrawn"])));

    // An accepted risk was accepted before that was known; what is not so stays quiet.
    let decide = async |vulnerability: &str, kind: &str| {
        let decision = json!({"target": "vulnerability", "kind": kind, "vulnerability": vulnerability, "reason": "r"});
        let body = decision.to_string();
        let headers = [("Content-Type", "application/json")];
        assert_eq!(post(world.weir.report, "/api/v1/exceptions", &headers, body.as_bytes()).await.status, 201);
    };
    decide("CVE-2026-0002", "accepted_risk").await;
    catalogue(&[EXPLOITED, "CVE-2026-0002", "CVE-2026-0003"]).await;
    let accepted = ops.until(4).await[3].json();
    assert_eq!(accepted["items"][0]["id"], "CVE-2026-0002");
    assert_eq!(accepted["items"][0]["reasons"], json!(["accepted_risk", "known_exploited"]));
    decide(EXPLOITED, "false_positive").await;
    catalogue(&["CVE-2026-0002", "CVE-2026-0003"]).await;
    let path = format!("images/{}/history", images.amd.manifest_digest);
    world.until(&path, |items| items.len() == 6).await;
    catalogue(&[EXPLOITED, "CVE-2026-0002", "CVE-2026-0003"]).await;
    let history = world.until(&path, |items| items.len() == 7).await;
    let seen: Vec<_> =
        history.iter().map(|event| json!([event["kind"], event["reason"], event["vulnerability"]])).collect();
    assert_eq!(seen[0], json!(["rerated", "known_exploited", EXPLOITED]));
    assert_eq!(seen[3], json!(["rerated", "exploitation_withdrawn", "CVE-2026-0002"]));
    assert_eq!(seen[4], json!(["rerated", "known_exploited", "CVE-2026-0002"]));

    // After a restart, with the same catalogue, nothing is told anew; what opens opens as exploited.
    let world = world.restart().await;
    publish(&directory, Some(&world.weir), &[("openssl", 1), ("bash", 2), ("bash", 3)]).await;
    let opened = ops.until(5).await[4].json();
    assert_eq!((&opened["kind"], &opened["items"][0]["id"]), (&json!("opened"), &json!("CVE-2026-0003")));
    assert_eq!(world.items(&path).await.len(), 8);
    assert_eq!([ops.got().len(), grave.got().len()], [5, 0], "whoever wants the grave alone hears nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_about_is_not_told() {
    let receiver = Receiver::start().await;
    let images = Images::new("app");
    let registry = Registry::with_images(&[&Image::of("team/app", "1", &images.amd)], |_| None).await;
    let mut settings = webhook(&receiver, &[("ONLY_RUNNING", "false")]);
    settings.push(("UPSTREAM__0__NAME".to_owned(), "docker.io".to_owned()));
    settings.push(("UPSTREAM__0__URL".to_owned(), registry.url()));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    publish(&path, None, &[("openssl", 1), ("bash", 2)]).await;
    let index = Index::in_memory();
    except(&index, "CVE-2026-0002", None);
    let weir = over_in(directory, &index, &settings).await;
    pull(&weir, 1, &images.amd).await;
    let got = receiver.until(1).await;
    assert_eq!(told(&got[0]), ["CVE-2026-0001"]);
    let item = &got[0].json()["items"][0];
    assert_eq!((&item["reasons"], &item["images"][0]["workloads"]), (&json!(["new_image"]), &json!([])));
    assert_eq!((&item["known_exploited"], &item["url"]), (&Value::Null, &Value::Null));
    publish(&path, Some(&weir), &[("openssl", 1), ("bash", 2), ("openssl", 3)]).await;
    assert_eq!(told(&receiver.until(2).await[1]), ["CVE-2026-0003"]);
    weir.stop().await;
}
