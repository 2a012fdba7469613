//! weir as one piece, over sockets and real files. One binary, since linking RocksDB is slow.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "clients of a test end with it: they need neither owner nor name")]

mod access;
mod architecture;
mod blobs;
mod degraded;
mod herd;
mod lying;
mod mirror;
mod scan;
mod snapshots;
mod support;
