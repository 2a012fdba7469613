//! When a workload began and ceased to run an image, written as it happens.
//!
//! Told by what differs between two inventories, so a pod that is replaced by another of the same workload changes nothing. A cluster
//! that is not heard of tells nothing either way.

use std::collections::HashMap;
use std::sync::Arc;

use weir_scanner::oci::Digest;
use weir_storage::index::{Index, IndexError, LifeRecord, WatchedKind, WorkloadKey};

use super::clusters::Freshness;
use super::image_id::ImageId;
use super::inventory::{ClusterInventory, Inventory};
use super::resolve::Content;
use super::usage::{ImageUse, Workload};

/// Seconds after which what still runs is written again, so that a crash costs little of when it was last seen.
const NOTE_SECONDS: i64 = 3600;
/// Rows of one write.
const ROWS: usize = 1000;

/// Keeps the times of what runs.
#[derive(Default)]
pub struct LifeKeeper {
    clusters: HashMap<String, ClusterLife>,
    noted_at: i64,
}

/// The times of what runs in one cluster.
struct ClusterLife {
    /// In the order of their keys.
    workloads: Arc<Vec<Workload>>,
    /// The images of each workload.
    spans: Vec<Vec<Span>>,
    is_live: bool,
}

/// The time of something that runs now.
#[derive(Clone, Copy)]
struct Span {
    image: Digest,
    /// When it began, seconds since the epoch.
    first_seen: i64,
    /// Whether the index has it: not before a cluster that is heard of said so, and of a workload whose name is known.
    is_noted: bool,
}

/// Rows to be written.
struct Rows {
    rows: Vec<(WorkloadKey, Digest, LifeRecord)>,
    now: i64,
}

impl LifeKeeper {
    /// Writes what began and what ceased since the last inventory. Blocks.
    ///
    /// # Errors
    /// The index cannot be read or written; the same is tried at the next call.
    pub fn note(&mut self, inventory: &Inventory, index: &Index) -> Result<(), IndexError> {
        let mut rows = Rows { rows: Vec::new(), now: inventory.at };
        let all = inventory.at - self.noted_at >= NOTE_SECONDS;
        let mut changed = Vec::new();
        for ClusterInventory { status, workloads, .. } in &inventory.clusters {
            let is_live = status.freshness == Freshness::Live;
            let known = self.clusters.get(&status.name);
            let is_same = |known: &ClusterLife| Arc::ptr_eq(&known.workloads, workloads) && known.is_live == is_live;
            if !all && known.is_some_and(is_same) {
                continue;
            }
            let spans = spans(known, workloads, is_live, all, index, &mut rows)?;
            let life = ClusterLife { workloads: Arc::clone(workloads), spans, is_live };
            changed.push((status.name.clone(), life));
        }
        let is_there = |name: &str| inventory.clusters.iter().any(|cluster| cluster.status.name == name);
        for gone in self.clusters.iter().filter(|(name, _)| !is_there(name)).map(|(_, life)| life) {
            gone.workloads.iter().zip(&gone.spans).for_each(|(workload, spans)| rows.ceased(&workload.key, spans, &[]));
        }
        for rows in rows.rows.chunks(ROWS) {
            index.life().note(rows)?;
        }
        self.clusters.retain(|name, _| is_there(name));
        self.clusters.extend(changed);
        if all {
            self.noted_at = inventory.at;
        }
        Ok(())
    }

    /// When a workload that runs now was first seen running an image, seconds since the epoch.
    pub fn first_seen(&self, workload: &WorkloadKey, image: &Digest) -> Option<i64> {
        let life = self.clusters.get(&workload.cluster)?;
        let at = life.workloads.binary_search_by(|known| known.key.cmp(workload)).ok()?;
        life.spans[at].iter().find(|span| span.image == *image).map(|span| span.first_seen)
    }
}

impl Rows {
    fn add(&mut self, workload: &WorkloadKey, span: &Span) {
        let life = LifeRecord { first_seen: span.first_seen, last_seen: self.now };
        self.rows.push((workload.clone(), span.image, life));
    }

    /// Images a workload ran that are not among those it runs.
    fn ceased(&mut self, workload: &WorkloadKey, before: &[Span], after: &[Span]) {
        let runs = |span: &&Span| after.iter().any(|after| after.image == span.image);
        before.iter().filter(|span| span.is_noted && !runs(span)).for_each(|span| self.add(workload, span));
    }
}

/// The images of each workload of a cluster, joined with what was known of them: both are in the order of their keys.
fn spans(
    known: Option<&ClusterLife>,
    workloads: &[Workload],
    is_live: bool,
    all: bool,
    index: &Index,
    rows: &mut Rows,
) -> Result<Vec<Vec<Span>>, IndexError> {
    let before = known.into_iter().flat_map(|known| known.workloads.iter().zip(&known.spans));
    let mut before = before.map(|(workload, spans)| (&workload.key, spans.as_slice())).peekable();
    let mut after = Vec::with_capacity(workloads.len());
    for workload in workloads {
        while let Some((gone, spans)) = before.next_if(|(key, _)| **key < workload.key) {
            rows.ceased(gone, spans, &[]);
        }
        let known = before.next_if(|(key, _)| **key == workload.key).map(|(_, spans)| spans).unwrap_or_default();
        let is_named = is_named(workload);
        let mut spans: Vec<Span> = Vec::new();
        for used in workload.uses.iter().filter(|used| used.active) {
            let Some(image) = digest(&used.content) else { continue };
            if spans.iter().any(|span| span.image == image) {
                continue;
            }
            let mut span = match known.iter().find(|span| span.image == image) {
                Some(span) => *span,
                None => {
                    let first_seen = began(index, &workload.key, used, image, rows.now)?;
                    Span { image, first_seen, is_noted: false }
                }
            };
            if is_live && is_named && (!span.is_noted || all) {
                rows.add(&workload.key, &span);
                span.is_noted = true;
            }
            spans.push(span);
        }
        rows.ceased(&workload.key, known, &spans);
        after.push(spans);
    }
    before.for_each(|(gone, spans)| rows.ceased(gone, spans, &[]));
    Ok(after)
}

/// Whether it is known what names a workload. A pod may be heard of before its replica set is, and for that long its workload goes by the
/// name of the replica set; so it does while both are removed.
fn is_named(workload: &Workload) -> bool {
    workload.created_at.is_some() || WatchedKind::of_owner(&workload.key.group, &workload.key.kind).is_none()
}

/// When a workload began to run an image that it was not known to run: before it was known what the runtime's digest leads to, it was
/// kept under that digest.
fn began(index: &Index, workload: &WorkloadKey, used: &ImageUse, image: Digest, now: i64) -> Result<i64, IndexError> {
    let told = used.image_id.as_deref().and_then(|id| ImageId::parse(id).digest);
    let mut first_seen = now;
    for digest in [Some(image), told.filter(|told| *told != image)].into_iter().flatten() {
        first_seen = index.life().get(workload, &digest)?.map_or(first_seen, |life| first_seen.min(life.first_seen));
    }
    Ok(first_seen)
}

/// The digest by which the life of an image in a workload is kept: its manifest's, or the one that leads to it.
fn digest(content: &Content) -> Option<Digest> {
    match content {
        Content::Image(digest) | Content::Unseen(digest) => Some(*digest),
        Content::Unresolved(_) | Content::Pending => None,
    }
}

#[cfg(test)]
mod tests;
