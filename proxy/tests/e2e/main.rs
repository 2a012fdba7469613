//! weir's binary among the programs it is made for: containerd and skopeo as clients, docker-registry as upstream, Prometheus.
//!
//! Every test starts its own processes on loopback ports of its own in a directory of its own, and ends exactly those.
//! `deploy/install.sh run` brings the programs; a missing one fails the test.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs, reason = "tests")]

#[path = "../api_server/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the other test binary needs more of it")]
mod api_server;
mod artifact;
mod backup;
mod cli;
mod console;
mod disk;
mod docs;
mod format;
mod kill;
mod kill_import;
mod nodes;
mod observe;
mod prometheus;
mod pull;
mod scan;
mod shutdown;
mod skopeo;
mod support;
mod workloads;
