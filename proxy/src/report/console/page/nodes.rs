//! `/nodes`: which nodes pull through weir, which go past it, and why that is thought of each.

use askama::Template;
use hyper::Response;

use super::super::facet::Filters;
use super::super::read::{List, Node};
use super::super::{Frame, Query, ROWS, Section, Visit, shown, written};
use super::super::{node, query};
use super::Tab;
use crate::http::Body;
use crate::report::problem::Problem;

/// The page.
#[derive(Template)]
#[template(path = "nodes.html")]
pub(super) struct Nodes {
    pub(super) frame: Frame,
    pub(super) tabs: Vec<Tab>,
    pub(super) filters: Filters,
    /// What the form that searches sends besides.
    pub(super) kept: Vec<(String, String)>,
    pub(super) asked: Query,
    pub(super) rows: Vec<Node>,
    pub(super) next: Option<String>,
    pub(super) total: Option<u64>,
}

pub(super) async fn answer(visit: Visit<'_>) -> Result<Response<Body>, Problem> {
    let (ask, here) = (&visit.ask, visit.here);
    let list: List<Node> = ask.get("/api/v1/nodes", &here.query.list(ROWS)).await?;
    let frame = Frame::load(ask, Section::Clusters, "Nodes", here).await;
    written(&Nodes::new(frame, list))
}

impl Nodes {
    pub(super) fn new(frame: Frame, list: List<Node>) -> Self {
        let here = &frame.here;
        let asked = |state: &str| here.query.all("state").eq([state]);
        let tab = |text, state| Tab { text, link: here.set("state", state), current: asked(state) };
        let none = here.query.get("state").is_none();
        let mut filters = Filters::new(here, Vec::new());
        // What the tabs say needs no pill; several states are no tab.
        if here.query.all("state").count() == 1 {
            filters.pills.retain(|pill| pill.title != "State");
        }
        Self {
            tabs: vec![
                Tab { text: "All", link: here.without("state"), current: none },
                tab(node::state("bypasses").word, "bypasses"),
                tab(node::state("unknown").word, "unknown"),
                tab(node::state("through_weir").word, "through_weir"),
            ],
            filters,
            kept: here.query.rest(&["q"]).map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            asked: here.query.asked().without("limit"),
            rows: list.items,
            next: list.next_cursor,
            total: list.total,
            frame,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::read::{LastPull, NodeCheck, NodeFinding};
    use super::super::super::sample;
    use super::*;

    fn sample_node(state: &str) -> Node {
        let pull = LastPull {
            at: "2026-11-29T00:05:00Z".into(),
            reference: "docker.io/library/nginx:1.27.3".into(),
            image: sample::digest('a'),
        };
        let check = |findings| NodeCheck {
            at: "2026-11-29T00:10:00Z".into(),
            old: false,
            runtime: "containerd".into(),
            version: Some("1.6.20".into()),
            config_path: Some("/etc/containerd/certs.d".into()),
            findings,
        };
        let finding = |level: &str, code: &str, detail: &str| NodeFinding {
            level: level.into(),
            code: code.into(),
            detail: detail.into(),
        };
        let missing = "no config_path in /etc/containerd/config.toml: the node does not look for mirrors";
        let (reason, last_pull, check) = match state {
            "bypasses" => (
                format!("its check found config_path_missing: {missing}"),
                None,
                Some(check(vec![
                    finding("error", "config_path_missing", missing),
                    finding("warning", "old_version", sample::HOSTILE),
                ])),
            ),
            "unknown" => (
                "it pulled docker.io/library/nginx:1.27.3 through weir at 2026-11-29T00:05:00Z, but ghcr.io/team/web:7 runs here, began to \
                 run at 2026-11-29T04:00:00Z and was not pulled through weir by anyone"
                    .into(),
                Some(pull),
                None,
            ),
            _ => (
                "it pulled docker.io/library/nginx:1.27.3 through weir at 2026-11-29T00:05:00Z".into(),
                Some(pull),
                Some(check(Vec::new())),
            ),
        };
        Node {
            cluster: "prod-eu".into(),
            name: format!("ip-10-0-4-{}.eu-central-1.compute.internal", state.len()),
            platform: (state != "bypasses").then(|| "linux/amd64".into()),
            pods: (state != "bypasses").then_some(31),
            state: state.into(),
            reason,
            last_pull,
            check,
        }
    }

    fn page(address: &str, items: Vec<Node>) -> Nodes {
        let total = Some(u64::try_from(items.len()).unwrap());
        let frame = sample::frame(Section::Clusters, "Nodes", address);
        Nodes::new(frame, List { items, next_cursor: Some("c".into()), total })
    }

    #[test]
    fn a_node_says_its_state_and_why() {
        let nodes = ["bypasses", "unknown", "through_weir"].map(sample_node);
        let shown = page("/nodes?cluster=prod-eu&state=bypasses", nodes.into());
        assert_eq!(shown.filters.pills.len(), 1, "the state is a tab");
        assert_eq!(shown.tabs.iter().map(|tab| tab.current).collect::<Vec<_>>(), [false, true, false, false]);
        assert_eq!(shown.tabs[0].link.to_string(), "/nodes?cluster=prod-eu");
        let text = sample::keep("nodes", &shown);
        for said in
            [">bypasses</span>", ">unknown</span>", ">through weir</span>", "config_path_missing", "began to run"]
        {
            assert!(text.contains(said), "{said}");
        }
        assert!(text.contains("href=\"/nodes?cluster=prod-eu&#38;state=unknown\""), "{text}");
        assert!(text.contains("name=\"cluster\" value=\"prod-eu\""), "searching keeps the cluster");
    }

    #[test]
    fn no_node_is_told_from_none_that_fits() {
        let text = sample::keep("nodes-empty", &page("/nodes", Vec::new()));
        assert!(text.contains("No node is known") && !text.contains("<table"));
        let text = sample::keep("nodes-narrowed", &page("/nodes?state=bypasses", Vec::new()));
        assert!(text.contains("No node fits") && text.contains("href=\"/nodes\""));
        let several = page("/nodes?state=bypasses&state=unknown", Vec::new());
        assert_eq!(several.filters.pills.len(), 2);
        assert!(several.tabs.iter().all(|tab| !tab.current));
    }
}
