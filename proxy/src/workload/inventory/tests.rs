//! Tests of what is worked out again and what is not.

use weir_scanner::oci::{Digest, MediaType, Repository};
use weir_storage::index::{
    ChildKind, ChildLink, ClusterObject, ContainerKind, ContainerRecord, ContainerState, ManifestPut, NodeRecord,
    PodRecord, WatchedKind,
};

use super::*;
use crate::workload::resolve::{Content, Unresolved};
use crate::workload::watch::Observed;

const MANIFEST: &[u8] = b"{}";

fn pod(name: &str) -> ClusterObject {
    let image = format!("docker.io/team/app@{}", Digest::of(MANIFEST));
    ClusterObject::Pod(PodRecord {
        namespace: "n".into(),
        name: name.into(),
        uid: name.into(),
        created_at: 1,
        node: None,
        owner: None,
        labels: BTreeMap::new(),
        containers: vec![ContainerRecord {
            name: "c".into(),
            kind: ContainerKind::Container,
            image: image.clone(),
            image_id: Some(image),
            state: ContainerState::Running,
        }],
    })
}

fn list(clusters: &Clusters, name: &str) {
    clusters.begin_local(name, 1);
    for kind in WatchedKind::ALL {
        clusters.observe(name, Observed::Begin(kind), 1);
        if kind == WatchedKind::Pod {
            clusters.observe(name, Observed::Listed(pod("p")), 1);
        }
        clusters.observe(name, Observed::End(kind), 1);
    }
}

/// An index of two platforms under the digest that the pod runs.
fn multi_platform() -> ManifestPut {
    let child = |platform: &str| ChildLink {
        digest: Digest::of(platform.as_bytes()),
        kind: ChildKind::Manifest,
        platform: Some(platform.parse().unwrap()),
        size: 1,
        media_type: MediaType::new(MediaType::OCI_MANIFEST),
    };
    ManifestPut {
        upstream: "docker.io".into(),
        repository: Repository::parse("team/app").unwrap(),
        digest: Digest::of(MANIFEST),
        media_type: MediaType::new(MediaType::OCI_INDEX),
        bytes: MANIFEST.to_vec(),
        tag: None,
        children: vec![child("linux/amd64"), child("linux/arm64")],
        link_children: true,
        now: 1,
    }
}

/// Whether the workloads of each cluster are the very ones of before.
fn kept(before: &Inventory, after: &Inventory) -> Vec<bool> {
    let pairs = before.clusters.iter().zip(&after.clusters);
    pairs.map(|(before, after)| Arc::ptr_eq(&before.workloads, &after.workloads)).collect()
}

#[test]
fn only_what_changed_is_worked_out_again() {
    let index = Index::in_memory();
    let clusters = Clusters::load(&index).unwrap();
    ["a", "b"].iter().for_each(|name| list(&clusters, name));
    let mut maker = InventoryMaker::new(clusters.clone(), index.clone());
    let first = maker.make(1).unwrap();
    let second = maker.make(2).unwrap();
    assert_eq!(kept(&first, &second), [true, true]);

    let node = NodeRecord { name: "x".into(), platform: None, addresses: Vec::new(), runtime: None };
    clusters.observe("b", Observed::Set(ClusterObject::Node(node)), 3);
    let third = maker.make(3).unwrap();
    assert_eq!(kept(&second, &third), [true, false]);
    assert_eq!(third.clusters[1].nodes.nodes.len(), 1);

    // Listed anew, with nothing that differs.
    list(&clusters, "a");
    assert_eq!(kept(&third, &maker.make(4).unwrap()), [true, true]);
    // Forgotten, and heard of again with nothing in it.
    clusters.remove("a");
    clusters.begin_local("a", 5);
    for kind in WatchedKind::ALL {
        clusters.observe("a", Observed::Begin(kind), 5);
        clusters.observe("a", Observed::End(kind), 5);
    }
    assert!(maker.make(5).unwrap().clusters[0].workloads.is_empty());
}

#[test]
fn what_the_index_learns_while_a_cluster_is_being_listed_is_seen_once_it_is_whole() {
    let index = Index::in_memory();
    let clusters = Clusters::load(&index).unwrap();
    list(&clusters, "a");
    let mut maker = InventoryMaker::new(clusters.clone(), index.clone());
    let content = |inventory: &Inventory| inventory.clusters[0].workloads[0].uses[0].content.clone();
    assert_eq!(content(&maker.make(1).unwrap()), Content::Unseen(Digest::of(MANIFEST)));

    // Learned while the cluster is being listed anew, with nothing that differs.
    clusters.begin_local("a", 2);
    index.manifests().put(multi_platform()).unwrap();
    assert_eq!(content(&maker.make(2).unwrap()), Content::Unseen(Digest::of(MANIFEST)));
    list(&clusters, "a");
    assert_eq!(content(&maker.make(3).unwrap()), Content::Unresolved(Unresolved::PlatformUnknown));
}

#[test]
fn what_the_index_learns_of_an_image_is_seen_at_once_where_a_cluster_is_whole() {
    let index = Index::in_memory();
    let clusters = Clusters::load(&index).unwrap();
    list(&clusters, "a");
    let mut maker = InventoryMaker::new(clusters, index.clone());
    maker.make(1).unwrap();
    index.manifests().put(multi_platform()).unwrap();
    let content = maker.make(2).unwrap().clusters[0].workloads[0].uses[0].content.clone();
    assert_eq!(content, Content::Unresolved(Unresolved::PlatformUnknown));
}
