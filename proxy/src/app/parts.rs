//! Turns pieces of the configuration into the settings of each part.

use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use weir_config::{
    Access, Config, DataSection, OidcSection, ReportSection, Role, ScanSection, TlsSection, UpstreamSection,
};
use weir_scanner::finding::Severity;
use weir_scanner::layer::LayerLimits;
use weir_storage::blob::{BlobStore, BlobStoreConfig, FreeSpace, free_space};
use weir_storage::index::Index;

use super::StartError;
use crate::advisory::{AdvisoryParts, CveSource, CveSources, FeedSource, SourceError};
use crate::auth::SessionLimits;
use crate::clock::Clock;
use crate::http::{TlsError, TlsListener};
use crate::metrics::Metrics;
use crate::oidc::{Provider, ProviderSettings};
use crate::pull::Upstream;
use crate::report::{Anonymous, Due, ReportAccess, ReportAccessParts};
use crate::tasks::Tasks;
use crate::upstream::{UpstreamClient, UpstreamLimits, UpstreamSettings};
use crate::workload::client::connect;
use crate::workload::watch::{WatchOptions, watch};
use crate::workload::{Clusters, LocalParts, keep_local};

/// How long a layer is left to the clients before weir fetches it itself: a runtime asks within seconds of the manifest.
pub(super) const GRACE: Duration = Duration::from_secs(15);
/// Bytes of the file system that blobs leave to the index: enough for its log and one round of compaction.
const RESERVE_BYTES: u64 = 64 << 20;
/// How long an upstream may take to begin its answer: less than the 30 s after which containerd 2.3 gives up on weir.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);
/// Memory that files of interest may take while they are looked at, for all layers together.
pub(super) const SCAN_MEMORY: usize = 64 << 20;
/// Layers read at once. Each takes two threads; more would only share the same processors.
pub(super) const READERS: usize = 2;

/// Opens the index of a data directory, which is made where it is missing: for weir's own user alone, as it holds private images.
///
/// # Errors
/// The directory cannot be made, or the index cannot be opened.
pub fn open_index(data: &Path) -> Result<Index, StartError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.map_err(|source| StartError::Data { path: data.to_owned(), source })?;
    Ok(Index::open(&data.join("index"))?)
}

pub(super) async fn open_blobs(data: &DataSection, space: Option<FreeSpace>) -> Result<BlobStore, StartError> {
    let config = BlobStoreConfig {
        directory: data.directory.join("store"),
        budget_bytes: data.blob_budget.bytes(),
        reserve_bytes: RESERVE_BYTES,
        clock: Arc::new(crate::clock::system_time),
        free_space: space.unwrap_or_else(|| Arc::new(free_space)),
    };
    Ok(BlobStore::open(config).await?)
}

/// TLS for the mirror and for the report. Only the mirror's clients are asked for a certificate: it names the pulling node,
/// and browsers would ask people for one.
pub(super) fn tls(section: &TlsSection) -> Result<(TlsListener, TlsListener), TlsError> {
    let listener = |client_ca| TlsListener::new(&section.certificate, &section.key, client_ca);
    Ok((listener(section.client_ca.as_deref())?, listener(None)?))
}

/// The configured upstreams, each with its client. Nothing is contacted.
pub(super) fn upstreams(
    config: &Config,
    limits: Option<UpstreamLimits>,
    metrics: &Metrics,
) -> Result<Vec<Upstream>, StartError> {
    let usual = UpstreamLimits { response_timeout: RESPONSE_TIMEOUT, ..UpstreamLimits::default() };
    config.upstreams.iter().map(|section| upstream(section, limits.unwrap_or(usual), metrics)).collect()
}

fn upstream(section: &UpstreamSection, limits: UpstreamLimits, metrics: &Metrics) -> Result<Upstream, StartError> {
    let counters = metrics.serve.clone();
    let settings = UpstreamSettings {
        name: section.name.clone(),
        url: section.url.clone(),
        username: section.username.clone(),
        password_file: section.password_file.clone(),
        credential_command: section.credential_command.clone(),
        ca_file: section.ca_file.clone(),
        token_hosts: section.token_hosts.clone(),
        redirect_hosts: section.redirect_hosts.clone(),
        observer: Arc::new(move |upstream: &str, code: &str| counters.upstream_request(upstream, code)),
        limits,
        ..UpstreamSettings::default()
    };
    let client = UpstreamClient::new(settings)
        .map_err(|source| StartError::Upstream { name: section.name.clone(), source: source.into() })?;
    Ok(Upstream {
        name: section.name.clone(),
        client,
        tag_ttl: section.tag_ttl,
        client_access: section.access == Access::Client,
    })
}

/// The limits for one layer.
pub(super) fn layer_limits(scan: &ScanSection) -> LayerLimits {
    LayerLimits { max_file_bytes: scan.max_file_size.bytes(), ..LayerLimits::default() }
}

pub(super) fn advisories(
    config: &Config,
    registries: &[UpstreamClient],
    index: &Index,
    metrics: &Metrics,
    tasks: &Tasks,
    clock: &Clock,
) -> Result<AdvisoryParts, StartError> {
    Ok(AdvisoryParts {
        source: feed_source(config, registries)?,
        cves: cve_sources(config)?,
        configured: config.advisory.ecosystems.clone(),
        refresh: config.advisory.refresh,
        event_retention: config.report.event_retention,
        index: index.clone(),
        metrics: metrics.advisory.clone(),
        tasks: tasks.clone(),
        clock: clock.clone(),
    })
}

