//! Where a digest lies on disk.
//!
//! Owns the paths: `blobs/<algorithm>/<first two hex digits>/<hex>` for what is committed,
//! `partial/<algorithm>-<hex>.<number>` for what is being written. Both lie in one directory, so that a rename moves
//! between them. A path made here holds nothing but digits and fixed words, because a [`Digest`] does.

use std::path::{Path, PathBuf};

use weir_scanner::oci::{Algorithm, Digest};

/// The algorithms that have a directory.
pub(crate) const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

/// The paths below one data directory.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    blobs: PathBuf,
    partial: PathBuf,
}

impl Layout {
    pub(crate) fn new(directory: &Path) -> Self {
        Self { blobs: directory.join("blobs"), partial: directory.join("partial") }
    }

    /// The directory of committed blobs.
    pub(crate) fn blobs(&self) -> &Path {
        &self.blobs
    }

    /// The directory of files that were never renamed.
    pub(crate) fn partials(&self) -> &Path {
        &self.partial
    }

    /// The directory of one algorithm's blobs.
    pub(crate) fn algorithm(&self, algorithm: Algorithm) -> PathBuf {
        self.blobs.join(algorithm.name())
    }

    /// The directory a blob lies in.
    pub(crate) fn shard(&self, digest: &Digest) -> PathBuf {
        self.algorithm(digest.algorithm()).join(&digest.hex()[..2])
    }

    /// The file of a committed blob.
    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        self.shard(digest).join(digest.hex())
    }

    /// The file of a blob being written; `number` tells apart two writers of one digest, one of which has failed.
    pub(crate) fn partial(&self, digest: &Digest, number: u64) -> PathBuf {
        self.partial.join(format!("{}-{}.{number}", digest.algorithm().name(), digest.hex()))
    }

    /// The digest whose blob would have this name in this shard; `None` for a name no blob can have.
    pub(crate) fn digest(algorithm: Algorithm, shard: &str, name: &str) -> Option<Digest> {
        let digest = Digest::parse(&format!("{}:{name}", algorithm.name())).ok()?;
        name.starts_with(shard).then_some(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_digest() {
        let layout = Layout::new(Path::new("data"));
        let digest = Digest::of(b"weir");
        let path = layout.blob(&digest);
        assert_eq!(path, Path::new("data/blobs/sha256").join(&digest.hex()[..2]).join(digest.hex()));
        assert_eq!(Layout::digest(Algorithm::Sha256, &digest.hex()[..2], &digest.hex()), Some(digest));
        assert_eq!(layout.partial(&digest, 7), Path::new("data/partial").join(format!("sha256-{}.7", digest.hex())));
    }

    #[test]
    fn names_no_blob_can_have_are_refused() {
        let hex = Digest::of(b"weir").hex();
        assert_eq!(Layout::digest(Algorithm::Sha256, "zz", &hex), None);
        assert_eq!(Layout::digest(Algorithm::Sha512, &hex[..2], &hex), None);
        assert_eq!(Layout::digest(Algorithm::Sha256, &hex[..2], "lost+found"), None);
    }
}
