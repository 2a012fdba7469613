//! Who may do what on the report's address: tokens, sessions, signing in and out.

mod harness;
mod metrics;
mod oidc;
mod sessions;
mod sign_in;
mod table;
mod tokens;
