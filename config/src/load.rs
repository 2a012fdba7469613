//! Owns the one place of this crate that touches the disk: reading the settings file.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::check::{Checked, check};

/// The largest settings file that is read. A full one takes a few KiB.
const LARGEST: u64 = 1 << 20;

/// Why a settings file could not be read. What is wrong in its text is found by the check.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The system refused.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Larger than any settings file.
    #[error("{} is larger than 1 MiB, which no settings file is", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Not text.
    #[error("{}:{line}: not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The first line that is not, counted from 1.
        line: usize,
    },
}

/// Reads and checks a settings file, or the defaults if `path` is `None`; `env` are the
/// environment's variables. Relative paths in it start at the file's directory.
pub fn load(path: Option<&Path>, env: impl IntoIterator<Item = (String, String)>) -> Result<Checked, LoadError> {
    let Some(path) = path else {
        return Ok(check(None, env, Path::new("")));
    };
    let text = read(path)?;
    let name = path.display().to_string();
    let base = path.parent().unwrap_or(Path::new(""));
    Ok(check(Some((&name, &text)), env, base))
}

fn read(path: &Path) -> Result<String, LoadError> {
    let failed = |source| LoadError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(LoadError::TooLarge { path: path.to_owned() });
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        LoadError::NotText { path: path.to_owned(), line: valid.iter().filter(|byte| **byte == b'\n').count() + 1 }
    })
}
