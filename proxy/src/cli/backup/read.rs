//! Reads a backup, which may be anything: every name, size and digest is checked, and nothing is written outside one folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use indicatif::ProgressBar;
use tar::{Archive, Entry, EntryType};
use weir_scanner::oci::{Algorithm, Digest, DigestHasher};
use weir_storage::blob::free_space;

use super::{FORMAT, HEADER, Header, INDEX, PIECE, SUMS};

/// Most bytes of the first entry.
const MAX_HEADER: u64 = 64 << 10;
/// Most files of an index: RocksDB's are some megabytes each.
const MAX_FILES: u64 = 1_000_000;
/// Bytes of a line of sums: digest, blanks, the longest name.
const MAX_LINE: u64 = 256;
/// The longest name of a file.
const MAX_NAME: usize = 128;
/// Room that is left on the disk.
const RESERVE: u64 = 64 << 20;

/// Unpacks the index of a backup into `into`, which is made. Where this returns, every file is there, is what the backup's sums say,
/// and is on the disk.
pub(super) fn unpack(from: impl Read, into: &Path, bar: &ProgressBar) -> anyhow::Result<Header> {
    let mut archive = Archive::new(from);
    // Long names and other extensions of the form are not needed, and what is not read cannot be abused.
    let mut entries = archive.entries()?.raw(true);
    let mut found = BTreeMap::new();
    let first = entries.next().context("it is empty")?.context("it is no tar, or damaged at its beginning")?;
    let (header, digest) = read_header(first)?;
    found.insert(HEADER.to_owned(), digest);
    bar.set_length(header.bytes);
    make_room(into, header.bytes)?;
    let mut left = header.bytes;
    for entry in entries {
        let mut entry = entry.context("it is damaged")?;
        let name = name(&entry)?;
        if name == SUMS {
            let sums = text(&mut entry, (header.files + 1) * MAX_LINE, SUMS)?;
            compare(&sums, &found)?;
            let files = found.len() as u64 - 1;
            ensure!(files == header.files, "it holds {files} files where {HEADER} says {}", header.files);
            sync(into)?;
            return Ok(header);
        }
        let size = entry.size();
        ensure!(found.len() as u64 <= header.files, "it holds more files than the {} that {HEADER} says", header.files);
        left = left
            .checked_sub(size)
            .with_context(|| format!("it holds more than the {} bytes that {HEADER} says", header.bytes))?;
        let file = file_name(&name)?;
        ensure!(!found.contains_key(&name), "{name} is in it twice");
        let digest = copy(&mut entry, &into.join(file), size, bar).with_context(|| name.clone())?;
        found.insert(name, digest);
    }
    bail!("it ends without {SUMS}: it was cut off")
}

/// The header and its digest. What a newer version wrote is refused here, before anything else of it is read.
fn read_header(mut entry: Entry<'_, impl Read>) -> anyhow::Result<(Header, String)> {
    let name = name(&entry)?;
    ensure!(name == HEADER, "it is no backup of weir: it begins with {name:?}, not with {HEADER}");
    let text = text(&mut entry, MAX_HEADER, HEADER)?;
    #[derive(serde::Deserialize)]
    struct Form {
        format: u32,
        weir: String,
    }
    let form: Form = serde_json::from_str(&text).with_context(|| format!("{HEADER} cannot be understood"))?;
    ensure!(
        form.format <= FORMAT,
        "it is of format {}, written by weir {}; this weir {} reads up to format {FORMAT}: restore it with a newer one",
        form.format,
        form.weir,
        env!("CARGO_PKG_VERSION")
    );
    let header: Header = serde_json::from_str(&text).with_context(|| format!("{HEADER} cannot be understood"))?;
    ensure!(header.files <= MAX_FILES, "it claims {} files, which no index has", header.files);
    Ok((header, Digest::of(text.as_bytes()).hex()))
}

/// The name of an entry, which must be a plain file.
fn name(entry: &Entry<'_, impl Read>) -> anyhow::Result<String> {
    let bytes = entry.path_bytes();
    let name =
        String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_control()).take(MAX_NAME * 2).collect::<String>();
    ensure!(entry.header().entry_type() == EntryType::Regular, "{name:?} in it is no plain file");
    Ok(name)
}

/// The name of a file of the index: one that a database gives, and no path.
fn file_name(name: &str) -> anyhow::Result<&str> {
    let file = name.strip_prefix(INDEX).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let good = !file.is_empty() && file.len() <= MAX_NAME && !file.starts_with('.') && file.chars().all(plain);
    ensure!(good, "{name:?} in it is no file of an index");
    Ok(file)
}

fn text(entry: &mut Entry<'_, impl Read>, limit: u64, name: &str) -> anyhow::Result<String> {
    let size = entry.size();
    ensure!(size <= limit, "{name} has {size} bytes, which is too much");
    let mut text = String::new();
    entry.take(limit).read_to_string(&mut text).with_context(|| name.to_owned())?;
    ensure!(text.len() as u64 == size, "it was cut off within {name}");
    Ok(text)
}

fn make_room(into: &Path, bytes: u64) -> anyhow::Result<()> {
    std::fs::create_dir_all(into).with_context(|| into.display().to_string())?;
    let free = free_space(into).with_context(|| into.display().to_string())?;
    let needed = bytes.saturating_add(RESERVE);
    ensure!(free >= needed, "it needs {needed} bytes of room, and {} has {free}", into.display());
    Ok(())
}

/// Writes a file that is not there yet; its digest.
fn copy(entry: &mut impl Read, to: &Path, size: u64, bar: &ProgressBar) -> anyhow::Result<String> {
    let mut file = File::create_new(to)?;
    let (mut hasher, mut piece, mut left) = (DigestHasher::new(Algorithm::Sha256), vec![0; PIECE], size);
    while left > 0 {
        let count = entry.read(&mut piece)?;
        ensure!(count > 0, "it was cut off within this file");
        hasher.update(&piece[..count]);
        file.write_all(&piece[..count])?;
        bar.inc(count as u64);
        left -= count as u64;
    }
    file.sync_all()?;
    Ok(hasher.finish().hex())
}

/// Every file that is there is in the sums as it is, and the other way round.
fn compare(sums: &str, found: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let mut listed = BTreeMap::new();
    for line in sums.lines() {
        let (digest, name) = line.split_once("  ").with_context(|| format!("{SUMS} cannot be understood"))?;
        listed.insert(name, digest);
    }
    for (name, digest) in &listed {
        let Some(actual) = found.get(*name) else { bail!("{name} is missing") };
        ensure!(actual == digest, "{name} is damaged: its SHA-256 is {actual}, {SUMS} says {digest}");
    }
    if let Some(name) = found.keys().find(|name| !listed.contains_key(name.as_str())) {
        bail!("{name} is not in {SUMS}");
    }
    Ok(())
}

fn sync(folder: &Path) -> anyhow::Result<()> {
    File::open(folder).and_then(|open| open.sync_all()).with_context(|| folder.display().to_string())
}
