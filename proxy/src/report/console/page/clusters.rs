//! `/clusters`: what is watched, how old what is known of it is, and what runs without a name.

use askama::Template;
use bytes::Bytes;
use hyper::{Method, Response};

use super::super::query::segment;
use super::super::read::{Cluster, List, Unresolved};
use super::super::{Frame, Query, ROWS, Section, Visit, see_other, shown, written};
use super::super::{node, query};
use crate::http::Body;
use crate::report::problem::Problem;

/// The page.
#[derive(Template)]
#[template(path = "clusters.html")]
pub(super) struct Clusters {
    pub(super) frame: Frame,
    pub(super) rows: Vec<Cluster>,
    pub(super) unresolved: Vec<Unresolved>,
    pub(super) next: Option<String>,
}

pub(super) async fn answer(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    let (ask, here) = (&visit.ask, visit.here);
    let all = Query::default().and("limit", 1000);
    let unresolved = here.query.list(ROWS);
    let (clusters, unresolved) = tokio::join!(
        ask.get::<List<Cluster>>("/api/v1/clusters", &all),
        ask.get::<List<Unresolved>>("/api/v1/unresolved", &unresolved),
    );
    let (clusters, unresolved) = (clusters?, unresolved?);
    let frame = Frame::load(ask, Section::Clusters, "Clusters", here).await;
    written(&Clusters { frame, rows: clusters.items, next: unresolved.next_cursor, unresolved: unresolved.items })
}

/// Forgets a cluster that is gone for good.
pub(super) async fn remove(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    let path = format!("/api/v1/clusters/{}", segment(visit.place));
    visit.ask.tell(Method::DELETE, &path, Bytes::new()).await?;
    Ok(see_other("/clusters?asked=removed"))
}

#[cfg(test)]
mod tests {
    use super::super::super::sample;
    use super::*;

    #[test]
    fn a_stale_cluster_is_told_from_a_live_one_and_none_from_both() {
        let frame = || sample::frame(Section::Clusters, "Clusters", "/clusters");
        let rows = vec![sample::cluster("prod-eu", "live"), sample::cluster(sample::HOSTILE, "stale")];
        let page = Clusters { frame: frame(), rows, unresolved: vec![sample::unresolved()], next: None };
        let text = sample::keep("clusters", &page);
        assert!(text.contains("shown is what was heard last") && text.contains(">live</span>"));
        assert_eq!(text.matches(">Forget</button>").count(), 1, "only what is stale can be forgotten");
        let page = Clusters { frame: frame(), rows: Vec::new(), unresolved: Vec::new(), next: None };
        assert!(sample::keep("clusters-empty", &page).contains("No cluster is watched"));
    }
}
