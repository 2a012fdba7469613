//! containerd's own configuration: which files it reads, and what they say of registries.
//!
//! Leaves `certs.d` to others. What a version of containerd does is taken from its source and, for 1.6, from running it.

mod files;

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::finding::{Code, Finding};
use super::root::HostRoot;
use super::version::{Holds, Version, before};
use files::Loaded;

/// Where distributions keep things: containerd's configuration, its socket, its `certs.d`. The first whose configuration is
/// there is the node's: k3s and RKE2 run a containerd of their own, whatever else is installed.
const PLACES: [Places; 3] = [
    Places {
        config: "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
        socket: "/run/k3s/containerd/containerd.sock",
    },
    Places {
        config: "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
        socket: "/run/k3s/containerd/containerd.sock",
    },
    Places { config: "/etc/containerd/config.toml", socket: "/run/containerd/containerd.sock" },
];
/// What containerd reads where nothing says otherwise, from 2.2 on.
const DEFAULT_PATH: &str = "/etc/containerd/certs.d:/etc/docker/certs.d";
/// The CRI plugin's names: in version 1 files, in 1.x, and the image service's in 2.x.
const SHORT: &str = "cri";
const CRI: &str = "io.containerd.grpc.v1.cri";
const IMAGES: &str = "io.containerd.cri.v1.images";

#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub(super) config: &'static str,
    pub(super) socket: &'static str,
}

impl Places {
    /// Those of this node.
    pub(super) fn of(root: &HostRoot) -> Self {
        let present = PLACES.into_iter().find(|places| root.has(Path::new(places.config)));
        present.unwrap_or(PLACES[PLACES.len() - 1])
    }
}

/// What containerd's configuration comes to.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    /// The files it is read from, in their order.
    pub(super) files: Vec<PathBuf>,
    pub(super) config_path: Option<ConfigPath>,
    /// The image of every pod's first container.
    pub(super) sandbox_image: Option<String>,
    pub(super) findings: Vec<Finding>,
}

/// Where containerd looks for registries' directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConfigPath {
    pub(super) text: String,
    /// The key as its file writes it, or that it is the default.
    pub(super) form: String,
    /// The directories in their order; none where this containerd takes the list for the name of one.
    pub(super) directories: Vec<PathBuf>,
}

/// Reads the configuration in `file` as a containerd of this version does.
pub(super) fn read(root: &HostRoot, file: &Path, version: Option<&Version>) -> Configuration {
    let mut found = Configuration::default();
    let loaded = match files::load(root, file, version, &mut found.findings) {
        Ok(loaded) => loaded,
        Err(refused) => {
            found.findings.push(refused);
            found.files.push(file.to_owned());
            return found;
        }
    };
    found.files = loaded.iter().map(|loaded| loaded.path.clone()).collect();
    if loaded.is_empty() {
        found.findings.push(Finding::warning(
            Code::ConfigMissing,
            format!(
                "{} is not there: containerd runs with its defaults; --containerd-config names another",
                file.display()
            ),
        ));
    }
    let form = loaded.iter().filter_map(Loaded::version).next_back().unwrap_or(1);
    if let Some(refused) = short_key(&loaded, form) {
        found.findings.push(refused);
        return found;
    }
    let merged = Merged::of(&loaded, form, version);
    found.sandbox_image = merged.text(&["sandbox_image"]).or_else(|| merged.text(&["pinned_images", "sandbox"]));
    let set = merged.text(&["registry", "config_path"]).filter(|text| !text.is_empty());
    found.config_path = match set {
        Some(text) => Some(ConfigPath {
            directories: directories(&text),
            form: format!("plugins.\"{}\".registry.config_path", merged.key),
            text,
        }),
        None if before(version, (2, 2, 0)) == Holds::No => Some(ConfigPath {
            text: DEFAULT_PATH.to_owned(),
            form: "containerd's default".to_owned(),
            directories: directories(DEFAULT_PATH),
        }),
        None => {
            found.findings.push(unset(&loaded, &merged, form, version, file));
            None
        }
    };
    if let Some(path) = &mut found.config_path {
        found.findings.extend(beside(&merged));
        found.findings.extend(list(path, &merged, version));
        for directory in path.directories.iter().filter(|directory| !directory.is_absolute()) {
            found.findings.push(Finding::warning(
                Code::RelativePath,
                format!("config_path {}: a relative path depends on where containerd is started", directory.display()),
            ));
        }
    }
    found
}

fn directories(text: &str) -> Vec<PathBuf> {
    text.split(':').filter(|part| !part.is_empty()).map(PathBuf::from).collect()
}

/// The section of the CRI plugin that this containerd goes by.
struct Merged {
    key: &'static str,
    section: Table,
    /// A file whose section was passed over, since a later file has one too.
    replaced: Option<(PathBuf, PathBuf)>,
}

impl Merged {
    fn of(loaded: &[Loaded], form: i64, version: Option<&Version>) -> Self {
        let keys: &[&'static str] = match (form, version.map(Version::is_second)) {
            (..=1, _) => &[SHORT],
            (2, Some(false)) | (3.., Some(false)) => &[CRI],
            // A version 2 file is moved over to the image service's section, which may be there already.
            (2, _) => &[CRI, IMAGES],
            (3.., _) => &[IMAGES],
        };
        let mut all: Vec<Self> = keys.iter().map(|key| Self::by(key, loaded, version)).collect();
        let first = all.iter().position(|merged| merged.text(&["registry", "config_path"]).is_some());
        all.swap_remove(first.unwrap_or(0))
    }

