//! What runs in the two clusters of the console's world.

use weir_storage::index::{ClusterObject, ContainerRecord, OwnerRecord, PodRecord, WatchedKind};

use super::images::Images;
use crate::api_server::{node, owned_by, owner, pod, runs};

/// Digest of an image that no registry here has.
pub(super) const PRIVATE: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000ff";
pub(super) const PRIVATE_REPOSITORY: &str = "ghcr.io/private/secret";

/// A deployment with its replica set and pods, all in a namespace and of a team.
struct Deployment<'a> {
    namespace: &'a str,
    name: &'a str,
    team: &'a str,
    image: &'a str,
    id: String,
    nodes: &'a [&'a str],
}

impl Deployment<'_> {
    fn objects(&self) -> Vec<ClusterObject> {
        let set = format!("{}-6f7d9", self.name);
        let mut objects = vec![
            self.placed(owner(WatchedKind::Deployment, self.name, None)),
            self.placed(owner(WatchedKind::ReplicaSet, &set, Some(owned_by("apps", "Deployment", self.name)))),
        ];
        for (number, node) in self.nodes.iter().enumerate() {
            let mut pod = pod(&format!("{set}-{number}"), node, vec![runs("app", self.image, &self.id)]);
            pod.owner = Some(owned_by("apps", "ReplicaSet", &set));
            objects.push(self.placed(ClusterObject::Pod(pod)));
        }
        objects
    }

    fn placed(&self, object: ClusterObject) -> ClusterObject {
        placed(object, self.namespace, self.team)
    }
}

/// An object in another namespace, with the label `team`.
fn placed(object: ClusterObject, namespace: &str, team: &str) -> ClusterObject {
    let label = ("team".to_owned(), team.to_owned());
    match object {
        ClusterObject::Pod(mut pod) => {
            pod.labels.extend([label]);
            ClusterObject::Pod(PodRecord { namespace: namespace.to_owned(), ..pod })
        }
        ClusterObject::Owner(mut owner) => {
            owner.labels.extend([label]);
            ClusterObject::Owner(OwnerRecord { namespace: namespace.to_owned(), ..owner })
        }
        other => other,
    }
}

/// A pod that nobody controls.
fn alone(namespace: &str, name: &str, node: &str, team: &str, containers: Vec<ContainerRecord>) -> ClusterObject {
    placed(ClusterObject::Pod(pod(name, node, containers)), namespace, team)
}

fn id(repository: &str, digest: impl std::fmt::Display) -> String {
    format!("{repository}@{digest}")
}

/// The cluster `prod`, which weir watches itself.
pub(super) fn prod(images: &Images, demo: &str) -> Vec<ClusterObject> {
    let deployment =
        |namespace, name, team, image, id, nodes| Deployment { namespace, name, team, image, id, nodes }.objects();
    let shop = "docker.io/acme/shop";
    let mut objects = vec![node("worker-a", Some("amd64")), node("worker-bb", Some("arm64"))];
    let old = id(shop, images.shop_old.manifest_digest);
    objects.extend(deployment("shop", "cart", "checkout", "acme/shop:1.0", old, &["worker-a", "worker-a"]));
    let new = id(shop, images.shop_new.manifest_digest);
    objects.extend(deployment("shop", "web", "storefront", "acme/shop:1.1", new, &["worker-a"]));
    let demo = id("docker.io/library/weir-demo", demo);
    objects.extend(deployment("billing", "ledger", "payments", "weir-demo:1", demo, &["worker-a"]));
    let log = id("docker.io/acme/log", images.log_index);
    objects.extend(deployment("logging", "log", "platform", "acme/log:1", log, &["worker-a", "worker-bb"]));
    let chart = id("docker.io/vendor/chart", images.chart.manifest_digest);
    let private = id(PRIVATE_REPOSITORY, PRIVATE);
    let broken = id("docker.io/acme/broken", images.broken.manifest_digest);
    objects.extend([
        alone("shop", "chart", "worker-a", "vendor", vec![runs("app", "vendor/chart:2", &chart)]),
        alone("billing", "legacy", "worker-a", "payments", vec![runs("app", "ghcr.io/private/secret:1", &private)]),
        alone("logging", "broken", "worker-a", "platform", vec![runs("app", "acme/broken:1", &broken)]),
    ]);
    objects
}

/// What the pod is called that ends.
pub(super) const ENDED: &str = "migration";

/// A pod of the cluster `prod` that ends.
pub(super) fn ended(images: &Images) -> ClusterObject {
    let new = id("docker.io/acme/shop", images.shop_new.manifest_digest);
    alone("shop", ENDED, "worker-a", "storefront", vec![runs("app", "acme/shop:1.1", &new)])
}

/// The cluster `edge`, which an agent reports.
pub(super) fn edge(images: &Images) -> Vec<ClusterObject> {
    let mut objects = vec![node("edge-1", Some("amd64"))];
    let shop = Deployment {
        namespace: "kiosk",
        name: "cart",
        team: "checkout",
        image: "acme/shop:1.0",
        id: id("docker.io/acme/shop", images.shop_old.manifest_digest),
        nodes: &["edge-1"],
    };
    objects.extend(shop.objects());
    let tool = id("quay.io/team/tool", images.tool.manifest_digest);
    let empty = id("docker.io/acme/empty", images.empty.manifest_digest);
    objects.extend([
        alone("sensors", "tool", "edge-1", "platform", vec![runs("app", "quay.io/team/tool:1", &tool)]),
        alone("sensors", "blank", "edge-1", "platform", vec![runs("app", "acme/empty:1", &empty)]),
    ]);
    objects
}
