//! The files of an image on disk: a folder, or a tar file whose entries are read where they lie.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::TargetError;
use super::blob::Region;

/// Largest document read from an archive, in bytes.
const MOST_DOCUMENT: u64 = 16 << 20;
/// Most entries of an archive.
const MOST_ENTRIES: usize = 100_000;
/// Links followed from one name to another.
const MOST_LINKS: usize = 8;

/// The files of an image.
pub(super) enum Files {
    /// In a folder.
    Directory(PathBuf),
    /// In a tar file: where each entry's bytes lie, and what links lead to.
    Archive { file: PathBuf, entries: HashMap<String, (u64, u64)>, links: HashMap<String, String> },
}

impl Files {
    /// Lists a tar file's entries.
    pub(super) fn open(path: &Path) -> Result<Self, TargetError> {
        let failed = |source| TargetError::File { path: path.display().to_string(), source };
        let file = File::open(path).map_err(failed)?;
        let mut archive = tar::Archive::new(BufReader::with_capacity(64 << 10, file));
        let (mut entries, mut links) = (HashMap::new(), HashMap::new());
        for entry in archive.entries_with_seek().map_err(failed)? {
            let entry = entry.map_err(|source| not_tar(path, source))?;
            if entries.len() + links.len() >= MOST_ENTRIES {
                return Err(TargetError::NotThat {
                    place: path.display().to_string(),
                    detail: format!("an archive of more than {MOST_ENTRIES} files"),
                });
            }
            let name = cleaned(&entry.path_bytes());
            match entry.link_name_bytes() {
                Some(target) => {
                    let above = name.rsplit_once('/').map_or("", |(above, _)| above);
                    let beside = entry.header().entry_type().is_symlink();
                    let target = String::from_utf8_lossy(&target).into_owned();
                    let target = if beside { format!("{above}/{target}") } else { target };
                    links.insert(name, cleaned(target.as_bytes()));
                }
                None => {
                    entries.insert(name, (entry.raw_file_position(), entry.size()));
                }
            }
        }
        Ok(Self::Archive { file: path.to_owned(), entries, links })
    }

    /// What the place is called in messages.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Directory(path) | Self::Archive { file: path, .. } => path.display().to_string(),
        }
    }

    /// Where a file's bytes are; `None` where there is no such file.
    pub(super) fn find(&self, name: &str) -> Option<Region> {
        match self {
            Self::Directory(directory) => {
                let path = directory.join(name);
                let length = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?.len();
                Some(Region { path, offset: 0, length })
            }
            Self::Archive { file, entries, links } => {
                let mut name = cleaned(name.as_bytes());
                for _ in 0..MOST_LINKS {
                    if let Some((offset, length)) = entries.get(&name) {
                        return Some(Region { path: file.clone(), offset: *offset, length: *length });
                    }
                    name = links.get(&name)?.clone();
                }
                None
            }
        }
    }

    /// A whole document.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, TargetError> {
        let path = format!("{}: {name}", self.place());
        let failed = |source| TargetError::File { path: path.clone(), source };
        let region = self.find(name).ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        if region.length > MOST_DOCUMENT {
            return Err(TargetError::NotThat { place: path, detail: format!("a document of {} bytes", region.length) });
        }
        let mut bytes = Vec::new();
        region.open().and_then(|mut file| file.read_to_end(&mut bytes)).map_err(failed)?;
        Ok(bytes)
    }
}

fn not_tar(path: &Path, source: io::Error) -> TargetError {
    let detail = format!("no tar file, or a compressed one ({source})");
    TargetError::NotThat { place: path.display().to_string(), detail }
}

/// A name without `.`, `..` and doubled slashes; none leads out of the archive.
fn cleaned(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_an_archive_are_found_through_its_links() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        let mut builder = tar::Builder::new(File::create(&path).unwrap());
        let mut add = |name: &str, kind, link: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            if !link.is_empty() {
                header.set_link_name(link).unwrap();
            }
            builder.append_data(&mut header, name, bytes).unwrap();
        };
        add("one/layer.tar", tar::EntryType::Regular, "", b"layer");
        add("two/layer.tar", tar::EntryType::Symlink, "../one/layer.tar", b"");
        add("loop", tar::EntryType::Symlink, "loop", b"");
        add("manifest.json", tar::EntryType::Regular, "", b"[]");
        builder.finish().unwrap();
        let files = Files::open(&path).unwrap();
        assert_eq!(files.read("./manifest.json").unwrap(), b"[]");
        assert_eq!(files.read("two/layer.tar").unwrap(), b"layer");
        assert!(files.find("loop").is_none() && files.find("three").is_none());
        std::fs::write(&path, vec![b'x'; 4096]).unwrap();
        assert!(Files::open(&path).err().unwrap().to_string().contains("no tar file"));
    }
}
