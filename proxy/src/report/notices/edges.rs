//! What is told when it begins and not while it lasts: clusters that fall silent, feeds that grow too old, exceptions about to end.
//!
//! That something was told is a mark in the index, set in the batch that puts the notice up: neither a restart nor a second round repeats it.

use std::collections::BTreeSet;

use weir_config::{NoticeKind, WebhookSection};
use weir_scanner::exception::{Exception, Kind, Rules, Target};
use weir_storage::index::{ClusterSource, WebhookMark, WebhookMarks};

use super::mark;
use crate::clock::rfc3339;
use crate::notify::{ClusterNotice, ExceptionNotice, FeedNotice, NoticeItem, cut};
use crate::report::advisories::AdvisoryItem;
use crate::workload::{ClusterStatus, Freshness};

/// The state of a cluster that is not heard of.
pub(in crate::report) const SILENT: &str = "silent";
/// Marks of feeds and of exceptions.
const STALE: &str = "stale";
const EXPIRING: &str = "expiring";

/// What began or ended, with the marks that keep it from being told again.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Edges {
    pub(super) items: Vec<NoticeItem>,
    pub(super) marks: Vec<(WebhookMark, Option<u64>)>,
}

/// Marks that are kept where the settings of a webhook change: what was told stays told.
pub(super) fn kept(marks: WebhookMarks) -> impl Iterator<Item = (WebhookMark, u64)> {
    marks.into_iter().filter(|(mark, _)| [SILENT, STALE, EXPIRING].contains(&mark.kind.as_str()))
}

/// Clusters that fell silent or came back.
pub(super) fn clusters(statuses: &[ClusterStatus], settings: &WebhookSection, told: &WebhookMarks) -> Edges {
    let mut edges = Edges::default();
    let is_meant = |name: &String| settings.clusters.is_empty() || settings.clusters.contains(name);
    for status in statuses.iter().filter(|status| is_meant(&status.name)) {
        let state = match (status.freshness, told.contains_key(&mark(SILENT, &status.name))) {
            (Freshness::Stale, false) => SILENT,
            (Freshness::Live, true) => "returned",
            _ => continue,
        };
        let number = (state == SILENT).then(|| status.synced_at.unsigned_abs());
        edges.marks.push((mark(SILENT, &status.name), number));
        edges.items.push(NoticeItem::Cluster(ClusterNotice {
            name: status.name.clone(),
            state,
            source: match status.source {
                ClusterSource::Local => "local",
                ClusterSource::Agent { .. } => "agent",
            },
            synced_at: rfc3339(status.synced_at),
        }));
    }
    edges.forget(SILENT, told, &statuses.iter().map(|status| status.name.clone()).collect());
    edges
}

/// Feeds that grew too old or are up to date again. One that was never fetched counts once a try to fetch it failed.
pub(super) fn feeds(feeds: &[AdvisoryItem], told: &WebhookMarks) -> Edges {
    let mut edges = Edges::default();
    for feed in feeds {
        let mark = mark(STALE, subject(feed));
        let is_stale = feed.stale && (feed.fetched_at.is_some() || feed.error.is_some());
        let state = match (is_stale, feed.stale, told.contains_key(&mark)) {
            (true, _, false) => "stale",
            (_, false, true) => "recovered",
            _ => continue,
        };
        edges.marks.push((mark, is_stale.then_some(0)));
        edges.items.push(NoticeItem::Feed(FeedNotice {
            source: feed.kind.to_owned(),
            ecosystem: feed.ecosystem.clone(),
            state,
            fetched_at: feed.fetched_at.clone(),
            error: feed.error.as_ref().map(|error| cut(&error.detail)),
        }));
    }
    edges.forget(STALE, told, &feeds.iter().map(subject).collect());
    edges
}

fn subject(feed: &AdvisoryItem) -> String {
    format!("{} {}", feed.kind, feed.ecosystem)
}

/// Exceptions that hold at `now` (seconds since the epoch) and end within a webhook's time, each once, the first to end first.
pub(super) fn exceptions(rules: &Rules, settings: &WebhookSection, now: i64, told: &WebhookMarks) -> Edges {
    let within = i64::try_from(settings.expiring_within.as_secs()).unwrap_or(i64::MAX);
    let ends_soon = |exception: &&Exception| exception.expires_at.is_some_and(|end| end <= now.saturating_add(within));
    let is_meant = |exception: &&Exception| {
        let cluster = exception.scope.cluster.as_ref();
        settings.clusters.is_empty() || cluster.is_none_or(|cluster| settings.clusters.contains(cluster))
    };
    let mut ending: Vec<&Exception> = rules.holding(now).filter(ends_soon).filter(is_meant).collect();
    ending.sort_by_key(|exception| exception.expires_at);
    let mut edges = Edges::default();
    for exception in ending.iter().filter(|exception| !told.contains_key(&mark(EXPIRING, &exception.id))) {
        let end = exception.expires_at.unwrap_or_default();
        edges.marks.push((mark(EXPIRING, &exception.id), Some(end.unsigned_abs())));
        edges.items.push(NoticeItem::Exception(expiring(exception, end)));
    }
    edges.forget(EXPIRING, told, &ending.iter().map(|exception| exception.id.clone()).collect());
    edges
}

