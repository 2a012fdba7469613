//! What runs where, at one moment: the join of every cluster's pods with the images they lead to.
//!
//! Made by one maker; whoever reads holds a snapshot that does not change under it. A cluster that is being listed keeps what it had in
//! the one before, and so does one in which nothing changed while the index had nothing new for any image.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use weir_storage::index::{Changed, Index, IndexError};

use super::clusters::{ClusterStatus, Clusters};
use super::nodes::ClusterNodes;
use super::resolve::Resolver;
use super::usage::Workload;

/// What runs in one cluster.
#[derive(Clone, Debug)]
pub struct ClusterInventory {
    /// How fresh it is, and the rest of what is said of it.
    pub status: ClusterStatus,
    /// Its workloads, in the order of their keys.
    pub workloads: Arc<Vec<Workload>>,
    /// What runs on its nodes.
    pub nodes: Arc<ClusterNodes>,
}

/// What runs where.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// The clusters, in the order of their names.
    pub clusters: Vec<ClusterInventory>,
    /// Which cluster and node an address belongs to.
    pub nodes: Arc<BTreeMap<IpAddr, (String, String)>>,
    /// When it was made, seconds since the epoch.
    pub at: i64,
}

impl Inventory {
    /// Every workload.
    pub fn workloads(&self) -> impl Iterator<Item = &Workload> {
        self.clusters.iter().flat_map(|cluster| cluster.workloads.iter())
    }

    /// The node at an address, and its cluster. An address that several clusters use belongs to none.
    pub fn node_at(&self, address: IpAddr) -> Option<(String, String)> {
        self.nodes.get(&address).cloned()
    }
}

/// Makes inventories, one after the other.
pub struct InventoryMaker {
    clusters: Clusters,
    index: Index,
    resolver: Resolver,
    /// Where reading what changed in the index goes on.
    read_to: u64,
    last: BTreeMap<String, Known>,
}

/// What was worked out of one cluster.
#[derive(Clone, Default)]
struct Known {
    /// The revision of its objects, or [`OUTDATED`] where the resolver has forgotten an answer since.
    revision: u64,
    workloads: Arc<Vec<Workload>>,
    nodes: Arc<ClusterNodes>,
}

/// The revision of no objects that any cluster ever had.
const OUTDATED: u64 = u64::MAX;

impl InventoryMaker {
    /// A maker that has made none yet.
    pub fn new(clusters: Clusters, index: Index) -> Self {
        Self { clusters, index, resolver: Resolver::default(), read_to: 0, last: BTreeMap::new() }
    }

    /// Resolves every image anew for the next inventory.
    pub fn start_over(&mut self) {
        self.resolver.forget_all();
        self.outdate();
    }

    /// Has every cluster worked out again, one that is being listed once it is whole.
    fn outdate(&mut self) {
        self.last.values_mut().for_each(|known| known.revision = OUTDATED);
    }

    /// The inventory at `now` (seconds since the epoch). Blocks.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn make(&mut self, now: i64) -> Result<Inventory, IndexError> {
        let changes = self.index.recent().since(self.read_to);
        self.read_to = changes.next;
        match changes.digests {
            Changed::These(digests) if digests.is_empty() => {}
            Changed::These(digests) => {
                self.resolver.forget(&digests);
                self.outdate();
            }
            Changed::Many => self.start_over(),
        }
        let held = |name: &str| self.last.get(name).map(|known| known.revision);
        let mut last = BTreeMap::new();
        for (name, groups) in self.clusters.groups(held) {
            let known = match groups {
                Some((revision, groups)) => {
                    let (workloads, nodes) = groups.workloads(&name, &self.index, &mut self.resolver)?;
                    Known { revision, workloads: Arc::new(workloads), nodes: Arc::new(nodes) }
                }
                None => self.last.get(&name).cloned().unwrap_or_default(),
            };
            last.insert(name, known);
        }
        self.last = last;
        let clusters = self.clusters.statuses(now).into_iter().map(|status| {
            let Known { workloads, nodes, .. } = self.last.get(&status.name).cloned().unwrap_or_default();
            ClusterInventory { status, workloads, nodes }
        });
        Ok(Inventory { clusters: clusters.collect(), nodes: Arc::new(self.nodes()), at: now })
    }

    fn nodes(&self) -> BTreeMap<IpAddr, (String, String)> {
        let mut nodes: BTreeMap<IpAddr, Option<(String, String)>> = BTreeMap::new();
        for (address, cluster, node) in self.clusters.addresses() {
            let Ok(address) = address.parse() else { continue };
            let place = (cluster, node);
            nodes
                .entry(address)
                .and_modify(|known| {
                    if known.as_ref() != Some(&place) {
                        *known = None;
                    }
                })
                .or_insert(Some(place.clone()));
        }
        nodes.into_iter().filter_map(|(address, place)| Some((address, place?))).collect()
    }
}

#[cfg(test)]
mod tests;
