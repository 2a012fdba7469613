//! Answers manifest and blob requests: from what is stored while that may be done, else from the upstream, storing as it goes.
//!
//! Owns the decision of what a client gets. Leaves the wire to [`crate::upstream`], bytes on disk to `weir_storage::blob`, rows to
//! `weir_storage::index` and reading layers to [`crate::scan`], to which it only announces what it saw. A failing index or a full
//! disk costs freshness and reuse, never the pull.

mod accept;
mod access;
mod blob;
mod fetch;
mod listing;
mod location;
mod manifest;
mod missing;
mod reason;
mod turns;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use weir_scanner::oci::Digest;
use weir_storage::blob::{BlobError, BlobStore};
use weir_storage::index::{Index, IndexError};

use crate::clock::Clock;
use crate::metrics::ServeMetrics;
use crate::tasks::Tasks;
use crate::upstream::{Asked, UpstreamClient, UpstreamError};

pub use accept::Accept;
pub use access::{Identity, Proofs};
pub use blob::{BlobAnswer, Purpose};
pub use listing::Listing;
pub use location::Location;
pub use manifest::ManifestAnswer;
pub use reason::FetchReason;
pub use turns::Turns;

/// One configured upstream as the pull path sees it.
pub struct Upstream {
    /// What nodes call it.
    pub name: String,
    /// The client that talks to it.
    pub client: UpstreamClient,
    /// How long a tag is served without asking again.
    pub tag_ttl: Duration,
    /// Whether each client's own credentials are proven before it is served (`access = "client"`).
    pub client_access: bool,
}

/// What the pull path saw, for the scanner. Sent without waiting: a full queue loses nothing, the sweeper finds it again.
#[derive(Clone, Debug)]
pub enum Seen {
    /// A manifest was served to a client.
    Manifest {
        /// Where.
        location: Location,
        /// Its digest.
        digest: Digest,
    },
    /// A blob's fetch began: whoever wants its bytes can follow now.
    BlobStarted {
        /// Its digest.
        digest: Digest,
    },
}

/// Why a pull could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The upstream refused or failed.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The upstream's content is not what was asked for.
    #[error("{upstream} sent {what} that is not what was asked for: {detail}")]
    Content {
        /// The upstream.
        upstream: String,
        /// A manifest, a blob.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The index failed where no other way was left.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The blob store failed where no other way was left, or the fetch of the blob did.
    #[error(transparent)]
    Blob(BlobError),
}

/// The pull path. Clones share everything.
#[derive(Clone)]
pub struct Puller(Arc<Inner>);

struct Inner {
    upstreams: HashMap<String, Arc<Upstream>>,
    blobs: BlobStore,
    index: Index,
    proofs: Proofs,
    missing: missing::Missing,
    turns: Turns<String>,
    seen: mpsc::Sender<Seen>,
    metrics: ServeMetrics,
    tasks: Tasks,
    clock: Clock,
}

/// What a [`Puller`] is built from.
pub struct PullerParts {
    /// The configured upstreams.
    pub upstreams: Vec<Upstream>,
    /// The blob store.
    pub blobs: BlobStore,
    /// The index.
    pub index: Index,
    /// Where to announce what was seen.
    pub seen: mpsc::Sender<Seen>,
    /// The mirror's instruments.
    pub metrics: ServeMetrics,
    /// Owner of fetches.
    pub tasks: Tasks,
    /// The time.
    pub clock: Clock,
}

impl Puller {
    /// Builds the pull path. Nothing is contacted.
    pub fn new(parts: PullerParts) -> Self {
        for upstream in &parts.upstreams {
            parts.metrics.start(&upstream.name);
        }
        let upstreams =
            parts.upstreams.into_iter().map(|upstream| (upstream.name.clone(), Arc::new(upstream))).collect();
        Self(Arc::new(Inner {
            upstreams,
            blobs: parts.blobs,
            index: parts.index,
            proofs: Proofs::default(),
            missing: missing::Missing::default(),
            turns: Turns::default(),
            seen: parts.seen,
            metrics: parts.metrics,
            tasks: parts.tasks,
            clock: parts.clock,
        }))
    }

    /// Whether `name` is a configured upstream.
    pub fn knows(&self, name: &str) -> bool {
        self.0.upstreams.contains_key(name)
    }

    /// Each upstream's name, and whether it fails so often that it is asked by single probes only.
    pub fn failing(&self) -> impl Iterator<Item = (&str, bool)> {
        self.0.upstreams.iter().map(|(name, upstream)| (name.as_str(), upstream.client.is_failing()))
    }

    /// Whether only clients with credentials of their own may read `location`.
    pub fn is_restricted(&self, location: &Location) -> bool {
        self.upstream(location).client_access
    }

    /// In whose name weir may fetch from `location` now: its own, or that of a client whose proof still holds.
    pub fn reader_identity(&self, location: &Location) -> Option<Identity> {
        if self.is_restricted(location) {
            self.0.proofs.anyone(location, self.0.clock.now())
        } else {
            Some(Identity::new(None))
        }
    }

    fn upstream(&self, location: &Location) -> Arc<Upstream> {
        // The router refuses names that are not configured; rows of an upstream that was since removed are never asked for.
        Arc::clone(self.0.upstreams.get(&location.upstream).expect("routes name configured upstreams only"))
    }

    /// The 404 that was heard a moment ago, for one who asks again.
    fn remembered_404(location: &Location, kind: &str, what: impl std::fmt::Display) -> PullError {
        let path = format!("/v2/{}/{kind}/{what}", location.repository);
        let asked = Asked { upstream: location.upstream.clone(), method: "GET", path };
        UpstreamError::NotFound { asked: Arc::new(asked), authoritative: true }.into()
    }

    fn announce(&self, seen: Seen) {
        if let Err(mpsc::error::TrySendError::Full(seen)) = self.0.seen.try_send(seen) {
            tracing::debug!(?seen, "the scan queue is full; the sweeper will find this");
        }
    }

    /// Runs a write to the index; a failure is logged and the pull goes on.
    async fn record(&self, what: &'static str, write: impl FnOnce(&Index) -> Result<(), IndexError> + Send + 'static) {
        if let Err(error) = self.0.index.run(write).await {
            tracing::error!(%error, "could not record {what}; the pull goes on");
        }
    }

    /// Reads from the index; a failure is logged and counts as not known.
    async fn lookup<T: Send + 'static>(
        &self,
        what: &'static str,
        read: impl FnOnce(&Index) -> Result<Option<T>, IndexError> + Send + 'static,
    ) -> Option<T> {
        self.0.index.run(read).await.unwrap_or_else(|error| {
            tracing::error!(%error, "could not look up {what}; the upstream is asked instead");
            None
        })
    }
}
