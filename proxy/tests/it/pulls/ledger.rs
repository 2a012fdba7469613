//! What is one pull, by which tag, how the list is asked, and how long it is kept.

use serde_json::Value;

use super::pulls;
use crate::scan::{NEVER, image, over, pull};
use crate::support::{Image, Registry, Weir, get, get_with};

/// Past the minute in which a request again is the same pull.
const ANOTHER_PULL: i64 = 61;

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_by_digest_keeps_the_tag_it_began_with() {
    let image = image();
    let (_registry, weir) = over(&[&image], NEVER, &[]).await;
    pull(&weir, 1, &image).await;
    let found = pulls(&weir, "pulls", 2).await;
    // Newest first: the platform's manifest was asked for after the index that names it.
    for (pull, digest) in found.iter().zip([image.manifest_digest, image.index_digest]) {
        assert_eq!((&pull["image"], &pull["tag"]), (&digest.to_string().into(), &"1".into()), "{pull}");
        assert_eq!(pull["reference"], "docker.io/team/app:1");
        assert_eq!(pull["repository"], "docker.io/team/app");
        assert_eq!(pull["at"], "2026-09-21T14:13:20Z");
    }
    weir.clock.advance(ANOTHER_PULL);
    let by_digest = format!("/v2/team/app/manifests/{}", image.manifest_digest);
    assert_eq!(get(weir.mirror, &by_digest).await.status, 200);
    let found = pulls(&weir, "pulls", 3).await;
    assert_eq!(found[0]["tag"], Value::Null, "nobody asked for a tag lately");
    assert_eq!(found[0]["reference"], format!("docker.io/team/app@{}", image.manifest_digest));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_node_s_pull_within_a_minute_is_one() {
    let image = image();
    let (_registry, weir) = over(&[&image], NEVER, &[]).await;
    let ask = async |node: &str| {
        let got = get_with(weir.mirror, "/v2/team/app/manifests/1", &[("X-Weir-Node", node)]).await;
        assert_eq!(got.status, 200);
    };
    for node in ["a", "a", "b", "a", "b"] {
        ask(node).await;
    }
    let found = pulls(&weir, "pulls", 2).await;
    assert_eq!([&found[0]["node"], &found[1]["node"]], ["b", "a"]);
    weir.clock.advance(ANOTHER_PULL);
    ask("a").await;
    assert_eq!(pulls(&weir, "pulls", 3).await[0]["node"], "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_narrows_and_goes_on_where_a_page_ended() {
    let (first, second) = (image(), crate::scans::arm());
    let registry =
        Registry::with_images(&[&Image::of("team/app", "1", &first), &Image::of("team/other", "1", &second)], |_| None)
            .await;
    let weir = Weir::over(&registry.url()).await;
    for (node, repository) in [("a", "app"), ("b", "app"), ("b", "other"), ("c", "other")] {
        let target = format!("/v2/team/{repository}/manifests/1");
        assert_eq!(get_with(weir.mirror, &target, &[("X-Weir-Node", node)]).await.status, 200);
    }
    let manifest = format!("/v2/team/app/manifests/{}", first.manifest_digest);
    assert_eq!(get_with(weir.mirror, &manifest, &[("X-Weir-Node", "a")]).await.status, 200);
    pulls(&weir, "pulls", 5).await;
    for (query, count) in [
        ("node=a".to_owned(), 2),
        ("node=a&node=c".to_owned(), 3),
        ("node=b&repository=docker.io/team/other".to_owned(), 1),
        ("repository=docker.io/team/none".to_owned(), 0),
        ("cluster=default".to_owned(), 0),
        (format!("image={}", first.index_digest), 2),
        (format!("image={}&image={}", first.index_digest, second.index_digest), 4),
        (format!("image={}&node=c", first.index_digest), 0),
    ] {
        pulls(&weir, &format!("pulls?{query}"), count).await;
    }
    // An image's pulls are those by every digest it is asked for by.
    for digest in [first.index_digest, first.manifest_digest, first.config_digest] {
        pulls(&weir, &format!("images/{digest}/pulls"), 3).await;
    }
    assert_eq!(pulls(&weir, &format!("images/{}/pulls?node=b", second.manifest_digest), 1).await[0]["node"], "b");

    let whole: Vec<Value> = pulls(&weir, "pulls", 5).await;
    for path in ["pulls?".to_owned(), format!("images/{}/pulls?", first.manifest_digest), "pulls?node=b&".to_owned()] {
        let expected: Vec<&Value> = match path.as_str() {
            "pulls?" => whole.iter().collect(),
            "pulls?node=b&" => whole.iter().filter(|pull| pull["node"] == "b").collect(),
            _ => whole.iter().filter(|pull| pull["repository"] == "docker.io/team/app").collect(),
        };
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = get(weir.report, &format!("/api/v1/{path}limit=1{cursor}")).await.json();
            found.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{path}");
    }
    for wrong in ["pulls?nodes=a", "pulls?cursor=x", "pulls?limit=0", "pulls?image=x"] {
        assert_eq!(get(weir.report, &format!("/api/v1/{wrong}")).await.status, 400, "{wrong}");
    }
    let stranger = format!("/api/v1/images/{}/pulls", weir_scanner::oci::Digest::of(b"stranger"));
    assert_eq!(get(weir.report, &stranger).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn pulls_outlive_a_restart_and_are_forgotten_after_their_retention() {
    let image = image();
    let (registry, weir) = over(&[&image], NEVER, &[]).await;
    assert_eq!(get(weir.mirror, "/v2/team/app/manifests/1").await.status, 200);
    // Stopped at once: what was noticed is written down on the way.
    let directory = weir.stop().await;
    let url = registry.url();
    let settings = [
        ("UPSTREAM__0__NAME", "docker.io"),
        ("UPSTREAM__0__URL", url.as_str()),
        ("REPORT__PULL_RETENTION", "40d"),
        ("REPORT__IDLE_AFTER", "30d"),
    ];
    let weir = Weir::start_in(directory, &settings).await;
    let first = pulls(&weir, "pulls", 1).await.remove(0);
    weir.clock.advance(39 * 86_400);
    assert_eq!(get(weir.mirror, "/v2/team/app/manifests/1").await.status, 200);
    assert_eq!(pulls(&weir, "pulls", 2).await[1], first);
    weir.clock.advance(2 * 86_400);
    assert_eq!(get(weir.mirror, "/v2/team/app/manifests/1").await.status, 200);
    crate::support::eventually("the oldest pull is forgotten", || async {
        let items = get(weir.report, "/api/v1/pulls").await.json()["items"].as_array().unwrap().clone();
        (items.len() == 2 && !items.contains(&first)).then_some(())
    })
    .await;
}
