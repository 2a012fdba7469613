//! Builds every part from the settings, joins their channels, and runs until told to stop.
//!
//! Each part gets its own piece of the configuration; the whole travels nowhere. Nothing is contacted before the first request.

mod gauges;
mod local;
mod once;
mod parts;
mod staging;
mod telemetry;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use weir_config::Config;
use weir_scanner::content::Buffers;
use weir_scanner::detect::DetectorSet;
use weir_storage::blob::{BlobStore, FreeSpace};
use weir_storage::index::Index;

use crate::admin::{self, Readiness};
use crate::advisory::AdvisoryService;
use crate::clock::Clock;
use crate::distribution::{LedgerParts, Mirror, NodeLookup, Provenance, PullLedger};
use crate::http::{ConnInfo, ServeLimits, serve};
use crate::metrics::Metrics;
use crate::notify::{Notifier, NotifierParts, NotifyPace};
use crate::pull::{Puller, PullerParts};
use crate::report::{
    Agents, EventStreams, ExceptionGaugeParts, Exceptions, Fleet, FleetParts, NodeChecks, NoticesParts, Report,
    ReportParts, RetentionParts, count_exceptions, forget_unused, gather_notices,
};
use crate::scan::{FetchBudget, ScanRequestParts, ScanRequests, Scanner, ScannerParts};
use crate::tasks::Tasks;
use crate::upstream::UpstreamLimits;
use crate::workload::intake::Intake;
use crate::workload::watch::WatchOptions;
use crate::workload::{Clusters, Unseen};

use gauges::Gauges;
use local::LocalParts;
pub use local::{FeedLine, create_token, feed_lines, import, refresh, revoke_token};
pub use once::{once_parts, once_registry};
pub use parts::{cve_sources, feed_source, open_index, registries};
pub use staging::{Staging, sweep};
pub use telemetry::start_logging;

/// What the pull path may have announced and nobody has read yet; beyond it the sweeper finds the rest.
const SEEN_QUEUE: usize = 1024;
/// Inventories that wait for matching; beyond it the next round finds them.
const COMPOSED_QUEUE: usize = 256;
/// How often the scanner looks for unfinished images.
const SWEEP: Duration = Duration::from_secs(60);
/// How long open responses may go on after a signal: with what follows, less than the 30 s after which Kubernetes kills.
const GRACE: Duration = Duration::from_secs(20);
/// How long tasks get after that.
const LAST: Duration = Duration::from_secs(3);

