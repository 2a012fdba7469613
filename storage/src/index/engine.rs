//! The seam between the index and what keeps its bytes: ordered keys, atomic batches, pages of rows.
//!
//! Owns the [`Engine`] trait and the list of tables. Answerers are [`RocksEngine`] on disk and [`MemoryEngine`] without
//! one; what keys and values mean is left to the tables above. Invariants every answerer keeps: keys are ordered as
//! bytes, a batch is visible wholly or not at all, and a batch that returned `Ok` survives the death of the process
//! (for [`MemoryEngine`], nothing does).

#[cfg(any(test, feature = "fixture"))]
mod faulty;
mod memory;
mod rocks;

#[cfg(any(test, feature = "fixture"))]
pub use faulty::FaultyEngine;
pub use memory::MemoryEngine;
pub use rocks::RocksEngine;

use std::path::Path;

use super::IndexError;

/// Declares [`Table`] with its names, so that the list and the names cannot drift apart.
macro_rules! tables {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A table: one ordered space of keys, RocksDB's column family. The names are on disk.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Table { $($(#[$doc])* $variant,)* }

        impl Table {
            /// Every table.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name on disk and in errors.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

tables! {
    /// name → small value with a time.
    Stamps = "stamps",
    /// digest → manifest.
    Manifests = "manifests",
    /// (upstream, repository, digest) → that the repository holds the digest.
    Links = "links",
    /// (digest, upstream, repository): the second order of links.
    Holders = "holders",
    /// (upstream, repository, tag) → digest.
    Tags = "tags",
    /// (child, parent) → edge.
    AliasParents = "alias_parents",
    /// (parent, child) → edge.
    AliasChildren = "alias_children",
    /// manifest digest → image.
    Images = "images",
    /// (newest first, digest): the order of images.
    ImageOrder = "image_order",
    /// (status, newest first, digest): images by status.
    ImageStatus = "image_status",
    /// (layer, manifest): which images use a layer.
    LayerUsers = "layer_users",
    /// (layer, fingerprint) → outcome of reading it.
    Layers = "layers",
    /// (diff id, layer): layers with the same files.
    LayerTwins = "layer_twins",
    /// manifest digest → folded inventory.
    ImageInventories = "image_inventories",
    /// manifest digest → findings.
    Findings = "findings",
    /// (ecosystem name, package, manifest digest): which images are asked about a package.
    PackageUsers = "package_users",
    /// number → what one matching changed.
    Events = "events",
    /// (manifest digest, number): an image's events.
    ImageEvents = "image_events",
    /// id → advisory.
    Advisories = "advisories",
    /// (ecosystem name, package, id).
    AdvisoryPackages = "advisory_packages",
    /// (any name of a vulnerability, id).
    AdvisoryNames = "advisory_names",
    /// (ecosystem folder, id) → generation of the import that last saw it.
    AdvisoryMembers = "advisory_members",
    /// ecosystem folder → state of its imports.
    AdvisoryImports = "advisory_imports",
    /// (ecosystem name, release) → feed.
    Feeds = "feeds",
    /// ecosystem folder → which note of it: all it speaks of is to be matched again.
    TouchedFolders = "touched_folders",
    /// (ecosystem name, package) → which note of it: packages to match again.
    Touched = "touched",
    /// any name of a vulnerability → which note of it.
    TouchedNames = "touched_names",
    /// (source, generation, CVE) → what the source says of it.
    Cves = "cves",
    /// source → state of its refreshes.
    CveSources = "cve_sources",
    /// CVE → that it became known to be exploited, or is no longer, and of which images that was told.
    ExploitationChanges = "exploitation_changes",
    /// cluster → who watches it, and how fresh it is.
    Clusters = "clusters",
    /// (cluster, kind, namespace, name) → pod, node or owner.
    ClusterObjects = "cluster_objects",
    /// (cluster, namespace, group, kind, name, manifest digest) → when the workload ran the image.
    WorkloadLife = "workload_life",
    /// (manifest digest, cluster, namespace, group, kind, name): the second order of it.
    ImageLife = "image_life",
    /// (cluster, node) → what the node last told of how it pulls.
    NodeChecks = "node_checks",
    /// number → one pull.
    Pulls = "pulls",
    /// (digest asked for, number): an image's pulls.
    ImagePulls = "image_pulls",
    /// id → token.
    Tokens = "tokens",
    /// id → session.
    Sessions = "sessions",
    /// id → request to scan an image.
    ScanRequests = "scan_requests",
    /// (newest first, id): the order of requests.
    ScanRequestOrder = "scan_request_order",
    /// name → how far a webhook is.
    Webhooks = "webhooks",
    /// (name, number) → what waits to be sent to a webhook.
    WebhookDeliveries = "webhook_deliveries",
    /// (name, kind, subject) → number: what a webhook has been told.
    WebhookMarks = "webhook_marks",
    /// number → exception.
    Exceptions = "exceptions",
    /// number of an exception → how it was cancelled.
    ExceptionCancellations = "exception_cancellations",
    /// id of a VEX document → the version of it that was imported last.
    VexDocuments = "vex_documents",
    /// number → what somebody did.
    Audit = "audit",
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The whole key.
    pub key: Vec<u8>,
    /// The value; empty where only keys were asked for.
    pub value: Vec<u8>,
}

/// Which way rows come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest key first.
    Forward,
    /// Largest key first.
    Backward,
}

/// A question for rows: those of `table` whose key begins with `prefix`, beyond `after`, in `direction`.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The table.
    pub table: Table,
    /// What every key begins with; empty for the whole table.
    pub prefix: Vec<u8>,
    /// The key to start after (before, when backward); it is not part of the answer.
    pub after: Option<Vec<u8>>,
    /// Which way.
    pub direction: Direction,
    /// Whether values are wanted.
    pub values: bool,
}

