//! Go's list of modules, after runtime/debug's BuildInfo.

use super::main_module;
use crate::detect::FactList;
use crate::layer::Fact;
use crate::package::{Package, PackageType};

/// The version of what has none.
pub(super) const UNVERSIONED: &str = "(devel)";
/// Longest module path and version.
const MAX_VALUE: usize = 1024;

/// A module as a line of the list names it.
struct Module<'a> {
    path: &'a str,
    version: &'a str,
}

impl<'a> Module<'a> {
    fn read(fields: &'a str) -> Option<Self> {
        let mut fields = fields.split('\t');
        let (path, version) = (fields.next()?, fields.next().unwrap_or(""));
        (!path.is_empty() && path.len() <= MAX_VALUE && version.len() <= MAX_VALUE).then_some(Self { path, version })
    }

    /// As a package, where the version is one: a replacement by a folder, and a module of the same workspace, have none.
    fn push(&self, facts: &mut FactList) {
        if !self.version.is_empty() && self.version != UNVERSIONED {
            facts.push(Fact::Package(Package::new(PackageType::Golang, self.path, self.version)));
        }
    }
}

/// Adds the standard library of a release, under the name advisories use.
pub(super) fn library(release: &str, facts: &mut FactList) {
    facts.push(Fact::Package(Package::new(PackageType::Golang, "stdlib", release)));
}

/// Adds the modules of a list. A replaced module is the one that took its place.
pub(super) fn list(list: &[u8], facts: &mut FactList) {
    let list = String::from_utf8_lossy(list);
    let mut main = None;
    // A module waits for the line behind it, which may replace it.
    let mut waiting: Option<Module<'_>> = None;
    for line in list.lines() {
        let (key, rest) = line.split_once('\t').unwrap_or((line, ""));
        match key {
            "=>" => waiting = Module::read(rest),
            _ => {
                if let Some(module) = waiting.take() {
                    module.push(facts);
                }
                match key {
                    "mod" => main = Module::read(rest),
                    "dep" => waiting = Module::read(rest),
                    _ => {}
                }
            }
        }
    }
    if let Some(module) = waiting {
        module.push(facts);
    }
    if let Some(module) = main {
        let recovered = || main_module::linked_version(&list, module.path);
        match module.version {
            "" | UNVERSIONED => recovered().into_iter().for_each(|version| Module { version, ..module }.push(facts)),
            _ => module.push(facts),
        }
    }
}
