//! `/compare`: what another image fixes, brings and leaves.

use askama::Template;
use hyper::Response;

use super::super::query;
use super::super::read::{Comparison, PackageChange, SharedLayers};
use super::super::{Frame, Query, Section, Visit, shown, written};
use crate::http::Body;
use crate::report::problem::Problem;
use crate::report::shape::ImageVulnerability;

/// Rows of each list; the API has all of them.
const MOST: usize = 50;

/// The page.
#[derive(Template)]
#[template(path = "compare.html")]
pub(super) struct Compare {
    pub(super) frame: Frame,
    pub(super) a: String,
    pub(super) b: String,
    pub(super) found: Option<Found>,
}

/// What the comparison found.
pub(super) struct Found {
    pub(super) sides: [Side; 2],
    pub(super) layers: Option<SharedLayers>,
    pub(super) lists: [Findings; 3],
    pub(super) packages: Option<Vec<PackageChange>>,
}

/// One of the images.
pub(super) struct Side {
    pub(super) title: &'static str,
    pub(super) digest: String,
    pub(super) name: String,
    pub(super) status: String,
    pub(super) platform: Option<String>,
}

/// Findings of one fate.
pub(super) struct Findings {
    pub(super) title: &'static str,
    pub(super) open: bool,
    pub(super) count: usize,
    pub(super) rows: Option<Vec<ImageVulnerability>>,
}

pub(super) async fn answer(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    let (ask, here) = (&visit.ask, visit.here);
    let text = |name| here.query.get(name).unwrap_or_default().to_owned();
    let (a, b) = (text("a"), text("b"));
    let found = if a.is_empty() || b.is_empty() {
        None
    } else {
        let query = Query::default().and("a", &a).and("b", &b);
        Some(Found::new(ask.get("/api/v1/compare", &query).await?))
    };
    let frame = Frame::load(ask, Section::Compare, "Compare", here).await;
    written(&Compare { frame, a, b, found })
}

impl Found {
    pub(super) fn new(comparison: Comparison) -> Self {
        let Comparison { a, b, fixed, new, unchanged, packages, layers } = comparison;
        let side = |title, side: super::super::read::Compared| Side {
            title,
            name: side.reference.unwrap_or_else(|| side.digest.clone()),
            digest: side.digest,
            status: side.scan.status,
            platform: side.platform,
        };
        let list = |title, open, rows: Option<Vec<ImageVulnerability>>| Findings {
            title,
            open,
            count: rows.as_ref().map_or(0, Vec::len),
            rows: rows.map(|mut rows| {
                rows.truncate(MOST);
                rows
            }),
        };
        Self {
            sides: [side("Before", a), side("After", b)],
            layers,
            lists: [list("New", true, new), list("Fixed", true, fixed), list("Unchanged", false, unchanged)],
            packages: packages.map(|mut packages| {
                packages.truncate(4 * MOST);
                packages
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::sample;
    use super::*;

    #[test]
    fn what_is_not_known_of_two_images_is_no_difference() {
        let frame = || sample::frame(Section::Compare, "Compare", "/compare?a=x&b=y");
        let found = Some(Found::new(sample::comparison(true)));
        let page = Compare { frame: frame(), a: "sha256:a".into(), b: "sha256:b".into(), found };
        let text = sample::keep("compare", &page);
        assert!(text.contains("2 of 5 and 6 layers are the same") && text.contains("CVE-2026-1111"));
        let found = Some(Found::new(sample::comparison(false)));
        let text = sample::keep("compare-unread", &Compare { frame: frame(), a: "a".into(), b: "b".into(), found });
        assert_eq!(text.matches("Not known until both were read and matched.").count(), 3);
        let page = Compare { frame: frame(), a: String::new(), b: String::new(), found: None };
        assert!(sample::keep("compare-empty", &page).contains("<form"));
    }
}
