//! Who may do what: by bearer token (RFC 6750), by session, or as the settings let those who do not say who they are.
//!
//! Owns the decision for every route of the report, health and metrics. Invariants: what is presented decides, also where it allows
//! less than nothing presented would; what is presented and does not hold opens no route of the API.

use std::net::IpAddr;

use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::{Response, StatusCode, Uri};
use url::{Host, Url};
use weir_config::Role;
use weir_storage::index::Index;

use super::cookie::{SESSION, cookie};
use super::origin::host;
use super::problem::Problem;
use super::route::{Need, Route};
use super::{Anonymous, Report};
use crate::auth::{Caller, How, SessionError, Sessions, TokenError, Tokens, Verified, role_name, role_of};
use crate::http::{Body, ConnInfo};

/// What of a request tells who makes it, and over what.
pub(super) struct Asking<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) uri: &'a Uri,
    pub(super) connection: &'a ConnInfo,
    /// Whether people reach the report over TLS, weir's own or that of a proxy before it.
    pub(super) secure: bool,
}

/// What of what is presented and does not hold is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PassOver {
    /// Nothing.
    Nothing,
    /// Sessions: a page shows what anybody may see, or the way to sign in again.
    Sessions,
    /// Everything.
    Everything,
}

impl PassOver {
    fn on(route: &Route) -> Self {
        match route.need {
            Need::Nothing => Self::Everything,
            Need::Role(_) if route.is_page() => Self::Sessions,
            Need::Role(_) | Need::Agent => Self::Nothing,
        }
    }
}

impl Asking<'_> {
    /// The host and port that were asked for.
    pub(super) fn host(&self) -> Option<&str> {
        host(self.headers, self.uri)
    }

    /// Whether the host that was asked for is this machine, by a name that no other can have. A page of another site whose name was
    /// made to lead here still asks for its own name.
    fn is_local(&self) -> bool {
        let Some(host) = self.host() else { return true };
        match Url::parse(&format!("http://{host}")).ok().as_ref().and_then(Url::host) {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => false,
        }
    }
}

impl Report {
    /// What of a request is asked here.
    pub(super) fn asking<'a>(&self, headers: &'a HeaderMap, uri: &'a Uri, connection: &'a ConnInfo) -> Asking<'a> {
        Asking { headers, uri, connection, secure: connection.tls || self.access.is_public_over_tls() }
    }

    /// Lets a request through that may be made, and says who makes it. For a route that needs nothing that is somebody anonymous unless
    /// a session or token holds, and their role says nothing.
    ///
    /// # Errors
    /// 401 without credentials that hold, 403 with those of a lesser role.
    pub(super) async fn admit(&self, route: &Route, asking: &Asking<'_>) -> Result<Caller, Problem> {
        let known = self.known(PassOver::on(route), asking).await?;
        let Need::Role(needed) = route.need else {
            return Ok(known.unwrap_or_else(|| Caller::anonymous(Role::Viewer)));
        };
        let caller = match known {
            Some(caller) => caller,
            None => Caller::anonymous(self.anonymous(asking)?),
        };
        allow(route, caller, needed)
    }

    /// Lets a request for health and metrics through: everybody's, unless the settings ask for credentials.
    ///
    /// # Errors
    /// The answer to one who may not ask.
    pub async fn admit_watching(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
        connection: &ConnInfo,
    ) -> Result<(), Box<Response<Body>>> {
        if !self.access.protects_metrics() {
            return Ok(());
        }
        let problem = match self.known(PassOver::Nothing, &self.asking(headers, uri, connection)).await {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => Problem::unauthorized("auth.protect_metrics is set: send a token (weir token create)"),
            Err(problem) => problem,
        };
        Err(Box::new(problem.response()))
    }

    /// Who asks, by what they present; `None` where they present nothing, or only what is passed over.
    async fn known(&self, pass_over: PassOver, asking: &Asking<'_>) -> Result<Option<Caller>, Problem> {
        let open = pass_over == PassOver::Everything;
        if bearer(asking.headers).is_some() {
            let verified = match verify(&self.index, self.clock.now(), asking.headers).await {
                Err(problem) if open && problem.status() == StatusCode::UNAUTHORIZED => return Ok(None),
                verified => verified?,
            };
            return match role_of(verified.role) {
                Some(role) => Ok(Some(Caller { name: verified.name, role, how: How::Token(verified.id) })),
                None if open => Ok(None),
                None => Err(Problem::new(StatusCode::FORBIDDEN, "a token of role agent opens nothing here")),
            };
        }
        let Some(presented) = cookie(asking.headers, SESSION, asking.secure).map(str::to_owned) else {
            return Ok(None);
        };
        let (limits, now) = (self.access.sessions(), self.clock.now());
        match self.index.run(move |index| Sessions::new(index, &limits).verify(&presented, now)).await {
            Ok(caller) => Ok(Some(caller)),
            Err(SessionError::Index(error)) => Err(error.into()),
            Err(_) if pass_over != PassOver::Nothing => Ok(None),
            Err(error) => {
                tracing::debug!("a session was refused: {error}");
                Err(Problem::unauthorized("the session is over: sign in again"))
            }
        }
    }

    /// What those may do who do not say who they are.
    fn anonymous(&self, asking: &Asking<'_>) -> Result<Role, Problem> {
        match self.access.anonymous() {
            Anonymous::Role(role) => Ok(role),
            Anonymous::Local if asking.is_local() => Ok(Role::Administrator),
            Anonymous::Local => Err(Problem::unauthorized(
                "the report is open to who asks for this machine by localhost or a loopback address: send a token \
                 (weir token create), sign in, or set auth.anonymous",
            )),
            Anonymous::Nothing => Err(Problem::unauthorized(
                "the report is closed on this address: send a token (weir token create), sign in, bind listen.report to a \
                 loopback address, or set auth.anonymous",
            )),
        }
    }
}

