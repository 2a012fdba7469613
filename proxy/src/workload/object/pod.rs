//! Pods.
//!
//! Owns which of a pod's parts hold an image, and how far each is. Leaves the meaning of an image's id, which depends on the
//! runtime, to others.

use serde::Deserialize;
use serde::de::IgnoredAny;
use tracing::warn;
use weir_storage::index::{ClusterObject, ContainerKind, ContainerRecord, ContainerState, PodRecord, WatchedKind};

use super::bounded::{Element, ImageName, List, Name, Text};
use super::{Metadata, ObjectForm};

/// Containers of one kind kept of one pod, and its image volumes. No node runs so many; the pod's further ones are left out
/// and a log line says so.
const MAX_CONTAINERS: usize = 512;

/// A pod.
#[derive(Debug, Deserialize)]
pub(in crate::workload) struct PodForm {
    metadata: Metadata,
    #[serde(default)]
    spec: PodSpec,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodSpec {
    node_name: Name,
    containers: List<Container, MAX_CONTAINERS>,
    init_containers: List<Container, MAX_CONTAINERS>,
    ephemeral_containers: List<Container, MAX_CONTAINERS>,
    volumes: List<Volume, MAX_CONTAINERS>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    name: Name,
    #[serde(default)]
    image: ImageName,
    #[serde(default)]
    restart_policy: Text<32>,
}

/// A volume; only those of an image are kept (KEP-4639).
#[derive(Debug, Deserialize)]
struct Volume {
    #[serde(default)]
    name: Name,
    #[serde(default)]
    image: Option<ImageVolume>,
}

#[derive(Debug, Deserialize)]
struct ImageVolume {
    #[serde(default)]
    reference: ImageName,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodStatus {
    phase: Text<32>,
    container_statuses: List<ContainerStatus, MAX_CONTAINERS>,
    init_container_statuses: List<ContainerStatus, MAX_CONTAINERS>,
    ephemeral_container_statuses: List<ContainerStatus, MAX_CONTAINERS>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerStatus {
    name: Name,
    #[serde(default, rename = "imageID")]
    image_id: ImageName,
    #[serde(default)]
    state: Option<StateForm>,
    #[serde(default)]
    volume_mounts: List<VolumeMountStatus, MAX_CONTAINERS>,
}

/// Of the three members that a container's state can have, the two that are not waiting.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StateForm {
    running: Option<IgnoredAny>,
    terminated: Option<IgnoredAny>,
}

/// What a container mounts; only what names an image is kept (KEP-5365).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VolumeMountStatus {
    #[serde(default)]
    name: Name,
    #[serde(default)]
    volume_status: Option<VolumeStatus>,
}

#[derive(Debug, Deserialize)]
struct VolumeStatus {
    #[serde(default)]
    image: Option<ImageVolumeStatus>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageVolumeStatus {
    #[serde(default)]
    image_ref: ImageName,
}

impl Element for Container {}
impl Element for ContainerStatus {}

impl Element for Volume {
    fn is_kept(&self) -> bool {
        self.image.is_some()
    }
}

impl Element for VolumeMountStatus {
    fn is_kept(&self) -> bool {
        self.volume_status.as_ref().is_some_and(|status| status.image.is_some())
    }
}

impl ObjectForm for PodForm {
    fn resource_version(&self) -> &str {
        &self.metadata.resource_version.0
    }

