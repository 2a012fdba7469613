//! Tests of when what runs began and ceased.

use weir_storage::index::ContainerKind;
use weir_storage::index::engine::{FaultyEngine, MemoryEngine};

use super::*;
use crate::workload::ClusterStatus;
use crate::workload::usage::StateCounts;

fn image(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn key(name: &str) -> WorkloadKey {
    WorkloadKey {
        cluster: "c".to_owned(),
        namespace: "n".to_owned(),
        group: "apps".to_owned(),
        kind: "Deployment".to_owned(),
        name: name.to_owned(),
    }
}

/// Workloads in the order of their names, with the images each runs.
fn workloads(of: &[(&str, &[&str])]) -> Arc<Vec<Workload>> {
    let used = |name: &&str| ImageUse {
        container: "c".into(),
        kind: ContainerKind::Container,
        image: (*name).into(),
        image_id: None,
        platform: None,
        states: StateCounts::default(),
        active: true,
        content: Content::Image(image(name)),
    };
    let workload = |(name, images): &(&str, &[&str])| Workload {
        key: key(name),
        created_at: Some(1),
        labels: Vec::new(),
        pods: 1,
        uses: images.iter().map(used).collect(),
    };
    Arc::new(of.iter().map(workload).collect())
}

fn inventory(at: i64, freshness: Freshness, workloads: &Arc<Vec<Workload>>) -> Inventory {
    let status = ClusterStatus::sample("c", freshness, at);
    let cluster = ClusterInventory { status, workloads: Arc::clone(workloads), nodes: Arc::default() };
    Inventory { clusters: vec![cluster], at, ..Inventory::default() }
}

/// First and last seen, as the index has them.
fn stored(index: &Index, workload: &str, name: &str) -> Option<(i64, i64)> {
    let life = index.life().get(&key(workload), &image(name)).unwrap();
    life.map(|life| (life.first_seen, life.last_seen))
}

#[test]
fn what_began_and_ceased_is_written_once_and_what_goes_on_now_and_then() {
    let index = Index::in_memory();
    let mut keeper = LifeKeeper::default();
    let first = workloads(&[("a", &["x", "y"]), ("b", &["x"])]);
    // Nobody vouches for what a cluster had before weir began.
    keeper.note(&inventory(5, Freshness::Connecting, &first), &index).unwrap();
    assert_eq!(stored(&index, "a", "x"), None);
    keeper.note(&inventory(10, Freshness::Live, &first), &index).unwrap();
    assert_eq!((stored(&index, "a", "x"), stored(&index, "b", "x")), (Some((5, 10)), Some((5, 10))));
    keeper.note(&inventory(20, Freshness::Live, &first), &index).unwrap();
    assert_eq!(stored(&index, "a", "x"), Some((5, 10)));

    let second = workloads(&[("0", &["x"]), ("a", &["y"]), ("c", &["x", "x"])]);
    keeper.note(&inventory(30, Freshness::Live, &second), &index).unwrap();
    assert_eq!((stored(&index, "a", "x"), stored(&index, "a", "y")), (Some((5, 30)), Some((5, 10))));
    assert_eq!((stored(&index, "b", "x"), stored(&index, "0", "x")), (Some((5, 30)), Some((30, 30))));
    assert_eq!((keeper.first_seen(&key("a"), &image("y")), keeper.first_seen(&key("b"), &image("x"))), (Some(5), None));

    keeper.note(&inventory(30 + NOTE_SECONDS, Freshness::Live, &second), &index).unwrap();
    assert_eq!(stored(&index, "c", "x"), Some((30, 30 + NOTE_SECONDS)));
    keeper.note(&Inventory { at: 5000, ..Inventory::default() }, &index).unwrap();
    assert_eq!((stored(&index, "a", "y"), stored(&index, "b", "x")), (Some((5, 5000)), Some((5, 30))));
    // It comes back, and has been there since it was seen first.
    keeper.note(&inventory(6000, Freshness::Live, &second), &index).unwrap();
    assert_eq!(keeper.first_seen(&key("a"), &image("y")), Some(5));
}

#[test]
fn what_a_full_disk_kept_from_the_index_is_written_when_there_is_room() {
    let engine = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::default())));
    let index = Index::new(engine.clone());
    let mut keeper = LifeKeeper::default();
    keeper.note(&inventory(10, Freshness::Live, &workloads(&[("a", &["x"]), ("b", &["x"])])), &index).unwrap();
    engine.fail_writes(true);
    let later = workloads(&[("b", &["y"])]);
    assert!(keeper.note(&inventory(20, Freshness::Live, &later), &index).is_err());
    engine.fail_writes(false);
    keeper.note(&inventory(30, Freshness::Live, &later), &index).unwrap();
    assert_eq!((stored(&index, "a", "x"), stored(&index, "b", "x")), (Some((10, 30)), Some((10, 30))));
    assert_eq!(stored(&index, "b", "y"), Some((30, 30)));
}
