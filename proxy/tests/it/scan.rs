//! Images pulled through the mirror, and what the report says of them.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use weir_proxy::app::Overrides;
use weir_scanner::fixture::{BuiltImage, BuiltLayer, ImageBuilder, LayerBuilder};
use weir_scanner::oci::{Digest, MediaType};

use crate::support::{Image, Registry, Weir, get, head};

const SOON: Duration = Duration::from_millis(50);
pub(crate) const NEVER: Duration = Duration::from_secs(3600);

fn debian() -> BuiltLayer {
    let status = "Package: libssl3\nStatus: install ok installed\nSource: openssl\nVersion: 3.0.11-1~deb12u1\nArchitecture: amd64\n\n\
                  Package: bash\nStatus: install ok installed\nVersion: 5.2.15-2\nArchitecture: amd64\n\n";
    LayerBuilder::new()
        .file("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n")
        .file("var/lib/dpkg/status", status)
        .gzip()
}

fn python() -> BuiltLayer {
    let metadata = "Metadata-Version: 2.1\nName: requests\nVersion: 2.19.0\n\n";
    LayerBuilder::new().file("usr/lib/python3/dist-packages/requests-2.19.0.dist-info/METADATA", metadata).zstd()
}

pub(crate) fn image() -> BuiltImage {
    ImageBuilder::new().layer_by(debian(), "ADD rootfs.tar /").layer_by(python(), "RUN pip install requests").build()
}

/// weir over a registry with these images, each under its number as a tag of `team/app`.
pub(crate) async fn over(images: &[&BuiltImage], grace: Duration, feeds: &[(&str, &[Value])]) -> (Registry, Weir) {
    let held: Vec<Image> =
        (1..).zip(images).map(|(tag, image)| Image::of("team/app", &format!("{tag}"), image)).collect();
    let registry = Registry::with_images(&held.iter().collect::<Vec<_>>(), |_| None).await;
    let directory = tempfile::tempdir().unwrap();
    for (ecosystem, records) in feeds {
        write_feed(&directory.path().join("feeds").join(ecosystem), records);
    }
    let url = registry.url();
    let settings = [("UPSTREAM__0__NAME", "docker.io"), ("UPSTREAM__0__URL", url.as_str())];
    let overrides = Overrides { scan_grace: Some(grace), ..Overrides::default() };
    let weir = Weir::start_with(directory, &settings, overrides).await;
    (registry, weir)
}

/// A feed as the OSV bucket lays it out.
pub(crate) fn write_feed(directory: &Path, records: &[Value]) {
    std::fs::create_dir_all(directory).unwrap();
    let mut zip = zip::ZipWriter::new(std::fs::File::create(directory.join("all.zip")).unwrap());
    for record in records {
        let name = format!("{}.json", record["id"].as_str().unwrap());
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(record.to_string().as_bytes()).unwrap();
    }
    zip.finish().unwrap();
}

pub(crate) fn advisory(id: &str, cve: &str, ecosystem: &str, package: &str, fixed: &str) -> Value {
    json!({
        "id": id, "modified": "2026-01-02T03:04:05Z", "summary": "a flaw", "upstream": [cve],
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}],
        "affected": [{
            "package": {"ecosystem": ecosystem, "name": package},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
        }],
    })
}

/// Pulls as containerd does: the tag's HEAD, then everything by digest.
pub(crate) async fn pull(weir: &Weir, tag: u32, image: &BuiltImage) {
    assert_eq!(head(weir.mirror, &format!("/v2/team/app/manifests/{tag}?ns=docker.io")).await.status, 200);
    let at = |kind: &str, digest: Digest| format!("/v2/team/app/{kind}/{digest}?ns=docker.io");
    assert_eq!(get(weir.mirror, &at("manifests", image.index_digest)).await.body, image.index);
    assert_eq!(get(weir.mirror, &at("manifests", image.manifest_digest)).await.body, image.manifest);
    assert_eq!(get(weir.mirror, &at("blobs", image.config_digest)).await.body, image.config);
    for layer in &image.layers {
        assert_eq!(get(weir.mirror, &at("blobs", layer.digest)).await.body, layer.bytes);
    }
}

/// The codes of a document's reasons with their layers.
fn reasons(document: &Value) -> Vec<(String, Option<u64>)> {
    let reason = |reason: &Value| (reason["code"].as_str().unwrap().to_owned(), reason["layer"].as_u64());
    document["scan"]["reasons"].as_array().unwrap().iter().map(reason).collect()
}

