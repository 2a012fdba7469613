//! Stored form of tokens.

use serde::{Deserialize, Serialize};

use super::common::mirrored;
use super::{Record, Unreadable, first_version, seal, unseal};
use crate::index::{TokenRecord, TokenRole};

mirrored! { StoredTokenRole = TokenRole { Viewer, Editor, Administrator, Agent } }

#[derive(Debug, Serialize, Deserialize)]
struct StoredTokenV1 {
    id: String,
    name: String,
    role: StoredTokenRole,
    cluster: Option<String>,
    hash: [u8; 32],
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl From<&TokenRecord> for StoredTokenV1 {
    fn from(token: &TokenRecord) -> Self {
        let TokenRecord { id, name, role, cluster, hash, created_at, expires_at, revoked_at } = token.clone();
        Self { id, name, role: role.into(), cluster, hash, created_at, expires_at, revoked_at }
    }
}

impl From<StoredTokenV1> for TokenRecord {
    fn from(stored: StoredTokenV1) -> Self {
        let StoredTokenV1 { id, name, role, cluster, hash, created_at, expires_at, revoked_at } = stored;
        Self { id, name, role: role.into(), cluster, hash, created_at, expires_at, revoked_at }
    }
}

first_version!(TokenRecord as StoredTokenV1);
