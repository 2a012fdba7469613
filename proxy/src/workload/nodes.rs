//! What runs on which node of a cluster: its pods counted, and the images they use.
//!
//! Owns the placing of pods, which is part of counting them: a pod costs a look-up by its node's text, which is kept once, and two
//! numbers. What is asked of all images of a node is asked of each group of alike pods once.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use weir_scanner::oci::{Digest, Platform};

use super::state::{ClusterState, Node, Pod};

/// Longest name of a Kubernetes object that is a DNS subdomain.
const MAX_NODE: usize = 253;

/// Whether a text is a DNS subdomain as Kubernetes names nodes (RFC 1123 labels joined by dots).
pub fn is_node_name(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let label = |label: &str| {
        let bytes = label.as_bytes();
        let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
        edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner)
    };
    text.len() <= MAX_NODE && text.split('.').all(label)
}

/// A node that its cluster has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterNode {
    /// Its name.
    pub name: Arc<str>,
    /// Its platform, where it has told.
    pub platform: Option<Platform>,
    /// Its pods that have not ended.
    pub pods: u32,
    /// When the oldest pod that is on it was made, seconds since the epoch: the node has been there since then at least.
    pub oldest_pod: Option<i64>,
}

/// The nodes of a cluster, and what runs on them.
#[derive(Clone, Debug, Default)]
pub struct ClusterNodes {
    /// The nodes, in the order of their names.
    pub nodes: Vec<ClusterNode>,
    /// The group of each pod that is on a node: the numbers of both.
    placed: Vec<(u32, u32)>,
    /// Where each group's images are.
    groups: Vec<Range<usize>>,
    /// Images as pods that have not ended use them, with the name their specification has.
    images: Vec<(Digest, Arc<str>)>,
}

/// The greatest time of an image, and the name it is used by.
pub type Latest<'a> = (i64, &'a Arc<str>);

impl ClusterNodes {
    /// For each node the image that runs there of which `at` tells the greatest time.
    pub fn latest(&self, at: impl Fn(&Digest) -> Option<i64>) -> Vec<Option<Latest<'_>>> {
        let of_group = |range: &Range<usize>| {
            let images = self.images[range.clone()].iter();
            images.filter_map(|(digest, name)| Some((at(digest)?, name))).max()
        };
        let groups: Vec<Option<Latest<'_>>> = self.groups.iter().map(of_group).collect();
        let mut latest = vec![None; self.nodes.len()];
        for (node, group) in &self.placed {
            let known = &mut latest[*node as usize];
            *known = groups[*group as usize].max(*known);
        }
        latest
    }
}

/// Pods on their way to their nodes.
pub(super) struct Placing<'a> {
    known: Vec<&'a Node>,
    numbers: HashMap<&'a str, u32>,
    /// The same by the address of the text, which is kept once for all pods of a node.
    by_text: HashMap<*const u8, Option<u32>>,
    placed: Placed,
}

/// Pods as they were put on their nodes.
#[derive(Default)]
pub(super) struct Placed(ClusterNodes);

impl<'a> Placing<'a> {
    pub(super) fn begin(state: &'a ClusterState) -> Self {
        let (pods, nodes) = state.sizes();
        let mut placing = Self {
            known: Vec::with_capacity(nodes),
            numbers: HashMap::with_capacity(nodes),
            by_text: HashMap::with_capacity(nodes),
            placed: Placed::default(),
        };
        placing.placed.0.placed.reserve_exact(pods);
        for (number, (name, node)) in (0..).zip(state.nodes()) {
            placing.known.push(node);
            placing.numbers.insert(name, number);
            let (name, platform) = (Arc::from(name), node.platform.clone());
            placing.placed.0.nodes.push(ClusterNode { name, platform, pods: 0, oldest_pod: None });
        }
        placing
    }

    /// The number of the node a pod is on, where its cluster has that node.
    pub(super) fn node_of(&mut self, pod: &Pod) -> Option<u32> {
        let text = pod.node.as_deref()?;
        let numbers = &self.numbers;
        *self.by_text.entry(text.as_ptr()).or_insert_with(|| numbers.get(text).copied())
    }

    /// The platform of a node.
    pub(super) fn platform(&self, node: u32) -> Option<&'a Platform> {
        self.known[node as usize].platform.as_ref()
    }

    /// Puts a pod of a group on its node.
    pub(super) fn put(&mut self, node: u32, pod: &Pod, group: usize, has_ended: bool) {
        let Placed(placed) = &mut self.placed;
        placed.placed.push((node, u32::try_from(group).unwrap_or(u32::MAX)));
        let node = &mut placed.nodes[node as usize];
        node.pods += u32::from(!has_ended);
        // 0 is what a pod has whose cluster names no instant.
        if pod.created_at > 0 {
            node.oldest_pod = Some(node.oldest_pod.map_or(pod.created_at, |oldest| oldest.min(pod.created_at)));
        }
    }

    pub(super) fn end(self) -> Placed {
        self.placed
    }
}

impl Placed {
    /// The nodes, once it is known which images each group uses. One group's come after the other's.
    pub(super) fn with(self, groups: Vec<Range<usize>>, images: Vec<(Digest, Arc<str>)>) -> ClusterNodes {
        ClusterNodes { groups, images, ..self.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_s_name_is_a_dns_subdomain() {
        let long = format!("a{}", ".a".repeat(126));
        for name in ["a", "worker-1", "10.example", "ip-10-0-0-1.ec2.internal", &long] {
            assert!(is_node_name(name), "{name}");
        }
        for name in ["", "A", "a_b", "-a", "a-", "a..b", ".a", "a.", "a b", "ä", &format!("{long}.a")] {
            assert!(!is_node_name(name), "{name}");
        }
    }

    #[test]
    fn the_latest_image_of_a_node_is_that_of_any_of_its_pods() {
        let node = |name: &str| ClusterNode { name: name.into(), platform: None, pods: 1, oldest_pod: None };
        let image = |name: &str| (Digest::of(name.as_bytes()), Arc::from(name));
        let nodes = ClusterNodes {
            nodes: ["a", "b", "c"].map(node).into(),
            placed: vec![(0, 0), (0, 1), (1, 0), (0, 0)],
            groups: vec![0..2, 2..3],
            images: ["one", "two", "three"].map(image).into(),
        };
        let times = HashMap::from(
            [image("one"), image("two"), image("three")]
                .map(|(digest, name)| (digest, i64::try_from(name.len()).unwrap())),
        );
        let latest = |at: &dyn Fn(&Digest) -> Option<i64>| -> Vec<Option<(i64, String)>> {
            nodes.latest(at).into_iter().map(|latest| latest.map(|(at, name)| (at, name.to_string()))).collect()
        };
        assert_eq!(
            latest(&|digest| times.get(digest).copied()),
            [Some((5, "three".to_owned())), Some((3, "two".to_owned())), None]
        );
        let one = Digest::of(b"one");
        assert_eq!(latest(&|digest| (*digest == one).then_some(9))[0], Some((9, "one".to_owned())));
        assert_eq!(latest(&|_| None), [None, None, None]);
    }
}
