//! Checks of nodes: what a node last told of how its container runtime is set up to pull.
//!
//! Owns the rows, one for each node, which go with their cluster. How many there may be, what a check is worth and when one of a node
//! that is gone is forgotten is for the caller to say, who is also alone in writing them.

use super::engine::{Batch, Scan, Table};
use super::{Index, IndexError, decode_key, key, record};

/// How much something that a check found matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeFindingLevel {
    /// Images do not come the way they should.
    Error,
    /// They do, and something is not as it should be.
    Warning,
}

impl NodeFindingLevel {
    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Something that a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFinding {
    /// How much it matters.
    pub level: NodeFindingLevel,
    /// What it is, in a word.
    pub code: String,
    /// What it is, for people.
    pub detail: String,
}

/// What a node told of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeCheckRecord {
    /// When, seconds since the epoch.
    pub at: i64,
    /// Since when its checks say the same of whether it pulls through weir, seconds since the epoch.
    pub since: i64,
    /// Its container runtime.
    pub runtime: String,
    /// The runtime's version, where it is known.
    pub version: Option<String>,
    /// The directory in which the runtime looks for mirrors, where it has one.
    pub config_path: Option<String>,
    /// Whether the runtime is set up to pull through weir.
    pub through_weir: bool,
    /// What is not as it should be.
    pub findings: Vec<NodeFinding>,
}

/// The table of checks.
pub struct NodeChecks<'a> {
    index: &'a Index,
}

impl<'a> NodeChecks<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// Every check, by cluster and node.
    pub fn list(&self) -> Result<Vec<(String, String, NodeCheckRecord)>, IndexError> {
        let checks = self.index.rows(Scan::prefix(Table::NodeChecks, Vec::new())).map(|row| {
            let row = row?;
            let (cluster, node) = decode_key(Table::NodeChecks, &row.key)?;
            Ok((cluster, node, record::decode(Table::NodeChecks, &row.key, &row.value)?))
        });
        checks.collect()
    }

    /// Takes a check of a node for the one before it. The check of the node `instead_of`, where there is one, goes for it.
    pub fn put(
        &self,
        cluster: &str,
        node: &str,
        check: &NodeCheckRecord,
        instead_of: Option<&str>,
    ) -> Result<(), IndexError> {
        let mut batch = Batch::new();
        if let Some(gone) = instead_of {
            batch.delete(Table::NodeChecks, key::encode(&(cluster, gone)));
        }
        batch.put(Table::NodeChecks, key::encode(&(cluster, node)), record::encode(check));
        self.index.write(batch)
    }

    /// Forgets the checks of these nodes, of which each is a cluster and a name.
    pub fn remove(&self, nodes: &[(String, String)]) -> Result<(), IndexError> {
        let mut batch = Batch::new();
        for (cluster, node) in nodes {
            batch.delete(Table::NodeChecks, key::encode(&(cluster, node)));
        }
        self.index.write(batch)
    }

    /// Forgets every check of a cluster.
    pub fn remove_cluster(&self, cluster: &str) -> Result<(), IndexError> {
        let mut batch = Batch::new();
        for row in self.index.rows(Scan::prefix(Table::NodeChecks, key::encode(cluster)).keys_only()) {
            batch.delete(Table::NodeChecks, row?.key);
        }
        self.index.write(batch)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::engine::{FaultyEngine, MemoryEngine};
    use super::*;

    fn check(at: i64) -> NodeCheckRecord {
        NodeCheckRecord {
            at,
            since: at,
            runtime: "containerd".into(),
            version: Some("1.6.20".into()),
            config_path: None,
            through_weir: true,
            findings: Vec::new(),
        }
    }

    fn nodes(index: &Index) -> Vec<(String, String, i64)> {
        let checks = index.node_checks().list().unwrap().into_iter();
        checks.map(|(cluster, node, check)| (cluster, node, check.at)).collect()
    }

    fn told(cluster: &str, node: &str, at: i64) -> (String, String, i64) {
        (cluster.into(), node.into(), at)
    }

    #[test]
    fn the_last_check_of_a_node_counts_and_clusters_are_apart() {
        let index = Index::in_memory();
        for (cluster, node, at) in [("a", "n", 1), ("a", "n2", 2), ("ab", "n", 3), ("a", "n", 4)] {
            index.node_checks().put(cluster, node, &check(at), None).unwrap();
        }
        assert_eq!(nodes(&index), [told("a", "n", 4), told("a", "n2", 2), told("ab", "n", 3)]);
        index.node_checks().put("a", "n3", &check(5), Some("n2")).unwrap();
        assert_eq!(nodes(&index), [told("a", "n", 4), told("a", "n3", 5), told("ab", "n", 3)]);
        index.node_checks().remove(&[("a".into(), "n".into()), ("a".into(), "none".into())]).unwrap();
        assert_eq!(nodes(&index), [told("a", "n3", 5), told("ab", "n", 3)]);
        index.node_checks().remove_cluster("a").unwrap();
        assert_eq!(nodes(&index), [told("ab", "n", 3)]);
    }

    #[test]
    fn a_write_that_fails_keeps_what_was_there() {
        let engine = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::default())));
        let index = Index::new(engine.clone());
        index.node_checks().put("a", "n", &check(1), None).unwrap();
        engine.fail_writes(true);
        assert!(index.node_checks().put("a", "m", &check(2), Some("n")).is_err());
        assert!(index.node_checks().remove_cluster("a").is_err());
        engine.fail_writes(false);
        assert_eq!(nodes(&index), [told("a", "n", 1)]);
    }
}
