//! What is known about packages: advisories, the reader of OSV records and archives, and the seam matching asks through.
//!
//! Owns the record ([`Advisory`]), how a record is read ([`osv`], [`archive`]), how names are keyed ([`key`]), what a
//! feed holds ([`FeedTally`]), and [`AdvisorySource`] with its answerer in memory. Keeping advisories on disk is storage's
//! work, fetching them the proxy's, and deciding whether one matches [`crate::finding`]'s.

pub mod archive;
mod feed;
pub mod key;
mod memory;
pub mod osv;
mod record;
mod source;
mod specific;

pub use feed::FeedTally;
pub use memory::MemoryAdvisories;
pub use record::{Advisory, Affected, AffectedRange, Feed, RangeEvent, Rating, RatingValue};
pub use source::AdvisorySource;
