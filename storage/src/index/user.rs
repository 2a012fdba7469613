//! Which images hold a package, by the names advisories know it under: where a changed advisory is looked for again.
//!
//! Rows are written with the inventory they are read from. A package's release is not part of its key, since a record
//! speaks for several.

use weir_scanner::finding::questions;
use weir_scanner::image::ImageInventory;
use weir_scanner::oci::Digest;

use super::engine::{Batch, Scan, Table};
use super::{Index, IndexError, decode_key, key};

/// The table of images by package.
pub struct PackageUsers<'a> {
    index: &'a Index,
}

impl<'a> PackageUsers<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// Every image with a package, by the ecosystem's name without its release and the package's key. Rows are read as the
    /// iterator advances.
    pub fn of_package(&self, ecosystem: &str, package: &str) -> impl Iterator<Item = Result<Digest, IndexError>> + 'a {
        self.digests(key::encode(&(ecosystem, package)))
    }

    /// Every image with a package of an ecosystem, once for each such package.
    pub fn of_ecosystem(&self, ecosystem: &str) -> impl Iterator<Item = Result<Digest, IndexError>> + 'a {
        self.digests(key::encode(ecosystem))
    }

    fn digests(&self, prefix: Vec<u8>) -> impl Iterator<Item = Result<Digest, IndexError>> + 'a {
        self.index.rows(Scan::prefix(Table::PackageUsers, prefix).keys_only()).map(|row| {
            let (_, _, digest): (String, String, Digest) = decode_key(Table::PackageUsers, &row?.key)?;
            Ok(digest)
        })
    }

    /// Adds the difference between two inventories of an image, or their lack, to a batch.
    pub(super) fn change(
        batch: &mut Batch,
        manifest: &Digest,
        old: Option<&ImageInventory>,
        new: Option<&ImageInventory>,
    ) {
        let [old, new] = [old, new].map(|inventory| inventory.map(questions).unwrap_or_default());
        let key = |(ecosystem, package): &(String, String)| key::encode(&(ecosystem, package, manifest));
        for gone in old.difference(&new) {
            batch.delete(Table::PackageUsers, key(gone));
        }
        for come in new.difference(&old) {
            batch.put(Table::PackageUsers, key(come), Vec::new());
        }
    }

    /// Writes an image's rows, whatever was there: those of an inventory that an earlier version stored.
    pub fn restore(&self, manifest: &Digest, inventory: &ImageInventory) -> Result<(), IndexError> {
        let mut batch = Batch::new();
        Self::change(&mut batch, manifest, None, Some(inventory));
        self.index.write(batch)
    }
}
