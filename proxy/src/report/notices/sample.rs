//! A notice that shows what one looks like: of every field something, and plainly made up.

use weir_config::NoticeKind;
use weir_scanner::finding::Severity;
use weir_scanner::oci::Digest;

use super::SILENT;
use crate::clock::rfc3339;
use crate::notify::{
    ClusterNotice, ExceptionNotice, FeedNotice, FindingTotals, Notice, NoticeImage, NoticeItem, NoticePackage,
    NoticeWorkload, VulnerabilityNotice,
};

/// A sample of a kind, of `now` (seconds since the epoch); `report` is where people reach the report.
pub(in crate::report) fn sample(kind: NoticeKind, now: i64, report: Option<&str>) -> Notice {
    let (totals, item) = match kind {
        NoticeKind::Opened | NoticeKind::Rerated | NoticeKind::Closed => {
            let totals = FindingTotals { vulnerabilities: 1, images: 1, findings: 1 };
            (Some(totals), NoticeItem::Vulnerability(vulnerability(kind, report)))
        }
        NoticeKind::ExceptionExpiring => {
            let exception = ExceptionNotice {
                id: "0".to_owned(),
                exception_kind: "accepted_risk".to_owned(),
                subject: "CVE-0000-0000".to_owned(),
                reason: "a sample, nothing expires".to_owned(),
                created_by: "weir".to_owned(),
                expires_at: rfc3339(now),
            };
            (None, NoticeItem::Exception(exception))
        }
        NoticeKind::AgentSilent => {
            let (name, source) = ("sample".to_owned(), "agent");
            (None, NoticeItem::Cluster(ClusterNotice { name, state: SILENT, source, synced_at: rfc3339(now) }))
        }
        NoticeKind::FeedStale => {
            let feed = FeedNotice {
                source: "osv".to_owned(),
                ecosystem: "sample".to_owned(),
                state: "stale",
                fetched_at: Some(rfc3339(now)),
                error: Some("a sample, nothing failed".to_owned()),
            };
            (None, NoticeItem::Feed(feed))
        }
    };
    Notice { kind, at: now, is_test: true, totals, items: vec![item], more: 0 }
}

fn vulnerability(kind: NoticeKind, report: Option<&str>) -> VulnerabilityNotice {
    let workload = NoticeWorkload {
        cluster: "sample".to_owned(),
        namespace: "default".to_owned(),
        kind: "Deployment".to_owned(),
        name: "sample".to_owned(),
    };
    let image = NoticeImage {
        digest: Digest::of(b"sample").to_string(),
        repositories: vec!["docker.io/library/sample".to_owned()],
        workloads: vec![workload],
        more_workloads: 0,
    };
    VulnerabilityNotice {
        id: "CVE-0000-0000".to_owned(),
        severity: Severity::High,
        previous_severity: (kind == NoticeKind::Rerated).then_some(Severity::Medium),
        known_exploited: Some(false),
        reasons: match kind {
            NoticeKind::Opened => vec!["advisory"],
            NoticeKind::Closed => vec!["fixed_in_feed"],
            _ => Vec::new(),
        },
        packages: vec![NoticePackage {
            purl: "pkg:generic/sample@1.0".to_owned(),
            fixed_version: Some("1.1".to_owned()),
        }],
        more_packages: 0,
        images: vec![image],
        more_images: 0,
        url: report.map(|base| format!("{base}/vulnerabilities/CVE-0000-0000")),
    }
}
