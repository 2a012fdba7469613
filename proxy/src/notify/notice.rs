//! What a notification says, before it has a form.
//!
//! Texts come from images, feeds and people, so each is cut to a length here, and every list says how much was left out.

use serde::Serialize;
use weir_config::NoticeKind;
use weir_scanner::finding::Severity;

/// The longest text of an item, in characters.
const LONGEST_TEXT: usize = 512;

/// One notification: what happened of one kind, the gravest first.
#[derive(Clone, Debug)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// When it was put together, seconds since the epoch.
    pub at: i64,
    /// Whether it is only tried out.
    pub is_test: bool,
    /// How many findings, where it is about findings.
    pub totals: Option<FindingTotals>,
    /// What happened.
    pub items: Vec<NoticeItem>,
    /// How many items there were beside these.
    pub more: u64,
}

/// How many findings a notification speaks of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FindingTotals {
    /// Distinct vulnerabilities.
    pub vulnerabilities: u64,
    /// Distinct images.
    pub images: u64,
    /// Vulnerability times package times image.
    pub findings: u64,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum NoticeItem {
    /// Findings of one vulnerability.
    Vulnerability(VulnerabilityNotice),
    /// An exception that will end.
    Exception(ExceptionNotice),
    /// A cluster that fell silent, or came back.
    Cluster(ClusterNotice),
    /// A feed that became too old, or is no longer.
    Feed(FeedNotice),
}

/// Findings of one vulnerability, over all images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VulnerabilityNotice {
    /// Its id.
    pub id: String,
    /// The gravest of its findings here.
    pub severity: Severity,
    /// The severity before, where that changed; the lowest of several.
    pub previous_severity: Option<Severity>,
    /// `null` without a list of exploited vulnerabilities.
    pub known_exploited: Option<bool>,
    /// Why, as events say: `new_image`, `advisory`, `known_exploited`, `fixed_in_feed`, …; `image_runs` for an image that began to run;
    /// `accepted_risk` beside `known_exploited` where a decision says so.
    pub reasons: Vec<&'static str>,
    /// The packages it is in.
    pub packages: Vec<NoticePackage>,
    /// Packages beside these.
    pub more_packages: u64,
    /// The images it is in.
    pub images: Vec<NoticeImage>,
    /// Images beside these.
    pub more_images: u64,
    /// Where people read on.
    pub url: Option<String>,
}

/// A package with a finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NoticePackage {
    /// Its package URL.
    pub purl: String,
    /// The version that fixes it.
    pub fixed_version: Option<String>,
}

/// An image with a finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NoticeImage {
    /// Its manifest's digest.
    pub digest: String,
    /// The repositories it was seen in.
    pub repositories: Vec<String>,
    /// Workloads that run it now.
    pub workloads: Vec<NoticeWorkload>,
    /// Workloads beside these.
    pub more_workloads: u64,
}

/// A workload that runs an image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NoticeWorkload {
    /// Its cluster.
    pub cluster: String,
    /// Its namespace.
    pub namespace: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// An exception that will end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExceptionNotice {
    /// Its id.
    pub id: String,
    /// `false_positive`, `accepted_risk` or `under_investigation`.
    pub exception_kind: String,
    /// What is excepted: a vulnerability, or a repository.
    pub subject: String,
    /// Why it was set.
    pub reason: String,
    /// By whom.
    pub created_by: String,
    /// When it ends.
    pub expires_at: String,
}

/// A cluster that fell silent, or came back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClusterNotice {
    /// Its name.
    pub name: String,
    /// `silent` or `returned`.
    pub state: &'static str,
    /// `local` where the server watches it itself, else `agent`.
    pub source: &'static str,
    /// When something was last heard of it.
    pub synced_at: String,
}

/// A feed that became too old, or is no longer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeedNotice {
    /// `osv`, `kev`, `epss` or `cvss`.
    pub source: String,
    /// The ecosystem, or the source's name.
    pub ecosystem: String,
    /// `stale` or `recovered`.
    pub state: &'static str,
    /// When it was last fetched; `null` if it never was.
    pub fetched_at: Option<String>,
    /// Why the last refresh failed, where it did.
    pub error: Option<String>,
}

