//! What nodes told of themselves: the last check of each, in memory and in the index.
//!
//! Owns the order of the two: the index is written first, and one check is written at a time, so that a restart finds what was shown.
//! Owns the bound, too: a cluster has so many checks at most, and the one told longest ago makes room for that of a new node.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_storage::index::{Index, IndexError, NodeCheckRecord, NodeFinding, NodeFindingLevel};

/// Most checks of one cluster: four times the nodes that Kubernetes supports in one.
const MOST_CHECKS: usize = 20_000;
/// Seconds for which a check counts.
pub(super) const CHECK_SECONDS: i64 = 24 * 3600;

/// The checks of a cluster, by node.
pub(super) type OfCluster = Arc<BTreeMap<Arc<str>, Arc<NodeCheckRecord>>>;

/// The last check of each node. Clones share them.
#[derive(Clone)]
pub struct NodeChecks(Arc<Inner>);

struct Inner {
    index: Index,
    /// Held while the index is written, so that memory has what the index has.
    writing: Mutex<()>,
    held: Mutex<BTreeMap<Arc<str>, OfCluster>>,
}

/// What a node tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::report) struct Told {
    pub(super) runtime: String,
    pub(super) version: Option<String>,
    pub(super) config_path: Option<String>,
    pub(super) through_weir: bool,
    pub(super) findings: Vec<NodeFinding>,
}

/// Whether a check says that its node pulls through weir, and that nothing is in the way.
pub(super) fn says_through(through_weir: bool, findings: &[NodeFinding]) -> bool {
    through_weir && !findings.iter().any(|finding| finding.level == NodeFindingLevel::Error)
}

