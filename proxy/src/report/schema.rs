//! The JSON schemas of words that other crates own, for `#[schemars(with = "…")]`.
//!
//! The types below are never made: each stands for another in schemas alone, whose values it takes from that type itself, so that a new
//! variant cannot be missing here.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::Value;
use weir_scanner::exception::{Justification, Kind, Target};
use weir_scanner::finding::{FixState, Severity, UncoveredReason};
use weir_scanner::image::ScanStatus;
use weir_scanner::oci::Digest;
use weir_scanner::risk::RiskKind;
use weir_scanner::verdict::SeverityCounts;
use weir_storage::index::{AliasKind, ContainerKind, TokenRole};

use super::image::{UNSEEN_KIND, kind_name};
use super::nodes::NodeState;

/// A schema for each of some enums: one of the words it is written as.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident($title:literal) = $of:ident { $($variant:ident),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name;

        impl $name {
            /// Every word.
            pub(super) fn all() -> Vec<Value> {
                let each = [$($of::$variant),+];
                for one in each {
                    // A variant that is not named above does not compile.
                    match one { $($of::$variant => {})+ }
                }
                each.into_iter().map(word).collect()
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                $title.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "enum": Self::all() })
            }
        }
    )+};
}

words! {
    /// How bad a vulnerability is.
    SeverityName("Severity") = Severity { Critical, High, Medium, Low, None, Unknown }
    /// How far an image was read.
    ScanStatusName("ScanStatus") =
        ScanStatus { Queued, Scanning, Complete, Partial, Failed, Unsupported, NoAccess, NeverSeen }
    /// What can be had against a finding.
    FixStateName("FixState") = FixState { None, Fixed, Pro }
    /// Why no feed spoke for packages.
    UncoveredReasonName("UncoveredReason") = UncoveredReason { NoFeed, MissingFeed, ThirdParty, Unnamed }
    /// What a risk is about.
    RiskKindName("RiskKind") = RiskKind { Secret, Configuration, Permission }
    /// What an exception is about.
    TargetName("ExceptionTarget") = Target { Repository, Vulnerability }
    /// What was decided.
    DecisionName("ExceptionKind") = Kind { FalsePositive, AcceptedRisk, UnderInvestigation }
    /// Why a product is not affected, by the words of VEX.
    JustificationName("Justification") = Justification {
        ComponentNotPresent, VulnerableCodeNotPresent, VulnerableCodeNotInExecutePath,
        VulnerableCodeCannotBeControlledByAdversary, InlineMitigationsAlreadyExist,
    }
    /// Where a workload names a container.
    ContainerKindName("ContainerKind") = ContainerKind { Container, Init, Sidecar, Ephemeral, Volume }
}

/// Whether a node pulls through weir.
#[derive(Debug)]
pub(super) struct NodeStateName;

impl NodeStateName {
    /// Every word.
    pub(super) fn all() -> Vec<Value> {
        NodeState::ALL.map(|state| Value::from(state.name())).to_vec()
    }
}

impl JsonSchema for NodeStateName {
    fn schema_name() -> Cow<'static, str> {
        "NodeState".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": Self::all() })
    }
}

/// A word as it is written.
fn word(of: impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

/// A digest, `sha256:` and 64 hexadecimal digits or `sha512:` and 128.
#[derive(Debug)]
pub(super) struct DigestText;

/// What [`Digest::parse`] takes.
pub(super) const DIGEST_PATTERN: &str = "^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$";

impl JsonSchema for DigestText {
    fn schema_name() -> Cow<'static, str> {
        "Digest".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let example = Digest::of(b"").to_string();
        json_schema!({ "type": "string", "pattern": DIGEST_PATTERN, "examples": [example] })
    }
}

/// What a token's bearer may do.
#[derive(Debug)]
pub(super) struct RoleName;

impl JsonSchema for RoleName {
    fn schema_name() -> Cow<'static, str> {
        "TokenRole".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": TokenRole::ALL.map(TokenRole::name) })
    }
}

/// What a digest is of.
#[derive(Debug)]
pub(super) struct KindName;

impl JsonSchema for KindName {
    fn schema_name() -> Cow<'static, str> {
        "DigestKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let known = [AliasKind::Index, AliasKind::Manifest, AliasKind::Config].map(kind_name);
        json_schema!({ "type": "string", "enum": known.into_iter().chain([UNSEEN_KIND]).collect::<Vec<_>>() })
    }
}

/// Why an image or a layer was not read whole.
#[derive(Debug)]
pub(super) struct ReasonPart;

impl JsonSchema for ReasonPart {
    fn schema_name() -> Cow<'static, str> {
        "Reason".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "layer": { "type": ["integer", "null"], "minimum": 0 },
                "code": { "type": "string" },
                "path": { "type": "string" },
                "detail": { "type": "string" },
            },
            "required": ["code", "detail"],
        })
    }
}

/// A CVSS score with its vector.
#[derive(Debug)]
pub(super) struct CvssPart;

impl JsonSchema for CvssPart {
    fn schema_name() -> Cow<'static, str> {
        "Cvss".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "version": { "type": "string" },
                "score": { "type": "number", "minimum": 0, "maximum": 10 },
                "vector": { "type": "string" },
            },
            "required": ["version", "score", "vector"],
        })
    }
}

/// A number for each severity.
#[derive(Debug)]
pub(super) struct SeverityNumbers;

impl JsonSchema for SeverityNumbers {
    fn schema_name() -> Cow<'static, str> {
        "SeverityCounts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<Value> = Severity::ALL.map(word).into();
        let number = serde_json::json!({ "type": "integer", "minimum": 0 });
        let numbers = Severity::ALL.map(|severity| (severity.name().to_owned(), number.clone()));
        let members: serde_json::Map<String, Value> = numbers.into_iter().collect();
        json_schema!({ "type": "object", "properties": members, "required": names, "additionalProperties": false })
    }
}

/// That the numbers have the names of the severities, which the schema relies on.
const _: fn(SeverityCounts) = |counts| {
    let SeverityCounts { critical: _, high: _, medium: _, low: _, none: _, unknown: _ } = counts;
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_named_as_severities_are() {
        let written = serde_json::to_value(SeverityCounts::default()).unwrap();
        let mut names: Vec<_> = written.as_object().unwrap().keys().cloned().collect();
        let mut severities = Severity::ALL.map(|severity| severity.name().to_owned()).to_vec();
        names.sort_unstable();
        severities.sort_unstable();
        assert_eq!(names, severities);
        assert_eq!(SeverityName::all(), severities_in_order());
        assert_eq!(ScanStatusName::all().len(), ScanStatus::ALL.len());
    }

    fn severities_in_order() -> Vec<Value> {
        Severity::ALL.map(|severity| Value::from(severity.name())).to_vec()
    }
}
