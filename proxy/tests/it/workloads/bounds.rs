//! What is bounded: blobs on disk, of which those of running workloads leave last.

use weir_scanner::fixture::{BuiltImage, ImageBuilder, LayerBuilder};

use super::{World, running};
use crate::support::{Image, get, noise};

/// An image with one large layer of its own.
fn large(seed: u64) -> BuiltImage {
    ImageBuilder::new().layer(LayerBuilder::new().file("data", noise(seed, 200_000)).gzip()).build()
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_of_what_runs_outlive_those_of_what_does_not() {
    let images: Vec<BuiltImage> = (0..6).map(large).collect();
    let held: Vec<Image> =
        images.iter().enumerate().map(|(n, image)| Image::of(&format!("team/n{n}"), "1", image)).collect();
    let settings = [("DATA__BLOB_BUDGET", "500KB")];
    let world = World::with(&held.iter().collect::<Vec<_>>(), &settings, |_| None).await;
    world.pull("team/n0", "1", &images[0]).await;
    let id = format!("docker.io/team/n0@{}", images[0].manifest_digest);
    world.put([running("one", "amd", "team/n0:1", &id)]);
    world.until("images?image_status=running", |items| items.len() == 1).await;
    // Every further one is used later than the one that runs.
    for (number, image) in images.iter().enumerate().skip(1) {
        world.weir.clock.advance(3600);
        world.pull(&format!("team/n{number}"), "1", image).await;
    }
    let layer = |number: usize| images[number].layers[0].digest;
    crate::support::eventually("the others leave", || async {
        let left = (1..images.len()).filter(|number| world.weir.has_file(&layer(*number))).count();
        (left <= 2).then_some(())
    })
    .await;
    assert!(world.weir.has_file(&layer(0)), "the one that runs is the oldest, and stays");
    let asked = world.registry.count("GET", &layer(0).to_string());
    let target = format!("/v2/team/n0/blobs/{}?ns=docker.io", layer(0));
    assert_eq!(get(world.weir.mirror, &target).await.status, 200);
    assert_eq!(world.registry.count("GET", &layer(0).to_string()), asked, "served from the store");
}
