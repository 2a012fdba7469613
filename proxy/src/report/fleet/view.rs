//! The fleet at one moment: what runs where, and what is wrong with it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use weir_scanner::image::ScanStatus;
use weir_scanner::oci::Digest;

use crate::pull::FetchReason;
use crate::report::model::ImageRow;
use crate::report::nodes::NodeRow;
use crate::workload::{Content, ImageUse, Inventory, UnseenState, Workload};

/// What is known of one image that runs.
#[derive(Clone, Debug)]
pub(in crate::report) enum Known {
    /// weir has seen it.
    Seen(Arc<ImageRow>),
    /// weir has not: what became of fetching it.
    Unseen(Option<UnseenState>),
}

/// A place in the inventory: the cluster's position and the workload's.
pub(in crate::report) type Place = (usize, usize);

/// One image that runs.
#[derive(Clone, Debug)]
pub(in crate::report) struct RunningImage {
    /// What is known of it.
    pub(in crate::report) known: Known,
    /// The workloads that use it, in the order of their keys.
    pub(in crate::report) users: Vec<Place>,
    /// When it was first seen to run, seconds since the epoch.
    pub(in crate::report) first_seen: i64,
}

/// The fleet at one moment.
#[derive(Clone, Debug, Default)]
pub struct FleetView {
    /// What runs where.
    pub inventory: Inventory,
    /// Every image that runs, by its manifest's digest or by the one that leads to it.
    pub(in crate::report) images: HashMap<Digest, RunningImage>,
    /// Every node, by cluster and name.
    pub(in crate::report) nodes: Vec<NodeRow>,
}

impl RunningImage {
    /// How far reading it has come.
    pub(in crate::report) fn status(&self) -> ScanStatus {
        match &self.known {
            Known::Seen(row) => row.status,
            Known::Unseen(Some(state)) if state.reason.is_some_and(FetchReason::is_refusal) => ScanStatus::NoAccess,
            Known::Unseen(_) => ScanStatus::NeverSeen,
        }
    }

    /// What is known of it, where weir has seen it.
    pub(in crate::report) fn row(&self) -> Option<&ImageRow> {
        match &self.known {
            Known::Seen(row) => Some(row),
            Known::Unseen(_) => None,
        }
    }
}

impl FleetView {
    /// A workload by its place.
    pub(in crate::report) fn workload(&self, (cluster, workload): Place) -> &Workload {
        &self.inventory.clusters[cluster].workloads[workload]
    }

    /// Every workload with its place.
    pub(in crate::report) fn workloads(&self) -> impl Iterator<Item = (Place, &Workload)> {
        self.inventory.clusters.iter().enumerate().flat_map(|(at, cluster)| {
            cluster.workloads.iter().enumerate().map(move |(index, workload)| ((at, index), workload))
        })
    }

    /// The clusters that run an image, by its manifest's digest.
    pub fn clusters_of(&self, image: &Digest) -> Vec<String> {
        let users = self.images.get(image).map(|image| image.users.as_slice()).unwrap_or_default();
        let clusters: BTreeSet<usize> = users.iter().map(|(cluster, _)| *cluster).collect();
        clusters.into_iter().map(|at| self.inventory.clusters[at].status.name.clone()).collect()
    }
}

/// The images a workload runs now, each once.
pub(in crate::report) fn running_images(workload: &Workload) -> impl Iterator<Item = Digest> {
    let active = workload.uses.iter().filter(|used| used.active);
    let mut digests: Vec<Digest> = active.filter_map(image_of).collect();
    digests.sort_unstable();
    digests.dedup();
    digests.into_iter()
}

/// The digest a use of an image is shown under.
pub(in crate::report) fn image_of(used: &ImageUse) -> Option<Digest> {
    match used.content {
        Content::Image(digest) | Content::Unseen(digest) => Some(digest),
        Content::Unresolved(_) | Content::Pending => None,
    }
}
