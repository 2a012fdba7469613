//! What runs in the clusters.
//!
//! Owns how a cluster is reached and watched, and what of its objects is read. Leaves their storage to `weir_storage::index`
//! and the report on them to `report`. Invariant: what is told of a cluster is what its API server said; an error empties
//! nothing.

pub mod client;
mod object;
pub mod watch;
