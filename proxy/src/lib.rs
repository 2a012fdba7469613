//! Everything of weir that needs a socket or a schedule: the mirror, the upstream client, scanning as bytes pass, the
//! report, and the commands.
//!
//! Inside, imports go down only: `cli` · `app` · `distribution`, `report`, `admin` · `advisory`, `workload` · `scan` ·
//! `pull`, `oidc` · `upstream` · `auth`, `http`, `metrics`, `tasks`. `tests/it/architecture.rs` checks it.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::disallowed_methods,
        reason = "tests: an unwrap fails where it should, a runtime owns its tasks"
    )
)]

use mimalloc::MiMalloc;

pub mod admin;
pub mod advisory;
pub mod app;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod distribution;
pub mod http;
pub mod metrics;
pub mod notify;
pub mod oidc;
pub mod pull;
pub mod report;
pub mod scan;
pub mod tasks;
pub mod upstream;
pub mod workload;

/// Every binary built on this library allocates by it, tests and benchmarks too.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;
