//! `me`, `tokens` and `sessions`: who asks, and the credentials there are.
//!
//! Tokens and the sessions of others are for administrators alone, so nobody makes a token of a higher role than their own.

use hyper::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use hyper::{Request, Response, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weir_storage::index::SessionOrigin;

use super::body::parsed;
use super::list::{Page, limit};
use super::problem::Problem;
use super::schema::RoleName;
use super::{Parameters, Report, json};
use crate::auth::{Caller, CreateError, How, NewToken, SessionLine, Sessions, TokenLine, Tokens, role_name};
use crate::clock::{rfc3339, seconds};
use crate::http::{Body, empty};

/// The longest body of a request, in bytes.
pub(super) const MAX_BODY: usize = 16 * 1024;

/// Who asks.
#[derive(Serialize, JsonSchema)]
pub(super) struct MeItem<'a> {
    name: &'a str,
    /// `viewer`, `editor` or `administrator`.
    role: &'static str,
    /// How that is known: `anonymous`, `token` or `session`.
    how: &'static str,
    /// The id of the token or session.
    id: Option<&'a str>,
    /// What requests of this session send in `X-CSRF-Token` when they change anything.
    csrf_token: Option<&'a str>,
}

/// A token that is wanted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenWish {
    #[schemars(with = "RoleName")]
    role: String,
    /// What people call it; the cluster's name or the role where it is not said.
    #[serde(default)]
    name: Option<String>,
    /// The one cluster that an agent may report as; the first it reports as where it is not said.
    #[serde(default)]
    cluster: Option<String>,
    /// When it ends (RFC 3339); never where it is not said.
    #[serde(default)]
    #[schemars(extend("format" = "date-time"))]
    expires_at: Option<String>,
}

/// A token.
#[derive(Serialize, JsonSchema)]
pub(super) struct TokenItem {
    id: String,
    name: String,
    role: String,
    /// The one cluster that an agent reports as, once that is known.
    cluster: Option<String>,
    /// `active`, `expired` or `revoked`.
    state: &'static str,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
}

/// A token that was just made.
#[derive(Serialize, JsonSchema)]
pub(super) struct TokenMade {
    #[serde(flatten)]
    item: TokenItem,
    /// Its text. Nothing can show it again.
    token: String,
}

/// A session that holds.
#[derive(Serialize, JsonSchema)]
pub(super) struct SessionItem {
    id: String,
    /// What the person is called.
    name: String,
    role: &'static str,
    /// The token they signed in with, if it was one.
    token: Option<String>,
    /// The provider they signed in with, if it was one.
    issuer: Option<String>,
    /// The provider's own name for them.
    subject: Option<String>,
    created_at: String,
    /// To the hour.
    last_used_at: String,
    expires_at: String,
    /// Whether it is the one that asks.
    current: bool,
}

impl TokenItem {
    fn of(line: TokenLine, now: i64) -> Self {
        Self {
            state: line.state(now),
            id: line.id,
            name: line.name,
            role: line.role,
            cluster: line.cluster,
            created_at: rfc3339(line.created_at),
            expires_at: line.expires_at.map(rfc3339),
            revoked_at: line.revoked_at.map(rfc3339),
        }
    }
}

impl SessionItem {
    fn of(line: SessionLine, caller: &Caller) -> Self {
        let (token, issuer, subject) = match line.origin {
            SessionOrigin::Token(id) => (Some(id), None, None),
            SessionOrigin::Oidc { issuer, subject } => (None, Some(issuer), Some(subject)),
        };
        Self {
            current: matches!(&caller.how, How::Session { id, .. } if *id == line.id),
            id: line.id,
            name: line.name,
            role: role_name(line.role),
            token,
            issuer,
            subject,
            created_at: rfc3339(line.created_at),
            last_used_at: rfc3339(line.last_used_at),
            expires_at: rfc3339(line.expires_at),
        }
    }
}

impl Report {
    pub(super) fn me(&self, caller: &Caller, parameters: &Parameters) -> Result<Response<Body>, Problem> {
        parameters.only(&[])?;
        let (how, id) = match &caller.how {
            How::Anonymous => ("anonymous", None),
            How::Token(id) => ("token", Some(id.as_str())),
            How::Session { id, .. } => ("session", Some(id.as_str())),
        };
        let role = caller.role_name();
        json(&MeItem { name: &caller.name, role, how, id, csrf_token: caller.csrf() }).map(unkept)
    }

    pub(super) async fn tokens(&self, parameters: &Parameters) -> Result<Page<TokenItem>, Problem> {
        parameters.only(&["limit", "cursor"])?;
        let now = self.clock.now();
        let lines = self.index.run(|index| Tokens::new(index.clone()).list()).await?;
        let page = page(lines, parameters, |line| (line.created_at, line.id.clone()))?;
        let items = page.items.into_iter().map(|line| TokenItem::of(line, now)).collect();
        Ok(Page { items, next_cursor: page.next_cursor })
    }

