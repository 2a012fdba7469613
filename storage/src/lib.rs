//! What weir keeps on disk: blobs as files, everything else in an index.
//!
//! Owns how bytes and facts survive a restart, a crash and a full disk. What is stored, when, and for whom is decided above,
//! in the proxy; the facts themselves are the scanner's types. The two halves do not know each other: which blobs are stored
//! the file system alone says, what is known about them the index.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::disallowed_methods,
        reason = "tests: an unwrap fails where it should, a runtime owns its tasks"
    )
)]

pub mod blob;
pub mod index;

pub use index::{Index, IndexError};
