//! Makes, proves, lists and revokes tokens.

use serde::{Deserialize, Serialize};
use weir_storage::index::{Index, IndexError, TokenRecord, TokenRole};

use super::secret::{self, Parts, SecretError};

/// The longest name in bytes.
const MAX_NAME: usize = 100;

/// The tokens of an index. Clones share it; the methods block, see [`Index::run`].
#[derive(Clone)]
pub struct Tokens(Index);

/// What a new token is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewToken {
    /// What it may do: `viewer`, `editor`, `administrator` or `agent`.
    pub role: String,
    /// What people call it; the cluster's name or the role where it is not said.
    pub name: Option<String>,
    /// The one cluster an agent may report as; the first it reports as where it is not said.
    pub cluster: Option<String>,
    /// How long it is good for in seconds; for ever where it is not said.
    pub lifetime_seconds: Option<i64>,
}

/// A token without its secret, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenLine {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: String,
    /// The one cluster an agent may report as, once that is known.
    pub cluster: Option<String>,
    /// When it was made, seconds since the epoch.
    pub created_at: i64,
    /// When it ends, seconds since the epoch.
    pub expires_at: Option<i64>,
    /// When it was revoked, seconds since the epoch.
    pub revoked_at: Option<i64>,
}

/// A token that was just made.
pub struct Created {
    /// What lists will show of it.
    pub line: TokenLine,
    /// Its text, which nothing can show again.
    pub text: String,
}

/// Who presented a token that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The token's id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: TokenRole,
    /// The one cluster it may report as; `None` until it reports for the first time.
    pub cluster: Option<String>,
}

/// Why a token cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// There is no such role.
    #[error("{0:?} is no role: expected viewer, editor, administrator or agent")]
    Role(String),
    /// A name that would not be read in a list.
    #[error("a name has 1 to {MAX_NAME} bytes and no control characters")]
    Name,
    /// A cluster's name with other characters than such names have.
    #[error("{0:?} is no cluster's name: expected at most 63 letters, digits, '-', '_' and '.'")]
    Cluster(String),
    /// A cluster beside a role that reports for none.
    #[error("only a token of role agent belongs to a cluster")]
    ClusterOfRole,
    /// A lifetime of nothing.
    #[error("a token has to live for some time")]
    Lifetime,
    /// There is no randomness.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// Why a token does not hold. Outside, all but the last are one answer; the log tells them apart.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It is none of ours.
    #[error("there is no such token")]
    Unknown,
    /// It was revoked.
    #[error("token {id} was revoked")]
    Revoked {
        /// The token's id.
        id: String,
    },
    /// Its time is over.
    #[error("token {id} has expired")]
    Expired {
        /// The token's id.
        id: String,
    },
    /// The index could not be asked.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl Tokens {
    /// The tokens kept in `index`.
    pub fn new(index: Index) -> Self {
        Self(index)
    }

    /// Makes a token and returns its text, which nothing can show again.
    ///
    /// # Errors
    /// What was asked for makes no sense, there is no randomness, or the index failed.
    pub fn create(&self, new: NewToken, now: i64) -> Result<String, CreateError> {
        Ok(self.issue(new, now)?.text)
    }

    /// Makes a token and returns it with its text.
    ///
    /// # Errors
    /// As [`Tokens::create`].
    pub fn issue(&self, new: NewToken, now: i64) -> Result<Created, CreateError> {
        let role = role(&new.role).ok_or_else(|| CreateError::Role(new.role.clone()))?;
        if let Some(cluster) = &new.cluster {
            if role != TokenRole::Agent {
                return Err(CreateError::ClusterOfRole);
            }
            if !is_cluster_name(cluster) {
                return Err(CreateError::Cluster(cluster.clone()));
            }
        }
        let name = new.name.or_else(|| new.cluster.clone()).unwrap_or_else(|| new.role.clone());
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(CreateError::Name);
        }
        if new.lifetime_seconds.is_some_and(|seconds| seconds <= 0) {
            return Err(CreateError::Lifetime);
        }
        let table = self.0.tokens();
        let mut id = secret::new_id()?;
        while table.get(&id)?.is_some() {
            id = secret::new_id()?;
        }
        let text = secret::new_secret()?;
        let record = TokenRecord {
            id,
            name,
            role,
            cluster: new.cluster,
            hash: secret::hash(&text),
            created_at: now,
            expires_at: new.lifetime_seconds.map(|seconds| now.saturating_add(seconds)),
            revoked_at: None,
        };
        table.put(&record)?;
        let text = secret::token(&record.id, &text);
        Ok(Created { line: record.into(), text })
    }

    /// Proves a token as it was presented.
    ///
    /// # Errors
    /// It does not hold, or the index failed.
    pub fn verify(&self, presented: &str, now: i64) -> Result<Verified, TokenError> {
        let parts = Parts::of(presented).ok_or(TokenError::Unknown)?;
        let record = self.0.tokens().get(parts.id)?.ok_or(TokenError::Unknown)?;
        // Only who has the secret learns what became of the token.
        if !secret::same(&record.hash, &secret::hash(parts.secret)) {
            return Err(TokenError::Unknown);
        }
        if record.revoked_at.is_some() {
            return Err(TokenError::Revoked { id: record.id });
        }
        if record.expires_at.is_some_and(|end| end <= now) {
            return Err(TokenError::Expired { id: record.id });
        }
        Ok(Verified { id: record.id, name: record.name, role: record.role, cluster: record.cluster })
    }

    /// Says that a token belongs to a cluster, unless it belongs to one already; returns the one it belongs to, and `None`
    /// where there is no such token.
    ///
    /// # Errors
    /// The index failed.
    pub fn bind(&self, id: &str, cluster: &str) -> Result<Option<String>, IndexError> {
        self.0.tokens().bind(id, cluster)
    }

    /// All tokens, oldest first.
    ///
    /// # Errors
    /// The index failed.
    pub fn list(&self) -> Result<Vec<TokenLine>, IndexError> {
        let mut lines: Vec<TokenLine> = self.0.tokens().list()?.into_iter().map(TokenLine::from).collect();
        lines.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        Ok(lines)
    }

    /// Ends a token; `false` where there is none of that id. One that was revoked before stays as it is.
    ///
    /// # Errors
    /// The index failed.
    pub fn revoke(&self, id: &str, now: i64) -> Result<bool, IndexError> {
        self.0.tokens().revoke(id, now)
    }
}

