//! What the tests are made of: a registry that says what a test tells it to, weir in this process, and a client that tells
//! a whole body from a short one.

mod client;
mod registry;
mod weir;

pub(crate) use client::{Got, get, get_with, head, request, send};
pub(crate) use registry::{Answer, Ask, Ending, Gate, Image, Registry, noise, read_ask, truth};
pub(crate) use weir::{Weir, eventually};
