//! Makes, proves, lists and ends sessions: what a browser holds instead of a token.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_config::Role;
use weir_storage::index::{Index, IndexError, SessionOrigin, SessionRecord, TokenRecord, TokenRole};

use super::caller::{Caller, How, role_of};
use super::secret::{self, Parts, SecretError};

/// The longest that passes before a use is written down, in seconds.
const TOUCH_SECONDS: i64 = 3600;

/// How long sessions hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// After they were made.
    pub lifetime: Duration,
    /// After they were last used.
    pub idle: Duration,
    /// The provider that people sign in with; sessions made with another do not hold.
    pub issuer: Option<String>,
}

/// The sessions of an index. The methods block, see [`Index::run`].
pub struct Sessions<'a> {
    index: &'a Index,
    limits: &'a SessionLimits,
}

/// Who a new session is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// What they are called.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// What they signed in with.
    pub origin: SessionOrigin,
}

/// A session without its secret, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLine {
    /// Its id.
    pub id: String,
    /// What the person is called.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// What they signed in with.
    pub origin: SessionOrigin,
    /// When they signed in, seconds since the epoch.
    pub created_at: i64,
    /// When it was last used, to the hour, seconds since the epoch.
    pub last_used_at: i64,
    /// When it ends at the latest, seconds since the epoch.
    pub expires_at: i64,
}

/// Why a session does not hold.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// It is none of ours, or none any more.
    #[error("there is no such session")]
    Unknown,
    /// It was ended, its time is over, it was unused for too long, or what it was made with does not hold any more.
    #[error("session {id} is over")]
    Over {
        /// The session's id.
        id: String,
    },
    /// There is no randomness.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl<'a> Sessions<'a> {
    /// The sessions kept in `index`.
    pub fn new(index: &'a Index, limits: &'a SessionLimits) -> Self {
        Self { index, limits }
    }

    /// Makes a session at `now` (seconds since the epoch) and returns its cookie's value, which nothing can show again.
    ///
    /// # Errors
    /// There is no randomness, or the index failed.
    pub fn create(&self, new: NewSession, now: i64) -> Result<String, SessionError> {
        let table = self.index.sessions();
        let mut id = secret::new_id()?;
        while table.get(&id)?.is_some() {
            id = secret::new_id()?;
        }
        let text = secret::new_secret()?;
        let record = SessionRecord {
            id,
            name: new.name,
            role: stored(new.role),
            origin: new.origin,
            hash: secret::hash(&text),
            created_at: now,
            last_used_at: now,
            expires_at: now.saturating_add(seconds(self.limits.lifetime)),
            revoked_at: None,
        };
        table.add(&record, |session| self.is_over(session, now))?;
        Ok(secret::cookie(&record.id, &text))
    }

    /// Proves a session by the value of its cookie at `now` (seconds since the epoch), and notes now and then that it was used.
    ///
    /// # Errors
    /// It does not hold, or the index failed.
    pub fn verify(&self, presented: &str, now: i64) -> Result<Caller, SessionError> {
        let parts = Parts::of_cookie(presented).ok_or(SessionError::Unknown)?;
        let record = self.index.sessions().get(parts.id)?.ok_or(SessionError::Unknown)?;
        if !secret::same(&record.hash, &secret::hash(parts.secret)) {
            return Err(SessionError::Unknown);
        }
        let token = match &record.origin {
            SessionOrigin::Token(id) => self.index.tokens().get(id)?,
            SessionOrigin::Oidc { .. } => None,
        };
        let holds = !self.is_over(&record, now) && self.is_founded(&record, token.as_ref(), now);
        let Some(role) = role_of(record.role).filter(|_| holds) else {
            return Err(SessionError::Over { id: record.id });
        };
        // Never later than a short idle time would need it.
        let every = TOUCH_SECONDS.min(seconds(self.limits.idle) / 12).max(1);
        if now.saturating_sub(record.last_used_at) >= every
            && let Err(error) = self.index.sessions().touch(&record.id, now)
        {
            // A full disk keeps nobody from reading; the session only ends sooner.
            tracing::debug!(%error, "that a session was used could not be written");
        }
        let how = How::Session { id: record.id, csrf: secret::csrf(parts.secret) };
        Ok(Caller { name: record.name, role, how })
    }

    /// The sessions that hold at `now`, oldest first.
    ///
    /// # Errors
    /// The index failed.
    pub fn list(&self, now: i64) -> Result<Vec<SessionLine>, IndexError> {
        let tokens: BTreeMap<String, TokenRecord> =
            self.index.tokens().list()?.into_iter().map(|token| (token.id.clone(), token)).collect();
        let holds = |record: &SessionRecord| {
            let token = match &record.origin {
                SessionOrigin::Token(id) => tokens.get(id),
                SessionOrigin::Oidc { .. } => None,
            };
            !self.is_over(record, now) && self.is_founded(record, token, now)
        };
        let mut lines: Vec<SessionLine> =
            self.index.sessions().list()?.into_iter().filter(holds).filter_map(line).collect();
        lines.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        Ok(lines)
    }

    /// Ends a session; `false` where there is none of that id. One that was ended before stays as it is.
    ///
    /// # Errors
    /// The index failed.
    pub fn revoke(&self, id: &str, now: i64) -> Result<bool, IndexError> {
        self.index.sessions().revoke(id, now)
    }

    /// Whether a session's own time is over.
    fn is_over(&self, session: &SessionRecord, now: i64) -> bool {
        let unused_until = session.last_used_at.saturating_add(seconds(self.limits.idle));
        session.revoked_at.is_some() || session.expires_at <= now || unused_until <= now
    }

    /// Whether what a session was made with still holds; `token` is the one it was made with, where it is there.
    fn is_founded(&self, session: &SessionRecord, token: Option<&TokenRecord>, now: i64) -> bool {
        match &session.origin {
            SessionOrigin::Token(_) => {
                token.is_some_and(|token| token.revoked_at.is_none() && token.expires_at.is_none_or(|end| end > now))
            }
            SessionOrigin::Oidc { issuer, .. } => self.limits.issuer.as_ref() == Some(issuer),
        }
    }
}

