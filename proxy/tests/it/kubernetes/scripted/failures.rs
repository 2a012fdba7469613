//! Failures: what is told of them, and that they empty nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use weir_proxy::workload::watch::WatchOptions;
use weir_storage::index::WatchedKind;

use super::{failed, lists, pod, server, until_equal, watching};
use crate::api_server::{Act, Behaviour, kubeconfig, sample};
use crate::kubernetes::{View, Watching, brisk};
use crate::support::Gate;

#[tokio::test]
async fn errors_are_told_and_empty_nothing() {
    let server = server(Behaviour::default()).await;
    let watching = watching(&server).await;
    until_equal(&watching, &server).await;
    let before = server.store().records().clone();
    server.on_request(|_, _| Act::Refuse(500, "InternalError"));
    server.disconnect(0);
    server.change(|store| store.delete(&pod(1, 0).key()));
    watching
        .until("every kind fails", |view| WatchedKind::ALL.iter().all(|kind| failed(view, *kind, "500 InternalError")))
        .await;
    assert!(watching.view(|view| view.objects == before));
    server.on_request(|_, _| Act::Serve);
    until_equal(&watching, &server).await;
    assert_eq!(lists(&watching), 1);
}

#[tokio::test]
async fn what_a_cluster_lacks_is_unavailable_until_it_has_it() {
    let server = server(Behaviour::default()).await;
    server.on_request(|ask, _| if ask.path().contains("argoproj") { Act::Refuse(404, "NotFound") } else { Act::Serve });
    let watching = Watching::start(&server.kubeconfig(), brisk()).await;
    watching.until("it is asked for again", |view| view.unavailable.len() >= 3).await;
    watching.view(|view| {
        assert!(view.failed.is_empty() && view.unavailable.iter().all(|(kind, _)| *kind == WatchedKind::Rollout));
        assert!(view.unavailable[0].1.contains("404 NotFound"), "{:?}", view.unavailable[0]);
    });
    server.on_request(|_, _| Act::Serve);
    watching.until_listed().await;
    until_equal(&watching, &server).await;
}

#[tokio::test]
async fn pods_and_nodes_are_never_merely_unavailable() {
    for code in [403, 404] {
        let server = server(Behaviour::default()).await;
        server.on_request(
            move |ask, _| if ask.path().starts_with("/api/v1/") { Act::Refuse(code, "No") } else { Act::Serve },
        );
        let watching = Watching::start(&server.kubeconfig(), brisk()).await;
        let both = |view: &View| [WatchedKind::Pod, WatchedKind::Node].iter().all(|kind| failed(view, *kind, "No"));
        watching.until("both fail", both).await;
        assert!(watching.view(|view| view.unavailable.is_empty()));
        server.on_request(|_, _| Act::Serve);
        watching.until_listed().await;
        until_equal(&watching, &server).await;
    }
}

#[tokio::test]
async fn a_kind_that_may_be_listed_and_not_watched_is_listed_again_and_again() {
    let server = server(Behaviour { minor: 26, ..Behaviour::default() }).await;
    server.on_request(|ask, _| {
        let job = ask.path().ends_with("/jobs") && ask.target.contains("watch=true");
        if job { Act::Refuse(403, "Forbidden") } else { Act::Serve }
    });
    let watching = watching(&server).await;
    server.change(|store| store.put(sample(WatchedKind::Job, 5, 1)));
    until_equal(&watching, &server).await;
    assert!(watching.view(|view| view.listed(WatchedKind::Job)) >= 2);
}

#[tokio::test]
async fn a_token_that_is_not_known_is_a_failure_of_everything() {
    let server = server(Behaviour::default()).await;
    let kubeconfig = server.kubeconfig().replace("token-of-weir", "token-of-another");
    let watching = Watching::start(&kubeconfig, brisk()).await;
    let all = |view: &View| WatchedKind::ALL.iter().all(|kind| failed(view, *kind, "401 Unauthorized"));
    watching.until("every kind fails", all).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_failure() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let watching = Watching::start(&kubeconfig(&format!("http://{address}"), "t"), brisk()).await;
    watching
        .until("every kind fails", |view| WatchedKind::ALL.iter().all(|kind| failed(view, *kind, "no answer")))
        .await;
    watching.view(|view| assert!(view.failed[0].1.contains("onnection refused"), "{:?}", view.failed[0]));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left() {
    let server = server(Behaviour::default()).await;
    let silent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&silent);
    server.on_request(move |ask, _| {
        let first = ask.path() == "/api/v1/pods" && count.fetch_add(1, Ordering::Relaxed) == 0;
        if first { Act::Hold(Gate::default()) } else { Act::Serve }
    });
    let watching =
        Watching::start(&server.kubeconfig(), WatchOptions { silence: Duration::from_millis(500), ..brisk() }).await;
    watching.until_listed().await;
    until_equal(&watching, &server).await;
    assert!(silent.load(Ordering::Relaxed) >= 2);
}
