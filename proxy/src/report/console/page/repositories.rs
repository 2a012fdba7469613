//! `/`: every repository that the filter means, under the statistics of the same filter.

use askama::Template;
use hyper::Response;

use super::super::facet::{Filters, Pill};
use super::super::frame::Freshness;
use super::super::query::segments;
use super::super::read::{Cluster, List};
use super::super::{Frame, Place, Query, ROWS, Section, Visit, see_other, shown, written};
use crate::http::Body;
use crate::report::problem::Problem;
use crate::report::shape::{Facet, RepositoryItem, Statistics};

/// The page.
#[derive(Template)]
#[template(path = "repositories.html")]
pub(super) struct Repositories {
    pub(super) frame: Frame,
    pub(super) watched: bool,
    pub(super) statistics: Statistics,
    /// Whether a zero of the statistics is one.
    pub(super) sure: bool,
    pub(super) unread: u64,
    pub(super) unread_link: Place,
    pub(super) overdue: Query,
    pub(super) filters: Filters,
    pub(super) widest: Option<Widest>,
    pub(super) asked: Query,
    pub(super) rows: Vec<Row>,
    /// Most vulnerabilities of a row, the longest bar.
    pub(super) most: u64,
    pub(super) next: Option<String>,
    pub(super) total: Option<u64>,
}

/// A row of the table.
pub(super) struct Row {
    pub(super) item: RepositoryItem,
    pub(super) path: String,
    /// The part of the filter that its page takes over, as a query.
    pub(super) narrowed: String,
    pub(super) sure: bool,
    /// Why there are no counts, where there are none.
    pub(super) silence: &'static str,
}

/// The filter whose removal shows most.
pub(super) struct Widest {
    pub(super) pill: Pill,
    pub(super) found: u64,
}

/// What the page is made of.
pub(super) struct Parts {
    pub(super) frame: Frame,
    pub(super) watched: bool,
    pub(super) statistics: Statistics,
    pub(super) facets: Vec<Facet>,
    pub(super) list: List<RepositoryItem>,
    pub(super) widest: Option<Widest>,
}

/// Scan states that are not `complete`, in the order they worry.
const UNREAD: [&str; 7] = ["failed", "no_access", "never_seen", "unsupported", "partial", "scanning", "queued"];

pub(super) async fn answer(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    let (ask, here) = (&visit.ask, visit.here);
    let clusters: List<Cluster> = ask.get("/api/v1/clusters", &Query::default().and("limit", 1)).await?;
    let watched = !clusters.items.is_empty();
    if here.query.is_bare() && watched {
        return Ok(see_other(&here.set("image_status", "running").to_string()));
    }
    let (filter, list) = (here.query.filter(), here.query.list(ROWS));
    let (list, statistics, facets) = tokio::join!(
        ask.get::<List<RepositoryItem>>("/api/v1/repositories", &list),
        ask.get::<Statistics>("/api/v1/statistics", &filter),
        ask.get::<List<Facet>>("/api/v1/statistics/facets", &filter),
    );
    let (list, statistics, facets) = (list?, statistics?, facets?.items);
    let frame = Frame::load(ask, Section::Repositories, "Repositories", here).await;
    let filters = Filters::new(&frame.here, facets.clone());
    let widest = if list.items.is_empty() { widest(&visit.ask, &filters).await? } else { None };
    written(&Repositories::new(Parts { frame, watched, statistics, facets, list, widest }))
}

/// The filter whose removal shows most, where the removal of one shows anything.
async fn widest(ask: &super::super::Ask<'_>, filters: &Filters) -> Result<Option<Widest>, Problem> {
    let mut widest: Option<Widest> = None;
    for pill in filters.pills.iter().take(8) {
        let filter = pill.without.query.filter();
        let found = ask.get::<Statistics>("/api/v1/statistics", &filter).await?.repositories;
        if found > widest.as_ref().map_or(0, |widest| widest.found) {
            widest = Some(Widest { pill: pill.clone(), found });
        }
    }
    Ok(widest)
}

