//! The start-up sweep.
//!
//! Owns bringing a directory that a process left at any moment back into order. Partial files go, all of them: a
//! process that was killed cannot say how much of one reached the disk. Files under names no blob can have go too.
//! Stored blobs are not read: they were synced before they got their name. Their sizes and times are learnt by a walk
//! in the background, so that a start does not wait for a large directory.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use weir_scanner::oci::Algorithm;

use super::error::BlobError;
use super::layout::{ALGORITHMS, Layout};
use super::partial::sync_directory;
use super::store::Shared;

/// Makes the directories and removes partial files; blocks. Returns how many there were.
pub(crate) fn prepare(layout: &Layout) -> Result<usize, BlobError> {
    let algorithms = ALGORITHMS.map(|algorithm| layout.algorithm(algorithm));
    for directory in algorithms.iter().map(AsRef::as_ref).chain([layout.partials()]) {
        fs::create_dir_all(directory).map_err(|error| BlobError::io(directory, error))?;
    }
    let mut swept = 0;
    for file in entries(layout.partials()).map_err(|error| BlobError::io(layout.partials(), error))? {
        let path = file.path();
        fs::remove_file(&path).map_err(|error| BlobError::io(&path, error))?;
        swept += 1;
    }
    let parent = layout.blobs().parent().unwrap_or(layout.blobs());
    [parent, layout.blobs()].into_iter().try_for_each(sync_directory)?;
    Ok(swept)
}

/// Tells the ledger of every stored blob; blocks, for long where there are many.
pub(crate) fn walk(shared: &Arc<Shared>) {
    for algorithm in ALGORITHMS {
        walk_algorithm(shared, algorithm);
    }
    if !shared.background.stopping() {
        super::lock(&shared.ledger).walked();
        Shared::evict_soon(shared);
    }
}

fn walk_algorithm(shared: &Shared, algorithm: Algorithm) {
    for shard in read(&shared.layout.algorithm(algorithm)) {
        for file in read(&shard.path()) {
            if shared.background.stopping() {
                return;
            }
            let (shard, name) = (shard.file_name(), file.file_name());
            let digest = shard.to_str().zip(name.to_str()).and_then(|(s, n)| Layout::digest(algorithm, s, n));
            // A file that vanishes meanwhile was evicted or removed by hand; a directory is nothing of ours.
            let Ok(metadata) = file.metadata() else { continue };
            match digest {
                _ if !metadata.is_file() => {}
                Some(digest) => {
                    let used = metadata.modified().unwrap_or(std::time::SystemTime::UNIX_EPOCH);
                    super::lock(&shared.ledger).found(digest, metadata.len(), used);
                }
                None => {
                    let path = file.path();
                    let removed = fs::remove_file(&path);
                    tracing::warn!(path = %path.display(), ?removed, "a file among the blobs was none");
                }
            }
        }
    }
}

/// The entries of a directory; none where it cannot be read or is no directory, which is logged.
fn read(directory: &Path) -> Vec<fs::DirEntry> {
    entries(directory).unwrap_or_else(|error| {
        if error.kind() != io::ErrorKind::NotADirectory {
            tracing::warn!(path = %directory.display(), %error, "blobs here are not counted");
        }
        Vec::new()
    })
}

fn entries(directory: &Path) -> io::Result<Vec<fs::DirEntry>> {
    fs::read_dir(directory)?.collect()
}
