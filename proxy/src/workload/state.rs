//! What one cluster holds, in memory: every object once, and what objects share once for all of them.
//!
//! Owns the swap: a list that is being read stands beside what was there, and takes its place when it is whole. An object is
//! found by its name; which of them changed is told by names too, so that nobody has to hold the objects twice. Leaves the
//! cluster's API to [`super::watch`] and what the objects mean to [`super::owner`] and [`super::usage`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_scanner::oci::Platform;
use weir_storage::index::{
    ClusterChange, ClusterObject, ContainerKind, ContainerRecord, ContainerState, NodeRecord, ObjectKey, OwnerRecord,
    OwnerReference, PodRecord, WatchedKind,
};

use super::pool::Pool;

/// Labels in the order of their keys.
pub(super) type SharedLabels = Arc<[(Arc<str>, Arc<str>)]>;

/// Name, kind and image of a container.
pub(super) type Specified = (Arc<str>, ContainerKind, Arc<str>);

/// What the pods of one revision of a workload have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Template {
    pub(super) labels: SharedLabels,
    pub(super) owner: Option<OwnerReference>,
    pub(super) containers: Box<[Specified]>,
}

/// What runs in a pod: for each of the template's containers, in its order.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Status(pub(super) Box<[(Option<Arc<str>>, ContainerState)]>);

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pod {
    uid: Box<str>,
    pub(super) node: Option<Arc<str>>,
    pub(super) created_at: i64,
    pub(super) template: Arc<Template>,
    pub(super) status: Arc<Status>,
}

/// An owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    uid: Box<str>,
    pub(super) created_at: i64,
    pub(super) labels: SharedLabels,
    pub(super) owner: Option<OwnerReference>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) platform: Option<Platform>,
    pub(super) addresses: Vec<String>,
    pub(super) runtime: Option<String>,
}

/// Namespace and name; nodes have no namespace.
pub(super) type Name = (Arc<str>, Box<str>);

/// Objects by name.
#[derive(Default)]
struct Objects {
    pods: BTreeMap<Name, Pod>,
    nodes: BTreeMap<Box<str>, Node>,
    owners: BTreeMap<(WatchedKind, Name), Owner>,
}

#[derive(Default)]
struct Pools {
    texts: Pool<str>,
    labels: Pool<[(Arc<str>, Arc<str>)]>,
    templates: Pool<Template>,
    statuses: Pool<Status>,
}

/// What a cluster holds.
#[derive(Default)]
pub struct ClusterState {
    pools: Pools,
    objects: Objects,
    /// Lists that are not whole yet.
    staged: Objects,
    /// Kinds of which a whole list has come, or that the cluster does not offer.
    settled: BTreeSet<WatchedKind>,
    revision: u64,
}

/// Counts for all clusters, so that one that is forgotten and comes again has no revision of before.
static REVISIONS: AtomicU64 = AtomicU64::new(1);

impl ClusterState {
    /// Whether every kind has been listed whole once: before that, absence means nothing.
    pub fn is_whole(&self) -> bool {
        WatchedKind::ALL.iter().all(|kind| self.settled.contains(kind))
    }

    /// Everything is to be listed again before it counts as whole; until then what is there stands.
    pub fn unsettle(&mut self) {
        self.settled.clear();
    }

