//! Signing people in with an OpenID Connect provider: OpenID Connect Core 1.0, section 3.1, the authorization code flow, with PKCE
//! (RFC 7636).
//!
//! Owns the provider's settings and keys, the sign-ins that are under way, and what an ID token has to prove. Leaves to the report
//! who asks, and what becomes of the person it names. Invariants: nothing is contacted before somebody signs in; a sign-in is
//! finished once, by the browser that began it; only a token that one of the provider's keys signed names anyone.

mod exchange;
mod flow;
mod id_token;
mod known;
mod provider;
mod signature;

use url::Url;
use weir_config::Role;

pub use provider::{Provider, ProviderSettings};

/// A sign-in that has begun.
#[derive(Debug)]
pub struct Started {
    /// Where the browser is sent.
    pub location: Url,
    /// The value of the cookie by which the browser is known again.
    pub cookie: String,
}

/// What the provider sends the browser back with, RFC 6749 section 4.1.2 and RFC 9207.
#[derive(Clone, Debug, Default)]
pub struct Callback {
    /// What is exchanged for the ID token.
    pub code: Option<String>,
    /// Which sign-in this is.
    pub state: Option<String>,
    /// Who says so.
    pub iss: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
}

/// A person whom the provider named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What they are called: `preferred_username`, else `email`, else `name`, else the subject.
    pub name: String,
    /// The provider's own, unchanging name for them.
    pub subject: String,
    /// The highest role that the values of the role claim give.
    pub role: Role,
    /// The local path they wanted to see.
    pub next: String,
}

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// The provider cannot be used, now or as it is set up.
    #[error("the provider {issuer} cannot be used: {detail}")]
    Provider {
        /// The provider.
        issuer: String,
        /// What is wrong.
        detail: String,
    },
    /// The client's secret cannot be read.
    #[error("auth.oidc.client_secret_file {path} cannot be read: {cause}")]
    Secret {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The sign-in is not known: it took too long, is over, or was begun in another browser.
    #[error("this sign-in is not known here: it took too long, is over, or was begun in another browser")]
    Unknown,
    /// The provider says that it did not sign anyone in.
    #[error("the provider did not sign you in: {0}")]
    Declined(String),
    /// The ID token proves nothing.
    #[error("the provider's ID token is refused: {0}")]
    Token(String),
    /// The person has no role here.
    #[error(
        "{name:?} has no role here: no value of the claim {claim:?} is among auth.oidc.viewers, editors or administrators"
    )]
    NoRole {
        /// What they are called.
        name: String,
        /// The claim that decides.
        claim: String,
    },
    /// There is no randomness.
    #[error(transparent)]
    Random(#[from] crate::auth::SecretError),
}