impl Scan {
    /// All rows under a prefix, forward, with values.
    pub fn prefix(table: Table, prefix: Vec<u8>) -> Self {
        Self { table, prefix, after: None, direction: Direction::Forward, values: true }
    }

    /// Starts beyond this key.
    pub fn after(self, after: Option<Vec<u8>>) -> Self {
        Self { after, ..self }
    }

    /// Leaves values out.
    pub fn keys_only(self) -> Self {
        Self { values: false, ..self }
    }

    /// Largest key first.
    pub fn backward(self) -> Self {
        Self { direction: Direction::Backward, ..self }
    }
}

/// A bounded piece of the answer to a [`Scan`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowPage {
    /// The rows, in the scan's direction.
    pub rows: Vec<Row>,
    /// Whether rows may follow the last one. Never set on a page without rows.
    pub more: bool,
}

/// A page ends once it holds this many bytes, whatever limit was given; it always holds at least one row.
pub const PAGE_BYTES: usize = 1 << 20;

/// Rows read at a time by [`Rows`].
const PAGE_ROWS: usize = 256;

/// What a batch must outlive before its write returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The process: the log has reached the kernel. What is lost with the machine's power can be fetched,
    /// scanned or imported again, and nothing written later survives what was written earlier.
    #[default]
    Process,
    /// The machine: the log was synced. For what nobody can fetch again, and for marks that say "all is in".
    Machine,
}

/// One row's change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The table.
    pub table: Table,
    /// The whole key.
    pub key: Vec<u8>,
    /// The new value; `None` removes the row.
    pub value: Option<Vec<u8>>,
}

/// Changes that become visible together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    changes: Vec<Change>,
    durability: Durability,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a row.
    pub fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.changes.push(Change { table, key, value: Some(value) });
    }

    /// Removes a row, present or not.
    pub fn delete(&mut self, table: Table, key: Vec<u8>) {
        self.changes.push(Change { table, key, value: None });
    }

    /// Makes the write return only once it would survive a loss of power, with everything written before it.
    pub fn durable(mut self) -> Self {
        self.durability = Durability::Machine;
        self
    }

    /// The changes, in order: a later change of the same key wins.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What the write must outlive.
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// How many changes.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// What keeps the index's bytes. Calls block for as long as a disk takes.
pub trait Engine: Send + Sync + 'static {
    /// The value under a key.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError>;

    /// Up to `limit` rows of a scan, fewer where [`PAGE_BYTES`] are reached. Pages of one scan are separate reads:
    /// rows written between them may appear.
    fn page(&self, scan: &Scan, limit: usize) -> Result<RowPage, IndexError>;

    /// Writes all changes of a batch, or none.
    fn write(&self, batch: Batch) -> Result<(), IndexError>;

    /// Makes everything written so far survive a loss of power.
    fn sync(&self) -> Result<(), IndexError>;

    /// Copies everything as it is at one moment into `to`, a directory that is not there yet and that this engine can open. Not every
    /// engine can.
    fn checkpoint(&self, to: &Path) -> Result<(), IndexError> {
        Err(IndexError::Checkpoint { path: to.to_owned(), source: "this engine keeps no files".into() })
    }
}

/// All rows of a scan, read page by page: memory stays at one page however long the scan is.
pub struct Rows<'a> {
    engine: &'a dyn Engine,
    scan: Scan,
    page: std::vec::IntoIter<Row>,
    more: bool,
}

