//! Objects as clusters have them: records, and the JSON a real server sends for them.

use serde_json::{Value, json};
use weir_scanner::oci::Platform;
use weir_storage::index::{
    ClusterObject, ContainerKind, ContainerRecord, ContainerState, NodeRecord, OwnerRecord, OwnerReference, PodRecord,
    WatchedKind,
};

/// When objects were made: a whole number of seconds, as the API's times are.
pub(crate) const CREATED_AT: i64 = 1_772_359_200;
/// The same as the API says it.
pub(crate) const CREATED: &str = "2026-03-01T10:00:00Z";

/// The object of a kind with this number; another `state` is another state of it.
pub(crate) fn sample(kind: WatchedKind, number: u32, state: u32) -> ClusterObject {
    let name = format!("{}-{number}", kind.name().to_lowercase());
    let namespace = format!("team-{}", number % 3);
    let labels = [("app".to_owned(), name.clone()), ("state".to_owned(), state.to_string())].into();
    let uid = format!("00000000-0000-4000-8000-{number:012}");
    let owner = |kind: WatchedKind| OwnerReference {
        group: kind.group().to_owned(),
        kind: kind.name().to_owned(),
        name: format!("{}-{number}", kind.name().to_lowercase()),
        uid: uid.clone(),
    };
    match kind {
        WatchedKind::Pod => ClusterObject::Pod(PodRecord {
            owner: (!number.is_multiple_of(4)).then(|| owner(WatchedKind::ReplicaSet)),
            node: (state > 0).then(|| format!("node-{}", number % 5)),
            containers: containers(number, state),
            namespace,
            name,
            uid,
            created_at: CREATED_AT,
            labels,
        }),
        WatchedKind::Node => ClusterObject::Node(NodeRecord {
            name,
            platform: (state > 0).then(|| Platform {
                os: "linux".to_owned(),
                architecture: if number.is_multiple_of(2) { "amd64" } else { "arm64" }.to_owned(),
                variant: None,
            }),
            addresses: vec![format!("10.0.{state}.{number}")],
            runtime: Some("containerd://1.6.20".to_owned()),
        }),
        kind => ClusterObject::Owner(OwnerRecord {
            owner: match kind {
                WatchedKind::ReplicaSet => Some(owner(WatchedKind::Deployment)),
                WatchedKind::Job => Some(owner(WatchedKind::CronJob)),
                _ => None,
            },
            kind,
            namespace,
            name,
            uid,
            created_at: CREATED_AT,
            labels,
        }),
    }
}

fn containers(number: u32, state: u32) -> Vec<ContainerRecord> {
    let container = |name: &str, kind, state, id: Option<String>| ContainerRecord {
        name: name.to_owned(),
        kind,
        image: format!("registry.example/team/{name}:{number}"),
        image_id: id,
        state,
    };
    let id = |name: &str| Some(format!("registry.example/team/{name}@sha256:{:064x}", number + state));
    if state == 0 {
        return vec![container("app", ContainerKind::Container, ContainerState::Waiting, None)];
    }
    vec![
        container("app", ContainerKind::Container, ContainerState::Running, id("app")),
        container("setup", ContainerKind::Init, ContainerState::Completed, id("setup")),
        container("mesh", ContainerKind::Sidecar, ContainerState::Running, id("mesh")),
        container("debug", ContainerKind::Ephemeral, ContainerState::Waiting, None),
        container("model", ContainerKind::Volume, ContainerState::Mounted, id("model")),
    ]
}