fn expiring(exception: &Exception, end: i64) -> ExceptionNotice {
    let subject = match exception.target {
        Target::Vulnerability => exception.vulnerability.first().cloned(),
        Target::Repository => exception.scope.repository.clone(),
    };
    ExceptionNotice {
        id: exception.id.clone(),
        exception_kind: match exception.kind {
            Kind::FalsePositive => "false_positive",
            Kind::AcceptedRisk => "accepted_risk",
            Kind::UnderInvestigation => "under_investigation",
        }
        .to_owned(),
        subject: cut(&subject.unwrap_or_default()),
        reason: cut(&exception.reason),
        created_by: cut(&exception.created_by),
        expires_at: rfc3339(end),
    }
}

impl Edges {
    /// Removes the marks of a kind whose subject is none of these any more.
    fn forget(&mut self, kind: &str, told: &WebhookMarks, subjects: &BTreeSet<String>) {
        let gone = told.keys().filter(|mark| mark.kind == kind && !subjects.contains(&mark.subject));
        self.marks.extend(gone.map(|mark| (mark.clone(), None)));
    }
}

/// The kinds that are edges.
pub(super) const KINDS: [NoticeKind; 3] =
    [NoticeKind::ExceptionExpiring, NoticeKind::AgentSilent, NoticeKind::FeedStale];

#[cfg(test)]
mod tests {
    use weir_scanner::exception::Scope;

    use super::super::round::tests::settings;
    use super::*;

    /// The marks after some edges.
    fn after(mut marks: WebhookMarks, edges: &Edges) -> WebhookMarks {
        for (mark, number) in &edges.marks {
            match number {
                Some(number) => marks.insert(mark.clone(), *number),
                None => marks.remove(mark),
            };
        }
        marks
    }

    /// What is told of a cluster in each of these states, one after the other.
    fn states(freshness: &[Option<Freshness>], settings: &WebhookSection) -> Vec<&'static str> {
        let mut marks = WebhookMarks::new();
        let mut told = Vec::new();
        for freshness in freshness {
            let status = |freshness| ClusterStatus::sample("east", freshness, 5);
            let statuses: Vec<_> = freshness.iter().copied().map(status).collect();
            let edges = clusters(&statuses, settings, &marks);
            marks = after(marks, &edges);
            told.push(match edges.items.as_slice() {
                [] => "",
                [NoticeItem::Cluster(cluster)] => cluster.state,
                other => panic!("{other:?}"),
            });
        }
        assert!(marks.len() <= 1);
        told
    }

    #[test]
    fn a_silence_is_told_once_and_so_is_its_end() {
        let [live, connecting, stale] = [Freshness::Live, Freshness::Connecting, Freshness::Stale].map(Some);
        let all = settings("");
        assert_eq!(
            states(&[live, stale, stale, connecting, stale, live, live, stale], &all),
            ["", "silent", "", "", "", "returned", "", "silent"]
        );
        // One that was removed while it was silent and comes back is new.
        assert_eq!(states(&[stale, None, live], &all), ["silent", "", ""]);
        assert_eq!(states(&[stale, live], &settings("clusters = [\"west\"]")), ["", ""]);
    }

    fn exception(id: &str, expires_at: Option<i64>, cluster: Option<&str>) -> Exception {
        Exception {
            id: id.into(),
            target: Target::Vulnerability,
            kind: Kind::AcceptedRisk,
            vulnerability: vec!["CVE-1".into()],
            scope: Scope { cluster: cluster.map(str::to_owned), ..Scope::default() },
            justification: None,
            reason: "r".into(),
            created_by: "ann".into(),
            created_at: 0,
            expires_at,
            expire_on_fix: false,
            cancelled: None,
            document: None,
        }
    }

    #[test]
    fn an_exception_about_to_end_is_told_once() {
        let day = 86_400;
        let rules = Rules::new(vec![
            exception("1", Some(8 * day), None),
            exception("2", Some(7 * day), Some("east")),
            exception("3", None, None),
            exception("4", Some(6 * day), Some("west")),
        ]);
        let settings = settings("clusters = [\"east\"]");
        let mut marks = WebhookMarks::new();
        let mut told = Vec::new();
        for now in [0, 1, day, 7 * day, 8 * day] {
            let edges = exceptions(&rules, &settings, now, &marks);
            marks = after(marks, &edges);
            told.push(
                edges
                    .items
                    .into_iter()
                    .map(|item| match item {
                        NoticeItem::Exception(exception) => exception.id,
                        other => panic!("{other:?}"),
                    })
                    .collect::<Vec<_>>()
                    .join(" "),
            );
        }
        assert_eq!(told, ["2", "", "1", "", ""]);
        assert_eq!(marks, WebhookMarks::new(), "what ended leaves no mark");
    }
}
