//! `/activity`: what opened, changed and closed, and who decided what.

use askama::Template;
use hyper::Response;

use super::super::facet::Filters;
use super::super::query;
use super::super::read::{Event, List};
use super::super::{Frame, Query, ROWS, Section, Visit, shown, written};
use super::days::Days;
use crate::http::Body;
use crate::report::problem::Problem;
use crate::report::shape::AuditItem;

/// The page.
#[derive(Template)]
#[template(path = "activity.html")]
pub(super) struct Activity {
    pub(super) frame: Frame,
    pub(super) audit_shown: bool,
    pub(super) audit: Vec<AuditItem>,
    pub(super) events: Vec<Event>,
    pub(super) days: Days,
    pub(super) filters: Filters,
    pub(super) asked: Query,
    pub(super) next: Option<String>,
    pub(super) total: Option<u64>,
}

/// Events that the picture is made of.
const PICTURED: usize = 1000;

pub(super) async fn answer(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    let (ask, here) = (&visit.ask, visit.here);
    let (list, filters) = (here.query.list(ROWS), Filters::new(&here, Vec::new()));
    let asked = here.query.filter();
    if here.query.get("tab") == Some("audit") {
        let audit: List<AuditItem> = ask.get("/api/v1/audit", &list).await?;
        let frame = Frame::load(ask, Section::Activity, "Audit", here).await;
        return written(&Activity {
            frame,
            audit_shown: true,
            audit: audit.items,
            events: Vec::new(),
            days: Days::default(),
            filters,
            asked,
            next: audit.next_cursor,
            total: audit.total,
        });
    }
    let pictured = asked.clone().and("limit", PICTURED);
    let (events, pictured) = tokio::join!(
        ask.get::<List<Event>>("/api/v1/events", &list),
        ask.get::<List<Event>>("/api/v1/events", &pictured),
    );
    let (events, pictured) = (events?, pictured?.items);
    let frame = Frame::load(ask, Section::Activity, "Activity", here).await;
    written(&Activity {
        frame,
        audit_shown: false,
        audit: Vec::new(),
        events: events.items,
        days: Days::of(&pictured),
        filters,
        asked,
        next: events.next_cursor,
        total: events.total,
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::sample;
    use super::*;

    fn page(address: &str, audit: Vec<AuditItem>, events: Vec<Event>) -> Activity {
        let frame = sample::frame(Section::Activity, "Activity", address);
        let filters = Filters::new(&frame.here, Vec::new());
        Activity {
            audit_shown: address.contains("audit"),
            days: Days::of(&events),
            frame,
            audit,
            events,
            filters,
            asked: Query::default(),
            next: None,
            total: None,
        }
    }

    #[test]
    fn what_happened_and_who_decided_are_shown_apart() {
        let text = sample::keep("activity", &page("/activity", Vec::new(), sample::events()));
        assert!(text.contains("<title>2026-11-2") && text.contains("CVE-2026-1111"));
        let audit = vec![AuditItem {
            id: 1,
            at: "2026-11-28T10:00:00Z".into(),
            by: sample::HOSTILE.into(),
            action: "exception.create".into(),
            subject: "12".into(),
            detail: "CVE-2026-1111 in docker.io/library/nginx".into(),
        }];
        let text = sample::keep("activity-audit", &page("/activity?tab=audit", audit, Vec::new()));
        assert!(text.contains("href=\"/exceptions/12\""));
        assert!(
            sample::keep("activity-empty", &page("/activity", Vec::new(), Vec::new())).contains("Nothing happened yet")
        );
    }
}
