//! Watches a cluster: every kind of object, from its list on, until it is told to end.
//!
//! Owns the conversation with the API server: lists as streams or in pages, watches, their expiry, and when to ask again. It
//! is our own and not `kube_runtime::watcher`, which keeps bookmarks to itself, waits for ever on a server that ignores the
//! request for a streamed list, reads a whole page before its first object, and reconnects without a pause where a watch
//! ends at once. Leaves the state to the receiver, who swaps it when a list is whole.
//!
//! Invariant: only what the server said is told, in its order; an error is told as one and empties nothing. At most one
//! object of each kind is in memory here: a receiver that is slow slows the server.

mod error;
mod event;
mod follow;
mod list;
mod pause;
mod read;
mod resource;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use kube::Client;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use weir_storage::index::{ClusterObject, ObjectKey, WatchedKind};

use super::object::{NodeForm, ObjectForm, OwnerForm, PodForm};
use crate::tasks::{Task, Tasks};
use follow::{KindWatch, Shared};

pub use error::WatchError;
pub use resource::ServerVersion;

/// What a cluster told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// A list of everything of a kind begins; what an unfinished one told is void.
    Begin(WatchedKind),
    /// An object of the list.
    Listed(ClusterObject),
    /// The list is whole: objects of the kind that it did not name are gone.
    End(WatchedKind),
    /// The object is there, and is this.
    Set(ClusterObject),
    /// There is no such object any more.
    Gone(ObjectKey),
    /// Nothing of the kind changed up to now.
    Alive(WatchedKind),
    /// The kind could not be listed or watched; it is tried again soon.
    Failed {
        /// The kind.
        kind: WatchedKind,
        /// The cause, with its own.
        error: String,
    },
    /// The cluster does not have the kind, or does not let weir see it; it is tried again in a few minutes.
    Unavailable {
        /// The kind, neither pods nor nodes.
        kind: WatchedKind,
        /// What the server answered.
        reason: String,
    },
}

/// How a cluster is watched.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// Objects in one page of a list; more after lists that expired before they were whole.
    pub page_size: u32,
    /// About the pause before the first further attempt.
    pub first_pause: Duration,
    /// The longest pause between attempts.
    pub longest_pause: Duration,
    /// About the pause before a kind that was unavailable is asked for again.
    pub unavailable_pause: Duration,
    /// After how long the server is to end a watch; whole seconds.
    pub watch_timeout: Duration,
    /// How long a server may say nothing where it should: before an answer, within a list, or after it should have ended a
    /// watch.
    pub silence: Duration,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            page_size: 500,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            unavailable_pause: Duration::from_secs(300),
            // Under the five minutes after which load balancers tend to drop a quiet connection.
            watch_timeout: Duration::from_secs(290),
            silence: Duration::from_secs(60),
        }
    }
}

/// Watches every kind, each in a task of its own, until `tasks` is cancelled or nobody receives any more.
pub async fn watch(client: Client, sender: mpsc::Sender<Observed>, options: WatchOptions, tasks: &Tasks) {
    // Ends the tasks also where this future is dropped.
    let stop = tasks.token().child_token();
    let _guard = stop.clone().drop_guard();
    let shared = Shared { client, sender, options, server: Arc::default() };
    tokio::select! {
        () = shared.sender.closed() => {}
        _ = join_all(WatchedKind::ALL.map(|kind| keep(kind, &shared, &stop, tasks))) => {}
    }
}

/// Keeps one kind watched: a panic must not leave it unwatched, so it begins anew, with a list.
async fn keep(kind: WatchedKind, shared: &Shared, stop: &CancellationToken, tasks: &Tasks) {
    loop {
        let watch = match kind {
            WatchedKind::Pod => start(KindWatch::<PodForm>::new(kind, shared.clone()), stop, tasks),
            WatchedKind::Node => start(KindWatch::<NodeForm>::new(kind, shared.clone()), stop, tasks),
            _ => start(KindWatch::<OwnerForm>::new(kind, shared.clone()), stop, tasks),
        };
        let Err(error) = watch.await else { return };
        let tell = shared.sender.send(Observed::Failed { kind, error: error.to_string() });
        let begin_again = async {
            if tell.await.is_ok() {
                sleep(shared.options.longest_pause).await;
            }
        };
        if stop.run_until_cancelled(begin_again).await.is_none() {
            return;
        }
    }
}

fn start<F: ObjectForm + 'static>(watch: KindWatch<F>, stop: &CancellationToken, tasks: &Tasks) -> Task<Option<()>> {
    tasks.spawn(resource::task_name(watch.kind), stop.clone().run_until_cancelled_owned(watch.run()))
}

/// The version of the cluster's API server.
pub async fn server_version(client: &Client) -> Result<ServerVersion, WatchError> {
    resource::server_version(client).await
}
