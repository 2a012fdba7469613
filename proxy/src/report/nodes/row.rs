//! Every node that a watched cluster has or that told a check, with its state: made with the fleet, shown by list, page and metrics.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use weir_scanner::oci::{Digest, Platform};
use weir_storage::index::{Index, IndexError, NodeCheckRecord};

use super::pulled::{LastPull, LastPulls};
use super::state::{Evidence, NodeState, Reason, judge};
use super::told::{NodeChecks, OfCluster};
use crate::report::fleet::RunningImage;
use crate::workload::{ClusterInventory, Inventory};

/// How often it is looked for checks of nodes that are gone, in seconds.
const FORGET_SECONDS: i64 = 60;

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::report) struct NodeRow {
    pub(in crate::report) cluster: Arc<str>,
    pub(in crate::report) name: Arc<str>,
    pub(super) platform: Option<Platform>,
    /// Its pods that have not ended; `None` where no watched cluster has the node.
    pub(super) pods: Option<u32>,
    pub(super) last_pull: Option<Arc<LastPull>>,
    pub(super) check: Option<Arc<NodeCheckRecord>>,
    pub(in crate::report) state: NodeState,
    pub(super) reason: Reason,
}

/// How many nodes there are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::report) struct StateCounts([u64; NodeState::ALL.len()]);

impl StateCounts {
    /// Each state with its number.
    pub(in crate::report) fn each(self) -> impl Iterator<Item = (&'static str, u64)> {
        NodeState::ALL.into_iter().zip(self.0).map(|(state, count)| (state.name(), count))
    }
}

/// How many nodes of each cluster there are in each state.
pub(in crate::report) fn counts(rows: &[NodeRow]) -> BTreeMap<&str, StateCounts> {
    let mut counts: BTreeMap<&str, StateCounts> = BTreeMap::new();
    for row in rows {
        counts.entry(&row.cluster).or_default().0[row.state as usize] += 1;
    }
    counts
}

/// Makes the nodes of one fleet after the other.
pub(in crate::report) struct NodeMaker {
    checks: NodeChecks,
    pulls: LastPulls,
    index: Index,
    /// Seconds for which a pull counts.
    retention: i64,
    forgot_at: i64,
}

impl NodeMaker {
    /// A maker that has made none yet. Pulls count for as long as they are kept.
    pub(in crate::report) fn new(checks: NodeChecks, index: Index, retention: Duration) -> Self {
        let retention = i64::try_from(retention.as_secs()).unwrap_or(i64::MAX);
        Self { checks, pulls: LastPulls::default(), index, retention, forgot_at: 0 }
    }

    /// Whether there is nothing to make where no cluster is watched.
    pub(in crate::report) fn is_idle(&self) -> bool {
        self.checks.is_empty()
    }

