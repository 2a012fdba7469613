//! Reads one layer once: decodes it under a cap, walks its tar within limits, and keeps what composition asks for.
//!
//! Owns everything between a blob's compressed bytes and a [`LayerInventory`]. What a file of interest says is
//! [`crate::detect`]'s business; what several layers add up to is [`crate::image`]'s. Invariant: bytes from a layer never
//! panic and never make memory grow beyond [`LayerLimits`], whatever their headers claim.

mod archive;
mod collect;
mod decode;
mod inventory;
mod limits;
mod path;
mod pipeline;
mod reason;
mod scan;
mod walk;

pub use decode::LayerDecoder;
pub use inventory::{Channel, ChannelKind, Fact, LayerInventory, PathHash, PathKind};
pub use limits::LayerLimits;
pub use reason::{Reason, ReasonCode};
pub use scan::scan_layer;

pub(crate) use path::{clean, parent, text};
