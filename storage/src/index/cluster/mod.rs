//! What clusters hold.

mod object;

pub use object::{
    ClusterChange, ClusterObject, ContainerKind, ContainerRecord, ContainerState, Labels, NodeRecord, ObjectKey,
    OwnerRecord, OwnerReference, PodRecord, WatchedKind,
};