    /// The nodes, by cluster and name. Blocks.
    ///
    /// # Errors
    /// The index cannot be read.
    pub(in crate::report) fn make(
        &mut self,
        inventory: &Inventory,
        images: &HashMap<Digest, RunningImage>,
        now: i64,
    ) -> Result<Vec<NodeRow>, IndexError> {
        let before = now.saturating_sub(self.retention);
        self.pulls.follow(&self.index, before, now)?;
        let checks: BTreeMap<Arc<str>, OfCluster> = self.checks.all().into_iter().collect();
        let places = Places::of(inventory, &checks);
        if now.saturating_sub(self.forgot_at) >= FORGET_SECONDS {
            self.forgot_at = now;
            if let Err(error) = self.checks.forget(|cluster, node| places.has(cluster, node), now) {
                tracing::warn!(%error, "checks of nodes that are gone could not be removed");
            }
        }
        let pulls = &self.pulls;
        let common = Evidence {
            stray_at: pulls.stray_at(|name| places.is_only(name)).filter(|at| *at >= before),
            pulls_are_whole: pulls.is_whole(),
            ..Evidence::default()
        };
        let last_pull = |cluster: &str, node: &str| pulls.of(cluster, node, places.is_only(node), before);
        let mut rows = Vec::with_capacity(places.names.len());
        for cluster in &inventory.clusters {
            let name: Arc<str> = cluster.status.name.as_str().into();
            let told = checks.get(&name);
            let seen = |digest: &Digest| Some((images.get(digest)?.first_seen, images.get(digest)?.row()?));
            let newest = cluster.nodes.latest(|digest| seen(digest).map(|(at, _)| at));
            let unpulled = |digest: &Digest| seen(digest).filter(|(_, row)| row.last_pulled.is_none());
            let newest_unpulled = cluster.nodes.latest(|digest| unpulled(digest).map(|(at, _)| at));
            for (at, node) in cluster.nodes.nodes.iter().enumerate() {
                let check = told.and_then(|told| told.get(&node.name));
                let evidence = Evidence {
                    known_since: node.oldest_pod.map(|oldest| oldest.max(cluster.status.first_seen)),
                    newest: newest[at],
                    newest_unpulled: newest_unpulled[at],
                    last_pull: last_pull(&name, &node.name),
                    check,
                    ..common
                };
                let row = NodeRow::judged((&name, &node.name), &evidence, now);
                rows.push(NodeRow { platform: node.platform.clone(), pods: Some(node.pods), ..row });
            }
        }
        for (cluster, told) in &checks {
            for (node, check) in told.iter().filter(|(node, _)| !places.has(cluster, node)) {
                let evidence = Evidence { last_pull: last_pull(cluster, node), check: Some(check), ..common };
                rows.push(NodeRow::judged((cluster, node), &evidence, now));
            }
        }
        rows.sort_by(|a, b| (&a.cluster, &a.name).cmp(&(&b.cluster, &b.name)));
        Ok(rows)
    }
}

impl NodeRow {
    /// A node that no watched cluster has.
    fn judged((cluster, name): (&Arc<str>, &Arc<str>), evidence: &Evidence<'_>, now: i64) -> Self {
        let (state, reason) = judge(evidence, now);
        Self {
            cluster: Arc::clone(cluster),
            name: Arc::clone(name),
            platform: None,
            pods: None,
            last_pull: evidence.last_pull.cloned(),
            check: evidence.check.cloned(),
            state,
            reason,
        }
    }
}

/// Which nodes there are.
struct Places<'a> {
    clusters: HashMap<&'a str, &'a ClusterInventory>,
    /// Every name, and whether several clusters have a node of it.
    names: HashMap<&'a str, bool>,
}

impl<'a> Places<'a> {
    fn of(inventory: &'a Inventory, checks: &'a BTreeMap<Arc<str>, OfCluster>) -> Self {
        let clusters = inventory.clusters.iter().map(|cluster| (cluster.status.name.as_str(), cluster)).collect();
        let mut places = Self { clusters, names: HashMap::new() };
        let nodes = inventory.clusters.iter().flat_map(|cluster| &cluster.nodes.nodes);
        nodes.for_each(|node| places.add(&node.name));
        for (cluster, told) in checks {
            let strangers = told.keys().filter(|node| !places.has(cluster, node)).collect::<Vec<_>>();
            strangers.into_iter().for_each(|node| places.add(node));
        }
        places
    }

    fn add(&mut self, name: &'a str) {
        self.names.entry(name).and_modify(|several| *several = true).or_insert(false);
    }

    /// Whether a watched cluster has a node.
    fn has(&self, cluster: &str, node: &str) -> bool {
        let nodes = self.clusters.get(cluster).map(|cluster| &cluster.nodes.nodes);
        nodes.is_some_and(|nodes| nodes.binary_search_by(|known| known.name.as_ref().cmp(node)).is_ok())
    }

    /// Whether there is one node of this name, and no other.
    fn is_only(&self, name: &str) -> bool {
        self.names.get(name) == Some(&false)
    }
}
