//! What clusters hold: one row for each cluster, and one for each of its objects.
//!
//! Owns the rule that a cluster's row and its objects say the same: what a session sends is written with the number it
//! was sent under, in one batch, so that after a restart the sender is asked to go on from just what is there. A
//! cluster gone silent keeps its objects; how old they are its row tells.

mod object;

use std::collections::HashSet;

pub use object::{
    ClusterChange, ClusterObject, ContainerKind, ContainerRecord, ContainerState, Labels, NodeRecord, ObjectKey,
    OwnerRecord, OwnerReference, PodRecord, WatchedKind,
};

use super::engine::{Batch, Scan, Table};
use super::{Index, IndexError, decode_key, key, lock, record};

/// Who watches a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterSource {
    /// This process.
    Local,
    /// An agent.
    Agent {
        /// The id of the token it presents.
        token: String,
    },
}

/// What is known of a cluster besides what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterRecord {
    /// Who watches it.
    pub source: ClusterSource,
    /// The session whose snapshot its objects began with; a watcher that starts anew begins another.
    pub session: String,
    /// The number of the session's last change that is in the objects.
    pub sequence: u64,
    /// When the watcher last told, if only that nothing had changed, seconds since the epoch.
    pub synced_at: i64,
    /// When the cluster was first seen, seconds since the epoch.
    pub first_seen: i64,
    /// The version of its API server, where that is known.
    pub kubernetes_version: Option<String>,
    /// The version of the agent, where there is one.
    pub agent_version: Option<String>,
}

/// The tables of clusters.
pub struct Clusters<'a> {
    index: &'a Index,
}

impl<'a> Clusters<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// Every cluster, by name.
    pub fn list(&self) -> Result<Vec<(String, ClusterRecord)>, IndexError> {
        let clusters = self.index.rows(Scan::prefix(Table::Clusters, Vec::new())).map(|row| {
            let row = row?;
            let name = decode_key(Table::Clusters, &row.key)?;
            Ok((name, record::decode(Table::Clusters, &row.key, &row.value)?))
        });
        clusters.collect()
    }

    /// A cluster.
    pub fn get(&self, cluster: &str) -> Result<Option<ClusterRecord>, IndexError> {
        self.index.get(Table::Clusters, &key::encode(cluster))
    }

    /// Every object of a cluster, by kind, namespace and name. Rows are read as the iterator advances: what changes
    /// meanwhile may or may not be among them.
    pub fn objects(&self, cluster: &str) -> impl Iterator<Item = Result<ClusterObject, IndexError>> + use<'a> {
        self.index.rows(Scan::prefix(Table::ClusterObjects, key::encode(cluster))).map(|row| {
            let row = row?;
            Ok(record::decode(Table::ClusterObjects, &row.key, &row.value)?)
        })
    }

    /// Makes these all the objects of a cluster, with its row, in one batch: others that were there go. What is as it
    /// was is not written again, so a list that a watcher had to begin anew costs little more than reading.
    pub fn replace(
        &self,
        cluster: &str,
        record: &ClusterRecord,
        objects: impl IntoIterator<Item = ClusterObject>,
    ) -> Result<(), IndexError> {
        let _guard = lock(&self.index.locks.clusters);
        let (mut batch, mut new) = (Batch::new(), HashSet::new());
        for object in objects {
            let (mut key, mut value) = (object_key(cluster, &object.key()), record::encode(&object));
            // The first snapshot of a large cluster is held whole until it is written, without room to grow.
            key.shrink_to_fit();
            value.shrink_to_fit();
            // One that comes twice may be as it was and yet have another before it in the batch.
            let is_first = new.insert(key.clone());
            if !is_first || self.index.engine.get(Table::ClusterObjects, &key)?.as_ref() != Some(&value) {
                batch.put(Table::ClusterObjects, key, value);
            }
        }
        for key in self.object_keys(cluster) {
            let key = key?;
            if !new.contains(&key) {
                batch.delete(Table::ClusterObjects, key);
            }
        }
        put_record(&mut batch, cluster, record);
        self.index.write(batch)
    }

    /// Changes some objects of a cluster, in their order, with its row, in one batch.
    pub fn apply(&self, cluster: &str, record: &ClusterRecord, changes: &[ClusterChange]) -> Result<(), IndexError> {
        // A replacement or a removal under way has read which objects are there.
        let _guard = lock(&self.index.locks.clusters);
        let mut batch = Batch::new();
        for change in changes {
            match change {
                ClusterChange::Set(object) => {
                    batch.put(Table::ClusterObjects, object_key(cluster, &object.key()), record::encode(object));
                }
                ClusterChange::Gone(object) => batch.delete(Table::ClusterObjects, object_key(cluster, object)),
            }
        }
        put_record(&mut batch, cluster, record);
        self.index.write(batch)
    }

    /// Sets the row of a cluster and leaves its objects.
    pub fn note(&self, cluster: &str, record: &ClusterRecord) -> Result<(), IndexError> {
        let _guard = lock(&self.index.locks.clusters);
        let mut batch = Batch::new();
        put_record(&mut batch, cluster, record);
        self.index.write(batch)
    }

    /// Forgets a cluster and its objects, in one batch. When its workloads had which image stays known, see
    /// [`super::Life`].
    pub fn remove(&self, cluster: &str) -> Result<(), IndexError> {
        let _guard = lock(&self.index.locks.clusters);
        let mut batch = Batch::new();
        for key in self.object_keys(cluster) {
            batch.delete(Table::ClusterObjects, key?);
        }
        batch.delete(Table::Clusters, key::encode(cluster));
        self.index.write(batch)
    }

    fn object_keys(&self, cluster: &str) -> impl Iterator<Item = Result<Vec<u8>, IndexError>> + use<'a> {
        let scan = Scan::prefix(Table::ClusterObjects, key::encode(cluster)).keys_only();
        self.index.rows(scan).map(|row| row.map(|row| row.key))
    }
}

fn object_key(cluster: &str, object: &ObjectKey) -> Vec<u8> {
    key::encode(&(cluster, object.kind.name(), &object.namespace, &object.name))
}

fn put_record(batch: &mut Batch, cluster: &str, record: &ClusterRecord) {
    batch.put(Table::Clusters, key::encode(cluster), record::encode(record));
}

#[cfg(test)]
mod tests;
