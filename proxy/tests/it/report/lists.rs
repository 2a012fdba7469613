//! Lists, statistics and facets say the same of what runs, whatever the filter.

use serde_json::{Value, json};

use super::run_in_two_namespaces;
use crate::support::get;
use crate::workloads::{Images, World, all, names};

/// The vulnerability of `openssl`, known to be exploited, and that of `bash`.
const OPENSSL: &str = "CVE-2026-0001";
const BASH: &str = "CVE-2026-0002";

/// Two namespaces: `team/app` runs in both, `team/side` in one; `team/rest` was pulled and does not run.
async fn world() -> (Images, Images, World) {
    let (app, side, rest) = (Images::new("app"), Images::new("side"), Images::new("rest"));
    let held = [app.held("team/app", "1"), side.held("team/side", "1"), rest.held("team/rest", "1")];
    let world = World::new(&[&held[0], &held[1], &held[2]]).await;
    world.pull("team/app", "1", &app.amd).await;
    world.pull("team/app", "1", &app.arm).await;
    world.pull("team/side", "1", &side.amd).await;
    world.pull("team/rest", "1", &rest.amd).await;
    run_in_two_namespaces(&world, &app, &side).await;
    (app, side, world)
}

async fn document(world: &World, path: &str) -> Value {
    let got = get(world.weir.report, &format!("/api/v1/{path}")).await;
    assert_eq!(got.status, 200, "{path}: {}", String::from_utf8_lossy(&got.body));
    got.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_the_union_of_its_images() {
    let (app, _, world) = world().await;
    let items = world.items("repositories?sort=name").await;
    assert_eq!(names(&items), ["docker.io/team/app", "docker.io/team/rest", "docker.io/team/side"]);
    let item = &items[0];
    // Both platforms have the same two vulnerabilities.
    assert_eq!((&item["images"], &item["counts"]["vulnerabilities"]["high"]), (&json!(2), &json!(2)));
    assert_eq!((&item["counts"]["fixable"], &item["counts"]["known_exploited"]), (&json!(2), &json!(1)));
    assert_eq!((&item["clusters"], &item["running_resources"]), (&json!(["prod"]), &json!(3)));
    assert_eq!((&item["latest_scanned_tag"], &item["scan_statuses"]), (&json!("1"), &json!({"complete": 2})));
    assert_eq!(names(&world.items("repositories?sort=-running_resources&limit=1").await), ["docker.io/team/app"]);

    for path in ["docker.io/team/app", "docker.io%2Fteam%2Fapp", "team/app", "docker.io/team/app/"] {
        let one = document(&world, &format!("repositories/{path}")).await;
        assert_eq!((&one["name"], &one["counts"]), (&item["name"], &item["counts"]), "{path}");
        let digests = all(one["digests"]["items"].as_array().unwrap(), "digest");
        let expected = [&app.amd, &app.arm].map(|image| json!(image.manifest_digest));
        assert!(digests.len() == 2 && expected.iter().all(|digest| digests.contains(&digest)), "{path}");
    }
    let one = document(&world, "repositories/team/app?label=app=two").await;
    assert_eq!((&one["digests"]["total"], &one["running_resources"]), (&json!(1), &json!(1)));
    // A repository that is known and of which nothing is meant is there, and empty.
    let none = document(&world, "repositories/team/rest?image_status=running").await;
    assert_eq!((&none["digests"]["total"], &none["counts"]), (&json!(0), &Value::Null));
    assert_eq!(get(world.weir.report, "/api/v1/repositories/docker.io/team/none").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vulnerability_tells_all_it_affects() {
    let (app, side, world) = world().await;
    let items = world.items("vulnerabilities").await;
    assert_eq!(all(&items, "id"), [&json!(OPENSSL), &json!(BASH)], "what is exploited comes first");
    let item = &items[0];
    assert_eq!((&item["images"], &item["repositories"]), (&json!(4), &json!(3)));
    assert_eq!((&item["running_resources"], &item["known_exploited"]), (&json!(3), &json!(true)));
    assert_eq!((&item["severity"], &item["packages"]), (&json!("high"), &json!(["pkg:deb/debian/openssl"])));

    let detail = document(&world, &format!("vulnerabilities/{}?namespace=back", OPENSSL.to_lowercase())).await;
    assert_eq!((&detail["id"], &detail["images"]), (&json!(OPENSSL), &json!(2)));
    let affected = detail["affected"]["items"].as_array().unwrap();
    let digests = all(affected, "image");
    let expected = [&app.amd, &side.amd].map(|image| json!(image.manifest_digest));
    assert!(digests.len() == 2 && expected.iter().all(|digest| digests.contains(&digest)));
    for item in affected {
        assert_eq!((&item["version"], &item["fixed_version"]), (&json!("3.0.1"), &json!("3.0.2")));
        assert_eq!((&item["clusters"], &item["layer"]), (&json!(["prod"]), &json!(0)));
    }
    assert_eq!(get(world.weir.report, "/api/v1/vulnerabilities/CVE-1999-0001").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_and_facets_follow_the_filter() {
    let (_, _, world) = world().await;
    for (query, [repositories, images, resources, findings, exploited]) in [
        ("", [3, 4, 3, 8, 4]),
        ("namespace=back", [2, 2, 1, 4, 2]),
        ("image_status=idle", [1, 1, 0, 0, 0]),
        ("known_exploited=true", [3, 4, 3, 4, 4]),
        ("severity=critical", [0, 0, 0, 0, 0]),
        ("q=BASH", [3, 4, 3, 4, 0]),
        ("q=side", [1, 1, 1, 2, 1]),
        ("repository=docker.io/team/app&label=app=one", [1, 1, 1, 2, 1]),
        ("except=excepted", [0, 0, 0, 0, 0]),
    ] {
        let statistics = document(&world, &format!("statistics?{query}")).await;
        let expected = json!({"repositories": repositories, "images": images, "running_resources": resources,
            "known_exploited_findings": exploited});
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&statistics[name], value, "{query}: {name}");
        }
        assert_eq!(statistics["findings"]["high"], findings, "{query}");
        for (list, total) in [("repositories", repositories), ("images", images)] {
            let listed = document(&world, &format!("{list}?{query}")).await;
            assert_eq!(
                (&listed["total"], listed["items"].as_array().unwrap().len()),
                (&json!(total), total),
                "{query}"
            );
        }
    }
    let facets = world.items("statistics/facets?namespace=back").await;
    let values = |parameter: &str| -> Value {
        let facet = facets.iter().find(|facet| facet["parameter"] == parameter).unwrap();
        let pairs = facet["values"].as_array().unwrap().iter();
        let shown = pairs.filter(|value| value["images"] != 0);
        Value::Object(
            shown.map(|value| (value["value"].as_str().unwrap().to_owned(), value["images"].clone())).collect(),
        )
    };
    assert_eq!(values("cluster"), json!({"prod": 2}));
    assert_eq!(values("namespace"), json!({"back": 2, "shop": 2}), "the rest of the filter is empty");
    assert_eq!((values("image_status"), values("severity")), (json!({"running": 2}), json!({"high": 2})));
    assert_eq!((values("known_exploited"), values("label")), (json!({"true": 2, "false": 2}), json!({"app": 2})));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_refused_by_name() {
    let (app, _, world) = world().await;
    for (path, says) in [
        ("repositories?colour=red", "unknown parameter"),
        ("repositories?sort=colour", "running_resources"),
        ("vulnerabilities?sort=-name", "cvss, epss"),
        ("images?severity=worst", "critical, high"),
        ("images?layer=1", "a digest is needed"),
        ("images?cursor=abc", "not a cursor"),
        ("images?limit=0", "from 1 to 1000"),
        ("statistics?limit=1", "unknown parameter"),
        ("statistics/facets?sort=name", "unknown parameter"),
        ("vulnerabilities/CVE-2026-0001?sort=id", "unknown parameter"),
    ] {
        let got = get(world.weir.report, &format!("/api/v1/{path}")).await;
        let detail = got.json()["detail"].as_str().unwrap().to_owned();
        assert!(got.status == 400 && detail.contains(says), "{path}: {} {detail}", got.status);
    }
    // A layer is meant where its packages have findings.
    let layer = app.arm.layers[0].digest;
    let listed = world.items(&format!("images?layer={layer}")).await;
    assert_eq!(all(&listed, "digest"), [&json!(app.arm.manifest_digest)]);
}
