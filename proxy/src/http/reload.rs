//! A value made from files, made again when they change.
//!
//! Files that cannot be used stop the start; once running, they keep the previous value in use and are reported once per
//! change.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, info};

use super::{FileStamp, TlsError};

/// How often the files are looked at.
const CHECK_EVERY: Duration = Duration::from_secs(2);

type Load<T> = dyn Fn() -> Result<T, TlsError> + Send + Sync;

/// The newest value that could be made from some files.
pub(super) struct Reloaded<T> {
    files: Vec<PathBuf>,
    load: Box<Load<T>>,
    state: Mutex<State<T>>,
}

struct State<T> {
    current: T,
    stamps: Option<Vec<FileStamp>>,
    checked: Instant,
}

impl<T: Clone> Reloaded<T> {
    /// Makes the first value; `load` reads `files`.
    ///
    /// # Errors
    /// What `load` says.
    pub(super) fn new(
        files: &[&Path],
        load: impl Fn() -> Result<T, TlsError> + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        let files: Vec<PathBuf> = files.iter().map(|file| (*file).to_owned()).collect();
        // Stamps before contents: a change between the two is seen at the next check.
        let stamps = stamps(&files);
        let state = Mutex::new(State { current: load()?, stamps, checked: Instant::now() });
        Ok(Self { files, load: Box::new(load), state })
    }

    /// The value as of `now`.
    pub(super) fn current(&self, now: Instant) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(state.checked) >= CHECK_EVERY {
            state.checked = now;
            let stamps = stamps(&self.files);
            if stamps != state.stamps {
                state.stamps = stamps;
                self.reload(&mut state);
            }
        }
        state.current.clone()
    }

    fn reload(&self, state: &mut State<T>) {
        let first = self.files.first().map(|file| file.display().to_string()).unwrap_or_default();
        match (self.load)() {
            Ok(loaded) => {
                state.current = loaded;
                info!(file = %first, "{first} read again");
            }
            Err(cause) => error!(
                error = &cause as &dyn std::error::Error,
                "{first} changed and cannot be used, the previous one stays in use"
            ),
        }
    }
}

impl<T> std::fmt::Debug for Reloaded<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Reloaded").field("files", &self.files).finish_non_exhaustive()
    }
}

fn stamps(files: &[PathBuf]) -> Option<Vec<FileStamp>> {
    files.iter().map(|file| FileStamp::of(file).ok()).collect()
}
