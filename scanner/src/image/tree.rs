//! The part of an image's file system that composition follows: what holds facts, the links, and every name they have.
//!
//! A layer's inventory tells most of its entries by the hash of their path. So the tree knows, beside the place of each file and
//! link, the other names linked directories give it (`lib → usr/lib` makes `lib/x` a name of `usr/lib/x`), and finds a name
//! by its hash. Which place a name leads to is asked anew each time, link by link, as the kernel would within the image's root.
//! A name too many costs a look-up and nothing else: names are never forgotten.
//!
//! Invariant: work and memory are bounded by what layers hold and the limits below, however their links are tangled. Past a
//! limit an upper layer's hand on a file may go unseen, so that too much is reported and never too little.

use std::collections::{HashMap, HashSet};

use crate::layer::{Fact, PathHash};

/// Links followed in one path before it counts as a loop; Linux's limit.
const MAX_FOLLOWED: usize = 40;
/// Names known of one image, directories among them.
const MAX_NAMES: usize = 1_000_000;
/// Links in a row that give a name its other names.
const MAX_LINKS_IN_NAME: u8 = 8;
/// Names that one link gives, of one image.
const MAX_LINKED_NAMES: usize = 500_000;
/// Names that several links in a row give, for each ordinary one: packages that link to each other have names without end.
const DEEP_NAMES_EACH: usize = 2;
/// Those any image may have.
const MIN_DEEP_NAMES: usize = 4_000;

/// A name in the tree. Ordinary names are places too: content lies at them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(u32);

/// What lies at a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content<'a> {
    /// The layer whose version it is.
    pub(super) layer: u32,
    pub(super) what: What<'a>,
}

/// A file of interest with what it states, a directory that states something by its place, or a link with its target as written.
#[derive(Clone, Copy, Debug)]
pub(super) enum What<'a> {
    File(&'a [Fact]),
    Directory(&'a [Fact]),
    Link(&'a str),
}

/// Which content a removal takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// All of it, the place's own too: something else takes its place.
    Everything,
    /// What layers below this one have, the place's own too.
    LowerThan(u32),
    /// What layers below this one have inside the place.
    LowerInside(u32),
}

#[derive(Debug)]
struct Node<'a> {
    name: &'a str,
    parent: NodeId,
    hash: PathHash,
    /// How many links in a row gave this name.
    links: u8,
    /// The layer whose marks removed everything lower from here, plus one.
    swept: u32,
    content: Option<Content<'a>>,
    /// Contents here and below.
    filled: u32,
    /// Every child: the first here, each next one at the child.
    child: Option<NodeId>,
    sibling: Option<NodeId>,
    /// Children with contents, the same way, with the way back.
    filled_child: Option<NodeId>,
    filled_next: Option<NodeId>,
    filled_previous: Option<NodeId>,
    /// Names that links give to this one.
    other_names: Vec<NodeId>,
}

/// Files of interest and links by their places, and the names that lead to them.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    children: HashMap<(NodeId, &'a str), NodeId>,
    by_hash: HashMap<PathHash, NodeId>,
    /// Pairs of a name and another name a link gives it.
    linked: HashSet<(NodeId, NodeId)>,
    /// Names that are known because of links.
    by_links: usize,
    full: bool,
}

impl<'a> Tree<'a> {
    /// The root, which is never a file or a link.
    pub(super) const ROOT: NodeId = NodeId(0);

    pub(super) fn new() -> Self {
        let root = Node::new("", Self::ROOT, PathHash::of(""), 0);
        Self {
            by_hash: HashMap::from([(root.hash, Self::ROOT)]),
            nodes: vec![root],
            children: HashMap::new(),
            linked: HashSet::new(),
            by_links: 0,
            full: false,
        }
    }

    /// Whether more names were to be known than are.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Makes a cleaned path a known name; `None` where there are too many.
    pub(super) fn name(&mut self, path: &'a str) -> Option<NodeId> {
        let mut components = path.split('/').filter(|component| !component.is_empty());
        components.try_fold(Self::ROOT, |at, component| self.child(at, component))
    }

    /// The known name with this hash.
    pub(super) fn known(&self, hash: PathHash) -> Option<NodeId> {
        self.by_hash.get(&hash).copied()
    }

    /// The place a name leads to: links in its directories are followed, and its last component where `last` says so. A name in a
    /// loop is its own place.
    pub(super) fn place(&mut self, name: NodeId, last: bool) -> NodeId {
        let is_link =
            |tree: &Self, node: NodeId| matches!(tree.content(node), Some(Content { what: What::Link(_), .. }));
        let linked = (last && is_link(self, name)) || self.above(name).any(|above| is_link(self, above));
        if linked { self.follow(name, last).unwrap_or(name) } else { name }
    }

