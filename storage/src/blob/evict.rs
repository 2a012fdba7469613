//! What is stored, and what leaves when it is too much.
//!
//! Owns the count of stored blobs and bytes, and the choice of what to remove. Least recently used leave first, those
//! of running workloads last, and never one that is open. The truth is the directory; this ledger is what was learnt
//! of it, by the walk at start-up and by every commit since, and nothing is removed before the walk is done.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use weir_scanner::oci::Digest;

use super::store::Shared;

/// Once over the budget, blobs leave until this share of it is used, in percent, so that not every commit evicts.
const LOW_WATERMARK_PERCENT: u128 = 95;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    blobs: HashMap<Digest, StoredBlob>,
    bytes: u64,
    budget: u64,
    /// The walk is done: what is not here is not stored.
    walked: bool,
    open: HashMap<Digest, usize>,
    running: HashSet<Digest>,
    evicted_blobs: u64,
    evicted_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct StoredBlob {
    size: u64,
    used: SystemTime,
}

/// What the store holds, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Blobs stored.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Blobs being written.
    pub partials: u64,
    /// Bytes their files hold.
    pub partial_bytes: u64,
    /// Blobs evicted since the start.
    pub evicted_blobs: u64,
    /// Their bytes.
    pub evicted_bytes: u64,
    /// Whether everything on disk has been counted, which takes a moment after the start.
    pub counted: bool,
}

/// A blob that may have to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    // The order of the fields is the order in which they leave.
    running: bool,
    used: SystemTime,
    digest: Digest,
    size: u64,
}

/// The blobs to remove, in order, so that at least `excess` bytes go, or as many as there are.
fn choose(mut candidates: Vec<Candidate>, excess: u64) -> Vec<Candidate> {
    candidates.sort_unstable();
    let mut freed: u64 = 0;
    candidates.retain(|candidate| {
        let needed = freed < excess;
        freed = freed.saturating_add(if needed { candidate.size } else { 0 });
        needed
    });
    candidates
}

/// How many bytes must go: none up to the limit, down to the low watermark beyond it. The limit is the budget, and
/// less than that where the disk has not enough left beside the blobs: `available` bytes, of which `reserve` are not
/// for blobs.
fn excess(stored: u64, budget: u64, available: Option<u64>, reserve: u64) -> u64 {
    let fits = available.map_or(u64::MAX, |available| stored.saturating_add(available).saturating_sub(reserve));
    let limit = budget.min(fits);
    if stored <= limit {
        return 0;
    }
    let low = u64::try_from(u128::from(limit) * LOW_WATERMARK_PERCENT / 100).unwrap_or(limit);
    stored - low
}

impl Ledger {
    pub(crate) fn new(budget: u64) -> Self {
        Self { budget, ..Self::default() }
    }

    /// Notes a blob and when it was last used; what is known of it already is replaced.
    pub(crate) fn note(&mut self, digest: Digest, size: u64, used: SystemTime) {
        let before = self.blobs.insert(digest, StoredBlob { size, used });
        self.bytes = self.bytes + size - before.map_or(0, |blob| blob.size);
    }

    /// Notes a blob found by the walk, unless something newer is known.
    pub(crate) fn found(&mut self, digest: Digest, size: u64, used: SystemTime) {
        if !self.blobs.contains_key(&digest) {
            self.note(digest, size, used);
        }
    }

    /// Everything on disk has been noted.
    pub(crate) fn walked(&mut self) {
        self.walked = true;
    }

    /// Notes that a blob's file is gone.
    pub(crate) fn gone(&mut self, digest: &Digest) -> Option<u64> {
        let blob = self.blobs.remove(digest)?;
        self.bytes -= blob.size;
        Some(blob.size)
    }

    /// Names the blobs of running workloads.
    pub(crate) fn set_running(&mut self, running: HashSet<Digest>) {
        self.running = running;
    }

    /// One more reader.
    pub(crate) fn opened(&mut self, digest: Digest) {
        *self.open.entry(digest).or_default() += 1;
    }

    /// One reader less; whether that makes an eviction possible which is due.
    pub(crate) fn closed(&mut self, digest: &Digest) -> bool {
        match self.open.get_mut(digest) {
            Some(count) if *count > 1 => {
                *count -= 1;
                false
            }
            _ => {
                self.open.remove(digest);
                self.walked && self.bytes > self.budget
            }
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage {
            blobs: self.blobs.len() as u64,
            blob_bytes: self.bytes,
            partials: 0,
            partial_bytes: 0,
            evicted_blobs: self.evicted_blobs,
            evicted_bytes: self.evicted_bytes,
            counted: self.walked,
        }
    }

    /// How many bytes must go, and what may.
    fn plan(&self, available: Option<u64>, reserve: u64) -> (u64, Vec<Candidate>) {
        let excess = excess(self.bytes, self.budget, available, reserve);
        if excess == 0 || !self.walked {
            return (0, Vec::new());
        }
        let closed = self.blobs.iter().filter(|(digest, _)| !self.open.contains_key(*digest));
        let candidates = closed.map(|(digest, blob)| Candidate {
            running: self.running.contains(digest),
            used: blob.used,
            digest: *digest,
            size: blob.size,
        });
        (excess, candidates.collect())
    }
}

impl Shared {
    /// Evicts in the background, if it is due; one eviction runs at a time.
    pub(crate) fn evict_soon(shared: &Arc<Self>) {
        if !shared.evicting.swap(true, Ordering::AcqRel) {
            let evicting = Arc::clone(shared);
            shared.background.run("blob-evict", move || {
                // Before the work, not after: what becomes due meanwhile is then not missed.
                evicting.evicting.store(false, Ordering::Release);
                evicting.evict();
            });
        }
    }

