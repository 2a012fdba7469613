//! Tokens: who may use the report, the API and the agents' door, as hashes of secrets that are not kept.
//!
//! Which secret fits a hash is decided above. A revoked token keeps its row, so that what it did can still be told by
//! name.

use super::engine::{Batch, Scan, Table};
use super::{Index, IndexError, key, lock, record};

/// What the bearer of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenRole {
    /// Read.
    Viewer,
    /// Read, and set exceptions and ask for scans.
    Editor,
    /// Everything.
    Administrator,
    /// Tell what a cluster holds, and nothing else.
    Agent,
}

impl TokenRole {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Editor, Self::Administrator, Self::Agent];

    /// The name in the report and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Administrator => "administrator",
            Self::Agent => "agent",
        }
    }
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its id: the part of it that is no secret.
    pub id: String,
    /// What its maker calls it.
    pub name: String,
    /// What its bearer may do.
    pub role: TokenRole,
    /// The one cluster that an agent's bearer may tell of, once that is known; none for other roles.
    pub cluster: Option<String>,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// When it was made, seconds since the epoch.
    pub created_at: i64,
    /// From when on it is not valid any more, seconds since the epoch.
    pub expires_at: Option<i64>,
    /// When it was revoked, seconds since the epoch.
    pub revoked_at: Option<i64>,
}

/// The table of tokens. What it writes survives a loss of power: a secret handed out and a token revoked are nothing
/// that comes again by itself.
pub struct Tokens<'a> {
    index: &'a Index,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// A token, by its id.
    pub fn get(&self, id: &str) -> Result<Option<TokenRecord>, IndexError> {
        self.index.get(Table::Tokens, &key::encode(id))
    }

    /// Every token, revoked ones too, by id.
    pub fn list(&self) -> Result<Vec<TokenRecord>, IndexError> {
        let tokens = self.index.rows(Scan::prefix(Table::Tokens, Vec::new())).map(|row| {
            let row = row?;
            Ok(record::decode(Table::Tokens, &row.key, &row.value)?)
        });
        tokens.collect()
    }

    /// Sets a token, whatever its id had before.
    pub fn put(&self, token: &TokenRecord) -> Result<(), IndexError> {
        let _guard = lock(&self.index.locks.tokens);
        self.write(token)
    }

    /// Revokes a token at `at` (seconds since the epoch); one revoked before keeps its time. `false` where there is no
    /// such token.
    pub fn revoke(&self, id: &str, at: i64) -> Result<bool, IndexError> {
        let _guard = lock(&self.index.locks.tokens);
        let Some(token) = self.get(id)? else { return Ok(false) };
        if token.revoked_at.is_none() {
            self.write(&TokenRecord { revoked_at: Some(at), ..token })?;
        }
        Ok(true)
    }

    /// Says which cluster a token belongs to, unless that is known. Returns the cluster it belongs to; `None` where there is no such token.
    pub fn bind(&self, id: &str, cluster: &str) -> Result<Option<String>, IndexError> {
        let _guard = lock(&self.index.locks.tokens);
        let Some(token) = self.get(id)? else { return Ok(None) };
        if token.cluster.is_none() {
            self.write(&TokenRecord { cluster: Some(cluster.to_owned()), ..token })?;
            return Ok(Some(cluster.to_owned()));
        }
        Ok(token.cluster)
    }

    fn write(&self, token: &TokenRecord) -> Result<(), IndexError> {
        let mut batch = Batch::new();
        batch.put(Table::Tokens, key::encode(&token.id), record::encode(token));
        self.index.write(batch.durable())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(id: &str) -> TokenRecord {
        TokenRecord {
            id: id.into(),
            name: "ci".into(),
            role: TokenRole::Agent,
            cluster: None,
            hash: [7; 32],
            created_at: 1,
            expires_at: Some(100),
            revoked_at: None,
        }
    }

    #[test]
    fn tokens_are_found_by_id_and_listed() {
        let index = Index::in_memory();
        index.tokens().put(&token("b")).unwrap();
        index.tokens().put(&token("a")).unwrap();
        assert_eq!(index.tokens().get("a").unwrap(), Some(token("a")));
        assert_eq!(index.tokens().get("c").unwrap(), None);
        assert_eq!(index.tokens().list().unwrap(), [token("a"), token("b")]);
    }

    #[test]
    fn a_token_is_revoked_once_and_for_all() {
        let index = Index::in_memory();
        index.tokens().put(&token("a")).unwrap();
        assert!(index.tokens().revoke("a", 50).unwrap());
        assert!(index.tokens().revoke("a", 60).unwrap());
        assert_eq!(index.tokens().get("a").unwrap(), Some(TokenRecord { revoked_at: Some(50), ..token("a") }));
        assert!(!index.tokens().revoke("b", 50).unwrap());
        assert_eq!(index.tokens().list().unwrap().len(), 1);
    }

    #[test]
    fn a_token_belongs_to_the_first_cluster_it_is_given() {
        let index = Index::in_memory();
        index.tokens().put(&token("a")).unwrap();
        index.tokens().revoke("a", 50).unwrap();
        for cluster in ["east", "west"] {
            assert_eq!(index.tokens().bind("a", cluster).unwrap().as_deref(), Some("east"));
        }
        let bound = index.tokens().get("a").unwrap().unwrap();
        assert_eq!((bound.cluster.as_deref(), bound.revoked_at), (Some("east"), Some(50)));
        assert_eq!(index.tokens().bind("b", "east").unwrap(), None);
    }
}
