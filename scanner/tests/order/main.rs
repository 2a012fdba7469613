//! The version orders against the tools that define them, over versions made up and versions of real advisories. Each
//! tool runs once over a file of pairs. Needs the programs of `deploy/install.sh run`.
//!
//! apk, NuGet, Conan, Dart and Swift have no tool here, and Go's takes more room than all others together: Go's modules
//! are compared as Semantic Versioning, which they follow.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs, reason = "tests")]

mod java;
mod language;
mod numbers;
mod oracle;
mod pool;
mod real;
mod semantic;
mod system;
