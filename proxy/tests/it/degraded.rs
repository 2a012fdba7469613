//! A full disk, an index that fails, a scanner that panics: pulls go on, with the right bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use weir_proxy::app::Overrides;
use weir_scanner::detect::{Detector, DetectorSet, FactList, Want};
use weir_scanner::fixture::{BuiltImage, ImageBuilder, LayerBuilder};
use weir_storage::index::Index;
use weir_storage::index::engine::{FaultyEngine, MemoryEngine};

use crate::support::{Image, Registry, Weir, eventually, get, noise};

fn image() -> BuiltImage {
    let status = "Package: bash\nStatus: install ok installed\nVersion: 5.2-1\nArchitecture: amd64\n\n";
    let first = LayerBuilder::new()
        .file("etc/os-release", "ID=debian\nVERSION_ID=12\n")
        .file("var/lib/dpkg/status", status)
        .file("usr/bin/big", noise(1, 3 << 20))
        .gzip();
    ImageBuilder::new().layer(first).layer(LayerBuilder::new().file("app", noise(2, 100_000)).gzip()).build()
}

async fn registry(image: &BuiltImage) -> Registry {
    Registry::with_images(&[&Image::of("team/app", "1", image)], |_| None).await
}

/// Pulls the image as a runtime does, and checks every byte.
async fn pull(weir: &Weir, image: &BuiltImage) {
    let get = async |kind: &str, what: String| get(weir.mirror, &format!("/v2/team/app/{kind}/{what}")).await;
    let index = get("manifests", "1".into()).await;
    assert_eq!((index.status, index.body), (200, image.index.clone()));
    let manifest = get("manifests", image.manifest_digest.to_string()).await;
    assert_eq!((manifest.status, manifest.body), (200, image.manifest.clone()));
    let config = get("blobs", image.config_digest.to_string()).await;
    assert_eq!((config.status, config.body), (200, image.config.clone()));
    for layer in &image.layers {
        let got = get("blobs", layer.digest.to_string()).await;
        assert!(got.status == 200 && got.whole && got.body == layer.bytes, "{} {}", got.status, got.body.len());
    }
}

async fn healthy(weir: &Weir) {
    assert_eq!(get(weir.report, "/healthz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_passes_bytes_on_and_they_are_scanned_as_they_pass() {
    let image = image();
    let registry = registry(&image).await;
    let left = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&left);
    let overrides =
        Overrides { free_space: Some(Arc::new(move |_| Ok(told.load(Ordering::SeqCst)))), ..Overrides::default() };
    let weir = Weir::over_with(&registry.url(), overrides).await;
    pull(&weir, &image).await;
    healthy(&weir).await;
    for layer in &image.layers {
        assert!(!weir.has_file(&layer.digest));
    }
    let document = weir.scanned(&image.manifest_digest).await;
    assert_eq!(document["packages"][0]["name"], "bash", "{document}");
    eventually("nothing half written stays", || async { (weir.partial_files() == 0).then_some(()) }).await;
    // Space again: the next pull is stored.
    left.store(u64::MAX, Ordering::SeqCst);
    pull(&weir, &image).await;
    for layer in &image.layers {
        assert!(weir.stored(&layer.digest).await == layer.bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_fails_costs_questions_and_no_pull() {
    let image = image();
    let registry = registry(&image).await;
    let engine = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::default())));
    let overrides = Overrides {
        index: Some(Index::new(Arc::clone(&engine) as Arc<_>)),
        scan_grace: Some(Duration::from_millis(50)),
        ..Overrides::default()
    };
    let weir = Weir::over_with(&registry.url(), overrides).await;
    for (reads, writes) in [(false, true), (true, false), (true, true)] {
        engine.fail_reads(reads);
        engine.fail_writes(writes);
        pull(&weir, &image).await;
        pull(&weir, &image).await;
        healthy(&weir).await;
        assert_eq!(get(weir.report, "/api/v1/scans").await.status, if reads { 503 } else { 200 });
    }
    // Files are the only truth about blobs: the layers were fetched once all the same.
    for layer in &image.layers {
        assert_eq!(registry.count("GET", &layer.digest.to_string()), 1);
    }
    engine.fail_reads(false);
    engine.fail_writes(false);
    // What is remembered of the image's last sighting is over by then, so this pull is noted and scanned.
    weir.clock.advance(3600);
    pull(&weir, &image).await;
    assert_eq!(weir.scanned(&image.manifest_digest).await["packages"][0]["name"], "bash");
}

/// Panics at every file.
struct Panicking;

impl Detector for Panicking {
    fn name(&self) -> &'static str {
        "panicking"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        (path == "var/lib/dpkg/status").then_some(Want::Bytes)
    }

    fn detect(&self, _path: &str, _bytes: &[u8], _facts: &mut FactList) {
        panic!("a bug in a detector");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanner_that_panics_is_a_result_and_not_an_outage() {
    let image = image();
    let registry = registry(&image).await;
    let overrides =
        Overrides { detectors: Some(DetectorSet::new(vec![Box::new(Panicking)], Vec::new())), ..Overrides::default() };
    let weir = Weir::over_with(&registry.url(), overrides).await;
    pull(&weir, &image).await;
    pull(&weir, &image).await;
    healthy(&weir).await;
    let document = weir.scanned(&image.manifest_digest).await;
    assert_ne!(document["scan"]["status"], "complete");
    let reasons = document["scan"]["reasons"].as_array().unwrap();
    assert!(reasons.iter().any(|reason| reason["code"] == "scanner_failed" && reason["layer"] == 0), "{reasons:?}");
    assert_eq!(weir.metric("weir_layer_scans_total{reason=\"scanner_failed\",result=\"failed\"}").await, 1.0);
    for layer in &image.layers {
        assert!(weir.stored(&layer.digest).await == layer.bytes);
    }
}
