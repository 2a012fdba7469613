//! What runs where: clusters as agents reported them, and when images ran that run no more.

use std::collections::BTreeMap;

use fastrand::Rng;
use weir_scanner::oci::{Digest, Platform};
use weir_storage::index::{
    ClusterObject, ClusterRecord, ClusterSource, ContainerKind, ContainerRecord, ContainerState, Index, Labels,
    LifeRecord, NodeRecord, OwnerRecord, OwnerReference, PodRecord, WatchedKind, WorkloadKey,
};

use crate::plan::{DAY, Image, Plan, REGISTRY, exponential};

pub(crate) const CLUSTERS: [&str; 10] = [
    "prod-eu-1",
    "prod-eu-2",
    "prod-us-1",
    "prod-us-2",
    "prod-ap-1",
    "stage-eu-1",
    "stage-us-1",
    "edge-1",
    "edge-2",
    "tools-1",
];
/// The session of every agent; its deltas go on from here.
pub(crate) const SESSION: &str = "bench";
const NAMESPACES: usize = 120;
/// Pods of a workload, on average.
const PODS: f64 = 4.0;
const NODES: usize = 60;
/// Repositories whose newest image runs beside others in every second pod.
const SIDECARS: usize = 4;
/// Images that run and that weir knows nothing of.
const UNKNOWN: usize = 40;

/// The clusters as they are filled.
pub(crate) struct World<'a> {
    plan: &'a Plan,
    now: i64,
    objects: Vec<Vec<ClusterObject>>,
    lives: Vec<(WorkloadKey, Digest, LifeRecord)>,
    containers: usize,
    workloads: usize,
}

impl<'a> World<'a> {
    /// Clusters in which so many containers run images of the plan.
    pub(crate) fn new(plan: &'a Plan, containers: usize, now: i64) -> Self {
        let objects = (0..CLUSTERS.len()).map(|_| (0..NODES).map(node).collect()).collect();
        let mut world = Self { plan, now, objects, lives: Vec::new(), containers: 0, workloads: 0 };
        let mut random = Rng::with_seed(5);
        while world.containers < containers {
            world.add_workload(&mut random);
        }
        world
    }

