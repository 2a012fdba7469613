//! What a receiver makes of what a watch tells: the state that is compared with the server's.

use std::collections::BTreeMap;

use weir_proxy::workload::watch::Observed;
use weir_storage::index::{ClusterObject, ObjectKey, WatchedKind};

/// The folded state.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) objects: BTreeMap<ObjectKey, ClusterObject>,
    staged: BTreeMap<WatchedKind, BTreeMap<ObjectKey, ClusterObject>>,
    /// How many whole lists there were.
    pub(crate) lists: BTreeMap<WatchedKind, usize>,
    /// How many lists began.
    pub(crate) begun: BTreeMap<WatchedKind, usize>,
    pub(crate) alive: BTreeMap<WatchedKind, usize>,
    /// How often objects were set or gone outside of lists.
    pub(crate) changes: usize,
    pub(crate) failed: Vec<(WatchedKind, String)>,
    pub(crate) unavailable: Vec<(WatchedKind, String)>,
}

impl View {
    /// Takes one fact, and checks that it may come now.
    pub(crate) fn apply(&mut self, observed: Observed) {
        match observed {
            Observed::Begin(kind) => {
                *self.begun.entry(kind).or_default() += 1;
                self.staged.insert(kind, BTreeMap::new());
            }
            Observed::Listed(object) => {
                let key = object.key();
                let staged = self.staged.get_mut(&key.kind).expect("an object is listed within a list");
                staged.insert(key, object);
            }
            Observed::End(kind) => {
                let staged = self.staged.remove(&kind).expect("a list ends that has begun");
                self.objects.retain(|key, _| key.kind != kind);
                self.objects.extend(staged);
                *self.lists.entry(kind).or_default() += 1;
            }
            Observed::Set(object) => {
                self.changed(object.key().kind);
                self.objects.insert(object.key(), object);
            }
            Observed::Gone(key) => {
                self.changed(key.kind);
                self.objects.remove(&key);
            }
            Observed::Alive(kind) => *self.alive.entry(kind).or_default() += 1,
            Observed::Failed { kind, error } => self.failed.push((kind, error)),
            Observed::Unavailable { kind, reason } => self.unavailable.push((kind, reason)),
        }
    }

    fn changed(&mut self, kind: WatchedKind) {
        assert!(self.listed(kind) > 0, "{kind:?} changed before it was listed");
        assert!(!self.staged.contains_key(&kind), "{kind:?} changed within a list");
        self.changes += 1;
    }

    /// How often a kind was listed as a whole.
    pub(crate) fn listed(&self, kind: WatchedKind) -> usize {
        self.lists.get(&kind).copied().unwrap_or_default()
    }
}