impl Notice {
    /// What happened, in one line.
    pub fn summary(&self) -> String {
        let happened = match self.kind {
            NoticeKind::Opened => "opened",
            NoticeKind::Rerated => "rated anew",
            NoticeKind::Closed => "closed",
            NoticeKind::ExceptionExpiring => return format!("{} will expire soon", self.count("exception")),
            NoticeKind::AgentSilent => return self.of_states("cluster", "silent", "not heard of", "heard of again"),
            NoticeKind::FeedStale => return self.of_states("feed", "stale", "too old", "up to date again"),
        };
        let totals = self.totals.unwrap_or_default();
        let (vulnerabilities, images) =
            (counted(totals.vulnerabilities, "vulnerability"), counted(totals.images, "image"));
        format!("{} {happened}: {vulnerabilities} in {images}", counted(totals.findings, "finding"))
    }

    fn count(&self, one: &str) -> String {
        counted(self.items.len() as u64 + self.more, one)
    }

    /// How many of the items are in one state, and how many in the other.
    fn of_states(&self, one: &str, bad: &str, are_bad: &str, are_good: &str) -> String {
        let (bad, good): (Vec<_>, Vec<_>) = self.items.iter().partition(|item| item.state() == Some(bad));
        let part = |items: Vec<&NoticeItem>, what: &str| match items.as_slice() {
            [] => None,
            [item] => Some(format!("{one} {} is {what}", item.name())),
            several => Some(format!("{} are {what}", counted(several.len() as u64, one))),
        };
        let parts: Vec<_> = [part(bad, are_bad), part(good, are_good)].into_iter().flatten().collect();
        parts.join(", ")
    }
}

impl NoticeItem {
    fn state(&self) -> Option<&'static str> {
        match self {
            Self::Cluster(cluster) => Some(cluster.state),
            Self::Feed(feed) => Some(feed.state),
            Self::Vulnerability(_) | Self::Exception(_) => None,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Vulnerability(vulnerability) => &vulnerability.id,
            Self::Exception(exception) => &exception.subject,
            Self::Cluster(cluster) => &cluster.name,
            Self::Feed(feed) => &feed.ecosystem,
        }
    }
}

/// A number with its noun.
pub(super) fn counted(number: u64, one: &str) -> String {
    match (number, one.strip_suffix('y')) {
        (1, _) => format!("1 {one}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        _ => format!("{number} {one}s"),
    }
}

/// A text of others, cut to a length.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(name: &str, state: &'static str) -> NoticeItem {
        NoticeItem::Cluster(ClusterNotice { name: name.into(), state, source: "agent", synced_at: String::new() })
    }

    fn notice(kind: NoticeKind, items: Vec<NoticeItem>) -> Notice {
        Notice { kind, at: 0, is_test: false, totals: None, items, more: 0 }
    }

    #[test]
    fn a_summary_counts_what_happened() {
        let totals = Some(FindingTotals { vulnerabilities: 1, images: 2, findings: 3 });
        let opened = Notice { totals, ..notice(NoticeKind::Opened, Vec::new()) };
        assert_eq!(opened.summary(), "3 findings opened: 1 vulnerability in 2 images");
        let silent = |items| notice(NoticeKind::AgentSilent, items).summary();
        assert_eq!(silent(vec![cluster("east", "silent")]), "cluster east is not heard of");
        let both = vec![cluster("a", "silent"), cluster("b", "silent"), cluster("c", "returned")];
        assert_eq!(silent(both), "2 clusters are not heard of, cluster c is heard of again");
        let expiring = Notice { more: 4, ..notice(NoticeKind::ExceptionExpiring, vec![cluster("a", "silent")]) };
        assert_eq!(expiring.summary(), "5 exceptions will expire soon");
        assert_eq!(counted(0, "vulnerability"), "0 vulnerabilities");
    }

    #[test]
    fn texts_of_others_have_an_end() {
        assert_eq!(cut("short"), "short");
        let long = cut(&"ü".repeat(600));
        assert_eq!((long.chars().count(), long.ends_with("ü…")), (LONGEST_TEXT + 1, true));
    }
}
