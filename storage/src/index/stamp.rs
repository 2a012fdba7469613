//! Small named values: the schema, times of the last this and that.

use super::engine::{Batch, Table};
use super::{Index, IndexError, key, record};

/// A named value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StampRecord {
    /// A time in seconds since the epoch, or a number.
    pub at: i64,
    /// Bytes that are the writer's affair.
    pub value: Vec<u8>,
}

/// The table of stamps.
pub struct Stamps<'a> {
    index: &'a Index,
}

impl<'a> Stamps<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Result<Option<StampRecord>, IndexError> {
        self.index.get(Table::Stamps, &key::encode(name))
    }

    /// Sets the value of a name.
    pub fn put(&self, name: &str, at: i64, value: &[u8]) -> Result<(), IndexError> {
        let mut batch = Batch::new();
        batch.put(Table::Stamps, key::encode(name), record::encode(&StampRecord { at, value: value.to_vec() }));
        self.index.write(batch)
    }
}
