//! skopeo as the client that names the upstream in the path; an index; an image compressed with zstd.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::pull::packages_are_the_truth;
use crate::support::{DemoImage, Registry, Weir, advisories, get, machine, run, tool};

/// weir in front of a registry with the demo image as `weir-demo:1`, `weir-demo:multi` and `weir-demo:zstd`.
pub(crate) fn start(directory: &Path, image: &DemoImage) -> (Registry, Weir) {
    let registry = Registry::start(directory);
    registry.push(&image.layout("oci", "1"), "library/weir-demo:1");
    registry.push(&image.layout("oci", "multi"), "library/weir-demo:multi");
    registry.push(&image.layout("oci-zstd", "1"), "library/weir-demo:zstd");
    let feeds = advisories(directory);
    let url = registry.url();
    let settings = [
        ("UPSTREAM__0__NAME", "docker.io"),
        ("UPSTREAM__0__URL", url.as_str()),
        ("ADVISORY__SOURCE", feeds.to_str().unwrap()),
    ];
    let weir = Weir::start(directory, &settings);
    (registry, weir)
}

/// Copies `weir-demo:TAG` through weir into an OCI layout, byte for byte, and answers with the layout's directory.
pub(crate) fn copy(weir: &Weir, directory: &Path, tag: &str, options: &[&str]) -> std::path::PathBuf {
    let to = directory.join(format!("copy-{tag}"));
    let mut copy = Command::new(tool("skopeo"));
    copy.args(["--insecure-policy", "copy", "--quiet", "--preserve-digests", "--src-tls-verify=false"]).args(options);
    copy.arg(format!("docker://{}/docker.io/library/weir-demo:{tag}", weir.mirror));
    run(copy.arg(format!("oci:{}:{tag}", to.display())));
    to
}

fn copied_digest(layout: &Path) -> String {
    let index: Value = serde_json::from_slice(&std::fs::read(layout.join("index.json")).unwrap()).unwrap();
    index["manifests"][0]["digest"].as_str().unwrap().to_owned()
}

#[test]
fn an_image_and_its_index_arrive_byte_for_byte_and_the_index_reports_its_platform() {
    let _machine = machine();
    let image = DemoImage::get();
    let directory = tempfile::tempdir().unwrap();
    let (_registry, mut weir) = start(directory.path(), &image);
    let (digest, index) = (image.digest("oci", "1").to_string(), image.digest("oci", "multi").to_string());

    assert_eq!(copied_digest(&copy(&weir, directory.path(), "1", &[])), digest);
    packages_are_the_truth(&image, &weir.result(&digest, "", 300));

    // Both platforms: the second is a small image whose system has no package database.
    assert_eq!(copied_digest(&copy(&weir, directory.path(), "multi", &["--all"])), index);
    let platforms = image.blob("oci", &image.digest("oci", "multi"))["manifests"].clone();
    let target = |query: &str| format!("/api/v1/images/{index}/report{query}");
    let conflict = weir.daemon.wait_until("both platforms are known", 60, |_| {
        get(weir.report, &target("")).ok().filter(|answer| answer.status == 409)
    });
    assert_eq!(conflict.json()["platforms"].as_array().unwrap().len(), 2, "{}", conflict.text());
    for entry in platforms.as_array().unwrap() {
        let platform = format!("linux/{}", entry["platform"]["architecture"].as_str().unwrap());
        let report = weir.result(&index, &format!("?platform={platform}"), 60);
        assert_eq!(report["image"]["digest"], entry["digest"]);
        assert_eq!(report["image"]["platform"], platform.as_str());
        let empty = report["packages"].as_array().unwrap().is_empty();
        assert_eq!(empty, entry["digest"] != digest.as_str(), "{platform}");
    }
}

#[test]
fn the_zstd_twin_has_the_same_packages() {
    let _machine = machine();
    let image = DemoImage::get();
    let directory = tempfile::tempdir().unwrap();
    let (_registry, mut weir) = start(directory.path(), &image);
    let digest = image.digest("oci-zstd", "1").to_string();
    assert_eq!(copied_digest(&copy(&weir, directory.path(), "zstd", &[])), digest);
    packages_are_the_truth(&image, &weir.result(&digest, "", 300));
}
