//! What weir wrote on a node, so that it can take back exactly that.
//!
//! Owns `.weir/setup.json` beside the registries' directories, and the writing and taking back of files by it. Invariants: the
//! record names a file before the file is there, so that an end of the process between the two loses nothing; what is not as
//! weir wrote it is somebody else's, and is neither written over nor removed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use weir_scanner::oci::Digest;

use super::super::hosts::replace;
use super::root::HostRoot;

/// weir's own directory in `certs.d`. No registry can be called that.
pub(super) const KEPT_HERE: &str = ".weir";
/// The record, in it.
const RECORD: &str = ".weir/setup.json";
/// What an original is kept under, beside the file that took its place.
const ORIGINAL: &str = "before-weir";
/// The record's form.
const FORM: u32 = 1;

/// The record of one `certs.d`. Paths in it are relative to that, except those of `created`.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    form: u32,
    /// The mirror that the files name, as they name it.
    pub(super) mirror: String,
    pub(super) only: bool,
    /// The registries that lead to weir.
    pub(super) registries: Vec<String>,
    pub(super) files: BTreeMap<PathBuf, Written>,
    /// Directories that were not there before, outermost first, by the host's paths.
    created: Vec<PathBuf>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Written {
    /// What it holds; two while it is being replaced.
    digests: Vec<String>,
    /// Where what was there before is kept.
    original: Option<PathBuf>,
}

/// What is to be on the node.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) mirror: String,
    pub(super) only: bool,
    pub(super) registries: Vec<String>,
    /// Contents by paths relative to `certs.d`.
    pub(super) files: BTreeMap<PathBuf, Vec<u8>>,
    /// Takes the place of files that are somebody else's.
    pub(super) adopt: bool,
}

/// What was done, and what was left alone. Paths are the host's.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) written: Vec<PathBuf>,
    pub(super) removed: Vec<PathBuf>,
    pub(super) restored: Vec<PathBuf>,
    /// Somebody else's, with why weir thinks so.
    pub(super) foreign: Vec<(PathBuf, Foreign)>,
}

/// Why a file is not weir's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    /// It was there before.
    Before,
    /// It was changed after weir wrote it.
    Changed,
    /// The same, and an original is kept already.
    ChangedTwice,
}

/// How a recorded file is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    AsWritten,
    Changed,
    Missing,
}

impl Record {
    /// The record in a `certs.d` of the host; `None` where weir wrote nothing there.
    pub(super) fn load(root: &HostRoot, certs_d: &Path) -> anyhow::Result<Option<Self>> {
        let path = certs_d.join(RECORD);
        let named = || format!("{}", path.display());
        let Some(bytes) = root.read(&path).with_context(named)? else { return Ok(None) };
        let record: Self = serde_json::from_slice(&bytes)
            .with_context(|| format!("{}: this is not what weir wrote", path.display()))?;
        anyhow::ensure!(record.form == FORM, "{}: written by a later weir", path.display());
        let inside = |path: &Path| path.is_relative() && !path.components().any(|part| part.as_os_str() == "..");
        let sound =
            record.files.iter().all(|(path, written)| inside(path) && written.original.as_deref().is_none_or(inside));
        anyhow::ensure!(sound, "{}: it names files outside of its directory", path.display());
        Ok(Some(record))
    }

    /// Each recorded file and how it is found.
    pub(super) fn compare(&self, root: &HostRoot, certs_d: &Path) -> Vec<(PathBuf, Found)> {
        let found = |(path, written): (&PathBuf, &Written)| {
            let path = certs_d.join(path);
            let found = match root.read(&path) {
                Ok(None) => Found::Missing,
                Ok(Some(bytes)) if written.is(&bytes) => Found::AsWritten,
                Ok(Some(_)) | Err(_) => Found::Changed,
            };
            (path, found)
        };
        self.files.iter().map(found).collect()
    }