/// The object as a server sends it, written at `version`.
pub(crate) fn body(record: &ClusterObject, version: u64) -> Value {
    match record {
        ClusterObject::Pod(pod) => {
            let mut metadata = metadata(&pod.namespace, &pod.name, &pod.uid, &pod.labels, pod.owner.as_ref(), version);
            metadata["creationTimestamp"] = json!(weir_proxy::clock::rfc3339(pod.created_at));
            let (spec, status) = pod_parts(pod);
            json!({"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec, "status": status})
        }
        ClusterObject::Node(node) => {
            let mut metadata = metadata("", &node.name, "node", &Default::default(), None, version);
            metadata.as_object_mut().unwrap().remove("namespace");
            let mut addresses: Vec<Value> =
                node.addresses.iter().map(|address| json!({"type": "InternalIP", "address": address})).collect();
            addresses.push(json!({"type": "Hostname", "address": node.name}));
            let platform = node.platform.as_ref();
            json!({"kind": "Node", "apiVersion": "v1", "metadata": metadata,
                "spec": {"podCIDR": "10.42.0.0/24", "taints": null},
                "status": {"addresses": addresses, "capacity": {"cpu": "8", "memory": "32Gi"},
                    "nodeInfo": {"kernelVersion": "6.1.0", "osImage": "Debian GNU/Linux 12", "kubeletVersion": "v1.31.2",
                        "operatingSystem": platform.map_or("", |platform| &platform.os),
                        "architecture": platform.map_or("", |platform| &platform.architecture),
                        "containerRuntimeVersion": node.runtime}}})
        }
        ClusterObject::Owner(owner) => {
            let labels = &owner.labels;
            let metadata = metadata(&owner.namespace, &owner.name, &owner.uid, labels, owner.owner.as_ref(), version);
            json!({"kind": owner.kind.name(), "apiVersion": api_version(owner.kind), "metadata": metadata,
                "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "app"}]}}}, "status": {}})
        }
    }
}

/// Group and version, as objects name them.
pub(crate) fn api_version(kind: WatchedKind) -> String {
    let version = if kind == WatchedKind::Rollout { "v1alpha1" } else { "v1" };
    if kind.group().is_empty() { version.to_owned() } else { format!("{}/{version}", kind.group()) }
}

fn metadata(
    namespace: &str,
    name: &str,
    uid: &str,
    labels: &weir_storage::index::Labels,
    owner: Option<&OwnerReference>,
    version: u64,
) -> Value {
    let owners: Vec<Value> = owner
        .iter()
        .map(|owner| {
            let group = if owner.group.is_empty() { String::new() } else { format!("{}/", owner.group) };
            json!({"apiVersion": format!("{group}v1"), "kind": owner.kind, "name": owner.name, "uid": owner.uid,
                "controller": true, "blockOwnerDeletion": true})
        })
        .collect();
    let fields: serde_json::Map<String, Value> = (0..60)
        .map(|number| (format!("k:{{\"type\":\"Field{number}\"}}"), json!({".": {}, "f:status": {}, "f:message": {}})))
        .collect();
    let manager = |name: &str| {
        json!({"manager": name, "operation": "Update", "apiVersion": "v1", "time": CREATED, "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:app": {}}}, "f:status": {"f:conditions": fields}}})
    };
    json!({"name": name, "namespace": namespace, "uid": uid, "resourceVersion": version.to_string(), "generation": 1,
        "creationTimestamp": CREATED, "labels": labels, "ownerReferences": owners,
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"a\":[\"}\\\"]\"]}".repeat(40)},
        "managedFields": [manager("kube-controller-manager"), manager("kubelet")]})
}

fn pod_parts(pod: &PodRecord) -> (Value, Value) {
    let mut spec = json!({"nodeName": pod.node, "restartPolicy": "Always", "serviceAccountName": "default",
        "containers": [], "initContainers": [], "ephemeralContainers": [],
        "volumes": [{"name": "token", "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": {"path": "token"}}]}}]});
    let mut status = json!({"phase": if pod.node.is_some() { "Running" } else { "Pending" },
        "containerStatuses": [], "initContainerStatuses": [], "ephemeralContainerStatuses": [],
        "conditions": [{"type": "Ready", "status": "True", "lastProbeTime": null}]});
    if pod.node.is_none() {
        spec.as_object_mut().unwrap().remove("nodeName");
    }
    let mut mounts = Vec::new();
    for container in &pod.containers {
        let (list, statuses) = match container.kind {
            ContainerKind::Container => ("containers", "containerStatuses"),
            ContainerKind::Init | ContainerKind::Sidecar => ("initContainers", "initContainerStatuses"),
            ContainerKind::Ephemeral => ("ephemeralContainers", "ephemeralContainerStatuses"),
            ContainerKind::Volume => {
                let image = json!({"reference": container.image, "pullPolicy": "IfNotPresent"});
                spec["volumes"].as_array_mut().unwrap().push(json!({"name": container.name, "image": image}));
                mounts.push(json!({"name": container.name, "mountPath": "/model", "readOnly": true,
                    "volumeStatus": {"image": {"imageRef": container.image_id}}}));
                continue;
            }
        };
        let environment: Vec<Value> =
            (0..20).map(|number| json!({"name": format!("SETTING_{number}"), "value": "value of it"})).collect();
        let mut entry = json!({"name": container.name, "image": container.image, "env": environment,
            "resources": {"limits": {"memory": "512Mi"}}, "imagePullPolicy": "IfNotPresent"});
        if container.kind == ContainerKind::Sidecar {
            entry["restartPolicy"] = json!("Always");
        }
        spec[list].as_array_mut().unwrap().push(entry);
        let state = match container.state {
            ContainerState::Running => json!({"running": {"startedAt": CREATED}}),
            ContainerState::Completed => json!({"terminated": {"exitCode": 0, "reason": "Completed"}}),
            _ => json!({"waiting": {"reason": "ContainerCreating"}}),
        };
        status[statuses].as_array_mut().unwrap().push(json!({"name": container.name, "image": container.image,
            "imageID": container.image_id.as_deref().unwrap_or_default(), "state": state, "ready": true, "restartCount": 0,
            "volumeMounts": []}));
    }
    if let Some(first) = status["containerStatuses"].get_mut(0) {
        first["volumeMounts"] = json!(mounts);
    }
    (spec, status)
}
