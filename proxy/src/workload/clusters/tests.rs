//! Tests of what is written of the cluster the server watches itself.

use std::sync::Arc;

use weir_storage::index::engine::{FaultyEngine, MemoryEngine};
use weir_storage::index::{ClusterObject, NodeRecord};

use super::*;

fn node(name: &str) -> ClusterObject {
    ClusterObject::Node(NodeRecord { name: name.into(), platform: None, addresses: Vec::new(), runtime: None })
}

/// Everything is listed, with these nodes.
fn list(clusters: &Clusters, nodes: &[&str]) {
    for kind in WatchedKind::ALL {
        clusters.observe("c", Observed::Begin(kind), 1);
        if kind == WatchedKind::Node {
            nodes.iter().for_each(|name| clusters.observe("c", Observed::Listed(node(name)), 1));
        }
        clusters.observe("c", Observed::End(kind), 1);
    }
}

fn write_all(clusters: &Clusters, index: &Index) {
    while clusters.write_local("c", index).unwrap() {}
}

fn stored(index: &Index) -> Vec<String> {
    index.clusters().objects("c").map(|object| object.unwrap().key().name).collect()
}

#[test]
fn what_a_full_disk_kept_from_the_index_is_written_when_there_is_room() {
    let engine = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::default())));
    let index = Index::new(engine.clone());
    let clusters = Clusters::load(&index).unwrap();
    clusters.begin_local("c", 1);
    list(&clusters, &["a", "b"]);
    write_all(&clusters, &index);
    assert_eq!(stored(&index), ["a", "b"]);

    engine.fail_writes(true);
    clusters.observe("c", Observed::Gone(node("a").key()), 2);
    clusters.observe("c", Observed::Set(node("c")), 2);
    assert!(clusters.write_local("c", &index).is_err() && clusters.write_local("c", &index).is_err());
    assert_eq!(clusters.statuses(2)[0].nodes, 2, "what runs is shown all the same");
    engine.fail_writes(false);
    write_all(&clusters, &index);
    assert_eq!(stored(&index), ["b", "c"]);
}

#[test]
fn too_many_unwritten_names_are_told_from_the_index_and_the_state_instead() {
    let index = Index::in_memory();
    let clusters = Clusters::load(&index).unwrap();
    clusters.begin_local("c", 1);
    list(&clusters, &["a", "b"]);
    write_all(&clusters, &index);
    clusters.observe("c", Observed::Gone(node("a").key()), 2);
    clusters.observe("c", Observed::Set(node("c")), 2);
    {
        let mut clusters = clusters.lock();
        let cluster = clusters.get_mut("c").unwrap();
        (cluster.unwritten, cluster.uncounted) = (HashSet::new(), true);
    }
    write_all(&clusters, &index);
    assert_eq!(stored(&index), ["b", "c"]);
}

#[test]
fn what_happened_while_weir_was_away_is_written_over_what_was_there() {
    let index = Index::in_memory();
    let clusters = Clusters::load(&index).unwrap();
    clusters.begin_local("c", 1);
    list(&clusters, &["a", "b"]);
    write_all(&clusters, &index);

    let clusters = Clusters::load(&index).unwrap();
    clusters.begin_local("c", 10);
    assert_eq!(clusters.statuses(10)[0].nodes, 2);
    list(&clusters, &["b", "c"]);
    write_all(&clusters, &index);
    assert_eq!(stored(&index), ["b", "c"]);
}

#[test]
fn a_cluster_that_weir_watched_once_and_no_longer_does_is_stale() {
    let index = Index::in_memory();
    let clusters = Clusters::load(&index).unwrap();
    clusters.begin_local("c", 1);
    list(&clusters, &["a"]);
    write_all(&clusters, &index);
    assert_eq!(clusters.statuses(1)[0].freshness, Freshness::Live);

    let clusters = Clusters::load(&index).unwrap();
    let status = &clusters.statuses(2)[0];
    assert_eq!((status.freshness, status.nodes, clusters.is_watched("c")), (Freshness::Stale, 1, false));
}
