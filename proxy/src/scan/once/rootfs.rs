//! A root file system on disk, as the one layer it would be.
//!
//! Packs it into a tar stream for the same walk every layer takes. Links are packed as links and never followed, so nothing
//! outside the folder is read. What cannot be read is a reason, never a gap.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};
use weir_scanner::layer::{LayerLimits, Reason, ReasonCode};
use weir_scanner::oci::{Digest, MediaType};
use weir_storage::index::ImageLayer;

use super::blob::Blob;
use super::{OpenImage, Target, TargetError};

/// What the kernel mounts into a root file system: no part of it.
const KERNEL: [&str; 3] = ["proc", "sys", "dev"];
/// Files that could not be read and are named; the rest are counted.
const NAMED: usize = 20;

/// Opens a folder as an image of one layer without a manifest.
pub(super) fn open(root: &Path, target: &Target) -> Result<OpenImage, TargetError> {
    let failed = |source| TargetError::File { path: root.display().to_string(), source };
    if !fs::metadata(root).map_err(failed)?.is_dir() {
        return Err(TargetError::NotThat { place: root.display().to_string(), detail: "no folder".into() });
    }
    let layer = ImageLayer {
        digest: Digest::of(b""),
        size: 0,
        media_type: MediaType::new("application/vnd.oci.image.layer.v1.tar"),
        diff_id: None,
    };
    Ok(OpenImage {
        reference: target.to_string(),
        digest: None,
        annotations: std::collections::BTreeMap::new(),
        config: None,
        layers: vec![(layer, Blob::Tree(root.to_owned()))],
    })
}

/// Writes the tar of a folder; returns what had to be left out.
pub(super) fn pack(root: &Path, out: impl Write, limits: &LayerLimits) -> Vec<Reason> {
    let builder = Builder::new(BufWriter::with_capacity(256 << 10, out));
    let mut packer = Packer { builder, root, left_out: Vec::new(), more: 0, entries: limits.max_entries };
    // A reader that is gone has said why itself.
    let _: io::Result<()> = packer.folder(root.to_owned()).and_then(|()| packer.builder.finish());
    let mut left_out = packer.left_out;
    if packer.more > 0 {
        left_out.push(Reason::new(ReasonCode::FetchFailed, format!("{} more could not be read", packer.more)));
    }
    left_out
}

struct Packer<'a, W: Write> {
    builder: Builder<W>,
    root: &'a Path,
    left_out: Vec<Reason>,
    more: u64,
    entries: u64,
}

impl<W: Write> Packer<'_, W> {
    /// Packs a folder and all below it. An error is the writer's: the reader is gone.
    fn folder(&mut self, top: PathBuf) -> io::Result<()> {
        let mut waiting = vec![top];
        while let Some(folder) = waiting.pop() {
            let listed = fs::read_dir(&folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
            let mut entries = match listed {
                Ok(entries) => entries,
                Err(error) => {
                    self.leave_out(&folder, &error);
                    continue;
                }
            };
            entries.sort_by_key(fs::DirEntry::file_name);
            for entry in entries {
                let path = entry.path();
                match fs::symlink_metadata(&path) {
                    Ok(metadata) if metadata.is_dir() && self.is_kernel(&path, &metadata) => {}
                    Ok(metadata) => {
                        // One more than the walk looks at, so that it says where it stopped.
                        self.entries = match self.entries.checked_sub(1) {
                            Some(left) => left,
                            None => return Ok(()),
                        };
                        self.entry(&path, &metadata)?;
                        if metadata.is_dir() {
                            waiting.push(path);
                        }
                    }
                    Err(error) => self.leave_out(&path, &error),
                }
            }
        }
        Ok(())
    }

    fn is_kernel(&self, path: &Path, metadata: &Metadata) -> bool {
        let below = path.strip_prefix(self.root).unwrap_or(path);
        let mounted = fs::metadata(self.root).is_ok_and(|root| root.dev() != metadata.dev());
        mounted && KERNEL.iter().any(|name| below == Path::new(name))
    }

    fn entry(&mut self, path: &Path, metadata: &Metadata) -> io::Result<()> {
        let name = path.strip_prefix(self.root).unwrap_or(path).to_owned();
        let kind = metadata.file_type();
        let mut header = Header::new_gnu();
        header.set_mode(metadata.mode());
        header.set_size(0);
        if kind.is_symlink() {
            return match fs::read_link(path) {
                Ok(target) => {
                    header.set_entry_type(EntryType::Symlink);
                    self.builder.append_link(&mut header, name, target)
                }
                Err(error) => {
                    self.leave_out(path, &error);
                    Ok(())
                }
            };
        }
        if kind.is_dir() {
            header.set_entry_type(EntryType::Directory);
            return self.builder.append_data(&mut header, name, io::empty());
        }
        if !kind.is_file() {
            header.set_entry_type(EntryType::Fifo);
            return self.builder.append_data(&mut header, name, io::empty());
        }
        match File::open(path) {
            Ok(file) => {
                header.set_entry_type(EntryType::Regular);
                header.set_size(metadata.len());
                let mut whole = Whole { file, left: metadata.len(), failed: None };
                self.builder.append_data(&mut header, name, &mut whole)?;
                if let Some(error) = whole.failed {
                    self.leave_out(path, &error);
                }
                Ok(())
            }
            Err(error) => {
                self.leave_out(path, &error);
                Ok(())
            }
        }
    }

    fn leave_out(&mut self, path: &Path, error: &io::Error) {
        if self.left_out.len() >= NAMED {
            self.more += 1;
            return;
        }
        let shown = path.strip_prefix(self.root).unwrap_or(path).display().to_string();
        self.left_out.push(Reason::at(ReasonCode::FetchFailed, &shown, format!("it could not be read: {error}")));
    }
}

/// Exactly as many bytes as the header says, whatever happens to the file meanwhile: what is missing is zeros, and said.
struct Whole {
    file: File,
    left: u64,
    failed: Option<io::Error>,
}

impl Read for Whole {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        if most == 0 {
            return Ok(0);
        }
        let count = match self.file.read(&mut out[..most]) {
            Ok(count) if count > 0 => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            ended => {
                let cut = || io::Error::other("it became shorter while it was read");
                self.failed.get_or_insert_with(|| ended.err().unwrap_or_else(cut));
                out[..most].fill(0);
                most
            }
        };
        self.left -= count as u64;
        Ok(count)
    }
}
