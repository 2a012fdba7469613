//! Databases of system packages and release files: any bytes, at a path that the first byte picks.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use weir_scanner::detect::{DetectorSet, FactList, Want};
use weir_scanner::layer::Fact;

static DETECTORS: LazyLock<DetectorSet> = LazyLock::new(DetectorSet::standard);

/// A path of every kind; their order is the corpus's.
const PATHS: [&str; 22] = [
    "etc/os-release",
    "etc/debian_version",
    "etc/lsb-release",
    "etc/redhat-release",
    "etc/system-release-cpe",
    "var/lib/dpkg/status",
    "var/lib/dpkg/info/bash.list",
    "var/lib/dpkg/status.d/base.md5sums",
    "usr/lib/opkg/status",
    "usr/lib/opkg/info/libc.list",
    "lib/apk/db/installed",
    "etc/apk/repositories",
    "var/lib/chisel/manifest.wall",
    "var/lib/pacman/local/a-1-1/desc",
    "var/lib/pacman/local/a-1-1/files",
    "var/db/pkg/dev-libs/openssl-3.0/CONTENTS",
    "snap/core/1/meta/snap.yaml",
    "home/x/Cellar/a/1/INSTALL_RECEIPT.json",
    "etc/cos-package-info.json",
    "usr/share/bottlerocket/application-inventory.json",
    "boot/vmlinuz",
    "var/lib/ubuntu-advantage/status.json",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((pick, bytes)) = bytes.split_first() else { return };
    let path = PATHS[usize::from(*pick) % PATHS.len()];
    let (detector, want) = DETECTORS.wanting(path).expect("every path is of a known kind");
    let mut facts = FactList::new(1 << 20);
    match want {
        Want::Bytes => detector.detect(path, bytes, &mut facts),
        // A place past the end is an error of the file's.
        Want::Content => drop(detector.examine(path, &bytes.to_vec().into(), &mut facts)),
    }
    for fact in facts.facts() {
        match fact {
            Fact::Package(package) => assert!(!package.name.is_empty() && !package.version.is_empty(), "{package:?}"),
            Fact::Owned { paths, .. } => assert!(!paths.is_empty() && paths.is_sorted(), "paths are sorted"),
            _ => {}
        }
    }
});
