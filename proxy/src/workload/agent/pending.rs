//! Names of objects that changed since the server heard of them, oldest first, each once.
//!
//! Only names: how an object is now is looked up when it is sent, so later changes replace earlier ones by themselves.

use std::collections::{HashSet, VecDeque};

use weir_storage::index::ObjectKey;

/// Names that wait.
#[derive(Debug, Default)]
pub(super) struct Pending {
    order: VecDeque<ObjectKey>,
    known: HashSet<ObjectKey>,
}

impl Pending {
    /// Adds a name, unless it waits already.
    pub(super) fn push(&mut self, key: ObjectKey) {
        if self.known.insert(key.clone()) {
            self.order.push_back(key);
        }
    }

    /// Up to `limit` of the oldest names.
    pub(super) fn first(&self, limit: usize) -> impl Iterator<Item = &ObjectKey> {
        self.order.iter().take(limit)
    }

    /// Takes out the `count` oldest names.
    pub(super) fn remove_first(&mut self, count: usize) {
        for key in self.order.drain(..count.min(self.order.len())) {
            self.known.remove(&key);
        }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use weir_storage::index::WatchedKind;

    use super::*;

    #[test]
    fn names_wait_once_and_leave_in_order() {
        let key = |name: &str| ObjectKey { kind: WatchedKind::Node, namespace: String::new(), name: name.into() };
        let mut pending = Pending::default();
        for name in ["b", "a", "b", "c"] {
            pending.push(key(name));
        }
        assert_eq!(pending.first(2).map(|key| key.name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
        pending.remove_first(2);
        pending.push(key("b"));
        assert_eq!(pending.first(9).map(|key| key.name.as_str()).collect::<Vec<_>>(), ["c", "b"]);
        pending.clear();
        assert!(pending.is_empty());
        assert_eq!(pending.first(9).count(), 0);
    }
}
