//! Links: this repository of this upstream holds this digest.
//!
//! Bytes are stored once by digest; a link is what allows a repository to answer with them, so two upstreams
//! with equal names are never confused and a digest known from one repository is not served from another.

use weir_scanner::oci::{Digest, MediaType, Repository};

use super::engine::{Batch, Scan, Table};
use super::{Index, IndexError, decode_key, key, record};

/// What a link points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// A manifest or index.
    Manifest,
    /// A layer or a configuration.
    Blob,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRecord {
    /// What it points to.
    pub kind: LinkKind,
    /// When the upstream last said so, seconds since the epoch.
    pub seen_at: i64,
    /// The size in bytes, where it is known.
    pub size: Option<u64>,
    /// The media type, where it is known.
    pub media_type: Option<MediaType>,
}

/// The table of links, in both orders.
pub struct Links<'a> {
    index: &'a Index,
}

impl<'a> Links<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// The link of a repository to a digest. Short enough to call without [`Index::run`].
    pub fn get(
        &self,
        upstream: &str,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<LinkRecord>, IndexError> {
        self.index.get(Table::Links, &key::encode(&(upstream, repository, digest)))
    }

    /// Sets a link.
    pub fn put(
        &self,
        upstream: &str,
        repository: &Repository,
        digest: &Digest,
        link: &LinkRecord,
    ) -> Result<(), IndexError> {
        let mut batch = Batch::new();
        put(&mut batch, upstream, repository, digest, link);
        self.index.write(batch)
    }

    /// Removes a link: the upstream says the repository does not hold the digest.
    pub fn remove(&self, upstream: &str, repository: &Repository, digest: &Digest) -> Result<(), IndexError> {
        let mut batch = Batch::new();
        remove(&mut batch, upstream, repository, digest);
        self.index.write(batch)
    }

    /// Up to `limit` repositories that hold a digest, by upstream and name.
    pub fn holders(&self, digest: &Digest, limit: usize) -> Result<Vec<(String, Repository)>, IndexError> {
        let scan = Scan::prefix(Table::Holders, key::encode(digest)).keys_only();
        let holders = self.index.rows(scan).take(limit).map(|row| {
            let (_, upstream, repository): (Digest, _, _) = decode_key(Table::Holders, &row?.key)?;
            Ok((upstream, repository))
        });
        holders.collect()
    }
}

/// Adds a link to a batch, in both orders.
pub(super) fn put(batch: &mut Batch, upstream: &str, repository: &Repository, digest: &Digest, link: &LinkRecord) {
    batch.put(Table::Links, key::encode(&(upstream, repository, digest)), record::encode(link));
    batch.put(Table::Holders, key::encode(&(digest, upstream, repository)), Vec::new());
}

/// Adds the removal of a link to a batch, in both orders.
pub(super) fn remove(batch: &mut Batch, upstream: &str, repository: &Repository, digest: &Digest) {
    batch.delete(Table::Links, key::encode(&(upstream, repository, digest)));
    batch.delete(Table::Holders, key::encode(&(digest, upstream, repository)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_of_two_upstreams_are_two_links() {
        let index = Index::in_memory();
        let (digest, name) = (Digest::of(b"layer"), Repository::parse("library/nginx").unwrap());
        let link = LinkRecord { kind: LinkKind::Blob, seen_at: 1, size: Some(5), media_type: None };
        index.links().put("docker.io", &name, &digest, &link).unwrap();
        assert_eq!(index.links().get("docker.io", &name, &digest).unwrap(), Some(link.clone()));
        assert_eq!(index.links().get("quay.io", &name, &digest).unwrap(), None);
        assert_eq!(index.links().get("docker.io", &Repository::parse("library/ngin").unwrap(), &digest).unwrap(), None);

        index.links().put("quay.io", &name, &digest, &link).unwrap();
        let holders = index.links().holders(&digest, 10).unwrap();
        assert_eq!(holders, [("docker.io".to_owned(), name.clone()), ("quay.io".to_owned(), name.clone())]);
        assert_eq!(index.links().holders(&digest, 1).unwrap().len(), 1);
        index.links().remove("docker.io", &name, &digest).unwrap();
        assert_eq!(index.links().holders(&digest, 10).unwrap(), [("quay.io".to_owned(), name)]);
    }
}
