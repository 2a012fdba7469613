//! Notices that a file was replaced or rewritten.

use std::io;
use std::path::Path;
use std::time::SystemTime;

/// What tells one state of a file from another: its modification time, length and, where the system has one, its inode, so
/// that a rename within one clock tick shows too (Kubernetes swaps mounted secrets by renaming a symbolic link).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileStamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl FileStamp {
    /// The present state of the file at `path`, links followed.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Ok(Self { modified: metadata.modified().ok(), length: metadata.len(), inode })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_rename_shows_although_time_and_length_are_equal() {
        let directory = tempfile::tempdir().unwrap();
        let (old, new) = (directory.path().join("old"), directory.path().join("new"));
        std::fs::write(&old, b"one").unwrap();
        std::fs::write(&new, b"two").unwrap();
        let before = FileStamp::of(&old).unwrap();
        assert_eq!(before, FileStamp::of(&old).unwrap());
        let modified = std::fs::metadata(&old).unwrap().modified().unwrap();
        std::fs::File::options().write(true).open(&new).unwrap().set_modified(modified).unwrap();
        std::fs::rename(&new, &old).unwrap();
        assert_ne!(before, FileStamp::of(&old).unwrap());
    }
}
