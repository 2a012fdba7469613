//! An engine in memory: the reference for what an engine does, and the index of commands that keep nothing.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

use super::{Batch, Change, Direction, Engine, IndexError, PAGE_BYTES, Row, RowPage, Scan, Table, beyond};

type Keys = BTreeMap<Vec<u8>, Vec<u8>>;

/// Keeps every table in an ordered map. Nothing outlives the process.
#[derive(Debug, Default)]
pub struct MemoryEngine {
    // A poisoned lock is taken all the same: no code that can panic runs between two changes of a batch.
    tables: RwLock<BTreeMap<Table, Keys>>,
}

impl Engine for MemoryEngine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        Ok(tables.get(&table).and_then(|keys| keys.get(key)).cloned())
    }

    fn page(&self, scan: &Scan, limit: usize) -> Result<RowPage, IndexError> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        let Some(keys) = tables.get(&scan.table) else { return Ok(RowPage { rows: Vec::new(), more: false }) };
        let upper = beyond(&scan.prefix);
        let mut low = Bound::Included(scan.prefix.as_slice());
        let mut high = upper.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        if let Some(after) = scan.after.as_deref() {
            match scan.direction {
                Direction::Forward if after >= scan.prefix.as_slice() => low = Bound::Excluded(after),
                Direction::Backward if upper.as_deref().is_none_or(|upper| after < upper) => {
                    high = Bound::Excluded(after)
                }
                _ => {}
            }
        }
        if is_empty(low, high) {
            return Ok(RowPage { rows: Vec::new(), more: false });
        }
        let range = keys.range::<[u8], _>((low, high));
        Ok(match scan.direction {
            Direction::Forward => collect(range, scan.values, limit),
            Direction::Backward => collect(range.rev(), scan.values, limit),
        })
    }

    fn write(&self, batch: Batch) -> Result<(), IndexError> {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        for Change { table, key, value } in batch.changes {
            let keys = tables.entry(table).or_default();
            match value {
                Some(value) => keys.insert(key, value),
                None => keys.remove(&key),
            };
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), IndexError> {
        Ok(())
    }
}

/// Whether nothing lies between the bounds; a map's `range` panics on bounds in the wrong order.
fn is_empty(low: Bound<&[u8]>, high: Bound<&[u8]>) -> bool {
    match (low, high) {
        (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) => low >= high,
        _ => false,
    }
}

fn collect<'a>(rows: impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>, values: bool, limit: usize) -> RowPage {
    let (mut page, mut size) = (RowPage { rows: Vec::new(), more: false }, 0);
    for (key, value) in rows {
        if page.rows.len() >= limit || size >= PAGE_BYTES {
            page.more = !page.rows.is_empty();
            break;
        }
        let value = if values { value.clone() } else { Vec::new() };
        size += key.len() + value.len();
        page.rows.push(Row { key: key.clone(), value });
    }
    page
}
