//! The alias graph: index → manifest → config. A cluster may report an image by any of the three.
//!
//! Owns the edges in both directions and the way from any digest to the platform manifests it stands for.

use std::collections::BTreeSet;

use weir_scanner::oci::{Digest, Platform};

use super::engine::{Batch, Row, Scan, Table};
use super::{Index, IndexError, decode_key, key, record};

/// What a child is to its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeKind {
    /// An index's manifest.
    Manifest,
    /// A manifest's configuration.
    Config,
}

/// One edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasEdge {
    /// The index or manifest that names the child.
    pub parent: Digest,
    /// The child.
    pub child: Digest,
    /// What the child is to its parent.
    pub kind: EdgeKind,
    /// The child's platform, where the parent states one.
    pub platform: Option<Platform>,
    /// The child's position in the parent.
    pub position: u32,
}

/// What a digest is, as far as edges tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliasKind {
    /// An index.
    Index,
    /// A platform's manifest.
    Manifest,
    /// An image configuration.
    Config,
}

/// A platform manifest that a digest stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasTarget {
    /// The manifest.
    pub manifest: Digest,
    /// Its platform, where an index on the way states one.
    pub platform: Option<Platform>,
}

/// Edges read from one digest at most: a manifest of the largest size cannot name more, and of the many indexes that may
/// share a child the first are enough.
const MAX_EDGES: usize = 1 << 16;
/// Indexes within indexes are followed this far.
const MAX_DEPTH: u8 = 4;

/// The alias graph.
pub struct Aliases<'a> {
    index: &'a Index,
}

impl<'a> Aliases<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// What names a digest, by the parents' digests.
    pub fn parents(&self, child: &Digest) -> Result<Vec<AliasEdge>, IndexError> {
        self.edges(Table::AliasParents, child, |row| {
            let (child, parent) = decode_key(Table::AliasParents, &row.key)?;
            Ok(AliasEdge { parent, child, ..decode_edge(Table::AliasParents, row)? })
        })
    }

    /// What a digest names, in its own order.
    pub fn children(&self, parent: &Digest) -> Result<Vec<AliasEdge>, IndexError> {
        let mut edges = self.edges(Table::AliasChildren, parent, |row| {
            let (parent, child) = decode_key(Table::AliasChildren, &row.key)?;
            Ok(AliasEdge { parent, child, ..decode_edge(Table::AliasChildren, row)? })
        })?;
        edges.sort_by_key(|edge| edge.position);
        Ok(edges)
    }

    /// What a digest is; `None` for one the graph does not have.
    pub fn kind(&self, digest: &Digest) -> Result<Option<AliasKind>, IndexError> {
        let children = self.children(digest)?;
        if let Some(child) = children.first() {
            return Ok(Some(if child.kind == EdgeKind::Manifest { AliasKind::Index } else { AliasKind::Manifest }));
        }
        let parents = self.parents(digest)?;
        if let Some(parent) = parents.first() {
            return Ok(Some(if parent.kind == EdgeKind::Manifest { AliasKind::Manifest } else { AliasKind::Config }));
        }
        let stored = self.index.manifests().get(digest)?;
        Ok(stored.map(|manifest| if manifest.media_type.is_index() { AliasKind::Index } else { AliasKind::Manifest }))
    }

    /// The platform manifests a digest stands for: an index's children without its attestations, a manifest itself, the
    /// manifests of a configuration. Children never pulled are among them. Empty for a digest the graph does not have.
    pub fn resolve(&self, digest: &Digest) -> Result<Vec<AliasTarget>, IndexError> {
        let (mut targets, mut seen) = (Vec::new(), BTreeSet::new());
        if self.kind(digest)? == Some(AliasKind::Config) {
            let parents = self.parents(digest)?.into_iter();
            return Ok(parents.map(|edge| AliasTarget { manifest: edge.parent, platform: None }).collect());
        }
        self.descend(*digest, None, MAX_DEPTH, &mut seen, &mut targets)?;
        Ok(targets)
    }

    fn descend(
        &self,
        digest: Digest,
        platform: Option<Platform>,
        depth: u8,
        seen: &mut BTreeSet<Digest>,
        targets: &mut Vec<AliasTarget>,
    ) -> Result<(), IndexError> {
        if !seen.insert(digest) {
            return Ok(());
        }
        match self.kind(&digest)? {
            Some(AliasKind::Index) if depth > 0 => {
                for edge in self.children(&digest)? {
                    if !edge.platform.as_ref().is_some_and(Platform::is_unknown) {
                        self.descend(edge.child, edge.platform, depth - 1, seen, targets)?;
                    }
                }
            }
            Some(AliasKind::Manifest) => targets.push(AliasTarget { manifest: digest, platform }),
            _ => {}
        }
        Ok(())
    }

    fn edges(
        &self,
        table: Table,
        digest: &Digest,
        read: impl Fn(&Row) -> Result<AliasEdge, IndexError>,
    ) -> Result<Vec<AliasEdge>, IndexError> {
        self.index.rows(Scan::prefix(table, key::encode(digest))).take(MAX_EDGES).map(|row| read(&row?)).collect()
    }
}

