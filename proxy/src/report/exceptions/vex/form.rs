//! OpenVEX 0.2.0 as it is written.

use schemars::JsonSchema;
use serde::Serialize;

/// The context of the version that is written.
pub(in crate::report) const CONTEXT: &str = "https://openvex.dev/ns/v0.2.0";

/// A document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::report) struct Document {
    #[serde(rename = "@context")]
    pub(in crate::report) context: &'static str,
    #[serde(rename = "@id")]
    pub(in crate::report) id: String,
    pub(in crate::report) author: &'static str,
    pub(in crate::report) timestamp: String,
    pub(in crate::report) version: u32,
    pub(in crate::report) tooling: String,
    pub(in crate::report) statements: Vec<Statement>,
}

/// What is said of one vulnerability in some products.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::report) struct Statement {
    pub(in crate::report) vulnerability: Vulnerability,
    pub(in crate::report) timestamp: String,
    pub(in crate::report) products: Vec<Component>,
    pub(in crate::report) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) status_notes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) justification: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) impact_statement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::report) action_statement: Option<String>,
}

/// A vulnerability with its names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::report) struct Vulnerability {
    pub(in crate::report) name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::report) aliases: Vec<String>,
}

/// A product, or a part of one, by its package URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::report) struct Component {
    #[serde(rename = "@id")]
    pub(in crate::report) id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::report) subcomponents: Vec<Component>,
}

impl Component {
    /// A component without parts that matter.
    pub(in crate::report) fn new(id: String) -> Self {
        Self { id, subcomponents: Vec::new() }
    }
}
