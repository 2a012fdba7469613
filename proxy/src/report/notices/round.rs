//! One round for one webhook: from what happened since its place to notices, marks and its next place.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use weir_config::{NoticeKind, WebhookSection};
use weir_scanner::exception::Rules;
use weir_scanner::finding::Severity;
use weir_scanner::oci::Digest;
use weir_storage::index::{
    EventCursor, EventKind, Exploitation, Gathered, Index, IndexError, ListedEvent, WebhookDelivery, WebhookMark,
    WebhookMarks, WebhookRecord,
};

use super::edges::{self, Edges};
use super::findings::{Names, Summary, Told};
use super::image::{Asker, ImageFacts, holds, is_told_despite};
use super::scope::{self, Change, Scope};
use crate::notify::{Notice, Webhook, render};
use crate::report::advisories::{self, Age};
use crate::report::fleet::FleetView;
use crate::workload::ClusterStatus;

/// Events read at a time, and in one round; what is left comes in the next, which begins at once.
const PAGE: usize = 1000;
const MOST_EVENTS: usize = 100_000;
/// Why a finding of an image that begins to run is told.
const IMAGE_RUNS: &str = "image_runs";

/// What a round looks at.
pub(super) struct RoundParts {
    pub(super) webhook: Arc<Webhook>,
    pub(super) index: Index,
    /// What ran when the round began.
    pub(super) view: Arc<FleetView>,
    /// What was decided.
    pub(super) rules: Arc<Rules>,
    pub(super) statuses: Vec<ClusterStatus>,
    /// The age after which a feed is too old.
    pub(super) stale_after: Duration,
    /// Where people reach the report.
    pub(super) public_url: Option<String>,
    /// Seconds since the epoch.
    pub(super) now: i64,
}

/// One round.
pub(super) struct Round<'a> {
    parts: &'a RoundParts,
    settings: &'a WebhookSection,
    /// `None` for a webhook that never began.
    row: Option<WebhookRecord>,
    marks: WebhookMarks,
    scope: Scope,
    rules: Arc<Rules>,
}

/// What a round has found so far.
#[derive(Default)]
struct Found {
    opened: Summary,
    rerated: Summary,
    closed: Summary,
    marks: Vec<(WebhookMark, Option<u64>)>,
    /// The image looked at last: events of one image come together.
    image: Option<ImageFacts>,
}

impl<'a> Round<'a> {
    pub(super) fn new(parts: &'a RoundParts) -> Result<Self, IndexError> {
        let settings = parts.webhook.settings();
        Ok(Self {
            parts,
            settings,
            row: parts.index.webhooks().get(&settings.name)?,
            marks: parts.index.webhooks().marks(&settings.name)?,
            scope: Scope::of(&parts.view, settings),
            rules: Arc::clone(&parts.rules),
        })
    }

    /// Begins the webhook where it never began, or begins it anew where its settings mean something else: what runs then is known.
    pub(super) fn begin(&self) -> Result<bool, IndexError> {
        let meaning = meaning(self.settings);
        if self.row.as_ref().is_some_and(|row| row.settings == meaning) {
            return Ok(false);
        }
        let mut marks: WebhookMarks = edges::kept(self.marks.clone()).collect();
        if self.settings.only_running {
            marks.extend(self.scope.marks());
        }
        self.parts.index.webhooks().begin(&self.settings.name, &meaning, &marks)?;
        Ok(false)
    }

    /// Gathers what happened and puts it up; whether more happened than one round takes.
    pub(super) fn gather(&self) -> Result<bool, IndexError> {
        let from = self.row.as_ref().map(|row| row.sequence).unwrap_or_default();
        let last = self.parts.index.events().last()?;
        let mut found = Found::default();
        let changed = self.changes(from, &mut found)?;
        let sequence = self.events(from, last, &changed, &mut found)?;
        let edges = self.edges()?;
        let Found { opened, rerated, closed, mut marks, .. } = found;
        let names = Names {
            index: &self.parts.index,
            view: &self.parts.view,
            scope: &self.scope,
            public_url: self.parts.public_url.as_deref(),
        };
        let mut notices = Vec::new();
        for (kind, summary) in
            [(NoticeKind::Opened, opened), (NoticeKind::Rerated, rerated), (NoticeKind::Closed, closed)]
        {
            notices.extend(summary.notice(kind, self.parts.now, &names)?);
        }
        for (kind, Edges { items, marks: edge_marks }) in edges {
            marks.extend(edge_marks);
            if !items.is_empty() {
                notices.push(Notice { kind, at: self.parts.now, is_test: false, totals: None, items, more: 0 });
            }
        }
        if sequence == from && marks.is_empty() && notices.is_empty() {
            return Ok(false);
        }
        let deliveries = notices.iter().filter_map(|notice| self.delivery(notice)).collect();
        self.parts.webhook.put_up(Gathered { sequence, marks, deliveries })?;
        Ok(sequence < last)
    }