impl<'a> Rows<'a> {
    /// Begins a scan.
    pub fn new(engine: &'a dyn Engine, scan: Scan) -> Self {
        Self { engine, scan, page: Vec::new().into_iter(), more: true }
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, IndexError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.page.next() {
                return Some(Ok(row));
            }
            if !self.more {
                return None;
            }
            match self.engine.page(&self.scan, PAGE_ROWS) {
                Ok(page) => {
                    self.more = page.more;
                    if let Some(last) = page.rows.last() {
                        self.scan.after = Some(last.key.clone());
                    }
                    self.page = page.rows.into_iter();
                }
                Err(error) => {
                    self.more = false;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// The smallest key greater than every key with this prefix; `None` where there is none.
fn beyond(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut bound = prefix[..=last].to_vec();
    bound[last] += 1;
    Some(bound)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// What every engine must do; `engine` is empty.
    fn engine_suite(engine: &dyn Engine) {
        let table = Table::Stamps;
        assert_eq!(engine.get(table, b"a").unwrap(), None);

        let mut batch = Batch::new();
        for key in [b"a".as_slice(), b"b", b"b\x00", b"ba", b"b\xff", b"b\xff\xff", b"c"] {
            batch.put(table, key.to_vec(), key.to_vec());
        }
        batch.put(Table::Tags, b"b".to_vec(), b"elsewhere".to_vec());
        engine.write(batch).unwrap();
        assert_eq!(engine.get(table, b"b\x00").unwrap().unwrap(), b"b\x00");
        assert_eq!(engine.get(Table::Tags, b"b").unwrap().unwrap(), b"elsewhere");

        let keys = |scan: Scan| -> Vec<Vec<u8>> { Rows::new(engine, scan).map(|row| row.unwrap().key).collect() };
        let under_b = [b"b".as_slice(), b"b\x00", b"ba", b"b\xff", b"b\xff\xff"];
        let scan = Scan::prefix(table, b"b".to_vec());
        assert_eq!(keys(scan.clone()), under_b);
        assert_eq!(keys(scan.clone().backward()), under_b.iter().rev().copied().collect::<Vec<_>>());
        assert_eq!(keys(scan.clone().after(Some(b"ba".to_vec()))), under_b[3..]);
        assert_eq!(keys(scan.clone().after(Some(b"bb".to_vec()))), under_b[3..], "a start that is no key");
        assert_eq!(keys(scan.clone().backward().after(Some(b"ba".to_vec()))), [b"b\x00".as_slice(), b"b"]);
        assert_eq!(keys(scan.clone().after(Some(b"a".to_vec()))), under_b, "a start before the prefix");
        assert!(keys(scan.clone().after(Some(b"z".to_vec()))).is_empty(), "a start beyond the prefix");
        assert_eq!(keys(scan.clone().backward().after(Some(b"z".to_vec()))).len(), 5);
        assert!(keys(scan.clone().backward().after(Some(b"a".to_vec()))).is_empty());
        assert_eq!(keys(Scan::prefix(table, b"b\xff".to_vec())).len(), 2);
        assert_eq!(keys(Scan::prefix(table, Vec::new()).backward()).len(), 7);
        assert!(keys(Scan::prefix(Table::Manifests, Vec::new())).is_empty());
        assert!(keys(Scan::prefix(table, b"\xff".to_vec()).backward()).is_empty());

        let page = engine.page(&scan, 2).unwrap();
        assert_eq!((page.rows.len(), page.more), (2, true));
        assert_eq!(page.rows[0].value, b"b");
        let page = engine.page(&scan.clone().keys_only(), 5).unwrap();
        assert!(page.rows.iter().all(|row| row.value.is_empty()));
        assert!(!engine.page(&scan.clone().after(Some(b"b\xff".to_vec())), 5).unwrap().more);

        let mut batch = Batch::new();
        batch.delete(table, b"a".to_vec());
        batch.put(table, b"c".to_vec(), b"first".to_vec());
        batch.put(table, b"c".to_vec(), b"last".to_vec());
        batch.delete(table, b"absent".to_vec());
        engine.write(batch.durable()).unwrap();
        assert_eq!(engine.get(table, b"a").unwrap(), None);
        assert_eq!(engine.get(table, b"c").unwrap().unwrap(), b"last");

        let mut batch = Batch::new();
        for number in 0..1000_u32 {
            batch.put(Table::Links, number.to_be_bytes().to_vec(), vec![7; 4096]);
        }
        engine.write(batch).unwrap();
        let page = engine.page(&Scan::prefix(Table::Links, Vec::new()), 1000).unwrap();
        assert!(page.more && page.rows.len() < 300, "a page is bounded in bytes, got {}", page.rows.len());
        assert_eq!(keys(Scan::prefix(Table::Links, Vec::new())).len(), 1000);
        engine.sync().unwrap();
    }

    #[test]
    fn the_memory_engine_keeps_the_contract() {
        engine_suite(&MemoryEngine::default());
    }

    #[test]
    fn the_rocks_engine_keeps_the_contract() {
        let directory = tempfile::tempdir().unwrap();
        engine_suite(&RocksEngine::open(&directory.path().join("index")).unwrap());
    }

    #[test]
    fn a_faulty_engine_fails_when_told_and_writes_nothing_then() {
        let engine = FaultyEngine::new(Arc::new(MemoryEngine::default()));
        engine_suite(&engine);
        engine.fail_writes(true);
        let mut batch = Batch::new();
        batch.put(Table::Stamps, b"new".to_vec(), Vec::new());
        assert!(matches!(engine.write(batch.clone()), Err(IndexError::Write { .. })));
        assert_eq!(engine.get(Table::Stamps, b"new").unwrap(), None);
        engine.fail_writes(false);
        engine.fail_writes_after(1);
        engine.write(batch.clone()).unwrap();
        assert!(engine.write(batch).is_err());
        engine.fail_reads(true);
        assert!(matches!(engine.get(Table::Stamps, b"new"), Err(IndexError::Read { table: "stamps", .. })));
        assert!(Rows::new(&engine, Scan::prefix(Table::Stamps, Vec::new())).next().unwrap().is_err());
    }
}
