//! Watches pods and keeps which images run where.
//!
//! Owns how a cluster is reached and watched, what it holds, how that becomes workloads and the images they use, images that weir
//! has not seen, and how a cluster is reported to a weir elsewhere and taken in there. Leaves findings and what people are shown to
//! the report, and rows to `weir_storage::index`. Invariant: what is told
//! of a cluster is what its API server said; an error empties nothing.

pub mod agent;
pub mod client;
mod clusters;
mod image_id;
pub mod intake;
mod inventory;
mod life;
mod local;
mod nodes;
mod object;
mod owner;
mod pool;
mod resolve;
mod state;
mod unseen;
mod usage;
pub mod watch;
pub mod wire;

pub use clusters::{ClusterStatus, Clusters, Freshness};
pub use image_id::{ImageId, ImageIdForm};
pub use inventory::{ClusterInventory, Inventory, InventoryMaker};
pub use life::LifeKeeper;
pub use local::{LocalParts, keep_local};
pub use nodes::{ClusterNode, ClusterNodes, Latest, is_node_name};
pub use resolve::{Content, Unresolved};
pub use state::ClusterState;
pub use unseen::{Unseen, UnseenState};
pub use usage::{ImageUse, StateCounts, Workload};
