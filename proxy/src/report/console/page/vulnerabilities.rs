//! `/vulnerabilities`: every vulnerability of the images that the filter means.

use askama::Template;
use hyper::Response;

use super::super::facet::Filters;
use super::super::query;
use super::super::read::List;
use super::super::{Frame, Query, ROWS, Section, Visit, shown, written};
use crate::http::Body;
use crate::report::problem::Problem;
use crate::report::shape::{Facet, Statistics, VulnerabilityItem};

/// The page.
#[derive(Template)]
#[template(path = "vulnerabilities.html")]
pub(super) struct Vulnerabilities {
    pub(super) frame: Frame,
    pub(super) statistics: Statistics,
    pub(super) sure: bool,
    pub(super) filters: Filters,
    pub(super) asked: Query,
    pub(super) narrowed: String,
    pub(super) rows: Vec<VulnerabilityItem>,
    pub(super) dots: Vec<Dot>,
    pub(super) next: Option<String>,
    pub(super) total: Option<u64>,
}

/// A vulnerability in the picture of EPSS over CVSS.
pub(super) struct Dot {
    pub(super) path: String,
    pub(super) class: &'static str,
    pub(super) text: String,
    pub(super) x: i64,
    pub(super) y: i64,
}

pub(super) async fn answer(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    let (ask, here) = (&visit.ask, visit.here);
    let (filter, list) = (here.query.filter(), here.query.list(ROWS));
    let (list, statistics, facets) = tokio::join!(
        ask.get::<List<VulnerabilityItem>>("/api/v1/vulnerabilities", &list),
        ask.get::<Statistics>("/api/v1/statistics", &filter),
        ask.get::<List<Facet>>("/api/v1/statistics/facets", &filter),
    );
    let (list, statistics, facets) = (list?, statistics?, facets?.items);
    let frame = Frame::load(ask, Section::Vulnerabilities, "Vulnerabilities", here).await;
    written(&Vulnerabilities::new(frame, statistics, facets, list))
}

impl Vulnerabilities {
    pub(super) fn new(frame: Frame, statistics: Statistics, facets: Vec<Facet>, list: List<VulnerabilityItem>) -> Self {
        let here = &frame.here;
        let narrowed = here.query.only(&["cluster", "namespace", "label", "image_status", "repository", "except"]);
        let narrowed = narrowed.asked().to_string();
        let complete = statistics.scan_statuses.get("complete").copied().unwrap_or_default();
        Self {
            sure: complete == statistics.images && statistics.scanned_images == statistics.images,
            filters: Filters::new(here, facets),
            asked: here.query.asked().without("limit"),
            narrowed: if narrowed.is_empty() { narrowed } else { format!("?{narrowed}") },
            dots: list.items.iter().filter_map(dot).collect(),
            next: list.next_cursor,
            total: list.total,
            rows: list.items,
            statistics,
            frame,
        }
    }
}

/// Where a vulnerability stands: CVSS to the right, the root of EPSS up, so that small likelihoods are told apart.
fn dot(item: &VulnerabilityItem) -> Option<Dot> {
    let (cvss, epss) = (item.cvss?, item.epss?);
    #[expect(clippy::cast_possible_truncation, reason = "both are clamped to the picture")]
    let place = |share: f64, length: f64| (share.clamp(0.0, 1.0) * length).round() as i64;
    Some(Dot {
        path: query::segment(&item.id),
        class: shown::severity(item.severity),
        text: format!("{}: CVSS {}, EPSS {}", item.id, shown::score(cvss), shown::percent(epss)),
        x: 40 + place(cvss / 10.0, 580.0),
        y: 210 - place(epss.max(0.0).sqrt(), 195.0),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::sample;
    use super::*;

    fn page(address: &str, items: Vec<VulnerabilityItem>, statistics: Statistics) -> String {
        let frame = sample::frame(Section::Vulnerabilities, "Vulnerabilities", address);
        let list = List { items, next_cursor: None, total: Some(2) };
        let name = if list.items.is_empty() { "vulnerabilities-empty" } else { "vulnerabilities" };
        sample::keep(name, &Vulnerabilities::new(frame, statistics, sample::facets(), list))
    }

    #[test]
    fn a_vulnerability_says_how_bad_how_likely_and_where() {
        let items = vec![
            sample::vulnerability("CVE-2026-1111", 9.8, Some(0.94)),
            sample::vulnerability("CVE-2026-2222", 7.2, Some(0.004)),
            sample::vulnerability(sample::HOSTILE, 5.0, None),
        ];
        let text = page("/vulnerabilities?sort=-cvss", items, sample::statistics());
        assert!(text.contains("aria-sort=\"descending\"") && text.contains("href=\"/vulnerabilities?sort=cvss\""));
        assert_eq!(text.matches("<title>CVE-").count(), 2, "only what has both numbers is in the picture");
    }

    #[test]
    fn an_empty_list_says_why() {
        let none = page("/vulnerabilities", Vec::new(), Statistics::default());
        assert!(none.contains("Nothing is known yet"));
        let clean = page("/vulnerabilities", Vec::new(), sample::statistics());
        assert!(clean.contains("No vulnerability is known") && clean.contains("121"));
        let narrow = page("/vulnerabilities?severity=low", Vec::new(), sample::statistics());
        assert!(narrow.contains("Nothing matches this filter"));
    }
}
