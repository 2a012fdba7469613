//! An engine that fails on request, for tests of what the mirror does without its index.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use super::{Batch, Engine, IndexError, RowPage, Scan, Table};

/// Passes everything to another engine until told to fail. A write that fails changes nothing.
pub struct FaultyEngine {
    inner: Arc<dyn Engine>,
    reads_fail: AtomicBool,
    writes_fail: AtomicBool,
    /// Writes left before they fail; negative for no such limit.
    writes_left: AtomicI64,
}

impl FaultyEngine {
    /// Wraps an engine.
    pub fn new(inner: Arc<dyn Engine>) -> Self {
        Self {
            inner,
            reads_fail: AtomicBool::new(false),
            writes_fail: AtomicBool::new(false),
            writes_left: AtomicI64::new(-1),
        }
    }

    /// Makes every read fail, or lets them pass again.
    pub fn fail_reads(&self, fail: bool) {
        self.reads_fail.store(fail, Ordering::SeqCst);
    }

    /// Makes every write fail, or lets them pass again; a count set before is forgotten.
    pub fn fail_writes(&self, fail: bool) {
        self.writes_left.store(-1, Ordering::SeqCst);
        self.writes_fail.store(fail, Ordering::SeqCst);
    }

    /// Lets this many writes pass, then fails every one.
    pub fn fail_writes_after(&self, writes: u32) {
        self.writes_left.store(i64::from(writes), Ordering::SeqCst);
    }

    fn check_read(&self, table: Table) -> Result<(), IndexError> {
        if self.reads_fail.load(Ordering::SeqCst) {
            return Err(IndexError::Read { table: table.name(), source: "a fault was injected".into() });
        }
        Ok(())
    }
}

impl Engine for FaultyEngine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        self.check_read(table)?;
        self.inner.get(table, key)
    }

    fn page(&self, scan: &Scan, limit: usize) -> Result<RowPage, IndexError> {
        self.check_read(scan.table)?;
        self.inner.page(scan, limit)
    }

    fn write(&self, batch: Batch) -> Result<(), IndexError> {
        let countdown =
            self.writes_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| (left > 0).then(|| left - 1));
        if self.writes_fail.load(Ordering::SeqCst) || countdown == Err(0) {
            return Err(IndexError::Write { source: "a fault was injected".into() });
        }
        self.inner.write(batch)
    }

    fn sync(&self) -> Result<(), IndexError> {
        self.inner.sync()
    }

    fn checkpoint(&self, to: &Path) -> Result<(), IndexError> {
        self.inner.checkpoint(to)
    }
}
