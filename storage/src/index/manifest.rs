//! Manifests, byte for byte, and the one batch that makes a pull's manifest known.
//!
//! Owns the order "all at once": the bytes, the repository's links to the manifest and what it names, the tag, the edges
//! of the alias graph and the users of layers appear together or not at all.

use weir_scanner::oci::{Digest, MediaType, Platform, Repository, Tag};

use super::engine::{Batch, Table};
use super::error::intact;
use super::link::{LinkKind, LinkRecord};
use super::tag::TagRecord;
use super::{AliasEdge, EdgeKind, Index, IndexError, alias, key, link, lock, record};

/// A stored manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestRecord {
    /// Its media type, as it is served.
    pub media_type: MediaType,
    /// The bytes, as they came.
    pub bytes: Vec<u8>,
    /// When they were first stored, seconds since the epoch.
    pub stored_at: i64,
}

/// What a manifest names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildKind {
    /// An index's manifest.
    Manifest,
    /// A manifest's configuration.
    Config,
    /// A manifest's layer.
    Layer,
}

/// One thing a manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildLink {
    /// Its digest.
    pub digest: Digest,
    /// What it is.
    pub kind: ChildKind,
    /// Its platform, in an index.
    pub platform: Option<Platform>,
    /// Its size in bytes, as the manifest states it.
    pub size: u64,
    /// Its media type, as the manifest states it.
    pub media_type: MediaType,
}

/// A manifest that was fetched and verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestPut {
    /// The upstream it came from.
    pub upstream: String,
    /// The repository it came from.
    pub repository: Repository,
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: MediaType,
    /// Its bytes, whose digest is `digest`.
    pub bytes: Vec<u8>,
    /// The tag it was asked for, where it was by one.
    pub tag: Option<Tag>,
    /// What it names, in its order.
    pub children: Vec<ChildLink>,
    /// Whether naming a child is proof enough that the repository holds it. A manifest is its author's word: where readers
    /// differ in what they may see, each child is asked for by itself before it gets a link.
    pub link_children: bool,
    /// When the upstream answered, seconds since the epoch.
    pub now: i64,
}

/// The table of manifests.
pub struct Manifests<'a> {
    index: &'a Index,
}

impl<'a> Manifests<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// A manifest. Whether a repository may answer with it is for [`super::Links`] to say.
    pub fn get(&self, digest: &Digest) -> Result<Option<ManifestRecord>, IndexError> {
        self.index.get(Table::Manifests, &key::encode(digest))
    }

    /// Stores a manifest with its links, its tag, its edges and the users of its layers, in one batch.
    pub fn put(&self, put: ManifestPut) -> Result<(), IndexError> {
        let ManifestPut { upstream, repository, digest, media_type, bytes, tag, children, link_children, now } = put;
        let mut batch = Batch::new();
        let link = LinkRecord {
            kind: LinkKind::Manifest,
            seen_at: now,
            size: Some(bytes.len() as u64),
            media_type: Some(media_type.clone()),
        };
        link::put(&mut batch, &upstream, &repository, &digest, &link);
        for (position, child) in children.into_iter().enumerate() {
            put_child(&mut batch, &upstream, &repository, digest, position, child, link_children.then_some(now));
        }
        // Revalidating a tag brings the same manifest again and again; its bytes are written once.
        let stored = intact(self.get(&digest))?;
        if stored.as_ref().is_none_or(|stored| stored.media_type != media_type) {
            let stored_at = stored.map_or(now, |stored| stored.stored_at);
            let manifest = ManifestRecord { media_type: media_type.clone(), bytes, stored_at };
            batch.put(Table::Manifests, key::encode(&digest), record::encode(&manifest));
        }
        let _guard = tag.is_some().then(|| lock(&self.index.locks.tags));
        if let Some(tag) = tag {
            let target = TagRecord { digest, media_type, checked_at: now };
            batch.put(Table::Tags, key::encode(&(&upstream, &repository, &tag)), record::encode(&target));
        }
        self.index.write(batch)
    }
}

