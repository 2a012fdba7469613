//! What can go wrong with a blob.
//!
//! Owns the one error of this module. It is cheap to clone, because one failed fetch is told to every reader.

use std::io;
use std::path::Path;
use std::sync::Arc;

use weir_scanner::oci::Digest;

/// Why a blob could not be written or read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BlobError {
    /// The bytes are not the ones the digest names.
    #[error("the bytes have the digest {actual}, not {expected}")]
    DigestMismatch {
        /// The digest that was asked for.
        expected: Box<Digest>,
        /// The digest of what came.
        actual: Box<Digest>,
    },
    /// More or fewer bytes came than were announced.
    #[error("{actual} bytes came where {expected} were announced")]
    LengthMismatch {
        /// The announced length.
        expected: u64,
        /// How many came; where more came than were announced, how many were seen before giving up.
        actual: u64,
    },
    /// Whoever fetched the blob reported this.
    #[error("the upstream failed: {0}")]
    Upstream(Arc<dyn std::error::Error + Send + Sync>),
    /// The fetch ended without saying why: its task was cancelled or panicked.
    #[error("the fetch was given up")]
    WriterGone,
    /// The disk takes no more bytes and nobody reads the blob any more, so that fetching on has no purpose.
    #[error("the disk is full and nobody reads the blob any more")]
    Abandoned,
    /// The disk takes no more bytes, and this reader was too slow for the part that is held in memory.
    #[error("the reader at byte {position} fell behind what is held in memory while the disk is full")]
    Lagged {
        /// Where the reader stood.
        position: u64,
    },
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: Arc<Path>,
        /// What the system said.
        source: Arc<io::Error>,
    },
}

/// Whose doing an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The registry that sent the bytes.
    Upstream,
    /// This machine or this process.
    Ours,
}

impl BlobError {
    /// Whether the registry that sent the bytes is to blame, or this machine.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::DigestMismatch { .. } | Self::LengthMismatch { .. } | Self::Upstream(_) => Fault::Upstream,
            Self::WriterGone | Self::Abandoned | Self::Lagged { .. } | Self::Io { .. } => Fault::Ours,
        }
    }

    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.into(), source: Arc::new(source) }
    }
}

impl From<BlobError> for io::Error {
    fn from(error: BlobError) -> Self {
        Self::other(error)
    }
}
