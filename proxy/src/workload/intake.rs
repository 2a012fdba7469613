//! The server's half of what agents report.
//!
//! Owns the order of a cluster's messages: which session and which batch come next, and the parts of snapshots that are not
//! complete yet. Leaves to the caller who may report at all, and what is made of the objects. Invariants: a message counts
//! once, however often it comes; the index is written before anyone else hears of a change; a write that fails changes
//! nothing, so that the same message can be sent again. Session and sequence lie in the index beside the objects, so a
//! restart of the server goes on where it was.

mod staging;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use bytes::Bytes;
use weir_storage::index::{ClusterChange, ClusterRecord, ClusterSource, Index, IndexError};

pub use staging::SnapshotObjects;
use staging::Stagings;

use super::wire::{Accepted, DeltaBatch, SnapshotPart, WireError};
use crate::auth::{Tokens, Verified};
use crate::clock::Clock;

/// Locks that clusters share by their names; one that waits for another's turn waits for a write at most.
const TURNS: usize = 16;

/// The door for agents' messages. Clones share it.
#[derive(Clone)]
pub struct Intake {
    index: Index,
    state: Arc<State>,
    turns: Arc<[Arc<tokio::sync::Mutex<()>>]>,
}

struct State {
    tokens: Tokens,
    clock: Clock,
    local: Option<String>,
    stagings: Stagings,
    sink: Box<dyn Fn(Received) + Send + Sync>,
}

/// What the index has just been given. What is heard of one cluster is heard in order.
#[derive(Debug)]
pub enum Received {
    /// The cluster anew: what is not among these objects is gone.
    Snapshot {
        /// The cluster's name.
        cluster: String,
        /// What is kept of it.
        record: ClusterRecord,
        /// Its objects; of two with one name the later counts.
        objects: SnapshotObjects,
    },
    /// What changed.
    Deltas {
        /// The cluster's name.
        cluster: String,
        /// What is kept of it.
        record: ClusterRecord,
        /// The changes, in order.
        changes: Vec<ClusterChange>,
    },
    /// Nothing changed, and the agent is there.
    Heartbeat {
        /// The cluster's name.
        cluster: String,
        /// What is kept of it.
        record: ClusterRecord,
    },
}

/// Which message a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// A part of a snapshot.
    Snapshot,
    /// A batch of changes.
    Deltas,
}

