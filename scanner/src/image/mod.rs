//! Folds layers into what an image holds and which layer brought it.
//!
//! Owns composition: whiteouts, overwritten databases, links between layers, the image's distribution, who owns a package's
//! files, the image's base and the commands of its layers. Pure: the same layers give the same image, and no layer is
//! read again.

mod base;
mod compose;
mod history;
mod inventory;
mod packages;
mod runs;
mod state;
mod tree;

pub use base::{Base, KnownImage, find_base};
pub use compose::compose;
pub use history::history_layers;
pub use inventory::{ImageInventory, ImagePackage, ImageReason, ImageRisk, LayerInput, ScanStatus};
