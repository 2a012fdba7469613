//! What can go wrong between weir and an upstream, whose fault it is, and whether trying again helps.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::CredentialError;

/// An underlying error, shared so that everyone who waits for one request can be told.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// The request an error is about. Holds no query: signed URLs carry their secrets there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The upstream's name.
    pub upstream: String,
    /// The method.
    pub method: &'static str,
    /// The path at the upstream, before any redirect.
    pub path: String,
}

impl fmt::Display for Asked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {} {}", self.upstream, self.method, self.path)
    }
}

/// Why a request to an upstream has no answer to give.
#[derive(Clone, Debug, thiserror::Error)]
pub enum UpstreamError {
    /// 404. Authoritative where the registry itself said so, in its own form; a web server's page is not.
    #[error("{asked}: not found")]
    NotFound {
        /// The request.
        asked: Arc<Asked>,
        /// Whether the absence may be remembered.
        authoritative: bool,
    },
    /// 401, with the challenges as the upstream wrote them, for relaying.
    #[error("{asked}: upstream asks for credentials")]
    Unauthorized {
        /// The request.
        asked: Arc<Asked>,
        /// The values of `WWW-Authenticate`.
        challenges: Vec<String>,
        /// Whether the request carried the client's credentials, or none in its name, rather than weir's own.
        relayed: bool,
    },
    /// 403.
    #[error("{asked}: upstream denies access{}", said(.detail))]
    Denied {
        /// The request.
        asked: Arc<Asked>,
        /// What the upstream's error says, shortened.
        detail: String,
    },
    /// 429.
    #[error("{asked}: upstream limits the rate of requests")]
    RateLimited {
        /// The request.
        asked: Arc<Asked>,
        /// The wait it asks for.
        after: Option<Duration>,
    },
    /// Any other status that is not what was asked for.
    #[error("{asked}: upstream answered {status}{}", said(.detail))]
    Status {
        /// The request.
        asked: Arc<Asked>,
        /// The status.
        status: u16,
        /// What the upstream's error says, shortened.
        detail: String,
        /// The wait it asks for.
        after: Option<Duration>,
    },
    /// No connection.
    #[error("{asked}: cannot connect")]
    Connect {
        /// The request.
        asked: Arc<Asked>,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// A connection that does not prove whose it is.
    #[error("{asked}: TLS failed")]
    Tls {
        /// The request.
        asked: Arc<Asked>,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// An address that is not open to this upstream.
    #[error("{asked}: {host} is at {address}, {}", closed_text(*.never))]
    ClosedAddress {
        /// The request.
        asked: Arc<Asked>,
        /// The host that led there.
        host: String,
        /// The address.
        address: IpAddr,
        /// Whether no setting opens it (link-local).
        never: bool,
    },
    /// Silence for too long.
    #[error("{asked}: no {stage} within {limit:?}")]
    Timeout {
        /// The request.
        asked: Arc<Asked>,
        /// What was waited for: `connection`, `answer`, `further bytes`, `whole body`.
        stage: &'static str,
        /// For how long.
        limit: Duration,
    },
    /// The connection ended before the answer did. `received` bytes of the body came; the rest can be asked for by range.
    #[error("{asked}: connection ended after {received} bytes of the body")]
    Cut {
        /// The request.
        asked: Arc<Asked>,
        /// Bytes of this answer's body that arrived.
        received: u64,
        /// Why, where known.
        #[source]
        cause: Option<Cause>,
    },
    /// An answer that is not HTTP, or contradicts itself.
    #[error("{asked}: {what}")]
    Protocol {
        /// The request.
        asked: Arc<Asked>,
        /// What is wrong with it.
        what: &'static str,
        /// Why, where known.
        #[source]
        cause: Option<Cause>,
    },
    /// A redirect that is not followed.
    #[error("{asked}: redirect refused: {refusal}")]
    Redirect {
        /// The request.
        asked: Arc<Asked>,
        /// Why.
        refusal: RedirectRefusal,
    },
    /// A success that no registry sends, such as the page of a captive portal.
    #[error("{asked}: answer is {content_type}, not what a registry sends")]
    NotRegistry {
        /// The request.
        asked: Arc<Asked>,
        /// Its content type.
        content_type: String,
    },
    /// A body over its limit.
    #[error("{asked}: answer is over {limit} bytes")]
    TooLarge {
        /// The request.
        asked: Arc<Asked>,
        /// The limit.
        limit: usize,
    },
    /// The challenge names a realm outside the upstream's trust. Nothing was sent there.
    #[error("{asked}: token realm {realm} is outside the upstream's domain; list its host in token_hosts to trust it")]
    UntrustedRealm {
        /// The request.
        asked: Arc<Asked>,
        /// The realm, without query.
        realm: String,
    },
    /// The token endpoint gave no token.
    #[error("{asked}: no token from {realm}{}", status_text(*.status))]
    Token {
        /// The request.
        asked: Arc<Asked>,
        /// The realm, without query.
        realm: String,
        /// The endpoint's status, where it answered.
        status: Option<u16>,
        /// The wait it asks for.
        after: Option<Duration>,
        /// Why, where it did not answer or answered nonsense.
        #[source]
        cause: Option<Cause>,
    },
    /// Weir's own credentials cannot be had.
    #[error("{asked}: own credentials are not available")]
    Credential {
        /// The request.
        asked: Arc<Asked>,
        /// Why.
        #[source]
        cause: Arc<CredentialError>,
    },
    /// The upstream failed too often lately; nothing was sent.
    #[error("{asked}: upstream failed repeatedly, asked again in {after:?}")]
    Unavailable {
        /// The request.
        asked: Arc<Asked>,
        /// How long until it is tried again.
        after: Duration,
    },
}

/// Why a redirect is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectRefusal {
    /// It names no place.
    #[error("no usable Location")]
    NoLocation,
    /// It comes back to a place already asked.
    #[error("it loops")]
    Loop,
    /// There were too many.
    #[error("more than {0} in a row")]
    TooMany(usize),
    /// It leaves HTTPS.
    #[error("from https to http at {0}")]
    Downgrade(String),
}

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client asked for what it may not have or what is not there.
    Client,
    /// The upstream, or the way to it.
    Upstream,
    /// Weir or its settings.
    Ours,
}

