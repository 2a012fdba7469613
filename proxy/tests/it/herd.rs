//! Many clients, one blob that nobody has yet: one fetch upstream, and every body right.

use weir_scanner::oci::Digest;

use crate::support::{Answer, Ask, Gate, Image, Registry, Weir, eventually, get, get_with, noise};

const CLIENTS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_clients_cost_one_fetch() {
    let bytes = noise(1, 2 << 20);
    let (gate, right) = (Gate::default(), bytes.clone());
    let held = gate.clone();
    // The fetch stands still midway until every client waits on it, so none can be served from the store by luck.
    let registry = Registry::with_images(&[&Image::of_blobs("team/app", &[&bytes])], move |ask: &Ask| {
        (ask.method == "GET").then(|| Answer::new(200, &[], &right).gated(1 << 20, &held))
    })
    .await;
    let weir = Weir::over(&registry.url()).await;
    let target = format!("/v2/team/app/blobs/{}", Digest::of(&bytes));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (address, target) = (weir.mirror, target.clone());
            tokio::spawn(async move {
                // Every tenth asks as containerd's parallel fetcher does.
                let start = if number % 10 == 0 { number * 5000 } else { 0 };
                let range = format!("bytes={start}-");
                let got = if start > 0 {
                    get_with(address, &target, &[("Range", &range)]).await
                } else {
                    get(address, &target).await
                };
                (start, got)
            })
        })
        .collect();
    let counted = |result: &str| format!("weir_blob_requests_total{{result=\"{result}\",upstream=\"docker.io\"}}");
    eventually("every client waits on one fetch", || async {
        let joined = weir.metric(&counted("joined")).await;
        (joined >= (CLIENTS - 1) as f64).then_some(())
    })
    .await;
    gate.open();
    for client in clients {
        let (start, got) = client.await.unwrap();
        assert_eq!(got.status, if start > 0 { 206 } else { 200 });
        assert!(got.whole && got.body == bytes[start..], "a client of {start} got {} bytes", got.body.len());
    }
    assert_eq!(registry.count("GET", &Digest::of(&bytes).to_string()), 1);
    assert_eq!(weir.metric(&counted("fetched")).await, 1.0);
    assert_eq!(weir.stored(&Digest::of(&bytes)).await, bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_herd_at_one_tag_asks_once() {
    let image = weir_scanner::fixture::ImageBuilder::new().build();
    let registry = Registry::with_images(&[&Image::of("team/app", "1", &image)], |_| None).await;
    let weir = Weir::over(&registry.url()).await;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let address = weir.mirror;
            tokio::spawn(async move { get(address, "/v2/team/app/manifests/1").await })
        })
        .collect();
    for client in clients {
        assert_eq!(client.await.unwrap().body, image.index);
    }
    assert_eq!(registry.count("GET", "/manifests/1") + registry.count("HEAD", "/manifests/1"), 1);
}
