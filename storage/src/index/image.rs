//! Images: one row for each platform manifest weir knows, and the orders the report lists them in.
//!
//! Owns the invariant that an image has exactly one place in each order, that of its current row: both orders and the users
//! of its layers move in the batch that writes the row.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use weir_scanner::image::{Base, ImageReason, ScanStatus};
use weir_scanner::oci::{Digest, HistoryEntry, MediaType, Platform, Repository};

use super::engine::{Batch, Scan, Table};
use super::key::NewestFirst;
use super::{Index, IndexError, decode_key, key, lock, record};

/// One layer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageLayer {
    /// Digest of the layer as it is transferred.
    pub digest: Digest,
    /// Its size in bytes, as the manifest states it.
    pub size: u64,
    /// Its media type.
    pub media_type: MediaType,
    /// Digest of the uncompressed layer, as the configuration states it, once that is known.
    pub diff_id: Option<Digest>,
}

/// What is known of an image besides what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRecord {
    /// How far reading it has come.
    pub status: ScanStatus,
    /// Why the status is not complete.
    pub reasons: Vec<ImageReason>,
    /// Its platform, once known.
    pub platform: Option<Platform>,
    /// Digest of its configuration.
    pub config: Digest,
    /// Its layers, bottom first.
    pub layers: Vec<ImageLayer>,
    /// How it was built.
    pub history: Vec<HistoryEntry>,
    /// What it was built on, where that is known.
    pub base: Option<Base>,
    /// Where it was seen: upstream and repository.
    pub names: Vec<(String, Repository)>,
    /// Whether only clients with credentials of their own may read it.
    pub access_restricted: bool,
    /// When it was first seen, seconds since the epoch. Decides its place in lists and should not change.
    pub first_seen: i64,
    /// When it was last pulled, seconds since the epoch; `None` where no client ever pulled it through weir.
    pub last_pulled: Option<i64>,
    /// The detectors its inventory was made with, once there is one.
    pub inventory_fingerprint: Option<String>,
    /// When it was last matched against advisories, seconds since the epoch.
    pub matched_at: Option<i64>,
}

/// A place in a list of images. As text it goes into the report's `next_cursor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageCursor {
    first_seen: i64,
    digest: Digest,
}

impl ImageCursor {
    /// The place of an image first seen at `first_seen` (seconds since the epoch).
    pub fn new(first_seen: i64, digest: Digest) -> Self {
        Self { first_seen, digest }
    }

    /// The image.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The order of the list: first seen last first, those of one moment by digest.
    pub fn order(&self, other: &Self) -> Ordering {
        other.first_seen.cmp(&self.first_seen).then_with(|| self.digest.cmp(&other.digest))
    }

    /// Whether another place comes later in the list.
    pub fn is_before(&self, other: &Self) -> bool {
        self.order(other) == Ordering::Less
    }
}

impl fmt::Display for ImageCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.first_seen, self.digest)
    }
}

/// A text that is not a cursor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of an image list")]
pub struct InvalidImageCursor;

impl FromStr for ImageCursor {
    type Err = InvalidImageCursor;

    fn from_str(text: &str) -> Result<Self, InvalidImageCursor> {
        let (first_seen, digest) = text.split_once('.').ok_or(InvalidImageCursor)?;
        let first_seen = first_seen.parse().map_err(|_| InvalidImageCursor)?;
        Ok(Self { first_seen, digest: Digest::parse(digest).map_err(|_| InvalidImageCursor)? })
    }
}

/// A page of a list of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePage {
    /// The images, newest first.
    pub images: Vec<(Digest, ImageRecord)>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<ImageCursor>,
}

/// The table of images.
pub struct Images<'a> {
    pub(super) index: &'a Index,
}