/// The clients of the configured upstreams, for a command that asks one of them. Nothing is contacted.
///
/// # Errors
/// The settings of one cannot be used.
pub fn registries(config: &Config) -> Result<Vec<UpstreamClient>, StartError> {
    Ok(clients(&upstreams(config, None, &Metrics::new()?)?))
}

/// The clients of upstreams, which share all they know with them.
pub(super) fn clients(upstreams: &[Upstream]) -> Vec<UpstreamClient> {
    upstreams.iter().map(|upstream| upstream.client.clone()).collect()
}

/// Where the settings say that advisories come from, where that is a registry by one of `registries`.
///
/// # Errors
/// No client can be made for a URL, or the registry is none of these.
pub fn feed_source(config: &Config, registries: &[UpstreamClient]) -> Result<FeedSource, SourceError> {
    match &config.advisory.source {
        weir_config::Source::Directory(path) => Ok(FeedSource::directory(path.clone())),
        weir_config::Source::Url(url) => FeedSource::url(url.clone(), config.data.directory.clone()),
        weir_config::Source::Artifact(text) => FeedSource::artifact(text, registries, config.data.directory.clone()),
    }
}

/// Where the settings say that what is known of single CVEs comes from.
///
/// # Errors
/// No client can be made for a URL.
pub fn cve_sources(config: &Config) -> Result<CveSources, SourceError> {
    let scratch = &config.data.directory;
    let source = |place: &Option<weir_config::Source>| {
        place.clone().map(|place| CveSource::new(place, scratch.clone())).transpose()
    };
    let advisory = &config.advisory;
    Ok(CveSources { kev: source(&advisory.kev)?, epss: source(&advisory.epss)?, scores: source(&advisory.cvss)? })
}

/// Objects of the local cluster that wait to be taken: few, so that a cluster is read as fast as it is understood.
const OBSERVED_QUEUE: usize = 256;

/// Begins to watch the cluster weir runs in, or the one it is told of; its name, where there is one. Nothing is waited for.
pub(super) async fn watch_local(
    config: &Config,
    clusters: &Clusters,
    index: &Index,
    tasks: &Tasks,
    clock: &Clock,
    options: Option<WatchOptions>,
) -> Result<Option<String>, StartError> {
    let Some(client) = connect(&config.cluster.kubernetes).await? else { return Ok(None) };
    let (sender, observed) = mpsc::channel(OBSERVED_QUEUE);
    let parts = LocalParts {
        name: config.cluster.name.clone(),
        client: client.clone(),
        clusters: clusters.clone(),
        index: index.clone(),
        tasks: tasks.clone(),
        clock: clock.clone(),
    };
    tasks.spawn("cluster-keep", keep_local(parts, observed));
    let watched = tasks.clone();
    tasks.spawn("cluster-watch", async move {
        watch(client, sender, options.unwrap_or_default(), &watched).await;
    });
    Ok(Some(config.cluster.name.clone()))
}

/// When findings of each severity are due to be gone.
pub(super) fn due(report: &ReportSection) -> Due {
    let severity = |severity: &weir_config::Severity| match severity {
        weir_config::Severity::Critical => Severity::Critical,
        weir_config::Severity::High => Severity::High,
        weir_config::Severity::Medium => Severity::Medium,
        weir_config::Severity::Low => Severity::Low,
    };
    report.due.iter().map(|(of, after)| (severity(of), *after)).collect()
}

/// Who may use the report on `address`, and how people sign in there.
///
/// # Errors
/// The authorities of the OpenID Connect provider cannot be used.
pub(super) fn report_access(config: &Config, address: SocketAddr) -> Result<ReportAccess, StartError> {
    let anonymous = match config.auth.anonymous {
        weir_config::Anonymous::Auto if address.ip().is_loopback() => Anonymous::Local,
        weir_config::Anonymous::Auto | weir_config::Anonymous::None => Anonymous::Nothing,
        weir_config::Anonymous::Role(role) => Anonymous::Role(role),
    };
    if anonymous == Anonymous::Nothing {
        tracing::warn!(%address, "the report is closed on this address: whoever asks needs a token or a session");
    }
    let provider = config.auth.oidc.as_ref().map(provider).transpose()?;
    Ok(ReportAccess::new(ReportAccessParts {
        anonymous,
        protect_metrics: config.auth.protect_metrics,
        sessions: SessionLimits {
            lifetime: config.auth.session_lifetime,
            idle: config.auth.session_idle,
            issuer: provider.as_ref().map(|provider| provider.issuer().to_owned()),
        },
        provider,
        public_url: config.report.public_url.clone(),
    }))
}

/// The OpenID Connect provider of the settings. Nothing is contacted.
fn provider(section: &OidcSection) -> Result<Provider, StartError> {
    Ok(Provider::new(ProviderSettings {
        issuer: section.issuer.clone(),
        client_id: section.client_id.clone(),
        client_secret_file: section.client_secret_file.clone(),
        ca_file: section.ca_file.clone(),
        scopes: section.scopes.clone(),
        role_claim: section.role_claim.clone(),
        roles: vec![
            (Role::Viewer, section.viewers.clone()),
            (Role::Editor, section.editors.clone()),
            (Role::Administrator, section.administrators.clone()),
        ],
    })?)
}
