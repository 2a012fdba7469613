//! Which workload uses which image: what the report and the metrics are made of.
//!
//! Counted anew from the cluster's objects every time, so that nothing can be counted twice; pods that are alike are counted as a
//! group, which is what makes that cheap. Pure but for the index it resolves images by.

use std::collections::HashMap;
use std::sync::Arc;

use weir_scanner::oci::{Platform, Reference};
use weir_storage::index::{ContainerKind, ContainerState, Index, IndexError, WorkloadKey};

use super::image_id::ImageId;
use super::nodes::{ClusterNodes, Placed, Placing};
use super::owner::{self, Controller};
use super::resolve::{Content, Question, Resolver};
use super::state::{ClusterState, SharedLabels, Status, Template};

/// How many of a workload's containers are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateCounts {
    /// Running.
    pub running: u32,
    /// Waiting.
    pub waiting: u32,
    /// Ended.
    pub completed: u32,
    /// Mounted volumes.
    pub mounted: u32,
}

/// One use of an image by a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageUse {
    /// The container's or volume's name.
    pub container: Arc<str>,
    /// What it is to the pod.
    pub kind: ContainerKind,
    /// The image as the specification names it.
    pub image: Arc<str>,
    /// The image as the runtime names it.
    pub image_id: Option<Arc<str>>,
    /// The platform of the nodes.
    pub platform: Option<Platform>,
    /// The states of the containers.
    pub states: StateCounts,
    /// Whether a pod that has not ended holds it: the image is running.
    pub active: bool,
    /// What it runs.
    pub content: Content,
}

/// A workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its cluster, namespace, group, kind and name.
    pub key: WorkloadKey,
    /// When it was made, seconds since the epoch; `None` where weir does not watch its kind.
    pub created_at: Option<i64>,
    /// Its labels, and those of its pods that it does not have itself.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// Its pods.
    pub pods: u32,
    /// What it uses, each once.
    pub uses: Vec<ImageUse>,
}

/// Labels that controllers set on pods to tell them apart: they say nothing of the workload.
const POD_LABELS: [&str; 9] = [
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "controller-revision-hash",
    "controller-uid",
    "job-name",
    "pod-template-generation",
    "pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
];

impl ImageUse {
    /// The repository the runtime has the image from, where that is another than the one the pod names.
    pub fn served_as(&self) -> Option<String> {
        let id = ImageId::parse(self.image_id.as_deref()?);
        let served: Reference = format!("{}@{}", id.repository?, id.digest?).parse().ok()?;
        let named: Reference = self.image.parse().ok()?;
        let same = served.upstream == named.upstream && served.repository == named.repository;
        (!same).then(|| format!("{}/{}", served.upstream, served.repository))
    }
}

/// Pods of one workload that are alike.
struct Group {
    workload: usize,
    template: Arc<Template>,
    status: Arc<Status>,
    platform: Option<Platform>,
    pods: u32,
    /// Whether nothing of them will run any more.
    has_ended: bool,
}

/// The groups of a cluster's pods: taken while the cluster's state is held, worked on after.
#[derive(Default)]
pub(super) struct Groups {
    workloads: Vec<(Arc<str>, Controller)>,
    groups: Vec<Group>,
    placed: Placed,
}

impl Groups {
    /// Groups the pods of a cluster.
    pub(super) fn of(state: &ClusterState) -> Self {
        let mut workloads: Vec<(Arc<str>, Controller)> = Vec::new();
        let mut by_owner: HashMap<(*const u8, &str, &str), usize> = HashMap::new();
        let mut by_name: HashMap<(Arc<str>, String, String, String), usize> = HashMap::new();
        let mut groups: Vec<Group> = Vec::new();
        let mut placing = Placing::begin(state);
        let mut alike: HashMap<(usize, *const Template, *const Status, Option<&Platform>), usize> = HashMap::new();
        for (name, pod) in state.pods() {
            let owner = owner::of(pod);
            // Texts are kept once, so the namespace's address stands for it.
            let known = owner
                .and_then(|owner| by_owner.get(&(name.0.as_ptr(), owner.uid.as_str(), owner.name.as_str())).copied());
            let workload = known.unwrap_or_else(|| {
                let controller = match owner {
                    Some(owner) => owner::controller(state, &name.0, owner),
                    None => owner::alone(name, pod),
                };
                let Controller { group, kind, name: owner_name, .. } = controller.clone();
                let index = *by_name.entry((Arc::clone(&name.0), group, kind, owner_name)).or_insert_with(|| {
                    workloads.push((Arc::clone(&name.0), controller));
                    workloads.len() - 1
                });
                if let Some(owner) = owner {
                    by_owner.insert((name.0.as_ptr(), owner.uid.as_str(), owner.name.as_str()), index);
                }
                index
            });
            let node = placing.node_of(pod);
            let platform = node.and_then(|node| placing.platform(node));
            let key = (workload, Arc::as_ptr(&pod.template), Arc::as_ptr(&pod.status), platform);
            let group = *alike.entry(key).or_insert_with(|| {
                groups.push(Group {
                    workload,
                    template: Arc::clone(&pod.template),
                    status: Arc::clone(&pod.status),
                    platform: platform.cloned(),
                    pods: 0,
                    has_ended: has_ended(&pod.template, &pod.status),
                });
                groups.len() - 1
            });
            groups[group].pods += 1;
            if let Some(node) = node {
                placing.put(node, pod, group, groups[group].has_ended);
            }
        }
        Self { workloads, groups, placed: placing.end() }
    }

