//! `weir scan` over each form a target can have: all hold the same packages, and they are the truth.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::pull::packages_are_the_truth;
use crate::support::{DemoImage, Registry, Weir, advisories, machine, run, tool};

fn scan(target: &str, arguments: &[&str]) -> Output {
    Weir::command(&[]).args(["scan", target]).args(arguments).output().unwrap()
}

#[track_caller]
fn json(target: &str, advisories: &Path) -> Value {
    let output = scan(target, &["--format", "json", "--advisories", advisories.to_str().unwrap()]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{target}: {}\n{stderr}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{target}: {error}\n{stderr}"))
}

fn ids(document: &Value) -> BTreeSet<(String, String)> {
    let findings = document["vulnerabilities"].as_array().unwrap().iter();
    findings.map(|finding| (finding["id"].to_string(), finding["package"].to_string())).collect()
}

fn copy(from: &str, to: &str) {
    run(Command::new(tool("skopeo")).args(["--insecure-policy", "copy", "--quiet", from, to]));
}

#[test]
fn every_form_of_a_target_gives_the_same_image() {
    let _machine = machine();
    let image = DemoImage::get();
    let directory = tempfile::tempdir().unwrap();
    let feeds = advisories(directory.path());
    let layout = format!("oci:{}", image.layout("oci", "1"));
    let place = |name: &str| directory.path().join(name).display().to_string();
    copy(&layout, &format!("oci-archive:{}:1", place("oci.tar")));
    copy(&layout, &format!("docker-archive:{}:weir-demo:1", place("docker.tar")));
    run(Command::new(tool("umoci")).args(["unpack", "--image", &image.layout("oci", "1"), &place("bundle")]));
    let registry = Registry::start(directory.path());
    registry.push(&image.layout("oci", "1"), "library/weir-demo:1");

    let whole = json(&layout, &feeds);
    let digest = image.digest("oci", "1").to_string();
    assert_eq!(whole["image"]["digest"], digest.as_str());
    packages_are_the_truth(&image, &whole);
    assert!(!ids(&whole).is_empty());
    let reference = registry.url().replace("http://", "") + "/library/weir-demo:1";
    for (target, named) in [
        (format!("oci-archive:{}", place("oci.tar")), true),
        (reference, true),
        (format!("docker-archive:{}", place("docker.tar")), false),
        (format!("dir:{}", place("bundle/rootfs")), false),
    ] {
        let document = json(&target, &feeds);
        packages_are_the_truth(&image, &document);
        assert_eq!(ids(&document), ids(&whole), "{target}");
        assert_eq!(document["scan"]["status"], "complete", "{target}");
        // Without a manifest there is no digest to be known by.
        let expected = if named { Value::from(digest.as_str()) } else { Value::Null };
        assert_eq!(document["image"]["digest"], expected, "{target}");
    }
    let flat = json(&format!("dir:{}", place("bundle/rootfs")), &feeds);
    assert_eq!(flat["layers"].as_array().unwrap().len(), 1);
}

#[test]
fn the_exit_status_judges_and_a_running_weir_s_advisories_are_used() {
    let _machine = machine();
    let image = DemoImage::get();
    let directory = tempfile::tempdir().unwrap();
    let feeds = advisories(directory.path());
    let layout = format!("oci:{}", image.layout("oci", "1"));
    let with = feeds.to_str().unwrap();
    let status = |arguments: &[&str]| scan(&layout, arguments).status.code();
    assert_eq!(status(&["--advisories", with]), Some(0));
    assert_eq!(status(&["--advisories", with, "--fail-on", "low"]), Some(1));
    let nothing = directory.path().join("nothing");
    std::fs::create_dir(&nothing).unwrap();
    let nothing = nothing.to_str().unwrap();
    // No feed spoke: that is no reason to say yes.
    assert_eq!(status(&["--advisories", nothing, "--fail-on", "critical"]), Some(2));
    let silent: Value =
        serde_json::from_slice(&scan(&layout, &["--format", "json", "--advisories", nothing]).stdout).unwrap();
    assert_eq!(silent["vulnerabilities"], Value::Null);
    assert_eq!(scan("oci:/no/such/place", &[]).status.code(), Some(2));

    let mut weir = Weir::start(directory.path(), &[("ADVISORY__SOURCE", with)]);
    let data = weir.data.display().to_string();
    run(Weir::command(&[]).args(["advisories", "import", with, "--data", &data]));
    let settings = [("DATA__DIRECTORY", data.as_str()), ("ADVISORY__SOURCE", nothing)];
    let scanned = Weir::command(&settings).args(["scan", &layout, "--format", "json"]).output().unwrap();
    let document: Value = serde_json::from_slice(&scanned.stdout).unwrap();
    assert!(!ids(&document).is_empty(), "{}", String::from_utf8_lossy(&scanned.stderr));
    assert!(weir.daemon.ended().is_none());
}
