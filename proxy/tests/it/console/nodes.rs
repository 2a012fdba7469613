//! The nodes of a cluster, from the page of clusters to one of them.

use super::page;
use crate::support::get;
use crate::workloads::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_leads_to_its_nodes_and_a_filter_stays_in_the_address() {
    let world = World::new(&[]).await;
    world.until("nodes", |items| items.len() == 2).await;
    let text = page(&world.weir, "/clusters").await;
    for link in ["href=\"/nodes?cluster=prod\"", "href=\"/nodes?cluster=prod&state=unknown\""] {
        assert!(text.contains(link), "{link}: {text}");
    }
    assert!(!text.contains("state=bypasses"), "a state that no node has is not shown");
    let text = page(&world.weir, "/nodes?cluster=prod&state=unknown").await;
    for said in [
        ">amd</a>",
        ">arm</a>",
        "It never pulled through weir, and no check was told.",
        "aria-current=\"page\">unknown</a>",
        "2 in all",
        "href=\"/api/v1/nodes?cluster=prod&#38;state=unknown&#38;format=csv\"",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let text = page(&world.weir, "/nodes?q=arm").await;
    assert!(text.contains(">arm</a>") && !text.contains(">amd</a>"));
    assert!(page(&world.weir, "/nodes?state=bypasses").await.contains("No node fits"));
    let got = get(world.weir.report, "/nodes?state=fine").await;
    let text = String::from_utf8(got.body).unwrap();
    assert!(got.status == 400 && text.contains("through_weir, bypasses, unknown"), "{text}");
}
