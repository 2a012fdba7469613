//! Sessions: who signed in to the console, as hashes of secrets that only their browsers hold.
//!
//! Which secret fits a hash, and how long a session may rest, is decided above. Invariant: there are never more than [`MOST`].

use super::engine::{Batch, Scan, Table};
use super::{Index, IndexError, TokenRole, key, lock, record};

/// Sessions kept at once; beyond them the oldest leave.
pub const MOST: usize = 10_000;

/// What a session was made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionOrigin {
    /// The token of this id, with which the session ends.
    Token(String),
    /// An OpenID Connect provider.
    Oidc {
        /// The provider.
        issuer: String,
        /// Who it says that this is: its own, unchanging name of the person.
        subject: String,
    },
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// Its id: the part of the cookie that is no secret.
    pub id: String,
    /// What the person is called.
    pub name: String,
    /// What the person might do when they signed in; never [`TokenRole::Agent`].
    pub role: TokenRole,
    /// What it was made with.
    pub origin: SessionOrigin,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// When it was made, seconds since the epoch.
    pub created_at: i64,
    /// When it was last used, to the hour or so, seconds since the epoch.
    pub last_used_at: i64,
    /// From when on it is not valid any more, seconds since the epoch.
    pub expires_at: i64,
    /// When it was ended before that, seconds since the epoch.
    pub revoked_at: Option<i64>,
}

/// The table of sessions. What it writes survives a loss of power, except for the times of use.
pub struct Sessions<'a> {
    index: &'a Index,
}

impl<'a> Sessions<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// A session, by its id.
    pub fn get(&self, id: &str) -> Result<Option<SessionRecord>, IndexError> {
        self.index.get(Table::Sessions, &key::encode(id))
    }

    /// Every session, ended ones too, by id.
    pub fn list(&self) -> Result<Vec<SessionRecord>, IndexError> {
        let sessions = self.index.rows(Scan::prefix(Table::Sessions, Vec::new())).map(|row| {
            let row = row?;
            Ok(record::decode(Table::Sessions, &row.key, &row.value)?)
        });
        sessions.collect()
    }

    /// Adds a session, and removes those that `is_over` and, where there are too many, the oldest.
    pub fn add(&self, session: &SessionRecord, is_over: impl Fn(&SessionRecord) -> bool) -> Result<(), IndexError> {
        let _guard = lock(&self.index.locks.sessions);
        let mut batch = Batch::new();
        let (over, mut kept): (Vec<_>, Vec<_>) = self.list()?.into_iter().partition(is_over);
        kept.sort_by_key(|kept| kept.created_at);
        let too_many = (kept.len() + 1).saturating_sub(MOST);
        for gone in over.iter().chain(kept.iter().take(too_many)) {
            batch.delete(Table::Sessions, key::encode(&gone.id));
        }
        batch.put(Table::Sessions, key::encode(&session.id), record::encode(session));
        self.index.write(batch.durable())
    }

    /// Notes that a session was used at `at` (seconds since the epoch), if it is there.
    pub fn touch(&self, id: &str, at: i64) -> Result<(), IndexError> {
        let _guard = lock(&self.index.locks.sessions);
        let Some(session) = self.get(id)? else { return Ok(()) };
        let mut batch = Batch::new();
        let touched = SessionRecord { last_used_at: at.max(session.last_used_at), ..session };
        batch.put(Table::Sessions, key::encode(id), record::encode(&touched));
        self.index.write(batch)
    }

    /// Ends a session at `at` (seconds since the epoch); one ended before keeps its time. `false` where there is none.
    pub fn revoke(&self, id: &str, at: i64) -> Result<bool, IndexError> {
        let _guard = lock(&self.index.locks.sessions);
        let Some(session) = self.get(id)? else { return Ok(false) };
        if session.revoked_at.is_none() {
            let mut batch = Batch::new();
            let ended = SessionRecord { revoked_at: Some(at), ..session };
            batch.put(Table::Sessions, key::encode(id), record::encode(&ended));
            self.index.write(batch.durable())?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str, created_at: i64) -> SessionRecord {
        SessionRecord {
            id: id.into(),
            name: "ada".into(),
            role: TokenRole::Editor,
            origin: SessionOrigin::Token("t1".into()),
            hash: [7; 32],
            created_at,
            last_used_at: created_at,
            expires_at: created_at + 100,
            revoked_at: None,
        }
    }

    fn ids(index: &Index) -> Vec<String> {
        index.sessions().list().unwrap().into_iter().map(|session| session.id).collect()
    }

    #[test]
    fn a_session_is_found_touched_and_ended_once() {
        let index = Index::in_memory();
        let sessions = index.sessions();
        sessions.add(&session("a", 1), |_| false).unwrap();
        assert_eq!(sessions.get("a").unwrap(), Some(session("a", 1)));
        sessions.touch("a", 40).unwrap();
        sessions.touch("a", 30).unwrap();
        sessions.touch("b", 30).unwrap();
        assert!(sessions.revoke("a", 50).unwrap() && sessions.revoke("a", 60).unwrap());
        assert!(!sessions.revoke("b", 50).unwrap());
        let ended = SessionRecord { last_used_at: 40, revoked_at: Some(50), ..session("a", 1) };
        assert_eq!(sessions.list().unwrap(), [ended]);
    }

    #[test]
    fn those_that_are_over_and_the_oldest_make_room() {
        let index = Index::in_memory();
        let sessions = index.sessions();
        for at in 0..3 {
            sessions.add(&session(&format!("s{at}"), at), |_| false).unwrap();
        }
        sessions.add(&session("t", 4), |known| known.id == "s1").unwrap();
        assert_eq!(ids(&index), ["s0", "s2", "t"]);
        // Rows beyond the limit, as a version with another one might have left them.
        let mut batch = Batch::new();
        for at in 0..MOST {
            let id = format!("u{at}");
            batch.put(Table::Sessions, key::encode(&id), record::encode(&session(&id, 10)));
        }
        index.write(batch).unwrap();
        sessions.add(&session("v", 11), |_| false).unwrap();
        let left = ids(&index);
        assert_eq!(left.len(), MOST);
        assert!(!left.contains(&"s0".to_owned()) && !left.contains(&"t".to_owned()) && left.contains(&"v".to_owned()));
    }
}
