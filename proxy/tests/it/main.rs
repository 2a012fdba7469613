//! weir as one piece, over sockets and real files. One binary, since linking RocksDB is slow.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs, reason = "tests")]

mod access;
mod agent;
#[path = "../api_server/mod.rs"]
mod api_server;
mod architecture;
mod auth;
mod blobs;
mod console;
mod degraded;
mod exceptions;
mod feeds;
mod format;
mod herd;
mod kubernetes;
mod lying;
mod metrics;
mod mirror;
mod nodes;
mod pulls;
mod report;
mod scan;
mod scans;
mod snapshots;
mod support;
mod tabs;
mod webhooks;
mod workloads;
