//! What one upstream is built from.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

use super::{BreakerSettings, RetryPolicy};
use crate::clock::Clock;

/// Told of every exchange: the upstream's name and the status code, or `error` where no answer came.
pub type UpstreamObserver = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// One upstream, as its client needs it. The default is Docker Hub without credentials.
#[derive(Clone)]
pub struct UpstreamSettings {
    /// What nodes call it; also the label of its metrics.
    pub name: String,
    /// Where it is: `https` or `http`, with an optional path before `/v2/`.
    pub url: Url,
    /// The user weir itself pulls as.
    pub username: Option<String>,
    /// The file that holds that user's password; read at each use.
    pub password_file: Option<PathBuf>,
    /// A program and its arguments that prints credentials; empty for none. Run without a shell.
    pub credential_command: Vec<String>,
    /// Certificate authorities trusted beyond the system's; read again when the file changes.
    pub ca_file: Option<PathBuf>,
    /// Token realms trusted beyond the upstream's own domain: `host` or `host:port`.
    pub token_hosts: Vec<String>,
    /// Private places the upstream may redirect to: `host`, `host:port`, an address or a network.
    pub redirect_hosts: Vec<String>,
    /// Times, sizes and retries.
    pub limits: UpstreamLimits,
    /// Told of every exchange.
    pub observer: UpstreamObserver,
    /// Which requests go by a proxy; by default what `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    pub proxies: Arc<Matcher>,
    /// The wall clock, for instants that upstreams and commands write out.
    pub clock: Clock,
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self {
            name: "docker.io".to_owned(),
            url: Url::parse("https://registry-1.docker.io").expect("a constant that is a URL"),
            username: None,
            password_file: None,
            credential_command: Vec::new(),
            ca_file: None,
            token_hosts: Vec::new(),
            redirect_hosts: Vec::new(),
            limits: UpstreamLimits::default(),
            observer: Arc::new(|_, _| {}),
            proxies: Arc::new(Matcher::from_env()),
            clock: Clock::system(),
        }
    }
}

/// Limits of the requests to one upstream.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamLimits {
    /// From the name's lookup to the end of the TLS handshake.
    pub connect_timeout: Duration,
    /// From sending a request to the headers of its answer, connecting included.
    pub response_timeout: Duration,
    /// How long a body may stand still.
    pub body_idle_timeout: Duration,
    /// How long a body held in memory (manifests, lists, tokens) may take as a whole.
    pub small_body_timeout: Duration,
    /// How long the credential command may run.
    pub command_timeout: Duration,
    /// When and how often to try again.
    pub retry: RetryPolicy,
    /// When to stop asking a broken upstream.
    pub breaker: BreakerSettings,
}

impl Default for UpstreamLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(30),
            body_idle_timeout: Duration::from_secs(60),
            small_body_timeout: Duration::from_secs(30),
            command_timeout: Duration::from_secs(10),
            retry: RetryPolicy::default(),
            breaker: BreakerSettings::default(),
        }
    }
}

/// Why a client cannot be built; each stops startup.
#[derive(Debug, thiserror::Error)]
pub enum InvalidUpstream {
    /// The URL is not one a registry can have.
    #[error("url: expected http or https with a host and without credentials, query or fragment")]
    Url,
    /// An entry of `redirect_hosts` cannot be read.
    #[error("redirect_hosts: {0:?} is not a host, host:port, address or network")]
    RedirectHost(String),
    /// The certificate authorities cannot be read or used.
    #[error("ca_file: cannot use {path}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// TLS itself cannot be set up.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}
