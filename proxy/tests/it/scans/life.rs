//! A request's way: asked once, listed, and taken up again after a restart.

use std::collections::BTreeSet;

use serde_json::json;
use weir_proxy::app::Overrides;
use weir_scanner::oci::Digest;

use super::{ask, ended};
use crate::scan::{NEVER, image};
use crate::support::{Gate, Image, Registry, Weir, eventually, get, truth};

/// A registry with one image whose answers to a path that ends so wait for a gate.
async fn gated(end: &str, gate: &Gate) -> (Registry, Digest) {
    let (built, end, gate) = (image(), end.to_owned(), gate.clone());
    let images = vec![Image::of("team/app", "1", &built)];
    let registry = Registry::start(move |ask| {
        let answer = truth(&images, ask);
        if ask.path().ends_with(&end) { answer.gated(0, &gate) } else { answer }
    })
    .await;
    (registry, built.manifest_digest)
}

async fn state(weir: &Weir, id: &str) -> String {
    get(weir.report, &format!("/api/v1/scans/{id}")).await.json()["state"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_is_made_once_while_it_is_not_finished() {
    let gate = Gate::default();
    let (registry, _) = gated("manifests/1", &gate).await;
    let weir = Weir::over(&registry.url()).await;
    let first = ask(&weir, &json!({"reference": "team/app:1"})).await;
    eventually("the fetch", || async { (state(&weir, &first).await == "fetching").then_some(()) }).await;
    for spelt in ["docker.io/team/app:1", "index.docker.io/team/app:1"] {
        assert_eq!(ask(&weir, &json!({"reference": spelt})).await, first, "{spelt}");
    }
    let other = ask(&weir, &json!({"reference": "team/app:1", "platform": "linux/amd64"})).await;
    assert_ne!(other, first);
    gate.open();
    for id in [&first, &other] {
        assert_eq!(ended(&weir, id).await["state"], "done");
    }
    let again = ask(&weir, &json!({"reference": "team/app:1"})).await;
    assert!(again != first && ended(&weir, &again).await["state"] == "done");

    let asked = BTreeSet::from([first, other, again]);
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(weir.report, &format!("/api/v1/scans?limit=1{cursor}")).await.json();
        listed.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((listed.len(), listed.into_iter().collect::<BTreeSet<_>>()), (3, asked));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stop_interrupts_is_taken_up_by_the_next_start() {
    let built = image();
    let layer = built.layers[1].digest.to_string();
    for (end, interrupted) in [("manifests/1", "fetching"), (layer.as_str(), "scanning")] {
        let gate = Gate::default();
        let (registry, manifest) = gated(end, &gate).await;
        let url = registry.url();
        let settings = [("UPSTREAM__0__NAME", "docker.io"), ("UPSTREAM__0__URL", url.as_str())];
        let weir = Weir::start(&settings).await;
        let id = ask(&weir, &json!({"reference": "team/app:1"})).await;
        eventually(interrupted, || async { (state(&weir, &id).await == interrupted).then_some(()) }).await;
        // The work is told to end before the registry goes on: what it waits for here ends with it, what it left does not.
        let (directory, ()) = tokio::join!(weir.stop(), async { gate.open() });
        let weir = Weir::start_in(directory, &settings).await;
        let request = ended(&weir, &id).await;
        assert_eq!(request["state"], "done", "{request}");
        assert_eq!(request["images"][0]["digest"], manifest.to_string());
        assert_eq!(request["images"][0]["scan_status"], "complete");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_while_the_requested_scan_runs_is_a_pull() {
    let gate = Gate::default();
    let (registry, manifest) = gated(&image().layers[1].digest.to_string(), &gate).await;
    let weir = Weir::over(&registry.url()).await;
    let id = ask(&weir, &json!({"reference": "team/app:1"})).await;
    let last_pulled = async || {
        let got = get(weir.report, &format!("/api/v1/images/{manifest}")).await;
        (got.status == 200).then(|| got.json()["images"][0]["last_pulled"].clone())
    };
    eventually("the image's row", || async { (last_pulled().await?.is_null()).then_some(()) }).await;
    assert_eq!(get(weir.mirror, &format!("/v2/team/app/manifests/{manifest}")).await.status, 200);
    eventually("the pull is noted", || async { (!last_pulled().await?.is_null()).then_some(()) }).await;
    assert_eq!(state(&weir, &id).await, "scanning");
    gate.open();
    assert_eq!(ended(&weir, &id).await["state"], "done");
    assert!(!last_pulled().await.unwrap().is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn finished_requests_are_forgotten_after_a_month() {
    let gate = Gate::default();
    gate.open();
    let (registry, _) = gated("manifests/1", &gate).await;
    let overrides = Overrides { scan_grace: Some(NEVER), ..Overrides::default() };
    let weir = Weir::over_with(&registry.url(), overrides).await;
    let old = ask(&weir, &json!({"reference": "team/app:1"})).await;
    ended(&weir, &old).await;
    weir.clock.advance(31 * 86_400);
    let new = ask(&weir, &json!({"reference": "team/app:1"})).await;
    ended(&weir, &new).await;
    eventually("the old request is forgotten", || async {
        (get(weir.report, &format!("/api/v1/scans/{old}")).await.status == 404).then_some(())
    })
    .await;
    assert_eq!(get(weir.report, &format!("/api/v1/scans/{new}")).await.status, 200);
}
