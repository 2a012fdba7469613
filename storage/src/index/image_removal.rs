//! Removing an image: everything that is known of it and of nothing else.
//!
//! Owns what goes and what stays, see [`Images::remove`]. Invariants, so that a removal cut short harms nobody and can
//! be done again: the first batch makes the image one that was never read, its row goes in the last, and what only
//! storing its manifest anew would bring back goes with the manifest.

use std::collections::{BTreeMap, BTreeSet};

use weir_scanner::image::ScanStatus;
use weir_scanner::oci::{Digest, Document, Repository};

use super::engine::{Batch, Scan, Table};
use super::error::intact;
use super::{
    EdgeKind, ImageRecord, Images, Index, IndexError, LayerOutcome, PackageUsers, TagRecord, alias, decode_key, image,
    key, link, lock, record,
};

/// Rows of one table removed together.
const BATCH_ROWS: usize = 512;
/// Indexes around indexes are followed this far, as the alias graph is.
const MAX_DEPTH: u8 = 4;

impl Images<'_> {
    /// Removes an image that is still `due` by its row: `false`, and nothing changed, where it is not or is unknown. No
    /// image is written meanwhile, and `due` must not use the index.
    ///
    /// Goes: its row with its places in every order; inventory and package users; findings and events; its manifest
    /// with its links, tags, edges to its configuration and users of its layers; of its layers and configuration, where
    /// no other manifest names them, the outcomes and the links in every repository. An index that names it goes
    /// likewise, with the attestations and the children never pulled that it alone names, where none of the other
    /// images it names is known here, be it only by a stored manifest.
    ///
    /// Stays: what another manifest shares, in every repository; an index with another child that is known, and its
    /// edge to the image, which is the index's word and not the image's: the image is then like a child that was never
    /// pulled. Pulls, lives of workloads and the blobs themselves have bounds of their own.
    ///
    /// Written in several batches of bounded size. One that fails leaves an image that is queued to be read, and the
    /// next call does the rest. A matching of the image that runs meanwhile may leave its findings behind, which
    /// nothing lists and the image's return takes over.
    ///
    /// # Errors
    /// What reading and writing meet.
    pub fn remove(&self, manifest: &Digest, due: impl FnOnce(&ImageRecord) -> bool) -> Result<bool, IndexError> {
        let _guard = lock(&self.index.locks.images);
        let Some(image) = self.get(manifest)?.filter(due) else { return Ok(false) };
        let removal = Removal { index: self.index, image: manifest };
        let image = removal.unread(image)?;
        removal.findings()?;
        for edge in self.index.aliases().parents(manifest)? {
            removal.index(&edge.parent, MAX_DEPTH)?;
        }
        let mut last = Batch::new();
        for (table, key) in image::places(manifest, &image) {
            last.delete(table, key);
        }
        last.delete(Table::Images, key::encode(manifest));
        let mut named = removal.named(manifest)?;
        named.configs.insert(image.config);
        for layer in image.layers {
            let diff_id = named.layers.entry(layer.digest).or_default();
            *diff_id = diff_id.or(layer.diff_id);
        }
        named.names.extend(image.names);
        removal.manifest(manifest, named, last)?;
        Ok(true)
    }
}

/// One removal. The images' lock is held: of two images that share a layer, the later one finds itself its last user.
struct Removal<'a> {
    index: &'a Index,
    image: &'a Digest,
}

/// What a manifest names, and where it was seen.
#[derive(Default)]
struct Named {
    /// Layers, with their diff ids where these are known.
    layers: BTreeMap<Digest, Option<Digest>>,
    configs: BTreeSet<Digest>,
    names: BTreeSet<(String, Repository)>,
}

