//! `nodes`: which nodes pull through weir and which go past it, and what each told of itself.
//!
//! Owns the checks that nodes tell ([`told`]), who pulled last ([`pulled`]), and what all that is known of a node comes to ([`state`]).
//! The rows are made with the fleet ([`row`]), so that list, page and metrics say the same and a scrape reads memory only.

mod body;
mod pulled;
mod row;
mod state;
mod told;

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::Serialize;
use weir_scanner::oci::Digest;
use weir_storage::index::NodeCheckRecord;

use super::list::limit;
use super::model::Listed;
use super::problem::Problem;
use super::schema::{DigestText, NodeStateName};
use super::{Parameters, Report};
use crate::clock::rfc3339;

pub(in crate::report) use body::{CheckBody, MAX_CHECK_BODY};
pub(in crate::report) use row::{NodeMaker, NodeRow, StateCounts, counts};
pub(in crate::report) use state::NodeState;
pub use told::NodeChecks;

/// The parameters of the list, besides those of its pages.
const PARAMETERS: [&str; 3] = ["cluster", "state", "q"];

/// A node.
#[derive(Serialize, JsonSchema)]
pub(super) struct NodeItem {
    cluster: String,
    name: String,
    platform: Option<String>,
    /// Its pods that have not ended; `null` where no watched cluster has a node of that name.
    pods: Option<u32>,
    /// Whether it pulls through weir.
    #[schemars(with = "NodeStateName")]
    state: &'static str,
    /// Why it has that state.
    reason: String,
    /// What it pulled through weir last.
    last_pull: Option<LastPullItem>,
    /// What it told of itself last.
    check: Option<NodeCheckItem>,
}

/// A node's last pull.
#[derive(Serialize, JsonSchema)]
struct LastPullItem {
    at: String,
    /// The name it was asked for by, as far as it is known.
    reference: String,
    #[schemars(with = "DigestText")]
    image: Digest,
}

/// What a node told.
#[derive(Serialize, JsonSchema)]
struct NodeCheckItem {
    at: String,
    /// Whether that is so long ago that it does not count any more.
    old: bool,
    runtime: String,
    version: Option<String>,
    /// The directory in which the runtime looks for mirrors, where it has one.
    config_path: Option<String>,
    /// Whether the runtime is set up to pull through weir.
    through_weir: bool,
    findings: Vec<NodeFindingItem>,
}

/// Something that is not as it should be on a node.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "NodeFinding")]
struct NodeFindingItem {
    /// `error` where images do not come through weir as they should, else `warning`.
    level: &'static str,
    code: String,
    detail: String,
}

/// What the list is asked for; what is empty takes any.
struct Filter {
    clusters: BTreeSet<String>,
    states: BTreeSet<NodeState>,
    /// A part of a name, in small letters.
    q: String,
}

impl Filter {
    fn parse(parameters: &Parameters) -> Result<Self, Problem> {
        let state = |text: &str| {
            let known = NodeState::ALL.into_iter().find(|state| state.name() == text);
            known.ok_or_else(|| {
                let names = NodeState::ALL.map(NodeState::name).join(", ");
                Problem::bad_request(format!("state: expected one of {names}, found {text:?}"))
            })
        };
        Ok(Self {
            clusters: parameters.all("cluster").map(str::to_owned).collect(),
            states: parameters.all("state").map(state).collect::<Result<_, _>>()?,
            q: parameters.get("q").unwrap_or_default().to_lowercase(),
        })
    }

    fn takes(&self, row: &NodeRow) -> bool {
        (self.clusters.is_empty() || self.clusters.contains(row.cluster.as_ref()))
            && (self.states.is_empty() || self.states.contains(&row.state))
            && (self.q.is_empty() || row.name.to_lowercase().contains(&self.q))
    }
}

impl Report {
    pub(super) fn list_nodes(&self, parameters: &Parameters) -> Result<Listed<NodeItem>, Problem> {
        parameters.only(&[&PARAMETERS[..], &["limit", "cursor"]].concat())?;
        let (filter, limit) = (Filter::parse(parameters)?, limit(parameters)?);
        let after = parameters.get("cursor").map(place).transpose()?;
        let is_after = |row: &NodeRow| {
            after.as_ref().is_none_or(|(cluster, name)| {
                (row.cluster.as_ref(), row.name.as_ref()) > (cluster.as_str(), name.as_str())
            })
        };
        let view = self.fleet.view();
        let meant: Vec<&NodeRow> = view.nodes.iter().filter(|row| filter.takes(row)).collect();
        let total = meant.len() as u64;
        let mut rest = meant.into_iter().filter(|row| is_after(row));
        let page: Vec<&NodeRow> = rest.by_ref().take(limit).collect();
        let next_cursor = page.last().filter(|_| rest.next().is_some()).map(|last| cursor(last));
        // States are of when the fleet was made, and so is the age of checks.
        let items = page.into_iter().map(|row| item(row, view.inventory.at)).collect();
        Ok(Listed { items, next_cursor, total })
    }
}

/// The place after a node. Names come from outside, so it is coded.
fn cursor(row: &NodeRow) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}\0{}", row.cluster, row.name))
}

fn place(cursor: &str) -> Result<(String, String), Problem> {
    let text = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let place = text.as_deref().and_then(|text| text.split_once('\0'));
    let (cluster, name) = place.ok_or_else(|| Problem::bad_request("cursor: not a cursor of a list of nodes"))?;
    Ok((cluster.to_owned(), name.to_owned()))
}

fn item(row: &NodeRow, now: i64) -> NodeItem {
    NodeItem {
        cluster: row.cluster.to_string(),
        name: row.name.to_string(),
        platform: row.platform.as_ref().map(ToString::to_string),
        pods: row.pods,
        state: row.state.name(),
        reason: row.reason.to_string(),
        last_pull: row.last_pull.as_ref().map(|pull| LastPullItem {
            at: rfc3339(pull.at),
            reference: pull.reference.clone(),
            image: pull.image,
        }),
        check: row.check.as_ref().map(|check| check_item(check, now)),
    }
}

fn check_item(check: &Arc<NodeCheckRecord>, now: i64) -> NodeCheckItem {
    let finding = |finding: &weir_storage::index::NodeFinding| NodeFindingItem {
        level: finding.level.name(),
        code: finding.code.clone(),
        detail: finding.detail.clone(),
    };
    NodeCheckItem {
        at: rfc3339(check.at),
        old: now.saturating_sub(check.at) >= told::CHECK_SECONDS,
        runtime: check.runtime.clone(),
        version: check.version.clone(),
        config_path: check.config_path.clone(),
        through_weir: check.through_weir,
        findings: check.findings.iter().map(finding).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_node_and_anything_else_nowhere() {
        let row = |cluster: &str, name: &str| NodeRow {
            cluster: cluster.into(),
            name: name.into(),
            platform: None,
            pods: None,
            last_pull: None,
            check: None,
            state: NodeState::Unknown,
            reason: state::Reason::Silence,
        };
        for (cluster, name) in [("prod", "worker-1"), ("a", "ä/\u{1b}&"), ("", "")] {
            assert_eq!(place(&cursor(&row(cluster, name))).unwrap(), (cluster.to_owned(), name.to_owned()));
        }
        for text in ["x", "####", "cHJvZA", ""] {
            assert!(place(text).is_err(), "{text:?}");
        }
    }
}