    /// Another number whenever the objects became different, and never again one that any cluster had before.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    fn revise(&mut self) {
        self.revision = REVISIONS.fetch_add(1, Ordering::Relaxed);
    }

    /// How many objects there are.
    pub(super) fn len(&self) -> usize {
        self.objects.pods.len() + self.objects.nodes.len() + self.objects.owners.len()
    }

    /// How many pods and nodes there are.
    pub fn sizes(&self) -> (usize, usize) {
        (self.objects.pods.len(), self.objects.nodes.len())
    }

    /// A list of a kind begins: what an earlier one that was not finished had brought is dropped.
    pub fn begin(&mut self, kind: WatchedKind) {
        match kind {
            WatchedKind::Pod => self.staged.pods = BTreeMap::new(),
            WatchedKind::Node => self.staged.nodes = BTreeMap::new(),
            owner => self.staged.owners.retain(|(kind, _), _| *kind != owner),
        }
    }

    /// An object of a list that is being read.
    pub fn stage(&mut self, object: ClusterObject) {
        self.pools.set(&mut self.staged, object);
    }

    /// A list of a kind is whole and takes the place of what was there. Answers with the names of the objects that differ.
    pub fn end(&mut self, kind: WatchedKind) -> Vec<ObjectKey> {
        self.settled.insert(kind);
        let (old, new) = (&mut self.objects, &mut self.staged);
        let changed = match kind {
            WatchedKind::Pod => {
                let staged = std::mem::take(&mut new.pods);
                let before = std::mem::replace(&mut old.pods, staged);
                differing(&before, &old.pods, |name| key(kind, name))
            }
            WatchedKind::Node => {
                let staged = std::mem::take(&mut new.nodes);
                let before = std::mem::replace(&mut old.nodes, staged);
                differing(&before, &old.nodes, |name| ObjectKey {
                    kind,
                    namespace: String::new(),
                    name: name.to_string(),
                })
            }
            owner => {
                let of_kind = |objects: &mut Objects| -> BTreeMap<_, _> {
                    let (of_kind, others) =
                        std::mem::take(&mut objects.owners).into_iter().partition(|((kind, _), _)| *kind == owner);
                    objects.owners = others;
                    of_kind
                };
                let (before, staged) = (of_kind(old), of_kind(new));
                let changed = differing(&before, &staged, |(kind, name)| key(*kind, name));
                old.owners.extend(staged);
                changed
            }
        };
        if !changed.is_empty() {
            self.revise();
        }
        changed
    }

    /// A kind that the cluster does not offer or does not let weir read counts as listed: nothing of it will come.
    pub fn unavailable(&mut self, kind: WatchedKind) {
        self.settled.insert(kind);
    }

    /// Carries out a change. Answers whether it made a difference.
    pub fn apply(&mut self, change: ClusterChange) -> bool {
        let differs = match change {
            ClusterChange::Set(object) => self.pools.set(&mut self.objects, object),
            ClusterChange::Gone(key) => self.objects.remove(&key),
        };
        if differs {
            self.revise();
        }
        differs
    }

    /// Becomes what a whole snapshot says.
    pub fn replace(&mut self, objects: impl IntoIterator<Item = ClusterObject>) {
        let mut new = Objects::default();
        for object in objects {
            self.pools.set(&mut new, object);
        }
        self.objects = new;
        self.settled.extend(WatchedKind::ALL);
        self.revise();
    }

    /// An object, as it is now.
    pub fn get(&self, key: &ObjectKey) -> Option<ClusterObject> {
        let name = (Arc::from(key.namespace.as_str()), Box::from(key.name.as_str()));
        Some(match key.kind {
            WatchedKind::Pod => ClusterObject::Pod(pod_record(&name, self.objects.pods.get(&name)?)),
            WatchedKind::Node => ClusterObject::Node(node_record(&name.1, self.objects.nodes.get(&name.1)?)),
            kind => {
                let owner = self.objects.owners.get(&(kind, name.clone()))?;
                ClusterObject::Owner(owner_record(kind, &name, owner))
            }
        })
    }

    /// What became of an object: that it is there, as it is now, or that it is gone.
    pub fn change_of(&self, key: ObjectKey) -> ClusterChange {
        self.get(&key).map_or_else(|| ClusterChange::Gone(key), ClusterChange::Set)
    }

    /// Up to `limit` objects that follow on `after`, in the order of their names.
    pub(super) fn after(&self, after: Option<&ObjectKey>, limit: usize) -> Vec<ClusterObject> {
        // Pods come first, then nodes, then the owners' kinds: as the kinds themselves are ordered.
        let is_past = |kind| after.is_some_and(|after| after.kind > kind);
        let within = |kind| after.filter(|after| after.kind == kind);
        let name = |key: &ObjectKey| -> Name { (key.namespace.as_str().into(), key.name.as_str().into()) };
        let from = |key: Option<Name>| (key.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);

        let pods =
            (!is_past(WatchedKind::Pod)).then(|| self.objects.pods.range(from(within(WatchedKind::Pod).map(name))));
        let pods = pods.into_iter().flatten().map(|(name, pod)| ClusterObject::Pod(pod_record(name, pod)));
        let node = within(WatchedKind::Node).map_or(Bound::Unbounded, |key| Bound::Excluded(key.name.as_str()));
        let nodes = (!is_past(WatchedKind::Node)).then(|| self.objects.nodes.range::<str, _>((node, Bound::Unbounded)));
        let nodes = nodes.into_iter().flatten().map(|(name, node)| ClusterObject::Node(node_record(name, node)));
        let owner = after.filter(|after| after.kind > WatchedKind::Node).map(|key| (key.kind, name(key)));
        let owners = self.objects.owners.range((owner.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        let owners = owners.map(|((kind, name), owner)| ClusterObject::Owner(owner_record(*kind, name, owner)));
        pods.chain(nodes).chain(owners).take(limit).collect()
    }

    /// Every object, made as the iterator advances.
    pub fn objects(&self) -> impl Iterator<Item = ClusterObject> + '_ {
        let pods = self.objects.pods.iter().map(|(name, pod)| ClusterObject::Pod(pod_record(name, pod)));
        let nodes = self.objects.nodes.iter().map(|(name, node)| ClusterObject::Node(node_record(name, node)));
        let owners = self.objects.owners.iter();
        let owners = owners.map(|((kind, name), owner)| ClusterObject::Owner(owner_record(*kind, name, owner)));
        nodes.chain(owners).chain(pods)
    }

    pub(super) fn pods(&self) -> impl Iterator<Item = (&Name, &Pod)> {
        self.objects.pods.iter()
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.objects.nodes.iter().map(|(name, node)| (name.as_ref(), node))
    }

    pub(super) fn owner(&self, kind: WatchedKind, namespace: &Arc<str>, reference: &OwnerReference) -> Option<&Owner> {
        let name = (Arc::clone(namespace), Box::from(reference.name.as_str()));
        // One of the same name that came after the one that is meant owns other pods.
        self.objects.owners.get(&(kind, name)).filter(|owner| *owner.uid == *reference.uid)
    }
}

