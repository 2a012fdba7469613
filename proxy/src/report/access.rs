//! Who may do what, by bearer token (RFC 6750): agents report, and people and programs use a report that is not open to everyone.

use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::{Method, StatusCode};
use weir_storage::index::{Index, TokenRole};

use super::problem::Problem;
use super::{Report, ReportAccess};
use crate::auth::{TokenError, Tokens, Verified};

impl Report {
    /// Lets a request through that may be made: where the report is closed, one with a token whose role allows it.
    ///
    /// # Errors
    /// 401 without a token that holds, 403 with one of a lesser role.
    pub(super) async fn admit(&self, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
        if self.access == ReportAccess::Open {
            return Ok(());
        }
        if bearer(headers).is_none() {
            return Err(Problem::unauthorized(
                "the report is closed on this address: send a token (weir token create), bind listen.report to a loopback \
                 address, or set auth.anonymous",
            ));
        }
        let found = verify(&self.index, self.clock.now(), headers).await?.role;
        let needed = needed(method);
        let may = found != TokenRole::Agent && found >= needed;
        may.then_some(()).ok_or_else(|| {
            Problem::new(StatusCode::FORBIDDEN, format!("a token of role {} is needed here", needed.name()))
        })
    }
}

/// The least role that may make a request: reading is a viewer's, asking for work an editor's, removing an administrator's.
fn needed(method: &Method) -> TokenRole {
    match *method {
        Method::GET | Method::HEAD => TokenRole::Viewer,
        Method::POST => TokenRole::Editor,
        _ => TokenRole::Administrator,
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
