//! The one place where failures become answers in the OCI distribution specification's error form.
//!
//! The client reads a code and, for an upstream's failure, its cause; the log reads the whole chain. A 429 is never
//! passed down: containerd retries it at once and without pause, so it leaves as 503.

use serde_json::{Value, json};
use weir_storage::blob::BlobError;

use crate::http::chain;
use crate::pull::PullError;
use crate::upstream::UpstreamError;

/// The specification's error codes that a mirror can answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// A blob the repository does not have.
    BlobUnknown,
    /// A digest that is none.
    DigestInvalid,
    /// A manifest the repository does not have.
    ManifestUnknown,
    /// A reference that is none, or a manifest that cannot be passed on.
    ManifestInvalid,
    /// A repository's name that breaks the grammar.
    NameInvalid,
    /// An upstream or repository that is not known.
    NameUnknown,
    /// Credentials are needed.
    Unauthorized,
    /// Access is refused.
    Denied,
    /// What mirrors do not do.
    Unsupported,
    /// The upstream failed (not in the specification's list, which has no word for it).
    Unavailable,
    /// weir itself failed.
    Internal,
}

impl ErrorCode {
    /// The code as the specification writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::Unsupported => "UNSUPPORTED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "UNKNOWN",
        }
    }

    const fn status(self) -> u16 {
        match self {
            Self::BlobUnknown | Self::ManifestUnknown | Self::NameUnknown => 404,
            Self::DigestInvalid | Self::ManifestInvalid | Self::NameInvalid => 400,
            Self::Unauthorized => 401,
            Self::Denied => 403,
            Self::Unsupported => 405,
            Self::Unavailable => 502,
            Self::Internal => 500,
        }
    }
}

/// An answer in the specification's error form.
#[derive(Clone, Debug)]
pub struct ApiError {
    code: ErrorCode,
    status: u16,
    message: String,
    detail: Value,
    challenges: Vec<String>,
    retry_after: Option<u64>,
}

impl ApiError {
    /// An error with its code's usual status.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            status: code.status(),
            message: message.into(),
            detail: Value::Null,
            challenges: Vec::new(),
            retry_after: None,
        }
    }

    /// The same with another HTTP status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same with a machine-readable cause.
    #[must_use]
    pub fn detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }

    /// The specification's code.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The HTTP status.
    pub const fn status_code(&self) -> u16 {
        self.status
    }

    /// The JSON body.
    pub fn body(&self) -> Vec<u8> {
        let mut error = json!({"code": self.code.name(), "message": self.message});
        if !self.detail.is_null() {
            error["detail"] = self.detail.clone();
        }
        json!({"errors": [error]}).to_string().into_bytes()
    }

    /// `WWW-Authenticate` values to relay.
    pub fn challenges(&self) -> &[String] {
        &self.challenges
    }

    /// Seconds for `Retry-After`.
    pub const fn retry_after(&self) -> Option<u64> {
        self.retry_after
    }
}

/// What was asked for, so that a plain "not found" gets the right code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A manifest, tags or referrers.
    Manifest,
    /// A blob.
    Blob,
}

/// Turns a failed pull into its answer. `relay` says that clients show credentials of their own, so that a challenge is for
/// them to answer; otherwise it is weir's, and nobody else's.
pub(super) fn of_pull(asked: Asked, error: &PullError, relay: bool) -> ApiError {
    match error {
        PullError::Upstream(error) => of_upstream(asked, error, relay),
        PullError::Content { .. }
        | PullError::Blob(BlobError::DigestMismatch { .. } | BlobError::LengthMismatch { .. }) => {
            ApiError::new(ErrorCode::Unavailable, "the upstream sent something else than was asked for")
                .detail(cause(error))
        }
        PullError::Blob(BlobError::Upstream(fetch)) => match fetch.downcast_ref::<PullError>() {
            Some(error) => of_pull(asked, error, relay),
            None => ApiError::new(ErrorCode::Unavailable, "the upstream failed").detail(cause(error)),
        },
        PullError::Index(_) | PullError::Blob(_) => {
            ApiError::new(ErrorCode::Internal, "weir could not answer").status(503).detail(cause(error))
        }
    }
}

fn of_upstream(asked: Asked, error: &UpstreamError, relay: bool) -> ApiError {
    match error {
        UpstreamError::NotFound { .. } => {
            let (code, message) = match asked {
                Asked::Manifest => (ErrorCode::ManifestUnknown, "the upstream does not have this manifest"),
                Asked::Blob => (ErrorCode::BlobUnknown, "the upstream does not have this blob"),
            };
            ApiError::new(code, message).detail(cause(error))
        }
        UpstreamError::Unauthorized { challenges, .. } if relay && !challenges.is_empty() => {
            let mut answer =
                ApiError::new(ErrorCode::Unauthorized, "the upstream asks for credentials").detail(cause(error));
            answer.challenges.clone_from(challenges);
            answer
        }
        error if error.is_refusal() => {
            ApiError::new(ErrorCode::Denied, "the upstream refuses access to this repository").detail(cause(error))
        }
        UpstreamError::RateLimited { after, .. } | UpstreamError::Token { status: Some(429), after, .. } => {
            let mut answer =
                ApiError::new(ErrorCode::Unavailable, "the upstream limits requests").status(503).detail(cause(error));
            answer.retry_after = after.map(|after| after.as_secs().clamp(1, 300));
            answer
        }
        _ => ApiError::new(ErrorCode::Unavailable, "the upstream failed").detail(cause(error)),
    }
}

/// The chain of an error as one text: its cause, without credentials, which no error of ours carries.
fn cause(error: &(dyn std::error::Error + 'static)) -> Value {
    json!({"cause": chain(error)})
}
