//! What the test API server holds: objects with versions, and the history of their changes as far as it remembers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};
use weir_storage::index::{ClusterObject, ObjectKey, WatchedKind};

use super::sample::body;

/// All objects at one version.
pub(crate) type Snapshot = BTreeMap<ObjectKey, Arc<Value>>;

/// Some objects of a kind, and whether there are more.
pub(crate) type Page = (Vec<(ObjectKey, Arc<Value>)>, bool);

/// One change.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) kind: WatchedKind,
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub(crate) what: &'static str,
    pub(crate) object: Arc<Value>,
}

/// The store under the API server.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    version: u64,
    /// What happened up to this version is forgotten.
    compacted: u64,
    objects: Snapshot,
    /// The same as the records they were made from.
    records: BTreeMap<ObjectKey, ClusterObject>,
    history: Vec<Change>,
    snapshots: HashMap<u64, Snapshot>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            version: 1000,
            compacted: 1000,
            objects: Snapshot::new(),
            records: BTreeMap::new(),
            history: Vec::new(),
            snapshots: HashMap::new(),
        }
    }
}

impl Store {
    /// Creates or changes an object.
    pub(crate) fn put(&mut self, record: ClusterObject) {
        self.version += 1;
        let key = record.key();
        let object = Arc::new(body(&record, self.version));
        let what = if self.objects.insert(key.clone(), Arc::clone(&object)).is_some() { "MODIFIED" } else { "ADDED" };
        self.history.push(Change { version: self.version, kind: key.kind, what, object });
        self.records.insert(key, record);
    }

    /// Deletes an object, if it is there.
    pub(crate) fn delete(&mut self, key: &ObjectKey) {
        let Some(object) = self.objects.remove(key) else { return };
        self.version += 1;
        self.records.remove(key);
        let mut object = Value::clone(&object);
        // As etcd has it: the last state, with the version of the deletion.
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.history.push(Change { version: self.version, kind: key.kind, what: "DELETED", object: Arc::new(object) });
    }

    /// Forgets everything but the present state: open lists and old versions are 410 from now on.
    pub(crate) fn compact(&mut self) {
        self.compacted = self.version;
        self.history.clear();
        self.snapshots.clear();
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn records(&self) -> &BTreeMap<ObjectKey, ClusterObject> {
        &self.records
    }

    /// The objects of a kind.
    pub(crate) fn of_kind(&self, kind: WatchedKind) -> Vec<Arc<Value>> {
        self.objects.iter().filter(|(key, _)| key.kind == kind).map(|(_, object)| Arc::clone(object)).collect()
    }

    /// What happened to a kind after a version; `None` where that is forgotten.
    pub(crate) fn since(&self, kind: WatchedKind, version: u64) -> Option<Vec<Change>> {
        if version < self.compacted {
            return None;
        }
        Some(self.history.iter().filter(|change| change.kind == kind && change.version > version).cloned().collect())
    }

    /// Up to `limit` objects of a kind after `after`, and whether there are more. The first page takes the present state,
    /// which is kept for the further ones; `None` where that is forgotten.
    pub(crate) fn page(
        &mut self,
        kind: WatchedKind,
        at: Option<u64>,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Option<Page> {
        let objects = match at {
            None => &self.objects,
            Some(version) => self.snapshots.get(&version)?,
        };
        let rest = objects.iter().filter(|(key, _)| key.kind == kind && after.is_none_or(|after| *key > after));
        let mut page: Vec<_> = rest.take(limit + 1).map(|(key, object)| (key.clone(), Arc::clone(object))).collect();
        let more = page.len() > limit;
        page.truncate(limit);
        if more && at.is_none() {
            self.snapshots.insert(self.version, self.objects.clone());
        }
        Some((page, more))
    }
}
