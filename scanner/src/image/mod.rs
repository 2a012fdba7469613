//! Folds layers into what an image holds and which layer brought it.
//!
//! Owns composition: whiteouts, overwritten databases, links between layers, the image's distribution. Pure: the same layers
//! give the same image, and no layer is read again.

mod compose;
mod inventory;
mod links;
mod state;

pub use compose::compose;
pub use inventory::{ImageInventory, ImagePackage, ImageReason, ImageRisk, LayerInput, ScanStatus};
