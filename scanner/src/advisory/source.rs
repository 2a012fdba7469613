//! The seam matching asks through.

use std::sync::Arc;

use super::{Advisory, Feed, Rating};
use crate::package::Ecosystem;

/// Where advisories are found: storage's table, or a map in memory.
///
/// Every implementation passes `fixture::advisory_source_suite`.
pub trait AdvisorySource {
    /// Why an answer could not be had.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Advisories with an affected entry for `package` in any release of the ecosystem named `ecosystem` (`Debian`,
    /// `PyPI`), by id. `package` is a key as [`super::key::package_key`] makes it. Withdrawn records may be among them. Entries
    /// for other packages may be left out.
    ///
    /// # Errors
    /// Where the source cannot be read.
    fn affecting(&self, ecosystem: &str, package: &str) -> Result<Vec<Arc<Advisory>>, Self::Error>;

    /// Records found under `id` ([`Advisory::found_under`]), by id, for which packages they speak of: what they say of these may be
    /// left out.
    ///
    /// # Errors
    /// Where the source cannot be read.
    fn named(&self, id: &str) -> Result<Vec<Arc<Advisory>>, Self::Error>;

    /// The same for their names and ratings: of what they say about packages only vectors and scores are sure to be there.
    ///
    /// # Errors
    /// Where the source cannot be read.
    fn rated(&self, id: &str) -> Result<Vec<Arc<Advisory>>, Self::Error>;

    /// What is known of the feed of one ecosystem with its release (`Debian:12`) or without (`PyPI`); `None`, or a feed
    /// of no records, where nothing speaks for it.
    ///
    /// # Errors
    /// Where the source cannot be read.
    fn feed(&self, ecosystem: &Ecosystem) -> Result<Option<Feed>, Self::Error>;

    /// Every feed of the ecosystem named `ecosystem`, by release.
    ///
    /// # Errors
    /// Where the source cannot be read.
    fn feeds(&self, ecosystem: &str) -> Result<Vec<Feed>, Self::Error>;

    /// What sources of scores, which speak of CVEs and of no packages, say of one: each rating names its source (`nvd`).
    ///
    /// # Errors
    /// Where the source cannot be read.
    fn cve_ratings(&self, cve: &str) -> Result<Vec<Rating>, Self::Error>;
}