impl Repositories {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { frame, watched, statistics, facets, list, widest } = parts;
        let here = &frame.here;
        let filters = Filters::new(here, facets);
        let asked = here.query.asked().without("limit");
        let narrowed = here.query.only(&["cluster", "namespace", "label", "except"]).asked().to_string();
        let narrowed = if narrowed.is_empty() { narrowed } else { format!("?{narrowed}") };
        let has_feeds = frame.freshness.as_ref().is_some_and(Freshness::speaks);
        let complete = statistics.scan_statuses.get("complete").copied().unwrap_or_default();
        let unread = statistics.images.saturating_sub(complete);
        let unread_link = UNREAD
            .iter()
            .filter(|status| statistics.scan_statuses.get(**status).is_some_and(|count| *count > 0))
            .fold(here.query.without("scan_status"), |query, status| query.and("scan_status", status));
        let most = list.items.iter().filter_map(|item| item.counts.as_ref());
        let most = most.map(|counts| shown::total(counts.vulnerabilities)).max().unwrap_or_default();
        let rows = list.items.into_iter().map(|item| {
            let complete = item.scan_statuses.get("complete").copied().unwrap_or_default();
            let read = complete + item.scan_statuses.get("partial").copied().unwrap_or_default();
            Row {
                path: segments(&item.name),
                narrowed: narrowed.clone(),
                sure: complete == item.images && item.scanned_images == item.images,
                silence: if read == 0 {
                    "not known: not read yet"
                } else if has_feeds {
                    "not known: not matched yet"
                } else {
                    "not known: no feed"
                },
                item,
            }
        });
        Self {
            rows: rows.collect(),
            watched,
            sure: unread == 0 && statistics.scanned_images == statistics.images && has_feeds,
            unread,
            unread_link: here.with(unread_link),
            overdue: here.query.filter().and("sort", "first_seen"),
            filters,
            widest,
            asked,
            most,
            next: list.next_cursor,
            total: list.total,
            statistics,
            frame,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::sample;
    use super::*;

    fn parts(address: &str) -> Parts {
        Parts {
            frame: sample::frame(Section::Repositories, "Repositories", address),
            watched: true,
            statistics: sample::statistics(),
            facets: sample::facets(),
            list: List { items: sample::repositories(), next_cursor: Some("next".to_owned()), total: Some(46) },
            widest: None,
        }
    }

    #[test]
    fn numbers_are_links_and_what_is_not_known_is_no_zero() {
        let page = Repositories::new(parts("/?image_status=running&severity=high"));
        let text = sample::keep("repositories", &page);
        assert!(text.contains("href=\"/?image_status=running&#38;severity=critical\""), "a number of the strip");
        assert!(text.contains("not known: not read yet"));
        let redis = text.split("docker.io/library/redis</a>").nth(1).unwrap().split("</tr>").next().unwrap();
        assert!(redis.contains(">?</abbr>") && !redis.contains(">0<"), "{redis}");
        let pause = text.split("registry.k8s.io/pause</a>").nth(1).unwrap().split("</tr>").next().unwrap();
        assert!(pause.contains(">0<") && !pause.contains(">?<"), "{pause}");
    }

    #[test]
    fn a_filter_that_means_nothing_offers_the_widest_removal() {
        let mut parts = parts("/?severity=high&cluster=gone");
        parts.list = List::default();
        let pill = Filters::new(&parts.frame.here, Vec::new()).pills[1].clone();
        parts.widest = Some(Widest { pill, found: 3 });
        let text = sample::keep("repositories-nothing", &Repositories::new(parts));
        assert!(text.contains("Nothing matches this filter") && text.contains("3 repositories"));
        assert!(text.contains("href=\"/?severity=high\">Remove it"));
    }

    #[test]
    fn without_clusters_images_and_feeds_it_says_each() {
        let mut parts = parts("/");
        (parts.watched, parts.list, parts.statistics) = (false, List::default(), Statistics::default());
        parts.frame.freshness = Some(Freshness::default());
        parts.facets.clear();
        let text = sample::keep("repositories-empty", &Repositories::new(parts));
        for said in ["No cluster is watched", "No image yet", "No advisories yet", "not known"] {
            assert!(text.contains(said), "{said}");
        }
    }
}
