//! What a receiver makes of what a watch tells: the states that are compared with the server's. One is folded here in the plainest
//! way, the other is weir's own.

use std::collections::{BTreeMap, BTreeSet};

use weir_proxy::workload::ClusterState;
use weir_proxy::workload::watch::Observed;
use weir_storage::index::{ClusterChange, ClusterObject, ObjectKey, WatchedKind};

/// The folded state.
#[derive(Default)]
pub(crate) struct View {
    /// What weir itself makes of the same.
    pub(crate) state: ClusterState,
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
        self.fold(observed.clone());
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

    /// Takes one fact into weir's own state, and checks that what it says of differences is what there was.
    fn fold(&mut self, observed: Observed) {
        let state = &mut self.state;
        match observed {
            Observed::Begin(kind) => state.begin(kind),
            Observed::Listed(object) => state.stage(object),
            Observed::End(kind) => {
                let of_kind = |objects: &mut dyn Iterator<Item = ClusterObject>| -> BTreeMap<ObjectKey, ClusterObject> {
                    objects.map(|object| (object.key(), object)).filter(|(key, _)| key.kind == kind).collect()
                };
                let before = of_kind(&mut state.objects());
                let told: BTreeSet<ObjectKey> = state.end(kind).into_iter().collect();
                let after = of_kind(&mut state.objects());
                let names: BTreeSet<&ObjectKey> = before.keys().chain(after.keys()).collect();
                let differing = names.into_iter().filter(|name| before.get(name) != after.get(name));
                assert_eq!(told, differing.cloned().collect(), "what a list of {kind:?} changed");
            }
            Observed::Set(object) => {
                let differs = state.get(&object.key()).as_ref() != Some(&object);
                assert_eq!(state.apply(ClusterChange::Set(object)), differs);
            }
            Observed::Gone(key) => {
                let was_there = state.get(&key).is_some();
                assert_eq!(state.apply(ClusterChange::Gone(key)), was_there);
            }
            Observed::Unavailable { kind, .. } => state.unavailable(kind),
            Observed::Alive(_) | Observed::Failed { .. } => {}
        }
    }

    /// What weir's own state holds.
    pub(crate) fn held(&self) -> BTreeMap<ObjectKey, ClusterObject> {
        self.state.objects().map(|object| (object.key(), object)).collect()
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
