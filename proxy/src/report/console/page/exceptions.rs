//! `/exceptions`: what was decided, what ends soon, one decision, and cancelling several.

use askama::Template;
use hyper::Response;
use serde::de::IgnoredAny;
use serde_json::json;

use super::super::facet::Filters;
use super::super::query;
use super::super::query::segment;
use super::super::read::List;
use super::super::{Frame, Place, Query, ROWS, Section, Visit, local, see_other, shown, written};
use super::Tab;
use crate::http::Body;
use crate::report::problem::Problem;
use crate::report::shape::ExceptionItem;

/// How long before its end a decision is said to end soon, in days.
const SOON_DAYS: i64 = 14;
/// Decisions that end soon and are named.
const SOON: usize = 10;
/// Decisions that are cancelled at once.
const MOST: usize = 500;

/// The list.
#[derive(Template)]
#[template(path = "exceptions.html")]
pub(super) struct Exceptions {
    pub(super) frame: Frame,
    pub(super) tabs: Vec<Tab>,
    pub(super) ended: bool,
    pub(super) days: i64,
    pub(super) expiring: Vec<Expiring>,
    pub(super) filters: Filters,
    pub(super) kept: Vec<(String, String)>,
    pub(super) asked: Query,
    pub(super) rows: Vec<ExceptionItem>,
    pub(super) next: Option<String>,
    pub(super) total: Option<u64>,
}

/// A decision that ends soon.
pub(super) struct Expiring {
    pub(super) id: String,
    pub(super) what: String,
    pub(super) scope: String,
    pub(super) end: String,
}

/// One decision.
#[derive(Template)]
#[template(path = "exception.html")]
pub(super) struct One {
    pub(super) frame: Frame,
    pub(super) x: ExceptionItem,
}

/// What is to be cancelled, to look over.
#[derive(Template)]
#[template(path = "cancel.html")]
pub(super) struct Cancel {
    pub(super) frame: Frame,
    pub(super) rows: Vec<ExceptionItem>,
    pub(super) reason: String,
    pub(super) back: Place,
}

pub(super) async fn list(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    let (ask, here) = (&visit.ask, visit.here);
    let asked = by_state(here.query.list(ROWS));
    let all = Query::default().and("state", "active").and("limit", 1000);
    let (list, all) = tokio::join!(
        ask.get::<List<ExceptionItem>>("/api/v1/exceptions", &asked),
        ask.get::<List<ExceptionItem>>("/api/v1/exceptions", &all),
    );
    let (list, all) = (list?, all?);
    let frame = Frame::load(ask, Section::Exceptions, "Exceptions", here).await;
    written(&Exceptions::new(frame, list, all.items))
}

/// What holds, unless another state is asked for.
fn by_state(query: Query) -> Query {
    if query.get("state").is_some() { query } else { query.and("state", "active") }
}

impl Exceptions {
    pub(super) fn new(frame: Frame, list: List<ExceptionItem>, active: Vec<ExceptionItem>) -> Self {
        let here = &frame.here;
        let ended = here.query.get("state").is_some_and(|state| state != "active");
        let target = here.query.get("target").filter(|_| !ended);
        let plain = |query: Query| Place::new("/exceptions", query);
        let of = |target| plain(Query::default().and("target", target));
        let tab = |text, link, current| Tab { text, link, current };
        let soon = frame.now + SOON_DAYS * 86_400;
        let mut expiring: Vec<Expiring> = active
            .iter()
            .filter_map(|item| {
                let end = item.expires_at.as_deref()?;
                (shown::seconds(end)? <= soon).then(|| Expiring {
                    id: segment(&item.id),
                    what: shown::decided(item).to_owned(),
                    scope: shown::scope(&item.scope),
                    end: end.to_owned(),
                })
            })
            .collect();
        expiring.sort_by(|a, b| a.end.cmp(&b.end));
        expiring.truncate(SOON);
        let mut filters = Filters::new(here, Vec::new());
        filters.pills.retain(|pill| !["target", "state"].contains(&pill.title.as_str()));
        Self {
            tabs: vec![
                tab("All", plain(Query::default()), !ended && target.is_none()),
                tab("Vulnerabilities", of("vulnerability"), target == Some("vulnerability")),
                tab("Repositories", of("repository"), target == Some("repository")),
                tab("Ended", plain(Query::parse("state=expired&state=cancelled")), ended),
            ],
            ended,
            days: SOON_DAYS,
            expiring,
            filters,
            kept: here.query.rest(&["q"]).map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            asked: by_state(here.query.asked().without("limit")),
            rows: list.items,
            next: list.next_cursor,
            total: list.total,
            frame,
        }
    }
}

