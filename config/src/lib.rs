//! Owns the shape of `weir.toml`: every setting, its default, and the check of it all.
//!
//! Leaves to others what the settings do, the files they name, and the process's environment,
//! which the caller passes in. The invariant: a [`Config`] in hand has no mistake in it, and a
//! check that withholds one names every mistake with its key and place.
//!
//! ```
//! use std::path::Path;
//!
//! let text = "[listen]\nmirror = \"0.0.0.0\"\n[data]\nblob_budjet = \"1TiB\"\n";
//! let checked = weir_config::check(Some(("weir.toml", text)), [], Path::new("/etc/weir"));
//! assert!(checked.config.is_none());
//! assert_eq!(checked.mistakes.len(), 2);
//! assert_eq!(
//!     checked.mistakes[1].to_string(),
//!     "weir.toml:4: data.blob_budjet: unknown key; did you mean blob_budget?"
//! );
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on fails"))]

mod check;
mod config;
mod duration;
mod env;
mod file;
mod host;
mod load;
mod location;
mod problem;
mod reader;
mod secret;
mod section;
mod setting;
mod size;
mod suggest;

pub use check::{Checked, check};
pub use config::Config;
pub use duration::{DurationError, parse_duration};
pub use load::{LoadError, load};
pub use location::Source;
pub use problem::{Place, Problem};
pub use secret::Secret;
pub use section::advisory::AdvisorySection;
pub use section::auth::{Anonymous, AuthSection, OidcSection, Role};
pub use section::cluster::{ClusterSection, Kubernetes};
pub use section::data::DataSection;
pub use section::listen::{ListenSection, TlsSection};
pub use section::log::{LogFormat, LogSection};
pub use section::report::{ReportSection, Severity};
pub use section::scan::ScanSection;
pub use section::upstream::{Access, BUILT_IN, UpstreamSection};
pub use section::webhook::{NoticeKind, WebhookFormat, WebhookSection};
pub use setting::{DefaultValue, Form, SETTINGS, Setting};
pub use size::{ByteSize, ByteSizeError};
