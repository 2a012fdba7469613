//! Owns one checked struct for each part of the settings. Each is built by a `read` function out
//! of its table and holds only what the part needs; none reads a file or the environment.

pub(crate) mod advisory;
pub(crate) mod auth;
pub(crate) mod cluster;
pub(crate) mod data;
pub(crate) mod listen;
pub(crate) mod log;
pub(crate) mod report;
pub(crate) mod scan;
pub(crate) mod upstream;
pub(crate) mod webhook;
