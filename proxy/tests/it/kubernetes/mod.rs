//! Watching a cluster, against an API server of our own and, where there is one, a real one.

mod histories;
mod rbac;
mod real;
mod scripted;
mod view;
mod watching;

pub(crate) use view::View;
pub(crate) use watching::{Watching, brisk};
