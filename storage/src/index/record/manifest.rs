//! Stored forms of manifests, links, tags, edges and stamps.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use weir_scanner::oci::{Digest, MediaType};

use super::common::{StoredDigest, StoredPlatform, mirrored};
use super::{Record, Unreadable, first_version, seal, unseal};
use crate::index::{AliasEdge, EdgeKind, LinkKind, LinkRecord, ManifestRecord, StampRecord, TagRecord};

#[derive(Debug, Serialize, Deserialize)]
struct StoredManifestV1<'a> {
    media_type: String,
    stored_at: i64,
    #[serde(borrow)]
    bytes: Cow<'a, [u8]>,
}

impl<'a> From<&'a ManifestRecord> for StoredManifestV1<'a> {
    fn from(manifest: &'a ManifestRecord) -> Self {
        let media_type = manifest.media_type.as_str().to_owned();
        Self { media_type, stored_at: manifest.stored_at, bytes: Cow::Borrowed(&manifest.bytes) }
    }
}

impl From<StoredManifestV1<'_>> for ManifestRecord {
    fn from(stored: StoredManifestV1<'_>) -> Self {
        Self {
            media_type: MediaType::new(&stored.media_type),
            bytes: stored.bytes.into_owned(),
            stored_at: stored.stored_at,
        }
    }
}

first_version!(ManifestRecord as StoredManifestV1<'_>);

mirrored! { StoredLinkKind = LinkKind { Manifest, Blob } }

#[derive(Debug, Serialize, Deserialize)]
struct StoredLinkV1 {
    kind: StoredLinkKind,
    seen_at: i64,
    size: Option<u64>,
    media_type: Option<String>,
}

impl From<&LinkRecord> for StoredLinkV1 {
    fn from(link: &LinkRecord) -> Self {
        let media_type = link.media_type.as_ref().map(|media_type| media_type.as_str().to_owned());
        Self { kind: link.kind.into(), seen_at: link.seen_at, size: link.size, media_type }
    }
}

impl From<StoredLinkV1> for LinkRecord {
    fn from(stored: StoredLinkV1) -> Self {
        let media_type = stored.media_type.as_deref().map(MediaType::new);
        Self { kind: stored.kind.into(), seen_at: stored.seen_at, size: stored.size, media_type }
    }
}

first_version!(LinkRecord as StoredLinkV1);

#[derive(Debug, Serialize, Deserialize)]
struct StoredTagV1 {
    digest: StoredDigest,
    media_type: String,
    checked_at: i64,
}

impl From<&TagRecord> for StoredTagV1 {
    fn from(tag: &TagRecord) -> Self {
        Self {
            digest: (&tag.digest).into(),
            media_type: tag.media_type.as_str().to_owned(),
            checked_at: tag.checked_at,
        }
    }
}

impl From<StoredTagV1> for TagRecord {
    fn from(stored: StoredTagV1) -> Self {
        Self {
            digest: stored.digest.into(),
            media_type: MediaType::new(&stored.media_type),
            checked_at: stored.checked_at,
        }
    }
}

first_version!(TagRecord as StoredTagV1);

mirrored! { StoredEdgeKind = EdgeKind { Manifest, Config } }

#[derive(Debug, Serialize, Deserialize)]
struct StoredEdgeV1 {
    parent: StoredDigest,
    child: StoredDigest,
    kind: StoredEdgeKind,
    platform: Option<StoredPlatform>,
    position: u32,
}

impl From<&AliasEdge> for StoredEdgeV1 {
    fn from(edge: &AliasEdge) -> Self {
        Self {
            parent: (&edge.parent).into(),
            child: (&edge.child).into(),
            kind: edge.kind.into(),
            platform: edge.platform.as_ref().map(Into::into),
            position: edge.position,
        }
    }
}

impl From<StoredEdgeV1> for AliasEdge {
    fn from(stored: StoredEdgeV1) -> Self {
        Self {
            parent: Digest::from(stored.parent),
            child: Digest::from(stored.child),
            kind: stored.kind.into(),
            platform: stored.platform.map(Into::into),
            position: stored.position,
        }
    }
}

first_version!(AliasEdge as StoredEdgeV1);

#[derive(Debug, Serialize, Deserialize)]
struct StoredStampV1 {
    at: i64,
    value: Vec<u8>,
}

impl From<&StampRecord> for StoredStampV1 {
    fn from(stamp: &StampRecord) -> Self {
        Self { at: stamp.at, value: stamp.value.clone() }
    }
}

impl From<StoredStampV1> for StampRecord {
    fn from(stored: StoredStampV1) -> Self {
        Self { at: stored.at, value: stored.value }
    }
}

first_version!(StampRecord as StoredStampV1);
