//! The files of a configuration: the first, and what it imports.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::super::finding::{Code, Finding};
use super::super::root::HostRoot;
use super::super::version::{Holds, Version, before};

/// What 2.2 and later import where the file says nothing of imports.
const DEFAULT_IMPORTS: &str = "/etc/containerd/conf.d/*.toml";
/// Files that are read for one configuration.
const MAX_FILES: usize = 256;

/// A file as it was read.
pub(super) struct Loaded {
    pub(super) path: PathBuf,
    table: Table,
}

impl Loaded {
    /// The version it declares.
    pub(super) fn version(&self) -> Option<i64> {
        self.table.get("version")?.as_integer().filter(|version| *version > 0)
    }

    pub(super) fn plugins(&self) -> Option<&Table> {
        self.table.get("plugins")?.as_table()
    }

    pub(super) fn plugin(&self, key: &str) -> Option<&Table> {
        self.plugins()?.get(key)?.as_table()
    }

    /// The paths and patterns it imports.
    fn imports(&self) -> Option<Vec<&str>> {
        Some(self.table.get("imports")?.as_array()?.iter().filter_map(Value::as_str).collect())
    }
}

/// The first file and what it imports, in containerd's order; empty where there is no first file. What containerd does not
/// start with is an error.
pub(super) fn load(
    root: &HostRoot,
    first: &Path,
    version: Option<&Version>,
    findings: &mut Vec<Finding>,
) -> Result<Vec<Loaded>, Finding> {
    let mut loaded: Vec<Loaded> = Vec::new();
    let mut waiting = vec![first.to_owned()];
    while !waiting.is_empty() {
        let path = waiting.remove(0);
        if loaded.len() == MAX_FILES || loaded.iter().any(|loaded| loaded.path == path) {
            continue;
        }
        let refused = |cause: String| {
            Finding::error(
                Code::ConfigRefused,
                format!("{}: {cause}: containerd does not start with it", path.display()),
            )
        };
        let Some(text) = root.read_text(&path).map_err(|error| refused(error.to_string()))? else {
            if path == first {
                return Ok(loaded);
            }
            if root.may_hide(&path) {
                let detail = format!("{}: an imported file whose directory is not mounted here", path.display());
                findings.push(Finding::warning(Code::ConfigMissing, detail));
                continue;
            }
            return Err(refused("an imported file that is not there".to_owned()));
        };
        let table: Table =
            text.parse().map_err(|error: toml::de::Error| refused(error.to_string().trim().to_owned()))?;
        let file = Loaded { path: path.clone(), table };
        match file.imports() {
            Some(imports) => {
                imports.into_iter().for_each(|import| waiting.extend(resolve(root, &path, import, findings)))
            }
            None if path == first && before(version, (2, 2, 0)) == Holds::No => {
                waiting.extend(root.glob(Path::new(DEFAULT_IMPORTS)));
            }
            None => {}
        }
        loaded.push(file);
    }
    Ok(loaded)
}

fn resolve(root: &HostRoot, parent: &Path, import: &str, findings: &mut Vec<Finding>) -> Vec<PathBuf> {
    let path = parent.parent().unwrap_or(Path::new("/")).join(import);
    if !import.contains('*') {
        return vec![path];
    }
    if !import.starts_with('/') {
        findings.push(Finding::warning(
            Code::RelativePath,
            format!(
                "{}: imports {import:?}: a relative pattern depends on where containerd is started",
                parent.display()
            ),
        ));
    }
    root.glob(&path)
}
