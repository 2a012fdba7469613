//! Stored form of sessions.

use serde::{Deserialize, Serialize};

use super::token::StoredTokenRole;
use super::{Record, Unreadable, first_version, seal, unseal};
use crate::index::{SessionOrigin, SessionRecord};

#[derive(Debug, Serialize, Deserialize)]
enum StoredSessionOrigin {
    Token(String),
    Oidc { issuer: String, subject: String },
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredSessionV1 {
    id: String,
    name: String,
    role: StoredTokenRole,
    origin: StoredSessionOrigin,
    hash: [u8; 32],
    created_at: i64,
    last_used_at: i64,
    expires_at: i64,
    revoked_at: Option<i64>,
}

impl From<SessionOrigin> for StoredSessionOrigin {
    fn from(origin: SessionOrigin) -> Self {
        match origin {
            SessionOrigin::Token(id) => Self::Token(id),
            SessionOrigin::Oidc { issuer, subject } => Self::Oidc { issuer, subject },
        }
    }
}

impl From<StoredSessionOrigin> for SessionOrigin {
    fn from(stored: StoredSessionOrigin) -> Self {
        match stored {
            StoredSessionOrigin::Token(id) => Self::Token(id),
            StoredSessionOrigin::Oidc { issuer, subject } => Self::Oidc { issuer, subject },
        }
    }
}

impl From<&SessionRecord> for StoredSessionV1 {
    fn from(session: &SessionRecord) -> Self {
        let SessionRecord { id, name, role, origin, hash, created_at, last_used_at, expires_at, revoked_at } =
            session.clone();
        let (role, origin) = (role.into(), origin.into());
        Self { id, name, role, origin, hash, created_at, last_used_at, expires_at, revoked_at }
    }
}

impl From<StoredSessionV1> for SessionRecord {
    fn from(stored: StoredSessionV1) -> Self {
        let StoredSessionV1 { id, name, role, origin, hash, created_at, last_used_at, expires_at, revoked_at } = stored;
        let (role, origin) = (role.into(), origin.into());
        Self { id, name, role, origin, hash, created_at, last_used_at, expires_at, revoked_at }
    }
}

first_version!(SessionRecord as StoredSessionV1);
