//! A disk that is really full: a small tmpfs under the data directory.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use weir_scanner::fixture::{BuiltImage, ImageBuilder, LayerBuilder};
use weir_scanner::oci::Digest;

use crate::support::{Pace, Upstream, Weir, eventually, get, machine, tool};

/// Size of the disk. weir leaves 64 MiB of it to the index.
const DISK_MIB: usize = 192;
/// Size of the layer that does not fit.
const LARGE_MIB: usize = 256;

/// A file system of its own; dropping it unmounts it.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path) -> Self {
        std::fs::create_dir_all(at).unwrap();
        let mut mount = Command::new(tool("mount"));
        mount.args(["-t", "tmpfs", "-o", &format!("size={DISK_MIB}m"), "weir-e2e"]).arg(at);
        let output = mount.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "a tmpfs cannot be mounted, this test needs root's right to: {text}");
        Self(at.to_owned())
    }

    /// Takes all the space there is.
    fn fill(&self) {
        let mut file = File::create(self.filler()).unwrap();
        for size in [1 << 20, 4096, 1] {
            let piece = vec![0_u8; size];
            while file.write_all(&piece).is_ok() {}
        }
    }

    fn make_space(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new(tool("umount")).arg(&self.0).status();
    }
}

/// Bytes that do not repeat.
fn noise(seed: u64, mib: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; mib << 20];
    random.fill(&mut bytes);
    bytes
}

/// An image of one plain layer of about this size, with a package before the noise and one behind it.
fn image(upstream: &Upstream, name: &str, seed: u64, mib: usize) -> BuiltImage {
    let package = |at: &str| format!(r#"{{"name": "{name}-{at}", "version": "1.0.0"}}"#);
    let layer = LayerBuilder::new()
        .file(&format!("app/node_modules/{name}-first/package.json"), package("first"))
        .file("app/noise", noise(seed, mib))
        .file(&format!("app/node_modules/{name}-last/package.json"), package("last"))
        .plain();
    let image = ImageBuilder::new().layer(layer).build();
    upstream.hold(image.layers[0].media_type.as_str(), image.layers[0].bytes.clone(), Pace::Fast);
    upstream.hold("application/vnd.oci.image.config.v1+json", image.config.clone(), Pace::Fast);
    let manifest = upstream.hold("application/vnd.oci.image.manifest.v1+json", image.manifest.clone(), Pace::Fast);
    upstream.tag(name, &manifest);
    image
}

/// Pulls as a client does: the manifest by tag, the configuration, the layer.
#[track_caller]
fn pull(weir: &Weir, name: &str, image: &BuiltImage) {
    let manifest = get(weir.mirror, &format!("/v2/docker.io/library/{name}/manifests/{name}")).unwrap();
    assert_eq!((manifest.status, &manifest.body), (200, &image.manifest), "{name}: {}", manifest.text());
    for (digest, bytes) in [(image.config_digest, &image.config), (image.layers[0].digest, &image.layers[0].bytes)] {
        let got = get(weir.mirror, &Weir::blob_target(&format!("library/{name}"), digest)).unwrap();
        assert_eq!(got.status, 200, "{name}: {}", got.text());
        assert!(got.whole && got.body == *bytes, "{name}: {} of {} bytes of {digest}", got.body.len(), bytes.len());
    }
}

#[track_caller]
fn is_scanned(weir: &mut Weir, name: &str, manifest: &Digest) {
    let (report, target) = (weir.report, format!("/api/v1/images/{manifest}/report"));
    let packages = weir.daemon.wait_until(&format!("{name} is scanned"), 90, |_| {
        let answer = get(report, &target).ok().filter(|answer| answer.status == 200)?.json();
        (answer["scan"]["status"] == "complete").then(|| answer["packages"].clone())
    });
    let names: Vec<&str> =
        packages.as_array().unwrap().iter().map(|package| package["name"].as_str().unwrap()).collect();
    assert_eq!(names, [format!("{name}-first"), format!("{name}-last")]);
}

#[test]
fn a_full_disk_ends_no_pull() {
    let _machine = machine();
    let directory = tempfile::tempdir().unwrap();
    let disk = Disk::mount(&directory.path().join("disk"));
    let upstream = Upstream::start();
    let url = upstream.url();
    let settings =
        [("UPSTREAM__0__NAME", "docker.io"), ("UPSTREAM__0__URL", url.as_str()), ("ADVISORY__SOURCE", "/var/empty")];
    let mut weir = Weir::start_in(directory.path(), &disk.0.join("data"), &settings);

    // Larger than the disk: passed on whole, read whole, not kept.
    let large = image(&upstream, "large", 1, LARGE_MIB);
    pull(&weir, "large", &large);
    is_scanned(&mut weir, "large", &large.manifest_digest);
    assert!(!weir.stores(&large.layers[0].digest));
    eventually("the space of what was begun is given back", 10, || weir.partials().is_empty().then_some(()));
    let not_stored = "weir_blobs_not_stored_total{upstream=\"docker.io\"}";
    assert_eq!(weir.metric(not_stored), Some(1.0));
    let left = |weir: &Weir| weir.metric("weir_data_available_bytes").unwrap();
    eventually("the metrics show the space again", 20, || (left(&weir) > ((DISK_MIB / 2) << 20) as f64).then_some(()));
    let evicted = |weir: &Weir| weir.metric("weir_cache_evicted_bytes_total").unwrap();
    let evicted_for_large = evicted(&weir);

    // What fits is kept again at once.
    let small = image(&upstream, "small", 2, 4);
    pull(&weir, "small", &small);
    is_scanned(&mut weir, "small", &small.manifest_digest);
    assert!(weir.stores(&small.layers[0].digest));

    // Not one byte left: the index cannot write either, and stored blobs are evicted for its sake. Pulls go on.
    disk.fill();
    for round in 0..3 {
        let name = format!("none-{round}");
        let none = image(&upstream, &name, 10 + round, 4);
        pull(&weir, &name, &none);
        assert!(!weir.stores(&none.layers[0].digest));
    }
    pull(&weir, "small", &small);
    assert!(weir.metric(not_stored).unwrap() >= 4.0);
    eventually("the metrics show a full disk and what left for it", 20, || {
        // The layer of the small image.
        let gone = evicted(&weir) - evicted_for_large;
        (left(&weir) < (64 << 20) as f64 && gone >= (4 << 20) as f64).then_some(())
    });

    // Space again: blobs are stored, images scanned, by the same process.
    disk.make_space();
    let after = image(&upstream, "after", 3, 4);
    pull(&weir, "after", &after);
    assert!(weir.stores(&after.layers[0].digest));
    is_scanned(&mut weir, "after", &after.manifest_digest);
    drop(weir);
}