/// Why a message was not accepted. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// It cannot be read.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// It does not follow on what is here; a new snapshot does.
    #[error("{0}")]
    Resync(&'static str),
    /// The snapshot is larger than any that is taken.
    #[error("a snapshot has at most {0} objects")]
    TooManyObjects(usize),
    /// Too many snapshots are on their way; later there is room again.
    #[error("too many snapshots are on their way")]
    Busy,
    /// The token belongs to another cluster.
    #[error("this token belongs to another cluster")]
    OtherCluster,
    /// The server watches this cluster itself.
    #[error("this server watches {0} itself: give the agent another --cluster, or the server another cluster.name")]
    Local(String),
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl Intake {
    /// A door to `index`. No agent may report as `local`, the cluster that this server watches itself, if it does. `sink` is
    /// told what was written, on a thread that may block, before the agent is.
    pub fn new(
        index: Index,
        clock: Clock,
        local: Option<String>,
        sink: impl Fn(Received) + Send + Sync + 'static,
    ) -> Self {
        let tokens = Tokens::new(index.clone());
        let state = State { tokens, clock, local, stagings: Stagings::default(), sink: Box::new(sink) };
        let turns = (0..TURNS).map(|_| Arc::default()).collect();
        Self { index, state: Arc::new(state), turns }
    }

    /// Takes the gzipped message of an agent about `cluster`, one at a time of each cluster.
    ///
    /// # Errors
    /// [`IntakeError`]; nothing has changed then.
    pub async fn take(
        &self,
        message: Message,
        cluster: &str,
        agent: &Verified,
        gzipped: Bytes,
    ) -> Result<Accepted, IntakeError> {
        if self.state.local.as_deref() == Some(cluster) {
            return Err(IntakeError::Local(cluster.to_owned()));
        }
        if agent.cluster.as_deref().is_some_and(|own| own != cluster) {
            return Err(IntakeError::OtherCluster);
        }
        // The turn goes with the work, which goes on where the agent hangs up.
        let turn = Arc::clone(self.turn(cluster)).lock_owned().await;
        let (state, cluster, agent) = (Arc::clone(&self.state), cluster.to_owned(), agent.clone());
        self.index
            .run(move |index| {
                let _turn = turn;
                match message {
                    Message::Snapshot => state.snapshot(index, cluster, &agent, gzipped),
                    Message::Deltas => state.deltas(index, cluster, &agent, &gzipped),
                }
            })
            .await
    }

    fn turn(&self, cluster: &str) -> &Arc<tokio::sync::Mutex<()>> {
        let mut hasher = DefaultHasher::new();
        cluster.hash(&mut hasher);
        &self.turns[usize::try_from(hasher.finish() % TURNS as u64).unwrap_or_default()]
    }
}

impl State {
    fn snapshot(
        &self,
        index: &Index,
        cluster: String,
        agent: &Verified,
        gzipped: Bytes,
    ) -> Result<Accepted, IntakeError> {
        let part = SnapshotPart::read(&gzipped)?;
        let known = index.clusters().get(&cluster)?;
        if let Some(record) = known.as_ref().filter(|record| record.session == part.session) {
            // The answer to its last part was lost.
            return Ok(Accepted { sequence: record.sequence });
        }
        self.belong(&cluster, agent)?;
        let now = self.clock.now();
        let Some(mut staging) = self.stagings.resume(&cluster, &part)? else { return Ok(Accepted { sequence: 0 }) };
        if !part.last {
            staging.push(gzipped, part.objects.len(), now)?;
            self.stagings.keep(cluster, staging, now)?;
            return Ok(Accepted { sequence: 0 });
        }
        let record = ClusterRecord {
            source: ClusterSource::Agent { token: agent.id.clone() },
            session: part.session,
            sequence: 0,
            synced_at: now,
            first_seen: known.map_or(now, |record| record.first_seen),
            kubernetes_version: part.kubernetes_version,
            agent_version: Some(part.agent_version),
        };
        let objects = staging.with_last(gzipped, part.objects.len())?;
        if let Err(error) = index.clusters().replace(&cluster, &record, objects.iter()) {
            // The last part comes again, and finds the others as they were.
            self.stagings.keep(cluster, staging, now)?;
            return Err(error.into());
        }
        tracing::info!(cluster, objects = objects.len(), "cluster {cluster}: a snapshot of {} objects", objects.len());
        (self.sink)(Received::Snapshot { cluster, record, objects });
        Ok(Accepted { sequence: 0 })
    }

    fn deltas(
        &self,
        index: &Index,
        cluster: String,
        agent: &Verified,
        gzipped: &[u8],
    ) -> Result<Accepted, IntakeError> {
        let batch = DeltaBatch::read(gzipped)?;
        let record = index.clusters().get(&cluster)?.filter(|record| record.session == batch.session);
        let Some(mut record) = record else {
            return Err(IntakeError::Resync("no snapshot of this session is known here"));
        };
        if batch.sequence <= record.sequence {
            // The answer to it was lost.
            return Ok(Accepted { sequence: record.sequence });
        }
        if batch.sequence != record.sequence + 1 {
            return Err(IntakeError::Resync("a batch before this one is missing"));
        }
        self.belong(&cluster, agent)?;
        record.sequence = batch.sequence;
        record.synced_at = self.clock.now();
        // A token may be replaced by another within one session.
        record.source = ClusterSource::Agent { token: agent.id.clone() };
        if batch.changes.is_empty() {
            index.clusters().note(&cluster, &record)?;
            (self.sink)(Received::Heartbeat { cluster, record });
        } else {
            index.clusters().apply(&cluster, &record, &batch.changes)?;
            (self.sink)(Received::Deltas { cluster, record, changes: batch.changes });
        }
        Ok(Accepted { sequence: batch.sequence })
    }

    /// Notes that the agent's token belongs to this cluster, where it belongs to none yet.
    fn belong(&self, cluster: &str, agent: &Verified) -> Result<(), IntakeError> {
        if agent.cluster.is_some() {
            return Ok(());
        }
        let own = self.tokens.bind(&agent.id, cluster)?;
        if own.as_deref() == Some(cluster) { Ok(()) } else { Err(IntakeError::OtherCluster) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use weir_storage::index::engine::{FaultyEngine, MemoryEngine};
    use weir_storage::index::{NodeRecord, ObjectKey, TokenRole};

    use super::*;
    use crate::auth::NewToken;
    use crate::workload::wire::gzipped;

    fn node(name: &str) -> weir_storage::index::ClusterObject {
        weir_storage::index::ClusterObject::Node(NodeRecord {
            name: name.into(),
            platform: None,
            addresses: Vec::new(),
            runtime: None,
        })
    }

    fn part(session: &str, number: u32, last: bool, names: &[&str]) -> Bytes {
        let part = SnapshotPart {
            agent_version: "1".into(),
            kubernetes_version: None,
            session: session.into(),
            part: number,
            last,
            objects: names.iter().map(|name| node(name)).collect::<Vec<_>>(),
        };
        gzipped(&part).unwrap().into()
    }

    fn batch(session: &str, sequence: u64, gone: &[&str]) -> Bytes {
        let key = |name: &&str| ClusterChange::Gone(ObjectKey { name: (*name).into(), ..node("").key() });
        let changes: Vec<_> = gone.iter().map(key).collect();
        gzipped(&DeltaBatch { session: session.into(), sequence, changes }).unwrap().into()
    }

    /// An intake with what its sink heard, in words, and the disk below it.
    struct Fixture {
        intake: Intake,
        heard: Arc<Mutex<Vec<String>>>,
        disk: Arc<FaultyEngine>,
        tokens: Tokens,
    }

    impl Fixture {
        fn new() -> Self {
            let disk = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::default())));
            let index = Index::new(Arc::clone(&disk) as Arc<_>);
            let heard: Arc<Mutex<Vec<String>>> = Arc::default();
            let (told, read) = (Arc::clone(&heard), index.clone());
            let sink = move |received| {
                let text = match received {
                    Received::Snapshot { cluster, record, objects } => {
                        assert_eq!(read.clusters().get(&cluster).unwrap(), Some(record), "the index is first");
                        let names: Vec<String> = objects.iter().map(|object| object.key().name).collect();
                        assert_eq!((names.len(), names.is_empty()), (objects.len(), objects.is_empty()));
                        format!("{cluster} has {}", names.join(" "))
                    }
                    Received::Deltas { cluster, record, changes } => {
                        assert_eq!(read.clusters().get(&cluster).unwrap().as_ref(), Some(&record));
                        format!("{cluster} {} changes {}", record.sequence, changes.len())
                    }
                    Received::Heartbeat { cluster, record } => format!("{cluster} {} is there", record.sequence),
                };
                told.lock().unwrap().push(text);
            };
            let tokens = Tokens::new(index.clone());
            Self { intake: Intake::new(index, Clock::set(1_000), Some("own".into()), sink), heard, disk, tokens }
        }

        fn agent(&self, cluster: Option<&str>) -> Verified {
            let cluster = cluster.map(str::to_owned);
            let new = NewToken { role: TokenRole::Agent.name().into(), name: None, cluster, lifetime_seconds: None };
            self.tokens.verify(&self.tokens.create(new, 0).unwrap(), 0).unwrap()
        }

        fn heard(&self) -> Vec<String> {
            std::mem::take(&mut self.heard.lock().unwrap())
        }
    }

    #[tokio::test]
    async fn others_hear_of_each_message_once_and_after_the_index() {
        let fixture = Fixture::new();
        let agent = fixture.agent(Some("east"));
        let take = async |message, body: &Bytes| fixture.intake.take(message, "east", &agent, body.clone()).await;
        let (first, last) = (part("s", 0, false, &["a", "b"]), part("s", 1, true, &["c"]));
        for body in [&first, &first, &last, &last] {
            take(Message::Snapshot, body).await.unwrap();
        }
        assert_eq!(fixture.heard(), ["east has a b c"]);
        let (gone, nothing) = (batch("s", 1, &["a", "b"]), batch("s", 2, &[]));
        for body in [&gone, &gone, &nothing, &nothing, &gone] {
            take(Message::Deltas, body).await.unwrap();
        }
        assert_eq!(fixture.heard(), ["east 1 changes 2", "east 2 is there"]);
        fixture.disk.fail_writes(true);
        for (message, body) in [
            (Message::Deltas, batch("s", 3, &["c"])),
            (Message::Deltas, batch("s", 3, &[])),
            (Message::Snapshot, part("t", 0, true, &[])),
        ] {
            assert!(matches!(take(message, &body).await, Err(IntakeError::Index(_))));
        }
        assert!(fixture.heard().is_empty());
    }

    #[tokio::test]
    async fn a_token_reports_as_one_cluster_and_none_as_the_servers_own() {
        let fixture = Fixture::new();
        let (agent, whole) = (fixture.agent(None), part("s", 0, true, &[]));
        let refused = fixture.intake.take(Message::Snapshot, "own", &agent, whole.clone()).await;
        assert!(matches!(refused, Err(IntakeError::Local(_))));
        fixture.intake.take(Message::Snapshot, "east", &agent, whole.clone()).await.unwrap();
        // Verified before the first report bound it: the index knows better.
        let refused = fixture.intake.take(Message::Snapshot, "west", &agent, whole).await;
        assert!(matches!(refused, Err(IntakeError::OtherCluster)));
        assert_eq!(fixture.heard(), ["east has "]);
    }
}
