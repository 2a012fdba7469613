//! Pages of lists that change while someone goes through them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::get;
use crate::workloads::{Images, World};

/// One page of a list, and where the next one begins.
async fn page(world: &World, path: &str, cursor: Option<&str>) -> (Vec<Value>, Option<String>) {
    let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
    let got = get(world.weir.report, &format!("/api/v1/{path}&limit=1{cursor}")).await;
    assert_eq!(got.status, 200, "{path}: {}", String::from_utf8_lossy(&got.body));
    let page = got.json();
    let items = page["items"].as_array().unwrap().clone();
    (items, page["next_cursor"].as_str().map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_holds_while_images_come() {
    let images: Vec<Images> = (0..5).map(|number| Images::new(&format!("image-{number}"))).collect();
    let held: Vec<_> =
        images.iter().enumerate().map(|(number, image)| image.held(&format!("team/app-{number}"), "1")).collect();
    let world = World::new(&held.iter().collect::<Vec<_>>()).await;
    for (number, image) in images.iter().enumerate().take(3) {
        world.weir.clock.advance(10);
        world.pull(&format!("team/app-{number}"), "1", &image.amd).await;
    }
    for (path, field) in [("images?sort=first_seen", "digest"), ("repositories?sort=name", "name")] {
        let (mut seen, mut cursor, mut pulled) = (Vec::new(), None::<String>, 3);
        loop {
            let (items, next) = page(&world, path, cursor.as_deref()).await;
            seen.extend(items.iter().map(|item| item[field].as_str().unwrap().to_owned()));
            // Something new comes after every page but the last.
            if pulled < 5 && field == "digest" {
                world.weir.clock.advance(10);
                world.pull(&format!("team/app-{pulled}"), "1", &images[pulled].amd).await;
                pulled += 1;
            }
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        let distinct: BTreeSet<&String> = seen.iter().collect();
        assert_eq!((distinct.len(), seen.len()), (5, 5), "{path}: {seen:?}");
    }
    // What was pulled is in the very next answer.
    let listed = world.items("images?sort=-first_seen&limit=1").await;
    assert_eq!(listed[0]["digest"], json!(images[4].amd.manifest_digest));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_is_beside_the_one_before_it() {
    let (old, new) = (Images::new("old"), Images::new("new"));
    let held = [old.held("team/app", "1"), new.held("team/app", "2")];
    let world = World::new(&[&held[0], &held[1]]).await;
    world.pull("team/app", "1", &old.amd).await;
    world.weir.clock.advance(100);
    world.pull("team/app", "2", &new.amd).await;
    let got = get(world.weir.report, "/api/v1/repositories/team/app").await.json();
    let items = got["digests"]["items"].as_array().unwrap();
    assert_eq!(
        (&items[0]["tags"], &items[1]["tags"]),
        (&json!(["docker.io/team/app:2"]), &json!(["docker.io/team/app:1"]))
    );
    let delta = json!({"previous": old.amd.manifest_digest, "added": 0, "removed": 0});
    assert_eq!((&items[0]["delta"], &items[1]["delta"]), (&delta, &Value::Null));
    assert_eq!(got["latest_scanned_tag"], "2");
}