    /// The workloads of the cluster `name`, with what each use of an image leads to, in the order of their keys, and what runs on its
    /// nodes. Blocks.
    pub(super) fn workloads(
        self,
        name: &str,
        index: &Index,
        resolver: &mut Resolver,
    ) -> Result<(Vec<Workload>, ClusterNodes), IndexError> {
        let mut workloads: Vec<Workload> = self
            .workloads
            .into_iter()
            .map(|(namespace, controller)| {
                let Controller { group, kind, name: workload, created_at, labels } = controller;
                let key = WorkloadKey {
                    cluster: name.to_owned(),
                    namespace: namespace.to_string(),
                    group,
                    kind,
                    name: workload,
                };
                let labels = labels.map(|labels| labels.to_vec()).unwrap_or_default();
                Workload { key, created_at, labels, pods: 0, uses: Vec::new() }
            })
            .collect();
        let own: Vec<usize> = workloads.iter().map(|workload| workload.labels.len()).collect();
        let mut uses: HashMap<UseKey, usize> = HashMap::new();
        let (mut images, mut of_groups) = (Vec::new(), Vec::with_capacity(self.groups.len()));
        for group in self.groups {
            let first = images.len();
            let workload = &mut workloads[group.workload];
            workload.pods += group.pods;
            add_labels(&mut workload.labels, own[group.workload], &group.template.labels);
            for ((container, kind, image), (image_id, state)) in group.template.containers.iter().zip(&group.status.0) {
                let key = UseKey {
                    workload: group.workload,
                    container: Arc::clone(container),
                    kind: *kind,
                    image: Arc::clone(image),
                    image_id: image_id.clone(),
                    platform: group.platform.clone(),
                };
                let at = match uses.get(&key) {
                    Some(at) => *at,
                    None => {
                        let question =
                            Question { image, image_id: image_id.as_deref(), platform: group.platform.as_ref() };
                        let content = resolver.resolve(index, &question)?;
                        workload.uses.push(key.clone().with(content));
                        *uses.entry(key).or_insert(workload.uses.len() - 1)
                    }
                };
                let used = &mut workload.uses[at];
                used.active |= !group.has_ended && used.content != Content::Pending;
                *count(&mut used.states, *state) += group.pods;
                if let (false, Content::Image(digest) | Content::Unseen(digest)) = (group.has_ended, &used.content) {
                    images.push((*digest, Arc::clone(image)));
                }
            }
            of_groups.push(first..images.len());
        }
        for workload in &mut workloads {
            workload.uses.sort_by(|a, b| (a.kind, &a.container, &a.image_id).cmp(&(b.kind, &b.container, &b.image_id)));
            workload.labels.sort();
        }
        workloads.sort_by(|a, b| a.key.cmp(&b.key));
        Ok((workloads, self.placed.with(of_groups, images)))
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct UseKey {
    workload: usize,
    container: Arc<str>,
    kind: ContainerKind,
    image: Arc<str>,
    image_id: Option<Arc<str>>,
    platform: Option<Platform>,
}

impl UseKey {
    fn with(self, content: Content) -> ImageUse {
        let Self { workload: _, container, kind, image, image_id, platform } = self;
        let states = StateCounts::default();
        ImageUse { container, kind, image, image_id, platform, states, active: false, content }
    }
}

fn count(states: &mut StateCounts, state: ContainerState) -> &mut u32 {
    match state {
        ContainerState::Running => &mut states.running,
        ContainerState::Waiting => &mut states.waiting,
        ContainerState::Completed => &mut states.completed,
        ContainerState::Mounted => &mut states.mounted,
    }
}

/// Whether nothing of a pod will run any more: all its own containers have ended.
fn has_ended(template: &Template, status: &Status) -> bool {
    let mut own = template.containers.iter().zip(&status.0);
    own.all(|((_, kind, _), (_, state))| *kind != ContainerKind::Container || *state == ContainerState::Completed)
}

/// Adds what the pods say beyond their workload, whose `own` labels come first. Of one key its pods may have several values.
fn add_labels(labels: &mut Vec<(Arc<str>, Arc<str>)>, own: usize, pods: &SharedLabels) {
    for (key, value) in pods.iter() {
        let is_own = labels[..own].iter().any(|(known, _)| known == key);
        let is_known = labels[own..].iter().any(|(known, said)| known == key && said == value);
        if !is_own && !is_known && !POD_LABELS.contains(&key.as_ref()) {
            labels.push((Arc::clone(key), Arc::clone(value)));
        }
    }
}

/// The addresses of a cluster's nodes.
pub(super) fn addresses(state: &ClusterState) -> impl Iterator<Item = (&str, &str)> {
    state.nodes().flat_map(|(name, node)| node.addresses.iter().map(move |address| (address.as_str(), name)))
}
