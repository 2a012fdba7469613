//! Manifests, indexes and image configurations: any bytes are refused or read, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_scanner::oci::{Document, ImageConfig};
use weir_scanner::risk::configuration_risks;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Document::Image(manifest)) = Document::parse(bytes) {
        let _ = manifest.is_image();
    }
    if let Ok(config) = ImageConfig::parse(bytes) {
        let _ = config.platform();
        let _ = configuration_risks(&config, 0);
    }
});
