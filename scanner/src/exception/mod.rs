//! Exceptions: which findings, or whole repositories, people have decided about, why, and until when.
//!
//! Owns what a decision says and whether it speaks of a finding. Pure: is handed the time and every fact it asks for. What is excepted
//! is still found; it is shown elsewhere. Leaves to storage that no decision is ever changed or removed, and to the report who may make one.

mod names;
mod rules;
mod scope;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::oci::Digest;

pub use names::{names_of, vulnerability};
pub use rules::{Place, Rules, Subject};
pub use scope::{InvalidScope, MAX_LABELS, Narrowest, repository};

/// What a decision is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Every image of the repositories in scope, whatever is found in it.
    Repository,
    /// One vulnerability, under any of its names.
    Vulnerability,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is not so: the scanner is wrong, the code is not affected, or it was fixed another way.
    FalsePositive,
    /// It is so, and is lived with.
    AcceptedRisk,
    /// It is being looked at. Nothing is excepted by that; the finding says so.
    UnderInvestigation,
}

/// Why a product is not affected, by the words of OpenVEX and CISA's minimum requirements for VEX.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Justification {
    /// The component is not in the product.
    ComponentNotPresent,
    /// The vulnerable code is not in the component.
    VulnerableCodeNotPresent,
    /// The vulnerable code is never run.
    VulnerableCodeNotInExecutePath,
    /// An attacker cannot reach the vulnerable code.
    VulnerableCodeCannotBeControlledByAdversary,
    /// Something in the product keeps it from being exploited.
    InlineMitigationsAlreadyExist,
}

/// Where a decision holds: all that is given must hold, and nothing given means everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scope {
    /// Workloads of this cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Workloads of this namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Workloads with all of these labels, `key` or `key=value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Images of this repository, `<upstream>/<repository>`: those it has, and those it will have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// This image, by its platform manifest's digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Digest>,
    /// This package, as a package URL: of any version where it names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
}

/// How a decision ended before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// When, seconds since the epoch.
    pub at: i64,
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Its id.
    pub id: String,
    /// What it is about.
    pub target: Target,
    /// What was decided.
    pub kind: Kind,
    /// Every name the vulnerability had when it was decided, the one it was asked by first. Empty for a repository.
    pub vulnerability: Vec<String>,
    /// Where it holds.
    pub scope: Scope,
    /// Why it is not affected, in the words of VEX.
    pub justification: Option<Justification>,
    /// Why.
    pub reason: String,
    /// By whom.
    pub created_by: String,
    /// When, seconds since the epoch.
    pub created_at: i64,
    /// When it ends, seconds since the epoch.
    pub expires_at: Option<i64>,
    /// Whether it ends for a finding once a fixed version can be had.
    pub expire_on_fix: bool,
    /// How it ended before its time.
    pub cancelled: Option<Cancelled>,
    /// The VEX document it came from, by that document's id.
    pub document: Option<String>,
}

impl Target {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Repository, Self::Vulnerability];

    /// The name in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Repository => "repository",
            Self::Vulnerability => "vulnerability",
        }
    }
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::FalsePositive, Self::AcceptedRisk, Self::UnderInvestigation];

    /// The name in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FalsePositive => "false_positive",
            Self::AcceptedRisk => "accepted_risk",
            Self::UnderInvestigation => "under_investigation",
        }
    }
}

impl Justification {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::ComponentNotPresent,
        Self::VulnerableCodeNotPresent,
        Self::VulnerableCodeNotInExecutePath,
        Self::VulnerableCodeCannotBeControlledByAdversary,
        Self::InlineMitigationsAlreadyExist,
    ];

    /// The word of OpenVEX.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ComponentNotPresent => "component_not_present",
            Self::VulnerableCodeNotPresent => "vulnerable_code_not_present",
            Self::VulnerableCodeNotInExecutePath => "vulnerable_code_not_in_execute_path",
            Self::VulnerableCodeCannotBeControlledByAdversary => "vulnerable_code_cannot_be_controlled_by_adversary",
            Self::InlineMitigationsAlreadyExist => "inline_mitigations_already_exist",
        }
    }
}

impl State {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Active, Self::Expired, Self::Cancelled];

    /// The name in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What has become of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It holds.
    Active,
    /// Its time is over.
    Expired,
    /// It was cancelled.
    Cancelled,
}

/// For people: `everywhere`, or what must hold.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        let image = self.image.map(|image| image.to_string());
        for (what, value) in [("cluster", &self.cluster), ("namespace", &self.namespace)] {
            parts.extend(value.iter().map(|value| format!("{what} {value}")));
        }
        parts.extend(self.labels.iter().map(|label| format!("label {label}")));
        for (what, value) in [("repository", &self.repository), ("image", &image), ("package", &self.package)] {
            parts.extend(value.iter().map(|value| format!("{what} {value}")));
        }
        if parts.is_empty() { f.write_str("everywhere") } else { f.write_str(&parts.join(", ")) }
    }
}

impl Exception {
    /// It in one line for people: what, of what, where.
    pub fn summary(&self) -> String {
        match self.vulnerability.first() {
            Some(name) => format!("{} of {name}: {}", self.kind.name(), self.scope),
            None => format!("{}: {}", self.kind.name(), self.scope),
        }
    }

    /// What has become of it at `now` (seconds since the epoch).
    pub fn state(&self, now: i64) -> State {
        if self.cancelled.is_some() {
            State::Cancelled
        } else if self.expires_at.is_some_and(|end| end <= now) {
            State::Expired
        } else {
            State::Active
        }
    }
}
