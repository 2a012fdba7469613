//! OCI layouts of images that are made here, for what the demo image has not: another architecture, or few bytes.

use std::path::Path;

use serde_json::{Value, json};
use weir_scanner::fixture::{BuiltImage, ImageBuilder, LayerBuilder};
use weir_scanner::oci::{Digest, MediaType};

use super::DemoImage;

/// A small Debian image with Django 3.2.12, of which every feed of [`advisories`](super::advisories) knows something. `seed` makes
/// it another one.
pub(crate) fn small_image(architecture: &str, seed: &str) -> BuiltImage {
    let layer = LayerBuilder::new()
        .file("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n")
        .file(
            "usr/lib/python3/dist-packages/Django-3.2.12.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: Django\nVersion: 3.2.12\n",
        )
        .file("etc/seed", seed)
        .gzip();
    ImageBuilder::new().platform("linux", architecture).layer(layer).build()
}

/// Writes the image into a layout, and answers with the layout as skopeo names it: the manifest is tagged `1`.
pub(crate) fn layout_of(directory: &Path, image: &BuiltImage) -> String {
    write_image(directory, image);
    finish(directory, MediaType::OCI_MANIFEST, image.manifest_digest, image.manifest.len())
}

/// Writes an index of the demo image, for the architecture it has, and another image. Answers with the layout as skopeo names it.
pub(crate) fn layout_of_both(directory: &Path, demo: &DemoImage, other: &BuiltImage, architecture: &str) -> String {
    write_image(directory, other);
    for file in demo.blobs("oci") {
        let link = directory.join("blobs/sha256").join(file.file_name().unwrap());
        std::os::unix::fs::symlink(&file, link).unwrap();
    }
    let digest = demo.digest("oci", "1");
    let manifest = demo.blob("oci", &digest);
    let config = demo.blob("oci", &Digest::parse(manifest["config"]["digest"].as_str().unwrap()).unwrap());
    let size = demo.size("oci", &digest);
    let entry = |digest: &Digest, size: u64, architecture: &Value| {
        json!({"mediaType": MediaType::OCI_MANIFEST, "digest": digest, "size": size,
               "platform": {"os": "linux", "architecture": architecture}})
    };
    let entries = [
        entry(&digest, size, &config["architecture"]),
        entry(&other.manifest_digest, other.manifest.len() as u64, &architecture.into()),
    ];
    let index = json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": entries}).to_string();
    let digest = Digest::of(index.as_bytes());
    write_blob(directory, &digest, index.as_bytes());
    finish(directory, MediaType::OCI_INDEX, digest, index.len())
}

/// Writes an index of images with their architectures. Answers with the layout as skopeo names it, and the index's digest.
pub(crate) fn layout_of_index(directory: &Path, platforms: &[(&str, &BuiltImage)]) -> (String, Digest) {
    let entry = |(architecture, image): &(&str, &BuiltImage)| {
        write_image(directory, image);
        json!({"mediaType": MediaType::OCI_MANIFEST, "digest": image.manifest_digest, "size": image.manifest.len(),
               "platform": {"os": "linux", "architecture": architecture}})
    };
    let entries: Vec<Value> = platforms.iter().map(entry).collect();
    let index = json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": entries}).to_string();
    let digest = Digest::of(index.as_bytes());
    write_blob(directory, &digest, index.as_bytes());
    (finish(directory, MediaType::OCI_INDEX, digest, index.len()), digest)
}

fn write_image(directory: &Path, image: &BuiltImage) {
    std::fs::create_dir_all(directory.join("blobs/sha256")).unwrap();
    write_blob(directory, &image.manifest_digest, &image.manifest);
    write_blob(directory, &image.config_digest, &image.config);
    for layer in &image.layers {
        write_blob(directory, &layer.digest, &layer.bytes);
    }
}

fn write_blob(directory: &Path, digest: &Digest, bytes: &[u8]) {
    std::fs::write(directory.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
}

fn finish(directory: &Path, media_type: &str, digest: Digest, size: usize) -> String {
    let entry = json!({"mediaType": media_type, "digest": digest, "size": size,
                       "annotations": {"org.opencontainers.image.ref.name": "1"}});
    std::fs::write(directory.join("index.json"), json!({"schemaVersion": 2, "manifests": [entry]}).to_string())
        .unwrap();
    std::fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
    format!("{}:1", directory.display())
}
