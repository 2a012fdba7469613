//! Stored form of pulls.

use serde::{Deserialize, Serialize};
use weir_scanner::oci::{Repository, Tag};

use super::common::{StoredDigest, mirrored};
use super::{Record, Unreadable, first_version, seal, unseal};
use crate::index::{PullNode, PullRecord};

mirrored! { StoredPullNode = PullNode { Certificate, Header, Address, Unknown } }

#[derive(Debug, Serialize, Deserialize)]
struct StoredPullV1 {
    at: i64,
    image: StoredDigest,
    upstream: String,
    repository: String,
    tag: Option<String>,
    node: Option<String>,
    node_source: StoredPullNode,
    cluster: Option<String>,
    address: String,
    agent: String,
}

impl From<&PullRecord> for StoredPullV1 {
    fn from(pull: &PullRecord) -> Self {
        let PullRecord { at, image, upstream, repository, tag, node, node_source, cluster, address, agent } =
            pull.clone();
        Self {
            at,
            image: (&image).into(),
            upstream,
            repository: repository.to_string(),
            tag: tag.map(|tag| tag.to_string()),
            node,
            node_source: node_source.into(),
            cluster,
            address,
            agent,
        }
    }
}

impl TryFrom<StoredPullV1> for PullRecord {
    type Error = Unreadable;

    fn try_from(stored: StoredPullV1) -> Result<Self, Unreadable> {
        let StoredPullV1 { at, image, upstream, repository, tag, node, node_source, cluster, address, agent } = stored;
        Ok(Self {
            at,
            image: image.into(),
            upstream,
            repository: Repository::parse(&repository)?,
            tag: tag.map(|tag| Tag::parse(&tag)).transpose()?,
            node,
            node_source: node_source.into(),
            cluster,
            address,
            agent,
        })
    }
}

first_version!(PullRecord as StoredPullV1);
