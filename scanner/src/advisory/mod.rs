//! What is known about packages: advisories, the reader of OSV records and archives, and the seam matching asks through.
//!
//! Owns the record ([`Advisory`]), how a record is read ([`osv`], [`archive`], [`modified`]), what others say of a CVE ([`kev`], [`epss`],
//! [`cve_score`]), how names are keyed ([`key`]), what a
//! feed holds ([`FeedTally`]), and [`AdvisorySource`] with its answerer in memory. Keeping advisories on disk is storage's
//! work, fetching them the proxy's, and deciding whether one matches [`crate::finding`]'s.

pub mod archive;
mod custom;
pub mod cve_score;
mod entries;
pub mod epss;
mod feed;
mod json_list;
pub mod kev;
pub mod key;
mod memory;
pub mod modified;
mod name;
pub mod osv;
mod record;
mod source;
mod specific;

pub use feed::FeedTally;
pub use memory::MemoryAdvisories;
pub use name::cve_of;
pub use record::{Advisory, Affected, AffectedRange, Feed, RangeEvent, Rating, RatingValue};
pub use source::AdvisorySource;

/// The version of the reader of records: raised when an equal record is read otherwise than before, so that stored ones are read again.
pub const READER_VERSION: u32 = 1;