    fn into_object(self, _kind: WatchedKind) -> ClusterObject {
        let (metadata, spec, status) = (self.metadata, self.spec, self.status);
        // A pod that is over runs nothing, also where its kubelet went away before it told of each container, or evicted it.
        let over = matches!(status.phase.0.as_str(), "Succeeded" | "Failed");
        let lists = [&spec.containers, &spec.init_containers, &spec.ephemeral_containers];
        if lists.iter().any(|list| list.cut) || spec.volumes.cut {
            warn!(
                "pod {}/{} has more containers than are read: the first {MAX_CONTAINERS} of each kind",
                metadata.namespace.0, metadata.name.0
            );
        }
        let volumes = volumes(spec.volumes, &status, over);
        let mut containers = Vec::new();
        let plain = |_: &Container| ContainerKind::Container;
        containers.extend(records(spec.containers, &status.container_statuses, over, plain));
        let init = |container: &Container| match container.restart_policy.0.as_str() {
            "Always" => ContainerKind::Sidecar,
            _ => ContainerKind::Init,
        };
        containers.extend(records(spec.init_containers, &status.init_container_statuses, over, init));
        let ephemeral = |_: &Container| ContainerKind::Ephemeral;
        containers.extend(records(spec.ephemeral_containers, &status.ephemeral_container_statuses, over, ephemeral));
        containers.extend(volumes);
        containers.shrink_to_fit();
        ClusterObject::Pod(PodRecord {
            created_at: metadata.created_at(),
            namespace: metadata.namespace.0,
            name: metadata.name.0,
            uid: metadata.uid.0,
            node: spec.node_name.into_option(),
            labels: metadata.labels.0,
            owner: metadata.owner_references.0,
            containers,
        })
    }
}

/// One kind of containers with what their kubelet told of them.
fn records(
    containers: List<Container, MAX_CONTAINERS>,
    statuses: &List<ContainerStatus, MAX_CONTAINERS>,
    over: bool,
    kind: impl Fn(&Container) -> ContainerKind,
) -> impl Iterator<Item = ContainerRecord> {
    containers.items.into_iter().map(move |container| {
        let status = statuses.items.iter().find(|status| status.name == container.name);
        let state = status.and_then(|status| status.state.as_ref());
        ContainerRecord {
            kind: kind(&container),
            name: container.name.0,
            image: container.image.0,
            image_id: status.and_then(|status| status.image_id.clone().into_option()),
            state: match state {
                _ if over => ContainerState::Completed,
                Some(StateForm { running: Some(_), .. }) => ContainerState::Running,
                Some(StateForm { terminated: Some(_), .. }) => ContainerState::Completed,
                // The API: a state without members is waiting.
                _ => ContainerState::Waiting,
            },
        }
    })
}

/// The image volumes. They are mounted while the pod is up: only then is one of its containers able to see them.
fn volumes(volumes: List<Volume, MAX_CONTAINERS>, status: &PodStatus, over: bool) -> Vec<ContainerRecord> {
    let lists = [&status.container_statuses, &status.init_container_statuses, &status.ephemeral_container_statuses];
    let statuses = || lists.into_iter().flat_map(|list| &list.items);
    let started = |status: &ContainerStatus| {
        status.state.as_ref().is_some_and(|state| state.running.is_some() || state.terminated.is_some())
    };
    let state = match (over, status.phase.0 == "Running" || statuses().any(started)) {
        (true, _) => ContainerState::Completed,
        (false, true) => ContainerState::Mounted,
        (false, false) => ContainerState::Waiting,
    };
    let id = |name: &Name| {
        let mount = statuses().flat_map(|status| &status.volume_mounts.items).find(|mount| mount.name == *name)?;
        mount.volume_status.as_ref()?.image.as_ref()?.image_ref.clone().into_option()
    };
    let record = |volume: Volume| ContainerRecord {
        image_id: id(&volume.name),
        name: volume.name.0,
        kind: ContainerKind::Volume,
        image: volume.image.map(|image| image.reference.0).unwrap_or_default(),
        state,
    };
    volumes.items.into_iter().map(record).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(pod: &Value) -> PodRecord {
        let object = serde_json::from_str::<PodForm>(&pod.to_string()).unwrap().into_object(WatchedKind::Pod);
        let ClusterObject::Pod(pod) = object else { panic!("no pod") };
        pod
    }

    fn told(pod: &Value) -> Vec<(String, ContainerKind, ContainerState, Option<String>)> {
        let containers = read(pod).containers.into_iter();
        containers.map(|container| (container.name, container.kind, container.state, container.image_id)).collect()
    }

    fn pod() -> Value {
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web-1", "namespace": "shop", "uid": "u1", "resourceVersion": "9",
                "creationTimestamp": "2026-03-01T10:00:00Z", "labels": {"app": "web"}, "annotations": {"a": "b"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u0", "controller": true}],
                "managedFields": [{"manager": "kubelet", "fieldsType": "FieldsV1", "fieldsV1": {"f:status": {"f:phase": {}}}}]},
            "spec": {"nodeName": "n1", "restartPolicy": "Always",
                "containers": [{"name": "web", "image": "nginx:1.27", "env": [{"name": "A", "value": "B"}]}, {"name": "log", "image": "log"}],
                "initContainers": [{"name": "once", "image": "once:1"}, {"name": "mesh", "image": "mesh:2", "restartPolicy": "Always"}],
                "ephemeralContainers": [{"name": "debug", "image": "busybox", "targetContainerName": "web"}],
                "volumes": [{"name": "token", "projected": {}}, {"name": "model", "image": {"reference": "quay.io/m/m:1", "pullPolicy": "Always"}}]},
            "status": {"phase": "Running",
                "containerStatuses": [
                    {"name": "log", "imageID": "", "image": "log", "state": {"waiting": {"reason": "ImagePullBackOff"}}},
                    {"name": "web", "imageID": "docker.io/library/nginx@sha256:aa", "state": {"running": {"startedAt": "2026-03-01T10:00:05Z"}},
                     "volumeMounts": [{"name": "token", "mountPath": "/t", "readOnly": true},
                        {"name": "model", "mountPath": "/m", "readOnly": true,
                         "volumeStatus": {"image": {"imageRef": "quay.io/m/m@sha256:bb"}}}]}],
                "initContainerStatuses": [
                    {"name": "once", "imageID": "sha256:cc", "state": {"terminated": {"exitCode": 0}}},
                    {"name": "mesh", "imageID": "mesh@sha256:dd", "state": {"running": {}}}],
                "ephemeralContainerStatuses": [{"name": "debug", "imageID": "b@sha256:ee", "state": {"running": {}}}]}})
    }

