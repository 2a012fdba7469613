//! What is visible after some layers: facts by canonical path, each with the layer that brought it.
//!
//! Applies one layer at a time, as an extractor would: first what the layer removes, then what it adds. Removal asks only
//! whether a path, a directory above it, or another name of it was touched; path hashes suffice for that.

use std::collections::{BTreeMap, HashMap};

use super::links::{Links, ancestors};
use crate::layer::{Fact, LayerInventory, PathHash, PathKind, Reason, ReasonCode};
use crate::package::Package;

/// The visible facts of the layers applied so far.
#[derive(Debug, Default)]
pub(super) struct State {
    links: Links,
    files: BTreeMap<String, File>,
}

/// A visible file of interest.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// The layer whose version of the file is visible.
    pub(super) layer: u32,
    /// What it states.
    pub(super) facts: Vec<Placed>,
}

/// A fact and the lowest layer of its current uninterrupted run.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) fact: Fact,
    pub(super) layer: u32,
}

/// What makes two packages of different layers the same: type, name, version, architecture, and for packages without a
/// common database the file that states them.
type RunKey<'a> = (&'a Package, Option<&'a str>);

impl State {
    /// Applies the layer at `index`, of whose links those in `links` matter.
    pub(super) fn apply(&mut self, index: u32, layer: &LayerInventory, links: &[(&String, &String)]) {
        let touched = Touched(layer);
        self.links.update(|links, path| !touched.removes(path, links), links);
        let below = std::mem::take(&mut self.files);
        let kept = below.iter().filter(|(path, _)| !touched.removes(path, &self.links));
        let mut files: BTreeMap<String, File> = kept.map(|(path, file)| (path.clone(), file.clone())).collect();
        let runs = runs(&below);
        for (path, facts) in &layer.facts {
            let path = self.links.canonical_entry(path);
            let file = place(index, &path, facts.iter(), &runs);
            files.insert(path, file);
        }
        for (path, target) in &layer.hardlinks {
            let path = self.links.canonical_entry(path);
            let target_path = self.links.canonical_entry(target);
            let file = match files.get(&target_path).or_else(|| below.get(&target_path)) {
                Some(file) => place(index, &path, file.facts.iter().map(|placed| &placed.fact), &runs),
                None => {
                    let detail = format!("a hard link to {target}, whose content was not read");
                    let fact = Fact::Unread(Reason::at(ReasonCode::UnreadDatabase, &path, detail));
                    File { layer: index, facts: vec![Placed { fact, layer: index }] }
                }
            };
            files.insert(path, file);
        }
        self.files = files;
    }

    /// The file a path leads to, with every link followed.
    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.get(&self.links.canonical(path)?)
    }

    /// Every visible file of interest.
    pub(super) fn files(&self) -> &BTreeMap<String, File> {
        &self.files
    }
}

fn place<'a>(
    index: u32,
    path: &str,
    facts: impl Iterator<Item = &'a Fact>,
    runs: &HashMap<(String, Option<String>), u32>,
) -> File {
    let origin = |fact: &Fact| match fact {
        Fact::Package(package) => runs.get(&run_key((package, Some(path)))).copied(),
        _ => None,
    };
    let placed = |fact: &Fact| Placed { fact: fact.clone(), layer: origin(fact).unwrap_or(index) };
    File { layer: index, facts: facts.map(placed).collect() }
}

/// The packages visible below with the layers that brought them.
fn runs(files: &BTreeMap<String, File>) -> HashMap<(String, Option<String>), u32> {
    let mut runs = HashMap::new();
    for (path, file) in files {
        for placed in &file.facts {
            if let Fact::Package(package) = &placed.fact {
                let layer = runs.entry(run_key((package, Some(path)))).or_insert(placed.layer);
                *layer = placed.layer.min(*layer);
            }
        }
    }
    runs
}

fn run_key((package, path): RunKey<'_>) -> (String, Option<String>) {
    let architecture = package.architecture.as_deref().unwrap_or_default();
    let key = format!("{}\0{}\0{}\0{architecture}", package.package_type.name(), package.name, package.version);
    (key, path.filter(|_| !package.package_type.is_system()).map(str::to_owned))
}

/// What one layer touches.
struct Touched<'a>(&'a LayerInventory);

impl Touched<'_> {
    /// Whether the layer removes or replaces what lower layers have at a canonical path, under any of its names.
    fn removes(&self, path: &str, links: &Links) -> bool {
        // Below a link only what lies behind it counts, and an opaque mark, which acts where the link leads.
        let behind = |alias: &str, head: usize| {
            self.removes_name(alias, head)
                || ancestors(alias)
                    .take_while(|above| above.len() >= head)
                    .any(|above| self.has(above, PathKind::Opaque))
        };
        self.removes_name(path, 0)
            || self.is_opaque_above(path)
            || links.aliases(path).iter().any(|(alias, head)| behind(alias, *head))
    }

    /// Whether the path is touched itself, or a directory above it, below its first `head` bytes, is gone or replaced.
    fn removes_name(&self, path: &str, head: usize) -> bool {
        self.kinds(path).any(|kind| kind != PathKind::Opaque)
            || ancestors(path)
                .take_while(|above| above.len() > head)
                .any(|above| self.kinds(above).any(|kind| !matches!(kind, PathKind::Directory | PathKind::Opaque)))
    }

    fn is_opaque_above(&self, path: &str) -> bool {
        ancestors(path).any(|above| self.has(above, PathKind::Opaque))
    }

    fn has(&self, path: &str, kind: PathKind) -> bool {
        self.kinds(path).any(|found| found == kind)
    }

    fn kinds(&self, path: &str) -> impl Iterator<Item = PathKind> {
        let hash = PathHash::of(path);
        let start = self.0.paths.partition_point(|(known, _)| *known < hash);
        self.0.paths[start..].iter().take_while(move |(known, _)| *known == hash).map(|(_, kind)| *kind)
    }
}
