//! Gathers what a walk sees into a [`LayerInventory`], within a budget of kept bytes.
//!
//! Keeps every entry in the archive's order, and of what a path held what it held last. What an entry does to others is composition's
//! to say: it may lie behind a link of a lower layer.

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
        // A directory in a link's place leaves what earlier entries put through the link.
        if matches!(kind, PathKind::File | PathKind::Symlink | PathKind::Hardlink) {
            self.symlinks.remove(path);
            self.hardlinks.remove(path);
            self.facts.remove(path);
            self.held.remove(path);
        }
    }

    /// Keeps a symbolic link's target as written.
    pub(crate) fn symlink(&mut self, path: String, target: String) {
        if self.afford(path.len() + target.len() + 2 * size_of::<String>()) {
            self.symlinks.insert(path, target);
        }
    }

    /// Keeps a hard link for composition, which knows what its target is at that moment: it may lie in a lower layer or behind a link.
    /// `wanted` says that a detector asks for such files, so that one whose content is never found is told.
    pub(crate) fn hardlink(&mut self, path: String, target: String, wanted: bool) {
        let read = self.facts.contains_key(&target);
        if !wanted && !read && self.files.contains(&PathHash::of(&target)) {
            return;
        }
        if wanted && !read {
            self.unread_link(path.clone(), &target);
        }
        if self.afford(path.len() + target.len() + 2 * size_of::<String>()) {
            self.hardlinks.insert(path, target);
        }
    }

    /// Keeps that the file at `path` is a hard link to one whose content no detector was given for it.
    pub(crate) fn unread_link(&mut self, path: String, target: &str) {
        let detail = format!("a hard link to {target}, whose content was not read");
        let fact = Fact::Unread(Reason::at(ReasonCode::UnreadDatabase, &path, detail));
        if self.afford(path.len() + size_of::<String>() + FactList::cost(&fact)) {
            self.facts.insert(path, vec![fact]);
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
            paths: self.paths,
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