    #[test]
    fn everything_that_holds_an_image_is_told() {
        use ContainerKind::{Container, Ephemeral, Init, Sidecar, Volume};
        use ContainerState::{Completed, Mounted, Running, Waiting};
        let id = |text: &str| Some(text.to_owned());
        let name = str::to_owned;
        assert_eq!(
            told(&pod()),
            [
                (name("web"), Container, Running, id("docker.io/library/nginx@sha256:aa")),
                (name("log"), Container, Waiting, None),
                (name("once"), Init, Completed, id("sha256:cc")),
                (name("mesh"), Sidecar, Running, id("mesh@sha256:dd")),
                (name("debug"), Ephemeral, Running, id("b@sha256:ee")),
                (name("model"), Volume, Mounted, id("quay.io/m/m@sha256:bb")),
            ]
        );
        let pod = read(&pod());
        assert_eq!(pod.node.as_deref(), Some("n1"));
        assert_eq!(
            pod.owner.map(|owner| (owner.group, owner.kind)),
            Some(("apps".to_owned(), "ReplicaSet".to_owned()))
        );
        assert_eq!(pod.containers[5].image, "quay.io/m/m:1");
    }

    #[test]
    fn a_pod_that_waits_for_a_node_waits() {
        let mut pod = pod();
        pod["spec"].as_object_mut().unwrap().remove("nodeName");
        pod["status"] = json!({"phase": "Pending", "conditions": [], "containerStatuses": null});
        assert_eq!(read(&pod).node, None);
        assert!(told(&pod).iter().all(|(_, _, state, id)| *state == ContainerState::Waiting && id.is_none()));
        pod.as_object_mut().unwrap().remove("status");
        assert!(told(&pod).iter().all(|(_, _, state, _)| *state == ContainerState::Waiting));
    }

    #[test]
    fn a_pod_that_is_over_runs_nothing() {
        let mut pod = pod();
        pod["status"]["phase"] = json!("Failed");
        assert!(told(&pod).iter().all(|(_, _, state, _)| *state == ContainerState::Completed));
        assert!(told(&pod)[0].3.is_some(), "what it ran is still known");
    }

    #[test]
    fn absurd_pods_are_cut() {
        let containers: Vec<Value> =
            (0..5000).map(|number| json!({"name": format!("c{number}"), "image": "x"})).collect();
        let mut pod = pod();
        pod["spec"]["containers"] = json!(containers);
        pod["spec"]["initContainers"][0]["image"] = json!("y".repeat(1 << 20));
        let read = read(&pod);
        assert_eq!(read.containers.len(), MAX_CONTAINERS + 4);
        assert_eq!(read.containers[MAX_CONTAINERS].image.len(), 1024);
    }
}
