//! Lists: as streams, in pages, from servers of every age, and what breaks in their midst.

use std::sync::Mutex;
use std::time::Duration;

use weir_config::Kubernetes;
use weir_proxy::workload::client::connect;
use weir_proxy::workload::watch::{WatchOptions, server_version};
use weir_storage::index::WatchedKind;

use super::{failed, lists, paged, pod, server, until_equal, watching};
use crate::api_server::{Act, Behaviour, RESOURCES, Streams, sample};
use crate::kubernetes::{View, Watching, brisk};
use crate::support::Gate;

#[tokio::test]
async fn every_kind_is_listed_and_watched() {
    for streams in [Streams::Yes, Streams::Refused] {
        let server = server(Behaviour { streams, ..Behaviour::default() }).await;
        let watching = watching(&server).await;
        until_equal(&watching, &server).await;
        for kind in WatchedKind::ALL {
            server.change(|store| {
                store.put(sample(kind, 1, 1));
                store.put(sample(kind, 3, 1));
                store.delete(&sample(kind, 2, 0).key());
            });
        }
        until_equal(&watching, &server).await;
        watching.view(|view| {
            assert!(view.failed.is_empty() && view.unavailable.is_empty(), "{:?} {:?}", view.failed, view.unavailable);
            assert!(view.lists.values().all(|lists| *lists == 1), "{streams:?}: {:?}", view.lists);
        });
        for ask in server.asked() {
            let owner = ask.path().starts_with("/apis/");
            let metadata_only = ask.header("accept").is_some_and(|accept| accept.contains("PartialObjectMetadata"));
            assert_eq!(owner, metadata_only, "{}: of owners only the metadata travels", ask.target);
        }
        let plain =
            server.asked().iter().filter(|ask| ask.path() != "/version" && !ask.target.contains("watch=true")).count();
        assert_eq!(plain, if streams == Streams::Yes { 0 } else { RESOURCES.len() });
        watching.stop().await;
    }
}

#[tokio::test]
async fn an_old_server_is_not_asked_for_streams() {
    let server = server(Behaviour { minor: 26, streams: Streams::Ignored, ..Behaviour::default() }).await;
    let watching = watching(&server).await;
    until_equal(&watching, &server).await;
    assert_eq!(server.count(&["sendInitialEvents"]), 0);
    assert_eq!(server.count(&["limit=500"]), RESOURCES.len());
    assert_eq!(server.count(&["limit=500", "resourceVersion"]), 0, "the server would take no limit then");
}

#[tokio::test]
async fn a_server_that_does_not_tell_its_version_gets_pages() {
    let server = server(Behaviour::default()).await;
    server.on_request(|ask, _| if ask.path() == "/version" { Act::Refuse(403, "Forbidden") } else { Act::Serve });
    let watching = watching(&server).await;
    until_equal(&watching, &server).await;
    assert_eq!(server.count(&["sendInitialEvents"]), 0);
}

#[tokio::test]
async fn a_server_that_ignores_streams_is_found_out_by_a_bookmark() {
    let server = server(Behaviour { streams: Streams::Ignored, ..Behaviour::default() }).await;
    let watching = Watching::start(&server.kubeconfig(), brisk()).await;
    watching.until("streams are open", |view| view.begun.len() == RESOURCES.len()).await;
    assert!(watching.view(|view| view.lists.is_empty()), "what is not known to be whole is no list");
    server.bookmark();
    watching.until_listed().await;
    until_equal(&watching, &server).await;
}

#[tokio::test]
async fn a_server_that_ignores_streams_is_found_out_by_its_silence() {
    let server = server(Behaviour { streams: Streams::Ignored, ..Behaviour::default() }).await;
    let options = WatchOptions { silence: Duration::from_millis(500), ..brisk() };
    let watching = Watching::start(&server.kubeconfig(), options).await;
    watching.until_listed().await;
    until_equal(&watching, &server).await;
}

#[tokio::test]
async fn a_server_that_ignores_streams_is_found_out_by_a_deletion() {
    let server = server(Behaviour { streams: Streams::Ignored, ..Behaviour::default() }).await;
    let watching = Watching::start(&server.kubeconfig(), brisk()).await;
    watching.until("streams are open", |view| view.begun.len() == RESOURCES.len()).await;
    server.change(|store| WatchedKind::ALL.map(|kind| store.delete(&sample(kind, 1, 0).key())));
    watching.until_listed().await;
    until_equal(&watching, &server).await;
}

