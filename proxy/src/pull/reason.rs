//! Why something weir wanted for itself could not be had, in words that scripts may rely on.

use std::time::Duration;

use super::PullError;
use crate::upstream::UpstreamError;

/// Why weir could not fetch an image. The names are the API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FetchReason {
    /// The reference is none.
    BadReference,
    /// The registry is not among the configured upstreams.
    UnknownUpstream,
    /// Only clients with credentials of their own may read it there, and none of them is known now.
    CredentialsNeeded,
    /// The upstream refused weir's credentials, or wants some.
    Denied,
    /// The upstream does not have it.
    NotFound,
    /// The upstream limits the rate of requests.
    RateLimited,
    /// The upstream cannot be reached: no connection, no answer in time, a connection that ended.
    Unreachable,
    /// The upstream answered with something that is of no use.
    UpstreamFailed,
    /// It is there, and is no image.
    NotAnImage,
    /// weir's own disk failed.
    StoreFailed,
    /// It was fetched and could not be read to an end.
    Failed,
}

impl FetchReason {
    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadReference => "bad_reference",
            Self::UnknownUpstream => "unknown_upstream",
            Self::CredentialsNeeded => "credentials_needed",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::RateLimited => "rate_limited",
            Self::Unreachable => "unreachable",
            Self::UpstreamFailed => "upstream_failed",
            Self::NotAnImage => "not_an_image",
            Self::StoreFailed => "store_failed",
            Self::Failed => "failed",
        }
    }

    /// The reason behind a failed pull.
    pub fn of(error: &PullError) -> Self {
        match error {
            PullError::Upstream(error) => Self::of_upstream(error),
            PullError::Content { .. } => Self::UpstreamFailed,
            PullError::Index(_) | PullError::Blob(_) => Self::StoreFailed,
        }
    }

    fn of_upstream(error: &UpstreamError) -> Self {
        use UpstreamError as E;
        match error {
            E::NotFound { .. } => Self::NotFound,
            E::Unauthorized { .. } | E::Denied { .. } | E::Credential { .. } => Self::Denied,
            E::Token { status: Some(401 | 403), .. } => Self::Denied,
            E::RateLimited { .. } | E::Token { status: Some(429), .. } => Self::RateLimited,
            E::Connect { .. } | E::Timeout { .. } | E::Cut { .. } | E::Unavailable { .. } => Self::Unreachable,
            E::Token { status: None, .. } => Self::Unreachable,
            E::Status { .. }
            | E::Token { .. }
            | E::Tls { .. }
            | E::UntrustedRealm { .. }
            | E::ClosedAddress { .. }
            | E::Protocol { .. }
            | E::Redirect { .. }
            | E::NotRegistry { .. }
            | E::TooLarge { .. } => Self::UpstreamFailed,
        }
    }

    /// Whether the upstream was reached and would not give it: an image weir has no access to, rather than one it has not seen yet.
    pub const fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::UnknownUpstream | Self::CredentialsNeeded | Self::Denied | Self::NotFound | Self::NotAnImage
        )
    }

    /// How long to wait before the next try after `tries` of them; `None` where only another configuration can help.
    pub fn next_try(self, tries: u32) -> Option<Duration> {
        const FIRST: Duration = Duration::from_secs(30);
        const MOST: Duration = Duration::from_secs(3600);
        match self {
            Self::BadReference | Self::UnknownUpstream => None,
            // Somebody may grant access, push the image, or pull it with credentials.
            Self::CredentialsNeeded | Self::Denied | Self::NotFound | Self::NotAnImage => Some(6 * MOST),
            Self::RateLimited | Self::Unreachable | Self::UpstreamFailed | Self::StoreFailed | Self::Failed => {
                Some(FIRST.saturating_mul(1 << tries.saturating_sub(1).min(10)).min(MOST))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::upstream::Asked;

    fn asked() -> Arc<Asked> {
        Arc::new(Asked { upstream: "docker.io".into(), method: "GET", path: "/v2/a/manifests/1".into() })
    }

    #[test]
    fn a_refused_connection_is_not_a_private_image() {
        let cause = Arc::new(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        let refused = FetchReason::of(&UpstreamError::Connect { asked: asked(), cause }.into());
        assert_eq!((refused, refused.is_refusal()), (FetchReason::Unreachable, false));
        let denied = UpstreamError::Denied { asked: asked(), detail: String::new() };
        assert_eq!(FetchReason::of(&denied.into()), FetchReason::Denied);
    }

    #[test]
    fn what_may_pass_is_tried_again_soon_and_then_more_rarely() {
        let seconds = |tries| FetchReason::Unreachable.next_try(tries).map(|wait| wait.as_secs());
        assert_eq!([1, 2, 3, 40].map(seconds), [Some(30), Some(60), Some(120), Some(3600)]);
        assert_eq!(FetchReason::Denied.next_try(1), Some(Duration::from_secs(21_600)));
        assert_eq!(FetchReason::UnknownUpstream.next_try(1), None);
    }
}