    /// Images that began to run, return or ended: their marks, and what is to be told of them at once. Answers with those that began,
    /// of which all is told by that.
    fn changes(&self, from: u64, found: &mut Found) -> Result<HashSet<Digest>, IndexError> {
        let mut began = HashSet::new();
        if !self.settings.only_running {
            return Ok(began);
        }
        for (image, change) in self.scope.changes(&self.marks) {
            match change {
                Change::Left => found.marks.extend(scope::left(&image, from)),
                Change::Began => {
                    self.tell_all(image, found)?;
                    found.marks.extend(scope::runs(&image));
                    began.insert(image);
                }
                Change::Returned(since) => {
                    self.tell_since(image, since, from, found)?;
                    found.marks.extend(scope::runs(&image));
                }
            }
        }
        // An image that weir has forgotten is new when it comes again.
        for image in scope::at_rest(&self.marks) {
            if self.scope.users(&image).is_none() && self.parts.index.images().get(&image)?.is_none() {
                found.marks.push(scope::gone(&image));
            }
        }
        Ok(began)
    }

    /// Tells the findings an image has.
    fn tell_all(&self, image: Digest, found: &mut Found) -> Result<(), IndexError> {
        if !self.settings.kinds.contains(&NoticeKind::Opened) {
            return Ok(());
        }
        let facts = ImageFacts::read(&self.parts.index, image)?;
        for finding in facts.findings() {
            let told = Told {
                image,
                id: &finding.id,
                package: &finding.package,
                severity: finding.severity,
                previous_severity: None,
                fixed_version: finding.fixed_version.as_deref(),
                reason: Some(IMAGE_RUNS),
                despite: None,
                known_exploited: facts.exploited(finding),
            };
            let asker = self.asker(&image);
            if self.wants(&told) && facts.decision(told.id, told.package, Some(finding), &asker).is_none() {
                found.opened.add(&told);
            }
        }
        Ok(())
    }

    /// Tells what happened to an image after one event and up to another, as far as it is still so.
    fn tell_since(&self, image: Digest, since: u64, until: u64, found: &mut Found) -> Result<(), IndexError> {
        let mut after = Some(EventCursor { sequence: since, position: u32::MAX });
        while let Some(cursor) = after {
            let page = self.parts.index.events().after(Some(&image), Some(cursor), PAGE)?;
            for listed in page.events.iter().filter(|listed| listed.cursor.sequence <= until) {
                self.tell(listed, found)?;
            }
            after = page.next.filter(|next| next.sequence <= until);
        }
        Ok(())
    }

    /// Tells the events after one and up to another, but those of images of which all is told; answers with the last that was looked at.
    fn events(&self, from: u64, last: u64, told: &HashSet<Digest>, found: &mut Found) -> Result<u64, IndexError> {
        let mut after = Some(EventCursor { sequence: from, position: u32::MAX });
        let (mut looked_at, mut last) = (0, last);
        while let Some(cursor) = after {
            let page = self.parts.index.events().after(None, Some(cursor), PAGE)?;
            looked_at += page.events.len();
            for listed in page.events.iter().filter(|listed| listed.cursor.sequence <= last) {
                let runs = self.scope.users(&listed.image).is_some();
                if !self.settings.only_running || (runs && !told.contains(&listed.image)) {
                    self.tell(listed, found)?;
                }
            }
            after = page.next.filter(|next| next.sequence <= last);
            // A place is a whole row, so the round goes on to the end of this one.
            if let (Some(next), true) = (after, looked_at >= MOST_EVENTS) {
                last = next.sequence;
            }
        }
        Ok(last)
    }

    fn tell(&self, listed: &ListedEvent, found: &mut Found) -> Result<(), IndexError> {
        let ListedEvent { image, event, .. } = listed;
        let (kind, previous_severity) = match event.kind {
            EventKind::Opened(_) => (NoticeKind::Opened, None),
            EventKind::Rerated(before) => (NoticeKind::Rerated, Some(before)),
            EventKind::Exploitation(_) => (NoticeKind::Rerated, None),
            EventKind::Closed(_) => (NoticeKind::Closed, None),
        };
        if !self.settings.kinds.contains(&kind) {
            return Ok(());
        }
        let mut told = Told {
            image: *image,
            id: &event.id,
            package: &event.package,
            severity: event.severity,
            previous_severity,
            fixed_version: event.fixed_version.as_deref(),
            reason: event.kind.reason(),
            despite: None,
            known_exploited: None,
        };
        // What is not grave is told only where it is known to be exploited, so the image is read for no other.
        if !self.wants(&told) && !self.settings.known_exploited {
            return Ok(());
        }
        let facts = match found.image.take().filter(|facts| facts.digest() == image) {
            Some(facts) => facts,
            None => ImageFacts::read(&self.parts.index, *image)?,
        };
        let finding = facts.finding(told.id, told.package);
        told.known_exploited = finding.and_then(|finding| facts.exploited(finding));
        let was_exploited = event.kind == EventKind::Exploitation(Exploitation::Withdrawn);
        let is_meant = (self.wants(&told) || (self.settings.known_exploited && was_exploited))
            && holds(event, finding, told.known_exploited);
        let asker = self.asker(image);
        let decision = is_meant.then(|| facts.decision(told.id, told.package, finding, &asker)).flatten();
        let is_told = is_meant && decision.is_none_or(|decision| is_told_despite(listed, decision));
        told.despite = decision.map(|decision| decision.kind.name());
        found.image = Some(facts);
        if is_told {
            let summary = match kind {
                NoticeKind::Rerated => &mut found.rerated,
                NoticeKind::Closed => &mut found.closed,
                _ => &mut found.opened,
            };
            summary.add(&told);
        }
        Ok(())
    }