fn line(record: SessionRecord) -> Option<SessionLine> {
    let SessionRecord { id, name, role, origin, created_at, last_used_at, expires_at, .. } = record;
    Some(SessionLine { id, name, role: role_of(role)?, origin, created_at, last_used_at, expires_at })
}

fn stored(role: Role) -> TokenRole {
    match role {
        Role::Viewer => TokenRole::Viewer,
        Role::Editor => TokenRole::Editor,
        Role::Administrator => TokenRole::Administrator,
    }
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::{NewToken, Tokens};
    use super::*;

    const DAY: i64 = 86_400;

    fn limits() -> SessionLimits {
        let issuer = Some("https://login.example".to_owned());
        SessionLimits { lifetime: Duration::from_secs(7 * 86_400), idle: Duration::from_secs(12 * 3600), issuer }
    }

    fn person(origin: SessionOrigin) -> NewSession {
        NewSession { name: "ada".into(), role: Role::Editor, origin }
    }

    fn by_provider(issuer: &str) -> SessionOrigin {
        SessionOrigin::Oidc { issuer: issuer.into(), subject: "00u1".into() }
    }

    fn token(index: &Index, lifetime: Option<i64>) -> String {
        let new = NewToken { role: "editor".into(), name: None, cluster: None, lifetime_seconds: lifetime };
        Tokens::new(index.clone()).issue(new, 0).unwrap().line.id
    }

    #[test]
    fn a_session_is_known_by_its_whole_cookie() {
        let (index, limits) = (Index::in_memory(), limits());
        let sessions = Sessions::new(&index, &limits);
        let cookie = sessions.create(person(by_provider("https://login.example")), 0).unwrap();
        let caller = sessions.verify(&cookie, 1).unwrap();
        assert_eq!((caller.name.as_str(), caller.role), ("ada", Role::Editor));
        assert!(caller.csrf().is_some_and(|csrf| !cookie.contains(csrf)));
        let (id, secret) = cookie.split_once('_').unwrap();
        let other = format!("{id}_{}{}", &secret[1..], if secret.starts_with('a') { 'b' } else { 'a' });
        for wrong in ["", id, other.as_str(), &cookie.to_uppercase()] {
            assert!(matches!(sessions.verify(wrong, 1), Err(SessionError::Unknown)), "{wrong}");
        }
        assert!(sessions.revoke(id, 2).unwrap() && !sessions.revoke("aaaaaaaa", 2).unwrap());
        assert!(matches!(sessions.verify(&cookie, 3), Err(SessionError::Over { .. })));
    }

    #[test]
    fn a_session_ends_when_it_rests_too_long_and_after_its_lifetime() {
        let (index, limits) = (Index::in_memory(), limits());
        let sessions = Sessions::new(&index, &limits);
        let resting = sessions.create(person(by_provider("https://login.example")), 0).unwrap();
        let used = sessions.create(person(by_provider("https://login.example")), 0).unwrap();
        for hour in 1..7 * 24 {
            assert!(sessions.verify(&used, hour * 3600).is_ok(), "hour {hour}");
        }
        assert!(sessions.verify(&resting, DAY / 2).is_err() && sessions.verify(&used, 7 * DAY).is_err());
        assert!(sessions.list(7 * DAY).unwrap().is_empty());
    }

    #[test]
    fn use_is_written_once_an_hour() {
        let (index, limits) = (Index::in_memory(), limits());
        let sessions = Sessions::new(&index, &limits);
        let cookie = sessions.create(person(by_provider("https://login.example")), 0).unwrap();
        let last_used = |now| {
            sessions.verify(&cookie, now).unwrap();
            index.sessions().list().unwrap()[0].last_used_at
        };
        assert_eq!([last_used(3599), last_used(3600), last_used(7000), last_used(7200)], [0, 3600, 3600, 7200]);
    }

    #[test]
    fn a_session_ends_with_its_token_and_with_its_provider() {
        let (index, limits) = (Index::in_memory(), limits());
        let sessions = Sessions::new(&index, &limits);
        let (revoked, expiring) = (token(&index, None), token(&index, Some(100)));
        let cookies = [
            SessionOrigin::Token(revoked.clone()),
            SessionOrigin::Token(expiring),
            SessionOrigin::Token("aaaaaaaa".into()),
            by_provider("https://elsewhere.example"),
            by_provider("https://login.example"),
        ]
        .map(|origin| sessions.create(person(origin), 0).unwrap());
        let hold = |now| cookies.each_ref().map(|cookie| sessions.verify(cookie, now).is_ok());
        assert_eq!(hold(99), [true, true, false, false, true]);
        assert_eq!(sessions.list(99).unwrap().len(), 3);
        assert_eq!(hold(100), [true, false, false, false, true]);
        Tokens::new(index.clone()).revoke(&revoked, 101).unwrap();
        assert_eq!(hold(101), [false, false, false, false, true]);
        assert_eq!(sessions.list(101).unwrap().len(), 1);
    }
}
