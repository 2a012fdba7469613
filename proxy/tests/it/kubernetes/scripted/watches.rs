//! Watches: where they go on after they ended, broke, or grew too old.

use tokio::sync::mpsc;
use weir_config::Kubernetes;
use weir_proxy::tasks::Tasks;
use weir_proxy::workload::client::connect;
use weir_proxy::workload::watch::{Observed, watch};
use weir_storage::index::WatchedKind;

use super::{lists, pod, server, until_equal, watching};
use crate::api_server::{Act, Behaviour, RESOURCES, Store, Streams, sample};
use crate::kubernetes::brisk;
use crate::support::{Gate, eventually};

#[tokio::test]
async fn a_version_that_is_too_old_is_followed_by_a_list() {
    for (gone_as_status, streams) in
        [(true, Streams::Yes), (false, Streams::Yes), (true, Streams::Refused), (false, Streams::Refused)]
    {
        let server = server(Behaviour { gone_as_status, streams, ..Behaviour::default() }).await;
        let watching = watching(&server).await;
        let gate = Gate::default();
        let shut = gate.clone();
        server.on_request(move |_, _| Act::Hold(shut.clone()));
        server.disconnect(0);
        server.change(|store| {
            store.put(pod(3, 0));
            store.delete(&pod(1, 0).key());
            store.compact();
        });
        gate.open();
        until_equal(&watching, &server).await;
        assert_eq!(lists(&watching), 2);
        assert!(watching.view(|view| view.failed.is_empty()), "a version grows old: that is no failure");
    }
}

#[tokio::test]
async fn a_watch_cut_within_an_event_goes_on_where_it_was() {
    let server = server(Behaviour::default()).await;
    let watching = watching(&server).await;
    let line = 14_000;
    for (round, bytes) in [0, 1, 7, 100, 5_000, line].into_iter().enumerate() {
        server.disconnect(bytes);
        let state = u32::try_from(round).unwrap();
        server.change(|store| {
            store.put(pod(1, state));
            store.put(pod(2, state + 1));
            store.put(pod(10 + state, 1));
        });
        until_equal(&watching, &server).await;
    }
    assert_eq!(lists(&watching), 1, "nothing was listed again");
}

#[tokio::test]
async fn a_bookmark_keeps_a_quiet_kind_young() {
    let server = server(Behaviour::default()).await;
    let watching = watching(&server).await;
    server.change(|store| (0..50).for_each(|number| store.put(pod(number, 1))));
    until_equal(&watching, &server).await;
    server.bookmark();
    watching.until("every kind has its bookmark", |view| view.alive.len() == RESOURCES.len()).await;
    // Everything before the bookmark is forgotten, and the nodes' own last change is long before it.
    server.change(Store::compact);
    server.disconnect(0);
    server.change(|store| WatchedKind::ALL.map(|kind| store.put(sample(kind, 3, 1))));
    until_equal(&watching, &server).await;
    assert!(watching.view(|view| view.lists.values().all(|lists| *lists == 1)), "no kind was listed again");
}

#[tokio::test]
async fn a_server_that_forgot_its_history_is_listed_again() {
    for streams in [Streams::Yes, Streams::Refused] {
        let server = server(Behaviour { streams, ..Behaviour::default() }).await;
        let watching = watching(&server).await;
        {
            let mut store = server.store();
            for kind in WatchedKind::ALL {
                store.delete(&sample(kind, 1, 0).key());
                store.put(sample(kind, 3, 0));
            }
        }
        server.restart();
        until_equal(&watching, &server).await;
        assert!(lists(&watching) >= 2);
    }
}

#[tokio::test]
async fn what_was_deleted_while_nobody_watched_is_gone() {
    let server = server(Behaviour::default()).await;
    let watching = watching(&server).await;
    let gate = Gate::default();
    let shut = gate.clone();
    server.on_request(move |_, _| Act::Hold(shut.clone()));
    server.disconnect(0);
    server.change(|store| {
        store.delete(&pod(1, 0).key());
        store.put(pod(3, 0));
        store.delete(&pod(3, 0).key());
        // The same name again is another pod.
        store.put(pod(1, 1));
        store.delete(&pod(2, 0).key());
    });
    gate.open();
    until_equal(&watching, &server).await;
    assert_eq!(lists(&watching), 1, "the history had it");
}

#[tokio::test]
async fn a_history_that_was_set_back_is_noticed() {
    let server = server(Behaviour::default()).await;
    let watching = watching(&server).await;
    let backup = server.store().clone();
    server.change(|store| {
        store.put(pod(3, 0));
        store.delete(&pod(1, 0).key());
    });
    until_equal(&watching, &server).await;
    server.change(|store| *store = backup);
    server.bookmark();
    until_equal(&watching, &server).await;
    assert_eq!(lists(&watching), 2);
}

#[tokio::test]
async fn an_ended_watch_goes_on_without_a_word() {
    let server = server(Behaviour::default()).await;
    let watching = watching(&server).await;
    for round in 1..5 {
        server.end_watches();
        server.change(|store| store.put(pod(1, round)));
        until_equal(&watching, &server).await;
    }
    assert_eq!(lists(&watching), 1);
    assert!(watching.view(|view| view.failed.is_empty()));
}

#[tokio::test]
async fn the_watch_ends_when_it_is_told_to_and_when_nobody_listens() {
    let server = server(Behaviour::default()).await;
    watching(&server).await.stop().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kubeconfig");
    std::fs::write(&path, server.kubeconfig()).unwrap();
    let client = connect(&Kubernetes::Kubeconfig(path)).await.unwrap().unwrap();
    let (sender, mut receiver) = mpsc::channel::<Observed>(1);
    let tasks = Tasks::new();
    let owner = tasks.clone();
    let ended = tasks.spawn("watch", async move { watch(client, sender, brisk(), &owner).await });
    receiver.recv().await.unwrap();
    drop(receiver);
    eventually("the watch ends", || async { ended.is_finished().then_some(()) }).await;
    ended.await.unwrap();
}
