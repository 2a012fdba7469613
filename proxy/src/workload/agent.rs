//! Reports one cluster to a weir elsewhere: a snapshot, then what changes.
//!
//! Owns what the server has been told and what it has not. Leaves the watching to `watch` and the way there to `link`.
//! Invariants: one message is on its way at a time and comes again until it is answered; whatever the server missed, it ends up
//! with the cluster as it is; what waits is bounded, since objects are looked up when they are sent and too many changes
//! give way to a new snapshot.
//!
//! A snapshot is sent in parts while the cluster goes on changing: what changes behind the part that is being sent follows as
//! deltas, what changes before it is sent as it then is.

mod link;
mod pending;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use weir_storage::index::{ClusterChange, ClusterObject, ObjectKey, WatchedKind};

pub use link::{AgentError, AgentSettings};
pub(crate) use link::{check_report, token_of};

use super::intake::Message;
use super::state::ClusterState;
use super::watch::Observed;
use super::wire::{self, DeltaBatch, SnapshotPart};
use link::{Link, Verdict, jittered};
use pending::Pending;

/// Changes in one batch.
const BATCH: usize = 1_000;
/// How long a session has to last for the next resynchronisation to come at once.
const STEADY: Duration = Duration::from_secs(60);

/// Times and bounds of an agent.
#[derive(Clone, Copy, Debug)]
pub struct AgentPace {
    /// How long changes are gathered before they are sent.
    pub gather: Duration,
    /// How often the server hears of a cluster that does not change.
    pub heartbeat: Duration,
    /// The most before a message that failed is sent again; doubles with each try.
    pub first_wait: Duration,
    /// The most it grows to.
    pub longest_wait: Duration,
    /// The most before a message that was refused is sent again.
    pub slow_wait: Duration,
    /// How long one try may take.
    pub answer_time: Duration,
    /// Changes that may wait; with more, a new snapshot is sent instead.
    pub max_pending: usize,
}

impl Default for AgentPace {
    fn default() -> Self {
        Self {
            gather: Duration::from_millis(500),
            heartbeat: Duration::from_secs(20),
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            slow_wait: Duration::from_secs(60),
            answer_time: Duration::from_secs(60),
            max_pending: 20_000,
        }
    }
}

/// An agent, ready to run.
pub struct Agent {
    link: Arc<Link>,
    pace: AgentPace,
    kubernetes_version: Option<String>,
    state: ClusterState,
    pending: Pending,
    /// When the oldest change that waits began to.
    pending_since: Instant,
    phase: Phase,
    /// Kinds that cannot be watched at present. While there are any, nobody can say that nothing changed.
    failing: BTreeSet<WatchedKind>,
    /// When something was last accepted.
    told: Instant,
    /// Snapshots that were asked for again one shortly after the other.
    resyncs: u32,
}

/// What the server has been told.
enum Phase {
    /// Nothing: not every kind has been listed, or a pause before the next snapshot has not ended.
    Waiting { until: Instant },
    /// Parts of a snapshot.
    Snapshot(Snapshot),
    /// A snapshot and so many batches.
    Deltas { session: String, sequence: u64, began: Instant },
}

struct Snapshot {
    session: String,
    /// The next part's number.
    part: u32,
    /// The last object of the parts so far.
    after: Option<ObjectKey>,
    /// Whether the part on its way is the last.
    whole: bool,
}

/// A message on its way.
type Flight = Pin<Box<dyn Future<Output = Verdict> + Send>>;

impl Agent {
    /// An agent with these settings. Nothing is contacted.
    ///
    /// # Errors
    /// The settings cannot work.
    pub fn new(settings: AgentSettings, pace: AgentPace) -> Result<Self, AgentError> {
        let now = Instant::now();
        Ok(Self {
            link: Arc::new(Link::new(&settings, pace)?),
            pace,
            kubernetes_version: settings.kubernetes_version,
            state: ClusterState::default(),
            pending: Pending::default(),
            pending_since: now,
            phase: Phase::Waiting { until: now },
            failing: BTreeSet::new(),
            told: now,
            resyncs: 0,
        })
    }

