//! Why a requested image cannot be scanned, in codes that stay the same.

use weir_storage::index::IndexError;

use crate::pull::PullError;
use crate::upstream::{Fault, UpstreamError};

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFailure {
    /// The reference is none.
    BadReference,
    /// The upstream is not configured, or no longer.
    UnknownUpstream,
    /// The upstream does not let weir read the repository.
    NoAccess,
    /// The upstream does not have it.
    NotFound,
    /// The upstream cannot be reached, or fails.
    Unreachable,
    /// The upstream limits requests.
    RateLimited,
    /// There is something, but it is no container image.
    NotAnImage,
    /// Anything else.
    Failed,
}

impl RequestFailure {
    /// The code in the report.
    pub const fn code(self) -> &'static str {
        match self {
            Self::BadReference => "bad_reference",
            Self::UnknownUpstream => "unknown_upstream",
            Self::NoAccess => "no_access",
            Self::NotFound => "not_found",
            Self::Unreachable => "unreachable",
            Self::RateLimited => "rate_limited",
            Self::NotAnImage => "not_an_image",
            Self::Failed => "failed",
        }
    }
}

/// A failure with what is to be said of it.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) kind: RequestFailure,
    pub(super) detail: String,
}

impl Failure {
    pub(super) fn new(kind: RequestFailure, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

impl From<IndexError> for Failure {
    fn from(error: IndexError) -> Self {
        Self::new(RequestFailure::Failed, chain(&error))
    }
}

impl From<&PullError> for Failure {
    fn from(error: &PullError) -> Self {
        let kind = match error {
            PullError::Upstream(error) => of_upstream(error),
            PullError::Content { .. } | PullError::Index(_) | PullError::Blob(_) => RequestFailure::Failed,
        };
        Self::new(kind, chain(error))
    }
}

fn of_upstream(error: &UpstreamError) -> RequestFailure {
    match error {
        UpstreamError::NotFound { .. } => RequestFailure::NotFound,
        UpstreamError::RateLimited { .. } | UpstreamError::Token { status: Some(429), .. } => {
            RequestFailure::RateLimited
        }
        error if error.is_refusal() => RequestFailure::NoAccess,
        error if error.fault() == Fault::Upstream => RequestFailure::Unreachable,
        _ => RequestFailure::Failed,
    }
}

/// An error with its causes as one text.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let said = inner.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::upstream::Asked;

    #[test]
    fn each_failure_of_an_upstream_has_its_code() {
        let asked = || Arc::new(Asked { upstream: "docker.io".into(), method: "GET", path: "/v2/".into() });
        let refused: crate::upstream::Cause = Arc::new(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        for (error, code) in [
            (UpstreamError::NotFound { asked: asked(), authoritative: false }, "not_found"),
            (UpstreamError::Unauthorized { asked: asked(), challenges: Vec::new(), relayed: false }, "no_access"),
            (UpstreamError::Denied { asked: asked(), detail: String::new() }, "no_access"),
            (UpstreamError::RateLimited { asked: asked(), after: None }, "rate_limited"),
            (UpstreamError::Connect { asked: asked(), cause: refused }, "unreachable"),
            (UpstreamError::Timeout { asked: asked(), stage: "answer", limit: Duration::ZERO }, "unreachable"),
            (UpstreamError::Unavailable { asked: asked(), after: Duration::ZERO }, "unreachable"),
            (UpstreamError::UntrustedRealm { asked: asked(), realm: "a".into() }, "failed"),
        ] {
            assert_eq!(Failure::from(&PullError::Upstream(error)).kind.code(), code);
        }
        let content = PullError::Content { upstream: "a".into(), what: "a manifest", detail: "it is not".into() };
        assert_eq!(Failure::from(&content).kind.code(), "failed");
    }
}
