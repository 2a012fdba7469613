//! What a cluster holds, as far as the report needs it: pods, nodes, and the owners that name a workload.
//!
//! These are facts read off the cluster's API and nothing more; which workload a pod belongs to and which image a container
//! really runs is worked out above. Their JSON is what agents send.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use weir_scanner::oci::Platform;

/// A kind of object that is watched. The names are the API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WatchedKind {
    /// `v1`.
    Pod,
    /// `v1`.
    Node,
    /// `apps/v1`.
    ReplicaSet,
    /// `apps/v1`.
    Deployment,
    /// `apps/v1`.
    StatefulSet,
    /// `apps/v1`.
    DaemonSet,
    /// `batch/v1`.
    Job,
    /// `batch/v1`.
    CronJob,
    /// `argoproj.io/v1alpha1`, where the cluster has it.
    Rollout,
}

/// Labels, by key.
pub type Labels = BTreeMap<String, String>;

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRecord {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its unique id.
    pub uid: String,
    /// The node it is bound to, once it is.
    pub node: Option<String>,
    /// When it was made, seconds since the epoch.
    pub created_at: i64,
    /// Its labels.
    pub labels: Labels,
    /// The owner that controls it, where it has one.
    pub owner: Option<OwnerReference>,
    /// Everything in it that holds an image.
    pub containers: Vec<ContainerRecord>,
}

/// One use of an image in a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContainerRecord {
    /// The container's or the volume's name.
    pub name: String,
    /// What it is to the pod.
    pub kind: ContainerKind,
    /// The image as the pod's specification names it.
    pub image: String,
    /// The image as the runtime names it (`imageID`), once it does; an alias and no key, in a form that depends on the runtime.
    pub image_id: Option<String>,
    /// How far it is.
    pub state: ContainerState,
}

/// What a container is to its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerKind {
    /// One of `spec.containers`.
    Container,
    /// One of `spec.initContainers` that runs to its end.
    Init,
    /// One of `spec.initContainers` with `restartPolicy: Always`.
    Sidecar,
    /// One of `spec.ephemeralContainers`.
    Ephemeral,
    /// An image mounted as a volume (`spec.volumes[].image`).
    Volume,
}

/// How far a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerState {
    /// Not started yet, or between two starts.
    Waiting,
    /// Running.
    Running,
    /// Ended, for good or until it is started again.
    Completed,
    /// A volume that is mounted.
    Mounted,
}

/// The owner of an object that controls it (`controller: true`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OwnerReference {
    /// Its API group; empty for the core group.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its unique id.
    pub uid: String,
}

/// An object that controls pods, or controls what does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerRecord {
    /// Which of the watched kinds it is of; neither a pod nor a node.
    pub kind: WatchedKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its unique id.
    pub uid: String,
    /// When it was made, seconds since the epoch.
    pub created_at: i64,
    /// Its labels.
    pub labels: Labels,
    /// The owner that controls it, where it has one.
    pub owner: Option<OwnerReference>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its name.
    pub name: String,
    /// Its platform, from `status.nodeInfo`; `None` until its kubelet has told.
    pub platform: Option<Platform>,
    /// Its addresses of type `InternalIP`.
    pub addresses: Vec<String>,
    /// The container runtime and its version, as `containerd://1.6.20`.
    pub runtime: Option<String>,
}

/// An object of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "object", rename_all = "snake_case")]
pub enum ClusterObject {
    /// A pod.
    Pod(PodRecord),
    /// A node.
    Node(NodeRecord),
    /// An owner.
    Owner(OwnerRecord),
}

/// The name of an object within its cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: WatchedKind,
    /// Its namespace; empty for a node.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// One change of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", content = "of", rename_all = "snake_case")]
pub enum ClusterChange {
    /// The object is there, and is this.
    Set(ClusterObject),
    /// There is no such object any more.
    Gone(ObjectKey),
}

impl WatchedKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Pod,
        Self::Node,
        Self::ReplicaSet,
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::Job,
        Self::CronJob,
        Self::Rollout,
    ];

    /// Its name in the API, as `kind` of an owner reference has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::Node => "Node",
            Self::ReplicaSet => "ReplicaSet",
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
            Self::Rollout => "Rollout",
        }
    }

    /// Its API group; empty for the core group.
    pub const fn group(self) -> &'static str {
        match self {
            Self::Pod | Self::Node => "",
            Self::ReplicaSet | Self::Deployment | Self::StatefulSet | Self::DaemonSet => "apps",
            Self::Job | Self::CronJob => "batch",
            Self::Rollout => "argoproj.io",
        }
    }

    /// The kind that an owner reference names, where it is a watched one.
    pub fn of_owner(group: &str, kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.group() == group && known.name() == kind)
    }
}

impl ClusterObject {
    /// The object's name.
    pub fn key(&self) -> ObjectKey {
        let (kind, namespace, name) = match self {
            Self::Pod(pod) => (WatchedKind::Pod, &pod.namespace, &pod.name),
            Self::Node(node) => (WatchedKind::Node, &String::new(), &node.name),
            Self::Owner(owner) => (owner.kind, &owner.namespace, &owner.name),
        };
        ObjectKey { kind, namespace: namespace.clone(), name: name.clone() }
    }
}
