//! The client of upstream registries.
//!
//! Owns everything between "this blob of that repository" and bytes off a socket: URLs, challenges and tokens, redirects,
//! which addresses may be reached, retries, the breaker, and what each failure means. Leaves to callers what is kept, served
//! stale or verified: digests are not checked here, and a cut body is continued by asking again with a range.
//!
//! Invariants: nothing is contacted before the first request; credentials reach only the upstream itself and realms within
//! its trust; no error or log line holds a credential or the query of a redirect.

mod address;
mod answer;
mod breaker;
mod challenge;
mod client;
mod connect;
mod credential;
mod error;
mod redirect;
mod request;
mod retry;
mod roots;
#[cfg(test)]
mod scripted;
mod settings;
#[cfg(test)]
mod tests;
mod token;
mod transport;
mod trust;

pub use answer::{BlobHead, BlobReply, ListAnswer, ManifestReply};
pub use breaker::BreakerSettings;
pub use client::{ClientAuth, Method, UpstreamClient};
pub use credential::CredentialError;
pub use error::{Asked, Cause, Fault, RedirectRefusal, Retry, UpstreamError};
pub use retry::RetryPolicy;
pub use settings::{InvalidUpstream, UpstreamLimits, UpstreamObserver, UpstreamSettings};
pub use transport::{HttpClient, plain_client, report_client};
