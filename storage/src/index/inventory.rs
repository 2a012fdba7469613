//! Image inventories: what an image holds once its layers are folded.

use weir_scanner::image::ImageInventory;
use weir_scanner::oci::Digest;

use super::engine::{Batch, Table};
use super::{Index, IndexError, PackageUsers, key, lock, record};

/// An image's inventory with its maker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryRecord {
    /// The fingerprint of the detectors that read the layers.
    pub fingerprint: String,
    /// What the image holds.
    pub inventory: ImageInventory,
}

/// The table of image inventories.
pub struct Inventories<'a> {
    index: &'a Index,
}

impl<'a> Inventories<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// The inventory of an image, by its manifest's digest.
    pub fn get(&self, manifest: &Digest) -> Result<Option<InventoryRecord>, IndexError> {
        self.index.get(Table::ImageInventories, &key::encode(manifest))
    }

    /// Keeps the inventory of an image, and under which names its packages are asked about.
    pub fn put(&self, manifest: &Digest, inventory: &InventoryRecord) -> Result<(), IndexError> {
        let _guard = lock(&self.index.locks.inventories);
        let old = self.get(manifest)?;
        let mut batch = Batch::new();
        let old = old.as_ref().map(|old| &old.inventory);
        PackageUsers::change(&mut batch, manifest, old, Some(&inventory.inventory));
        batch.put(Table::ImageInventories, key::encode(manifest), record::encode(inventory));
        self.index.write(batch)
    }
}
