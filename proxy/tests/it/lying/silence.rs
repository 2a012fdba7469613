//! Slow loris: an upstream that holds its connection and says nothing more.

use std::time::Duration;

use weir_proxy::app::Overrides;
use weir_proxy::upstream::UpstreamLimits;
use weir_scanner::oci::Digest;

use crate::support::{Answer, Ask, Gate, Image, Registry, Weir, get, noise};

const LENGTH: usize = 300_000;

/// weir that waits a moment for a silent upstream instead of a minute.
async fn impatient(url: &str) -> Weir {
    let moment = Duration::from_millis(200);
    let limits = UpstreamLimits { response_timeout: moment, body_idle_timeout: moment, ..UpstreamLimits::default() };
    Weir::over_with(url, Overrides { upstream_limits: Some(limits), ..Overrides::default() }).await
}

/// A registry whose every body stands still for ever after `count` bytes of the answer, whenever `silent` says so.
async fn registry(bytes: &[u8], count: usize, silent: fn(&Ask) -> bool) -> Registry {
    let (never, right) = (Gate::default(), bytes.to_vec());
    Registry::with_images(&[&Image::of_blobs("team/app", &[bytes])], move |ask: &Ask| {
        (ask.method == "GET" && silent(ask)).then(|| Answer::new(200, &[], &right).gated(count, &never))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_falls_silent_is_continued_unseen() {
    let bytes = noise(1, LENGTH);
    let registry = registry(&bytes, LENGTH / 2, |ask| ask.range_start().is_none()).await;
    let weir = impatient(&registry.url()).await;
    let got = get(weir.mirror, &format!("/v2/team/app/blobs/{}", Digest::of(&bytes))).await;
    assert!(got.status == 200 && got.whole && got.body == bytes);
    assert_eq!(weir.stored(&Digest::of(&bytes)).await, bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stays_silent_ends_short_and_leaves_nothing() {
    let bytes = noise(2, LENGTH);
    let digest = Digest::of(&bytes);
    let registry = registry(&bytes, LENGTH / 2, |_| true).await;
    let weir = impatient(&registry.url()).await;
    let got = get(weir.mirror, &format!("/v2/team/app/blobs/{digest}")).await;
    assert!(got.status == 200 && !got.whole && bytes.starts_with(&got.body), "{} bytes", got.body.len());
    assert!(!weir.has_file(&digest) && weir.partial_files() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_before_the_answer_is_a_502_with_its_cause() {
    let (bytes, never) = (noise(3, LENGTH), Gate::default());
    let registry = Registry::with_images(&[&Image::of_blobs("team/app", &[&bytes])], move |ask: &Ask| {
        (ask.method == "GET").then(|| Answer { gate: Some((0, never.clone())), ..Answer::new(200, &[], b"late") })
    })
    .await;
    let weir = impatient(&registry.url()).await;
    let got = get(weir.mirror, &format!("/v2/team/app/blobs/{}", Digest::of(&bytes))).await;
    assert_eq!((got.status, got.code().as_str()), (502, "UNAVAILABLE"));
    let cause = got.json()["errors"][0]["detail"]["cause"].as_str().unwrap().to_owned();
    assert!(cause.contains("no answer within"), "{cause}");
}