    /// Reports what is observed until it ends or `stop` is cancelled.
    pub async fn run(mut self, mut observed: mpsc::Receiver<Observed>, stop: CancellationToken) {
        let mut flight: Option<Flight> = None;
        loop {
            if flight.is_none() {
                flight = self.next(Instant::now());
            }
            let due = self.due();
            tokio::select! {
                () = stop.cancelled() => return,
                observation = observed.recv() => match observation {
                    Some(observation) => self.observe(observation),
                    None => return,
                },
                verdict = landed(&mut flight), if flight.is_some() => {
                    flight = None;
                    self.answered(verdict, Instant::now());
                }
                // Only wakes the loop.
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if flight.is_none() && due.is_some() => {}
            }
            if self.pending.len() > self.pace.max_pending {
                tracing::warn!("more changes wait than are kept: a new snapshot is sent once the server answers");
                flight = None;
                self.begin_again(Instant::now());
            }
        }
    }

    fn observe(&mut self, observation: Observed) {
        match observation {
            Observed::Begin(kind) => {
                self.failing.remove(&kind);
                self.state.begin(kind);
            }
            Observed::Listed(object) => self.state.stage(object),
            Observed::End(kind) => {
                self.failing.remove(&kind);
                for key in self.state.end(kind) {
                    self.changed(key);
                }
            }
            Observed::Set(object) => {
                let key = object.key();
                self.apply(key, ClusterChange::Set(object));
            }
            Observed::Gone(key) => {
                self.apply(key.clone(), ClusterChange::Gone(key));
            }
            Observed::Alive(kind) => {
                self.failing.remove(&kind);
            }
            Observed::Failed { kind, error } => {
                // Once for each outage: the watch tries again every few seconds.
                if self.failing.insert(kind) {
                    tracing::warn!("{} objects cannot be watched at present: {error}", kind.name());
                }
            }
            Observed::Unavailable { kind, reason } => {
                tracing::info!("{} objects are not watched: {reason}", kind.name());
                self.failing.remove(&kind);
                self.state.unavailable(kind);
            }
        }
    }

    fn apply(&mut self, key: ObjectKey, change: ClusterChange) {
        self.failing.remove(&key.kind);
        if self.state.apply(change) {
            self.changed(key);
        }
    }

    /// Notes that the server does not know how this object is now.
    fn changed(&mut self, key: ObjectKey) {
        let told = match &self.phase {
            Phase::Waiting { .. } => false,
            Phase::Snapshot(snapshot) => snapshot.whole || snapshot.after.as_ref().is_some_and(|after| key <= *after),
            Phase::Deltas { .. } => true,
        };
        // What was not told yet is told as it is when its turn comes.
        if told {
            if self.pending.is_empty() {
                self.pending_since = Instant::now();
            }
            self.pending.push(key);
        }
    }