#[tokio::test]
async fn streams_that_always_break_are_given_up() {
    let server = server(Behaviour::default()).await;
    server.on_request(|ask, _| if ask.target.contains("sendInitialEvents") { Act::Cut(3000) } else { Act::Serve });
    let watching = watching(&server).await;
    until_equal(&watching, &server).await;
    assert!(
        watching.view(|view| failed(view, WatchedKind::Pod, "ended early") || failed(view, WatchedKind::Pod, "broke"))
    );
}

#[tokio::test]
async fn pages_are_of_one_version_and_the_watch_goes_on_from_it() {
    let server = server(paged()).await;
    server.change(|store| (3..10).for_each(|number| store.put(pod(number, 0))));
    // While the third page is asked for, one pod of the first goes and another comes before it.
    server.on_request(|ask, store| {
        if ask.path() == "/api/v1/pods"
            && ask.target.contains("continue=")
            && store.records().contains_key(&pod(3, 0).key())
        {
            store.delete(&pod(3, 0).key());
            store.put(pod(0, 1));
        }
        Act::Serve
    });
    let watching = Watching::start(&server.kubeconfig(), WatchOptions { page_size: 2, ..brisk() }).await;
    watching.until_listed().await;
    until_equal(&watching, &server).await;
    assert_eq!(server.count(&["/api/v1/pods?", "limit=2", "continue="]), 4);
    assert_eq!(lists(&watching), 1);
    assert!(watching.view(|view| view.changes) >= 2, "the changes since came by the watch");
}

#[tokio::test]
async fn a_list_that_expires_begins_anew_with_larger_pages() {
    let server = server(paged()).await;
    server.change(|store| (3..20).for_each(|number| store.put(pod(number, 0))));
    server.on_request(|ask, store| {
        if ask.path() == "/api/v1/pods" && ask.target.contains("continue=") {
            store.compact();
        }
        Act::Serve
    });
    let watching = Watching::start(&server.kubeconfig(), WatchOptions { page_size: 2, ..brisk() }).await;
    watching.until_listed().await;
    until_equal(&watching, &server).await;
    let asked = server.asked();
    let targets = || asked.iter().filter(|ask| ask.path() == "/api/v1/pods").map(|ask| ask.target.clone() + "&");
    for (limit, times) in [("limit=2&", 2), ("limit=8&", 2), ("limit=32&", 1)] {
        assert_eq!(targets().filter(|target| target.contains(limit)).count(), times, "{limit}");
    }
    watching.view(|view| {
        assert_eq!(view.begun[&WatchedKind::Pod], 3);
        assert_eq!(view.listed(WatchedKind::Pod), 1, "only a whole list counts");
        assert!(failed(view, WatchedKind::Pod, "expired"));
    });
}

#[tokio::test]
async fn a_slow_page_is_waited_for() {
    let server = server(paged()).await;
    let gate = Gate::default();
    let shut = gate.clone();
    server.on_request(move |ask, _| {
        let second = ask.path() == "/api/v1/pods" && ask.target.contains("continue=");
        if second { Act::Hold(shut.clone()) } else { Act::Serve }
    });
    let watching = Watching::start(&server.kubeconfig(), WatchOptions { page_size: 1, ..brisk() }).await;
    let others =
        |view: &View| WatchedKind::ALL.iter().all(|kind| (*kind == WatchedKind::Pod) != (view.listed(*kind) > 0));
    watching.until("every other kind is listed", others).await;
    gate.open();
    watching.until_listed().await;
    until_equal(&watching, &server).await;
    assert!(watching.view(|view| view.failed.is_empty()));
}

#[tokio::test]
async fn a_page_that_is_cut_is_no_list() {
    let server = server(paged()).await;
    let cuts = Mutex::new(vec![0, 1, 20, 3_000, 10_000]);
    server.on_request(move |ask, _| {
        let pods = ask.path() == "/api/v1/pods" && !ask.target.contains("watch=true");
        pods.then(|| cuts.lock().unwrap().pop()).flatten().map_or(Act::Serve, Act::Cut)
    });
    let watching = watching(&server).await;
    until_equal(&watching, &server).await;
    assert_eq!(lists(&watching), 1);
    assert_eq!(watching.view(|view| view.failed.len()), 5);
}

#[tokio::test]
async fn the_version_of_the_server_is_told() {
    let server = server(Behaviour::default()).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kubeconfig");
    std::fs::write(&path, server.kubeconfig()).unwrap();
    let client = connect(&Kubernetes::Kubeconfig(path)).await.unwrap().unwrap();
    assert!(server.asked().is_empty(), "nothing is contacted before it is needed");
    let version = server_version(&client).await.unwrap();
    assert_eq!((version.text.as_str(), version.number), ("v1.31.2-test", Some((1, 31))));
}
