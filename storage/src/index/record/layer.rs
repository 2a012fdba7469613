//! Stored form of what reading a layer gave.
//!
//! Paths are most of it, so they are packed: eight bytes of hash, big-endian, and one of kind. Hashes are as good as random:
//! neither differences nor lz4 make them smaller.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use weir_scanner::layer::{Fact, LayerInventory, PathHash, PathKind};

use super::common::{StoredDigest, StoredDistribution, StoredPackage, StoredReason, all};
use super::{Record, Unreadable, first_version, seal, unseal};
use crate::index::LayerOutcome;

#[derive(Debug, Serialize, Deserialize)]
enum StoredFact {
    Package(StoredPackage),
    Distribution(StoredDistribution),
    Unread(StoredReason),
}

impl From<&Fact> for StoredFact {
    fn from(fact: &Fact) -> Self {
        match fact {
            Fact::Package(package) => Self::Package(package.into()),
            Fact::Distribution(distribution) => Self::Distribution(distribution.into()),
            Fact::Unread(reason) => Self::Unread(reason.into()),
        }
    }
}

impl From<StoredFact> for Fact {
    fn from(stored: StoredFact) -> Self {
        match stored {
            StoredFact::Package(package) => Self::Package(package.into()),
            StoredFact::Distribution(distribution) => Self::Distribution(distribution.into()),
            StoredFact::Unread(reason) => Self::Unread(reason.into()),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredInventory<'a> {
    diff_id: StoredDigest,
    uncompressed_bytes: u64,
    #[serde(borrow)]
    paths: Cow<'a, [u8]>,
    symlinks: BTreeMap<String, String>,
    hardlinks: BTreeMap<String, String>,
    facts: Vec<(String, Vec<StoredFact>)>,
    reasons: Vec<StoredReason>,
}

impl From<&LayerInventory> for StoredInventory<'_> {
    fn from(inventory: &LayerInventory) -> Self {
        Self {
            diff_id: (&inventory.diff_id).into(),
            uncompressed_bytes: inventory.uncompressed_bytes,
            paths: Cow::Owned(pack(&inventory.paths)),
            symlinks: inventory.symlinks.clone(),
            hardlinks: inventory.hardlinks.clone(),
            facts: inventory.facts.iter().map(|(path, facts)| (path.clone(), all(facts))).collect(),
            reasons: all(&inventory.reasons),
        }
    }
}

impl TryFrom<StoredInventory<'_>> for LayerInventory {
    type Error = Unreadable;

    fn try_from(stored: StoredInventory<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            diff_id: stored.diff_id.into(),
            uncompressed_bytes: stored.uncompressed_bytes,
            paths: unpack(&stored.paths)?,
            symlinks: stored.symlinks,
            hardlinks: stored.hardlinks,
            facts: stored.facts.into_iter().map(|(path, facts)| (path, all(facts))).collect(),
            reasons: all(stored.reasons),
        })
    }
}

/// Bytes of one packed path.
const PATH_BYTES: usize = 9;

fn pack(paths: &[(PathHash, PathKind)]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(paths.len() * PATH_BYTES);
    for (hash, kind) in paths {
        packed.extend(hash.0.to_be_bytes());
        packed.push(match kind {
            PathKind::File => 0,
            PathKind::Directory => 1,
            PathKind::Symlink => 2,
            PathKind::Hardlink => 3,
            PathKind::Whiteout => 4,
            PathKind::Opaque => 5,
        });
    }
    packed
}

fn unpack(packed: &[u8]) -> Result<Vec<(PathHash, PathKind)>, Unreadable> {
    let (paths, rest) = packed.as_chunks::<PATH_BYTES>();
    if !rest.is_empty() {
        return Err(Unreadable::Body("the paths end within one".into()));
    }
    let paths = paths.iter().map(|[a, b, c, d, e, f, g, h, kind]| {
        let kind = match kind {
            0 => PathKind::File,
            1 => PathKind::Directory,
            2 => PathKind::Symlink,
            3 => PathKind::Hardlink,
            4 => PathKind::Whiteout,
            5 => PathKind::Opaque,
            other => return Err(Unreadable::Body(format!("no path is of kind {other}"))),
        };
        Ok((PathHash(u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h])), kind))
    });
    paths.collect()
}

#[derive(Debug, Serialize, Deserialize)]
enum StoredOutcomeV1<'a> {
    #[serde(borrow)]
    Read(StoredInventory<'a>),
    Unsupported(StoredReason),
    Failed(StoredReason),
}

impl From<&LayerOutcome> for StoredOutcomeV1<'_> {
    fn from(outcome: &LayerOutcome) -> Self {
        match outcome {
            LayerOutcome::Read(inventory) => Self::Read(inventory.into()),
            LayerOutcome::Unsupported(reason) => Self::Unsupported(reason.into()),
            LayerOutcome::Failed(reason) => Self::Failed(reason.into()),
        }
    }
}

impl TryFrom<StoredOutcomeV1<'_>> for LayerOutcome {
    type Error = Unreadable;

    fn try_from(stored: StoredOutcomeV1<'_>) -> Result<Self, Unreadable> {
        Ok(match stored {
            StoredOutcomeV1::Read(inventory) => Self::Read(inventory.try_into()?),
            StoredOutcomeV1::Unsupported(reason) => Self::Unsupported(reason.into()),
            StoredOutcomeV1::Failed(reason) => Self::Failed(reason.into()),
        })
    }
}

first_version!(LayerOutcome as StoredOutcomeV1<'_>);
