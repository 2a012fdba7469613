//! Keeps advisories: fetches the feeds that stored inventories need, carries them through the scanner's reader into the
//! index, and matches images when either side changed.
//!
//! Owns when a feed is fetched and when an image is matched. A feed that cannot be had never touches what is stored, and a
//! stopped one never touches a pull: it shows as stale.

mod artifact;
mod cve;
mod exploitation;
mod fetch;
mod freshness;
mod import;
mod records;
mod refresh;
mod rematch;
mod rollback;
mod schedule;
mod source;
mod unconfigured;
mod upgrade;

pub use artifact::{ARTIFACT_TYPE, Artifact, PackParts, Packed, pack, split_tag};
pub use cve::{CveRefreshed, CveSource, CveSources, refresh_cve, refresh_cves};
pub use fetch::{FetchedFile, SourceError};
pub use freshness::RefreshLine;
pub use import::{ImportError, ImportReport, import_feed};
pub use refresh::{Refreshed, refresh_feed};
pub use rollback::Rollback;
pub use schedule::{AdvisoryParts, AdvisoryService};
pub use source::FeedSource;
