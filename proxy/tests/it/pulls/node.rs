//! Which node a pull is put down to, without certificates.

use std::sync::Arc;

use http_body_util::Empty;
use hyper::Request;
use tempfile::tempdir;
use weir_proxy::app::Overrides;
use weir_proxy::clock::Clock;
use weir_proxy::distribution::{LedgerParts, Mirror, NodeLookup, Provenance, PullLedger};
use weir_proxy::http::ConnInfo;
use weir_proxy::metrics::Metrics;
use weir_proxy::pull::{Puller, PullerParts, Upstream};
use weir_proxy::tasks::Tasks;
use weir_proxy::upstream::{UpstreamClient, UpstreamSettings};
use weir_storage::blob::{BlobStore, BlobStoreConfig};
use weir_storage::index::{Index, PullNode};

use super::pulls;
use crate::scan::{NEVER, image, over};
use crate::support::{Image, Registry, Weir, get, get_with};

#[tokio::test(flavor = "multi_thread")]
async fn a_header_names_the_node_and_goes_no_further() {
    let image = image();
    let (registry, weir) = over(&[&image], NEVER, &[]).await;
    let node = [("X-Weir-Node", "worker-1.example"), ("User-Agent", "containerd/2.1.0")];
    let layer = image.layers[0].digest;
    for place in ["manifests/1".to_owned(), format!("blobs/{layer}"), "tags/list".to_owned()] {
        assert_eq!(get_with(weir.mirror, &format!("/v2/team/app/{place}"), &node).await.status, 200, "{place}");
    }
    let pull = pulls(&weir, "pulls", 1).await.remove(0);
    assert_eq!((&pull["node"], &pull["node_source"]), (&"worker-1.example".into(), &"header".into()), "{pull}");
    assert_eq!((&pull["address"], &pull["agent"]), (&"127.0.0.1".into(), &"containerd/2.1.0".into()));
    assert!(registry.asked().len() >= 3);
    for ask in registry.asked() {
        assert_eq!(ask.header("x-weir-node"), None, "{ask:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_has_the_name_the_settings_give_it_and_a_bad_value_is_none() {
    let image = image();
    let registry = Registry::with_images(&[&Image::of("team/app", "1", &image)], |_| None).await;
    let url = registry.url();
    let settings =
        [("UPSTREAM__0__NAME", "docker.io"), ("UPSTREAM__0__URL", url.as_str()), ("CLUSTER__NODE_HEADER", "X-Puller")];
    // Whatever the lookup would say, a peer on this machine is a proxy for others.
    let lookup = NodeLookup::new(|_| Some(("east".to_owned(), "proxy".to_owned())));
    let overrides = Overrides { node_lookup: Some(lookup), ..Overrides::default() };
    let weir = Weir::start_with(tempdir().unwrap(), &settings, overrides).await;
    let sent = [("X-Puller", "Not A Node"), ("X-Weir-Node", "worker-1")];
    assert_eq!(get_with(weir.mirror, "/v2/team/app/manifests/1", &sent).await.status, 200);
    let pull = pulls(&weir, "pulls", 1).await.remove(0);
    assert_eq!((&pull["node"], &pull["node_source"]), (&().into(), &"unknown".into()), "{pull}");
    assert_eq!(pull["cluster"], serde_json::Value::Null);
    assert_eq!(get_with(weir.mirror, "/v2/team/app/manifests/1", &[("X-Puller", "worker-2")]).await.status, 200);
    assert_eq!(pulls(&weir, "pulls", 2).await[0]["node"], "worker-2");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_either_the_address_tells_the_node_and_its_cluster() {
    let image = image();
    let registry = Registry::with_images(&[&Image::of("team/app", "1", &image)], |_| None).await;
    let directory = tempdir().unwrap();
    let (index, metrics, tasks, clock) =
        (Index::in_memory(), Metrics::new().unwrap(), Tasks::new(), Clock::set(1_790_000_000));
    let client = UpstreamClient::new(UpstreamSettings {
        name: "docker.io".to_owned(),
        url: registry.url().parse().unwrap(),
        ..UpstreamSettings::default()
    })
    .unwrap();
    let blobs = BlobStore::open(BlobStoreConfig {
        directory: directory.path().join("store"),
        budget_bytes: 1 << 30,
        reserve_bytes: 0,
        clock: Arc::new(weir_proxy::clock::system_time),
        free_space: Arc::new(weir_storage::blob::free_space),
    })
    .await
    .unwrap();
    let (seen, _seen) = tokio::sync::mpsc::channel(16);
    let puller = Puller::new(PullerParts {
        upstreams: vec![Upstream { name: "docker.io".to_owned(), client, tag_ttl: NEVER, client_access: false }],
        blobs,
        index: index.clone(),
        seen,
        metrics: metrics.serve.clone(),
        tasks: tasks.clone(),
        clock: clock.clone(),
    });
    let lookup = NodeLookup::new(|address| {
        (address.to_string() == "10.0.0.7").then(|| ("east".to_owned(), "worker-7".to_owned()))
    });
    let (provenance, queue) =
        Provenance::new("x-weir-node".parse().unwrap(), lookup, metrics.serve.clone(), clock.clone());
    let mirror = Mirror::new(puller, metrics.serve.clone(), provenance);
    for address in [[10, 0, 0, 7], [10, 0, 0, 8]] {
        let request = Request::get("/v2/team/app/manifests/1?ns=docker.io").body(Empty::<&[u8]>::new()).unwrap();
        let connection = ConnInfo { peer: (address, 40_000).into(), tls: false, node: None };
        assert_eq!(mirror.answer(request, connection).await.status(), 200);
    }
    // The ledger ends when nobody is left who could notice a pull, and everything is written then.
    drop(mirror);
    let ledger = LedgerParts { index: index.clone(), retention: NEVER, metrics: metrics.serve.clone(), tasks, clock };
    PullLedger::new(ledger).run(queue).await;
    let page = index.pulls().list(None, None, 10).unwrap();
    let found: Vec<_> = page
        .pulls
        .iter()
        .map(|(_, pull)| (pull.address.as_str(), pull.node.as_deref(), pull.cluster.as_deref(), pull.node_source))
        .collect();
    assert_eq!(
        found,
        [("10.0.0.8", None, None, PullNode::Unknown), ("10.0.0.7", Some("worker-7"), Some("east"), PullNode::Address)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_served_or_only_looked_at_is_no_pull() {
    let image = image();
    let (_registry, weir) = over(&[&image], NEVER, &[]).await;
    assert_eq!(crate::support::head(weir.mirror, "/v2/team/app/manifests/1").await.status, 200);
    assert_eq!(get(weir.mirror, "/v2/team/app/manifests/none").await.status, 404);
    assert_eq!(get(weir.mirror, "/v2/team/app/tags/list").await.status, 200);
    assert_eq!(get(weir.mirror, &format!("/v2/team/app/manifests/{}", image.manifest_digest)).await.status, 200);
    let found = pulls(&weir, "pulls", 1).await;
    assert_eq!(found[0]["image"], image.manifest_digest.to_string());
    assert_eq!(weir.metric("weir_pulls_dropped_total").await, 0.0);
}
