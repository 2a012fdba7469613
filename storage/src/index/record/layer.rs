//! Stored form of what reading a layer gave.
//!
//! Paths are most of it, so they are packed: eight bytes of hash, big-endian, and one of kind. Hashes are as good as random:
//! neither differences nor lz4 make them smaller.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use weir_scanner::layer::{Fact, LayerInventory, PathHash, PathKind};

use super::common::{
    StoredChannel, StoredDigest, StoredDistribution, StoredPackage, StoredPackageV1, StoredReason, StoredRisk, all,
};
use super::{Record, Unreadable, seal, unseal};
use crate::index::LayerOutcome;

/// A fact as the first form holds it.
#[derive(Debug, Deserialize)]
enum StoredFactV1 {
    Package(StoredPackageV1),
    Distribution(StoredDistribution),
    Unread(StoredReason),
}

impl TryFrom<StoredFactV1> for Fact {
    type Error = Unreadable;

    fn try_from(stored: StoredFactV1) -> Result<Self, Unreadable> {
        Ok(match stored {
            StoredFactV1::Package(package) => Self::Package(package.into()),
            StoredFactV1::Distribution(distribution) => Self::Distribution(distribution.into()),
            StoredFactV1::Unread(reason) => Self::Unread(reason.into()),
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum StoredFactV2 {
    Package(StoredPackage),
    Distribution(StoredDistribution),
    Unread(StoredReason),
    Stated(StoredPackage),
    /// A package's name and the packed hashes of its paths.
    Owned(String, Vec<u8>),
    Channel(StoredChannel),
    Risk(StoredRisk),
}

impl From<&Fact> for StoredFactV2 {
    fn from(fact: &Fact) -> Self {
        match fact {
            Fact::Package(package) => Self::Package(package.into()),
            Fact::Distribution(distribution) => Self::Distribution(distribution.into()),
            Fact::Unread(reason) => Self::Unread(reason.into()),
            Fact::Stated(package) => Self::Stated(package.into()),
            Fact::Owned { package, paths } => {
                Self::Owned(package.clone(), paths.iter().flat_map(|hash| hash.0.to_be_bytes()).collect())
            }
            Fact::Channel(channel) => Self::Channel(channel.into()),
            Fact::Risk(risk) => Self::Risk(risk.into()),
        }
    }
}

impl TryFrom<StoredFactV2> for Fact {
    type Error = Unreadable;

    fn try_from(stored: StoredFactV2) -> Result<Self, Unreadable> {
        Ok(match stored {
            StoredFactV2::Package(package) => Self::Package(package.into()),
            StoredFactV2::Distribution(distribution) => Self::Distribution(distribution.into()),
            StoredFactV2::Unread(reason) => Self::Unread(reason.into()),
            StoredFactV2::Stated(package) => Self::Stated(package.into()),
            StoredFactV2::Owned(package, packed) => {
                let (hashes, rest) = packed.as_chunks::<8>();
                if !rest.is_empty() {
                    return Err(Unreadable::Body("the paths a package owns end within one".into()));
                }
                let paths = hashes.iter().map(|hash| PathHash(u64::from_be_bytes(*hash))).collect();
                Self::Owned { package, paths }
            }
            StoredFactV2::Channel(channel) => Self::Channel(channel.into()),
            StoredFactV2::Risk(risk) => Self::Risk(risk.into()),
        })
    }
}

/// An inventory whose facts have the form `F`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(deserialize = "F: Deserialize<'de>"))]
struct StoredInventory<'a, F> {
    diff_id: StoredDigest,
    uncompressed_bytes: u64,
    #[serde(borrow)]
    paths: Cow<'a, [u8]>,
    symlinks: BTreeMap<String, String>,
    hardlinks: BTreeMap<String, String>,
    facts: Vec<(String, Vec<F>)>,
    reasons: Vec<StoredReason>,
}

impl From<&LayerInventory> for StoredInventory<'_, StoredFactV2> {
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

impl<F> TryFrom<StoredInventory<'_, F>> for LayerInventory
where
    Fact: TryFrom<F, Error = Unreadable>,
{
    type Error = Unreadable;

    fn try_from(stored: StoredInventory<'_, F>) -> Result<Self, Unreadable> {
        let facts = stored
            .facts
            .into_iter()
            .map(|(path, facts)| Ok((path, facts.into_iter().map(Fact::try_from).collect::<Result<_, _>>()?)));
        Ok(Self {
            diff_id: stored.diff_id.into(),
            uncompressed_bytes: stored.uncompressed_bytes,
            paths: unpack(&stored.paths)?,
            symlinks: stored.symlinks,
            hardlinks: stored.hardlinks,
            facts: facts.collect::<Result<_, Unreadable>>()?,
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

/// An outcome whose inventory's facts have the form `F`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(deserialize = "F: Deserialize<'de>"))]
enum StoredOutcome<'a, F> {
    #[serde(borrow)]
    Read(StoredInventory<'a, F>),
    Unsupported(StoredReason),
    Failed(StoredReason),
}

impl From<&LayerOutcome> for StoredOutcome<'_, StoredFactV2> {
    fn from(outcome: &LayerOutcome) -> Self {
        match outcome {
            LayerOutcome::Read(inventory) => Self::Read(inventory.into()),
            LayerOutcome::Unsupported(reason) => Self::Unsupported(reason.into()),
            LayerOutcome::Failed(reason) => Self::Failed(reason.into()),
        }
    }
}

impl<F> TryFrom<StoredOutcome<'_, F>> for LayerOutcome
where
    Fact: TryFrom<F, Error = Unreadable>,
{
    type Error = Unreadable;

    fn try_from(stored: StoredOutcome<'_, F>) -> Result<Self, Unreadable> {
        Ok(match stored {
            StoredOutcome::Read(inventory) => Self::Read(inventory.try_into()?),
            StoredOutcome::Unsupported(reason) => Self::Unsupported(reason.into()),
            StoredOutcome::Failed(reason) => Self::Failed(reason.into()),
        })
    }
}

impl Record for LayerOutcome {
    const VERSION: u8 = 2;

    fn write(&self, out: Vec<u8>) -> Vec<u8> {
        seal(&StoredOutcome::<StoredFactV2>::from(self), out)
    }

    fn read(version: u8, body: &[u8]) -> Result<Self, Unreadable> {
        match version {
            1 => unseal::<StoredOutcome<'_, StoredFactV1>>(body)?.try_into(),
            2 => unseal::<StoredOutcome<'_, StoredFactV2>>(body)?.try_into(),
            _ => Err(Unreadable::Version),
        }
    }
}
