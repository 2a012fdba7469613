//! Watching a cluster, against an API server of our own and, where there is one, a real one.

mod answer;
mod histories;
mod rbac;
mod real;

mod reply;
mod sample;
mod scripted;
mod server;
mod store;
mod stream;
mod view;
mod watching;

pub(crate) use sample::sample;
pub(crate) use server::{Act, ApiServer, Behaviour, Streams};
pub(crate) use view::View;
pub(crate) use watching::Watching;
