//! `/feeds`: where advisories come from, and how fresh each of them is.

use askama::Template;
use bytes::Bytes;
use hyper::{Method, Response};

use super::super::read::{Feed, List};
use super::super::{Frame, Query, Section, Visit, see_other, shown, written};
use crate::http::Body;
use crate::report::problem::Problem;

/// The page.
#[derive(Template)]
#[template(path = "feeds.html")]
pub(super) struct Feeds {
    pub(super) frame: Frame,
    pub(super) rows: Vec<Feed>,
}

pub(super) async fn answer(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    let feeds: List<Feed> = visit.ask.get("/api/v1/advisories", &Query::default().and("limit", 1000)).await?;
    let frame = Frame::load(&visit.ask, Section::Feeds, "Feeds", visit.here).await;
    written(&Feeds { frame, rows: feeds.items })
}

/// Asks for newer advisories.
pub(super) async fn refresh(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    visit.ask.tell(Method::POST, "/api/v1/advisories/refresh", Bytes::new()).await?;
    Ok(see_other("/feeds?asked=refresh"))
}

#[cfg(test)]
mod tests {
    use super::super::super::sample;
    use super::*;

    #[test]
    fn a_feed_is_fresh_stale_or_failing() {
        let frame = || sample::frame(Section::Feeds, "Feeds", "/feeds");
        let text = sample::keep("feeds", &Feeds { frame: frame(), rows: sample::feeds() });
        for state in ["fresh", "stale", "failing"] {
            assert!(text.contains(&format!(">{state}</span>")), "{state}");
        }
        assert!(sample::keep("feeds-empty", &Feeds { frame: frame(), rows: Vec::new() }).contains("No feed yet"));
    }
}
