//! Reads packages and identities out of single files.
//!
//! Owns which paths are of interest and what their bytes say. A detector sees one file of one layer and nothing else: which
//! of several versions of a file counts is [`crate::image`]'s business. Invariant: no bytes make a detector panic,
//! and what it finds is bounded by its [`FactList`].

mod composer;
mod conan;
mod conda;
mod cran;
mod egg;
mod executable;
mod facts;
mod gem;
mod java;
mod json;
mod lock;
mod luarocks;
mod npm;
mod otp;
mod pear;
mod permission;
mod python;
mod release;
mod rpm;
mod sbom;
pub(crate) mod secret;
mod set;
mod stanza;
mod system;
mod watch;
mod wordpress;
mod zip_file;

pub use executable::{Cpe, cpe};
pub use facts::FactList;
pub use set::DetectorSet;
pub use watch::{FileHead, HEAD_BYTES, Watch, Watcher};

pub(crate) use release::RELEASE_FILES;

use crate::content::Content;
use crate::layer::Fact;

/// Reads one kind of database or manifest, chosen by its path.
pub trait Detector: Send + Sync {
    /// Its name, part of the set's fingerprint.
    fn name(&self) -> &'static str;

    /// Its version; raised whenever it finds something else in the same bytes, so that layers are read again.
    fn version(&self) -> u32;

    /// Whether the file at a cleaned path is of interest. Asked for every file of a layer, so it only compares text.
    fn wants(&self, path: &str) -> Option<Want>;

    /// Adds what the bytes of a file wanted for its [`Want::Bytes`] say to `facts`. Every empty file of interest comes here too,
    /// whatever was wanted of it, and holds nothing.
    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList);

    /// Adds what a file wanted for its [`Want::Content`] says to `facts`. Errors are those of reading the content, a place past its
    /// end among them; what was pushed before one stays.
    fn examine(&self, _path: &str, _content: &Content, _facts: &mut FactList) -> std::io::Result<()> {
        Ok(())
    }

    /// The path of the file that the one at `path` is to be read beside, where a layer has both: a database's log, and the log's
    /// database. Both are held until the layer ends, so only few paths, for files wanted for their [`Want::Content`], have
    /// one.
    fn companion(&self, _path: &str) -> Option<String> {
        None
    }

    /// Adds what a file says beside its companion, in place of what [`Detector::examine`] found in it. Called for each of
    /// the two.
    fn examine_beside(
        &self,
        _path: &str,
        _content: &Content,
        _companion: &Content,
        _facts: &mut FactList,
    ) -> std::io::Result<()> {
        Ok(())
    }
    /// What the directory at a cleaned path says by its place alone. Asked for every directory of a layer, so it only compares
    /// text.
    fn directory(&self, _path: &str) -> Option<Fact> {
        None
    }
}

/// What a detector needs of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Its bytes, in memory: text, and whatever is small. Larger files than [`crate::layer::LayerLimits::max_text_bytes`] are
    /// noted as unread.
    Bytes,
    /// Its bytes at any place, in memory or on disk: databases and archives.
    Content,
}

/// The last component of a cleaned path.
fn base_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}
