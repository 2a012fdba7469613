//! The test API server: a cluster that holds what a test puts into it, lists it and lets it be watched.
//!
//! Both test binaries include it: `it` watches it from within the process, `e2e` from weir's own.

mod answer;
mod ask;
mod object;
mod reply;
mod rules;
mod sample;
mod server;
mod store;
mod stream;

pub(crate) use answer::RESOURCES;
pub(crate) use ask::{Ask, Gate, read_ask};
pub(crate) use object::{node, owned_by, owner, pod, running, runs};
pub(crate) use rules::{MANIFEST, Rules};
pub(crate) use sample::{CREATED, api_version, sample};
pub(crate) use server::{Act, ApiServer, Behaviour, Streams, kubeconfig};
pub(crate) use store::Store;
