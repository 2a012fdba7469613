//! The index: everything weir knows that must survive a restart and is not a blob.
//!
//! Owns the handle, the tables and their stored forms. Each table is a file of typed functions over [`engine::Engine`];
//! `record` says how rows look on disk, `key` how keys do. When things are written is for the caller to decide, and the
//! clock is the caller's too. Invariants: every change that belongs together is one batch, and a change that reads before it
//! writes holds its table's lock, so that none is lost.

mod advisory;
mod advisory_import;
mod advisory_increment;
mod alias;
mod audit;
mod cluster;
mod cve;
mod cve_import;
mod door;
pub mod engine;
mod error;
mod event;
mod exception;
mod exploitation;
mod finding;
mod finding_change;
mod folder_count;
mod folder_reach;
mod folder_writer;
mod format;
mod image;
mod image_removal;
mod import_record;
mod inventory;
mod key;
mod layer;
mod life;
mod link;
mod manifest;
mod node_check;
mod pull;
mod recent;
mod record;
mod scan_request;
mod session;
mod stamp;
mod tag;
mod token;
mod touched;
mod user;
mod webhook;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

pub use advisory::{Advisories, IndexAdvisories};
pub use advisory_import::AdvisoryImport;
pub use advisory_increment::{AdvisoryIncrement, FolderDifference};
pub use alias::{AliasEdge, AliasKind, AliasTarget, Aliases, EdgeKind};
pub use audit::{Audit, AuditEntry, AuditPage};
pub use cluster::{
    ClusterChange, ClusterObject, ClusterRecord, ClusterSource, Clusters, ContainerKind, ContainerRecord,
    ContainerState, Labels, NodeRecord, ObjectKey, OwnerRecord, OwnerReference, PodRecord, WatchedKind,
};
pub use cve::{CveKind, CveRecord, CveSourceRecord, CveState, Cves};
pub use cve_import::{CveCounts, CveFinish, CveImport, CveImportError};
use engine::{Batch, Engine, MemoryEngine, RocksEngine, Rows, Scan, Table};
pub use error::{EngineFailure, IndexError, RecordError};
pub use event::{
    ClosedReason, EventCursor, EventKind, EventPage, EventRecord, Events, Exploitation, FindingEvent,
    InvalidEventCursor, ListedEvent, OpenedReason,
};
pub use exception::{ExceptionChange, ExceptionOutcome, Exceptions, VexDocumentRecord};
pub use exploitation::{ExploitationChange, ExploitationChanges, ExploitationStep};
pub use finding::{FindingBrief, Findings, FindingsBrief, FindingsRecord, FirstSeen, Matching};
pub use folder_reach::FolderReach;
use format::Format;
pub use image::{ImageCursor, ImageLayer, ImagePage, ImageRecord, Images, InvalidImageCursor};
pub use import_record::{ImportCounts, ImportFinish, ImportRecord, IncrementFinish, SourceFailure, Validators};
pub use inventory::{Inventories, InventoryRecord};
pub use layer::{LayerOutcome, Layers};
pub use life::{Life, LifeRecord, WorkloadKey};
pub use link::{LinkKind, LinkRecord, Links};
pub use manifest::{ChildKind, ChildLink, ManifestPut, ManifestRecord, Manifests};
pub use node_check::{NodeCheckRecord, NodeChecks, NodeFinding, NodeFindingLevel};
pub use pull::{InvalidPullCursor, PullCursor, PullNode, PullPage, PullRecord, Pulls};
use recent::RecentRing;
pub use recent::{Changed, Changes, Recent};
use record::Record;
pub use scan_request::{
    InvalidScanRequestCursor, ScanRequestCursor, ScanRequestPage, ScanRequestRecord, ScanRequestState, ScanRequests,
};
pub use session::{MOST as MOST_SESSIONS, SessionOrigin, SessionRecord, Sessions};
pub use stamp::{StampRecord, Stamps};
pub use tag::{TagRecord, Tags};
pub use token::{TokenRecord, TokenRole, Tokens};
pub use touched::{Touch, Touched, TouchedRow};
pub use user::PackageUsers;
pub use webhook::{
    DeliveryOutcome, Gathered, WebhookDelivery, WebhookFailure, WebhookMark, WebhookMarks, WebhookRecord, Webhooks,
};

