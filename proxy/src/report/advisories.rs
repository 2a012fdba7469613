//! `advisories`: every feed and source, how much it holds, how old it is, and what was wrong with it last.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use weir_storage::index::{CveSourceRecord, Index, IndexError, SourceFailure};

use super::list::{Page, limit};
use super::problem::Problem;
use super::{Parameters, Report};
use crate::clock::rfc3339;

/// One feed, one source of CVEs, or a folder of which nothing could be imported.
#[derive(Clone, Serialize, JsonSchema)]
pub(super) struct AdvisoryItem {
    /// `osv`, `kev`, `epss` or `cvss`.
    pub(super) kind: &'static str,
    /// The feed's ecosystem with its release; the source's name for the others.
    pub(super) ecosystem: String,
    records: u64,
    as_of: Option<String>,
    pub(super) fetched_at: Option<String>,
    pub(super) stale: bool,
    /// Why the last refresh failed, where it did.
    pub(super) error: Option<FailurePart>,
}

#[derive(Clone, Serialize, JsonSchema)]
pub(super) struct FailurePart {
    at: String,
    pub(super) detail: String,
}

impl From<SourceFailure> for FailurePart {
    fn from(failure: SourceFailure) -> Self {
        Self { at: rfc3339(failure.at), detail: failure.error }
    }
}

/// What tells how old is too old.
#[derive(Clone, Copy)]
pub(super) struct Age {
    stale_after: i64,
    now: i64,
}

impl Age {
    pub(super) fn new(stale_after: Duration, now: i64) -> Self {
        Self { stale_after: i64::try_from(stale_after.as_secs()).unwrap_or(i64::MAX), now }
    }

    fn is_stale(self, fetched_at: Option<i64>) -> bool {
        fetched_at.is_none_or(|at| self.now.saturating_sub(at) > self.stale_after)
    }
}

impl Report {
    pub(super) async fn advisories(&self, parameters: &Parameters) -> Result<Page<AdvisoryItem>, Problem> {
        parameters.only(&["limit", "cursor"])?;
        let limit = limit(parameters)?;
        let start = parameters.get("cursor").unwrap_or_default().to_owned();
        let age = Age::new(self.stale_after, self.clock.now());
        let items = self.index.run(move |index| items(index, age)).await?;
        let mut rest = items.into_iter().filter(|item| place(item) > start);
        let items: Vec<AdvisoryItem> = rest.by_ref().take(limit).collect();
        let next_cursor = rest.next().and(items.last()).map(place);
        Ok(Page { items, next_cursor })
    }
}

/// Where an item stands in the list.
fn place(item: &AdvisoryItem) -> String {
    format!("{} {}", item.ecosystem, item.kind)
}

/// Every feed and source, in the order of the list.
pub(super) fn items(index: &Index, age: Age) -> Result<Vec<AdvisoryItem>, IndexError> {
    let mut items = Vec::new();
    let feeds = index.advisories().feeds()?;
    for (folder, import) in index.advisories().imports()? {
        let mut known = feeds.iter().filter(|feed| feed.ecosystem.name() == folder).peekable();
        let error = import.failure.map(FailurePart::from);
        if known.peek().is_none() {
            items.push(AdvisoryItem {
                kind: "osv",
                ecosystem: folder.clone(),
                records: import.records,
                as_of: None,
                fetched_at: import.checked_at.map(rfc3339),
                stale: age.is_stale(import.checked_at),
                error: error.clone(),
            });
        }
        items.extend(known.map(|feed| AdvisoryItem {
            kind: "osv",
            ecosystem: feed.ecosystem.to_string(),
            records: feed.records,
            as_of: feed.as_of.map(rfc3339),
            fetched_at: Some(rfc3339(feed.fetched_at)),
            stale: age.is_stale(Some(feed.fetched_at)),
            error: error.clone(),
        }));
    }
    for CveSourceRecord { kind, state } in index.cves().sources()? {
        items.push(AdvisoryItem {
            kind: kind.name(),
            ecosystem: kind.to_string(),
            records: state.records,
            as_of: state.as_of,
            fetched_at: state.fetched_at.map(rfc3339),
            stale: age.is_stale(state.fetched_at),
            error: state.failure.map(FailurePart::from),
        });
    }
    items.sort_by_key(place);
    Ok(items)
}
