//! A notification as a chat message: a text for notifications and readers of screens, and blocks beside it.
//!
//! Follows Slack's Block Kit, whose limits others that take the same form share: 50 blocks, 150 characters in a header and 3000 in a
//! section. `&`, `<` and `>` are the only characters that mean something to the form and are escaped.

use std::fmt::Write as _;

use serde_json::{Value, json};
use weir_scanner::exception::Kind;
use weir_storage::index::Exploitation;

use super::notice::{ClusterNotice, ExceptionNotice, FeedNotice, Notice, NoticeItem, VulnerabilityNotice, counted};

/// Items that get a section: more would be read by nobody.
const MOST_SECTIONS: usize = 20;
const LONGEST_HEADER: usize = 150;
const LONGEST_SECTION: usize = 3000;
/// Names of packages, images and workloads in one section.
const MOST_NAMES: usize = 3;

/// The message.
pub(super) fn message(notice: &Notice, report: Option<&str>) -> Value {
    let test = if notice.is_test { "Test: " } else { "" };
    let summary = format!("{test}{}", notice.summary());
    let mut blocks = vec![json!({
        "type": "header",
        "text": {"type": "plain_text", "text": limited(&summary, LONGEST_HEADER), "emoji": false},
    })];
    let shown = notice.items.len().min(MOST_SECTIONS);
    for item in &notice.items[..shown] {
        let text = limited(&section(item), LONGEST_SECTION);
        blocks.push(json!({"type": "section", "text": {"type": "mrkdwn", "text": text}}));
    }
    let left_out = notice.more + (notice.items.len() - shown) as u64;
    let mut last: Vec<String> = Vec::new();
    if left_out > 0 {
        last.push(format!("and {left_out} more"));
    }
    last.extend(report.map(|report| format!("<{}|weir>", escaped(report))));
    if !last.is_empty() {
        let text = limited(&last.join(" · "), LONGEST_SECTION);
        blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}));
    }
    json!({"text": escaped(&limited(&summary, LONGEST_SECTION)), "blocks": blocks})
}

fn section(item: &NoticeItem) -> String {
    match item {
        NoticeItem::Vulnerability(vulnerability) => of_vulnerability(vulnerability),
        NoticeItem::Exception(ExceptionNotice { subject, exception_kind, reason, created_by, expires_at, .. }) => {
            format!(
                "*{}* {} until {}, by {}: {}",
                escaped(subject),
                exception_kind.replace('_', " "),
                escaped(expires_at),
                escaped(created_by),
                escaped(reason)
            )
        }
        NoticeItem::Cluster(ClusterNotice { name, state, synced_at, .. }) => {
            format!("*{}* {state}, last heard of at {synced_at}", escaped(name))
        }
        NoticeItem::Feed(FeedNotice { ecosystem, state, fetched_at, error, .. }) => {
            let fetched =
                fetched_at.as_deref().map_or("never fetched".to_owned(), |at| format!("last fetched at {at}"));
            let error = error.as_deref().map(|error| format!(": {}", escaped(error))).unwrap_or_default();
            format!("*{}* {state}, {fetched}{error}", escaped(ecosystem))
        }
    }
}

fn of_vulnerability(found: &VulnerabilityNotice) -> String {
    let id = escaped(&found.id);
    let mut text = match &found.url {
        Some(url) => format!("*<{}|{id}>* {}", escaped(url), found.severity.name()),
        None => format!("*{id}* {}", found.severity.name()),
    };
    if let Some(before) = found.previous_severity {
        let _ = write!(text, " (was {})", before.name());
    }
    let is_news = |of: &Exploitation| found.reasons.contains(&of.name());
    match found.known_exploited {
        Some(true) if is_news(&Exploitation::Known) => {
            text.push_str(" · known exploited now");
            if found.reasons.contains(&Kind::AcceptedRisk.name()) {
                text.push_str(", after its risk was accepted");
            }
        }
        Some(true) => text.push_str(" · known exploited"),
        _ if is_news(&Exploitation::Withdrawn) => text.push_str(" · no longer known exploited"),
        _ => {}
    }
    let packages = found.packages.iter().map(|package| match &package.fixed_version {
        Some(fixed) => format!("{} (fixed in {})", escaped(&package.purl), escaped(fixed)),
        None => escaped(&package.purl),
    });
    let _ = write!(text, "\n{}", names(packages, found.packages.len(), found.more_packages, "package"));
    let images = found.images.iter().map(|image| escaped(image.repositories.first().unwrap_or(&image.digest)));
    let _ = write!(text, "\nin {}", names(images, found.images.len(), found.more_images, "image"));
    let workloads = || found.images.iter().flat_map(|image| &image.workloads);
    let more = found.images.iter().map(|image| image.more_workloads).sum();
    if workloads().next().is_some() {
        let named = workloads().map(|workload| {
            escaped(&format!("{}/{}/{} {}", workload.cluster, workload.namespace, workload.kind, workload.name))
        });
        let _ = write!(text, "\nrun by {}", names(named, workloads().count(), more, "workload"));
    }
    text
}

