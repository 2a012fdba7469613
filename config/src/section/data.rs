//! Owns `[data]`: where everything is kept and how much of it.

use std::path::PathBuf;

use crate::reader::Table;
use crate::size::ByteSize;

/// Where weir keeps its data.
#[derive(Clone, Debug)]
pub struct DataSection {
    /// The one directory that holds all of it.
    pub directory: PathBuf,
    /// How much disk stored blobs may take; over 0.
    pub blob_budget: ByteSize,
}

pub(crate) fn read(table: &mut Table<'_>) -> Option<DataSection> {
    let directory = table.path("directory");
    let blob_budget = table.positive_size("blob_budget");
    Some(DataSection { directory: directory?, blob_budget: blob_budget? })
}