/// Whether the same request may succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Not without a change.
    Never,
    /// Possibly, after this long.
    After(Duration),
}

fn said(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail}") }
}

fn closed_text(never: bool) -> &'static str {
    if never { "link-local addresses are never asked" } else { "a private address that redirect_hosts does not name" }
}

fn status_text(status: Option<u16>) -> String {
    status.map_or_else(String::new, |status| format!(": it answered {status}"))
}

impl UpstreamError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::NotFound { .. }
            | Self::Unauthorized { .. }
            | Self::Denied { .. }
            | Self::Status { status: 416, .. } => Fault::Client,
            Self::Token { status: Some(401 | 403), .. } => Fault::Client,
            Self::Credential { .. } | Self::UntrustedRealm { .. } => Fault::Ours,
            _ => Fault::Upstream,
        }
    }

    /// Whether the upstream said that these credentials, or none, do not suffice.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Unauthorized { .. } | Self::Denied { .. } | Self::Token { status: Some(401 | 403), .. })
    }

    /// Whether the same request may succeed later. Every error that passes by itself says when.
    pub fn retry(&self) -> Retry {
        const SOON: Duration = Duration::from_secs(1);
        match self {
            Self::RateLimited { after, .. } | Self::Token { status: Some(429), after, .. } => {
                Retry::After(after.unwrap_or(Duration::from_secs(30)))
            }
            Self::Status { status: 408 | 500 | 502 | 503 | 504, after, .. }
            | Self::Token { status: None | Some(408 | 500 | 502 | 503 | 504), after, .. } => {
                Retry::After(after.unwrap_or(SOON))
            }
            Self::Connect { .. } | Self::Timeout { .. } | Self::Cut { .. } => Retry::After(SOON),
            Self::Unavailable { after, .. } => Retry::After(*after),
            _ => Retry::Never,
        }
    }

    /// Whether asking again later may end differently, so that a body that was cut is worth resuming.
    pub fn may_heal(&self) -> bool {
        self.retry() != Retry::Never
    }

    /// The wait the upstream asked for, where it did.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { after, .. } | Self::Status { after, .. } | Self::Token { after, .. } => *after,
            _ => None,
        }
    }

    /// Whether it says that the upstream as a whole is broken, which is what the breaker counts.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Status { status, .. } => *status >= 500,
            Self::Token { status, .. } => status.is_none_or(|status| status >= 500),
            Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Timeout { .. }
            | Self::Cut { .. }
            | Self::Protocol { .. } => true,
            _ => false,
        }
    }
}
