//! Refusals: what a status upstream becomes downstream.

use std::sync::atomic::Ordering;

use crate::support::{Answer, Weir, get, head};

use super::{Liar, REPOSITORY, Seen, is_get, lying_about_manifests};

/// What a status upstream becomes downstream, for a blob and for a manifest.
const STATUSES: [(u16, u16, &str); 11] = [
    (400, 502, "UNAVAILABLE"),
    (401, 403, "DENIED"),
    (403, 403, "DENIED"),
    (404, 404, "BLOB_UNKNOWN"),
    (408, 502, "UNAVAILABLE"),
    (410, 502, "UNAVAILABLE"),
    (429, 503, "UNAVAILABLE"),
    (500, 502, "UNAVAILABLE"),
    (502, 502, "UNAVAILABLE"),
    (503, 502, "UNAVAILABLE"),
    (504, 502, "UNAVAILABLE"),
];

fn refusal(status: u16) -> Answer {
    let body: &[u8] = if status == 404 { br#"{"errors":[{"code":"NAME_UNKNOWN","message":"no"}]}"# } else { b"{}" };
    Answer::new(status, &[("Content-Type", "application/json"), ("Retry-After", "120")], body)
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_a_blob_arrive_as_their_kind() {
    for (upstream, status, code) in STATUSES {
        // Refused from the start, and refused only once the HEAD has passed.
        for head_passes in [false, true] {
            let name = format!("{upstream}, HEAD passes: {head_passes}");
            let liar = Liar::start(move |ask, _, _| (!head_passes || is_get(ask)).then(|| refusal(upstream))).await;
            let weir = Weir::over(&liar.registry.url()).await;
            let got = get(weir.mirror, &liar.target()).await;
            liar.check(&name, &got, Seen::Refused(status, code));
            assert_eq!(got.header("retry-after"), (upstream == 429).then_some("120"), "{name}");
            weir.clock.advance(6);
            liar.judge_after(&name, &weir).await;
            weir.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_a_manifest_arrive_as_their_kind() {
    for (upstream, status, code) in STATUSES {
        let code = if code == "BLOB_UNKNOWN" { "MANIFEST_UNKNOWN" } else { code };
        for by_digest in [false, true] {
            let (registry, honest, built) = lying_about_manifests(move |_| Some(refusal(upstream))).await;
            let weir = Weir::over(&registry.url()).await;
            let reference = if by_digest { built.index_digest.to_string() } else { "1".to_owned() };
            let target = format!("/v2/{REPOSITORY}/manifests/{reference}");
            assert_eq!(head(weir.mirror, &target).await.status, status, "{upstream} for {reference}");
            weir.clock.advance(6);
            let got = get(weir.mirror, &target).await;
            assert_eq!((got.status, got.code().as_str()), (status, code), "{upstream} for {reference}");
            assert_eq!(got.header("retry-after"), (upstream == 429).then_some("120"), "{upstream} for {reference}");
            honest.store(true, Ordering::SeqCst);
            weir.clock.advance(6);
            let got = get(weir.mirror, &target).await;
            assert_eq!((got.status, got.body), (200, built.index), "{upstream} for {reference}");
            weir.stop().await;
        }
    }
}
