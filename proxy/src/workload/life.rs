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
use super::inventory::Inventory;
use super::resolve::Content;
use super::usage::{ImageUse, Workload};

/// Seconds after which what still runs is written again, so that a crash costs little of when it was last seen.
const NOTE_SECONDS: i64 = 3600;
/// Rows of one write.
const ROWS: usize = 1000;

/// Keeps the times of what runs.
#[derive(Default)]
pub struct LifeKeeper {
    running: HashMap<(Arc<WorkloadKey>, Digest), Span>,
    noted_at: i64,
}

/// The time of something that runs now.
#[derive(Clone, Copy)]
struct Span {
    /// When it began, seconds since the epoch.
    first_seen: i64,
    /// Whether the index has it: not before a cluster that is heard of said so, and of a workload whose name is known.
    is_noted: bool,
}

impl LifeKeeper {
    /// Writes what began and what ceased since the last inventory. Blocks.
    ///
    /// # Errors
    /// The index cannot be read or written; the same is tried at the next call.
    pub fn note(&mut self, inventory: &Inventory, index: &Index) -> Result<(), IndexError> {
        let now = inventory.at;
        let mut running = HashMap::with_capacity(self.running.len());
        let mut rows = Vec::new();
        let all = now - self.noted_at >= NOTE_SECONDS;
        for cluster in &inventory.clusters {
            let is_live = cluster.status.freshness == Freshness::Live;
            for workload in cluster.workloads.iter() {
                let is_named = is_named(workload);
                let key = Arc::new(workload.key.clone());
                for used in workload.uses.iter().filter(|used| used.active) {
                    let Some(digest) = digest(&used.content) else { continue };
                    let pair = (Arc::clone(&key), digest);
                    if running.contains_key(&pair) {
                        continue;
                    }
                    let mut span = match self.running.get(&pair) {
                        Some(span) => *span,
                        None => Span { first_seen: began(index, &key, used, digest, now)?, is_noted: false },
                    };
                    if is_live && is_named && (!span.is_noted || all) {
                        let life = LifeRecord { first_seen: span.first_seen, last_seen: now };
                        rows.push(((*key).clone(), digest, life));
                        span.is_noted = true;
                    }
                    running.insert(pair, span);
                }
            }
        }
        for (pair, span) in self.running.iter().filter(|(pair, span)| span.is_noted && !running.contains_key(*pair)) {
            let life = LifeRecord { first_seen: span.first_seen, last_seen: now };
            rows.push(((*pair.0).clone(), pair.1, life));
        }
        for rows in rows.chunks(ROWS) {
            index.life().note(rows)?;
        }
        self.running = running;
        if all {
            self.noted_at = now;
        }
        Ok(())
    }

    /// When a workload that runs now was first seen running an image, seconds since the epoch.
    pub fn first_seen(&self, workload: &WorkloadKey, image: &Digest) -> Option<i64> {
        self.running.get(&(Arc::new(workload.clone()), *image)).map(|span| span.first_seen)
    }
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
