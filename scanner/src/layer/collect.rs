//! Gathers what a walk sees into a [`LayerInventory`], within a budget of kept bytes.
//!
//! Owns the rule that the last entry of a path wins, as it does on extraction, and that a file in a directory's place takes
//! the directory's content with it. Whiteouts stay beside whatever the layer adds at their path.

use std::collections::{BTreeMap, HashSet};
use std::mem::size_of;

use super::{Fact, LayerInventory, PathHash, PathKind, Reason, ReasonCode};
use crate::content::Content;
use crate::detect::FactList;
use crate::oci::Digest;

/// A layer's inventory while it is gathered.
pub(crate) struct Collector {
    paths: Vec<(PathHash, PathKind)>,
    /// Paths of files whose bytes this layer has.
    files: HashSet<PathHash>,
    symlinks: BTreeMap<String, String>,
    hardlinks: BTreeMap<String, String>,
    facts: BTreeMap<String, Vec<Fact>>,
    held: BTreeMap<String, Held>,
    reasons: Vec<Reason>,
    budget: usize,
    full: bool,
}

/// A file that waits for its companion.
pub(crate) struct Held {
    pub(crate) content: Content,
    /// How many of its facts, the first ones, are not its detector's.
    pub(crate) others: usize,
}

impl Collector {
    pub(crate) fn new(budget: usize) -> Self {
        Self {
            paths: Vec::new(),
            files: HashSet::new(),
            symlinks: BTreeMap::new(),
            hardlinks: BTreeMap::new(),
            facts: BTreeMap::new(),
            held: BTreeMap::new(),
            reasons: Vec::new(),
            budget,
            full: false,
        }
    }

    /// Notes what lies at `path`, in the place of whatever an earlier entry put there.
    pub(crate) fn path(&mut self, path: &str, kind: PathKind) {
        let hash = PathHash::of(path);
        self.paths.push((hash, kind));
        if kind == PathKind::File {
            self.files.insert(hash);
        }
        if matches!(kind, PathKind::Whiteout | PathKind::Opaque) {
            return;
        }
        let whole = kind != PathKind::Directory;
        forget(&mut self.symlinks, path, whole);
        forget(&mut self.hardlinks, path, whole);
        forget(&mut self.facts, path, whole);
        forget(&mut self.held, path, whole);
    }

    /// Keeps a symbolic link's target as written.
    pub(crate) fn symlink(&mut self, path: String, target: String) {
        if self.afford(path.len() + target.len() + 2 * size_of::<String>()) {
            self.symlinks.insert(path, target);
        }
    }

    /// Keeps a hard link: with its target's facts where this layer has them, else for composition where the target
    /// lies in a lower layer and either path is of interest. `wanted` says that the link's own path is.
    pub(crate) fn hardlink(&mut self, path: String, target: String, wanted: bool) {
        if let Some(facts) = self.facts.get(&target) {
            let cost = path.len() + facts.iter().map(FactList::cost).sum::<usize>();
            let facts = facts.clone();
            if self.afford(cost) {
                self.facts.insert(path, facts);
            }
            return;
        }
        let followed = self.hardlinks.get(&target).cloned();
        if !wanted && followed.is_none() && self.files.contains(&PathHash::of(&target)) {
            return;
        }
        let target = followed.unwrap_or(target);
        if self.afford(path.len() + target.len() + 2 * size_of::<String>()) {
            self.hardlinks.insert(path, target);
        }
    }

    /// Keeps what a file of interest held; nothing found is kept too.
    pub(crate) fn facts(&mut self, path: String, found: FactList) {
        let (facts, cost, complete) = found.into_parts();
        if self.afford(path.len() + size_of::<String>() + cost) {
            self.facts.insert(path, facts);
        }
        if !complete {
            self.overfull();
        }
    }

    /// Keeps a file's content until its companion was seen.
    pub(crate) fn hold(&mut self, path: &str, held: Held) {
        self.held.insert(path.to_owned(), held);
    }

    /// The files that were held and still are what the layer has at their paths.
    pub(crate) fn take_held(&mut self) -> BTreeMap<String, Held> {
        std::mem::take(&mut self.held)
    }

    /// Puts `found` in the place of what a held file's detector found in it alone.
    pub(crate) fn refine(&mut self, path: String, others: usize, found: FactList) {
        let (facts, cost, complete) = found.into_parts();
        if let Some(kept) = self.facts.get_mut(&path) {
            kept.truncate(others);
        }
        if self.afford(cost) {
            self.facts.entry(path).or_default().extend(facts);
        }
        if !complete {
            self.overfull();
        }
    }

    /// Bytes that may still be kept.
    pub(crate) fn budget(&self) -> usize {
        self.budget
    }

    /// Notes why something was left out; each code counts once, with its first path.
    pub(crate) fn reason(&mut self, reason: Reason) {
        if !self.reasons.iter().any(|known| known.code == reason.code) {
            self.reasons.push(reason);
        }
    }

    /// The inventory of what was read, under the digest and length of the bytes that were read.
    pub(crate) fn finish(self, diff_id: Digest, uncompressed_bytes: u64) -> LayerInventory {
        LayerInventory {
            diff_id,
            uncompressed_bytes,
            paths: last_of_each(self.paths),
            symlinks: self.symlinks,
            hardlinks: self.hardlinks,
            facts: self.facts,
            reasons: self.reasons,
        }
    }

    fn afford(&mut self, cost: usize) -> bool {
        if self.full || cost > self.budget {
            self.overfull();
            return false;
        }
        self.budget -= cost;
        true
    }

    fn overfull(&mut self) {
        self.full = true;
        self.reason(Reason::new(ReasonCode::TooManyEntries, "the layer holds more links and packages than are kept"));
    }
}

/// Removes `path` and, where `whole`, all below it.
fn forget<T>(map: &mut BTreeMap<String, T>, path: &str, whole: bool) {
    map.remove(path);
    if !whole {
        return;
    }
    let directory = format!("{path}/");
    while let Some((below, _)) =
        map.range(directory.clone()..).next().filter(|(below, _)| below.starts_with(&directory))
    {
        let below = below.clone();
        map.remove(&below);
    }
}

/// Sorts by path and keeps, of what the layer adds at one path, the last; whiteouts and opaque marks stay beside it.
fn last_of_each(mut paths: Vec<(PathHash, PathKind)>) -> Vec<(PathHash, PathKind)> {
    let is_mark = |kind: PathKind| matches!(kind, PathKind::Whiteout | PathKind::Opaque);
    // Stable: entries of one path keep their order, the marks after them.
    paths.sort_by_key(|(hash, kind)| (*hash, is_mark(*kind).then_some(*kind)));
    let mut kept: Vec<(PathHash, PathKind)> = Vec::with_capacity(paths.len());
    for (hash, kind) in paths {
        match kept.last_mut() {
            Some(last) if *last == (hash, kind) => {}
            Some(last) if last.0 == hash && !is_mark(last.1) && !is_mark(kind) => last.1 = kind,
            _ => kept.push((hash, kind)),
        }
    }
    kept.sort_unstable();
    kept
}