impl TokenLine {
    /// Whether it holds at `now`: `active`, `expired` or `revoked`.
    pub fn state(&self, now: i64) -> &'static str {
        match (self.revoked_at, self.expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(end)) if end <= now => "expired",
            _ => "active",
        }
    }
}

impl From<TokenRecord> for TokenLine {
    fn from(record: TokenRecord) -> Self {
        Self {
            id: record.id,
            name: record.name,
            role: record.role.name().to_owned(),
            cluster: record.cluster,
            created_at: record.created_at,
            expires_at: record.expires_at,
            revoked_at: record.revoked_at,
        }
    }
}

fn role(name: &str) -> Option<TokenRole> {
    TokenRole::ALL.into_iter().find(|role| role.name() == name)
}

/// Whether `name` can be a cluster's: up to 63 letters, digits, `-`, `_` and `.`, as `cluster.name` may have. It is a segment of
/// a path, where `.` and `..` mean something else.
pub fn is_cluster_name(name: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && name.len() <= 63 && name.bytes().all(valid) && !matches!(name, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(role: &str) -> NewToken {
        NewToken { role: role.into(), name: None, cluster: None, lifetime_seconds: None }
    }

    #[test]
    fn a_token_holds_until_it_expires_or_is_revoked() {
        let tokens = Tokens::new(Index::in_memory());
        let short = tokens.create(NewToken { lifetime_seconds: Some(60), ..new("viewer") }, 1_000).unwrap();
        let agent = tokens.create(NewToken { cluster: Some("east".into()), ..new("agent") }, 1_001).unwrap();
        let known = tokens.verify(&agent, 9_999).unwrap();
        assert_eq!((known.role, known.name.as_str()), (TokenRole::Agent, "east"));
        assert_eq!(known.cluster.as_deref(), Some("east"));
        assert!(tokens.verify(&short, 1_059).is_ok());
        assert!(matches!(tokens.verify(&short, 1_060), Err(TokenError::Expired { .. })));
        assert!(tokens.revoke(&known.id, 2_000).unwrap());
        assert!(!tokens.revoke("aaaaaaaa", 2_000).unwrap());
        assert!(matches!(tokens.verify(&agent, 2_000), Err(TokenError::Revoked { .. })));
        let states: Vec<_> = tokens.list().unwrap().iter().map(|line| line.state(2_000)).collect();
        assert_eq!(states, ["expired", "revoked"]);
    }

    #[test]
    fn neither_a_wrong_secret_nor_a_wrong_id_holds() {
        let tokens = Tokens::new(Index::in_memory());
        let (one, other) = (tokens.create(new("agent"), 0).unwrap(), tokens.create(new("agent"), 0).unwrap());
        let mixed = format!("{}{}", &one[..14], &other[14..]);
        for wrong in [mixed.as_str(), "", "weir_", &one[..40]] {
            assert!(matches!(tokens.verify(wrong, 0), Err(TokenError::Unknown)), "{wrong}");
        }
    }

    #[test]
    fn a_token_keeps_the_first_cluster_it_is_given() {
        let tokens = Tokens::new(Index::in_memory());
        let text = tokens.create(new("agent"), 0).unwrap();
        let id = tokens.verify(&text, 0).unwrap().id;
        assert_eq!(tokens.bind(&id, "east").unwrap().as_deref(), Some("east"));
        assert_eq!(tokens.bind(&id, "west").unwrap().as_deref(), Some("east"));
        assert_eq!(tokens.verify(&text, 0).unwrap().cluster.as_deref(), Some("east"));
        assert_eq!(tokens.bind("aaaaaaaa", "west").unwrap(), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let tokens = Tokens::new(Index::in_memory());
        let refused = |new: NewToken| tokens.create(new, 0).unwrap_err().to_string();
        assert!(refused(new("root")).contains("expected viewer"));
        assert!(refused(NewToken { cluster: Some("east".into()), ..new("viewer") }).contains("role agent"));
        assert!(refused(NewToken { cluster: Some("../x".into()), ..new("agent") }).contains("63"));
        assert!(refused(NewToken { name: Some("a\nb".into()), ..new("agent") }).contains("control"));
        assert!(refused(NewToken { lifetime_seconds: Some(0), ..new("agent") }).contains("live"));
        assert!(tokens.list().unwrap().is_empty());
    }
}
