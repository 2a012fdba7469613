//! Reads packages and identities out of single files.
//!
//! Owns which paths are of interest and what their bytes say. A detector sees one file of one layer and nothing else: which
//! of several versions of a file counts is [`crate::image`]'s business. Invariant: no bytes make a detector panic,
//! and what it finds is bounded by its [`FactList`].

mod apk;
mod dpkg;
mod facts;
mod npm;
mod os_release;
mod python;
mod set;
mod stanza;
mod unread;

pub use facts::FactList;
pub use set::DetectorSet;

pub(crate) use os_release::RELEASE_FILES;

/// Reads one kind of database or manifest.
pub trait Detector: Send + Sync {
    /// Its name, part of the set's fingerprint.
    fn name(&self) -> &'static str;

    /// Its version; raised whenever it finds something else in the same bytes, so that layers are read again.
    fn version(&self) -> u32;

    /// Whether the file at a cleaned path is of interest. Asked for every file of a layer, so it only compares text.
    fn wants(&self, path: &str) -> Option<Want>;

    /// Adds what a file's bytes say to `facts`; an empty file holds nothing. Not called for [`Want::Presence`] with bytes.
    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList);

    /// Why files wanted for their presence are not read, one sentence for people.
    fn unread(&self) -> &'static str {
        "this version does not read files of this kind"
    }
}

/// What a detector needs of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Its bytes.
    Content,
    /// Only that it is there: a database this version cannot read.
    Presence,
}

/// The last component of a cleaned path.
fn base_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}
