//! Nodes.

use serde::Deserialize;
use weir_scanner::oci::Platform;
use weir_storage::index::{ClusterObject, NodeRecord, WatchedKind};

use super::bounded::{Element, List, Name, Text};
use super::{Metadata, ObjectForm};

/// Addresses kept of one node.
const MAX_ADDRESSES: usize = 16;

/// A node.
#[derive(Debug, Deserialize)]
pub(in crate::workload) struct NodeForm {
    metadata: Metadata,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NodeStatus {
    node_info: Option<NodeInfo>,
    addresses: List<Address, MAX_ADDRESSES>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NodeInfo {
    operating_system: Name,
    architecture: Name,
    container_runtime_version: Name,
}

#[derive(Debug, Deserialize)]
struct Address {
    #[serde(default, rename = "type")]
    kind: Text<32>,
    #[serde(default)]
    address: Name,
}

impl Element for Address {
    fn is_kept(&self) -> bool {
        self.kind.0 == "InternalIP"
    }
}

impl ObjectForm for NodeForm {
    fn resource_version(&self) -> &str {
        &self.metadata.resource_version.0
    }

    fn into_object(self, _kind: WatchedKind) -> ClusterObject {
        let info = self.status.node_info.unwrap_or_default();
        // Nodes name no variant, and none is guessed.
        let platform = match (info.operating_system.into_option(), info.architecture.into_option()) {
            (Some(os), Some(architecture)) => Some(Platform { os, architecture, variant: None }),
            _ => None,
        };
        ClusterObject::Node(NodeRecord {
            name: self.metadata.name.0,
            platform,
            addresses: self.status.addresses.items.into_iter().map(|address| address.address.0).collect(),
            runtime: info.container_runtime_version.into_option(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> NodeRecord {
        let object = serde_json::from_str::<NodeForm>(text).unwrap().into_object(WatchedKind::Node);
        let ClusterObject::Node(node) = object else { panic!("no node") };
        node
    }

    #[test]
    fn a_node_tells_its_platform_and_where_it_is() {
        let node = read(
            r#"{"metadata":{"name":"n1","uid":"1","resourceVersion":"5","labels":{"kubernetes.io/arch":"arm64"}},
            "spec":{"podCIDR":"10.1.0.0/24"},
            "status":{"addresses":[{"type":"InternalIP","address":"10.0.0.7"},{"type":"ExternalIP","address":"192.0.2.7"},
                {"type":"Hostname","address":"n1"},{"type":"InternalIP","address":"fd00::7"}],
              "images":[{"names":["docker.io/library/nginx@sha256:0"],"sizeBytes":1}],
              "nodeInfo":{"machineID":"m","kernelVersion":"6.1","osImage":"Debian","containerRuntimeVersion":"containerd://1.6.20",
                "kubeletVersion":"v1.31.0","operatingSystem":"linux","architecture":"arm64"}}}"#,
        );
        assert_eq!(node.platform.unwrap().to_string(), "linux/arm64");
        assert_eq!(node.addresses, ["10.0.0.7", "fd00::7"]);
        assert_eq!(node.runtime.as_deref(), Some("containerd://1.6.20"));
    }

    #[test]
    fn a_node_whose_kubelet_has_not_told_has_no_platform() {
        assert_eq!(read(r#"{"metadata":{"name":"n1"}}"#).platform, None);
        let half = r#"{"metadata":{"name":"n1"},"status":{"nodeInfo":{"operatingSystem":"linux","architecture":""}}}"#;
        assert_eq!(read(half).platform, None, "an architecture is never guessed");
    }
}