/// Lets a caller through whose role is enough for a route.
///
/// # Errors
/// 401 for somebody anonymous, else 403.
pub(super) fn allow(route: &Route, caller: Caller, needed: Role) -> Result<Caller, Problem> {
    if caller.role >= needed {
        return Ok(caller);
    }
    let needed = role_name(needed);
    match caller.how {
        How::Anonymous => Err(Problem::unauthorized(format!(
            "role {needed} is needed for {} {}: send a token (weir token create), or sign in",
            route.method, route.path
        ))),
        How::Token(_) | How::Session { .. } => Err(Problem::new(
            StatusCode::FORBIDDEN,
            format!("role {needed} is needed here, and {:?} has role {}", caller.name, caller.role_name()),
        )),
    }
}

/// Who sends a request at `now` (seconds since the epoch), by its bearer token.
///
/// # Errors
/// 401 without a token that holds; what the index meets.
pub(super) async fn verify(index: &Index, now: i64, headers: &HeaderMap) -> Result<Verified, Problem> {
    let refused = || Problem::unauthorized("a token that holds is needed here");
    let token = bearer(headers).ok_or_else(refused)?.to_owned();
    let verified = index.run(move |index| Tokens::new(index.clone()).verify(&token, now)).await;
    verified.map_err(|error| match error {
        TokenError::Index(error) => Problem::from(error),
        TokenError::Unknown => {
            tracing::debug!("a token was refused: {error}");
            refused()
        }
        // Whoever sends it has had it: someone has to look.
        TokenError::Revoked { .. } | TokenError::Expired { .. } => {
            tracing::warn!("a token was refused: {error}");
            refused()
        }
    })
}

/// The token of `Authorization: Bearer …` (RFC 6750 section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use hyper::header::HOST;

    use super::*;

    #[test]
    fn only_names_that_nobody_else_can_have_are_local() {
        let connection = ConnInfo { peer: "127.0.0.1:9".parse().unwrap(), tls: false, node: None };
        for (host, local) in [
            (Some("127.0.0.1:8080"), true),
            (Some("127.8.9.1"), true),
            (Some("[::1]:8080"), true),
            (Some("[::ffff:127.0.0.1]"), true),
            (Some("localhost:8080"), true),
            (Some("LOCALHOST"), true),
            (Some("weir.localhost"), true),
            (Some("attacker.example:8080"), false),
            (Some("localhost.attacker.example"), false),
            (Some("127.0.0.1.attacker.example"), false),
            (Some("10.0.0.1:8080"), false),
            (Some(""), false),
            (None, true),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(host.map(|host| (HOST, host.parse().unwrap())));
            let asking =
                Asking { headers: &headers, uri: &Uri::from_static("/"), connection: &connection, secure: false };
            assert_eq!(asking.is_local(), local, "{host:?}");
        }
        let uri = Uri::from_static("https://attacker.example/");
        let asking = Asking { headers: &HeaderMap::new(), uri: &uri, connection: &connection, secure: false };
        assert!(!asking.is_local(), "HTTP/2 names the host in its URI");
    }
}
