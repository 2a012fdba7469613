//! The seam matching asks through.

use std::sync::Arc;

use super::{Advisory, Feed};
use crate::package::Ecosystem;

/// Where advisories are found: storage's table, or a map in memory.
///
/// Every implementation passes `fixture::advisory_source_suite`.
pub trait AdvisorySource {
    /// Why an answer could not be had.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Advisories with an affected entry for `package` in any release of the ecosystem named `ecosystem` (`Debian`,
    /// `PyPI`), by id. `package` is a key as [`super::key::package_key`] makes it. Withdrawn records may be among them.
    ///
    /// # Errors
    /// Where the source cannot be read.
    fn affecting(&self, ecosystem: &str, package: &str) -> Result<Vec<Arc<Advisory>>, Self::Error>;

    /// Records whose id is `id` or that name it as alias or upstream, by id: where ratings of alias groups are found.
    ///
    /// # Errors
    /// Where the source cannot be read.
    fn named(&self, id: &str) -> Result<Vec<Arc<Advisory>>, Self::Error>;

    /// What is known of the feed of one ecosystem with its release (`Debian:12`) or without (`PyPI`); `None`, or a feed
    /// of no records, where nothing speaks for it.
    ///
    /// # Errors
    /// Where the source cannot be read.
    fn feed(&self, ecosystem: &Ecosystem) -> Result<Option<Feed>, Self::Error>;
}