    /// 1.x lets an imported file's section take the place of the one before; 2.x merges them.
    fn by(key: &'static str, loaded: &[Loaded], version: Option<&Version>) -> Self {
        let replaces = version.is_some_and(|version| !version.is_second());
        let mut merged = Self { key, section: Table::new(), replaced: None };
        let mut before: Option<&Loaded> = None;
        for file in loaded {
            let Some(section) = file.plugin(key) else { continue };
            if replaces {
                merged.replaced = before.map(|before| (before.path.clone(), file.path.clone()));
                merged.section = section.clone();
            } else {
                lay_over(&mut merged.section, section);
            }
            before = Some(file);
        }
        merged
    }

    fn text(&self, path: &[&str]) -> Option<String> {
        Some(value(&self.section, path)?.as_str()?.to_owned())
    }
}

fn lay_over(below: &mut Table, above: &Table) {
    for (key, value) in above {
        match (below.get_mut(key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay_over(below, above),
            _ => {
                below.insert(key.clone(), value.clone());
            }
        }
    }
}

fn value<'a>(table: &'a Table, path: &[&str]) -> Option<&'a Value> {
    let (last, tables) = path.split_last()?;
    tables.iter().try_fold(table, |table, key| table.get(*key)?.as_table())?.get(*last)
}

/// Names without `io.containerd.` are of version 1; containerd does not start with one in a later file.
fn short_key(loaded: &[Loaded], form: i64) -> Option<Finding> {
    let named = |loaded: &Loaded| {
        let key =
            loaded.plugins()?.keys().find(|key| key.split('.').count() < 4 || !key.starts_with("io.containerd."))?;
        Some(Finding::error(
            Code::ConfigRefused,
            format!(
                "{}: [plugins.{key}] is a name of version 1 in a version {form} configuration: containerd does not start with it",
                loaded.path.display()
            ),
        ))
    };
    if form < 2 { None } else { loaded.iter().find_map(named) }
}

/// Why there is no `config_path` in force.
fn unset(loaded: &[Loaded], merged: &Merged, form: i64, version: Option<&Version>, file: &Path) -> Finding {
    if let Some((lost, winner)) = &merged.replaced {
        return Finding::error(
            Code::ConfigPathElsewhere,
            format!(
                "{}: another [plugins.\"{}\"] takes the place of the whole section in {}, and sets no registry.config_path; \
                 containerd 1.x does not merge them",
                winner.display(),
                merged.key,
                lost.display()
            ),
        );
    }
    for key in [SHORT, CRI, IMAGES] {
        for loaded in loaded {
            let Some(section) = loaded.plugin(key).filter(|_| key != merged.key) else { continue };
            if value(section, &["registry", "config_path"]).and_then(Value::as_str).is_some_and(|set| !set.is_empty()) {
                let who = version.map_or_else(|| "containerd".to_owned(), |version| format!("containerd {version}"));
                return Finding::error(
                    Code::ConfigPathElsewhere,
                    format!(
                        "{}: plugins.\"{key}\".registry.config_path is not read: in a version {form} configuration {who} reads \
                         plugins.\"{}\".registry.config_path",
                        loaded.path.display(),
                        merged.key
                    ),
                );
            }
        }
    }
    let mirrors = match value(&merged.section, &["registry", "mirrors"]) {
        Some(_) => "; the deprecated registry.mirrors there has to go then",
        None => "",
    };
    Finding::error(
        Code::ConfigPathMissing,
        format!(
            "{}: plugins.\"{}\".registry.config_path is not set, so containerd asks no mirror: set it to \
             \"/etc/containerd/certs.d\" and restart containerd{mirrors}",
            file.display(),
            merged.key
        ),
    )
}

/// What containerd's CRI plugin refuses to start with beside a `config_path`.
fn beside(merged: &Merged) -> Vec<Finding> {
    let filled =
        |key| value(&merged.section, &["registry", key]).and_then(Value::as_table).filter(|table| !table.is_empty());
    let mut keys = Vec::new();
    if filled("mirrors").is_some() {
        keys.push("mirrors".to_owned());
    }
    let tls = filled("configs").and_then(|configs| configs.iter().find(|(_, config)| config.get("tls").is_some()));
    keys.extend(tls.map(|(registry, _)| format!("configs.\"{registry}\".tls")));
    let finding = |key: String| {
        Finding::error(
            Code::DeprecatedBesideConfigPath,
            format!(
                "plugins.\"{}\".registry.{key} is set beside config_path: containerd's CRI plugin does not load with both, \
                 and the node runs no pods after the next restart of containerd; take it out",
                merged.key
            ),
        )
    };
    keys.into_iter().map(finding).collect()
}

/// From 2.1 on images are pulled by the transfer service, which takes a list of directories for the name of one.
fn list(path: &mut ConfigPath, merged: &Merged, version: Option<&Version>) -> Option<Finding> {
    let local = value(&merged.section, &["use_local_image_pull"]).and_then(Value::as_bool) == Some(true);
    if path.directories.len() < 2 || local {
        return None;
    }
    let detail = format!(
        "config_path {:?} ({}) names several directories; containerd 2.1 and later take it for the name of one, which does not \
         exist, and ask no mirror: set a single directory, or use_local_image_pull = true",
        path.text, path.form
    );
    match before(version, (2, 1, 0)) {
        Holds::Yes => None,
        Holds::Perhaps => Some(Finding::warning(Code::ConfigPathList, detail)),
        Holds::No => {
            path.directories.truncate(1);
            Some(Finding::error(Code::ConfigPathList, detail))
        }
    }
}

#[cfg(test)]
mod tests;
