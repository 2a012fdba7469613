//! What stands in a tab of an image, and what is said where it is empty.

use super::super::super::read::{Affected, Event, Fix, List, Tab};
use super::super::super::{Ask, Place, Query, ROWS, shown};
use super::super::days::Days;
use super::Kind;
use crate::report::problem::Problem;
use crate::report::shape::{ImageItem, ImageVulnerability, PackageItem};

/// A tab's content.
pub(in super::super) enum Body {
    Vulnerabilities(Findings),
    Packages(Rows<PackageItem>),
    Resources(Rows<Affected>),
    History(History),
    Exceptions(Rows<ImageVulnerability>),
    Risks,
}

/// Vulnerabilities, or what clears them.
pub(in super::super) struct Findings {
    pub(super) api: String,
    pub(super) rows: Vec<ImageVulnerability>,
    pub(super) fixes: Option<Vec<Fix>>,
    pub(super) headline: &'static str,
    pub(super) silence: String,
    pub(super) next: Option<String>,
    pub(super) total: Option<u64>,
}

/// A plain table.
pub(in super::super) struct Rows<T> {
    pub(super) api: String,
    pub(super) rows: Vec<T>,
    pub(super) headline: &'static str,
    pub(super) silence: String,
    pub(super) next: Option<String>,
    pub(super) total: Option<u64>,
}

/// What happened, with its picture.
pub(in super::super) struct History {
    pub(super) api: String,
    pub(super) rows: Vec<Event>,
    pub(super) days: Days,
    pub(super) next: Option<String>,
    pub(super) total: Option<u64>,
}

/// Asks for the tab of `kind` of the image at `path` of the API.
pub(super) async fn load(
    ask: &Ask<'_>,
    kind: Kind,
    path: &str,
    here: &Place,
    item: &ImageItem,
) -> Result<Body, Problem> {
    let list = here.query.list(ROWS);
    let api = format!("{path}/{}", kind.name());
    Ok(match kind {
        Kind::Vulnerabilities => Body::Vulnerabilities(findings(ask, path, here, item).await?),
        Kind::Packages => {
            let tab: Tab<PackageItem> = ask.find(&api, &list).await?.unwrap_or_default();
            let (headline, silence) = silence(here, item, &tab, "package");
            let Tab { items, next_cursor: next, total, .. } = tab;
            Body::Packages(Rows { api, rows: items.unwrap_or_default(), headline, silence, next, total })
        }
        Kind::Resources => {
            let list = here.query.only(&["cluster", "namespace", "label", "cursor"]).list(ROWS);
            Body::Resources(plain(api.clone(), ask.get(&api, &list).await?))
        }
        Kind::History => {
            let list = here.query.only(&["cursor"]).list(ROWS);
            let events: List<Event> = ask.find(&api, &list).await?.unwrap_or_default();
            let pictured: List<Event> = ask.find(&api, &Query::default().and("limit", 1000)).await?.unwrap_or_default();
            let List { items: rows, next_cursor: next, total } = events;
            Body::History(History { api, days: Days::of(&pictured.items), rows, next, total })
        }
        Kind::Exceptions => {
            let narrowed = here.query.only(&["layer", "cluster", "namespace", "label", "sort", "cursor"]);
            let (api, list) = (format!("{path}/vulnerabilities"), narrowed.list(ROWS).and("except", "excepted"));
            let Tab { items, next_cursor: next, total, .. } =
                ask.find::<Tab<ImageVulnerability>>(&api, &list).await?.unwrap_or_default();
            let (rows, headline, silence) = (items.unwrap_or_default(), "", String::new());
            Body::Exceptions(Rows { api, rows, headline, silence, next, total })
        }
        Kind::Risks => Body::Risks,
    })
}

fn plain<T>(api: String, list: List<T>) -> Rows<T> {
    let List { items: rows, next_cursor: next, total } = list;
    Rows { api, rows, headline: "", silence: String::new(), next, total }
}

async fn findings(ask: &Ask<'_>, path: &str, here: &Place, item: &ImageItem) -> Result<Findings, Problem> {
    if here.query.get("view") == Some("fixes") {
        let api = format!("{path}/fixes");
        let list = here.query.without("cursor").list(1000);
        let tab: Tab<Fix> = ask.find(&api, &list).await?.unwrap_or_default();
        let (headline, silence) = silence(here, item, &tab, "upgrade");
        let fixes = Some(tab.items.unwrap_or_default());
        return Ok(Findings { api, rows: Vec::new(), fixes, headline, silence, next: None, total: None });
    }
    let api = format!("{path}/vulnerabilities");
    let tab: Tab<ImageVulnerability> = ask.find(&api, &here.query.list(ROWS)).await?.unwrap_or_default();
    let (headline, silence) = silence(here, item, &tab, "vulnerability");
    let Tab { items, next_cursor: next, total, .. } = tab;
    Ok(Findings { api, rows: items.unwrap_or_default(), fixes: None, headline, silence, next, total })
}

/// What an empty tab says: not read, not matched, nothing by this filter, or clean as far as is known.
pub(in super::super) fn silence<T>(here: &Place, item: &ImageItem, tab: &Tab<T>, what: &str) -> (&'static str, String) {
    let state = shown::scan_state(&item.scan_status);
    if tab.items.is_none() {
        return match item.scan_status.as_str() {
            "complete" | "partial" => (
                "Not matched yet",
                "It was read, but no feed has spoken of what it holds: whether it is vulnerable is not known."
                    .to_owned(),
            ),
            _ => ("Not known", format!("{} {}", state.means, state.todo).trim().to_owned()),
        };
    }
    if here.query.filters().next().is_some() {
        return ("Nothing matches this filter", format!("Take something of the filter away to see every {what}."));
    }
    let matched = tab.matched_at.as_deref().map(|at| format!("Matched {} UTC", shown::moment(at)));
    let feeds = tab.advisories_as_of.as_deref().map(|at| format!("the oldest feed is of {} UTC", shown::moment(at)));
    let when: Vec<String> = matched.into_iter().chain(feeds).collect();
    let when = if when.is_empty() { String::new() } else { format!(" {}.", when.join("; ")) };
    if item.scan_status == "complete" {
        ("Nothing is known against it", format!("Every layer was read and nothing was found.{when}"))
    } else {
        ("Nothing was found in what could be read", format!("{} {}{when}", state.means, state.todo))
    }
}