/// A few of the names and how many there are beside.
fn names(all: impl Iterator<Item = String>, count: usize, more: u64, one: &str) -> String {
    let mut text = all.take(MOST_NAMES).collect::<Vec<_>>().join(", ");
    let left_out = count.saturating_sub(MOST_NAMES) as u64 + more;
    if left_out > 0 {
        let _ = write!(text, " and {} more", counted(left_out, one));
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// At most so many characters.
fn limited(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::form::tests::{opened, vulnerability};
    use super::*;

    #[test]
    fn a_message_stays_within_the_form_s_limits() {
        let items = (0..100).map(|n| vulnerability(&format!("CVE-{n}"), 4000)).collect();
        let message = message(&opened(items), Some("https://weir.example"));
        let blocks = message["blocks"].as_array().unwrap();
        assert_eq!(blocks.len(), MOST_SECTIONS + 2);
        assert!(blocks[0]["text"]["text"].as_str().unwrap().chars().count() <= LONGEST_HEADER);
        for block in &blocks[1..=MOST_SECTIONS] {
            assert_eq!(block["text"]["text"].as_str().unwrap().chars().count(), LONGEST_SECTION);
        }
        assert_eq!(blocks[MOST_SECTIONS + 1]["elements"][0]["text"], "and 83 more · <https://weir.example|weir>");
        assert_eq!(message["text"], "9 findings opened: 100 vulnerabilities in 2 images");
    }

    #[test]
    fn what_means_something_to_the_form_is_escaped_and_what_is_known_is_said() {
        let message = message(&opened(vec![vulnerability("<!channel> & co", 1)]), None);
        let text = message["blocks"][1]["text"]["text"].as_str().unwrap();
        assert_eq!(
            text,
            "*&lt;!channel&gt; &amp; co* critical · known exploited\npkg:deb/a@1 (fixed in 2)\nin docker.io/r and 1 image more\n\
             run by c/n/Deployment w and 2 workloads more"
        );
    }

    #[test]
    fn what_became_known_of_exploitation_is_said_as_news() {
        let first_line = |known_exploited, reasons: &[&'static str]| {
            let NoticeItem::Vulnerability(found) = vulnerability("CVE-1", 1) else { panic!("of another kind") };
            let known_exploited = Some(known_exploited);
            let item =
                NoticeItem::Vulnerability(VulnerabilityNotice { known_exploited, reasons: reasons.into(), ..found });
            let message = message(&opened(vec![item]), None);
            message["blocks"][1]["text"]["text"].as_str().unwrap().lines().next().unwrap().to_owned()
        };
        for (known_exploited, reasons, line) in [
            (true, &["known_exploited"][..], "*CVE-1* critical · known exploited now"),
            (
                true,
                &["accepted_risk", "known_exploited"],
                "*CVE-1* critical · known exploited now, after its risk was accepted",
            ),
            (true, &["advisory"], "*CVE-1* critical · known exploited"),
            (false, &["exploitation_withdrawn"], "*CVE-1* critical · no longer known exploited"),
            (false, &["advisory"], "*CVE-1* critical"),
        ] {
            assert_eq!(first_line(known_exploited, reasons), line);
        }
    }
}
