//! An image's row for the tests of the fleet.

use weir_scanner::image::ScanStatus;
use weir_scanner::oci::Digest;
use weir_storage::index::ImageRecord;

/// Read completely, first seen at 0, never pulled.
pub(super) fn image_record() -> ImageRecord {
    ImageRecord {
        status: ScanStatus::Complete,
        reasons: Vec::new(),
        platform: None,
        config: Digest::of(b"config"),
        layers: Vec::new(),
        history: Vec::new(),
        base: None,
        names: Vec::new(),
        access_restricted: false,
        first_seen: 0,
        last_pulled: None,
        inventory_fingerprint: None,
        matched_at: None,
    }
}
