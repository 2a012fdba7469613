//! Which node a request comes from: by its certificate, its header, or its address, in this order.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::header::{HeaderMap, HeaderName};
use weir_storage::index::PullNode;

use crate::http::ConnInfo;
use crate::workload::is_node_name;

/// Knows nodes by their addresses: what was learned from watching clusters. The default knows none.
#[derive(Clone)]
pub struct NodeLookup(Arc<dyn Fn(IpAddr) -> Option<(String, String)> + Send + Sync>);

impl NodeLookup {
    /// A lookup that answers with the cluster and the name of the node at an address, where it knows one. It is called for
    /// every request, and must not block.
    pub fn new(lookup: impl Fn(IpAddr) -> Option<(String, String)> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }
}

impl Default for NodeLookup {
    fn default() -> Self {
        Self::new(|_| None)
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::distribution) struct Peer {
    /// The node's name.
    pub(in crate::distribution) node: Option<String>,
    /// How it is known.
    pub(in crate::distribution) source: PullNode,
    /// The cluster the node belongs to, where its address tells.
    pub(in crate::distribution) cluster: Option<String>,
    /// Where the connection comes from.
    pub(in crate::distribution) address: IpAddr,
}

impl Peer {
    pub(super) fn of(
        connection: &ConnInfo,
        headers: &HeaderMap,
        node_header: &HeaderName,
        lookup: &NodeLookup,
    ) -> Self {
        // A listener on [::] sees IPv4 peers as IPv6 addresses; nodes are known by what they call their own.
        let address = connection.peer.ip().to_canonical();
        // Whoever comes from this machine is a proxy on behalf of others.
        let known = if address.is_loopback() { None } else { (lookup.0)(address) };
        let (node, source) = if let Some(node) = &connection.node {
            (Some(node.to_string()), PullNode::Certificate)
        } else if let Some(node) = named(headers, node_header) {
            (Some(node.to_owned()), PullNode::Header)
        } else if let Some((_, node)) = &known {
            (Some(node.clone()), PullNode::Address)
        } else {
            (None, PullNode::Unknown)
        };
        // The address may be that of a proxy on another node, which says nothing of this one's cluster.
        let cluster = known.filter(|(_, at)| node.as_ref() == Some(at)).map(|(cluster, _)| cluster);
        Self { node, source, cluster, address }
    }

    /// What tells this puller from others.
    pub(super) fn identity(&self) -> String {
        match &self.node {
            Some(node) => format!("node {node}"),
            None => format!("address {}", self.address),
        }
    }
}

/// The node a header names; a header that comes twice, or holds what no node is called, names none.
fn named<'a>(headers: &'a HeaderMap, node_header: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(node_header).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    value.to_str().ok().filter(|name| is_node_name(name))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    const HEADER: HeaderName = HeaderName::from_static("x-weir-node");

    fn of(address: &str, certificate: Option<&str>, header: &[&str]) -> (Option<String>, PullNode, Option<String>) {
        let lookup = NodeLookup::new(|address| {
            let node = match address.to_string().as_str() {
                "10.0.0.1" => "worker-1",
                "127.0.0.1" | "::1" => "proxy",
                _ => return None,
            };
            Some(("east".to_owned(), node.to_owned()))
        });
        let peer = std::net::SocketAddr::new(address.parse().unwrap(), 1);
        let connection = ConnInfo { peer, tls: false, node: certificate.map(Into::into) };
        let mut headers = HeaderMap::new();
        for value in header {
            headers.append(HEADER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let peer = Peer::of(&connection, &headers, &HEADER, &lookup);
        (peer.node, peer.source, peer.cluster)
    }

    #[test]
    fn a_certificate_counts_more_than_a_header_and_that_more_than_an_address() {
        use PullNode::{Address, Certificate, Header, Unknown};
        for (address, certificate, header, node, source, cluster) in [
            ("10.0.0.1", Some("a"), &["b"][..], Some("a"), Certificate, None),
            ("10.0.0.1", Some("worker-1"), &[], Some("worker-1"), Certificate, Some("east")),
            ("10.0.0.1", None, &["b"], Some("b"), Header, None),
            ("10.0.0.1", None, &["worker-1"], Some("worker-1"), Header, Some("east")),
            ("10.0.0.1", None, &[], Some("worker-1"), Address, Some("east")),
            ("::ffff:10.0.0.1", None, &[], Some("worker-1"), Address, Some("east")),
            ("10.0.0.1", None, &["No Node"], Some("worker-1"), Address, Some("east")),
            ("10.0.0.1", None, &["b", "c"], Some("worker-1"), Address, Some("east")),
            ("10.0.0.2", None, &[], None, Unknown, None),
            ("127.0.0.1", None, &[], None, Unknown, None),
            ("::1", None, &[], None, Unknown, None),
            ("127.0.0.1", None, &["b"], Some("b"), Header, None),
        ] {
            let expected = (node.map(str::to_owned), source, cluster.map(str::to_owned));
            assert_eq!(of(address, certificate, header), expected, "{address} {certificate:?} {header:?}");
        }
    }
}
