//! Manifests of languages, lock files and bills of materials: the first byte chooses the kind, the others are read or refused.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use weir_scanner::detect::{DetectorSet, FactList, Want};

static DETECTORS: LazyLock<DetectorSet> = LazyLock::new(DetectorSet::standard);

/// A path of each kind. New ones go to the end, so that seeds and corpora stay what they are.
const PATHS: [&str; 19] = [
    "a/b-1.dist-info/METADATA",
    "node_modules/a/package.json",
    "opt/conda/conda-meta/a-1-0.json",
    "specifications/a-1.gemspec",
    "vendor/composer/installed.json",
    ".registry/a.reg",
    "library/a/DESCRIPTION",
    "lib/a-1/ebin/a.app",
    "rocks-5.4/a/1-1/a-1-1.rockspec",
    "wp-content/plugins/a/a.php",
    ".conan/data/a/1/_/_/package/b/conaninfo.txt",
    "Cargo.lock",
    "pubspec.lock",
    "Package.resolved",
    "mix.lock",
    "Manifest.toml",
    "conan.lock",
    "opt/bitnami/a/.spdx-a.spdx",
    "a/bom.json",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let path = PATHS[usize::from(*choice) % PATHS.len()];
    let (detector, want) = DETECTORS.wanting(path).expect("every path is of a kind that is read");
    assert_eq!(want, Want::Bytes, "all these kinds are text");
    let mut facts = FactList::new(64 << 10);
    detector.detect(path, bytes, &mut facts);
});