    /// When there may be something to send although nothing was observed.
    fn due(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Waiting { until } => self.state.is_whole().then_some(*until),
            // At once: the part before has been answered.
            Phase::Snapshot(_) => Some(self.told),
            Phase::Deltas { .. } if self.pending.is_empty() => {
                self.failing.is_empty().then_some(self.told + self.pace.heartbeat)
            }
            Phase::Deltas { .. } => Some(self.pending_since + self.pace.gather),
        }
    }

    /// The next message, where one is due.
    fn next(&mut self, now: Instant) -> Option<Flight> {
        let full = self.pending.len() >= BATCH;
        if !full && self.due().is_none_or(|due| due > now) {
            return None;
        }
        if matches!(self.phase, Phase::Waiting { .. }) {
            let session = format!("{:032x}", fastrand::u128(..));
            tracing::info!("sending a snapshot of {} objects", self.state.len());
            self.phase = Phase::Snapshot(Snapshot { session, part: 0, after: None, whole: false });
        }
        match &mut self.phase {
            Phase::Waiting { .. } => None,
            Phase::Snapshot(snapshot) => {
                let mut objects = self.state.after(snapshot.after.as_ref(), wire::MAX_ITEMS);
                let fetched = objects.len();
                objects.truncate(wire::fitting(&objects));
                snapshot.whole = fetched < wire::MAX_ITEMS && objects.len() == fetched;
                snapshot.after = objects.last().map(ClusterObject::key).or(snapshot.after.take());
                let part = SnapshotPart {
                    agent_version: env!("CARGO_PKG_VERSION").to_owned(),
                    kubernetes_version: self.kubernetes_version.clone(),
                    session: snapshot.session.clone(),
                    part: snapshot.part,
                    last: snapshot.whole,
                    objects: objects.as_slice(),
                };
                snapshot.part += 1;
                self.send(Message::Snapshot, wire::gzipped(&part))
            }
            Phase::Deltas { session, sequence, .. } => {
                let mut changes: Vec<ClusterChange> =
                    self.pending.first(BATCH).cloned().map(|key| self.state.change_of(key)).collect();
                changes.truncate(wire::fitting(&changes));
                self.pending.remove_first(changes.len());
                self.pending_since = now;
                *sequence += 1;
                let batch = DeltaBatch { session: session.clone(), sequence: *sequence, changes: changes.as_slice() };
                self.send(Message::Deltas, wire::gzipped(&batch))
            }
        }
    }

    fn send(&self, message: Message, gzipped: Result<Vec<u8>, serde_json::Error>) -> Option<Flight> {
        // Records are strings, numbers and maps of strings, which always are JSON.
        let gzipped = Bytes::from(gzipped.expect("JSON: records of strings and numbers"));
        let link = Arc::clone(&self.link);
        Some(Box::pin(async move { link.deliver(message, gzipped).await }))
    }

    fn answered(&mut self, verdict: Verdict, now: Instant) {
        let accepted = match verdict {
            Verdict::Accepted(accepted) => accepted,
            Verdict::Resync(detail) => {
                tracing::info!("the server asks for a new snapshot: {detail}");
                return self.begin_again(now);
            }
        };
        self.told = now;
        match &self.phase {
            Phase::Snapshot(snapshot) if snapshot.whole => {
                tracing::info!("the server has the cluster's {} objects", self.state.len());
                self.phase = Phase::Deltas { session: snapshot.session.clone(), sequence: 0, began: now };
            }
            Phase::Deltas { sequence, .. } if accepted.sequence != *sequence => {
                tracing::info!("the server counts {} batches of {sequence}", accepted.sequence);
                self.begin_again(now);
            }
            Phase::Waiting { .. } | Phase::Snapshot(_) | Phase::Deltas { .. } => {}
        }
    }

    /// Goes back to a new snapshot: at once after a steady session, else later each time.
    fn begin_again(&mut self, now: Instant) {
        let steady = matches!(self.phase, Phase::Deltas { began, .. } if now - began >= STEADY);
        self.resyncs = if steady { 0 } else { self.resyncs + 1 };
        let pause = match self.resyncs {
            0 | 1 => Duration::ZERO,
            again => jittered((self.pace.first_wait * 2_u32.saturating_pow(again - 2)).min(self.pace.longest_wait)),
        };
        if self.resyncs > 3 {
            tracing::warn!("snapshots are asked for again and again: does another agent report as this cluster?");
        }
        self.pending.clear();
        self.phase = Phase::Waiting { until: now + pause };
    }
}

/// The verdict on the message on its way; never where there is none.
async fn landed(flight: &mut Option<Flight>) -> Verdict {
    match flight {
        Some(flight) => flight.as_mut().await,
        None => std::future::pending().await,
    }
}