impl Removal<'_> {
    /// Takes the inventory, and makes the image one that was never read: it would not be read again otherwise if it
    /// were pulled before the rest is gone.
    fn unread(&self, image: ImageRecord) -> Result<ImageRecord, IndexError> {
        let _guard = lock(&self.index.locks.inventories);
        let unread = ImageRecord {
            status: ScanStatus::Queued,
            reasons: Vec::new(),
            inventory_fingerprint: None,
            matched_at: None,
            ..image.clone()
        };
        let mut batch = Batch::new();
        if let Some(old) = intact(self.index.inventories().get(self.image))? {
            PackageUsers::change(&mut batch, self.image, Some(&old.inventory), None);
        }
        batch.delete(Table::ImageInventories, key::encode(self.image));
        image::put(&mut batch, self.image, Some(&image), &unread);
        self.index.write(batch)?;
        Ok(unread)
    }

    /// Takes the events, and the findings with the last of them.
    fn findings(&self) -> Result<(), IndexError> {
        let _guard = lock(&self.index.locks.findings);
        loop {
            let mut batch = Batch::new();
            let scan = Scan::prefix(Table::ImageEvents, key::encode(self.image)).keys_only();
            for row in self.index.rows(scan).take(BATCH_ROWS) {
                let key = row?.key;
                let (_, sequence): (Digest, u64) = decode_key(Table::ImageEvents, &key)?;
                batch.delete(Table::Events, key::encode(&sequence));
                batch.delete(Table::ImageEvents, key);
            }
            let is_last = batch.len() < 2 * BATCH_ROWS;
            if is_last {
                batch.delete(Table::Findings, key::encode(self.image));
            }
            self.index.write(batch)?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// Takes an index, and those around it, where nothing else it stands for is known.
    fn index(&self, index: &Digest, depth: u8) -> Result<(), IndexError> {
        if depth == 0 || self.stands_for_another(index)? {
            return Ok(());
        }
        for edge in self.index.aliases().parents(index)? {
            self.index(&edge.parent, depth - 1)?;
        }
        self.document(index, depth)
    }

    /// Takes an index with what only it names: attestations, and children that never came but for their links.
    fn document(&self, index: &Digest, depth: u8) -> Result<(), IndexError> {
        for edge in self.index.aliases().children(index)? {
            let is_apart = edge.child == *self.image || self.is_known(Table::Images, &edge.child)?;
            if edge.kind == EdgeKind::Manifest && depth > 0 && !is_apart {
                let parents = self.index.aliases().parents(&edge.child)?;
                if parents.iter().all(|edge| edge.parent == *index) {
                    self.document(&edge.child, depth - 1)?;
                }
            }
        }
        self.manifest(index, self.named(index)?, Batch::new())
    }

    fn stands_for_another(&self, index: &Digest) -> Result<bool, IndexError> {
        for target in self.index.aliases().resolve(index)? {
            let is_other = target.manifest != *self.image;
            if is_other
                && (self.is_known(Table::Images, &target.manifest)?
                    || self.is_known(Table::Manifests, &target.manifest)?)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_known(&self, table: Table, digest: &Digest) -> Result<bool, IndexError> {
        Ok(self.index.engine.get(table, &key::encode(digest))?.is_some())
    }

    fn named(&self, manifest: &Digest) -> Result<Named, IndexError> {
        let mut named = Named::default();
        let stored = intact(self.index.manifests().get(manifest))?;
        // More may be in the bytes than an image's row remembers, and an attestation has no row.
        if let Some(Document::Image(document)) = stored.and_then(|stored| Document::parse(&stored.bytes).ok()) {
            named.layers.extend(document.layers.iter().map(|layer| (layer.digest, None)));
            named.configs.insert(document.config.digest);
        }
        let edges = self.index.aliases().children(manifest)?.into_iter();
        named.configs.extend(edges.filter(|edge| edge.kind == EdgeKind::Config).map(|edge| edge.child));
        Ok(named)
    }

    /// Takes a manifest of any kind with what it alone names; `last` is written with its row.
    fn manifest(&self, manifest: &Digest, named: Named, mut last: Batch) -> Result<(), IndexError> {
        let Named { layers, configs, names } = named;
        let contents = configs.into_iter().map(|config| (config, None)).chain(layers.clone());
        for (content, diff_id) in contents {
            if !self.is_named_elsewhere(&content, manifest)? {
                self.content(&content, diff_id)?;
            }
        }
        // A tag comes with its manifest, never without.
        if self.is_known(Table::Manifests, manifest)? {
            self.tags(manifest, names)?;
        }
        self.links(manifest)?;
        for edge in self.index.aliases().children(manifest)? {
            alias::remove(&mut last, &edge.parent, &edge.child);
        }
        for layer in layers.keys() {
            last.delete(Table::LayerUsers, key::encode(&(layer, manifest)));
        }
        last.delete(Table::Manifests, key::encode(manifest));
        self.index.write(last)
    }

    /// Whether another manifest has this layer or configuration: an empty one is both, and of many.
    fn is_named_elsewhere(&self, content: &Digest, manifest: &Digest) -> Result<bool, IndexError> {
        for table in [Table::LayerUsers, Table::AliasParents] {
            for row in self.index.rows(Scan::prefix(table, key::encode(content)).keys_only()).take(2) {
                let (_, user): (Digest, Digest) = decode_key(table, &row?.key)?;
                if user != *manifest {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Takes what was read from a layer, and the links to it or to a configuration.
    fn content(&self, content: &Digest, diff_id: Option<Digest>) -> Result<(), IndexError> {
        let mut batch = Batch::new();
        let mut diff_ids: BTreeSet<Digest> = diff_id.into_iter().collect();
        for row in self.index.rows(Scan::prefix(Table::Layers, key::encode(content))) {
            let row = row?;
            let outcome = record::decode(Table::Layers, &row.key, &row.value).map(Some);
            if let Some(LayerOutcome::Read(inventory)) = intact(outcome.map_err(Into::into))? {
                diff_ids.insert(inventory.diff_id);
            }
            batch.delete(Table::Layers, row.key);
        }
        for diff_id in diff_ids {
            batch.delete(Table::LayerTwins, key::encode(&(diff_id, content)));
        }
        self.index.write(batch)?;
        self.links(content)
    }

    /// Takes the links of every repository to a digest.
    fn links(&self, digest: &Digest) -> Result<(), IndexError> {
        loop {
            let mut batch = Batch::new();
            let holders = self.index.links().holders(digest, BATCH_ROWS)?;
            for (upstream, repository) in &holders {
                link::remove(&mut batch, upstream, repository, digest);
            }
            self.index.write(batch)?;
            if holders.len() < BATCH_ROWS {
                return Ok(());
            }
        }
    }

    /// Takes the tags that point to a manifest, of these repositories and of those that hold it.
    fn tags(&self, manifest: &Digest, mut names: BTreeSet<(String, Repository)>) -> Result<(), IndexError> {
        names.extend(self.index.links().holders(manifest, usize::MAX)?);
        let _guard = lock(&self.index.locks.tags);
        for (upstream, repository) in names {
            let mut batch = Batch::new();
            for row in self.index.rows(Scan::prefix(Table::Tags, key::encode(&(upstream, repository)))) {
                let row = row?;
                let tag = record::decode::<TagRecord>(Table::Tags, &row.key, &row.value).map(Some);
                if intact(tag.map_err(Into::into))?.is_some_and(|tag| tag.digest == *manifest) {
                    batch.delete(Table::Tags, row.key);
                }
                if batch.len() == BATCH_ROWS {
                    self.index.write(std::mem::take(&mut batch))?;
                }
            }
            self.index.write(batch)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