    fn save(&self, root: &HostRoot, certs_d: &Path) -> anyhow::Result<()> {
        let path = certs_d.join(RECORD);
        let text = serde_json::to_vec_pretty(self).context("the record")?;
        replace(&root.place(&path)?, &text).with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Written {
    fn is(&self, bytes: &[u8]) -> bool {
        self.digests.contains(&digest(bytes))
    }
}

fn digest(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

/// Makes the node as the plan says. Files that are somebody else's are left alone and told; `all_or_nothing` leaves everything
/// as it is then.
pub(super) fn apply(root: &HostRoot, certs_d: &Path, plan: &Plan, all_or_nothing: bool) -> anyhow::Result<Outcome> {
    let before = Record::load(root, certs_d)?.unwrap_or_default();
    let mut outcome = Outcome::default();
    let mut record = Record {
        form: FORM,
        mirror: plan.mirror.clone(),
        only: plan.only,
        registries: plan.registries.clone(),
        files: before.files.clone(),
        created: before.created.clone(),
    };
    let mut writes = Vec::new();
    for (path, bytes) in &plan.files {
        let known = before.files.get(path);
        let current = root.read(&certs_d.join(path)).with_context(|| certs_d.join(path).display().to_string())?;
        let mut original = known.and_then(|known| known.original.clone());
        match &current {
            // As it should be, whoever wrote it: what is not recorded is not removed either.
            Some(current) if current == bytes => {
                if let Some(written) = record.files.get_mut(path) {
                    written.digests = vec![digest(bytes)];
                }
                continue;
            }
            Some(current) if known.is_some_and(|known| known.is(current)) => {}
            Some(_) => {
                let foreign = match (known, &original) {
                    (None, _) => Foreign::Before,
                    (Some(_), None) => Foreign::Changed,
                    (Some(_), Some(_)) => Foreign::ChangedTwice,
                };
                if !plan.adopt || foreign == Foreign::ChangedTwice {
                    outcome.foreign.push((certs_d.join(path), foreign));
                    continue;
                }
                original = Some(PathBuf::from(format!("{}.{ORIGINAL}", path.display())));
            }
            None => {}
        }
        let digests = known.into_iter().flat_map(|known| known.digests.clone()).chain([digest(bytes)]).collect();
        record.files.insert(path.clone(), Written { digests, original: original.clone() });
        let keep =
            original.filter(|_| current.as_ref().is_some_and(|current| !known.is_some_and(|known| known.is(current))));
        writes.push((path, bytes, keep));
    }
    if all_or_nothing && !outcome.foreign.is_empty() {
        return Ok(outcome);
    }
    let directories = writes.iter().filter_map(|(path, _, _)| certs_d.join(path).parent().map(Path::to_owned));
    for directory in directories.chain([certs_d.join(KEPT_HERE)]).collect::<Vec<_>>() {
        create(root, &directory, &mut record.created)?;
    }
    let stale: Vec<PathBuf> = before.files.keys().filter(|path| !plan.files.contains_key(*path)).cloned().collect();
    if !writes.is_empty() || record != before {
        record.save(root, certs_d)?;
    }
    for (path, bytes, keep) in &writes {
        write(root, certs_d, path, bytes, keep.as_deref())?;
        outcome.written.push(certs_d.join(path));
    }
    for path in stale {
        if let Some(written) = record.files.remove(&path) {
            take_back(root, certs_d, &path, &written, &mut outcome)?;
            let directory = certs_d.join(&path).parent().map(Path::to_owned);
            // An empty directory would hide `_default` from the registry.
            record.created.retain(|created| Some(created) != directory.as_ref() || !remove_empty(root, created));
        }
    }
    for (path, bytes, _) in &writes {
        if let Some(written) = record.files.get_mut(*path) {
            written.digests = vec![digest(bytes)];
        }
    }
    if !writes.is_empty() || record != before {
        record.save(root, certs_d)?;
    }
    Ok(outcome)
}

/// Takes back what the record in this `certs.d` names; `None` where there is none.
pub(super) fn remove(root: &HostRoot, certs_d: &Path) -> anyhow::Result<Option<Outcome>> {
    let Some(record) = Record::load(root, certs_d)? else { return Ok(None) };
    let mut outcome = Outcome::default();
    for (path, written) in &record.files {
        take_back(root, certs_d, path, written, &mut outcome)?;
    }
    let own = certs_d.join(RECORD);
    fs::remove_file(root.place(&own)?).with_context(|| format!("cannot remove {}", own.display()))?;
    for directory in record.created.iter().rev() {
        remove_empty(root, directory);
    }
    Ok(Some(outcome))
}

/// Removes a directory, unless somebody put something into it. Answers whether it is gone.
fn remove_empty(root: &HostRoot, directory: &Path) -> bool {
    root.place(directory).and_then(fs::remove_dir).is_ok()
}

fn write(root: &HostRoot, certs_d: &Path, path: &Path, bytes: &[u8], keep: Option<&Path>) -> anyhow::Result<()> {
    let place = root.place(&certs_d.join(path))?;
    if let Some(keep) = keep {
        let kept = root.place(&certs_d.join(keep))?;
        // A second name first, then the new file over the first name: at no time is there no file.
        fs::hard_link(&place, &kept).with_context(|| {
            format!("cannot keep {} as {}", certs_d.join(path).display(), certs_d.join(keep).display())
        })?;
    }
    replace(&place, bytes).with_context(|| format!("cannot write {}", certs_d.join(path).display()))
}

fn take_back(
    root: &HostRoot,
    certs_d: &Path,
    path: &Path,
    written: &Written,
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    let named = certs_d.join(path);
    let failed = || format!("cannot take back {}", named.display());
    let place = root.place(&named)?;
    let current = root.read(&named).with_context(failed)?;
    if current.as_ref().is_some_and(|current| !written.is(current)) {
        outcome.foreign.push((named, Foreign::Changed));
        return Ok(());
    }
    let original = written.original.as_ref().map(|original| certs_d.join(original));
    match original.filter(|original| root.has(original)) {
        Some(original) => {
            fs::rename(root.place(&original)?, &place).with_context(failed)?;
            outcome.restored.push(named);
        }
        None if current.is_some() => {
            fs::remove_file(&place).with_context(failed)?;
            outcome.removed.push(named);
        }
        None => {}
    }
    Ok(())
}

/// Makes a directory of the host, and notes each that was not there.
fn create(root: &HostRoot, directory: &Path, created: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let mut missing: Vec<&Path> = directory.ancestors().take_while(|ancestor| !root.has(ancestor)).collect();
    while let Some(directory) = missing.pop() {
        fs::create_dir(root.place(directory)?).with_context(|| format!("cannot create {}", directory.display()))?;
        if !created.iter().any(|known| known == directory) {
            created.push(directory.to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
