//! Stored forms of clusters and their objects.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::common::{StoredPlatform, all, mirrored};
use super::{Record, Unreadable, first_version, seal, unseal};
use crate::index::{
    ClusterObject, ClusterRecord, ClusterSource, ContainerKind, ContainerRecord, ContainerState, NodeRecord,
    OwnerRecord, OwnerReference, PodRecord, WatchedKind,
};

#[derive(Debug, Serialize, Deserialize)]
enum StoredSource {
    Local,
    Agent { token: String },
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredClusterV1 {
    source: StoredSource,
    session: String,
    sequence: u64,
    synced_at: i64,
    first_seen: i64,
    kubernetes_version: Option<String>,
    agent_version: Option<String>,
}

impl From<&ClusterRecord> for StoredClusterV1 {
    fn from(cluster: &ClusterRecord) -> Self {
        let ClusterRecord { source, session, sequence, synced_at, first_seen, kubernetes_version, agent_version } =
            cluster.clone();
        let source = match source {
            ClusterSource::Local => StoredSource::Local,
            ClusterSource::Agent { token } => StoredSource::Agent { token },
        };
        Self { source, session, sequence, synced_at, first_seen, kubernetes_version, agent_version }
    }
}

impl From<StoredClusterV1> for ClusterRecord {
    fn from(stored: StoredClusterV1) -> Self {
        let StoredClusterV1 { source, session, sequence, synced_at, first_seen, kubernetes_version, agent_version } =
            stored;
        let source = match source {
            StoredSource::Local => ClusterSource::Local,
            StoredSource::Agent { token } => ClusterSource::Agent { token },
        };
        Self { source, session, sequence, synced_at, first_seen, kubernetes_version, agent_version }
    }
}

first_version!(ClusterRecord as StoredClusterV1);

mirrored! {
    StoredWatchedKind = WatchedKind { Pod, Node, ReplicaSet, Deployment, StatefulSet, DaemonSet, Job, CronJob, Rollout }
}

mirrored! { StoredContainerKind = ContainerKind { Container, Init, Sidecar, Ephemeral, Volume } }

mirrored! { StoredContainerState = ContainerState { Waiting, Running, Completed, Mounted } }

#[derive(Debug, Serialize, Deserialize)]
struct StoredOwnerReference {
    group: String,
    kind: String,
    name: String,
    uid: String,
}

impl From<&OwnerReference> for StoredOwnerReference {
    fn from(owner: &OwnerReference) -> Self {
        let OwnerReference { group, kind, name, uid } = owner.clone();
        Self { group, kind, name, uid }
    }
}

impl From<StoredOwnerReference> for OwnerReference {
    fn from(stored: StoredOwnerReference) -> Self {
        let StoredOwnerReference { group, kind, name, uid } = stored;
        Self { group, kind, name, uid }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredContainer {
    name: String,
    kind: StoredContainerKind,
    image: String,
    image_id: Option<String>,
    state: StoredContainerState,
}

impl From<&ContainerRecord> for StoredContainer {
    fn from(container: &ContainerRecord) -> Self {
        let ContainerRecord { name, kind, image, image_id, state } = container.clone();
        Self { name, kind: kind.into(), image, image_id, state: state.into() }
    }
}

impl From<StoredContainer> for ContainerRecord {
    fn from(stored: StoredContainer) -> Self {
        let StoredContainer { name, kind, image, image_id, state } = stored;
        Self { name, kind: kind.into(), image, image_id, state: state.into() }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredPod {
    namespace: String,
    name: String,
    uid: String,
    node: Option<String>,
    created_at: i64,
    labels: BTreeMap<String, String>,
    owner: Option<StoredOwnerReference>,
    containers: Vec<StoredContainer>,
}

impl From<&PodRecord> for StoredPod {
    fn from(pod: &PodRecord) -> Self {
        Self {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            node: pod.node.clone(),
            created_at: pod.created_at,
            labels: pod.labels.clone(),
            owner: pod.owner.as_ref().map(Into::into),
            containers: all(&pod.containers),
        }
    }
}

impl From<StoredPod> for PodRecord {
    fn from(stored: StoredPod) -> Self {
        let StoredPod { namespace, name, uid, node, created_at, labels, owner, containers } = stored;
        let (owner, containers) = (owner.map(Into::into), all(containers));
        Self { namespace, name, uid, node, created_at, labels, owner, containers }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredNode {
    name: String,
    platform: Option<StoredPlatform>,
    addresses: Vec<String>,
    runtime: Option<String>,
}

impl From<&NodeRecord> for StoredNode {
    fn from(node: &NodeRecord) -> Self {
        let NodeRecord { name, platform, addresses, runtime } = node.clone();
        Self { name, platform: platform.as_ref().map(Into::into), addresses, runtime }
    }
}

impl From<StoredNode> for NodeRecord {
    fn from(stored: StoredNode) -> Self {
        let StoredNode { name, platform, addresses, runtime } = stored;
        Self { name, platform: platform.map(Into::into), addresses, runtime }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredOwner {
    kind: StoredWatchedKind,
    namespace: String,
    name: String,
    uid: String,
    created_at: i64,
    labels: BTreeMap<String, String>,
    owner: Option<StoredOwnerReference>,
}

impl From<&OwnerRecord> for StoredOwner {
    fn from(record: &OwnerRecord) -> Self {
        let OwnerRecord { kind, namespace, name, uid, created_at, labels, owner } = record.clone();
        let owner = owner.as_ref().map(Into::into);
        Self { kind: kind.into(), namespace, name, uid, created_at, labels, owner }
    }
}

impl From<StoredOwner> for OwnerRecord {
    fn from(stored: StoredOwner) -> Self {
        let StoredOwner { kind, namespace, name, uid, created_at, labels, owner } = stored;
        Self { kind: kind.into(), namespace, name, uid, created_at, labels, owner: owner.map(Into::into) }
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum StoredObjectV1 {
    Pod(StoredPod),
    Node(StoredNode),
    Owner(StoredOwner),
}

impl From<&ClusterObject> for StoredObjectV1 {
    fn from(object: &ClusterObject) -> Self {
        match object {
            ClusterObject::Pod(pod) => Self::Pod(pod.into()),
            ClusterObject::Node(node) => Self::Node(node.into()),
            ClusterObject::Owner(owner) => Self::Owner(owner.into()),
        }
    }
}

impl From<StoredObjectV1> for ClusterObject {
    fn from(stored: StoredObjectV1) -> Self {
        match stored {
            StoredObjectV1::Pod(pod) => Self::Pod(pod.into()),
            StoredObjectV1::Node(node) => Self::Node(node.into()),
            StoredObjectV1::Owner(owner) => Self::Owner(owner.into()),
        }
    }
}

first_version!(ClusterObject as StoredObjectV1);
