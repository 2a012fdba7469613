//! The clusters weir knows: what each holds, where that comes from, and how fresh it is.
//!
//! Owns the one state of each cluster. What the server watches itself arrives as [`Observed`] and is written to the index behind it;
//! what agents send was written before it arrives here. A cluster that falls silent keeps what it had, and says since when.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use weir_storage::index::{ClusterChange, ClusterRecord, ClusterSource, Index, IndexError, ObjectKey, WatchedKind};

use super::intake::Received;
use super::state::ClusterState;
use super::usage::{Groups, addresses};
use super::watch::Observed;

/// Seconds without a word from an agent, or of failures in a watch, after which a cluster is stale. Agents send a sign of life three
/// times as often at least.
const STALE_SECONDS: i64 = 90;
/// Changes written at once.
const FLUSH_CHANGES: usize = 1000;
/// Seconds after which the index is told that a cluster in which nothing changes was heard of.
const NOTE_SECONDS: i64 = 60;
/// Names of unwritten objects that are remembered while the index cannot be written.
const MOST_UNWRITTEN: usize = 250_000;

/// The clusters. Clones share them.
#[derive(Clone)]
pub struct Clusters(Arc<Inner>);

struct Inner {
    clusters: Mutex<BTreeMap<String, Cluster>>,
    changed: watch::Sender<u64>,
}

struct Cluster {
    state: ClusterState,
    record: ClusterRecord,
    /// Whether the state was whole before this process began; what it has until it is listed anew is what was heard last.
    was_whole: bool,
    /// Whether the server watches it itself now: one it watched before a restart with other settings is heard of no more.
    is_watched: bool,
    /// What is in the state and not yet in the index; only of the cluster the server watches itself.
    unwritten: HashSet<ObjectKey>,
    /// They were too many to remember.
    uncounted: bool,
    /// When the index was last told that the cluster was heard of, seconds since the epoch.
    written_at: i64,
    /// Since when a watch fails, and how.
    failures: BTreeMap<WatchedKind, (i64, String)>,
    /// Kinds that cannot be watched, and why.
    unavailable: BTreeMap<WatchedKind, String>,
}

/// How fresh a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// What is shown is what the cluster has.
    Live,
    /// It has not been listed whole yet since weir or its agent began.
    Connecting,
    /// Nothing was heard for a while; what is shown is what was heard last.
    Stale,
}

impl Freshness {
    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Connecting => "connecting",
            Self::Stale => "stale",
        }
    }
}

/// What is said of a cluster besides what runs in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterStatus {
    /// Its name.
    pub name: String,
    /// Whether an agent reports it.
    pub source: ClusterSource,
    /// How fresh it is.
    pub freshness: Freshness,
    /// When something was last heard of it, seconds since the epoch.
    pub synced_at: i64,
    /// When it was first heard of, seconds since the epoch.
    pub first_seen: i64,
    /// The server's version, where it told.
    pub kubernetes_version: Option<String>,
    /// The agent's version, where there is one.
    pub agent_version: Option<String>,
    /// Its pods.
    pub pods: usize,
    /// Its nodes.
    pub nodes: usize,
    /// What fails or is not offered: the kind and why.
    pub problems: Vec<(WatchedKind, String)>,
}

#[cfg(test)]
impl ClusterStatus {
    /// A cluster that the server watches itself, for tests.
    pub(crate) fn sample(name: &str, freshness: Freshness, synced_at: i64) -> Self {
        Self {
            name: name.to_owned(),
            source: ClusterSource::Local,
            freshness,
            synced_at,
            first_seen: 1,
            kubernetes_version: None,
            agent_version: None,
            pods: 0,
            nodes: 0,
            problems: Vec::new(),
        }
    }
}