impl<'a> Images<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// An image, by its manifest's digest.
    pub fn get(&self, manifest: &Digest) -> Result<Option<ImageRecord>, IndexError> {
        self.index.get(Table::Images, &key::encode(manifest))
    }

    /// Makes the new row of an image from the old one, with no other change between. `None` from `change` leaves all
    /// as it is. Answers with the row as it is afterwards. `change` must not use the index.
    pub fn update(
        &self,
        manifest: &Digest,
        change: impl FnOnce(Option<&ImageRecord>) -> Option<ImageRecord>,
    ) -> Result<Option<ImageRecord>, IndexError> {
        let _guard = lock(&self.index.locks.images);
        let old = self.get(manifest)?;
        let Some(new) = change(old.as_ref()) else { return Ok(old) };
        if old.as_ref() == Some(&new) {
            return Ok(old);
        }
        let mut batch = Batch::new();
        put(&mut batch, manifest, old.as_ref(), &new);
        self.index.write(batch)?;
        Ok(Some(new))
    }

    /// Sets the row of an image, whatever it was.
    pub fn put(&self, manifest: &Digest, image: ImageRecord) -> Result<(), IndexError> {
        self.update(manifest, |_| Some(image)).map(drop)
    }

    /// The digest of every image, first seen last first. Rows are read as the iterator advances.
    pub fn digests(&self) -> impl Iterator<Item = Result<Digest, IndexError>> + use<'a> {
        self.index.rows(Scan::prefix(Table::ImageOrder, Vec::new()).keys_only()).map(|row| {
            let (NewestFirst(_), digest) = decode_key(Table::ImageOrder, &row?.key)?;
            Ok(digest)
        })
    }

    /// Up to `limit` images, first seen last first, beyond `after`.
    pub fn list(&self, after: Option<&ImageCursor>, limit: usize) -> Result<ImagePage, IndexError> {
        let start = after.map(|cursor| key::encode(&(NewestFirst(cursor.first_seen), cursor.digest)));
        let scan = Scan::prefix(Table::ImageOrder, Vec::new()).after(start);
        self.page(scan, limit, |key| {
            decode_key(Table::ImageOrder, key)
                .map(|(NewestFirst(first_seen), digest)| ImageCursor { first_seen, digest })
        })
    }

    /// Up to `limit` images of one status, first seen last first, beyond `after`.
    pub fn list_by_status(
        &self,
        status: ScanStatus,
        after: Option<&ImageCursor>,
        limit: usize,
    ) -> Result<ImagePage, IndexError> {
        let start = after.map(|cursor| key::encode(&(status.name(), NewestFirst(cursor.first_seen), cursor.digest)));
        let scan = Scan::prefix(Table::ImageStatus, key::encode(status.name())).after(start);
        self.page(scan, limit, |key| {
            let (_, NewestFirst(first_seen), digest): (String, _, _) = decode_key(Table::ImageStatus, key)?;
            Ok(ImageCursor { first_seen, digest })
        })
    }

    fn page(
        &self,
        scan: Scan,
        limit: usize,
        place: impl Fn(&[u8]) -> Result<ImageCursor, super::RecordError>,
    ) -> Result<ImagePage, IndexError> {
        let mut rows = self.index.rows(scan.keys_only());
        let (mut images, mut last) = (Vec::new(), None);
        for row in rows.by_ref().take(limit) {
            let cursor = place(&row?.key)?;
            // The row may have moved since the order was read; then it is met in its new place or on the next reading.
            if let Some(image) = self.get(&cursor.digest)? {
                images.push((cursor.digest, image));
            }
            last = Some(cursor);
        }
        let next = if rows.next().transpose()?.is_some() { last } else { None };
        Ok(ImagePage { images, next })
    }
}

/// Adds an image's new row to a batch, and its move from the places of the old one. The caller holds the images' lock.
pub(super) fn put(batch: &mut Batch, manifest: &Digest, old: Option<&ImageRecord>, new: &ImageRecord) {
    let (before, after) = (old.map(|old| places(manifest, old)), places(manifest, new));
    // Most changes are of one field, and leave the image where it is in every order.
    if before.as_ref() != Some(&after) {
        for (table, key) in before.into_iter().flatten() {
            batch.delete(table, key);
        }
        for (table, key) in after {
            batch.put(table, key, Vec::new());
        }
    }
    batch.put(Table::Images, key::encode(manifest), record::encode(new));
}

