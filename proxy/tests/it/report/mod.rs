//! The report's lists of everything weir has seen: repositories, images and vulnerabilities, what they come to, and how they page.

mod lists;
mod pages;

use weir_storage::index::{ClusterObject, PodRecord};

use crate::workloads::{Images, World, pod, running, runs};

/// Runs `team/app` in two namespaces, `shop` and `back`, and `team/side` beside it in one, and waits until what is wrong with them is shown.
pub(crate) async fn run_in_two_namespaces(world: &World, app: &Images, side: &Images) {
    let id = |name: &str, images: &Images| format!("docker.io/team/{name}@{}", images.amd.index_digest);
    let both = vec![runs("app", "team/app:1", &id("app", app)), runs("side", "team/side:1", &id("side", side))];
    world.put([
        running("one", "amd", "team/app:1", &id("app", app)),
        running("two", "arm", "team/app:1", &id("app", app)),
        ClusterObject::Pod(PodRecord { namespace: "back".to_owned(), ..pod("three", "amd", both) }),
    ]);
    world.until("resources", |items| items.len() == 3 && items[0]["findings"]["high"] == 4).await;
}