fn put_child(
    batch: &mut Batch,
    upstream: &str,
    repository: &Repository,
    parent: Digest,
    position: usize,
    child: ChildLink,
    linked_at: Option<i64>,
) {
    if let Some(seen_at) = linked_at {
        let kind = if child.kind == ChildKind::Manifest { LinkKind::Manifest } else { LinkKind::Blob };
        let held = LinkRecord { kind, seen_at, size: Some(child.size), media_type: Some(child.media_type) };
        link::put(batch, upstream, repository, &child.digest, &held);
    }
    let kind = match child.kind {
        ChildKind::Manifest => EdgeKind::Manifest,
        ChildKind::Config => EdgeKind::Config,
        ChildKind::Layer => return batch.put(Table::LayerUsers, key::encode(&(child.digest, parent)), Vec::new()),
    };
    let position = u32::try_from(position).unwrap_or(u32::MAX);
    alias::put(batch, &AliasEdge { parent, child: child.digest, kind, platform: child.platform, position });
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::engine::{FaultyEngine, MemoryEngine};
    use super::*;

    fn nginx(bytes: &[u8], tag: Option<&str>, now: i64) -> ManifestPut {
        let child = |name: &str, kind| ChildLink {
            digest: Digest::of(name.as_bytes()),
            kind,
            platform: None,
            size: 4,
            media_type: MediaType::new("a/b"),
        };
        ManifestPut {
            upstream: "docker.io".into(),
            repository: Repository::parse("library/nginx").unwrap(),
            digest: Digest::of(bytes),
            media_type: MediaType::new(MediaType::OCI_MANIFEST),
            bytes: bytes.to_vec(),
            tag: tag.map(|tag| Tag::parse(tag).unwrap()),
            children: vec![child("config", ChildKind::Config), child("layer", ChildKind::Layer)],
            link_children: true,
            now,
        }
    }

    #[test]
    fn a_manifest_s_word_about_its_children_can_be_left_unbelieved() {
        let index = Index::in_memory();
        let put = ManifestPut { link_children: false, ..nginx(b"one", None, 100) };
        let (repository, layer) = (put.repository.clone(), put.children[1].digest);
        index.manifests().put(put).unwrap();
        assert_eq!(index.links().get("docker.io", &repository, &layer).unwrap(), None);
        assert!(index.links().get("docker.io", &repository, &Digest::of(b"one")).unwrap().is_some());
        assert_eq!(index.layers().users(&layer, 10).unwrap(), [Digest::of(b"one")]);
    }

    #[test]
    fn a_tag_and_its_manifest_appear_together_with_everything_they_name() {
        let index = Index::in_memory();
        let put = nginx(b"one", Some("1.27"), 100);
        let (repository, tag) = (put.repository.clone(), put.tag.clone().unwrap());
        index.manifests().put(put).unwrap();
        let target = index.tags().get("docker.io", &repository, &tag).unwrap().unwrap();
        assert_eq!((target.digest, target.checked_at), (Digest::of(b"one"), 100));
        assert_eq!(index.manifests().get(&target.digest).unwrap().unwrap().bytes, b"one");
        for (name, kind) in
            [(b"one".as_slice(), LinkKind::Manifest), (b"config", LinkKind::Blob), (b"layer", LinkKind::Blob)]
        {
            assert_eq!(index.links().get("docker.io", &repository, &Digest::of(name)).unwrap().unwrap().kind, kind);
        }
        assert_eq!(index.layers().users(&Digest::of(b"layer"), 10).unwrap(), [Digest::of(b"one")]);
        assert_eq!(index.aliases().parents(&Digest::of(b"config")).unwrap()[0].parent, Digest::of(b"one"));
    }

    #[test]
    fn a_batch_that_fails_leaves_nothing() {
        let engine = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::default())));
        let index = Index::new(engine.clone());
        engine.fail_writes(true);
        let put = nginx(b"one", Some("1.27"), 100);
        let (repository, tag) = (put.repository.clone(), put.tag.clone().unwrap());
        assert!(matches!(index.manifests().put(put), Err(IndexError::Write { .. })));
        assert_eq!(index.tags().get("docker.io", &repository, &tag).unwrap(), None);
        assert_eq!(index.manifests().get(&Digest::of(b"one")).unwrap(), None);
        assert!(index.links().holders(&Digest::of(b"one"), 1).unwrap().is_empty());
    }

    #[test]
    fn a_manifest_that_comes_again_keeps_its_first_time_and_moves_the_tag() {
        let index = Index::in_memory();
        index.manifests().put(nginx(b"one", Some("latest"), 100)).unwrap();
        index.manifests().put(nginx(b"two", Some("latest"), 200)).unwrap();
        index.manifests().put(nginx(b"one", Some("stable"), 300)).unwrap();
        let repository = Repository::parse("library/nginx").unwrap();
        assert_eq!(index.manifests().get(&Digest::of(b"one")).unwrap().unwrap().stored_at, 100);
        let tags = index.tags().list("docker.io", &repository, None, 10).unwrap();
        let tags: Vec<_> = tags.iter().map(|(tag, target)| (tag.as_str(), target.digest)).collect();
        assert_eq!(tags, [("latest", Digest::of(b"two")), ("stable", Digest::of(b"one"))]);
        let after = Tag::parse("latest").unwrap();
        assert_eq!(index.tags().list("docker.io", &repository, Some(&after), 10).unwrap().len(), 1);
    }

    #[test]
    fn a_confirmation_counts_only_for_the_digest_it_was_about() {
        let index = Index::in_memory();
        index.manifests().put(nginx(b"one", Some("latest"), 100)).unwrap();
        let (repository, tag) = (Repository::parse("library/nginx").unwrap(), Tag::parse("latest").unwrap());
        let confirm = |digest: &Digest, at| index.tags().confirm("docker.io", &repository, &tag, digest, at).unwrap();
        assert!(confirm(&Digest::of(b"one"), 200));
        assert!(!confirm(&Digest::of(b"two"), 300));
        assert_eq!(index.tags().get("docker.io", &repository, &tag).unwrap().unwrap().checked_at, 200);
        assert!(!index.tags().confirm("quay.io", &repository, &tag, &Digest::of(b"one"), 400).unwrap());
        index.tags().remove("docker.io", &repository, &tag).unwrap();
        assert!(!confirm(&Digest::of(b"one"), 500));
    }
}