/// The rows that lead to an image: its place in each order, and its layers.
pub(super) fn places(manifest: &Digest, image: &ImageRecord) -> BTreeSet<(Table, Vec<u8>)> {
    let newest = NewestFirst(image.first_seen);
    let orders = [
        (Table::ImageOrder, key::encode(&(newest, manifest))),
        (Table::ImageStatus, key::encode(&(image.status.name(), newest, manifest))),
    ];
    let layers = image.layers.iter().map(|layer| (Table::LayerUsers, key::encode(&(layer.digest, manifest))));
    orders.into_iter().chain(layers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(status: ScanStatus, first_seen: i64, layers: &[&str]) -> ImageRecord {
        let layer = |name: &&str| ImageLayer {
            digest: Digest::of(name.as_bytes()),
            size: 1,
            media_type: MediaType::new("a/b"),
            diff_id: None,
        };
        ImageRecord {
            status,
            reasons: Vec::new(),
            platform: None,
            config: Digest::of(b"config"),
            layers: layers.iter().map(layer).collect(),
            history: Vec::new(),
            base: None,
            names: Vec::new(),
            access_restricted: false,
            first_seen,
            last_pulled: Some(first_seen),
            inventory_fingerprint: None,
            matched_at: None,
        }
    }

    fn number(n: i64) -> Digest {
        Digest::of(&n.to_be_bytes())
    }

    #[test]
    fn images_come_newest_first_page_by_page() {
        let index = Index::in_memory();
        for n in 0..7 {
            index.images().put(&number(n), image(ScanStatus::Queued, n, &[])).unwrap();
        }
        let (mut cursor, mut seen) = (None, Vec::new());
        loop {
            let page = index.images().list(cursor.as_ref(), 3).unwrap();
            assert!(page.images.len() <= 3);
            seen.extend(page.images.iter().map(|(_, image)| image.first_seen));
            match page.next {
                Some(next) => cursor = Some(next.to_string().parse().unwrap()),
                None => break,
            }
        }
        assert_eq!(seen, [6, 5, 4, 3, 2, 1, 0]);
        assert!("nonsense".parse::<ImageCursor>().is_err() && "1.sha256:12".parse::<ImageCursor>().is_err());
    }

    #[test]
    fn an_image_has_one_place_in_every_order_however_it_changes() {
        let index = Index::in_memory();
        let digest = number(1);
        index.images().put(&digest, image(ScanStatus::Queued, 5, &["a", "b"])).unwrap();
        let after = index.images().update(&digest, |old| {
            Some(ImageRecord { first_seen: 9, ..image(ScanStatus::Complete, old?.first_seen, &["b", "c"]) })
        });
        assert_eq!(after.unwrap().unwrap().status, ScanStatus::Complete);
        assert!(index.images().list_by_status(ScanStatus::Queued, None, 10).unwrap().images.is_empty());
        assert_eq!(index.images().list_by_status(ScanStatus::Complete, None, 10).unwrap().images.len(), 1);
        assert_eq!(index.images().list(None, 10).unwrap().images.len(), 1);
        assert!(index.layers().users(&Digest::of(b"a"), 10).unwrap().is_empty());
        assert_eq!(index.layers().users(&Digest::of(b"b"), 10).unwrap(), [digest]);
        assert_eq!(index.layers().users(&Digest::of(b"c"), 10).unwrap(), [digest]);
        assert_eq!(index.images().update(&number(2), |old| old.cloned()).unwrap(), None);
    }

    #[test]
    fn concurrent_updates_lose_nothing() {
        let index = Index::in_memory();
        index.images().put(&number(1), image(ScanStatus::Queued, 0, &[])).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        index
                            .images()
                            .update(&number(1), |old| {
                                old.map(|old| ImageRecord {
                                    last_pulled: old.last_pulled.map(|n| n + 1),
                                    ..old.clone()
                                })
                            })
                            .unwrap();
                    }
                });
            }
        });
        assert_eq!(index.images().get(&number(1)).unwrap().unwrap().last_pulled, Some(400));
    }
}
