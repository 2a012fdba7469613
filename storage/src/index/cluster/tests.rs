use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::engine::{Engine, FaultyEngine, MemoryEngine, RowPage};
use super::*;

fn record(sequence: u64) -> ClusterRecord {
    ClusterRecord {
        source: ClusterSource::Agent { token: "t1".into() },
        session: "s".into(),
        sequence,
        synced_at: 10,
        first_seen: 1,
        kubernetes_version: Some("v1.34.1".into()),
        agent_version: None,
    }
}

fn pod(name: &str) -> ClusterObject {
    ClusterObject::Pod(PodRecord {
        namespace: "default".into(),
        name: name.into(),
        uid: format!("uid-{name}"),
        node: None,
        created_at: 5,
        labels: Labels::new(),
        owner: None,
        containers: Vec::new(),
    })
}

fn node(name: &str) -> ClusterObject {
    ClusterObject::Node(NodeRecord { name: name.into(), platform: None, addresses: Vec::new(), runtime: None })
}

fn owner(kind: WatchedKind, name: &str) -> ClusterObject {
    ClusterObject::Owner(OwnerRecord {
        kind,
        namespace: "default".into(),
        name: name.into(),
        uid: "u".into(),
        created_at: 5,
        labels: Labels::new(),
        owner: None,
    })
}

/// Kind and name of everything a cluster holds.
fn held(index: &Index, cluster: &str) -> Vec<(&'static str, String)> {
    let keys = index.clusters().objects(cluster).map(|object| object.unwrap().key());
    keys.map(|key| (key.kind.name(), key.name)).collect()
}

#[test]
fn a_snapshot_takes_the_place_of_what_was_there_in_its_cluster_alone() {
    let index = Index::in_memory();
    let objects = [pod("a"), pod("b"), node("a"), owner(WatchedKind::Job, "a"), owner(WatchedKind::CronJob, "a")];
    index.clusters().replace("one", &record(1), objects).unwrap();
    index.clusters().replace("on", &record(7), [pod("z")]).unwrap();
    let named = |pairs: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        pairs.iter().map(|(kind, name)| (*kind, (*name).to_owned())).collect()
    };
    assert_eq!(
        held(&index, "one"),
        named(&[("CronJob", "a"), ("Job", "a"), ("Node", "a"), ("Pod", "a"), ("Pod", "b")])
    );
    index.clusters().replace("one", &record(2), [pod("b"), pod("c")]).unwrap();
    assert_eq!(held(&index, "one"), named(&[("Pod", "b"), ("Pod", "c")]));
    assert_eq!(held(&index, "on"), named(&[("Pod", "z")]));
    assert_eq!(index.clusters().list().unwrap(), [("on".into(), record(7)), ("one".into(), record(2))]);
    assert_eq!(index.clusters().objects("one").next().unwrap().unwrap(), pod("b"));
}

#[test]
fn changes_come_in_their_order_and_with_the_row() {
    let index = Index::in_memory();
    index.clusters().replace("one", &record(1), [pod("a"), pod("b")]).unwrap();
    let changes = [
        ClusterChange::Gone(pod("a").key()),
        ClusterChange::Set(pod("c")),
        ClusterChange::Set(pod("d")),
        ClusterChange::Gone(pod("d").key()),
        ClusterChange::Gone(node("never there").key()),
    ];
    index.clusters().apply("one", &record(2), &changes).unwrap();
    assert_eq!(held(&index, "one"), [("Pod", "b".into()), ("Pod", "c".into())]);
    assert_eq!(index.clusters().get("one").unwrap(), Some(record(2)));
    index.clusters().note("one", &record(3)).unwrap();
    assert_eq!(index.clusters().get("one").unwrap(), Some(record(3)));
    assert_eq!(held(&index, "one").len(), 2);
}

