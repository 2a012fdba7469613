//! Writes a backup: every file once, hashed as it passes.
//!
//! Memory holds one piece. A file appears under its name when it is whole and on the disk; until then it is `FILE.partial`.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::ProgressBar;
use rustix::fs::Advice;
use tar::{Builder, EntryType};
use weir_scanner::oci::{Algorithm, DigestHasher};

use super::{FORMAT, HEADER, Header, INDEX, PIECE, SUMS, is_stream};
use crate::clock::rfc3339;

/// After so many bytes the disk is waited for: pages that wait to be written would otherwise crowd out what is pulled.
const STRIDE: u64 = 32 << 20;

/// Where a backup goes.
pub(super) enum Output {
    /// Standard output.
    Stream(io::Stdout),
    /// A file, under a name beside its own until it is whole.
    File { file: File, partial: PathBuf, path: PathBuf },
}

/// What was written.
pub(super) struct Written {
    pub(super) bytes: u64,
    pub(super) files: u64,
}

impl Output {
    /// Begins one.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        if is_stream(path) {
            return Ok(Self::Stream(io::stdout()));
        }
        anyhow::ensure!(!path.is_dir(), "{} is a directory: --out names the file", path.display());
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        // It holds hashes of tokens and the names of what runs: for whoever runs weir alone. What a killed backup left is written over.
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&partial);
        let file = file.with_context(|| partial.display().to_string())?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => anyhow::bail!("another backup writes {} now", partial.display()),
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| partial.display().to_string()),
        }
        file.set_len(0).with_context(|| partial.display().to_string())?;
        Ok(Self::File { file, partial, path: path.to_owned() })
    }

    /// Makes it whole, or nothing of it where it failed.
    fn finish(self, written: anyhow::Result<Written>) -> anyhow::Result<Written> {
        let Self::File { file, partial, path } = self else { return written };
        let placed = written.and_then(|written| {
            file.sync_all()?;
            std::fs::rename(&partial, &path)?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(folder)?.sync_all()?;
            Ok(written)
        });
        if placed.is_err() {
            // It is no backup; what cannot be removed is written over by the next.
            let _: io::Result<()> = std::fs::remove_file(&partial);
        }
        placed.with_context(|| path.display().to_string())
    }
}

/// Writes the backup of the index copied to `copy` at `now` (seconds since the epoch).
pub(super) fn write(output: Output, copy: &Path, now: i64, bar: &ProgressBar) -> anyhow::Result<Written> {
    let written = match &output {
        Output::Stream(stream) => write_to(&mut stream.lock(), copy, now, bar),
        Output::File { file, .. } => write_to(&mut Gentle { file, written: 0, settled: 0 }, copy, now, bar),
    };
    output.finish(written)
}

fn write_to(out: &mut impl Write, copy: &Path, now: i64, bar: &ProgressBar) -> anyhow::Result<Written> {
    let files = files(copy).with_context(|| copy.display().to_string())?;
    let header = Header {
        format: FORMAT,
        weir: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: rfc3339(now),
        files: files.len() as u64,
        bytes: files.iter().map(|(_, size)| size).sum(),
    };
    bar.set_length(header.bytes);
    let mut archive = Archive { tar: Builder::new(Counted { out, bytes: 0 }), sums: String::new(), now };
    let mut described = serde_json::to_vec_pretty(&header)?;
    described.push(b'\n');
    archive.entry(HEADER, described.len() as u64, described.as_slice())?;
    for (name, size) in &files {
        let path = copy.join(name);
        let read = File::open(&path).with_context(|| format!("{}: was weir stopped meanwhile?", path.display()))?;
        archive.entry(&format!("{INDEX}{name}"), *size, bar.wrap_read(read))?;
    }
    let sums = std::mem::take(&mut archive.sums);
    archive.entry(SUMS, sums.len() as u64, sums.as_bytes())?;
    let mut counted = archive.tar.into_inner()?;
    counted.flush()?;
    Ok(Written { bytes: counted.bytes, files: header.files })
}

/// The files of a copy with their sizes, by name. A database has no folders.
fn files(copy: &Path) -> io::Result<Vec<(String, u64)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(copy)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|name| io::Error::other(format!("a file {name:?}")))?;
        files.push((name, entry.metadata()?.len()));
    }
    files.sort();
    Ok(files)
}

struct Archive<W: Write> {
    tar: Builder<W>,
    sums: String,
    now: i64,
}

impl<W: Write> Archive<W> {
    fn entry(&mut self, name: &str, size: u64, from: impl Read) -> anyhow::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(self.now).unwrap_or_default());
        let mut hashed = Hashed { from: from.take(size), hasher: DigestHasher::new(Algorithm::Sha256), bytes: 0 };
        let buffered = io::BufReader::with_capacity(PIECE, &mut hashed);
        self.tar.append_data(&mut header, name, buffered).with_context(|| name.to_owned())?;
        anyhow::ensure!(hashed.bytes == size, "{name} became shorter while it was read: try again");
        self.sums.push_str(&format!("{}  {name}\n", hashed.hasher.finish().hex()));
        Ok(())
    }
}

struct Hashed<R> {
    from: R,
    hasher: DigestHasher,
    bytes: u64,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(into)?;
        self.hasher.update(&into[..count]);
        self.bytes += count as u64;
        Ok(count)
    }
}

struct Counted<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A file that is written no faster than the disk takes it, and that keeps nothing in memory: nobody reads a backup soon.
struct Gentle<'a> {
    file: &'a File,
    written: u64,
    settled: u64,
}

impl Write for Gentle<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.written += count as u64;
        if self.written - self.settled >= STRIDE {
            self.file.sync_data()?;
            self.settled = self.written;
            // Advice may be ignored, and costs nothing then.
            let _: Result<(), _> = rustix::fs::fadvise(self.file, 0, None, Advice::DontNeed);
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
