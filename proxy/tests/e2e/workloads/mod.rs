//! What runs where, as weir's own binary tells it: images that real containerd pulled from a real registry through it, and
//! clusters that it or its agents watch.

mod agents;
mod identity;
mod nodes;
mod unseen;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// From the least to the worst.
const SEVERITIES: [&str; 6] = ["unknown", "none", "low", "medium", "high", "critical"];

/// What the vulnerabilities of some image reports come to, counted here by what the reports list.
#[derive(Clone, Debug, Default)]
struct Counts {
    /// Package times vulnerability, by severity and whether a fix can be had.
    findings: BTreeMap<(&'static str, bool), u64>,
    /// Distinct vulnerabilities of one image by their worst severity.
    vulnerabilities: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// Those of one image. What a distribution's feed covers does not count.
    fn of(report: &Value) -> Self {
        let mut counts = Self::default();
        let mut worst: BTreeMap<&str, usize> = BTreeMap::new();
        for found in report["vulnerabilities"].as_array().unwrap().iter().filter(|found| found["covered_by"].is_null())
        {
            let severity = SEVERITIES.iter().position(|known| found["severity"] == *known).unwrap();
            let fixed = found["fix_state"] == "fixed";
            *counts.findings.entry((SEVERITIES[severity], fixed)).or_default() += 1;
            let known = worst.entry(found["id"].as_str().unwrap()).or_default();
            *known = severity.max(*known);
        }
        for severity in worst.into_values() {
            *counts.vulnerabilities.entry(SEVERITIES[severity]).or_default() += 1;
        }
        assert!(!counts.findings.is_empty(), "an image without findings proves little");
        counts
    }

    fn finding(&self, severity: &'static str, fixed: bool) -> u64 {
        self.findings.get(&(severity, fixed)).copied().unwrap_or_default()
    }

    /// Findings by severity, as a resource has them.
    fn findings(&self) -> Value {
        SEVERITIES
            .map(|severity| (severity, self.finding(severity, true) + self.finding(severity, false)))
            .into_iter()
            .collect()
    }

    /// Findings that a newer version fixes.
    fn fixable(&self) -> u64 {
        SEVERITIES.iter().map(|severity| self.finding(severity, true)).sum()
    }

    /// Distinct vulnerabilities by severity, as an image has them.
    fn vulnerabilities(&self) -> Value {
        let count = |severity| self.vulnerabilities.get(severity).copied().unwrap_or_default();
        SEVERITIES.map(|severity| (severity, count(severity))).into_iter().collect()
    }

    /// The findings of something that runs both images.
    fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        for (key, count) in &other.findings {
            *sum.findings.entry(*key).or_default() += count;
        }
        sum
    }
}

/// The names of items, as a set that must have no name twice.
#[track_caller]
fn names(items: &[Value]) -> BTreeSet<&str> {
    let names: BTreeSet<&str> = items.iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), items.len(), "{}", json!(items));
    names
}

fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    names.into_iter().collect()
}
