//! Owns `[scan]`: limits of reading layers and of fetching those no client asked for.

use crate::reader::Table;
use crate::size::ByteSize;

/// The limits of scanning.
#[derive(Clone, Debug)]
pub struct ScanSection {
    /// The largest single file inside a layer that is read; over 0.
    pub max_file_size: ByteSize,
    /// How many layers are fetched in the background at once; from 1 to 64.
    pub fetch_concurrency: usize,
    /// How many bytes background fetches may take per hour; 0 turns them off.
    pub fetch_budget: ByteSize,
}

pub(crate) fn read(table: &mut Table<'_>) -> Option<ScanSection> {
    let max_file_size = table.positive_size("max_file_size");
    let fetch_concurrency = table.number("fetch_concurrency", 1, 64);
    let fetch_budget = table.size("fetch_budget");
    Some(ScanSection {
        max_file_size: max_file_size?,
        fetch_concurrency: fetch_concurrency?.into(),
        fetch_budget: fetch_budget?,
    })
}
