//! `access = "client"`: what one may read is not given to another, in any form.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::tempdir;
use weir_proxy::app::Overrides;
use weir_scanner::fixture::{BuiltImage, ImageBuilder, LayerBuilder};

use crate::support::{Answer, Ask, Gate, Got, Image, Registry, Weir, eventually, get, get_with, request, truth};

const ALICE: (&str, &str) = ("Authorization", "Bearer alice");
const MALLORY: (&str, &str) = ("Authorization", "Bearer mallory");

fn image() -> BuiltImage {
    let release = LayerBuilder::new().file("etc/os-release", "ID=debian\nVERSION_ID=12\n").gzip();
    ImageBuilder::new().layer(release).layer(LayerBuilder::new().file("secret", "s").gzip()).build()
}

/// The registry's word for who comes without a token it knows.
fn challenge(ask: &Ask) -> Answer {
    let host = ask.header("host").unwrap();
    let challenge =
        format!("Bearer realm=\"http://{host}/token\",service=\"registry\",scope=\"repository:team/private:pull\"");
    Answer::new(401, &[("WWW-Authenticate", &challenge)], br#"{"errors":[{"code":"UNAUTHORIZED","message":"no"}]}"#)
}

fn is_alice(ask: &Ask) -> bool {
    ask.header("authorization") == Some(ALICE.1)
}

/// A registry that shows its one image to Alice, and to nobody once `revoked`.
async fn private(image: &BuiltImage, revoked: Arc<AtomicBool>) -> Registry {
    let images = vec![Image::of("team/private", "1", image)];
    Registry::start(
        move |ask| {
            if is_alice(ask) && !revoked.load(Ordering::SeqCst) { truth(&images, ask) } else { challenge(ask) }
        },
    )
    .await
}

async fn start(url: &str, grace: Duration) -> Weir {
    let settings = [("UPSTREAM__0__NAME", "ghcr.io"), ("UPSTREAM__0__URL", url), ("UPSTREAM__0__ACCESS", "client")];
    let overrides = Overrides { scan_grace: Some(grace), ..Overrides::default() };
    Weir::start_with(tempdir().unwrap(), &settings, overrides).await
}

const LONG: Duration = Duration::from_secs(3600);

fn refused(got: &Got, what: &str) {
    assert_eq!(got.status, 401, "{what}: {:?}", String::from_utf8_lossy(&got.body));
    assert_eq!(got.code(), "UNAUTHORIZED", "{what}");
    assert!(got.header("www-authenticate").unwrap().contains("scope=\"repository:team/private:pull\""), "{what}");
}

fn places(image: &BuiltImage) -> Vec<String> {
    let at = |kind: &str, what: &str| format!("/v2/ghcr.io/team/private/{kind}/{what}");
    let mut places = vec![
        at("manifests", "1"),
        at("manifests", &image.index_digest.to_string()),
        at("manifests", &image.manifest_digest.to_string()),
        at("blobs", &image.config_digest.to_string()),
        at("tags", "list"),
    ];
    places.extend(image.layers.iter().map(|layer| at("blobs", &layer.digest.to_string())));
    places
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cached_for_one_is_refused_to_others_and_to_nobody() {
    let (image, revoked) = (image(), Arc::new(AtomicBool::new(false)));
    let registry = private(&image, Arc::clone(&revoked)).await;
    let weir = start(&registry.url(), LONG).await;
    for place in places(&image) {
        refused(&get(weir.mirror, &place).await, &place);
        assert_eq!(get_with(weir.mirror, &place, &[ALICE]).await.status, 200, "{place}");
    }
    // All of it is stored now.
    for place in places(&image) {
        for others in [&[MALLORY][..], &[], &[("Authorization", "Basic YWxpY2U6")]] {
            for range in [None, Some(("Range", "bytes=0-0")), Some(("Range", "bytes=99999999-"))] {
                let headers: Vec<_> = others.iter().copied().chain(range).collect();
                refused(&get_with(weir.mirror, &place, &headers).await, &place);
                assert_eq!(request(weir.mirror, "HEAD", &place, &headers).await.status, 401, "{place}");
            }
        }
    }
    // The one who is known is served without the registry being asked.
    let before = registry.asked().len();
    for place in places(&image).iter().filter(|place| !place.ends_with("tags/list")) {
        assert_eq!(get_with(weir.mirror, place, &[ALICE]).await.status, 200, "{place}");
    }
    assert_eq!(registry.asked().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_expires_and_a_withdrawn_right_ends() {
    let (image, revoked) = (image(), Arc::new(AtomicBool::new(false)));
    let registry = private(&image, Arc::clone(&revoked)).await;
    let weir = start(&registry.url(), LONG).await;
    let places: Vec<String> = places(&image).into_iter().filter(|place| !place.ends_with("tags/list")).collect();
    for place in &places {
        assert_eq!(get_with(weir.mirror, place, &[ALICE]).await.status, 200);
    }
    revoked.store(true, Ordering::SeqCst);
    weir.clock.advance(60);
    for place in &places {
        assert_eq!(get_with(weir.mirror, place, &[ALICE]).await.status, 200, "still within the proof: {place}");
    }
    weir.clock.advance(61);
    for place in &places {
        refused(&get_with(weir.mirror, place, &[ALICE]).await, place);
    }
    revoked.store(false, Ordering::SeqCst);
    for place in &places {
        assert_eq!(get_with(weir.mirror, place, &[ALICE]).await.status, 200, "{place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_in_flight_is_joined_by_those_who_may_only() {
    let image = image();
    let layer = image.layers[1].clone();
    let images = vec![Image::of("team/private", "1", &image)];
    let (gate, digest) = (Gate::default(), layer.digest.to_string());
    let held = gate.clone();
    let registry = Registry::start(move |ask| {
        let known = is_alice(ask) || ask.header("authorization") == Some("Bearer bob");
        let answer = if known { truth(&images, ask) } else { return challenge(ask) };
        if ask.method == "GET" && ask.path().ends_with(&digest) { answer.gated(10, &held) } else { answer }
    })
    .await;
    let weir = start(&registry.url(), LONG).await;
    let place = format!("/v2/ghcr.io/team/private/blobs/{}", layer.digest);
    let ask = |who: &'static str| {
        let (address, place) = (weir.mirror, place.clone());
        tokio::spawn(async move { get_with(address, &place, &[("Authorization", who)]).await })
    };
    let alice = ask(ALICE.1);
    eventually("the fetch began", || async { (registry.count("GET", &layer.digest.to_string()) == 1).then_some(()) })
        .await;
    // Mallory is refused while the fetch is open, and the fetch is none the worse for it.
    refused(&get_with(weir.mirror, &place, &[MALLORY]).await, "mallory in flight");
    refused(&get(weir.mirror, &place).await, "nobody in flight");
    let bob = ask("Bearer bob");
    eventually("bob proved himself", || async {
        registry
            .asked()
            .iter()
            .any(|ask| ask.method == "HEAD" && ask.header("authorization") == Some("Bearer bob"))
            .then_some(())
    })
    .await;
    gate.open();
    for got in [alice.await.unwrap(), bob.await.unwrap()] {
        assert!(got.status == 200 && got.whole && got.body == layer.bytes);
    }
    assert_eq!(registry.count("GET", &layer.digest.to_string()), 1, "bob's own right, one fetch");
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_nobody_asked_for_are_fetched_in_the_readers_name() {
    let (image, revoked) = (image(), Arc::new(AtomicBool::new(false)));
    let registry = private(&image, revoked).await;
    let weir = start(&registry.url(), Duration::from_millis(50)).await;
    let manifest = format!("/v2/ghcr.io/team/private/manifests/{}", image.manifest_digest);
    assert_eq!(get_with(weir.mirror, &manifest, &[ALICE]).await.status, 200);
    let document = eventually("the scan", || async {
        let got = weir.report_on(&image.manifest_digest).await;
        (got.status == 200 && got.json()["scan"]["status"] == "complete").then(|| got.json())
    })
    .await;
    assert_eq!(document["layers"].as_array().unwrap().len(), 2);
    assert!(registry.asked().iter().all(is_alice), "weir came in another name");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_reader_the_image_stays_partial_and_says_so() {
    let (image, revoked) = (image(), Arc::new(AtomicBool::new(false)));
    let registry = private(&image, Arc::clone(&revoked)).await;
    let weir = start(&registry.url(), Duration::from_secs(2)).await;
    let at = |kind: &str, digest| format!("/v2/ghcr.io/team/private/{kind}/{digest}");
    assert_eq!(get_with(weir.mirror, &at("blobs", image.layers[0].digest), &[ALICE]).await.status, 200);
    assert_eq!(get_with(weir.mirror, &at("blobs", image.config_digest), &[ALICE]).await.status, 200);
    assert_eq!(get_with(weir.mirror, &at("manifests", image.manifest_digest), &[ALICE]).await.status, 200);
    // The proof runs out while weir waits for a client to ask for the second layer.
    eventually("the first layer was read", || async {
        let got = get(weir.report, &format!("/api/v1/layers/{}", image.layers[0].digest)).await;
        (got.status == 200 && got.json()["scan"]["status"] == "complete").then_some(())
    })
    .await;
    weir.clock.advance(121);
    let document = weir.scanned(&image.manifest_digest).await;
    assert_eq!(document["scan"]["status"], "partial");
    let reasons = document["scan"]["reasons"].as_array().unwrap();
    assert!(reasons.iter().any(|reason| reason["code"] == "missing_layers" && reason["layer"] == 1), "{reasons:?}");
    assert_eq!(registry.count("GET", &image.layers[1].digest.to_string()), 0);
}

/// Some registries take an index that names manifests its repository does not hold.
#[tokio::test(flavor = "multi_thread")]
async fn naming_private_content_in_one_s_own_index_opens_none_of_it() {
    let image = image();
    let mut own = Image::of("mallory/own", "1", &image);
    own.contents.retain(|digest, _| *digest == image.index_digest);
    own.manifest.0 = image.index_digest;
    let images = vec![Image::of("team/private", "1", &image), own];
    let registry = Registry::start(move |ask| {
        let own = ask.path().starts_with("/v2/mallory/own/") && ask.header("authorization") == Some(MALLORY.1);
        if is_alice(ask) || own { truth(&images, ask) } else { challenge(ask) }
    })
    .await;
    let weir = start(&registry.url(), LONG).await;
    for place in places(&image) {
        assert_eq!(get_with(weir.mirror, &place, &[ALICE]).await.status, 200, "{place}");
    }
    let index = format!("/v2/ghcr.io/mallory/own/manifests/{}", image.index_digest);
    assert_eq!(get_with(weir.mirror, &index, &[MALLORY]).await.status, 200);
    let layers = image.layers.iter().map(|layer| format!("blobs/{}", layer.digest));
    for what in layers.chain([format!("manifests/{}", image.manifest_digest), format!("blobs/{}", image.config_digest)])
    {
        let got = get_with(weir.mirror, &format!("/v2/ghcr.io/mallory/own/{what}"), &[MALLORY]).await;
        assert_eq!(got.status, 404, "{what}");
    }
}
