//! Histories written by hand, one for each thing that goes wrong between a cluster and its watcher.

mod failures;
mod lists;
mod watches;

use weir_storage::index::{ClusterObject, WatchedKind};

use super::watching::brisk;
use super::{View, Watching};
use crate::api_server::{ApiServer, Behaviour, Streams, sample};

fn pod(number: u32, state: u32) -> ClusterObject {
    sample(WatchedKind::Pod, number, state)
}

/// A server with two objects of each kind.
async fn server(behaviour: Behaviour) -> ApiServer {
    let server = ApiServer::start(behaviour).await;
    for kind in WatchedKind::ALL {
        server.change(|store| (1..=2).for_each(|number| store.put(sample(kind, number, 0))));
    }
    server
}

fn paged() -> Behaviour {
    Behaviour { streams: Streams::Refused, ..Behaviour::default() }
}

async fn watching(server: &ApiServer) -> Watching {
    let watching = Watching::start(&server.kubeconfig(), brisk()).await;
    watching.until_listed().await;
    watching
}

/// Waits until the view is what the server holds.
async fn until_equal(watching: &Watching, server: &ApiServer) {
    watching.until("the view equals the server's objects", |view| view.objects == *server.store().records()).await;
}

fn lists(watching: &Watching) -> usize {
    watching.view(|view| view.listed(WatchedKind::Pod))
}

fn failed(view: &View, kind: WatchedKind, text: &str) -> bool {
    view.failed.iter().any(|(of, error)| *of == kind && error.contains(text))
}