    /// Whether a finding is grave enough: now or, where that changed, before.
    fn wants(&self, told: &Told<'_>) -> bool {
        let gravest = told.severity.max(told.previous_severity.unwrap_or_default());
        gravest >= least(self.settings) || (self.settings.known_exploited && told.known_exploited == Some(true))
    }

    fn asker(&self, image: &Digest) -> Asker<'_> {
        let users = self.scope.users(image).unwrap_or_default();
        Asker { rules: &self.rules, view: &self.parts.view, users, now: self.parts.now }
    }

    /// What began or ended, of the kinds that are told.
    fn edges(&self) -> Result<Vec<(NoticeKind, Edges)>, IndexError> {
        let mut found = Vec::new();
        for kind in edges::KINDS.into_iter().filter(|kind| self.settings.kinds.contains(kind)) {
            let edges = match kind {
                NoticeKind::AgentSilent => edges::clusters(&self.parts.statuses, self.settings, &self.marks),
                NoticeKind::FeedStale => {
                    let age = Age::new(self.parts.stale_after, self.parts.now);
                    edges::feeds(&advisories::items(&self.parts.index, age)?, &self.marks)
                }
                _ => edges::exceptions(&self.rules, self.settings, self.parts.now, &self.marks),
            };
            found.push((kind, edges));
        }
        Ok(found)
    }

    fn delivery(&self, notice: &Notice) -> Option<WebhookDelivery> {
        let report = self.parts.public_url.as_deref();
        match render(notice, &self.settings.name, self.settings.format, report) {
            Ok(rendered) => Some(WebhookDelivery {
                id: rendered.id,
                kind: notice.kind.name().to_owned(),
                created_at: self.parts.now,
                attempts: 0,
                next_attempt_at: self.parts.now,
                body: rendered.body,
            }),
            Err(error) => {
                tracing::error!(webhook = self.settings.name, %error, "a notification cannot be written");
                None
            }
        }
    }
}

/// The least severity that is told.
fn least(settings: &WebhookSection) -> Severity {
    match settings.severity {
        Some(weir_config::Severity::Critical) => Severity::Critical,
        Some(weir_config::Severity::High) => Severity::High,
        Some(weir_config::Severity::Medium) => Severity::Medium,
        Some(weir_config::Severity::Low) => Severity::Low,
        None => Severity::Unknown,
    }
}

/// What settings mean for what a webhook knows: which images it is told of.
fn meaning(settings: &WebhookSection) -> String {
    let WebhookSection { clusters, namespaces, only_running, severity, known_exploited, kinds, .. } = settings;
    let opened = kinds.contains(&NoticeKind::Opened);
    format!("{clusters:?} {namespaces:?} {only_running} {severity:?} {known_exploited} {opened}")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The settings of a webhook with these lines.
    pub(in crate::report::notices) fn settings(lines: &str) -> WebhookSection {
        let text = format!("[[webhook]]\nname = \"a\"\nurl = \"https://a.example/\"\n{lines}\n");
        let checked = weir_config::check(Some(("weir.toml", &text)), [], std::path::Path::new("/"));
        let config = checked.config.unwrap_or_else(|| panic!("{:?}", checked.mistakes));
        config.webhooks.into_iter().next().unwrap()
    }

    #[test]
    fn settings_mean_which_images_are_told() {
        assert_eq!(meaning(&settings("")), meaning(&settings("batch = \"5m\"\nformat = \"slack\"")));
        for other in ["severity = \"low\"", "clusters = [\"a\"]", "only_running = false", "kinds = [\"closed\"]"] {
            assert_ne!(meaning(&settings("")), meaning(&settings(other)), "{other}");
        }
        assert_eq!(least(&settings("severity = \"unknown\"")), Severity::Unknown);
        assert_eq!(least(&settings("")), Severity::High);
    }
}
