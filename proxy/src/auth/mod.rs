//! Who may ask for what: tokens of people's programs and of agents, sessions of people's browsers, and how often one may try.
//!
//! Owns what a token and a session look like, how one is made and how one is proven. Leaves to the index what is kept of them, and
//! to each door which role it opens for. Invariants: a secret is nowhere but in the answer that created it; every check reads the
//! index, so what is revoked is refused from that moment on; a session never outlives the token it was made with.

mod attempts;
mod caller;
mod secret;
mod sessions;
mod tokens;

pub use attempts::Attempts;
pub use caller::{Caller, How, role_name, role_of};
pub use secret::SecretError;
pub(crate) use secret::{hash, new_secret, same};
pub use sessions::{NewSession, SessionError, SessionLimits, SessionLine, Sessions};
pub use tokens::{CreateError, Created, NewToken, TokenError, TokenLine, Tokens, Verified, is_cluster_name};
