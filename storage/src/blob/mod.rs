//! Blobs: the compressed bytes of layers, and configs, as files named by their digest.
//!
//! Owns storing, fetching into, and reading blobs. [`BlobStore::claim`] answers how a blob can be had, with a reader in
//! every case; the one caller who must fetch it also gets the [`BlobWriter`]. Where bytes come from, who may read
//! them, and what they mean is left to others.
//!
//! What holds, always:
//! - A file under its final name has the digest it is named by, even after a power cut: bytes, hash equal, fsync,
//!   rename, fsync of the directory, and the start-up sweep removes what was never renamed.
//! - No client completes a body that does not verify: the last chunk waits for the hash, and a blob that failed is an
//!   error to its readers, never their end of file.
//! - One writer per digest, however many ask at once. Readers never slow it down while the disk takes bytes: the fast
//!   ones share its buffers, the slow ones read the file.
//! - A disk that takes no more, or any other failed write, ends no fetch: the blob is passed on through memory to those
//!   who read it, verified all the same, and not kept. `growth.rs` says what that costs.
//! - The file system is the only truth about what is stored; there is no index to disagree with it.

mod background;
mod buffer;
mod error;
mod evict;
mod flight;
mod growth;
mod layout;
mod partial;
mod range;
mod reader;
mod recover;
mod store;
#[cfg(test)]
mod tests;
mod window;
mod writer;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use error::{BlobError, Fault};
pub use evict::Usage;
pub use flight::Claim;
pub use growth::Progress;
pub use range::{RangeRequest, Resolved};
pub use reader::BlobReader;
pub use store::{BlobStore, BlobStoreConfig, Clock, FreeSpace, StoredInfo, free_space};
pub use writer::{BlobWriter, Committed};

/// Locks a mutex. A panic elsewhere does not spread: everything guarded here is left consistent between statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