    /// How many containers and workloads there are.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.containers, self.workloads)
    }

    /// Stores the clusters, each as the agent of its own reported it just now.
    pub(crate) fn store(&self, index: &Index) {
        for (name, objects) in CLUSTERS.iter().zip(&self.objects) {
            let record = ClusterRecord {
                source: ClusterSource::Agent { token: "none".into() },
                session: SESSION.into(),
                sequence: 0,
                synced_at: self.now,
                first_seen: self.now - 400 * DAY,
                kubernetes_version: Some("v1.33.1".into()),
                agent_version: Some("0.1.0".into()),
            };
            index.clusters().replace(name, &record, objects.iter().cloned()).unwrap();
        }
        index.life().note(&self.lives).unwrap();
    }

    /// Some pods of every cluster, to be replaced by others.
    pub(crate) fn pods(&self) -> BTreeMap<&str, Vec<&ClusterObject>> {
        let named = CLUSTERS.iter().zip(&self.objects).map(|(name, objects)| {
            let pods = objects.iter().filter(|object| matches!(object, ClusterObject::Pod(_)));
            (*name, pods.step_by(7).take(100).collect())
        });
        named.collect()
    }

    fn add_workload(&mut self, random: &mut Rng) {
        let number = self.workloads;
        self.workloads += 1;
        let (cluster, namespace) = (random.usize(..CLUSTERS.len()), format!("team-{:03}", random.usize(..NAMESPACES)));
        let place = random.f64();
        let team = (place.powf(1.5) * self.plan.teams.len() as f64) as usize;
        let last = self.plan.teams[team].releases.len() - 1;
        // One workload in four is behind, a few far behind.
        let behind = if random.u8(..4) == 0 { exponential(random) as usize + 1 } else { 0 };
        let release = last.saturating_sub(behind);
        let name =
            format!("{}-{number}", self.plan.teams[team].repository.to_string().rsplit('/').next().unwrap_or_default());
        let created_at = self.now - DAY * random.i64(1..300);
        let owner = self.add_owner((cluster, number), &namespace, &name, created_at);
        let earlier = 0..release.min(6);
        self.remember((cluster, &namespace, &name), team, earlier);
        for pod in 0..(1 + (exponential(random) * (PODS - 1.0)) as usize).min(40) {
            let containers = self.containers(random, (team, release), number);
            self.containers += containers.len();
            let labels = labels(number, &name, true);
            let pod = PodRecord {
                name: format!("{name}-{pod:05x}"),
                uid: format!("4be1c3f0-0000-4000-8000-{number:06}{pod:06}"),
                namespace: namespace.clone(),
                node: Some(format!("node-{}", random.usize(..NODES))),
                created_at,
                labels,
                owner: owner.clone(),
                containers,
            };
            self.objects[cluster].push(ClusterObject::Pod(pod));
        }
    }

    /// What controls a workload's pods: mostly a deployment with its replica set, also others, and nothing for bare pods.
    fn add_owner(
        &mut self,
        (cluster, number): (usize, usize),
        namespace: &str,
        name: &str,
        created_at: i64,
    ) -> Option<OwnerReference> {
        let (kind, group) = match number % 20 {
            0 => return None,
            1..4 => (WatchedKind::StatefulSet, "apps"),
            4..6 => (WatchedKind::DaemonSet, "apps"),
            6 => (WatchedKind::Job, "batch"),
            _ => (WatchedKind::Deployment, "apps"),
        };
        let reference = |kind: WatchedKind, name: &str| OwnerReference {
            group: group.into(),
            kind: kind.name().into(),
            name: name.into(),
            uid: format!("{}-{number}", kind.name()),
        };
        let mut add = |kind: WatchedKind, name: &str, owner| {
            let own = reference(kind, name);
            let record = OwnerRecord {
                kind,
                namespace: namespace.into(),
                name: name.into(),
                uid: own.uid.clone(),
                created_at,
                labels: labels(number, name, false),
                owner,
            };
            self.objects[cluster].push(ClusterObject::Owner(record));
            own
        };
        let own = add(kind, name, None);
        if kind != WatchedKind::Deployment {
            return Some(own);
        }
        Some(add(WatchedKind::ReplicaSet, &format!("{name}-7c9d{number:x}"), Some(own)))
    }

    /// Notes that a workload ran earlier releases.
    fn remember(
        &mut self,
        (cluster, namespace, name): (usize, &str, &str),
        team: usize,
        releases: std::ops::Range<usize>,
    ) {
        for release in releases {
            let release = &self.plan.teams[team].releases[release];
            let key = WorkloadKey {
                cluster: CLUSTERS[cluster].into(),
                namespace: namespace.into(),
                group: "apps".into(),
                kind: "Deployment".into(),
                name: name.into(),
            };
            let life = LifeRecord { first_seen: release.at, last_seen: (release.at + 20 * DAY).min(self.now) };
            self.lives.extend(release.images.first().map(|at| (key, self.plan.images[*at].digest, life)));
        }
    }

    fn containers(&self, random: &mut Rng, (team, release): (usize, usize), number: usize) -> Vec<ContainerRecord> {
        let mut containers = vec![self.container("app", ContainerKind::Container, (team, release), number)];
        let newest = |team: usize| (team, self.plan.teams[team].releases.len() - 1);
        if random.bool() {
            containers.push(self.container("mesh", ContainerKind::Sidecar, newest(number % SIDECARS), number));
        }
        if random.u8(..3) == 0 {
            containers.push(self.container("logs", ContainerKind::Container, newest(SIDECARS), number));
        }
        if random.u8(..5) == 0 {
            containers.push(self.container("migrate", ContainerKind::Init, (team, release), number));
        }
        containers
    }

    /// A container; runtimes name its image mostly by the index where there is one, else by the manifest.
    fn container(
        &self,
        name: &str,
        kind: ContainerKind,
        (team, release): (usize, usize),
        number: usize,
    ) -> ContainerRecord {
        let (team, tag) = (&self.plan.teams[team], release);
        let release = &team.releases[release];
        let image: &Image = &self.plan.images[release.images[0]];
        let digest = match number % 50 {
            _ if name == "app" && number % 997 < UNKNOWN && number.is_multiple_of(25) => {
                Digest::of(format!("unknown {}", number % 997).as_bytes())
            }
            0 => image.digest,
            _ => release.index.unwrap_or(image.digest),
        };
        let state = if kind == ContainerKind::Init { ContainerState::Completed } else { ContainerState::Running };
        ContainerRecord {
            name: name.into(),
            kind,
            image: format!("{REGISTRY}/{}:1.{tag}.0", team.repository),
            image_id: Some(format!("{REGISTRY}/{}@{digest}", team.repository)),
            state,
        }
    }
}

fn node(number: usize) -> ClusterObject {
    let arm = number % 6 == 5;
    let architecture = if arm { "arm64" } else { "amd64" };
    ClusterObject::Node(NodeRecord {
        name: format!("node-{number}"),
        platform: Some(Platform { os: "linux".into(), architecture: architecture.into(), variant: None }),
        addresses: vec![format!("10.0.0.{number}")],
        runtime: Some("containerd://2.1.4".into()),
    })
}

fn labels(number: usize, name: &str, is_pod: bool) -> Labels {
    let mut labels: Labels = [
        ("app.kubernetes.io/name", name.to_owned()),
        ("app.kubernetes.io/managed-by", "Helm".to_owned()),
        ("team", format!("team-{}", number % 40)),
        ("tier", ["front", "back", "data"][number % 3].to_owned()),
        ("env", ["prod", "prod", "prod", "stage"][number % 4].to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    if is_pod {
        labels.insert("pod-template-hash".to_owned(), format!("7c9d{number:x}"));
    }
    labels
}
