//! Which workload a pod belongs to.
//!
//! Owners that control are followed as far as they are watched: a replica set to its deployment, a job to its cron job. Any other
//! controller names the workload itself, by its own group, kind and name; a pod nobody controls is its own workload, and so is one
//! that its node does (a static pod).

use std::sync::Arc;

use weir_storage::index::{OwnerReference, WatchedKind};

use super::state::{ClusterState, Name, Pod, SharedLabels};

/// Owners followed at most; the longest chain of watched kinds has two.
const MOST_OWNERS: usize = 4;

/// The object that names a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Controller {
    pub(super) group: String,
    pub(super) kind: String,
    pub(super) name: String,
    /// When it was made, seconds since the epoch; `None` where weir does not watch its kind.
    pub(super) created_at: Option<i64>,
    pub(super) labels: Option<SharedLabels>,
}

/// The object that names the workload of a pod which `owner` controls.
pub(super) fn controller(state: &ClusterState, namespace: &Arc<str>, owner: &OwnerReference) -> Controller {
    let mut reference = owner;
    let mut found = None;
    for _ in 0..MOST_OWNERS {
        let kind = WatchedKind::of_owner(&reference.group, &reference.kind);
        found = kind.and_then(|kind| state.owner(kind, namespace, reference));
        match found.and_then(|owner| owner.owner.as_ref()) {
            Some(next) => reference = next,
            None => break,
        }
    }
    Controller {
        group: reference.group.clone(),
        kind: reference.kind.clone(),
        name: reference.name.clone(),
        created_at: found.map(|owner| owner.created_at),
        labels: found.map(|owner| Arc::clone(&owner.labels)),
    }
}

/// The workload that a pod is by itself.
pub(super) fn alone((_, name): &Name, pod: &Pod) -> Controller {
    Controller {
        group: String::new(),
        kind: WatchedKind::Pod.name().to_owned(),
        name: name.to_string(),
        created_at: Some(pod.created_at),
        labels: None,
    }
}

/// The owner that a pod's workload is named after, where there is one.
pub(super) fn of(pod: &Pod) -> Option<&OwnerReference> {
    let is_node = |owner: &&OwnerReference| owner.group.is_empty() && owner.kind == WatchedKind::Node.name();
    pod.template.owner.as_ref().filter(|owner| !is_node(owner))
}