impl Clusters {
    /// The clusters the index has, as they were heard of last. Blocks.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn load(index: &Index) -> Result<Self, IndexError> {
        let mut clusters = BTreeMap::new();
        for (name, record) in index.clusters().list()? {
            let mut cluster = Cluster::new(record);
            let objects: Result<Vec<_>, _> = index.clusters().objects(&name).collect();
            cluster.state.replace(objects?);
            cluster.was_whole = true;
            clusters.insert(name, cluster);
        }
        Ok(Self(Arc::new(Inner { clusters: Mutex::new(clusters), changed: watch::Sender::new(0) })))
    }

    /// Changes whenever something may have become different.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// The server begins to watch the cluster it runs in: what the index has of it stands until everything was listed.
    pub fn begin_local(&self, name: &str, now: i64) {
        let mut clusters = self.lock();
        let cluster = clusters.entry(name.to_owned()).or_insert_with(|| {
            Cluster::new(ClusterRecord {
                source: ClusterSource::Local,
                session: String::new(),
                sequence: 0,
                synced_at: now,
                first_seen: now,
                kubernetes_version: None,
                agent_version: None,
            })
        });
        cluster.record.source = ClusterSource::Local;
        cluster.is_watched = true;
        cluster.state.unsettle();
        drop(clusters);
        self.0.changed.send_modify(|count| *count += 1);
    }

    /// Takes the version that the API server of a cluster the server watches itself tells.
    pub fn tell_version(&self, name: &str, version: String) {
        if let Some(cluster) = self.lock().get_mut(name) {
            cluster.record.kubernetes_version = Some(version);
        }
    }

    /// Takes what the server's own watch saw.
    pub fn observe(&self, name: &str, observed: Observed, now: i64) {
        let mut clusters = self.lock();
        let Some(cluster) = clusters.get_mut(name) else { return };
        let was_whole = cluster.state.is_whole();
        let differs = cluster.observe(observed, now);
        let differs = differs || cluster.state.is_whole() != was_whole;
        drop(clusters);
        if differs {
            self.0.changed.send_modify(|count| *count += 1);
        }
    }

    /// Takes what an agent sent, after it was written to the index.
    pub fn receive(&self, received: Received) {
        let (name, record) = match &received {
            Received::Snapshot { cluster, record, .. }
            | Received::Deltas { cluster, record, .. }
            | Received::Heartbeat { cluster, record } => (cluster.clone(), record.clone()),
        };
        let mut clusters = self.lock();
        let cluster = clusters.entry(name).or_insert_with(|| Cluster::new(record.clone()));
        cluster.record = record;
        let differs = match received {
            Received::Snapshot { objects, .. } => {
                cluster.state.replace(objects.iter());
                true
            }
            Received::Deltas { changes, .. } => {
                let mut differs = false;
                for change in changes {
                    differs |= cluster.state.apply(change);
                }
                differs
            }
            Received::Heartbeat { .. } => false,
        };
        drop(clusters);
        if differs {
            self.0.changed.send_modify(|count| *count += 1);
        }
    }

    /// Whether the server watches the cluster itself.
    pub fn is_watched(&self, name: &str) -> bool {
        self.lock().get(name).is_some_and(|cluster| cluster.is_watched)
    }

    /// Forgets a cluster. The index's rows are the caller's.
    pub fn remove(&self, name: &str) {
        self.lock().remove(name);
        self.0.changed.send_modify(|count| *count += 1);
    }

    /// What is said of each cluster, in the order of their names.
    pub fn statuses(&self, now: i64) -> Vec<ClusterStatus> {
        self.lock().iter().map(|(name, cluster)| cluster.status(name, now)).collect()
    }

    /// The pods of each cluster, in groups, with the revision of its objects: of one that is known whole, and of one that is being listed
    /// where nothing is held of it and it was whole before weir began. `None` for the others, and for one of which that revision is
    /// held: `held` tells it.
    pub(super) fn groups(&self, held: impl Fn(&str) -> Option<u64>) -> Vec<(String, Option<(u64, Groups)>)> {
        let clusters = self.lock();
        clusters
            .iter()
            .map(|(name, cluster)| {
                let (held, revision) = (held(name), cluster.state.revision());
                let is_told = cluster.state.is_whole() || (cluster.was_whole && held.is_none());
                let is_new = is_told && held != Some(revision);
                (name.clone(), is_new.then(|| (revision, Groups::of(&cluster.state))))
            })
            .collect()
    }

    /// The internal addresses of every node: address, cluster, node.
    pub(super) fn addresses(&self) -> Vec<(String, String, String)> {
        let clusters = self.lock();
        let of = |(name, cluster): (&String, &Cluster)| -> Vec<_> {
            addresses(&cluster.state)
                .map(|(address, node)| (address.to_owned(), name.clone(), node.to_owned()))
                .collect()
        };
        clusters.iter().flat_map(of).collect()
    }

    /// Writes some of what the server's own watch brought and the index does not have. Blocks. Answers whether more is left.
    ///
    /// # Errors
    /// The index cannot be written; nothing is lost, the next call tries the same again.
    pub fn write_local(&self, name: &str, index: &Index) -> Result<bool, IndexError> {
        self.count_anew(name, index)?;
        let (record, keys, changes) = {
            let mut clusters = self.lock();
            let Some(cluster) = clusters.get_mut(name).filter(|cluster| cluster.state.is_whole()) else {
                return Ok(false);
            };
            let keys: Vec<ObjectKey> = cluster.unwritten.iter().take(FLUSH_CHANGES).cloned().collect();
            if keys.is_empty() && cluster.record.synced_at - cluster.written_at < NOTE_SECONDS {
                return Ok(false);
            }
            for key in &keys {
                cluster.unwritten.remove(key);
            }
            let changes: Vec<_> = keys.iter().cloned().map(|key| cluster.state.change_of(key)).collect();
            (cluster.record.clone(), keys, changes)
        };
        let written = index.clusters().apply(name, &record, &changes);
        let mut clusters = self.lock();
        let Some(cluster) = clusters.get_mut(name) else { return Ok(false) };
        if let Err(error) = written {
            cluster.unwritten.extend(keys);
            if cluster.unwritten.len() > MOST_UNWRITTEN {
                cluster.unwritten = HashSet::new();
                cluster.uncounted = true;
            }
            return Err(error);
        }
        cluster.written_at = record.synced_at;
        Ok(!cluster.unwritten.is_empty())
    }

    /// Where it was given up to remember what is not written, everything is: what there is, and what the index has.
    fn count_anew(&self, name: &str, index: &Index) -> Result<(), IndexError> {
        if !self.lock().get(name).is_some_and(|cluster| cluster.uncounted) {
            return Ok(());
        }
        let stored: Result<Vec<ObjectKey>, _> =
            index.clusters().objects(name).map(|object| Ok::<_, IndexError>(object?.key())).collect();
        let stored = stored?;
        if let Some(cluster) = self.lock().get_mut(name) {
            cluster.uncounted = false;
            cluster.unwritten.extend(stored);
            cluster.unwritten.extend(cluster.state.objects().map(|object| object.key()));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Cluster>> {
        self.0.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cluster {
    fn new(record: ClusterRecord) -> Self {
        Self {
            state: ClusterState::default(),
            record,
            was_whole: false,
            is_watched: false,
            unwritten: HashSet::new(),
            uncounted: false,
            written_at: 0,
            failures: BTreeMap::new(),
            unavailable: BTreeMap::new(),
        }
    }

    /// Answers whether what the cluster holds became different.
    fn observe(&mut self, observed: Observed, now: i64) -> bool {
        let differs = match observed {
            Observed::Failed { kind, error } => {
                let since = self.failures.get(&kind).map_or(now, |(since, _)| *since);
                self.failures.insert(kind, (since, error));
                return false;
            }
            Observed::Unavailable { kind, reason } => {
                self.failures.remove(&kind);
                self.unavailable.insert(kind, reason);
                self.state.unavailable(kind);
                false
            }
            Observed::Begin(kind) => {
                self.state.begin(kind);
                false
            }
            Observed::Listed(object) => {
                self.state.stage(object);
                false
            }
            Observed::End(kind) => {
                let changed = self.state.end(kind);
                let differs = !changed.is_empty();
                self.unwritten.extend(changed);
                self.heard(kind);
                differs
            }
            Observed::Set(object) => self.change(ClusterChange::Set(object)),
            Observed::Gone(key) => self.change(ClusterChange::Gone(key)),
            Observed::Alive(kind) => {
                self.heard(kind);
                false
            }
        };
        self.record.synced_at = now;
        differs
    }

    fn change(&mut self, change: ClusterChange) -> bool {
        let key = match &change {
            ClusterChange::Set(object) => object.key(),
            ClusterChange::Gone(key) => key.clone(),
        };
        self.heard(key.kind);
        let differs = self.state.apply(change);
        if differs {
            self.unwritten.insert(key);
        }
        differs
    }

    fn heard(&mut self, kind: WatchedKind) {
        self.failures.remove(&kind);
        self.unavailable.remove(&kind);
    }

    fn freshness(&self, now: i64) -> Freshness {
        let silent = match &self.record.source {
            ClusterSource::Agent { .. } => now - self.record.synced_at > STALE_SECONDS,
            // A cluster in which nothing happens is silent too: only a watch that fails says that it cannot be heard.
            ClusterSource::Local => {
                !self.is_watched || self.failures.values().any(|(since, _)| now - since > STALE_SECONDS)
            }
        };
        match (silent, self.state.is_whole()) {
            (true, _) => Freshness::Stale,
            (false, true) => Freshness::Live,
            (false, false) => Freshness::Connecting,
        }
    }

    fn status(&self, name: &str, now: i64) -> ClusterStatus {
        let (pods, nodes) = self.state.sizes();
        let failures = self.failures.iter().map(|(kind, (_, error))| (*kind, error.clone()));
        let unavailable = self.unavailable.iter().map(|(kind, reason)| (*kind, reason.clone()));
        ClusterStatus {
            name: name.to_owned(),
            source: self.record.source.clone(),
            freshness: self.freshness(now),
            synced_at: self.record.synced_at,
            first_seen: self.record.first_seen,
            kubernetes_version: self.record.kubernetes_version.clone(),
            agent_version: self.record.agent_version.clone(),
            pods,
            nodes,
            problems: failures.chain(unavailable).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
