//! Tests of the state of a cluster: lists, changes, and what is kept once.

use super::*;

fn pod(name: &str, image_id: &str) -> ClusterObject {
    let container = ContainerRecord {
        name: "app".into(),
        kind: ContainerKind::Container,
        image: "team/app:1".into(),
        image_id: Some(image_id.into()),
        state: ContainerState::Running,
    };
    ClusterObject::Pod(PodRecord {
        namespace: "shop".into(),
        name: name.into(),
        uid: format!("uid of {name}"),
        node: Some("one".into()),
        created_at: 1000,
        labels: [("app".to_owned(), "web".to_owned())].into(),
        owner: Some(owner_reference()),
        containers: vec![container],
    })
}

fn owner_reference() -> OwnerReference {
    OwnerReference { group: "apps".into(), kind: "ReplicaSet".into(), name: "web-1".into(), uid: "u".into() }
}

fn owner(kind: WatchedKind, name: &str, created_at: i64) -> ClusterObject {
    ClusterObject::Owner(OwnerRecord {
        kind,
        namespace: "shop".into(),
        name: name.into(),
        uid: "u".into(),
        created_at,
        labels: [("team".to_owned(), "a".to_owned())].into(),
        owner: None,
    })
}

fn node(name: &str) -> ClusterObject {
    let addresses = vec!["10.0.0.1".to_owned()];
    ClusterObject::Node(NodeRecord { name: name.into(), platform: None, addresses, runtime: None })
}

fn list(state: &mut ClusterState, kind: WatchedKind, objects: Vec<ClusterObject>) -> Vec<String> {
    state.begin(kind);
    for object in objects {
        state.stage(object);
    }
    let mut names: Vec<_> = state.end(kind).into_iter().map(|key| key.name).collect();
    names.sort();
    names
}

fn names(state: &ClusterState) -> Vec<String> {
    let mut names: Vec<_> = state.objects().map(|object| object.key().name).collect();
    names.sort();
    names
}

#[test]
fn pods_that_are_alike_share_what_they_say() {
    let mut state = ClusterState::default();
    list(&mut state, WatchedKind::Pod, vec![pod("a", "x"), pod("b", "x"), pod("c", "y")]);
    let mut pods: Vec<_> = state.pods().collect();
    pods.sort_by_key(|(name, _)| *name);
    let [(name, a), (other, b), (_, c)] = pods[..] else { panic!("{pods:?}") };
    assert!(Arc::ptr_eq(&name.0, &other.0), "the namespace");
    assert!(Arc::ptr_eq(&a.template, &b.template) && Arc::ptr_eq(&a.status, &b.status));
    assert!(Arc::ptr_eq(&a.template, &c.template), "the image another runs is no part of the template");
    assert_ne!(a.status, c.status);
}

#[test]
fn a_list_tells_exactly_what_differs_and_only_of_its_kind() {
    let mut state = ClusterState::default();
    assert_eq!(list(&mut state, WatchedKind::Pod, vec![pod("a", "x"), pod("b", "x"), pod("c", "x")]), ["a", "b", "c"]);
    assert_eq!(list(&mut state, WatchedKind::Job, vec![owner(WatchedKind::Job, "job", 1)]), ["job"]);
    assert_eq!(list(&mut state, WatchedKind::Node, vec![node("one")]), ["one"]);
    let again = vec![pod("a", "x"), pod("b", "y"), pod("d", "x")];
    assert_eq!(list(&mut state, WatchedKind::Pod, again.clone()), ["b", "c", "d"]);
    assert_eq!(list(&mut state, WatchedKind::Pod, again), [] as [&str; 0]);
    // Two kinds of owners are held together, and a list of one says nothing of the other.
    assert_eq!(list(&mut state, WatchedKind::CronJob, vec![owner(WatchedKind::CronJob, "job", 1)]), ["job"]);
    assert_eq!(list(&mut state, WatchedKind::Job, vec![owner(WatchedKind::Job, "job", 2)]), ["job"]);
    assert_eq!(names(&state), ["a", "b", "d", "job", "job", "one"]);
    assert_eq!(list(&mut state, WatchedKind::Job, Vec::new()), ["job"]);
    assert_eq!(names(&state), ["a", "b", "d", "job", "one"]);
}

#[test]
fn a_list_that_breaks_midway_changes_nothing_and_leaves_nothing() {
    let mut state = ClusterState::default();
    list(&mut state, WatchedKind::Pod, vec![pod("a", "x"), pod("b", "x")]);
    list(&mut state, WatchedKind::Job, vec![owner(WatchedKind::Job, "job", 1)]);
    for kind in [WatchedKind::Pod, WatchedKind::Job] {
        state.begin(kind);
    }
    state.stage(pod("c", "x"));
    state.stage(owner(WatchedKind::Job, "other", 1));
    assert_eq!(names(&state), ["a", "b", "job"]);
    // The next list is the only one that counts.
    assert_eq!(list(&mut state, WatchedKind::Pod, vec![pod("b", "x")]), ["a"]);
    assert_eq!(list(&mut state, WatchedKind::Job, vec![owner(WatchedKind::Job, "job", 1)]), [] as [&str; 0]);
    assert_eq!(names(&state), ["b", "job"]);
}

