//! Who pulled what: the node, the tag, and what is kept of it.

mod ledger;
mod node;
mod secure;

use serde_json::Value;

use crate::support::{Weir, eventually, get};

/// The pulls a query gives, once there are this many.
pub(crate) async fn pulls(weir: &Weir, path: &str, count: usize) -> Vec<Value> {
    eventually("the pulls", || async {
        let got = get(weir.report, &format!("/api/v1/{path}")).await;
        assert_eq!(got.status, 200, "{path}: {:?}", String::from_utf8_lossy(&got.body));
        let items = got.json()["items"].as_array().unwrap().clone();
        assert!(items.len() <= count, "{path}: more than {count}: {items:?}");
        (items.len() == count).then_some(items)
    })
    .await
}
