//! Matches what an image holds against advisories.
//!
//! Owns which feed is asked for a package ([`query`]), whether a record affects a version, which records speak of one
//! vulnerability, and the severity chosen among their ratings. Asks through [`crate::advisory::AdvisorySource`] alone, so
//! the same code runs over storage and over memory; whether a finding is accepted is policy and not decided here.
//!
//! Every question is answered on its own ([`answer`]), so that answers serve further images ([`Answers`]), and a change among the
//! advisories is known to change the answers about few packages ([`touched_by_names`]), which are those of few images
//! ([`questions`]). Of these images only what may have changed ([`Stale`]) is asked again ([`rematch_image`]).
//!
//! The invariant: equal inventories and equal advisories give equal findings, in equal order.

mod affects;
mod answer;
mod answers;
mod group;
mod matching;
mod module;
pub mod query;
mod question;
mod rating;
mod record;
mod rematch;
mod runtime;
mod stale;
mod tell;
mod touched;

pub use answer::{Answer, answer};
pub use answers::Answers;
pub use matching::match_image;
pub use question::{ecosystems, questions};
pub use rating::{cvss_score, severity_of_score, severity_of_word};
pub use record::{CvssScore, Finding, FixState, ImageFindings, Severity, Uncovered, UncoveredReason};
pub use rematch::{Rematched, rematch_image};
pub use runtime::{EndedRuntime, ended_runtimes};
pub use stale::Stale;
pub use touched::{Touched, leading_names, touched_by_names};

/// The version of the rules of matching: raised when equal inventories and advisories give other findings than before, so that
/// stored images are matched again.
pub const MATCHER_VERSION: u32 = 2;
