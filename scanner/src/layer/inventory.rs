//! What one layer holds, as far as composition and matching ever ask.
//!
//! Owns the record only: making one is the walk's work, folding several is [`crate::image`]'s. Facts are keyed by path, and
//! a path that was read and held nothing stays as an empty list, because an upper layer's empty database still hides
//! the lower one. Of all other paths only a hash and a kind are kept: composition asks no more than whether
//! a fact's path, or a directory above it, was touched.

use std::collections::BTreeMap;

use super::Reason;
use crate::oci::Digest;
use crate::package::{Distribution, Package};
use crate::risk::Risk;

/// The first eight bytes of a path's SHA-256, so that an image cannot choose paths that collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathHash(pub u64);

impl PathHash {
    /// The hash of a cleaned path: no leading `/` or `./`, no trailing `/`, no empty or `.` component.
    pub fn of(path: &str) -> Self {
        let digest = Digest::of(path.as_bytes());
        Self(digest.bytes().iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte)))
    }
}

/// What lies at a path in a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathKind {
    /// A regular file, device or pipe.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A hard link: the entry carries no bytes of its own.
    Hardlink,
    /// `.wh.NAME`: the path NAME of lower layers is gone. The hash is of NAME's full path.
    Whiteout,
    /// `.wh..wh..opq`: all lower content of the directory is gone. The hash is of the directory's path.
    Opaque,
}

/// One fact a detector read from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// An installed package.
    Package(Package),
    /// The distribution's identity.
    Distribution(Distribution),
    /// The file is a database or manifest this version cannot read: the image is partial where the file is visible.
    Unread(Reason),
    /// A package a bill of materials in the image states: worth less than a package manager's own word.
    Stated(Package),
    /// Paths that belong to a distribution's package, by their hashes.
    Owned {
        /// The package's name, as its own fact spells it.
        package: String,
        /// Hashes of cleaned paths, sorted.
        paths: Vec<PathHash>,
    },
    /// Where the image's system packages come from.
    Channel(Channel),
    /// Something wrong with the image besides its packages.
    Risk(Risk),
}

/// Where system packages come from: decides which of a distribution's advisories speak for them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel {
    /// What the name is of.
    pub kind: ChannelKind,
    /// The name: a content set, a repository's URL, a service.
    pub name: String,
}

/// What a channel's name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChannelKind {
    /// A Red Hat content set (`rhel-9-for-x86_64-baseos-rpms`), from an image's content manifest.
    ContentSet,
    /// A line of apk's list of repositories.
    ApkRepository,
    /// A service of Ubuntu Pro that is enabled (`esm-infra`).
    UbuntuPro,
    /// A CPE name the distribution states of itself.
    Cpe,
}

/// What one layer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerInventory {
    /// Digest of the uncompressed tar, computed while reading.
    pub diff_id: Digest,
    /// Length of the uncompressed tar in bytes.
    pub uncompressed_bytes: u64,
    /// Every entry's path with its kind, in the archive's order: what an entry does depends on those before it.
    pub paths: Vec<(PathHash, PathKind)>,
    /// Symbolic links: cleaned path to target as written.
    pub symlinks: BTreeMap<String, String>,
    /// Hard links whose target may hold facts, in this layer or a lower one: cleaned path to cleaned target path. Where it is not
    /// found, the facts at the link's own path count.
    pub hardlinks: BTreeMap<String, String>,
    /// Facts by cleaned path, of its last entry; an empty list is a file that was read and held none.
    pub facts: BTreeMap<String, Vec<Fact>>,
    /// Why reading stopped short or skipped something; empty for a layer read to its end.
    pub reasons: Vec<Reason>,
}

impl LayerInventory {
    /// Whether everything in the layer was read.
    pub fn is_complete(&self) -> bool {
        self.reasons.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_hash_is_the_head_of_its_sha256() {
        assert_eq!(PathHash::of(""), PathHash(0xe3b0_c442_98fc_1c14));
        assert_ne!(PathHash::of("a"), PathHash::of("b"));
    }
}