fn decode_edge(table: Table, row: &Row) -> Result<AliasEdge, IndexError> {
    Ok(record::decode(table, &row.key, &row.value)?)
}

/// Adds an edge to a batch, in both directions.
pub(super) fn put(batch: &mut Batch, edge: &AliasEdge) {
    let value = record::encode(edge);
    batch.put(Table::AliasParents, key::encode(&(edge.child, edge.parent)), value.clone());
    batch.put(Table::AliasChildren, key::encode(&(edge.parent, edge.child)), value);
}

/// Adds the removal of an edge to a batch, in both directions.
pub(super) fn remove(batch: &mut Batch, parent: &Digest, child: &Digest) {
    batch.delete(Table::AliasParents, key::encode(&(child, parent)));
    batch.delete(Table::AliasChildren, key::encode(&(parent, child)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    fn graph() -> Index {
        let index = Index::in_memory();
        let mut batch = Batch::new();
        for (position, (parent, child, kind, platform)) in [
            ("index", "s390x", EdgeKind::Manifest, Some("linux/s390x")),
            ("index", "amd64", EdgeKind::Manifest, Some("linux/amd64")),
            ("index", "attestation", EdgeKind::Manifest, Some("unknown/unknown")),
            ("amd64", "config", EdgeKind::Config, None),
            ("outer", "index", EdgeKind::Manifest, None),
            ("loop", "loop", EdgeKind::Manifest, None),
        ]
        .into_iter()
        .enumerate()
        {
            let platform = platform.map(|platform| platform.parse().unwrap());
            let position = u32::try_from(position).unwrap();
            put(&mut batch, &AliasEdge { parent: named(parent), child: named(child), kind, platform, position });
        }
        index.write(batch).unwrap();
        index
    }

    #[test]
    fn every_alias_leads_to_its_platform_manifests() {
        let index = graph();
        let resolve = |name: &str| -> Vec<(Digest, Option<String>)> {
            let targets = index.aliases().resolve(&named(name)).unwrap();
            targets
                .into_iter()
                .map(|target| (target.manifest, target.platform.map(|platform| platform.to_string())))
                .collect()
        };
        let children =
            [(named("s390x"), Some("linux/s390x".to_owned())), (named("amd64"), Some("linux/amd64".to_owned()))];
        assert_eq!(resolve("index"), children);
        assert_eq!(resolve("outer"), children);
        for alias in ["amd64", "config"] {
            assert_eq!(resolve(alias), [(named("amd64"), None)], "{alias}");
        }
        assert_eq!(resolve("s390x"), [(named("s390x"), None)]);
        assert!(resolve("stranger").is_empty());
        assert!(resolve("loop").is_empty(), "an index within itself ends");
    }

    #[test]
    fn a_digest_knows_its_kind_and_its_neighbours() {
        let index = graph();
        let kind = |name: &str| index.aliases().kind(&named(name)).unwrap();
        assert_eq!(kind("index"), Some(AliasKind::Index));
        assert_eq!(kind("amd64"), Some(AliasKind::Manifest));
        assert_eq!(kind("s390x"), Some(AliasKind::Manifest));
        assert_eq!(kind("config"), Some(AliasKind::Config));
        assert_eq!(kind("stranger"), None);
        let parents = index.aliases().parents(&named("amd64")).unwrap();
        assert_eq!((parents.len(), parents[0].parent), (1, named("index")));
    }
}
