//! Matching over records as their feeds publish them: the shared advisories in place, where they lie beside the checkout, and records
//! written here in the published form of feeds that are not among them. Every rule and trap of a feed has a case for and one against.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod alias;
mod language;
mod module;
mod owned;
mod support;
mod system;
mod ubuntu;
mod written;
