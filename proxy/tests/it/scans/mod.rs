//! Images scanned because somebody asked.

mod failed;
mod image;
mod life;
mod refused;

use serde_json::{Value, json};
use weir_scanner::fixture::{BuiltImage, ImageBuilder, LayerBuilder};
use weir_scanner::oci::{Digest, MediaType};

use crate::support::{Got, Weir, eventually, get, send};

/// An image for another platform than the usual one.
pub(crate) fn arm() -> BuiltImage {
    let release = "ID=debian\nVERSION_ID=\"12\"\n";
    let layer = LayerBuilder::new().file("etc/os-release", release).file("var/lib/dpkg/status", "").gzip();
    ImageBuilder::new().platform("linux", "arm64").layer(layer).build()
}

/// An index of several images and an attestation, in the first one's place.
pub(crate) fn indexed(images: &[&BuiltImage], architectures: &[&str]) -> BuiltImage {
    let mut entries: Vec<Value> = images
        .iter()
        .zip(architectures)
        .map(|(image, architecture)| {
            json!({"mediaType": MediaType::OCI_MANIFEST, "digest": image.manifest_digest, "size": image.manifest.len(),
                   "platform": {"os": "linux", "architecture": architecture}})
        })
        .collect();
    entries.push(json!({"mediaType": MediaType::OCI_MANIFEST, "digest": Digest::of(b"attestation"), "size": 1,
                        "platform": {"os": "unknown", "architecture": "unknown"}}));
    let index = json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": entries});
    let mut first = images[0].clone();
    first.index = index.to_string().into_bytes();
    first.index_digest = Digest::of(&first.index);
    first
}

async fn post(weir: &Weir, body: &str, headers: &[(&str, &str)]) -> Got {
    let length = body.len().to_string();
    let mut all = vec![("Content-Length", length.as_str()), ("Content-Type", "application/json")];
    all.extend(headers);
    send(weir.report, "POST", "/api/v1/scans", &all, body.as_bytes()).await
}

/// Asks for a scan; answers with the request's id.
async fn ask(weir: &Weir, asked: &Value) -> String {
    let got = post(weir, &asked.to_string(), &[]).await;
    assert_eq!(got.status, 202, "{:?}", String::from_utf8_lossy(&got.body));
    let id = got.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(got.header("location"), Some(format!("/api/v1/scans/{id}").as_str()));
    id
}

/// The request once it has ended.
async fn ended(weir: &Weir, id: &str) -> Value {
    eventually("the request's end", || async {
        let got = get(weir.report, &format!("/api/v1/scans/{id}")).await;
        assert_eq!(got.status, 200);
        let request = got.json();
        matches!(request["state"].as_str().unwrap(), "done" | "failed").then_some(request)
    })
    .await
}

/// Digest, platform and status of each image of a request.
fn images(request: &Value) -> Vec<(String, String, String)> {
    let text = |image: &Value, key: &str| image[key].as_str().unwrap_or("none").to_owned();
    let image = |image: &Value| (text(image, "digest"), text(image, "platform"), text(image, "scan_status"));
    request["images"].as_array().unwrap().iter().map(image).collect()
}
