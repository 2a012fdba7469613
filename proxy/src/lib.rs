//! Everything of weir that needs a socket or a schedule: the mirror, the upstream client, scanning as bytes pass, the
//! report, and the commands.
//!
//! Inside, imports go down only: `cli` · `app` · `distribution`, `report`, `admin` · `advisory`, `workload` · `scan` ·
//! `pull` · `upstream` · `http`, `metrics`, `tasks`. `tests/it/architecture.rs` checks it.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should"))]

pub mod admin;
pub mod advisory;
pub mod app;
pub mod cli;
pub mod clock;
pub mod distribution;
pub mod http;
pub mod metrics;
pub mod pull;
pub mod report;
pub mod scan;
pub mod tasks;
pub mod upstream;
