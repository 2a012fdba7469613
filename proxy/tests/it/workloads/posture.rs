//! What is wrong with what runs: the lists with their filters, the clusters, and the metrics, which all say the same.

use serde_json::{Value, json};

use super::{Images, World, all, names};
use crate::report::run_in_two_namespaces;
use crate::snapshots::{check, metric_names};
use crate::support::get;

/// Two namespaces; `team/app` was pulled and runs in both, `team/side` was loaded past weir and runs in one.
async fn fleet() -> (Images, Images, World) {
    let (app, side) = (Images::new("app"), Images::new("side"));
    let world = World::new(&[&app.held("team/app", "1"), &side.held("team/side", "1")]).await;
    world.pull("team/app", "1", &app.amd).await;
    world.pull("team/app", "1", &app.arm).await;
    run_in_two_namespaces(&world, &app, &side).await;
    (app, side, world)
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_metrics_say_the_same() {
    let (app, side, world) = fleet().await;
    let items = world.items("resources").await;
    assert_eq!(names(&items), ["three", "one", "two"], "by namespace, then name");
    assert_eq!(all(&items, "fixable"), [&json!(4), &json!(2), &json!(2)]);
    let findings = |namespace: &str, fixable: bool| {
        format!(
            r#"weir_running_findings{{cluster="prod",namespace="{namespace}",severity="high",fixable="{fixable}"}}"#
        )
    };
    for (line, value) in [
        (findings("shop", true), 4.0),
        (findings("back", true), 4.0),
        (findings("back", false), 0.0),
        (r#"weir_running_known_exploited_findings{cluster="prod",namespace="back"}"#.to_owned(), 2.0),
        (r#"weir_running_known_exploited_findings{cluster="prod",namespace="shop"}"#.to_owned(), 2.0),
        (r#"weir_running_images{cluster="prod",scan_status="complete"}"#.to_owned(), 3.0),
        (r#"weir_running_images{cluster="prod",scan_status="never_seen"}"#.to_owned(), 0.0),
        (r#"weir_running_images_never_pulled{cluster="prod"}"#.to_owned(), 1.0),
        (r#"weir_overdue_findings{cluster="prod",severity="high"}"#.to_owned(), 0.0),
        (r#"weir_agent_last_sync_timestamp_seconds{cluster="prod"}"#.to_owned(), world.weir.clock.now() as f64),
    ] {
        world.until_metric(&line, value).await;
    }

    let cluster = &world.items("clusters").await[0];
    assert_eq!(
        (&cluster["name"], &cluster["source"], &cluster["status"]),
        (&json!("prod"), &json!("local"), &json!("live"))
    );
    assert_eq!((&cluster["nodes"], &cluster["pods"], &cluster["workloads"]), (&json!(2), &json!(3), &json!(3)));
    assert_eq!(
        (&cluster["namespaces"], &cluster["running_images"]),
        (&json!(["back", "shop"]), &json!({"complete": 3}))
    );

    let page = String::from_utf8(get(world.weir.report, "/metrics").await.body).unwrap();
    let own = ["weir_agent_", "weir_metrics_", "weir_nodes", "weir_overdue_", "weir_running_", "weir_unresolved_"];
    let listed = metric_names(&page);
    let listed: Vec<&str> = listed.lines().filter(|line| own.iter().any(|own| line.starts_with(own))).collect();
    check("metrics-fleet.txt", &(listed.join("\n") + "\n"));

    // An image that runs past weir was fetched and read all the same; nobody ever pulled it through here.
    let item = &world.items("images?pulled=false").await[0];
    assert_eq!((&item["digest"], &item["last_pulled"]), (&json!(side.amd.manifest_digest), &Value::Null));
    assert_eq!((&item["scan_status"], &item["vulnerabilities"]["high"]), (&json!("complete"), &json!(2)));
    // What a fix is due for and has not come is counted for each that runs it.
    world.weir.clock.advance(3650 * 86_400);
    world.until_metric(r#"weir_overdue_findings{cluster="prod",severity="high"}"#, 8.0).await;
    assert_eq!(world.items(&format!("images/{}/resources", app.amd.manifest_digest)).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_narrow_images_and_resources() {
    let (app, side, world) = fleet().await;
    let (amd, arm) = (app.amd.manifest_digest.to_string(), app.arm.manifest_digest.to_string());
    let (side, all) = (side.amd.manifest_digest.to_string(), 3);
    for (query, digests) in [
        ("", vec![&amd, &arm, &side]),
        ("cluster=prod", vec![&amd, &arm, &side]),
        ("cluster=other", vec![]),
        ("namespace=back", vec![&amd, &side]),
        ("namespace=back&namespace=shop", vec![&amd, &arm, &side]),
        ("label=app=two", vec![&arm]),
        ("label=app=two&label=none", vec![]),
        ("namespace=back&pulled=true", vec![&amd]),
        ("image_status=running", vec![&amd, &arm, &side]),
        ("image_status=idle&image_status=retired", vec![]),
        ("scan_status=complete&pulled=false", vec![&side]),
        ("scan_status=never_seen&scan_status=no_access", vec![]),
        ("ran=false", vec![]),
        ("ran=true", vec![&amd, &arm, &side]),
    ] {
        let mut found: Vec<String> = Vec::new();
        for item in world.items(&format!("images?{query}")).await {
            found.push(item["digest"].as_str().unwrap().to_owned());
        }
        found.sort();
        let mut digests: Vec<String> = digests.into_iter().cloned().collect();
        digests.sort();
        assert_eq!(found, digests, "{query}");
    }
    // Pulls and events are of images, and are narrowed by them; `team/side` was never pulled.
    for (query, any_pulls, any_events) in [
        ("namespace=back", true, true),
        ("namespace=nowhere", false, false),
        ("label=app=two", true, true),
        ("image_status=running", true, true),
        ("image_status=idle", false, false),
        ("pulled=false", false, true),
    ] {
        let found = (world.items(&format!("pulls?{query}")).await, world.items(&format!("events?{query}")).await);
        assert_eq!((!found.0.is_empty(), !found.1.is_empty()), (any_pulls, any_events), "{query}");
    }
    for (query, count) in
        [("", all), ("namespace=back", 1), ("image_status=running", 3), ("image_status=idle", 0), ("label=app=one", 1)]
    {
        assert_eq!(world.items(&format!("resources?{query}")).await.len(), count, "{query}");
    }
    for query in ["images?image_status=old", "images?colour=red", "resources?pulled=maybe", "clusters?label=a"] {
        assert_eq!(get(world.weir.report, &format!("/api/v1/{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_every_item_once() {
    let (app, _, world) = fleet().await;
    for (path, count) in [
        ("resources".to_owned(), 3),
        ("images".to_owned(), 3),
        ("images?namespace=back".to_owned(), 2),
        (format!("images/{}/resources", app.amd.index_digest), 3),
    ] {
        let (mut seen, mut cursor) = (Vec::new(), None::<String>);
        for _ in 0..=count {
            let joint = if path.contains('?') { '&' } else { '?' };
            let at = cursor.as_ref().map(|cursor| {
                let cursor: String = url::form_urlencoded::byte_serialize(cursor.as_bytes()).collect();
                format!("&cursor={cursor}")
            });
            let target = format!("/api/v1/{path}{joint}limit=1{}", at.unwrap_or_default());
            let page = get(world.weir.report, &target).await.json();
            seen.extend(page["items"].as_array().unwrap().iter().map(Value::to_string));
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(cursor, None, "{path}: it goes on");
        let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
        assert_eq!((seen.len(), distinct.len()), (count, count), "{path}: {seen:?}");
    }
}
