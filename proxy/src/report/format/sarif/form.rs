//! SARIF 2.1.0 as it is written: the parts of the schema that weir fills.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use weir_scanner::finding::Severity;

use crate::report::document::{CoveragePart, ImagePart, ScanPart};

#[derive(Debug, Serialize)]
pub(in super::super) struct Log<'a> {
    #[serde(rename = "$schema")]
    pub(super) schema: &'static str,
    pub(super) version: &'static str,
    pub(super) runs: [Run<'a>; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Run<'a> {
    pub(super) tool: Tool<'a>,
    pub(super) automation_details: Automation,
    pub(super) invocations: [Invocation<'a>; 1],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) original_uri_base_ids: BTreeMap<String, BaseId>,
    pub(super) results: Vec<Result<'a>>,
    pub(super) column_kind: &'static str,
    pub(super) properties: RunProperties<'a>,
}

/// What the run was over and how much is known of it, as the result document says it.
#[derive(Debug, Serialize)]
pub(super) struct RunProperties<'a> {
    pub(super) image: &'a ImagePart,
    pub(super) scan: &'a ScanPart,
    pub(super) coverage: &'a CoveragePart,
}

#[derive(Debug, Serialize)]
pub(super) struct Automation {
    pub(super) id: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Tool<'a> {
    pub(super) driver: Driver<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Driver<'a> {
    pub(super) name: &'static str,
    pub(super) semantic_version: &'static str,
    pub(super) rules: Vec<Rule<'a>>,
    pub(super) notifications: Vec<Rule<'a>>,
}

/// A reporting descriptor: of results, or of notifications.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) short_description: Message,
    pub(super) full_description: Message,
    pub(super) help: Message,
    pub(super) default_configuration: Configuration,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) help_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) properties: Option<RuleProperties>,
}

impl<'a> Rule<'a> {
    pub(super) fn new(id: impl Into<Cow<'a, str>>, about: &str, level: Level) -> Self {
        let message = || Message { text: about.to_owned() };
        Self {
            id: id.into(),
            short_description: message(),
            full_description: message(),
            help: message(),
            default_configuration: Configuration { level },
            help_uri: None,
            properties: None,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Configuration {
    level: Level,
}

#[derive(Debug, Serialize)]
pub(super) struct RuleProperties {
    /// 0.0 to 10.0 as text: how code scanning services rank. Absent where nobody rated.
    #[serde(rename = "security-severity", skip_serializing_if = "Option::is_none", serialize_with = "decimal")]
    pub(super) security_severity: Option<f64>,
    pub(super) tags: Vec<&'static str>,
}

fn decimal<S: Serializer>(score: &Option<f64>, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    match score {
        Some(score) => serializer.serialize_str(&format!("{score:.1}")),
        None => serializer.serialize_none(),
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Invocation<'a> {
    pub(super) execution_successful: bool,
    pub(super) end_time_utc: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_execution_notifications: Vec<Notification<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Notification<'a> {
    pub(super) descriptor: ReportingReference,
    pub(super) level: Level,
    pub(super) message: Message,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) locations: Vec<Location<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct ReportingReference {
    pub(super) id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) index: Option<usize>,
}

/// What the paths of a layer are relative to.
#[derive(Debug, Serialize)]
pub(super) struct BaseId {
    pub(super) description: Message,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    None,
    Note,
    Warning,
    Error,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ResultKind {
    /// There was not enough information to decide.
    Open,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Result<'a> {
    pub(super) rule_id: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rule_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<ResultKind>,
    pub(super) level: Level,
    pub(super) message: Message,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) locations: Vec<Location<'a>>,
    pub(super) partial_fingerprints: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) properties: Option<ResultProperties<'a>>,
}

impl<'a> Result<'a> {
    pub(super) fn new(rule: impl Into<Cow<'a, str>>, level: Level, text: String, fingerprint: String) -> Self {
        Self {
            rule_id: rule.into(),
            rule_index: None,
            kind: None,
            level,
            message: Message { text },
            locations: Vec::new(),
            partial_fingerprints: BTreeMap::from([(super::FINGERPRINT, fingerprint)]),
            properties: None,
        }
    }

    /// By what it is known again.
    pub(super) fn fingerprint(&self) -> &str {
        self.partial_fingerprints.values().next().map_or("", String::as_str)
    }
}

/// What else the result document says of a finding or risk.
#[derive(Debug, Serialize)]
pub(super) struct ResultProperties<'a> {
    pub(super) severity: Severity,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) package: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) installed_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fixed_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) layer: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) known_exploited: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) epss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_seen: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) visible: Option<bool>,
}

impl ResultProperties<'_> {
    /// Of something of which nothing but its severity is to be said.
    pub(super) const fn of(severity: Severity) -> Self {
        let (package, installed_version, fixed_version, first_seen) = (None, None, None, None);
        let (layer, known_exploited, epss, visible) = (None, None, None, None);
        Self { severity, package, installed_version, fixed_version, layer, known_exploited, epss, first_seen, visible }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Message {
    pub(super) text: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Location<'a> {
    pub(super) physical_location: Physical,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) logical_locations: Vec<LogicalLocation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<Message>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Physical {
    pub(super) artifact_location: Artifact,
    pub(super) region: Region,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Artifact {
    pub(super) uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uri_base_id: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Region {
    pub(super) start_line: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogicalLocation<'a> {
    pub(super) name: &'a str,
    pub(super) fully_qualified_name: &'a str,
    pub(super) kind: &'static str,
}
