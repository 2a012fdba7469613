//! Who may ask for what: tokens of people's programs and of agents.
//!
//! Owns what a token looks like, how one is made and how one is proven. Leaves to the index what is kept of it, and to each
//! door which role it opens for. Invariants: a token's secret is nowhere but in the answer that created it; every check reads
//! the index, so a revoked token is refused from that moment on.

mod secret;
mod tokens;

pub use secret::SecretError;
pub use tokens::{CreateError, NewToken, TokenError, TokenLine, Tokens, Verified, is_cluster_name};