/// Why weir could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error("the data directory {path} cannot be used")]
    Data {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The index cannot be opened.
    #[error(transparent)]
    Index(#[from] weir_storage::index::IndexError),
    /// The blob store cannot be opened.
    #[error(transparent)]
    Blobs(#[from] weir_storage::blob::BlobError),
    /// An upstream's settings cannot be used.
    #[error("upstream {name}")]
    Upstream {
        /// The upstream.
        name: String,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A listener cannot be bound.
    #[error("{key} {address} cannot be listened on")]
    Listen {
        /// The setting.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("listen.tls")]
    Tls(#[from] crate::http::TlsError),
    /// The advisories' source cannot be used.
    #[error("advisory.source")]
    Advisories(#[from] crate::advisory::SourceError),
    /// A webhook's settings cannot be used.
    #[error("webhook {0}")]
    Webhook(#[from] crate::notify::InvalidWebhook),
    /// The instruments cannot be registered.
    #[error("metrics")]
    Metrics(#[from] prometheus::Error),
    /// The cluster cannot be reached as it is configured.
    #[error("cluster.kubernetes")]
    Kubernetes(#[from] crate::workload::client::ClientError),
    /// The authorities of the OpenID Connect provider cannot be used.
    #[error("auth.oidc")]
    Provider(#[from] crate::upstream::InvalidUpstream),
    /// The header that names the node is none.
    #[error("cluster.node_header")]
    NodeHeader(#[from] hyper::header::InvalidHeaderName),
}

/// Parts a caller brings instead of those the settings describe. The default brings none.
#[derive(Default)]
pub struct Overrides {
    /// The index.
    pub index: Option<Index>,
    /// What reads files of interest in layers.
    pub detectors: Option<DetectorSet>,
    /// What tells how much space the file system has left.
    pub free_space: Option<FreeSpace>,
    /// How long upstreams may take.
    pub upstream_limits: Option<UpstreamLimits>,
    /// How long a layer is left to the clients before weir fetches it itself.
    pub scan_grace: Option<Duration>,
    /// What knows nodes by their addresses.
    pub node_lookup: Option<NodeLookup>,
    /// How the local cluster is watched.
    pub watch: Option<WatchOptions>,
    /// How long webhooks may take, and how long they wait between tries.
    pub notify_pace: Option<NotifyPace>,
}

/// weir, running.
pub struct App {
    /// Where the mirror listens.
    pub mirror: SocketAddr,
    /// Where the report listens.
    pub report: SocketAddr,
    tasks: Tasks,
    readiness: Readiness,
    blobs: BlobStore,
    index: Index,
}

impl App {
    /// Opens the data directory, binds the listeners and starts every task. Requests are answered when this returns.
    ///
    /// # Errors
    /// [`StartError`], naming the setting or the path.
    pub async fn start(config: Config, clock: Clock) -> Result<Self, StartError> {
        Self::start_with(config, clock, Overrides::default()).await
    }

    /// The same with parts of the caller's, for tests that break them on purpose.
    ///
    /// # Errors
    /// As [`App::start`].
    pub async fn start_with(config: Config, clock: Clock, overrides: Overrides) -> Result<Self, StartError> {
        let tasks = Tasks::new();
        let metrics = Metrics::new()?;
        let readiness = Readiness::default();
        let (mirror_tls, report_tls) = config.listen.tls.as_ref().map(parts::tls).transpose()?.unzip();
        let mirror_listener = bind("listen.mirror", config.listen.mirror).await?;
        let report_listener = bind("listen.report", config.listen.report).await?;
        let (mirror_address, report_address) =
            (local(&mirror_listener, config.listen.mirror), local(&report_listener, config.listen.report));
        let index = match overrides.index {
            Some(index) => index,
            None => open_index(&config.data.directory)?,
        };
        if let Err(error) = sweep(&config.data.directory) {
            tracing::warn!(%error, "what a killed backup or restore left could not be removed");
        }
        let blobs = parts::open_blobs(&config.data, overrides.free_space).await?;
        let detectors = overrides.detectors.unwrap_or_else(DetectorSet::standard);

        let (seen_sender, seen) = mpsc::channel(SEEN_QUEUE);
        let (composed_sender, composed) = mpsc::channel(COMPOSED_QUEUE);
        let upstreams = parts::upstreams(&config, overrides.upstream_limits, &metrics)?;
        let registries = parts::clients(&upstreams);
        let puller = Puller::new(PullerParts {
            upstreams,
            blobs: blobs.clone(),
            index: index.clone(),
            seen: seen_sender,
            metrics: metrics.serve.clone(),
            tasks: tasks.clone(),
            clock: clock.clone(),
        });
        let grace = overrides.scan_grace.unwrap_or(parts::GRACE);
        let scanner = Scanner::new(ScannerParts {
            puller: puller.clone(),
            blobs: blobs.clone(),
            index: index.clone(),
            detectors,
            grace,
            composed: composed_sender,
            metrics: metrics.scan.clone(),
            tasks: tasks.clone(),
            clock: clock.clone(),
            limits: parts::layer_limits(&config.scan),
            buffers: Buffers::new(parts::SCAN_MEMORY, config.data.directory.clone()),
            readers: parts::READERS,
            budget: FetchBudget::new(config.scan.fetch_concurrency, config.scan.fetch_budget.bytes()),
        });
        let advisories =
            AdvisoryService::new(parts::advisories(&config, &registries, &index, &metrics, &tasks, &clock)?);
        let requests = ScanRequests::new(ScanRequestParts {
            puller: puller.clone(),
            scanner: scanner.clone(),
            index: index.clone(),
            tasks: tasks.clone(),
            clock: clock.clone(),
        });
        let clusters = index.run(Clusters::load).await?;
        let local = parts::watch_local(&config, &clusters, &index, &tasks, &clock, overrides.watch).await?;
        let unseen = Unseen::new(puller.clone(), scanner.clone(), tasks.clone(), clock.clone());
        let exceptions = index.run(Exceptions::load).await?;
        let checks = index.run(NodeChecks::load).await?;
        let fleet = Fleet::new(parts::due(&config.report), config.report.idle_after);
        metrics.advisory.runs_by({
            let fleet = fleet.clone();
            Box::new(move |image| fleet.view().clusters_of(image))
        });
        let lookup = overrides.node_lookup.unwrap_or_else(|| {
            let fleet = fleet.clone();
            NodeLookup::new(move |address| fleet.view().inventory.node_at(address))
        });
        let header = config.cluster.node_header.parse()?;
        let (provenance, pulls) = Provenance::new(header, lookup, metrics.serve.clone(), clock.clone());
        let ledger = PullLedger::new(LedgerParts {
            index: index.clone(),
            retention: config.report.pull_retention,
            metrics: metrics.serve.clone(),
            tasks: tasks.clone(),
            clock: clock.clone(),
        });
        let gauged = puller.clone();
        let mirror = Mirror::new(puller, metrics.serve.clone(), provenance);
        let access = parts::report_access(&config, report_address)?;
        let refresh = {
            let advisories = advisories.clone();
            Arc::new(move || advisories.refresh_soon())
        };
        let intake = {
            let clusters = clusters.clone();
            Intake::new(index.clone(), clock.clone(), local, move |received| clusters.receive(received))
        };
        let notifier = Notifier::new(&NotifierParts {
            webhooks: config.webhooks.clone(),
            index: index.clone(),
            clock: clock.clone(),
            metrics: metrics.notify.clone(),
            pace: overrides.notify_pace.unwrap_or_default(),
            tasks: tasks.clone(),
        })?;
        let report = Report::new(ReportParts {
            index: index.clone(),
            clock: clock.clone(),
            fleet: fleet.clone(),
            clusters: clusters.clone(),
            stale_after: config.advisory.stale_after,
            access,
            refresh,
            scans: requests.clone(),
            agents: Agents::new(index.clone(), clock.clone(), intake, checks.clone()),
            checks: checks.clone(),
            exceptions: exceptions.clone(),
            notifier: notifier.clone(),
            public_url: config.report.public_url.clone(),
            streams: EventStreams::new(tasks.token()),
        });
        let gauge = ExceptionGaugeParts {
            exceptions: exceptions.clone(),
            index: index.clone(),
            fleet: fleet.clone(),
            metrics: metrics.exceptions.clone(),
            tasks: tasks.clone(),
            clock: clock.clone(),
        };
        tasks.spawn("exceptions", count_exceptions(gauge));

        let local_parts =
            LocalParts { advisories: advisories.clone(), registries, index: index.clone(), clock: clock.clone() };
        local::listen(&config.data.directory, &tasks, local_parts)
            .map_err(|source| StartError::Data { path: config.data.directory.clone(), source })?;
        notifier.start(&tasks);
        gather_notices(&NoticesParts {
            notifier,
            index: index.clone(),
            exceptions: exceptions.clone(),
            fleet: fleet.clone(),
            clusters: clusters.clone(),
            stale_after: config.advisory.stale_after,
            public_url: config.report.public_url.clone(),
            tasks: tasks.clone(),
            clock: clock.clone(),
        });
        tasks.spawn("scanner", scanner.run(seen, SWEEP));
        tasks.spawn(
            "retention",
            forget_unused(RetentionParts {
                fleet: fleet.clone(),
                index: index.clone(),
                keep: config.report.event_retention.max(config.report.idle_after),
                tasks: tasks.clone(),
                clock: clock.clone(),
            }),
        );
        tasks.spawn(
            "fleet",
            fleet.run(FleetParts {
                clusters,
                index: index.clone(),
                checks,
                pull_retention: config.report.pull_retention,
                exceptions: exceptions.clone(),
                blobs: blobs.clone(),
                unseen,
                metrics: metrics.inventory.clone(),
                tasks: tasks.clone(),
                clock,
            }),
        );
        tasks.spawn("scan-requests", requests.run());
        tasks.spawn("pull-ledger", ledger.run(pulls));
        tasks.spawn("advisories", advisories.run(composed));
        let budget = config.data.blob_budget.bytes();
        let gauges = Gauges {
            blobs: blobs.clone(),
            budget,
            puller: gauged,
            tls: report_tls.clone(),
            metrics: metrics.serve.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn("gauges", gauges.run());
        let limits = ServeLimits { grace: GRACE, ..ServeLimits::default() };
        let answer = move |request: Request<Incoming>, connection: ConnInfo| {
            let mirror = mirror.clone();
            async move { mirror.answer(request, connection).await }
        };
        tasks.spawn("mirror", serve(mirror_listener, mirror_tls, limits, tasks.clone(), answer));
        let state = readiness.clone();
        let answer = move |request: Request<Incoming>, connection: ConnInfo| {
            let (report, metrics, state) = (report.clone(), metrics.clone(), state.clone());
            async move {
                if !admin::answers(request.uri().path()) {
                    return report.answer(request, &connection).await;
                }
                match report.admit_watching(request.headers(), request.uri(), &connection).await {
                    Ok(()) => admin::answer(request.uri().path(), &state, &metrics),
                    Err(refusal) => *refusal,
                }
            }
        };
        tasks.spawn("report", serve(report_listener, report_tls, limits, tasks.clone(), answer));
        readiness.set(true);
        tracing::info!(mirror = %mirror_address, report = %report_address, data = %config.data.directory.display(), "weir is ready");
        Ok(Self { mirror: mirror_address, report: report_address, tasks, readiness, blobs, index })
    }

    /// The shutdown script: readiness off, accepting ends, open bodies finish within their grace, scans stay queued, and the
    /// index is flushed.
    pub async fn stop(self) {
        self.readiness.set(false);
        tracing::info!("weir is stopping");
        self.tasks.cancel();
        if let Err(late) = self.tasks.wait(GRACE + LAST).await {
            tracing::warn!(tasks = ?late, "stopped before these tasks had ended");
        }
        self.blobs.close().await;
        if let Err(error) = self.index.run(Index::sync).await {
            tracing::error!(%error, "the index could not be flushed");
        }
    }
}

async fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { key, address, source })
}

/// Where a listener really listens: port 0 asks the system for one.
fn local(listener: &TcpListener, asked: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(asked)
}