    /// What lies at a place.
    pub(super) fn content(&self, place: NodeId) -> Option<Content<'a>> {
        self.at(place).content
    }

    /// The path of a name.
    pub(super) fn path(&self, name: NodeId) -> String {
        let mut components: Vec<&str> =
            std::iter::once(name).chain(self.above(name)).map(|node| self.at(node).name).collect();
        components.pop_if(|root| root.is_empty());
        components.reverse();
        components.join("/")
    }

    /// The hashes of the names that lead to a place, its own first.
    pub(super) fn names_of(&mut self, place: NodeId) -> Vec<PathHash> {
        let (mut names, mut known) = (vec![place], HashSet::from([place]));
        let mut next = 0;
        while let Some(name) = names.get(next).copied() {
            names.extend(self.at(name).other_names.iter().filter(|other| known.insert(**other)));
            next += 1;
        }
        names.retain(|name| self.place(*name, false) == place);
        names.into_iter().map(|name| self.at(name).hash).collect()
    }

    /// The places of files, in no order.
    pub(super) fn files(&self) -> impl Iterator<Item = (NodeId, u32, &'a [Fact])> {
        (0..).zip(&self.nodes).filter_map(|(index, node)| match node.content {
            Some(Content { layer, what: What::File(facts) | What::Directory(facts) }) => {
                Some((NodeId(index), layer, facts))
            }
            _ => None,
        })
    }

    /// Puts content at a place that holds none. Whatever is a file above it becomes a directory; `removed` hears of those.
    pub(super) fn fill(&mut self, place: NodeId, content: Content<'a>, removed: &mut impl FnMut(NodeId, &'a [Fact])) {
        let above: Vec<NodeId> = self.above(place).collect();
        for node in above {
            if let Some(Content { what: What::File(_), .. }) = self.content(node) {
                self.empty(node, removed);
            }
        }
        self.at_mut(place).content = Some(content);
        let mut node = place;
        loop {
            self.at_mut(node).filled += 1;
            if node == Self::ROOT {
                break;
            }
            if self.at(node).filled == 1 {
                self.join_filled(node);
            }
            node = self.at(node).parent;
        }
        if let What::Link(target) = content.what {
            self.add_link(place, target);
        }
    }

    /// Takes the content at one place away.
    pub(super) fn empty(&mut self, place: NodeId, removed: &mut impl FnMut(NodeId, &'a [Fact])) {
        let Some(content) = self.at_mut(place).content.take() else { return };
        if let What::File(facts) | What::Directory(facts) = content.what {
            removed(place, facts);
        }
        let mut node = place;
        loop {
            self.at_mut(node).filled -= 1;
            if node == Self::ROOT {
                break;
            }
            if self.at(node).filled == 0 {
                self.leave_filled(node);
            }
            node = self.at(node).parent;
        }
    }

    /// Takes content away at a place and below.
    pub(super) fn remove(&mut self, place: NodeId, removal: Removal, removed: &mut impl FnMut(NodeId, &'a [Fact])) {
        let goes = |content: Content<'_>| match removal {
            Removal::Everything => true,
            Removal::LowerThan(layer) | Removal::LowerInside(layer) => content.layer != layer,
        };
        let mut places = vec![place];
        while let Some(node) = places.pop() {
            let spared = node == place && matches!(removal, Removal::LowerInside(_));
            if !spared && self.content(node).is_some_and(goes) {
                self.empty(node, removed);
            }
            if let Removal::LowerThan(layer) | Removal::LowerInside(layer) = removal {
                // What came since the last sweep is this layer's own.
                if std::mem::replace(&mut self.at_mut(node).swept, layer + 1) == layer + 1 {
                    continue;
                }
            }
            let mut child = self.at(node).filled_child;
            while let Some(found) = child {
                places.push(found);
                child = self.at(found).filled_next;
            }
        }
    }

    /// Gives the names below a link's target their names through the link. The target is taken as written and as it leads now:
    /// other links on its way may change.
    fn add_link(&mut self, link: NodeId, target: &'a str) {
        let start = if target.starts_with('/') { Self::ROOT } else { self.at(link).parent };
        let written = target.split('/').try_fold(start, |at, component| match component {
            "" | "." => Some(at),
            ".." => Some(self.at(at).parent),
            name => self.child(at, name),
        });
        let led = self.follow(link, true);
        let pairs = [written, led].into_iter().flatten().map(|target| (target, link)).collect();
        self.add_names(pairs);
    }

    /// Notes other names of names, and those that follow for what lies below.
    fn add_names(&mut self, mut pairs: Vec<(NodeId, NodeId)>) {
        while let Some((name, other)) = pairs.pop() {
            if name == other || self.linked.len() == MAX_LINKED_NAMES || !self.linked.insert((name, other)) {
                continue;
            }
            self.at_mut(name).other_names.push(other);
            let mut child = self.at(name).child;
            while let Some(found) = child {
                self.add_name_below(found, other, &mut pairs);
                child = self.at(found).sibling;
            }
        }
    }

    /// Where `other` is another name of a child's directory, the child has one too.
    fn add_name_below(&mut self, child: NodeId, other: NodeId, pairs: &mut Vec<(NodeId, NodeId)>) {
        let (name, links) = (self.at(child).name, self.at(child).links + 1);
        if let Some(other) = self.child_of(other, name, links, pairs) {
            pairs.push((child, other));
        }
    }

    /// Whether a name that so many links in a row give may be added.
    fn has_room(&self, links: u8) -> bool {
        let ordinary = self.nodes.len() - self.by_links;
        let deep = MIN_DEEP_NAMES + DEEP_NAMES_EACH * ordinary;
        // The longer the way, the earlier it ends: names without end leave room for those that layers use.
        let most = if links <= 1 { MAX_LINKED_NAMES } else { deep >> (links - 2) };
        links <= MAX_LINKS_IN_NAME && self.by_links < most.min(MAX_LINKED_NAMES)
    }

    fn child(&mut self, parent: NodeId, name: &'a str) -> Option<NodeId> {
        let mut pairs = Vec::new();
        let child = self.child_of(parent, name, 0, &mut pairs);
        self.add_names(pairs);
        child
    }

    /// The child of a name, made where it is missing; the other names it has then are `pairs`.
    fn child_of(
        &mut self,
        parent: NodeId,
        name: &'a str,
        links: u8,
        pairs: &mut Vec<(NodeId, NodeId)>,
    ) -> Option<NodeId> {
        if let Some(known) = self.children.get(&(parent, name)) {
            return Some(*known);
        }
        if links > 0 && !self.has_room(links) {
            return None;
        }
        if self.nodes.len() == MAX_NAMES {
            self.full = true;
            return None;
        }
        self.by_links += usize::from(links > 0);
        let id = NodeId(u32::try_from(self.nodes.len()).expect("at most MAX_NAMES"));
        let path = match self.path(parent) {
            root if root.is_empty() => name.to_owned(),
            directory => format!("{directory}/{name}"),
        };
        let mut node = Node::new(name, parent, PathHash::of(&path), links);
        node.sibling = self.at_mut(parent).child.replace(id);
        self.by_hash.insert(node.hash, id);
        self.nodes.push(node);
        self.children.insert((parent, name), id);
        for index in 0..self.at(parent).other_names.len() {
            if !self.has_room(links + 1) {
                break;
            }
            let other = self.at(parent).other_names[index];
            // Deep only as far as links follow one another.
            if let Some(other) = self.child_of(other, name, links + 1, pairs) {
                pairs.push((id, other));
            }
        }
        Some(id)
    }

    /// Walks a name from the root; `None` in a loop, and where there is no room for a name on the way.
    fn follow(&mut self, name: NodeId, last: bool) -> Option<NodeId> {
        let mut rest: Vec<&'a str> = vec![self.at(name).name];
        rest.extend(self.above(name).map(|node| self.at(node).name));
        let (mut at, mut followed) = (Self::ROOT, 0);
        while let Some(component) = rest.pop() {
            match component {
                "" | "." => continue,
                ".." => {
                    at = self.at(at).parent;
                    continue;
                }
                _ => {}
            }
            let next = self.child(at, component)?;
            match self.content(next) {
                Some(Content { what: What::Link(target), .. }) if last || !rest.is_empty() => {
                    followed += 1;
                    if followed > MAX_FOLLOWED {
                        return None;
                    }
                    if target.starts_with('/') {
                        at = Self::ROOT;
                    }
                    rest.extend(target.rsplit('/'));
                }
                _ => at = next,
            }
        }
        Some(at)
    }

    /// The directories a name lies in, the nearest first, the root last; nothing for the root itself.
    fn above(&self, name: NodeId) -> impl Iterator<Item = NodeId> {
        std::iter::successors(Some(name), |node| (*node != Self::ROOT).then(|| self.at(*node).parent)).skip(1)
    }

    fn join_filled(&mut self, node: NodeId) {
        let parent = self.at(node).parent;
        let first = self.at_mut(parent).filled_child.replace(node);
        self.at_mut(node).filled_next = first;
        self.at_mut(node).filled_previous = None;
        if let Some(first) = first {
            self.at_mut(first).filled_previous = Some(node);
        }
    }

    fn leave_filled(&mut self, node: NodeId) {
        let Node { parent, filled_next: next, filled_previous: previous, .. } = *self.at(node);
        match previous {
            Some(previous) => self.at_mut(previous).filled_next = next,
            None => self.at_mut(parent).filled_child = next,
        }
        if let Some(next) = next {
            self.at_mut(next).filled_previous = previous;
        }
    }

    fn at(&self, node: NodeId) -> &Node<'a> {
        &self.nodes[node.0 as usize]
    }

    fn at_mut(&mut self, node: NodeId) -> &mut Node<'a> {
        &mut self.nodes[node.0 as usize]
    }
}

impl<'a> Node<'a> {
    fn new(name: &'a str, parent: NodeId, hash: PathHash, links: u8) -> Self {
        Self {
            name,
            parent,
            hash,
            links,
            swept: 0,
            content: None,
            filled: 0,
            child: None,
            sibling: None,
            filled_child: None,
            filled_next: None,
            filled_previous: None,
            other_names: Vec::new(),
        }
    }
}