/// Name, version and layer of every package, sorted.
fn packages(document: &Value) -> Vec<(&str, &str, u64)> {
    let mut found: Vec<_> = document["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let text = |key: &str| package[key].as_str().unwrap();
            (text("name"), text("version"), package["layer"].as_u64().unwrap())
        })
        .collect();
    found.sort_unstable();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pulled_image_is_read_matched_and_reported() {
    let image = image();
    let feed = [
        advisory("DSA-1-1", "CVE-2024-0001", "Debian:12", "openssl", "3.0.11-1~deb12u2"),
        advisory("DSA-2-1", "CVE-2024-0002", "Debian:12", "openssl", "3.0.11-1~deb12u1"),
        advisory("DSA-3-1", "CVE-2024-0003", "Debian:11", "bash", "9"),
    ];
    let (registry, weir) = over(&[&image], NEVER, &[("Debian", &feed)]).await;
    pull(&weir, 1, &image).await;
    let document = weir.scanned(&image.manifest_digest).await;
    assert_eq!(document["scan"]["status"], "complete");
    assert_eq!(reasons(&document), []);
    assert_eq!(document["image"]["digest"], image.manifest_digest.to_string());
    assert_eq!(document["image"]["reference"], "docker.io/team/app:1");
    assert_eq!(document["image"]["platform"], "linux/amd64");
    assert_eq!((&document["image"]["os"]["id"], &document["image"]["os"]["version"]), (&json!("debian"), &json!("12")));
    assert_eq!(
        packages(&document),
        [("bash", "5.2.15-2", 0), ("libssl3", "3.0.11-1~deb12u1", 0), ("requests", "2.19.0", 1)]
    );
    for (index, layer) in image.layers.iter().enumerate() {
        let shown = &document["layers"][index];
        assert_eq!((&shown["index"], &shown["digest"]), (&json!(index), &json!(layer.digest)));
        assert_eq!((&shown["diff_id"], &shown["size_bytes"]), (&json!(layer.diff_id), &json!(layer.bytes.len())));
    }
    assert_eq!(document["layers"][1]["created_by"], "RUN pip install requests");
    assert_eq!(document["build_history"].as_array().unwrap().len(), 2);

    // One of Debian's two advisories for this version is fixed in it, one is not; another release's says nothing here.
    let vulnerabilities = document["vulnerabilities"].as_array().unwrap();
    assert_eq!(vulnerabilities.len(), 1, "{vulnerabilities:?}");
    let found = &vulnerabilities[0];
    assert_eq!((&found["id"], &found["layer"]), (&json!("CVE-2024-0001"), &json!(0)));
    assert_eq!(found["fixed_version"], "3.0.11-1~deb12u2");
    assert!(found["package"].as_str().unwrap().starts_with("pkg:deb/debian/libssl3@3.0.11-1~deb12u1"), "{found}");
    assert_eq!((&found["severity"], &found["cvss"]["score"]), (&json!("high"), &json!(7.5)));
    assert_eq!(found["first_seen"], document["scan"]["matched_at"]);
    let feeds = document["coverage"]["feeds"].as_array().unwrap();
    assert_eq!((feeds.len(), &feeds[0]["ecosystem"], &feeds[0]["records"]), (1, &json!("Debian:12"), &json!(2)));
    assert_eq!(document["coverage"]["missing_feeds"], json!(["PyPI"]));

    // Every digest the image goes by leads to the same result.
    for alias in [image.index_digest, image.config_digest] {
        assert_eq!(weir.report_on(&alias).await.json(), document, "{alias}");
        let known = get(weir.report, &format!("/api/v1/images/{alias}")).await.json();
        assert_eq!(known["images"][0]["digest"], image.manifest_digest.to_string());
    }
    let listed = get(weir.report, "/api/v1/images").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    // It was read while it streamed: nothing was fetched for it.
    for layer in &image.layers {
        assert_eq!(registry.count("GET", &layer.digest.to_string()), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_is_null_and_never_an_empty_list() {
    let image = image();
    let (_registry, weir) = over(&[&image], NEVER, &[]).await;
    // Seen, and no layer asked for yet: nothing is known.
    let target = format!("/v2/team/app/manifests/{}", image.manifest_digest);
    assert_eq!(get(weir.mirror, &target).await.status, 200);
    let document = crate::support::eventually("the image's row", || async {
        let got = weir.report_on(&image.manifest_digest).await;
        (got.status == 200).then(|| got.json())
    })
    .await;
    assert!(["queued", "scanning"].contains(&document["scan"]["status"].as_str().unwrap()), "{document}");
    assert_eq!(document["vulnerabilities"], Value::Null);
    // Read and matched with no feed at all: still nothing is known of vulnerabilities.
    pull(&weir, 1, &image).await;
    let document = weir.scanned(&image.manifest_digest).await;
    assert_eq!((&document["scan"]["status"], &document["vulnerabilities"]), (&json!("complete"), &Value::Null));
    assert_eq!(document["packages"].as_array().unwrap().len(), 3);
    // Never seen at all.
    let got = weir.report_on(&Digest::of(b"never")).await;
    assert_eq!((got.status, got.header("content-type")), (404, Some("application/problem+json")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_with_two_platforms_seen_asks_which() {
    let (amd, arm) = (image(), ImageBuilder::new().platform("linux", "arm64").layer(debian()).build());
    let entry = |image: &BuiltImage, architecture: &str| {
        json!({"mediaType": MediaType::OCI_MANIFEST, "digest": image.manifest_digest, "size": image.manifest.len(),
               "platform": {"os": "linux", "architecture": architecture}})
    };
    let both = json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX,
                      "manifests": [entry(&amd, "amd64"), entry(&arm, "arm64")]});
    let mut first = amd.clone();
    first.index = both.to_string().into_bytes();
    first.index_digest = Digest::of(&first.index);
    let (_registry, weir) = over(&[&first, &arm], NEVER, &[]).await;
    pull(&weir, 1, &first).await;
    weir.scanned(&amd.manifest_digest).await;
    // One of two is known here, so there is nothing to ask.
    let got = weir.report_on(&first.index_digest).await;
    assert_eq!((got.status, got.json()["image"]["digest"].clone()), (200, json!(amd.manifest_digest)));
    pull(&weir, 2, &arm).await;
    weir.scanned(&arm.manifest_digest).await;
    let got = weir.report_on(&first.index_digest).await;
    assert_eq!((got.status, got.json()["platforms"].clone()), (409, json!(["linux/amd64", "linux/arm64"])));
    let target = format!("/api/v1/images/{}/report?platform=linux/arm64", first.index_digest);
    assert_eq!(get(weir.report, &target).await.json()["image"]["digest"], arm.manifest_digest.to_string());
    let target = format!("/api/v1/images/{}/report?platform=linux/s390x", first.index_digest);
    assert_eq!(get(weir.report, &target).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_layer_is_decoded_once() {
    let first = image();
    let second =
        ImageBuilder::new().layer(debian()).layer(LayerBuilder::new().whiteout("var/lib/dpkg/status").gzip()).build();
    let (_registry, weir) = over(&[&first, &second], NEVER, &[]).await;
    let scans = "weir_layer_scans_total{reason=\"none\",result=\"complete\"}";
    pull(&weir, 1, &first).await;
    weir.scanned(&first.manifest_digest).await;
    assert_eq!(weir.metric(scans).await, 2.0);
    pull(&weir, 2, &second).await;
    let document = weir.scanned(&second.manifest_digest).await;
    assert_eq!(weir.metric(scans).await, 3.0, "four layers, one of them shared");
    assert_eq!(packages(&document), [], "the second image hides the database");
    let layer = get(weir.report, &format!("/api/v1/layers/{}", first.layers[0].digest)).await.json();
    assert_eq!(layer["images"].as_array().unwrap().len(), 2);
    assert_eq!(weir.metric("weir_scan_queue_length").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_nobody_asks_for_are_fetched_in_the_background() {
    let image = image();
    let (registry, weir) = over(&[&image], SOON, &[]).await;
    assert_eq!(get(weir.mirror, &format!("/v2/team/app/manifests/{}", image.manifest_digest)).await.status, 200);
    let document = weir.scanned(&image.manifest_digest).await;
    assert_eq!((&document["scan"]["status"], packages(&document).len()), (&json!("complete"), 3));
    for layer in &image.layers {
        assert_eq!(registry.count("GET", &layer.digest.to_string()), 1);
        // A client that comes later is served from the store.
        let target = format!("/v2/team/app/blobs/{}", layer.digest);
        assert_eq!(get(weir.mirror, &target).await.body, layer.bytes);
        assert_eq!(registry.count("GET", &layer.digest.to_string()), 1);
    }
    assert_eq!(
        weir.metric("weir_blob_requests_total{result=\"fetched\",upstream=\"docker.io\"}").await,
        0.0,
        "no client fetched"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_makes_the_image_partial_and_is_named() {
    let plain = |name: &str| LayerBuilder::new().file(name, "x").gzip();
    let typed = |media_type: &str| BuiltLayer { media_type: MediaType::new(media_type), ..plain("f") };
    let mut lying = plain("g");
    lying.diff_id = Digest::of(b"another tar");
    let mut broken = plain("h");
    broken.bytes.truncate(broken.bytes.len() - 12);
    broken.digest = Digest::of(&broken.bytes);
    let cases = [
        ("foreign_layer", typed("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")),
        ("unsupported_media_type", typed("application/vnd.example.model")),
        ("diff_id_mismatch", lying),
        ("decode_failed", broken),
        ("encrypted_layer", typed("application/vnd.oci.image.layer.v1.tar+gzip+encrypted")),
        ("malformed_database", plain("app/service.jar")),
        ("malformed_database", plain("var/lib/rpm/rpmdb.sqlite")),
    ];
    for (code, layer) in cases {
        let image = ImageBuilder::new().layer(debian()).layer(layer).build();
        let (_registry, weir) = over(&[&image], SOON, &[]).await;
        assert_eq!(get(weir.mirror, &format!("/v2/team/app/manifests/{}", image.manifest_digest)).await.status, 200);
        let document = weir.scanned(&image.manifest_digest).await;
        assert_eq!(document["scan"]["status"], "partial", "{code}");
        assert!(reasons(&document).contains(&(code.to_owned(), Some(1))), "{code}: {:?}", reasons(&document));
        assert_eq!(packages(&document).len(), 2, "{code}: what was read is shown");
        weir.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_cannot_be_fetched_leaves_the_image_partial_until_it_can() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    let image = image();
    let (gone, missing) = (Arc::new(AtomicBool::new(true)), image.layers[1].digest.to_string());
    let told = Arc::clone(&gone);
    let registry = Registry::with_images(&[&Image::of("team/app", "1", &image)], move |ask| {
        let refused = told.load(Ordering::SeqCst) && ask.path().ends_with(&missing);
        refused.then(|| crate::support::Answer::new(403, &[], b"{}"))
    })
    .await;
    let overrides = Overrides { scan_grace: Some(SOON), ..Overrides::default() };
    let weir = Weir::over_with(&registry.url(), overrides).await;
    let target = format!("/v2/team/app/manifests/{}", image.manifest_digest);
    assert_eq!(get(weir.mirror, &target).await.status, 200);
    let document = weir.scanned(&image.manifest_digest).await;
    assert_eq!(document["scan"]["status"], "partial");
    assert_eq!(reasons(&document), [("missing_layers".to_owned(), Some(1))]);
    gone.store(false, Ordering::SeqCst);
    // Pulled again later: weir looks again.
    weir.clock.advance(301);
    assert_eq!(get(weir.mirror, &target).await.status, 200);
    let complete = crate::support::eventually("the image heals", || async {
        let document = weir.report_on(&image.manifest_digest).await.json();
        (document["scan"]["status"] == "complete").then_some(document)
    })
    .await;
    assert_eq!(packages(&complete).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_begins_with_a_known_one_shows_it_as_its_base() {
    let key =
        format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n", "MIIEpAIBAAKCAQEA".repeat(40));
    let base = ImageBuilder::new().layer_by(debian(), "ADD rootfs.tar /").build();
    let built = ImageBuilder::new()
        .layer_by(debian(), "ADD rootfs.tar /")
        .layer_by(LayerBuilder::new().file("root/.ssh/id_rsa", &key).gzip(), "COPY id_rsa .ssh/")
        .layer_by(LayerBuilder::new().whiteout("root/.ssh/id_rsa").gzip(), "RUN rm .ssh/id_rsa")
        .build();
    let (_registry, weir) = over(&[&base, &built], SOON, &[]).await;
    for image in [&base, &built] {
        let manifest = format!("/v2/team/app/manifests/{}", image.manifest_digest);
        assert_eq!(get(weir.mirror, &manifest).await.status, 200);
        weir.scanned(&image.manifest_digest).await;
    }
    let below = weir.scanned(&base.manifest_digest).await;
    assert_eq!((&below["image"]["base"], &below["layers"][0]["base"]), (&Value::Null, &Value::Null));
    let document = weir.scanned(&built.manifest_digest).await;
    let expected = json!({"name": "docker.io/team/app", "digest": base.manifest_digest, "layers": 1});
    assert_eq!(document["image"]["base"], expected);
    let layers: Vec<&Value> = document["layers"].as_array().unwrap().iter().map(|layer| &layer["base"]).collect();
    assert_eq!(layers, [&json!(true), &json!(false), &json!(false)]);
    // What an upper layer removed is still in the image's bytes; its value is not in the report.
    let risks = document["risks"].as_array().unwrap();
    let secret = risks.iter().find(|risk| risk["kind"] == "secret").unwrap();
    assert_eq!((&secret["path"], &secret["visible"]), (&json!("root/.ssh/id_rsa"), &json!(false)));
    assert!(!document.to_string().contains("MIIEpAIBAAKCAQEA"), "{secret}");
    assert!(risks.iter().any(|risk| risk["rule"] == "root-user" && risk["layer"].is_null()), "{risks:?}");
}