pub(super) async fn one(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    let path = format!("/api/v1/exceptions/{}", segment(visit.place));
    let x: ExceptionItem = visit.ask.get(&path, &Query::default()).await?;
    let title = shown::decided(&x).to_owned();
    let frame = Frame::load(&visit.ask, Section::Exceptions, &title, visit.here).await;
    written(&One { frame, x })
}

/// The page that lists what is to be cancelled.
pub(super) async fn cancel(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    let (ask, here) = (&visit.ask, visit.here);
    let mut rows = Vec::new();
    for id in here.query.all("id").take(MOST) {
        let item: ExceptionItem = ask.get(&format!("/api/v1/exceptions/{}", segment(id)), &Query::default()).await?;
        if item.state == "active" {
            rows.push(item);
        }
    }
    let reason = here.query.get("reason").unwrap_or_default().to_owned();
    let back = local(here.query.get("back"), "/exceptions");
    let frame = Frame::load(ask, Section::Exceptions, "Cancel exceptions", here).await;
    written(&Cancel { frame, rows, reason, back })
}

/// Cancels them.
pub(super) async fn cancel_all(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    let ids: Vec<&str> = visit.form.all("id").collect();
    let reason = visit.form.get("reason").unwrap_or_default();
    let _: IgnoredAny = visit.ask.post("/api/v1/exceptions/cancel", &json!({ "ids": ids, "reason": reason })).await?;
    let back = local(visit.form.get("back"), "/exceptions");
    Ok(see_other(&back.settled().set("ended", ids.len()).to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::super::sample;
    use super::*;

    fn page(address: &str, items: Vec<ExceptionItem>) -> Exceptions {
        let frame = sample::frame(Section::Exceptions, "Exceptions", address);
        let list = List { items: items.clone(), next_cursor: None, total: Some(2) };
        Exceptions::new(frame, list, items)
    }

    #[test]
    fn a_decision_says_why_when_by_whom_and_until_when() {
        let items = vec![sample::exception("1", 5), sample::exception("2", 80)];
        let page = page("/exceptions", items);
        assert_eq!(page.expiring.iter().map(|x| x.id.as_str()).collect::<Vec<_>>(), ["1"]);
        let text = sample::keep("exceptions", &page);
        for said in ["Exception set on", "not reachable", "Cancel selected", ">ada<"] {
            assert!(text.contains(said), "{said}");
        }
    }

    #[test]
    fn what_ended_is_kept_apart_and_cannot_be_cancelled() {
        let mut item = sample::exception("1", -5);
        item.state = "expired".into();
        let text = sample::keep("exceptions-ended", &page("/exceptions?state=expired&state=cancelled", vec![item]));
        assert!(!text.contains("Cancel selected") && !text.contains("name=\"id\""));
        assert!(sample::keep("exceptions-empty", &page("/exceptions", Vec::new())).contains("Nothing is excepted"));
    }

    #[test]
    fn cancelling_lists_the_selection_and_wants_a_reason() {
        let frame = sample::frame(Section::Exceptions, "Cancel", "/exceptions/cancel?id=1");
        let back = Place::new("/exceptions", Query::default());
        let rows = vec![sample::exception("1", 5)];
        let text = sample::keep("cancel", &Cancel { frame, rows, reason: String::new(), back });
        assert!(text.contains("<textarea name=\"reason\" required") && text.contains("name=\"csrf\" value=\"proof\""));
        let frame = sample::frame(Section::Exceptions, "x", "/exceptions/1");
        assert!(sample::keep("exception", &One { frame, x: sample::exception("1", 5) }).contains("Cancel…"));
    }
}
