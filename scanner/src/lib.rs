//! What weir knows about images, as pure functions over bytes: the words of the OCI specifications, how a layer is
//! decoded and read once, how layers fold into an image, how versions compare, and which advisories match.
//!
//! Nothing here opens a socket, a database or a clock; bytes go in, facts come out. No other weir crate is imported.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::disallowed_methods,
        reason = "tests: an unwrap fails where it should, a runtime owns its tasks"
    )
)]

pub mod advisory;
pub mod content;
pub mod detect;
pub mod exception;
pub mod finding;
#[cfg(any(test, feature = "fixture"))]
pub mod fixture;
pub mod image;
pub mod layer;
pub mod oci;
pub mod package;
pub mod risk;
pub mod verdict;
pub mod version;
