//! Layers: what reading each of them gave, by layer digest and detectors, and which images use them.
//!
//! A layer is read once. The same files compressed anew are another digest with the same diff id, a twin, whose
//! inventory serves as well.

use weir_scanner::layer::{LayerInventory, Reason};
use weir_scanner::oci::Digest;

use super::engine::{Batch, Scan, Table};
use super::{Index, IndexError, decode_key, key, record};

/// What reading a layer gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerOutcome {
    /// It was read, to its end or as far as the inventory's reasons say.
    Read(LayerInventory),
    /// This version will never read it: foreign, encrypted, no tar.
    Unsupported(Reason),
    /// It was tried and could not be read, or could not be had.
    Failed(Reason),
}

/// Twins asked at most: a diff id is the layer's own, and builders repack it a few times.
const MAX_TWINS: usize = 64;

/// The table of layers.
pub struct Layers<'a> {
    index: &'a Index,
}

impl<'a> Layers<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// What the detectors with this fingerprint read from a layer.
    pub fn get(&self, layer: &Digest, fingerprint: &str) -> Result<Option<LayerOutcome>, IndexError> {
        self.index.get(Table::Layers, &key::encode(&(layer, fingerprint)))
    }

    /// Keeps what was read from a layer; what other detectors read from it before goes in the same batch.
    pub fn put(&self, layer: &Digest, fingerprint: &str, outcome: &LayerOutcome) -> Result<(), IndexError> {
        let key = key::encode(&(layer, fingerprint));
        let mut batch = Batch::new();
        for row in self.index.rows(Scan::prefix(Table::Layers, key::encode(layer)).keys_only()) {
            let old = row?.key;
            if old != key {
                batch.delete(Table::Layers, old);
            }
        }
        if let LayerOutcome::Read(inventory) = outcome {
            batch.put(Table::LayerTwins, key::encode(&(inventory.diff_id, layer)), Vec::new());
        }
        batch.put(Table::Layers, key, record::encode(outcome));
        self.index.write(batch)
    }

    /// What a layer with the same files gave, read to its end by these detectors: its digest and inventory. `diff_id` is
    /// the digest of the uncompressed layer.
    pub fn twin(&self, diff_id: &Digest, fingerprint: &str) -> Result<Option<(Digest, LayerInventory)>, IndexError> {
        for layer in self.twins(diff_id, MAX_TWINS)? {
            match self.get(&layer, fingerprint)? {
                Some(LayerOutcome::Read(inventory)) if inventory.is_complete() && inventory.diff_id == *diff_id => {
                    return Ok(Some((layer, inventory)));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Up to `limit` layers that were read and hold the same files, by their digests. `diff_id` is the digest of the uncompressed layer.
    pub fn twins(&self, diff_id: &Digest, limit: usize) -> Result<Vec<Digest>, IndexError> {
        let scan = Scan::prefix(Table::LayerTwins, key::encode(diff_id)).keys_only();
        let twins = self.index.rows(scan).take(limit).map(|row| {
            let (_, layer): (Digest, Digest) = decode_key(Table::LayerTwins, &row?.key)?;
            Ok(layer)
        });
        twins.collect()
    }

    /// Up to `limit` manifests that use a layer, by digest.
    pub fn users(&self, layer: &Digest, limit: usize) -> Result<Vec<Digest>, IndexError> {
        let scan = Scan::prefix(Table::LayerUsers, key::encode(layer)).keys_only();
        let users = self.index.rows(scan).take(limit).map(|row| {
            let (_, manifest): (Digest, _) = decode_key(Table::LayerUsers, &row?.key)?;
            Ok(manifest)
        });
        users.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use weir_scanner::layer::{PathHash, PathKind, ReasonCode};

    use super::*;

    fn inventory(diff_id: &[u8], paths: u64) -> LayerInventory {
        LayerInventory {
            diff_id: Digest::of(diff_id),
            uncompressed_bytes: 1,
            // Spread over the whole range, as hashes are.
            paths: (0..paths).map(|n| (PathHash(n.wrapping_mul(u64::MAX / paths.max(1))), PathKind::File)).collect(),
            symlinks: BTreeMap::new(),
            hardlinks: BTreeMap::new(),
            facts: BTreeMap::from([("var/lib/dpkg/status".to_owned(), Vec::new())]),
            reasons: Vec::new(),
        }
    }

    #[test]
    fn a_layer_is_known_to_the_detectors_that_read_it_and_the_old_reading_goes() {
        let index = Index::in_memory();
        let (layer, other) = (Digest::of(b"layer"), Digest::of(b"other"));
        let outcome = LayerOutcome::Read(inventory(b"tar", 3));
        index.layers().put(&other, "v1", &outcome).unwrap();
        index.layers().put(&layer, "v1", &outcome).unwrap();
        assert_eq!(index.layers().get(&layer, "v1").unwrap(), Some(outcome.clone()));
        assert_eq!(index.layers().get(&layer, "v2").unwrap(), None);
        let failed = LayerOutcome::Failed(Reason::new(ReasonCode::FetchFailed, "cut"));
        index.layers().put(&layer, "v2", &failed).unwrap();
        assert_eq!(index.layers().get(&layer, "v1").unwrap(), None);
        assert_eq!(index.layers().get(&layer, "v2").unwrap(), Some(failed));
        assert_eq!(index.layers().get(&other, "v1").unwrap(), Some(outcome));
    }

    #[test]
    fn a_twin_serves_only_when_it_was_read_to_its_end() {
        let index = Index::in_memory();
        let mut partial = inventory(b"tar", 1);
        partial.reasons.push(Reason::new(ReasonCode::LayerTooLarge, "too large"));
        index.layers().put(&Digest::of(b"gzip"), "v1", &LayerOutcome::Read(partial)).unwrap();
        assert_eq!(index.layers().twin(&Digest::of(b"tar"), "v1").unwrap(), None);
        let whole = inventory(b"tar", 1);
        index.layers().put(&Digest::of(b"zstd"), "v1", &LayerOutcome::Read(whole.clone())).unwrap();
        assert_eq!(index.layers().twin(&Digest::of(b"tar"), "v1").unwrap(), Some((Digest::of(b"zstd"), whole)));
        assert_eq!(index.layers().twin(&Digest::of(b"tar"), "v2").unwrap(), None);
        assert_eq!(index.layers().twin(&Digest::of(b"another"), "v1").unwrap(), None);
    }

    #[test]
    fn a_hundred_thousand_paths_fit_in_a_megabyte() {
        assert!(record::encode(&LayerOutcome::Read(inventory(b"tar", 100_000))).len() <= 1_000_000);
    }
}