#[test]
fn a_write_that_fails_leaves_objects_and_row_as_they_were() {
    let engine = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::default())));
    let index = Index::new(engine.clone());
    index.clusters().replace("one", &record(1), [pod("a"), pod("b")]).unwrap();
    engine.fail_writes(true);
    assert!(index.clusters().replace("one", &record(2), [pod("c")]).is_err());
    assert!(index.clusters().apply("one", &record(2), &[ClusterChange::Set(pod("c"))]).is_err());
    assert!(index.clusters().note("one", &record(2)).is_err());
    assert!(index.clusters().remove("one").is_err());
    engine.fail_writes(false);
    assert_eq!(held(&index, "one"), [("Pod", "a".into()), ("Pod", "b".into())]);
    assert_eq!(index.clusters().get("one").unwrap(), Some(record(1)));
}

#[test]
fn every_change_is_one_write() {
    let engine = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::default())));
    let index = Index::new(engine.clone());
    let pods = |count: usize| (0..count).map(|number| pod(&number.to_string()));
    index.clusters().replace("one", &record(1), pods(1000)).unwrap();
    engine.fail_writes_after(1);
    index.clusters().replace("one", &record(2), pods(600)).unwrap();
    assert_eq!(held(&index, "one").len(), 600);
    engine.fail_writes_after(1);
    let gone: Vec<_> = pods(500).map(|pod| ClusterChange::Gone(pod.key())).collect();
    index.clusters().apply("one", &record(3), &gone).unwrap();
    assert_eq!(held(&index, "one").len(), 100);
    engine.fail_writes_after(1);
    index.clusters().remove("one").unwrap();
    assert_eq!((held(&index, "one").len(), index.clusters().get("one").unwrap()), (0, None));
}

/// Counts the rows of what is written.
#[derive(Default)]
struct CountingEngine {
    inner: MemoryEngine,
    rows: AtomicUsize,
}

impl Engine for CountingEngine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        self.inner.get(table, key)
    }

    fn page(&self, scan: &Scan, limit: usize) -> Result<RowPage, IndexError> {
        self.inner.page(scan, limit)
    }

    fn write(&self, batch: Batch) -> Result<(), IndexError> {
        self.rows.fetch_add(batch.len(), Ordering::SeqCst);
        self.inner.write(batch)
    }

    fn sync(&self) -> Result<(), IndexError> {
        self.inner.sync()
    }
}

#[test]
fn a_snapshot_writes_only_what_differs_and_the_last_of_what_comes_twice() {
    let engine = Arc::new(CountingEngine::default());
    let index = Index::new(engine.clone());
    let pods = || (0..100).map(|number| pod(&number.to_string()));
    index.clusters().replace("one", &record(1), pods()).unwrap();
    assert_eq!(engine.rows.swap(0, Ordering::SeqCst), 101);
    index.clusters().replace("one", &record(2), pods()).unwrap();
    assert_eq!(engine.rows.swap(0, Ordering::SeqCst), 1, "its row");
    index.clusters().replace("one", &record(3), pods().skip(2).chain([pod("new")])).unwrap();
    assert_eq!(engine.rows.load(Ordering::SeqCst), 4, "its row, two that went, one that came");

    let ClusterObject::Pod(other) = pod("new") else { unreachable!("it is a pod") };
    let other = ClusterObject::Pod(PodRecord { created_at: 6, ..other });
    index.clusters().replace("one", &record(4), [other.clone(), pod("new")]).unwrap();
    assert_eq!(index.clusters().objects("one").next().unwrap().unwrap(), pod("new"));
    index.clusters().replace("one", &record(5), [pod("new"), other.clone()]).unwrap();
    assert_eq!(index.clusters().objects("one").next().unwrap().unwrap(), other);
}

#[test]
fn a_cluster_that_is_removed_leaves_the_others() {
    let index = Index::in_memory();
    index.clusters().replace("one", &record(1), [pod("a"), node("n")]).unwrap();
    index.clusters().replace("two", &record(1), [pod("a")]).unwrap();
    index.clusters().remove("one").unwrap();
    assert_eq!(held(&index, "one"), []);
    assert_eq!(held(&index, "two"), [("Pod", "a".into())]);
    assert_eq!(index.clusters().list().unwrap().len(), 1);
}
