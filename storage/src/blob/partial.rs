//! The file of a blob that is being written.
//!
//! Owns creating, filling and renaming one partial file. The order is bytes, fsync of the file, rename, fsync of the
//! directory: a blob under its final name is whole, even after a power cut. A partial file that was not renamed is
//! removed when this is dropped.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use weir_scanner::oci::Digest;

use super::error::BlobError;
use super::store::Shared;

#[derive(Debug)]
pub(crate) struct PartialFile {
    shared: Arc<Shared>,
    path: PathBuf,
    file: Option<Arc<File>>,
    renamed: bool,
}

impl PartialFile {
    /// A file that will be created by the first write.
    pub(crate) fn new(shared: Arc<Shared>, digest: &Digest) -> Self {
        let path = shared.layout.partial(digest, shared.next_partial());
        Self { shared, path, file: None, renamed: false }
    }

    /// Creates the file unless it is there; blocks.
    pub(crate) fn open(&mut self) -> Result<&Arc<File>, BlobError> {
        if self.file.is_none() {
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(&self.path);
            self.file = Some(Arc::new(file.map_err(|source| self.error(source))?));
        }
        Ok(self.file.as_ref().expect("opened above"))
    }

    /// Appends the chunks; blocks. After an error the file holds what earlier calls wrote, and an unknown part of these.
    pub(crate) fn write(&mut self, chunks: &[Bytes]) -> Result<(), BlobError> {
        // The index lives on the same disk, and an index that cannot write is worse than a blob that is not kept.
        self.shared.has_space().map_err(|source| self.error(source))?;
        let mut file: &File = self.open()?;
        let mut slices: Vec<IoSlice<'_>> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
        let mut rest = slices.as_mut_slice();
        while !rest.is_empty() {
            match file.write_vectored(rest) {
                Ok(0) => return Err(self.error(io::ErrorKind::WriteZero.into())),
                Ok(count) => IoSlice::advance_slices(&mut rest, count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error(error)),
            }
        }
        Ok(())
    }

    /// Gives the file its final name, for good; blocks.
    pub(crate) fn rename(&mut self, digest: &Digest) -> Result<(), BlobError> {
        self.open()?.sync_all().map_err(|source| self.error(source))?;
        let layout = &self.shared.layout;
        let shard = layout.shard(digest);
        match fs::create_dir(&shard) {
            Ok(()) => sync_directory(&layout.algorithm(digest.algorithm()))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(BlobError::io(&shard, error)),
        }
        let path = layout.blob(digest);
        fs::rename(&self.path, &path).map_err(|source| BlobError::io(&path, source))?;
        self.renamed = true;
        sync_directory(&shard)
    }

    fn error(&self, source: io::Error) -> BlobError {
        BlobError::io(&self.path, source)
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if self.file.is_some() && !self.renamed {
            let path = std::mem::take(&mut self.path);
            // Letting go of a large file takes the file system long enough to be felt by other tasks of a thread.
            self.shared.background.run("blob-discard", move || {
                if let Err(error) = fs::remove_file(&path) {
                    tracing::warn!(path = %path.display(), %error, "a partial blob could not be removed");
                }
            });
        }
    }
}

/// Makes the names in a directory survive a power cut.
pub(crate) fn sync_directory(path: &Path) -> Result<(), BlobError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(|source| BlobError::io(path, source))
}
