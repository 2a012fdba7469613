//! What the tests are made of: a registry that says what a test tells it to, weir in this process, and a client that tells
//! a whole body from a short one.

mod client;
mod registry;
mod weir;

pub use client::{Got, get, get_with, head, request};
pub use registry::{Answer, Ask, Ending, Image, Registry};
pub use weir::{Weir, eventually};
