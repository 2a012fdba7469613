//! Since which layer each package is in the image without a gap.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::tree::NodeId;
use crate::layer::Fact;
use crate::package::{Package, PackageType};

/// What makes packages of two layers the same: type, name, version, architecture, who says so, and for packages without a common
/// database the place of the file that states them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key<'a> {
    package_type: PackageType,
    name: &'a str,
    version: &'a str,
    architecture: Option<&'a str>,
    stated: bool,
    place: Option<NodeId>,
}

#[derive(Debug)]
struct Run {
    /// The lowest layer of the run.
    since: u32,
    /// Statements of it that are visible now.
    count: usize,
}

/// The packages visible after some layers.
#[derive(Debug, Default)]
pub(super) struct Runs<'a> {
    runs: HashMap<Key<'a>, Run>,
    /// Those whose last statement the current layer took: it may state them again.
    left: Vec<Key<'a>>,
}

impl<'a> Runs<'a> {
    /// A file of the layer at `index` states packages.
    pub(super) fn join(&mut self, index: u32, place: NodeId, facts: &'a [Fact]) {
        for key in keys(place, facts) {
            self.runs.entry(key).or_insert(Run { since: index, count: 0 }).count += 1;
        }
    }

    /// A file that stated packages is gone.
    pub(super) fn leave(&mut self, place: NodeId, facts: &'a [Fact]) {
        for key in keys(place, facts) {
            if let Some(run) = self.runs.get_mut(&key) {
                run.count -= 1;
                if run.count == 0 {
                    self.left.push(key);
                }
            }
        }
    }

    /// Ends the runs of packages the layer took without stating them again.
    pub(super) fn end_layer(&mut self) {
        for key in self.left.drain(..) {
            if let Entry::Occupied(run) = self.runs.entry(key)
                && run.get().count == 0
            {
                run.remove();
            }
        }
    }

    /// The layer that brought a visible package.
    pub(super) fn since(&self, place: NodeId, package: &'a Package, stated: bool) -> Option<u32> {
        self.runs.get(&Key::of(place, package, stated)).map(|run| run.since)
    }
}

impl<'a> Key<'a> {
    fn of(place: NodeId, package: &'a Package, stated: bool) -> Self {
        Self {
            package_type: package.package_type,
            name: &package.name,
            version: &package.version,
            architecture: package.architecture.as_deref(),
            stated,
            place: (!package.package_type.is_system()).then_some(place),
        }
    }
}

fn keys<'a>(place: NodeId, facts: &'a [Fact]) -> impl Iterator<Item = Key<'a>> {
    facts.iter().filter_map(move |fact| match fact {
        Fact::Package(package) => Some(Key::of(place, package, false)),
        Fact::Stated(package) => Some(Key::of(place, package, true)),
        _ => None,
    })
}
