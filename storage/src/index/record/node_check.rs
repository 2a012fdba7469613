//! Stored form of checks of nodes.

use serde::{Deserialize, Serialize};

use super::common::{all, mirrored};
use super::{Record, Unreadable, first_version, seal, unseal};
use crate::index::{NodeCheckRecord, NodeFinding, NodeFindingLevel};

mirrored! { StoredLevel = NodeFindingLevel { Error, Warning } }

#[derive(Debug, Serialize, Deserialize)]
struct StoredFinding {
    level: StoredLevel,
    code: String,
    detail: String,
}

impl From<&NodeFinding> for StoredFinding {
    fn from(finding: &NodeFinding) -> Self {
        let NodeFinding { level, code, detail } = finding.clone();
        Self { level: level.into(), code, detail }
    }
}

impl From<StoredFinding> for NodeFinding {
    fn from(stored: StoredFinding) -> Self {
        let StoredFinding { level, code, detail } = stored;
        Self { level: level.into(), code, detail }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredNodeCheckV1 {
    at: i64,
    since: i64,
    runtime: String,
    version: Option<String>,
    config_path: Option<String>,
    through_weir: bool,
    findings: Vec<StoredFinding>,
}

impl From<&NodeCheckRecord> for StoredNodeCheckV1 {
    fn from(check: &NodeCheckRecord) -> Self {
        let NodeCheckRecord { at, since, runtime, version, config_path, through_weir, findings } = check.clone();
        Self { at, since, runtime, version, config_path, through_weir, findings: all(&findings) }
    }
}

impl From<StoredNodeCheckV1> for NodeCheckRecord {
    fn from(stored: StoredNodeCheckV1) -> Self {
        let StoredNodeCheckV1 { at, since, runtime, version, config_path, through_weir, findings } = stored;
        Self { at, since, runtime, version, config_path, through_weir, findings: all(findings) }
    }
}

first_version!(NodeCheckRecord as StoredNodeCheckV1);