    pub(super) async fn create_token<B>(
        &self,
        caller: &Caller,
        parameters: &Parameters,
        request: Request<B>,
    ) -> Result<Response<Body>, Problem>
    where
        B: hyper::body::Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        parameters.only(&[])?;
        let wish: TokenWish = parsed(request, MAX_BODY).await?;
        let now = self.clock.now();
        let lifetime_seconds = wish.expires_at.as_deref().map(|end| lifetime(end, now)).transpose()?;
        let new = NewToken { role: wish.role, name: wish.name, cluster: wish.cluster, lifetime_seconds };
        let made = self.index.run(move |index| Tokens::new(index.clone()).issue(new, now)).await.map_err(refused)?;
        let item = TokenItem::of(made.line, now);
        let detail =
            format!("{:?}, role {}, until {}", item.name, item.role, item.expires_at.as_deref().unwrap_or("revoked"));
        self.audit(&caller.name, "token.create", &item.id, &detail).await;
        let place = format!("/api/v1/tokens/{}", item.id);
        let mut response = json(&TokenMade { item, token: made.text }).map(unkept)?;
        *response.status_mut() = StatusCode::CREATED;
        response.headers_mut().extend(HeaderValue::from_str(&place).ok().map(|place| (LOCATION, place)));
        Ok(response)
    }

    pub(super) async fn revoke_token(
        &self,
        caller: &Caller,
        id: &str,
        parameters: &Parameters,
    ) -> Result<Response<Body>, Problem> {
        parameters.only(&[])?;
        let (revoked, now) = (id.to_owned(), self.clock.now());
        if !self.index.run(move |index| Tokens::new(index.clone()).revoke(&revoked, now)).await? {
            return Err(Problem::not_found(format!("the token {id:?}")));
        }
        self.audit(&caller.name, "token.revoke", id, "").await;
        Ok(done())
    }

    pub(super) async fn list_sessions(
        &self,
        caller: &Caller,
        parameters: &Parameters,
    ) -> Result<Page<SessionItem>, Problem> {
        parameters.only(&["limit", "cursor"])?;
        let (limits, now) = (self.access.sessions(), self.clock.now());
        let lines = self.index.run(move |index| Sessions::new(index, &limits).list(now)).await?;
        let page = page(lines, parameters, |line| (line.created_at, line.id.clone()))?;
        let items = page.items.into_iter().map(|line| SessionItem::of(line, caller)).collect();
        Ok(Page { items, next_cursor: page.next_cursor })
    }

    pub(super) async fn end_session(
        &self,
        caller: &Caller,
        id: &str,
        parameters: &Parameters,
    ) -> Result<Response<Body>, Problem> {
        parameters.only(&[])?;
        let (ended, limits, now) = (id.to_owned(), self.access.sessions(), self.clock.now());
        if !self.index.run(move |index| Sessions::new(index, &limits).revoke(&ended, now)).await? {
            return Err(Problem::not_found(format!("the session {id:?}")));
        }
        self.audit(&caller.name, "session.end", id, "").await;
        Ok(done())
    }
}

/// How long from `now` until an instant.
fn lifetime(end: &str, now: i64) -> Result<i64, Problem> {
    let end =
        seconds(end).ok_or_else(|| Problem::unusable(format!("expires_at: {end:?} is no instant of RFC 3339")))?;
    if end <= now {
        return Err(Problem::unusable("expires_at: it is over already"));
    }
    Ok(end - now)
}

/// The page of a list in order of `place` that is asked for; a cursor is the place of the last item before it.
fn page<T>(lines: Vec<T>, parameters: &Parameters, place: impl Fn(&T) -> (i64, String)) -> Result<Page<T>, Problem> {
    let limit = limit(parameters)?;
    let after = match parameters.get("cursor") {
        Some(cursor) => {
            let parts = cursor.split_once('.').and_then(|(at, id)| Some((at.parse::<i64>().ok()?, id.to_owned())));
            Some(parts.ok_or_else(|| Problem::bad_request("cursor: it is none of this list"))?)
        }
        None => None,
    };
    let mut left = lines.into_iter().filter(|line| after.as_ref().is_none_or(|after| place(line) > *after));
    let items: Vec<T> = left.by_ref().take(limit).collect();
    let last = items.last().map(&place).filter(|_| left.next().is_some());
    Ok(Page { items, next_cursor: last.map(|(at, id)| format!("{at}.{id}")) })
}

fn refused(error: CreateError) -> Problem {
    match error {
        CreateError::Index(error) => error.into(),
        CreateError::Secret(error) => {
            tracing::error!(%error, "a token could not be made");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "a token could not be made")
        }
        CreateError::Role(_) => Problem::bad_request(format!("body: {error}")),
        CreateError::Name | CreateError::Cluster(_) | CreateError::ClusterOfRole | CreateError::Lifetime => {
            Problem::unusable(error.to_string())
        }
    }
}

/// The answer where there is nothing to tell.
fn done() -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// The same, kept by nobody on the way.
fn unkept(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
