//! The HTTP Range header: whatever it says, the part is inside the blob and never empty.
#![no_main]

use libfuzzer_sys::fuzz_target;

// The file itself, so that fuzzing does not link the storage crate and RocksDB with it.
#[path = "../../../storage/src/blob/range.rs"]
mod range;

use range::{RangeRequest, Resolved};

fuzz_target!(|bytes: &[u8]| {
    let Some((length, header)) = bytes.split_first_chunk() else { return };
    let length = u64::from_le_bytes(*length);
    let request = RangeRequest::parse(header);
    let known = request.resolve(Some(length));
    match known {
        Resolved::Part { start, end } => assert!(start < end && end <= length, "{request:?} of {length}: {known:?}"),
        Resolved::NeedsLength => panic!("{request:?}: the length is known"),
        Resolved::Whole | Resolved::Unsatisfiable => {}
    }
    // An answer given before the length is known must not be wrong once it is.
    if request.resolve(None) == Resolved::Unsatisfiable {
        assert_eq!(known, Resolved::Unsatisfiable, "{request:?} of {length}");
    }
});
