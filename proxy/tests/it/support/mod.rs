//! What the tests are made of: a registry that says what a test tells it to, weir in this process, and a client that tells
//! a whole body from a short one.

mod client;
mod registry;
mod weir;

pub(crate) use crate::api_server::{Ask, Gate};
pub(crate) use client::{Got, get, get_with, head, post, request, send};
pub(crate) use registry::{Answer, Ending, Image, Registry, noise, truth};
pub(crate) use weir::{Weir, eventually};
