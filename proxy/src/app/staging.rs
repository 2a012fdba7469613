//! Room in the data directory for what is on its way: copies of the index that a backup reads, and what a restore unpacks.
//!
//! Owns `DIR/staging`. It lies within the data directory, so that files can be linked and renamed between it and the index. Whoever
//! keeps something there holds a shared lock of the folder; what is there while nobody does was left by a process that was killed.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// How often the folder is made anew where another process that was done has just removed it.
const TRIES: usize = 10;

/// A folder of its own in the staging room, which goes with this.
#[derive(Debug)]
pub struct Staging {
    /// Removed by hand, so that the room can go after it.
    folder: Option<TempDir>,
    room: PathBuf,
    /// Its lock ends with it.
    _room: File,
}

impl Staging {
    /// Makes an empty folder in the room of a data directory. Blocks.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn new(data: &Path) -> io::Result<Self> {
        let room = data.join("staging");
        let mut tried = 1;
        loop {
            std::fs::create_dir_all(&room)?;
            let made = File::open(&room).and_then(|open| {
                open.lock_shared()?;
                Ok((TempDir::new_in(&room)?, open))
            });
            match made {
                Ok((folder, open)) => return Ok(Self { folder: Some(folder), room, _room: open }),
                Err(error) if error.kind() == io::ErrorKind::NotFound && tried < TRIES => tried += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.as_ref().map_or(&self.room, TempDir::path)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Some(folder) = self.folder.take()
            && let Err(error) = folder.close()
        {
            tracing::warn!(%error, room = %self.room.display(), "what a backup or restore left could not be removed; the next start tries again");
        }
        // Another process may be at work there, and the folder stays then.
        let _: io::Result<()> = std::fs::remove_dir(&self.room);
    }
}

/// Removes what killed processes left in the room of a data directory. Blocks.
///
/// # Errors
/// The file system refuses.
pub fn sweep(data: &Path) -> io::Result<()> {
    let room = data.join("staging");
    let open = match File::open(&room) {
        Ok(open) => open,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    match open.try_lock() {
        Ok(()) => std::fs::remove_dir_all(&room),
        Err(TryLockError::WouldBlock) => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_stays_and_what_was_left_goes() {
        let data = tempfile::tempdir().unwrap();
        sweep(data.path()).unwrap();
        let held = Staging::new(data.path()).unwrap();
        std::fs::write(held.path().join("file"), "x").unwrap();
        let other = Staging::new(data.path()).unwrap();
        sweep(data.path()).unwrap();
        assert!(held.path().join("file").is_file() && other.path().is_dir());
        drop(other);
        assert!(held.path().is_dir());
        drop(held);
        assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0, "nothing is left");
        std::fs::create_dir_all(data.path().join("staging/left")).unwrap();
        sweep(data.path()).unwrap();
        assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0);
    }
}