/// A handle on the index; clones share it. Its methods block, see [`Index::run`].
#[derive(Clone)]
pub struct Index {
    engine: Arc<dyn Engine>,
    locks: Arc<Locks>,
    recent: Arc<RecentRing>,
    door: Arc<Semaphore>,
}

/// One lock for each group of rows that is read before it is written. They guard no memory, so a poisoned one is as
/// good as any.
#[derive(Default)]
struct Locks {
    /// Taken before `inventories`, `findings` and `tags` where an image is removed.
    images: Mutex<()>,
    inventories: Mutex<()>,
    /// Taken before `cves` where both are.
    findings: Mutex<()>,
    tags: Mutex<()>,
    /// Taken before `cves` where both are.
    advisories: Mutex<()>,
    cves: Mutex<()>,
    clusters: Mutex<()>,
    life: Mutex<()>,
    pulls: Mutex<()>,
    tokens: Mutex<()>,
    /// Taken before `audit` where both are.
    exceptions: Mutex<()>,
    audit: Mutex<()>,
    scan_requests: Mutex<()>,
    webhooks: Mutex<()>,
    sessions: Mutex<()>,
}

impl Index {
    /// Opens or creates the index in a directory of its own.
    ///
    /// # Errors
    /// [`IndexError::InUse`], [`IndexError::Damaged`], [`IndexError::Newer`] and [`IndexError::Open`], as they say.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        Format::check(path)?;
        let index = Self::new(Arc::new(RocksEngine::open(path)?));
        Format::raise(path)?;
        Ok(index)
    }

    /// Opens an index as it is now to read it, while another process may be writing it. Writes fail.
    ///
    /// # Errors
    /// As [`Index::open`], except for [`IndexError::InUse`].
    pub fn open_read_only(path: &Path) -> Result<Self, IndexError> {
        Format::check(path)?;
        Ok(Self::new(Arc::new(RocksEngine::open_read_only(path)?)))
    }

    /// Makes a copy of the index as it is at one moment in `to`, a directory that is not there yet. Files that never change are linked
    /// where that is the same file system, so that the copy takes little time and little room until the index moves on.
    ///
    /// # Errors
    /// [`IndexError::Checkpoint`]: the copy cannot be made, or the engine keeps nothing on disk.
    pub fn checkpoint(&self, to: &Path) -> Result<(), IndexError> {
        self.engine.checkpoint(to)
    }

    /// The same of the index in `path`, which no process has open. It is left as the version that wrote it can open it.
    ///
    /// # Errors
    /// As [`Index::open`] and [`Index::checkpoint`].
    pub fn checkpoint_at_rest(path: &Path, to: &Path) -> Result<(), IndexError> {
        Format::check(path)?;
        RocksEngine::open_as_it_is(path)?.checkpoint(to)
    }

    /// An index that lives as long as its last handle.
    pub fn in_memory() -> Self {
        Self::new(Arc::new(MemoryEngine::default()))
    }

    /// An index over any engine.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, locks: Arc::default(), recent: Arc::default(), door: Arc::new(Semaphore::new(door::DOOR_WIDTH)) }
    }

    /// Makes everything written so far survive a loss of power; the last step of a shutdown.
    pub fn sync(&self) -> Result<(), IndexError> {
        self.engine.sync()
    }

    /// Manifests, byte for byte.
    pub fn manifests(&self) -> Manifests<'_> {
        Manifests::new(self)
    }

    /// Which repository holds which digest.
    pub fn links(&self) -> Links<'_> {
        Links::new(self)
    }

    /// Tags.
    pub fn tags(&self) -> Tags<'_> {
        Tags::new(self)
    }

    /// Which digests stand for the same image: index, manifest, config.
    pub fn aliases(&self) -> Aliases<'_> {
        Aliases::new(self)
    }

    /// Images: platform manifests with the state of their scan.
    pub fn images(&self) -> Images<'_> {
        Images::new(self)
    }

    /// What was read from layers, and which images use them.
    pub fn layers(&self) -> Layers<'_> {
        Layers::new(self)
    }

    /// What images hold.
    pub fn inventories(&self) -> Inventories<'_> {
        Inventories::new(self)
    }

    /// Which images hold a package that advisories speak of.
    pub fn package_users(&self) -> PackageUsers<'_> {
        PackageUsers::new(self)
    }

    /// What matching found.
    pub fn findings(&self) -> Findings<'_> {
        Findings::new(self)
    }

    /// What opened, changed and closed.
    pub fn events(&self) -> Events<'_> {
        Events::new(self)
    }

    /// Advisories and the feeds they came from.
    pub fn advisories(&self) -> Advisories<'_> {
        Advisories::new(self)
    }

    /// What is known of CVEs beside the advisories.
    pub fn cves(&self) -> Cves<'_> {
        Cves::new(self)
    }

    /// What became known of exploitation and is still to be told.
    pub fn exploitation_changes(&self) -> ExploitationChanges<'_> {
        ExploitationChanges::new(self)
    }

    /// What imports touched and no match has answered yet.
    pub fn touched(&self) -> Touched<'_> {
        Touched::new(self)
    }

    /// What clusters hold.
    pub fn clusters(&self) -> Clusters<'_> {
        Clusters::new(self)
    }

    /// When a workload had an image.
    pub fn life(&self) -> Life<'_> {
        Life::new(self)
    }

    /// What nodes told of how they pull.
    pub fn node_checks(&self) -> NodeChecks<'_> {
        NodeChecks::new(self)
    }

    /// Which node asked for which image.
    pub fn pulls(&self) -> Pulls<'_> {
        Pulls::new(self)
    }

    /// Who may use the report, the API and the agents' door.
    pub fn tokens(&self) -> Tokens<'_> {
        Tokens::new(self)
    }

    /// What people have decided about findings and repositories.
    pub fn exceptions(&self) -> Exceptions<'_> {
        Exceptions::new(self)
    }

    /// Who did what.
    pub fn audit(&self) -> Audit<'_> {
        Audit::new(self)
    }

    /// Who is signed in to the console.
    pub fn sessions(&self) -> Sessions<'_> {
        Sessions::new(self)
    }

    /// Requests to scan an image.
    pub fn scan_requests(&self) -> ScanRequests<'_> {
        ScanRequests::new(self)
    }

    /// What webhooks have been told, and what waits to be.
    pub fn webhooks(&self) -> Webhooks<'_> {
        Webhooks::new(self)
    }

    /// What changed lately, from memory.
    pub fn recent(&self) -> Recent<'_> {
        Recent::new(self)
    }

    /// Small named values.
    pub fn stamps(&self) -> Stamps<'_> {
        Stamps::new(self)
    }

    fn get<R: Record>(&self, table: Table, key: &[u8]) -> Result<Option<R>, IndexError> {
        let row = self.engine.get(table, key)?;
        Ok(row.map(|bytes| record::decode(table, key, &bytes)).transpose()?)
    }

    fn rows(&self, scan: Scan) -> Rows<'_> {
        Rows::new(self.engine.as_ref(), scan)
    }

    fn write(&self, batch: Batch) -> Result<(), IndexError> {
        if batch.is_empty() {
            return Ok(());
        }
        let digests = recent::digests(&batch);
        self.engine.write(batch)?;
        self.recent.note(digests);
        Ok(())
    }
}

fn lock(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number after the last of a table whose rows have numbers and are never removed; the first is 1.
fn next_number(index: &Index, table: Table) -> Result<u64, IndexError> {
    let last = index.rows(Scan::prefix(table, Vec::new()).keys_only().backward()).next().transpose()?;
    let last: Option<u64> = last.map(|row| decode_key(table, &row.key)).transpose()?;
    Ok(last.unwrap_or_default() + 1)
}

/// The components of a row's key; what is no key of this table is damage.
fn decode_key<K: key::DecodeKey>(table: Table, bytes: &[u8]) -> Result<K, RecordError> {
    key::decode(bytes).ok_or_else(|| RecordError::damaged(table.name(), bytes, "not a key of this table"))
}
