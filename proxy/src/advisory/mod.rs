//! Keeps advisories: fetches the feeds that stored inventories need, carries them through the scanner's reader into the
//! index, and matches images when either side changed.
//!
//! Owns when a feed is fetched and when an image is matched. A feed that cannot be had never touches what is stored, and a
//! stopped one never touches a pull: it shows as stale.

mod import;
mod schedule;
mod source;

pub use import::{ImportError, ImportReport, import_feed};
pub use schedule::{AdvisoryParts, AdvisoryService, Refreshed};
pub use source::{FeedSource, SourceError};
