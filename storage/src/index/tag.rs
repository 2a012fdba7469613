//! Tags: what a name in a repository points to, and when the upstream last confirmed it.
//!
//! A tag is set together with its manifest, by [`super::Manifests::put`]; here it is read, confirmed and removed.

use weir_scanner::oci::{Digest, MediaType, Repository, Tag};

use super::engine::{Batch, Scan, Table};
use super::{Index, IndexError, decode_key, key, lock, record};

/// What a tag points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagRecord {
    /// The manifest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: MediaType,
    /// When the upstream last confirmed it, seconds since the epoch.
    pub checked_at: i64,
}

/// The table of tags.
pub struct Tags<'a> {
    index: &'a Index,
}

impl<'a> Tags<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// What a tag points to. Short enough to call without [`Index::run`].
    pub fn get(&self, upstream: &str, repository: &Repository, tag: &Tag) -> Result<Option<TagRecord>, IndexError> {
        self.index.get(Table::Tags, &key::encode(&(upstream, repository, tag)))
    }

    /// Up to `limit` tags of a repository in order, beyond `after`.
    pub fn list(
        &self,
        upstream: &str,
        repository: &Repository,
        after: Option<&Tag>,
        limit: usize,
    ) -> Result<Vec<(Tag, TagRecord)>, IndexError> {
        let scan = Scan::prefix(Table::Tags, key::encode(&(upstream, repository)));
        let scan = scan.after(after.map(|tag| key::encode(&(upstream, repository, tag))));
        let tags = self.index.rows(scan).take(limit).map(|row| {
            let row = row?;
            let (_, _, tag): (String, Repository, _) = decode_key(Table::Tags, &row.key)?;
            Ok((tag, record::decode(Table::Tags, &row.key, &row.value)?))
        });
        tags.collect()
    }

    /// Notes that the upstream confirmed the tag to point to `digest` still. `false`, and nothing changed, where the
    /// tag is unknown here or points elsewhere by now.
    pub fn confirm(
        &self,
        upstream: &str,
        repository: &Repository,
        tag: &Tag,
        digest: &Digest,
        checked_at: i64,
    ) -> Result<bool, IndexError> {
        let _guard = lock(&self.index.locks.tags);
        let key = key::encode(&(upstream, repository, tag));
        let Some(mut found) = self.index.get::<TagRecord>(Table::Tags, &key)? else { return Ok(false) };
        if found.digest != *digest {
            return Ok(false);
        }
        found.checked_at = checked_at.max(found.checked_at);
        let mut batch = Batch::new();
        batch.put(Table::Tags, key, record::encode(&found));
        self.index.write(batch)?;
        Ok(true)
    }

    /// Removes a tag: the upstream says it does not exist. What it pointed to has changed.
    pub fn remove(&self, upstream: &str, repository: &Repository, tag: &Tag) -> Result<(), IndexError> {
        let _guard = lock(&self.index.locks.tags);
        let key = key::encode(&(upstream, repository, tag));
        let was = self.index.get::<TagRecord>(Table::Tags, &key).ok().flatten();
        let mut batch = Batch::new();
        batch.delete(Table::Tags, key);
        self.index.write(batch)?;
        self.index.recent.note(was.into_iter().map(|was| was.digest).collect());
        Ok(())
    }
}
