//! The manifest's rights: the test API server grants what it grants, and each of them is needed.

use weir_storage::index::WatchedKind;

use super::watching::{Watching, brisk};
use crate::api_server::{ApiServer, Behaviour, RESOURCES, Rules, Streams, sample};

async fn server(rules: Rules, streams: Streams) -> ApiServer {
    let server = ApiServer::start(Behaviour { rules: Some(rules), streams, ..Behaviour::default() }).await;
    server.change(|store| WatchedKind::ALL.map(|kind| store.put(sample(kind, 1, 1))));
    server
}

#[tokio::test]
async fn the_manifest_is_enough() {
    for streams in [Streams::Yes, Streams::Refused] {
        let server = server(Rules::of_manifest(), streams).await;
        let watching = Watching::start(&server.kubeconfig(), brisk()).await;
        watching.until_listed().await;
        server.change(|store| WatchedKind::ALL.map(|kind| store.put(sample(kind, 2, 1))));
        watching.until("every kind is watched", |view| view.objects == *server.store().records()).await;
        watching.view(|view| {
            assert!(view.failed.is_empty() && view.unavailable.is_empty(), "{:?} {:?}", view.failed, view.unavailable);
        });
    }
}

#[tokio::test]
async fn the_manifest_is_least() {
    let rules = Rules::of_manifest();
    let pairs = rules.pairs();
    assert_eq!(pairs.len(), 2 * RESOURCES.len(), "no more than list and watch on what is watched: {pairs:?}");
    for pair in pairs {
        let (_, resource, verb) = &pair;
        let kind = RESOURCES.iter().find(|(_, known)| known == resource);
        let kind = kind.unwrap_or_else(|| panic!("{resource} is granted and never watched")).0;
        // Where lists are streamed, only watch is used: list is for servers that do not stream.
        let server = server(rules.without(&pair), Streams::Refused).await;
        let watching = Watching::start(&server.kubeconfig(), brisk()).await;
        let broken = |view: &super::View| {
            let told =
                if matches!(kind, WatchedKind::Pod | WatchedKind::Node) { &view.failed } else { &view.unavailable };
            told.iter().any(|(of, text)| *of == kind && text.contains(&format!("cannot {verb} resource")))
        };
        watching.until(&format!("without {verb} on {resource}, {kind:?} is reported as missing"), broken).await;
        let others = |view: &super::View| {
            WatchedKind::ALL.iter().filter(|other| **other != kind).all(|other| view.listed(*other) > 0)
        };
        watching.until(&format!("without {verb} on {resource}, the other kinds are watched"), others).await;
        // What the verb is for no longer works.
        server.change(|store| WatchedKind::ALL.map(|kind| store.put(sample(kind, 2, 1))));
        watching
            .until(&format!("without {verb} on {resource}, the others go on"), |view| {
                let others = server.store().records().iter().filter(|(key, _)| key.kind != kind).count();
                view.objects.keys().filter(|key| key.kind != kind).count() == others
            })
            .await;
        watching.view(|view| {
            let errors = view.failed.iter().chain(&view.unavailable);
            let foreign: Vec<_> = errors.filter(|(of, _)| *of != kind).collect();
            assert!(foreign.is_empty(), "without {verb} on {resource}: {foreign:?}");
            if verb == "list" {
                assert_eq!(view.listed(kind), 0, "without {verb} on {resource}, {kind:?} is never whole");
            }
        });
    }
}
