//! What is visible after some layers: files of interest by their places, and since which layer each package is there.
//!
//! Applies a layer entry by entry in the archive's order, as an extractor does: marks remove what lower layers have, every other
//! entry takes the place of what lies there. Names are resolved through the links of that moment.

use std::collections::HashMap;

use super::runs::Runs;
use super::tree::{Content, NodeId, Removal, Tree, What};
use crate::layer::{Fact, LayerInventory, PathKind};
use crate::risk::{Risk, RiskKind};

/// Facts that hard links and repeated entries may put into an image beside those its layers list.
const MAX_REPEATED_FACTS: usize = 1_000_000;

/// The visible facts of the layers applied so far.
pub(super) struct State<'a> {
    pub(super) tree: Tree<'a>,
    pub(super) runs: Runs<'a>,
    /// Every secret any layer had: its place, the layer, and what it is.
    pub(super) secrets: Vec<(NodeId, u32, &'a Risk)>,
    /// Facts that may still be placed.
    room: usize,
}

/// What a layer says of one of its names.
#[derive(Clone, Copy, Default)]
struct Own<'a> {
    facts: Option<&'a [Fact]>,
    symlink: Option<&'a str>,
    hardlink: Option<NodeId>,
}

impl<'a> State<'a> {
    /// What is visible after `layers`, bottom first, each with its number.
    pub(super) fn of(layers: &[(u32, &'a LayerInventory)]) -> Self {
        let facts = layers.iter().flat_map(|(_, layer)| layer.facts.values()).map(Vec::len).sum::<usize>();
        let room = facts.saturating_add(MAX_REPEATED_FACTS);
        let mut state = Self { tree: Tree::new(), runs: Runs::default(), secrets: Vec::new(), room };
        for (index, layer) in layers {
            state.apply(*index, layer);
        }
        state
    }

    /// Whether everything the layers hold could be followed.
    pub(super) fn is_complete(&self) -> bool {
        !self.tree.is_full() && self.room > 0
    }

    fn apply(&mut self, index: u32, layer: &'a LayerInventory) {
        let own = self.own(layer);
        for (hash, kind) in &layer.paths {
            if let Some(name) = self.tree.known(*hash) {
                self.entry(index, name, *kind, own.get(&name).copied().unwrap_or_default());
            }
        }
        self.runs.end_layer();
    }

    /// Makes the layer's names known.
    fn own(&mut self, layer: &'a LayerInventory) -> HashMap<NodeId, Own<'a>> {
        let mut own: HashMap<NodeId, Own<'a>> = HashMap::with_capacity(layer.facts.len() + layer.symlinks.len());
        for (path, facts) in &layer.facts {
            if let Some(name) = self.tree.name(path) {
                own.entry(name).or_default().facts = Some(facts);
            }
        }
        for (path, target) in &layer.symlinks {
            if let Some(name) = self.tree.name(path) {
                own.entry(name).or_default().symlink = Some(target);
            }
        }
        for (path, target) in &layer.hardlinks {
            if let (Some(name), Some(target)) = (self.tree.name(path), self.tree.name(target)) {
                own.entry(name).or_default().hardlink = Some(target);
            }
        }
        own
    }

    fn entry(&mut self, index: u32, name: NodeId, kind: PathKind, own: Own<'a>) {
        // What is opaque lies behind a link; every other entry is the link itself.
        let place = self.tree.place(name, kind == PathKind::Opaque);
        match kind {
            PathKind::Opaque => self.remove(place, Removal::LowerInside(index)),
            // No extractor replaces the root.
            _ if place == Tree::ROOT => {}
            PathKind::Whiteout => self.remove(place, Removal::LowerThan(index)),
            // Whatever lies in a directory stays there.
            PathKind::Directory => {
                self.tree.empty(place, &mut |at, facts| self.runs.leave(at, facts));
                self.fill(index, place, own.facts.map(What::Directory));
            }
            PathKind::File => self.replace(index, place, own.facts.map(What::File)),
            PathKind::Symlink => self.replace(index, place, own.symlink.map(What::Link)),
            PathKind::Hardlink => {
                let target = own.hardlink.map(|target| self.tree.place(target, false));
                // Another name of the same file changes nothing.
                if target != Some(place) {
                    let linked = target.and_then(|target| self.tree.content(target)).map(|content| content.what);
                    self.replace(index, place, linked.or(own.facts.map(What::File)));
                }
            }
        }
    }

    fn remove(&mut self, place: NodeId, removal: Removal) {
        self.tree.remove(place, removal, &mut |at, facts| self.runs.leave(at, facts));
    }

    fn replace(&mut self, index: u32, place: NodeId, what: Option<What<'a>>) {
        self.remove(place, Removal::Everything);
        self.fill(index, place, what);
    }

    fn fill(&mut self, index: u32, place: NodeId, what: Option<What<'a>>) {
        let Some(what) = what else { return };
        if let What::File(facts) | What::Directory(facts) = what {
            let Some(room) = self.room.checked_sub(facts.len()) else {
                self.room = 0;
                return;
            };
            self.room = room;
            self.runs.join(index, place, facts);
            self.secrets.extend(facts.iter().filter_map(|fact| match fact {
                Fact::Risk(risk) if risk.kind == RiskKind::Secret => Some((place, index, risk)),
                _ => None,
            }));
        }
        self.tree.fill(place, Content { layer: index, what }, &mut |at, facts| self.runs.leave(at, facts));
    }
}