#[test]
fn a_cluster_is_whole_when_every_kind_was_listed_or_is_not_offered() {
    let mut state = ClusterState::default();
    for kind in WatchedKind::ALL {
        assert!(!state.is_whole());
        if kind == WatchedKind::Rollout {
            state.unavailable(kind);
        } else {
            list(&mut state, kind, Vec::new());
        }
    }
    assert!(state.is_whole());
    state.unsettle();
    assert!(!state.is_whole());
    state.replace([pod("a", "x")]);
    assert!(state.is_whole(), "a snapshot is whole by itself");
}

#[test]
fn a_snapshot_replaces_everything() {
    let mut state = ClusterState::default();
    list(&mut state, WatchedKind::Pod, vec![pod("a", "x"), pod("b", "x")]);
    state.apply(ClusterChange::Set(node("one")));
    state.replace([pod("b", "y"), node("two"), owner(WatchedKind::Deployment, "web", 1)]);
    assert_eq!(names(&state), ["b", "two", "web"]);
    assert_eq!(state.sizes(), (1, 1));
    assert_eq!(state.get(&pod("b", "x").key()), Some(pod("b", "y")));
}

#[test]
fn changes_answer_whether_they_made_a_difference_and_what_became_of_an_object_can_be_asked() {
    let mut state = ClusterState::default();
    for (before, after) in [
        (pod("a", "x"), pod("a", "y")),
        (owner(WatchedKind::ReplicaSet, "a", 1), owner(WatchedKind::ReplicaSet, "a", 2)),
    ] {
        let key = before.key();
        assert_eq!(state.change_of(key.clone()), ClusterChange::Gone(key.clone()));
        assert!(!state.apply(ClusterChange::Gone(key.clone())), "it was not there");
        assert!(state.apply(ClusterChange::Set(before.clone())));
        assert!(!state.apply(ClusterChange::Set(before.clone())), "the same again");
        assert_eq!(state.get(&key), Some(before));
        assert!(state.apply(ClusterChange::Set(after.clone())));
        assert_eq!(state.change_of(key.clone()), ClusterChange::Set(after));
        assert!(state.apply(ClusterChange::Gone(key.clone())));
        assert_eq!(state.get(&key), None);
    }
    let node = node("one");
    assert!(state.apply(ClusterChange::Set(node.clone())) && !state.apply(ClusterChange::Set(node.clone())));
    assert_eq!(state.get(&node.key()), Some(node));
}

#[test]
fn an_owner_that_came_again_under_its_name_is_another() {
    let mut state = ClusterState::default();
    list(&mut state, WatchedKind::ReplicaSet, vec![owner(WatchedKind::ReplicaSet, "web-1", 7)]);
    let namespace = Arc::from("shop");
    let reference = owner_reference();
    let found = state.owner(WatchedKind::ReplicaSet, &namespace, &reference);
    assert_eq!(found.map(|owner| owner.created_at), Some(7));
    let earlier = OwnerReference { uid: "earlier".into(), ..reference };
    assert_eq!(state.owner(WatchedKind::ReplicaSet, &namespace, &earlier), None);
}

#[test]
fn objects_are_read_on_from_any_of_them_in_the_order_of_their_names() {
    let mut state = ClusterState::default();
    let node = |name: &str| {
        ClusterObject::Node(NodeRecord { name: name.into(), platform: None, addresses: Vec::new(), runtime: None })
    };
    let owner = |kind, name: &str| {
        ClusterObject::Owner(OwnerRecord {
            kind,
            namespace: "shop".into(),
            name: name.into(),
            uid: name.into(),
            created_at: 0,
            labels: weir_storage::index::Labels::new(),
            owner: None,
        })
    };
    state.replace([
        owner(WatchedKind::Deployment, "b"),
        owner(WatchedKind::ReplicaSet, "a"),
        node("n2"),
        pod("p2", "1"),
        node("n1"),
        pod("p1", "1"),
    ]);
    let all = state.after(None, 9);
    let keys: Vec<ObjectKey> = all.iter().map(ClusterObject::key).collect();
    assert!(keys.is_sorted() && keys.len() == state.len(), "{keys:?}");
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(state.after(Some(key), 9), all[at + 1..], "{key:?}");
        assert_eq!(state.after(Some(key), 1).len(), usize::from(at + 1 < all.len()));
    }
}