    /// Removes what is over the budget; blocks.
    pub(crate) fn evict(&self) {
        let _one_at_a_time = super::lock(&self.eviction);
        let available = self.available().inspect_err(|error| tracing::warn!(%error, "free space is not known")).ok();
        let (excess, candidates) = super::lock(&self.ledger).plan(available, self.reserve_bytes);
        for victim in choose(candidates, excess) {
            // It may have been opened since; one opened from here on is read to its end by who has it open.
            if super::lock(&self.ledger).open.contains_key(&victim.digest) {
                continue;
            }
            let path = self.layout.blob(&victim.digest);
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "a blob over the budget cannot be removed");
                    continue;
                }
            }
            let mut ledger = super::lock(&self.ledger);
            if let Some(size) = ledger.gone(&victim.digest) {
                ledger.evicted_blobs += 1;
                ledger.evicted_bytes += size;
            }
        }
    }
}

/// Counts a blob as open, so that it is not evicted.
#[derive(Debug)]
pub(crate) struct OpenBlob {
    pub(crate) shared: Arc<Shared>,
    pub(crate) digest: Digest,
}

impl OpenBlob {
    pub(crate) fn new(shared: Arc<Shared>, digest: Digest) -> Self {
        super::lock(&shared.ledger).opened(digest);
        Self { shared, digest }
    }
}

impl Drop for OpenBlob {
    fn drop(&mut self) {
        if super::lock(&self.shared.ledger).closed(&self.digest) {
            Shared::evict_soon(&self.shared);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn candidate(name: &str, minute: u64, running: bool) -> Candidate {
        let used = SystemTime::UNIX_EPOCH + Duration::from_secs(60 * minute);
        Candidate { running, used, digest: Digest::of(name.as_bytes()), size: 10 }
    }

    #[test]
    fn the_least_recently_used_leave_first_and_the_running_last() {
        let (old, new, oldest_running) =
            (candidate("old", 2, false), candidate("new", 3, false), candidate("run", 1, true));
        let all = vec![oldest_running, new, old];
        assert_eq!(choose(all.clone(), 0), []);
        assert_eq!(choose(all.clone(), 10), [old]);
        assert_eq!(choose(all.clone(), 11), [old, new]);
        assert_eq!(choose(all, 1000), [old, new, oldest_running]);
    }

    #[test]
    fn over_the_limit_bytes_leave_down_to_the_low_watermark() {
        assert_eq!(excess(100, 100, None, 0), 0);
        assert_eq!(excess(101, 100, None, 0), 6);
        // 50 stored, 10 left on the disk, 20 reserved: 40 fit, 38 are kept.
        assert_eq!(excess(50, 100, Some(10), 20), 12);
        assert_eq!(excess(50, 100, Some(20), 20), 0);
        assert_eq!(excess(5, u64::MAX, Some(u64::MAX), 0), 0);
    }

    #[test]
    fn nothing_is_planned_before_the_walk_is_done_and_never_what_is_open() {
        let mut ledger = Ledger::new(15);
        for name in ["a", "b"] {
            ledger.note(Digest::of(name.as_bytes()), 10, SystemTime::UNIX_EPOCH);
        }
        assert_eq!(ledger.plan(None, 0).1, []);
        ledger.walked();
        ledger.opened(Digest::of(b"a"));
        let (excess, candidates) = ledger.plan(None, 0);
        assert_eq!((excess, candidates.len(), candidates[0].digest), (6, 1, Digest::of(b"b")));
        assert!(ledger.closed(&Digest::of(b"a")));
        assert_eq!(ledger.plan(None, 0).1.len(), 2);
    }

    #[test]
    fn a_blob_noted_twice_counts_once() {
        let mut ledger = Ledger::new(0);
        ledger.note(Digest::of(b"a"), 10, SystemTime::UNIX_EPOCH);
        ledger.note(Digest::of(b"a"), 12, SystemTime::UNIX_EPOCH);
        ledger.found(Digest::of(b"a"), 99, SystemTime::UNIX_EPOCH);
        assert_eq!((ledger.usage().blobs, ledger.usage().blob_bytes), (1, 12));
        assert_eq!((ledger.gone(&Digest::of(b"a")), ledger.gone(&Digest::of(b"a"))), (Some(12), None));
        assert_eq!(ledger.usage().blob_bytes, 0);
    }
}
