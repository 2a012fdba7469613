//! A notification as bytes: weir's own document, or a message for a chat, never longer than receivers take.

use serde::Serialize;
use weir_config::WebhookFormat;

use super::notice::{FindingTotals, Notice, NoticeItem};
use super::slack;
use crate::clock::rfc3339;

/// The longest body, in bytes.
pub(super) const LONGEST_BODY: usize = 256 << 10;
/// The version of the document: raised when a field changes its meaning or goes, not when one comes.
const SCHEMA_VERSION: u32 = 1;

/// A notification with its id and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Its id.
    pub id: String,
    /// What is sent, as `application/json`.
    pub body: Vec<u8>,
}

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    id: &'a str,
    webhook: &'a str,
    kind: &'static str,
    at: String,
    /// Whether it is only tried out.
    test: bool,
    summary: String,
    /// Where people reach the report.
    url: Option<&'a str>,
    /// For findings: how many there are in all.
    totals: Option<FindingTotals>,
    items: &'a [NoticeItem],
    /// How many items were left out.
    more: u64,
}

/// Puts a notification into the form a webhook reads, under an id of its own. `report` is where people reach the report, without a
/// slash at its end.
///
/// # Errors
/// A document cannot be written as JSON.
pub fn render(
    notice: &Notice,
    webhook: &str,
    format: WebhookFormat,
    report: Option<&str>,
) -> Result<Rendered, serde_json::Error> {
    let id = new_id();
    let body = match format {
        WebhookFormat::Json => json(notice, &id, webhook, report)?,
        WebhookFormat::Slack => serde_json::to_vec(&slack::message(notice, report))?,
    };
    Ok(Rendered { id, body })
}

/// The document with as many items as fit, at least none.
fn json(notice: &Notice, id: &str, webhook: &str, report: Option<&str>) -> Result<Vec<u8>, serde_json::Error> {
    let mut shown = notice.items.len();
    loop {
        let body = serde_json::to_vec(&Document {
            schema_version: SCHEMA_VERSION,
            id,
            webhook,
            kind: notice.kind.name(),
            at: rfc3339(notice.at),
            test: notice.is_test,
            summary: notice.summary(),
            url: report,
            totals: notice.totals,
            items: &notice.items[..shown],
            more: notice.more + (notice.items.len() - shown) as u64,
        })?;
        if body.len() <= LONGEST_BODY || shown == 0 {
            return Ok(body);
        }
        // Items differ in length, so the first guess may be too long again; it always falls.
        shown = (shown * LONGEST_BODY / body.len()).min(shown - 1);
    }
}

/// 128 random bits: receivers tell repeats by it, it protects nothing.
fn new_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}

#[cfg(test)]
pub(super) mod tests {
    use weir_config::NoticeKind;
    use weir_scanner::finding::Severity;

    use super::*;
    use crate::notify::{NoticeImage, NoticePackage, NoticeWorkload, VulnerabilityNotice};

    /// A vulnerability with a text of this length in it.
    pub(in crate::notify) fn vulnerability(id: &str, length: usize) -> NoticeItem {
        let workload =
            NoticeWorkload { cluster: "c".into(), namespace: "n".into(), kind: "Deployment".into(), name: "w".into() };
        let image = NoticeImage {
            digest: "sha256:00".into(),
            repositories: vec![format!("docker.io/{}", "r".repeat(length))],
            workloads: vec![workload],
            more_workloads: 2,
        };
        NoticeItem::Vulnerability(VulnerabilityNotice {
            id: id.into(),
            severity: Severity::Critical,
            previous_severity: None,
            known_exploited: Some(true),
            reasons: vec!["advisory"],
            packages: vec![NoticePackage { purl: "pkg:deb/a@1".into(), fixed_version: Some("2".into()) }],
            more_packages: 0,
            images: vec![image],
            more_images: 1,
            url: None,
        })
    }

    pub(in crate::notify) fn opened(items: Vec<NoticeItem>) -> Notice {
        let totals = Some(FindingTotals { vulnerabilities: items.len() as u64, images: 2, findings: 9 });
        Notice { kind: NoticeKind::Opened, at: 1_700_000_000, is_test: false, totals, items, more: 3 }
    }

    #[test]
    fn a_body_has_an_end_and_says_what_it_leaves_out() {
        for (count, length) in [(1, 10), (500, 100), (5000, 3000), (3, 200_000), (1, 300_000)] {
            let items = (0..count).map(|n| vulnerability(&format!("CVE-{n}"), length)).collect();
            let body = render(&opened(items), "ops", WebhookFormat::Json, Some("https://weir.example")).unwrap().body;
            assert!(body.len() <= LONGEST_BODY, "{count} of {length}: {}", body.len());
            let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let shown = document["items"].as_array().unwrap().len() as u64;
            assert_eq!(shown + document["more"].as_u64().unwrap(), count + 3);
            assert_eq!(document["totals"]["vulnerabilities"], count);
            // What fits is not left out: a good part of the room is used where there was more to say and an item is no longer than that.
            let fits = length < LONGEST_BODY;
            assert!(
                shown == count || !fits || body.len() > LONGEST_BODY / 3,
                "{count} of {length}: {shown} in {}",
                body.len()
            );
        }
    }

    #[test]
    fn ids_are_not_given_twice() {
        let one = || render(&opened(Vec::new()), "a", WebhookFormat::Json, None).unwrap().id;
        let (first, second) = (one(), one());
        assert_eq!((first.len(), second.len(), first == second), (32, 32, false));
    }
}
