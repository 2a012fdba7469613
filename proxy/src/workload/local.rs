//! Watches the cluster the server runs in, without an agent.

use std::time::Duration;

use kube::Client;
use tokio::sync::mpsc;
use weir_storage::index::{Index, IndexError};

use super::clusters::Clusters;
use super::watch::{Observed, server_version};
use crate::clock::Clock;
use crate::tasks::Tasks;

/// How often what was seen is written to the index.
const WRITE_EVERY: Duration = Duration::from_millis(500);
/// Writes that may fail before it is said again.
const FAILURES_PER_WORD: u32 = 120;
/// How often the API server is asked for its version: upgrades are rare.
const VERSION_EVERY: Duration = Duration::from_secs(600);
/// The same after it did not tell.
const VERSION_AGAIN: Duration = Duration::from_secs(30);
/// How long it may take to tell.
const VERSION_TIME: Duration = Duration::from_secs(10);

/// What the watch of the local cluster is given.
pub struct LocalParts {
    /// What the cluster is called.
    pub name: String,
    /// Asked for the cluster's version.
    pub client: Client,
    /// Where what is seen is kept.
    pub clusters: Clusters,
    /// And written.
    pub index: Index,
    /// Owner of its tasks.
    pub tasks: Tasks,
    /// The time.
    pub clock: Clock,
}

/// Keeps what is observed of the local cluster, and writes it to the index from time to time, until cancelled. A last write follows
/// the cancellation.
pub async fn keep_local(parts: LocalParts, mut observed: mpsc::Receiver<Observed>) {
    let LocalParts { name, client, clusters, index, tasks, clock } = parts;
    clusters.begin_local(&name, clock.now());
    let versions = {
        let (name, clusters, token) = (name.clone(), clusters.clone(), tasks.token());
        tasks.spawn("cluster-version", token.run_until_cancelled_owned(keep_version(name, clusters, client)))
    };
    let writer = {
        let (name, clusters, token) = (name.clone(), clusters.clone(), tasks.token());
        tasks.spawn("cluster-write", async move {
            let mut tick = tokio::time::interval(WRITE_EVERY);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut failures: u32 = 0;
            loop {
                let goes_on = token.run_until_cancelled(tick.tick()).await.is_some();
                match write(&name, &clusters, &index).await {
                    Ok(()) => failures = 0,
                    Err(error) => {
                        if failures.is_multiple_of(FAILURES_PER_WORD) {
                            tracing::error!(cluster = name, %error, "what runs in the cluster cannot be written; it is shown all the same");
                        }
                        failures += 1;
                    }
                }
                if !goes_on {
                    return;
                }
            }
        })
    };
    let token = tasks.token();
    while let Some(Some(seen)) = token.run_until_cancelled(observed.recv()).await {
        clusters.observe(&name, seen, clock.now());
    }
    // They end by the same token; what they say of a panic is in the log already.
    let _: Result<(), _> = writer.await;
    let _: Result<Option<()>, _> = versions.await;
}

/// Asks the API server for its version from time to time. Where it does not tell, the one it told last stands.
async fn keep_version(name: String, clusters: Clusters, client: Client) {
    loop {
        let told = tokio::time::timeout(VERSION_TIME, server_version(&client)).await;
        let pause = match told {
            Ok(Ok(version)) => {
                clusters.tell_version(&name, version.text);
                VERSION_EVERY
            }
            // Why a server does not answer is told by its watches.
            Ok(Err(_)) | Err(_) => VERSION_AGAIN,
        };
        tokio::time::sleep(pause).await;
    }
}

async fn write(name: &str, clusters: &Clusters, index: &Index) -> Result<(), IndexError> {
    loop {
        let (name, clusters) = (name.to_owned(), clusters.clone());
        if !index.run(move |index| clusters.write_local(&name, index)).await? {
            return Ok(());
        }
    }
}
