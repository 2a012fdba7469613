//! HTTP plumbing around hyper: the accept loop, TLS on listeners, and response bodies.
//!
//! Owns connections from accept to close: limits, header timeouts, graceful shutdown. Leaves routes and answers to the
//! service it is given. Invariant: a response body that fails is never completed on the wire; the connection closes short
//! of its length.

mod body;
mod chain;
mod client_certificate;
mod reload;
mod serve;
mod stamp;
mod tls;

pub use body::{Body, BodyError, empty, from_chunks, full};
pub(crate) use chain::chain;
pub use serve::{ConnInfo, ServeLimits, serve};
pub(crate) use stamp::FileStamp;
pub use tls::{TlsError, TlsListener};
