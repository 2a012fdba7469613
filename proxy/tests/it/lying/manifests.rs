//! Manifests that are none, or not the ones asked for.

use std::sync::atomic::Ordering;

use weir_scanner::fixture::{BuiltImage, ImageBuilder, LayerBuilder};
use weir_scanner::oci::Digest;

use crate::support::{Answer, Weir, get};

use super::{REPOSITORY, image, is_get, lying_about_manifests};

#[tokio::test(flavor = "multi_thread")]
async fn manifests_that_are_none_are_refused_and_forgotten() {
    type ManifestLie = fn(&BuiltImage) -> Answer;
    let cases: &[(&str, ManifestLie)] = &[
        ("a page", |_| Answer::new(200, &[("Content-Type", "text/html; charset=utf-8")], b"<html>Sign in</html>")),
        ("a page that calls itself JSON", |_| {
            Answer::new(200, &[("Content-Type", "application/json")], b"<html></html>")
        }),
        ("nothing", |_| Answer::new(200, &[], b"")),
        ("cut", |built| {
            Answer::new(200, &[("Content-Type", "application/vnd.oci.image.index.v1+json")], &built.index).cut(20)
        }),
        ("another digest than it says", |built| {
            let digest = Digest::of(b"another").to_string();
            Answer::new(
                200,
                &[("Content-Type", "application/vnd.oci.image.index.v1+json"), ("Docker-Content-Digest", &digest)],
                &built.index,
            )
        }),
        ("too large", |_| {
            Answer::new(200, &[("Content-Type", "application/vnd.oci.image.index.v1+json")], &vec![b' '; 64 << 20])
        }),
    ];
    for (name, lie) in cases {
        let (lie, of) = (*lie, image());
        let (registry, honest, built) = lying_about_manifests(move |ask| is_get(ask).then(|| lie(&of))).await;
        let weir = Weir::over(&registry.url()).await;
        let target = format!("/v2/{REPOSITORY}/manifests/1");
        let got = get(weir.mirror, &target).await;
        assert_eq!((got.status, got.code().as_str()), (502, "UNAVAILABLE"), "{name}");
        assert_eq!(weir.report_on(&built.index_digest).await.status, 404, "{name}: it is known");
        honest.store(true, Ordering::SeqCst);
        let got = get(weir.mirror, &target).await;
        assert_eq!((got.status, got.body), (200, built.index.clone()), "{name}");
        weir.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_is_answered_with_its_own_bytes_only() {
    let other = ImageBuilder::new().layer(LayerBuilder::new().file("other", "x").gzip()).build();
    let (registry, honest, built) = lying_about_manifests(move |_| {
        Some(Answer::new(200, &[("Content-Type", "application/vnd.oci.image.index.v1+json")], &other.index))
    })
    .await;
    let weir = Weir::over(&registry.url()).await;
    let target = format!("/v2/{REPOSITORY}/manifests/{}", built.index_digest);
    let got = get(weir.mirror, &target).await;
    assert_eq!((got.status, got.code().as_str()), (502, "UNAVAILABLE"));
    honest.store(true, Ordering::SeqCst);
    assert_eq!(get(weir.mirror, &target).await.body, built.index);
}
