//! The rows of the model: one for each image.
//!
//! Rows are never changed, only replaced; what they share is a number in [`super::texts`].

use std::sync::Arc;

use weir_scanner::image::{ImageReason, ScanStatus};
use weir_scanner::oci::{Digest, Platform};

use super::finding::{Findings, Found};

/// An image.
#[derive(Clone, Debug)]
pub(in crate::report) struct ImageRow {
    pub(in crate::report) digest: Digest,
    /// How far reading it has come.
    pub(in crate::report) status: ScanStatus,
    pub(super) reasons: Box<[ImageReason]>,
    /// Why weir could not fetch it, where it was never seen.
    pub(super) unseen: Option<(&'static str, String)>,
    /// What a workload calls it, where it was never seen.
    pub(super) named_as: Option<Arc<str>>,
    pub(super) platform: Option<Platform>,
    /// The numbers of its repositories.
    pub(super) repositories: Box<[u32]>,
    /// The indexes that name it.
    pub(super) parents: Box<[Digest]>,
    pub(super) config: u32,
    /// The numbers of its layers, bottom first.
    pub(super) layers: Box<[u32]>,
    /// Seconds since the epoch.
    pub(in crate::report) first_seen: i64,
    /// When a client last pulled it through weir.
    pub(in crate::report) last_pulled: Option<i64>,
    /// When it was last known to run, as far as the index says.
    pub(super) last_run: Option<i64>,
    pub(super) matched_at: Option<i64>,
    /// `None` until it was read and matched, or where no feed spoke.
    pub(in crate::report) found: Option<Found>,
}

impl ImageRow {
    /// Its findings; none too where it was not read and matched.
    pub(super) fn findings(&self) -> Findings<'_> {
        self.found.as_ref().map(Found::findings).unwrap_or_default()
    }
}
