//! The parts of one scan without a running weir: the same as the mirror's, over a folder that goes when it is done.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use url::{Host, Url};
use weir_config::{Access, Config, UpstreamSection};
use weir_scanner::content::Buffers;
use weir_scanner::detect::DetectorSet;
use weir_scanner::oci::Reference;
use weir_storage::index::Index;

use super::{StartError, parts};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::pull::{Puller, PullerParts};
use crate::scan::once::{OnceParts, Progress};
use crate::tasks::Tasks;

/// What reading one image needs; large files of interest are held in `scratch`.
pub fn once_parts(config: &Config, scratch: &Path, progress: Arc<dyn Progress>, tasks: &Tasks, now: i64) -> OnceParts {
    OnceParts {
        detectors: DetectorSet::standard(),
        limits: parts::layer_limits(&config.scan),
        buffers: Buffers::new(parts::SCAN_MEMORY, scratch.to_owned()),
        readers: parts::READERS,
        tasks: tasks.clone(),
        progress,
        now,
    }
}

/// A pull path to the registry of `reference`: with the settings of its upstream where it is configured, else without
/// credentials. Blobs are kept in `scratch` while they are read.
///
/// # Errors
/// The settings cannot be used, or `scratch` cannot be written.
pub async fn once_registry(
    config: &Config,
    scratch: &Path,
    reference: &Reference,
    tasks: &Tasks,
) -> Result<Puller, StartError> {
    let mut config = config.clone();
    config.data.directory = scratch.to_owned();
    config.upstreams.retain(|upstream| upstream.name == reference.upstream);
    if config.upstreams.is_empty() {
        config.upstreams.push(unconfigured(&reference.upstream)?);
    }
    // One look at each tag: nothing here lives long enough to be asked again.
    let (seen, _) = mpsc::channel(1);
    let metrics = Metrics::new()?;
    Ok(Puller::new(PullerParts {
        upstreams: parts::upstreams(&config, None, &metrics)?,
        blobs: parts::open_blobs(&config.data, None).await?,
        index: Index::in_memory(),
        seen,
        metrics: metrics.serve,
        tasks: tasks.clone(),
        clock: Clock::system(),
    }))
}

/// A registry nobody configured: over TLS, except on this machine.
fn unconfigured(name: &str) -> Result<UpstreamSection, StartError> {
    let bad = |source: url::ParseError| StartError::Upstream { name: name.to_owned(), source: source.into() };
    let mut url = Url::parse(&format!("https://{name}")).map_err(bad)?;
    let local = match url.host() {
        Some(Host::Domain(domain)) => domain == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if local {
        url = Url::parse(&format!("http://{name}")).map_err(bad)?;
    }
    Ok(UpstreamSection {
        name: name.to_owned(),
        url,
        tag_ttl: Duration::ZERO,
        username: None,
        password_file: None,
        credential_command: Vec::new(),
        ca_file: None,
        access: Access::Shared,
        token_hosts: Vec::new(),
        redirect_hosts: Vec::new(),
    })
}
