//! The scanner over real things: packages that Debian, PyPI, npm and others ship, read as one layer, compared with what their own
//! tools say. Needs the programs of `deploy/install.sh run`; what is fetched is kept in weir's cache directory.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs, reason = "tests")]

mod cases;
mod composed;
mod executable;
mod flatten;
mod java;
mod language;
mod risk;
mod rpm;
#[allow(dead_code, reason = "each test uses some of it")]
mod support;
mod system;
