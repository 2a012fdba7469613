//! Objects as tests of what runs where need them: nodes, pods that run an image, and what controls those.

use weir_scanner::oci::Platform;
use weir_storage::index::{
    ClusterObject, ContainerKind, ContainerRecord, ContainerState, NodeRecord, OwnerRecord, OwnerReference, PodRecord,
    WatchedKind,
};

use super::sample::CREATED_AT;

/// A node; without an architecture its platform is not known.
pub(crate) fn node(name: &str, architecture: Option<&str>) -> ClusterObject {
    let platform = architecture.map(|architecture| Platform {
        os: "linux".to_owned(),
        architecture: architecture.to_owned(),
        variant: None,
    });
    let addresses = vec![format!("10.1.0.{}", name.len())];
    ClusterObject::Node(NodeRecord {
        name: name.to_owned(),
        platform,
        addresses,
        runtime: Some("containerd://2.0".into()),
    })
}

/// A pod of the namespace `shop` that nobody controls.
pub(crate) fn pod(name: &str, node: &str, containers: Vec<ContainerRecord>) -> PodRecord {
    PodRecord {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        uid: format!("uid-of-pod-{name}"),
        node: Some(node.to_owned()),
        created_at: CREATED_AT,
        labels: [("app".to_owned(), name.to_owned())].into(),
        owner: None,
        containers,
    }
}

/// A container that runs.
pub(crate) fn runs(name: &str, image: &str, image_id: &str) -> ContainerRecord {
    ContainerRecord {
        name: name.to_owned(),
        kind: ContainerKind::Container,
        image: image.to_owned(),
        image_id: Some(image_id.to_owned()),
        state: ContainerState::Running,
    }
}

/// A bare pod with one container that runs.
pub(crate) fn running(name: &str, node: &str, image: &str, image_id: &str) -> ClusterObject {
    ClusterObject::Pod(pod(name, node, vec![runs("app", image, image_id)]))
}

/// A reference to an owner of a group and kind.
pub(crate) fn owned_by(group: &str, kind: &str, name: &str) -> OwnerReference {
    let uid = format!("uid-of-{kind}-{name}");
    OwnerReference { group: group.to_owned(), kind: kind.to_owned(), name: name.to_owned(), uid }
}

/// An owner in the namespace `shop`.
pub(crate) fn owner(kind: WatchedKind, name: &str, controlled: Option<OwnerReference>) -> ClusterObject {
    ClusterObject::Owner(OwnerRecord {
        kind,
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        uid: format!("uid-of-{}-{name}", kind.name()),
        created_at: CREATED_AT,
        labels: [("team".to_owned(), format!("of-{name}"))].into(),
        owner: controlled,
    })
}