impl Objects {
    fn remove(&mut self, key: &ObjectKey) -> bool {
        let name: Name = (key.namespace.as_str().into(), key.name.as_str().into());
        match key.kind {
            WatchedKind::Pod => self.pods.remove(&name).is_some(),
            WatchedKind::Node => self.nodes.remove(&name.1).is_some(),
            kind => self.owners.remove(&(kind, name)).is_some(),
        }
    }
}

impl Pools {
    /// Puts an object among others. Answers whether that made a difference.
    fn set(&mut self, objects: &mut Objects, object: ClusterObject) -> bool {
        match object {
            ClusterObject::Pod(pod) => {
                let (name, pod) = self.pod(pod);
                differs(objects.pods.insert(name.clone(), pod), objects.pods.get(&name))
            }
            ClusterObject::Node(node) => {
                let NodeRecord { name, platform, addresses, runtime } = node;
                let (name, node) = (name.into_boxed_str(), Node { platform, addresses, runtime });
                differs(objects.nodes.insert(name.clone(), node), objects.nodes.get(&name))
            }
            ClusterObject::Owner(owner) => {
                let OwnerRecord { kind, namespace, name, uid, created_at, labels, owner } = owner;
                let key = (kind, (self.texts.keep(namespace), name.into_boxed_str()));
                let labels = self.labels(labels);
                let owner = Owner { uid: uid.into_boxed_str(), created_at, labels, owner };
                differs(objects.owners.insert(key.clone(), owner), objects.owners.get(&key))
            }
        }
    }

    fn pod(&mut self, pod: PodRecord) -> (Name, Pod) {
        let PodRecord { namespace, name, uid, node, created_at, labels, owner, containers } = pod;
        let (containers, status): (Vec<_>, Vec<_>) = containers
            .into_iter()
            .map(|ContainerRecord { name, kind, image, image_id, state }| {
                let image_id = image_id.map(|id| self.texts.keep(id));
                ((self.texts.keep(name), kind, self.texts.keep(image)), (image_id, state))
            })
            .unzip();
        let template = Template { labels: self.labels(labels), owner, containers: containers.into() };
        let pod = Pod {
            uid: uid.into_boxed_str(),
            node: node.map(|node| self.texts.keep(node)),
            created_at,
            template: self.templates.keep(template),
            status: self.statuses.keep(Status(status.into())),
        };
        ((self.texts.keep(namespace), name.into_boxed_str()), pod)
    }

    fn labels(&mut self, labels: weir_storage::index::Labels) -> SharedLabels {
        let labels: Vec<_> =
            labels.into_iter().map(|(key, value)| (self.texts.keep(key), self.texts.keep(value))).collect();
        self.labels.keep(labels)
    }
}

impl AsRef<Self> for Template {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl AsRef<Self> for Status {
    fn as_ref(&self) -> &Self {
        self
    }
}

fn differs<T: PartialEq>(before: Option<T>, after: Option<&T>) -> bool {
    before.as_ref() != after
}

fn key(kind: WatchedKind, (namespace, name): &Name) -> ObjectKey {
    ObjectKey { kind, namespace: namespace.to_string(), name: name.to_string() }
}

/// The names of what is not the same in two sets of objects.
fn differing<K: Ord, V: PartialEq>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
    key: impl Fn(&K) -> ObjectKey,
) -> Vec<ObjectKey> {
    let gone = before.keys().filter(|name| !after.contains_key(name));
    let set = after.iter().filter(|(name, value)| before.get(name) != Some(value)).map(|(name, _)| name);
    gone.chain(set).map(key).collect()
}

fn records(labels: &SharedLabels) -> weir_storage::index::Labels {
    labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

fn pod_record((namespace, name): &Name, pod: &Pod) -> PodRecord {
    let containers = pod.template.containers.iter().zip(&pod.status.0);
    let containers = containers.map(|((name, kind, image), (image_id, state))| ContainerRecord {
        name: name.to_string(),
        kind: *kind,
        image: image.to_string(),
        image_id: image_id.as_ref().map(ToString::to_string),
        state: *state,
    });
    PodRecord {
        namespace: namespace.to_string(),
        name: name.to_string(),
        uid: pod.uid.to_string(),
        node: pod.node.as_ref().map(ToString::to_string),
        created_at: pod.created_at,
        labels: records(&pod.template.labels),
        owner: pod.template.owner.clone(),
        containers: containers.collect(),
    }
}

fn node_record(name: &str, node: &Node) -> NodeRecord {
    let Node { platform, addresses, runtime } = node.clone();
    NodeRecord { name: name.to_owned(), platform, addresses, runtime }
}

fn owner_record(kind: WatchedKind, (namespace, name): &Name, owner: &Owner) -> OwnerRecord {
    OwnerRecord {
        kind,
        namespace: namespace.to_string(),
        name: name.to_string(),
        uid: owner.uid.to_string(),
        created_at: owner.created_at,
        labels: records(&owner.labels),
        owner: owner.owner.clone(),
    }
}

#[cfg(test)]
mod tests;
