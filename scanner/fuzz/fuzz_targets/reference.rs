//! References, digests and platforms: what is read prints as text that reads the same again.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use weir_scanner::oci::{Digest, Platform, Reference};

fuzz_target!(|text: &str| {
    round_trip::<Reference>(text);
    round_trip::<Digest>(text);
    round_trip::<Platform>(text);
});

fn round_trip<T: FromStr + Display + Debug + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let printed = value.to_string();
        assert!(printed.parse::<T>().is_ok_and(|again| again == value), "{text:?} prints as {printed:?}");
    }
}
