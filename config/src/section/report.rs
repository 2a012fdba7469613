//! Owns `[report]`: where people reach it, how long things are remembered, and when findings are due.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use crate::duration::parse_duration;
use crate::location::web_url;
use crate::reader::Table;

/// What the report remembers and expects.
#[derive(Clone, Debug)]
pub struct ReportSection {
    /// Where people reach the report: scheme, host and port, without a path.
    pub public_url: Option<Url>,
    /// How long after its last use an image is idle; over 0.
    pub idle_after: Duration,
    /// How long single pulls are remembered; over 0.
    pub pull_retention: Duration,
    /// How long events are remembered; over 0.
    pub event_retention: Duration,
    /// The time to fix a finding of a severity; a severity without one is never overdue.
    pub due: BTreeMap<Severity, Duration>,
}

/// A severity that findings can be due for, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// CVSS 9.0 and up.
    Critical,
    /// CVSS 7.0 to 8.9.
    High,
    /// CVSS 4.0 to 6.9.
    Medium,
    /// CVSS below 4.0.
    Low,
}

pub(crate) fn read(table: &mut Table<'_>) -> Option<ReportSection> {
    let public_url = table.text("public_url", public_url);
    let idle_after = table.positive_duration("idle_after");
    let pull_retention = table.positive_duration("pull_retention");
    let event_retention = table.positive_duration("event_retention");
    let due = table.section("due", |due| {
        let severities = [
            ("critical", Severity::Critical),
            ("high", Severity::High),
            ("medium", Severity::Medium),
            ("low", Severity::Low),
        ];
        severities.into_iter().filter_map(|(key, severity)| Some((severity, due.text(key, due_after)??))).collect()
    });
    let (idle_after, pull_retention) = (idle_after?, pull_retention?);
    if pull_retention < idle_after {
        table.warn(
            "pull_retention",
            "shorter than report.idle_after, so pulls are forgotten before an image counts as idle",
        );
    }
    Some(ReportSection { public_url, idle_after, pull_retention, event_retention: event_retention?, due })
}

fn public_url(text: &str) -> Result<Url, String> {
    let url = web_url(text)?;
    if url.path() != "/" || url.query().is_some() {
        return Err("the report answers at the root of a host: leave the path and the query out".to_owned());
    }
    Ok(url)
}

/// A duration, or `off`.
fn due_after(text: &str) -> Result<Option<Duration>, String> {
    if text == "off" {
        return Ok(None);
    }
    match parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be over 0, or \"off\"".to_owned()),
        Ok(duration) => Ok(Some(duration)),
        Err(error) => Err(format!("{error}, or \"off\"")),
    }
}
