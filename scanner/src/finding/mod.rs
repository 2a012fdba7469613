//! Matches what an image holds against advisories.
//!
//! Owns which feed is asked for a package ([`query`]), whether a record affects a version, which records speak of one
//! vulnerability, and the severity chosen among their ratings. Asks through [`crate::advisory::AdvisorySource`] alone, so
//! the same code runs over storage and over memory; whether a finding is accepted is policy and not decided here.
//!
//! The invariant: equal inventories and equal advisories give equal findings, in equal order.

mod affects;
mod group;
mod matching;
mod packager;
pub mod query;
mod question;
mod rating;
mod record;
mod tell;

pub use matching::match_image;
pub use rating::{cvss_score, severity_of_score, severity_of_word};
pub use record::{CvssScore, Finding, ImageFindings, Severity};
