//! The layer walk: any bytes as a layer, compressed or not, are read within limits or refused with a reason.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};
use weir_scanner::content::Buffers;
use weir_scanner::detect::DetectorSet;
use weir_scanner::layer::{LayerLimits, scan_layer};

// Nothing here waits for a driver: bytes in memory are always ready.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime without drivers needs nothing"));
static BUFFERS: LazyLock<Buffers> = LazyLock::new(Buffers::default);
static DETECTORS: LazyLock<DetectorSet> = LazyLock::new(DetectorSet::standard);

/// Small enough that the fuzzer meets each limit, and that a bomb is refused at once.
const LIMITS: LayerLimits = LayerLimits {
    max_entries: 200,
    max_path_bytes: 256,
    max_file_bytes: 16 << 10,
    max_text_bytes: 8 << 10,
    max_uncompressed_bytes: 1 << 20,
    max_ratio: 100,
    ratio_free_bytes: 128 << 10,
    max_extension_bytes: 4 << 10,
    max_kept_bytes: 64 << 10,
};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(inventory) = scan_layer(bytes, None, &DETECTORS, &LIMITS, &BUFFERS, RUNTIME.handle()) {
        assert!(inventory.uncompressed_bytes <= LIMITS.max_uncompressed_bytes + (1 << 20), "the limit did not hold");
        assert!(inventory.paths.len() as u64 <= LIMITS.max_entries, "every entry is one path at most");
        for path in inventory.facts.keys().chain(inventory.symlinks.keys()).chain(inventory.hardlinks.keys()) {
            assert!(!path.starts_with('/') && !path.split('/').any(|part| part == ".."), "{path:?} leaves the layer");
        }
    }
});