impl NodeChecks {
    /// The checks the index has. Blocks.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn load(index: &Index) -> Result<Self, IndexError> {
        let mut held: BTreeMap<Arc<str>, OfCluster> = BTreeMap::new();
        for (cluster, node, check) in index.node_checks().list()? {
            let of_cluster = held.entry(cluster.into()).or_default();
            Arc::make_mut(of_cluster).insert(node.into(), Arc::new(check));
        }
        Ok(Self(Arc::new(Inner { index: index.clone(), writing: Mutex::new(()), held: Mutex::new(held) })))
    }

    /// Whether no node told anything.
    pub(in crate::report) fn is_empty(&self) -> bool {
        self.held().is_empty()
    }

    /// Every check, by cluster.
    pub(super) fn all(&self) -> Vec<(Arc<str>, OfCluster)> {
        self.held().iter().map(|(cluster, checks)| (Arc::clone(cluster), Arc::clone(checks))).collect()
    }

    /// Takes what a node tells at `now` (seconds since the epoch). Blocks.
    ///
    /// # Errors
    /// The index cannot be written; what was told before stands.
    pub(in crate::report) fn tell(&self, cluster: &str, node: &str, told: Told, now: i64) -> Result<(), IndexError> {
        self.tell_within(cluster, node, told, now, MOST_CHECKS)
    }

    /// [`NodeChecks::tell`] for a bound of `most` checks.
    fn tell_within(&self, cluster: &str, node: &str, told: Told, now: i64, most: usize) -> Result<(), IndexError> {
        let _turn = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.held().get(cluster).cloned().unwrap_or_default();
        let before = known.get(node);
        let Told { runtime, version, config_path, through_weir, findings } = told;
        let says = says_through(through_weir, &findings);
        let same = before.filter(|before| says_through(before.through_weir, &before.findings) == says);
        let since = same.map_or(now, |before| before.since);
        let check = NodeCheckRecord { at: now, since, runtime, version, config_path, through_weir, findings };
        let oldest = || known.iter().min_by_key(|(_, check)| check.at).map(|(node, _)| Arc::clone(node));
        let gone = if before.is_none() && known.len() >= most { oldest() } else { None };
        self.0.index.node_checks().put(cluster, node, &check, gone.as_deref())?;
        // Otherwise changing it would copy all of it.
        drop(known);
        let mut held = self.held();
        let checks = Arc::make_mut(held.entry(cluster.into()).or_default());
        if let Some(gone) = gone {
            checks.remove(&gone);
        }
        checks.insert(node.into(), Arc::new(check));
        Ok(())
    }

    /// Forgets checks that do not count any more at `now` (seconds since the epoch) and are of nodes that are not `there`. Blocks.
    ///
    /// # Errors
    /// The index cannot be written; nothing is forgotten then.
    pub(super) fn forget(&self, there: impl Fn(&str, &str) -> bool, now: i64) -> Result<(), IndexError> {
        let _turn = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let is_gone = |cluster: &str, node: &str, check: &NodeCheckRecord| {
            now.saturating_sub(check.at) >= CHECK_SECONDS && !there(cluster, node)
        };
        let mut gone = Vec::new();
        for (cluster, checks) in self.all() {
            let of_cluster = checks.iter().filter(|(node, check)| is_gone(&cluster, node, check));
            gone.extend(of_cluster.map(|(node, _)| (cluster.to_string(), node.to_string())));
        }
        if gone.is_empty() {
            return Ok(());
        }
        self.0.index.node_checks().remove(&gone)?;
        let mut held = self.held();
        for (cluster, node) in gone {
            if let Some(checks) = held.get_mut(cluster.as_str()) {
                Arc::make_mut(checks).remove(node.as_str());
            }
        }
        held.retain(|_, checks| !checks.is_empty());
        Ok(())
    }

    /// Forgets what the nodes of a cluster told. Blocks.
    ///
    /// # Errors
    /// The index cannot be written; nothing is forgotten then.
    pub(in crate::report) fn remove_cluster(&self, cluster: &str) -> Result<(), IndexError> {
        let _turn = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.index.node_checks().remove_cluster(cluster)?;
        self.held().remove(cluster);
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, OfCluster>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use weir_storage::index::engine::{FaultyEngine, MemoryEngine};

    use super::*;

    fn told(through_weir: bool) -> Told {
        Told { runtime: "containerd".into(), version: None, config_path: None, through_weir, findings: Vec::new() }
    }

    /// Cluster, node, when it was told and since when it says the same.
    fn all(checks: &NodeChecks) -> Vec<(String, String, i64, i64)> {
        let each = |(cluster, checks): (Arc<str>, OfCluster)| -> Vec<_> {
            checks.iter().map(|(node, check)| (cluster.to_string(), node.to_string(), check.at, check.since)).collect()
        };
        checks.all().into_iter().flat_map(each).collect()
    }

    fn line(cluster: &str, node: &str, at: i64, since: i64) -> (String, String, i64, i64) {
        (cluster.into(), node.into(), at, since)
    }

    #[test]
    fn what_was_told_is_kept_and_since_when_it_says_the_same() {
        let index = Index::in_memory();
        let checks = NodeChecks::load(&index).unwrap();
        assert!(checks.is_empty());
        let error = NodeFinding { level: NodeFindingLevel::Error, code: "e".into(), detail: "d".into() };
        let bad = Told { findings: vec![error], ..told(true) };
        for (at, told, since) in [(10, told(true), 10), (20, told(true), 10), (30, bad, 30), (40, told(false), 30)] {
            checks.tell("a", "n", told, at).unwrap();
            assert_eq!(all(&checks), [line("a", "n", at, since)]);
            assert_eq!(all(&NodeChecks::load(&index).unwrap()), all(&checks), "a restart finds the same");
        }
    }

    #[test]
    fn a_full_cluster_lets_go_of_what_was_told_longest_ago() {
        let index = Index::in_memory();
        let checks = NodeChecks::load(&index).unwrap();
        for (node, at) in [("n1", 5), ("n2", 3), ("n2", 6), ("n3", 7)] {
            checks.tell_within("a", node, told(true), at, 2).unwrap();
        }
        assert_eq!(all(&checks), [line("a", "n2", 6, 3), line("a", "n3", 7, 7)]);
        assert_eq!(all(&NodeChecks::load(&index).unwrap()), all(&checks));
    }

    #[test]
    fn nodes_that_are_gone_and_silent_are_forgotten_and_clusters_at_once() {
        let index = Index::in_memory();
        let checks = NodeChecks::load(&index).unwrap();
        for (cluster, node, at) in [("a", "gone", 0), ("a", "there", 0), ("a", "new", 50), ("b", "gone", 0)] {
            checks.tell(cluster, node, told(true), at).unwrap();
        }
        checks.forget(|_, node| node == "there", CHECK_SECONDS - 1).unwrap();
        assert_eq!(all(&checks).len(), 4);
        checks.forget(|_, node| node == "there", CHECK_SECONDS).unwrap();
        assert_eq!(all(&checks), [line("a", "new", 50, 50), line("a", "there", 0, 0)]);
        assert_eq!(all(&NodeChecks::load(&index).unwrap()), all(&checks));
        checks.remove_cluster("a").unwrap();
        assert!(checks.is_empty() && NodeChecks::load(&index).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_written_is_not_shown() {
        let disk = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::default())));
        let checks = NodeChecks::load(&Index::new(Arc::clone(&disk) as Arc<_>)).unwrap();
        checks.tell("a", "n", told(true), 1).unwrap();
        disk.fail_writes(true);
        assert!(checks.tell("a", "n", told(false), 2).is_err());
        assert!(checks.forget(|_, _| false, i64::MAX).is_err() && checks.remove_cluster("a").is_err());
        assert_eq!(all(&checks), [line("a", "n", 1, 1)]);
    }
}
