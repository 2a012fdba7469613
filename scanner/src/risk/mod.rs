//! What is wrong with an image besides its packages: secrets in its files, its configuration, the rights of its files.

mod configuration;
mod history;

pub use configuration::configuration_risks;

pub use crate::detect::secret::in_text as secrets_in_text;

use serde::{Deserialize, Serialize};

use crate::finding::Severity;

/// What a risk is about; scripts rely on the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskKind {
    /// A key, token or password that lies in the image.
    Secret,
    /// How the image is configured to run.
    Configuration,
    /// The rights of a file, and passwords of accounts.
    Permission,
}

/// One risk, as a file of a layer or the image's configuration shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Risk {
    /// What it is about.
    pub kind: RiskKind,
    /// The rule that found it; a stable name.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence for people, or the match with its value masked. Never a secret.
    pub detail: String,
    /// The line of the file it is on, counted from 1, where that helps.
    pub line: Option<u32>,
}
