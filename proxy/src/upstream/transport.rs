//! One exchange: a request on a pooled connection, its answer's headers within the time limit, failures told apart.

use std::error::Error as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Empty, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT};
use hyper::{Method, Request, Response, Uri};
use hyper_util::client::legacy::{Client, Error as PoolError};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use url::Url;

use super::address::{AddressPolicy, HostRule};
use super::connect::{ConnectError, Connector};
use super::error::{Asked, UpstreamError};
use super::roots::{Beside, Protocols, Roots};
use super::settings::{InvalidUpstream, UpstreamLimits, UpstreamObserver, UpstreamSettings};

/// How weir introduces itself.
const AGENT: &str = concat!("weir/", env!("CARGO_PKG_VERSION"));
/// Idle connections kept per host.
const IDLE_CONNECTIONS: usize = 16;
/// How long an idle connection is kept: shorter than the minute many load balancers allow.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// What one read of a blob takes off the socket at most.
const BLOB_READ_BYTES: usize = 256 * 1024;
/// Headers and small bodies.
const SMALL_BUFFER: usize = 64 * 1024;

/// What a request is for, which decides its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Manifests and lists.
    Api,
    /// Blob bodies: always HTTP/1.1, because streams of one HTTP/2 connection share its congestion window.
    Blob,
    /// Tokens, which may come from hosts that redirects may not lead to.
    Token,
}

/// The pools of one upstream.
pub(crate) struct Transport {
    upstream: String,
    api: Client<Connector, Empty<Bytes>>,
    blob: Client<Connector, Empty<Bytes>>,
    token: Client<Connector, Empty<Bytes>>,
    limits: UpstreamLimits,
    observer: UpstreamObserver,
    proxies: Arc<Matcher>,
}

impl Transport {
    pub(crate) fn new(settings: &UpstreamSettings) -> Result<Self, InvalidUpstream> {
        let roots = Arc::new(Roots::new(&settings.name, settings.ca_file.clone())?);
        let mut rules =
            settings.redirect_hosts.iter().map(|rule| rule.parse()).collect::<Result<Vec<HostRule>, _>>()?;
        rules.extend(HostRule::of(&settings.url, settings.url.port_or_known_default()));
        // A token server beside the registry, or one the settings name, may be private too.
        let mut token_rules: Vec<HostRule> = HostRule::of(&settings.url, None).into_iter().collect();
        token_rules.extend(settings.token_hosts.iter().filter_map(|host| host.parse().ok()));
        let pool = |rules, protocols, buffer| {
            let connector = Connector {
                policy: Arc::new(AddressPolicy::new(rules)),
                proxies: settings.proxies.clone(),
                roots: roots.clone(),
                protocols,
                timeout: settings.limits.connect_timeout,
            };
            pool(connector, buffer)
        };
        Ok(Self {
            upstream: settings.name.clone(),
            api: pool(rules.clone(), Protocols::Http2AndHttp1, SMALL_BUFFER),
            blob: pool(rules, Protocols::Http1, BLOB_READ_BYTES),
            token: pool(token_rules, Protocols::Http2AndHttp1, SMALL_BUFFER),
            limits: settings.limits,
            observer: settings.observer.clone(),
            proxies: settings.proxies.clone(),
        })
    }

    pub(crate) fn limits(&self) -> &UpstreamLimits {
        &self.limits
    }

    /// Sends one request and waits for the headers of its answer. Follows nothing, retries nothing.
    pub(crate) async fn send(
        &self,
        purpose: Purpose,
        method: &Method,
        url: &Url,
        headers: HeaderMap,
        asked: &Arc<Asked>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let outcome = self.exchange(purpose, method, url, headers, asked).await;
        match &outcome {
            Ok(response) => (self.observer)(&self.upstream, response.status().as_str()),
            Err(_) => (self.observer)(&self.upstream, "error"),
        }
        outcome
    }

    async fn exchange(
        &self,
        purpose: Purpose,
        method: &Method,
        url: &Url,
        headers: HeaderMap,
        asked: &Arc<Asked>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri(url).ok_or_else(|| UpstreamError::Protocol {
            asked: asked.clone(),
            what: "its URL cannot be asked for",
            cause: None,
        })?;
        *request.headers_mut() = headers;
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
        // Digests are over bytes as stored; an encoding on the way would have to be undone.
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        // A tunnel carries the proxy's credentials itself; without one they travel with the request.
        if url.scheme() == "http"
            && let Some(credentials) =
                self.proxies.intercept(request.uri()).and_then(|proxy| proxy.basic_auth().cloned())
        {
            request.headers_mut().insert(PROXY_AUTHORIZATION, credentials);
        }
        let pool = match purpose {
            Purpose::Api => &self.api,
            Purpose::Blob => &self.blob,
            Purpose::Token => &self.token,
        };
        let limit = self.limits.response_timeout;
        match tokio::time::timeout(limit, pool.request(request)).await {
            Err(_) => Err(UpstreamError::Timeout { asked: asked.clone(), stage: "answer", limit }),
            Ok(outcome) => outcome.map_err(|error| classify(error, asked)),
        }
    }
}

fn pool<B>(connector: Connector, buffer: usize) -> Client<Connector, B>
where
    B: hyper::body::Body<Data = Bytes> + Send,
{
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .http1_max_buf_size(buffer)
        .http2_adaptive_window(true)
        .build(connector)
}

/// The URL as hyper takes it: no fragment, no credentials.
fn uri(url: &Url) -> Option<Uri> {
    let authority = match (url.host_str()?, url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.to_owned(),
    };
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    Uri::builder().scheme(url.scheme()).authority(authority).path_and_query(path).build().ok()
}

fn classify(error: PoolError, asked: &Arc<Asked>) -> UpstreamError {
    let asked = asked.clone();
    let mut connect = None;
    let mut broken = false;
    let mut source = error.source();
    while let Some(cause) = source {
        connect = connect.or_else(|| cause.downcast_ref::<ConnectError>().cloned());
        broken |= cause
            .downcast_ref::<hyper::Error>()
            .is_some_and(|cause| cause.is_incomplete_message() || cause.is_canceled() || cause.is_closed());
        broken |= cause.downcast_ref::<std::io::Error>().is_some();
        source = cause.source();
    }
    match connect {
        Some(ConnectError::Closed { host, address, never }) => {
            UpstreamError::ClosedAddress { asked, host, address, never }
        }
        Some(ConnectError::Timeout(limit)) => UpstreamError::Timeout { asked, stage: "connection", limit },
        Some(error @ ConnectError::Tls { .. }) => UpstreamError::Tls { asked, cause: Arc::new(error) },
        Some(error) => UpstreamError::Connect { asked, cause: Arc::new(error) },
        None if broken => UpstreamError::Cut { asked, received: 0, cause: Some(Arc::new(error)) },
        None => UpstreamError::Protocol { asked, what: "its answer is not HTTP", cause: Some(Arc::new(error)) },
    }
}

/// A client for places the settings name that are not registries, such as advisory feeds: pooled, verified by the system's
/// authorities, by the proxies of the environment; no redirects, no retries, no time limit but that of connecting.
#[derive(Clone, Debug)]
pub struct HttpClient<B = Empty<Bytes>>(Client<Connector, B>);

/// Builds one. Private addresses are open to it, since only settings name them; link-local ones are not.
///
/// # Errors
/// TLS cannot be set up.
pub fn plain_client() -> Result<HttpClient, InvalidUpstream> {
    Ok(HttpClient(pool(
        Connector {
            policy: Arc::new(AddressPolicy::new(HostRule::everywhere().to_vec())),
            proxies: Arc::new(Matcher::from_env()),
            roots: Arc::new(Roots::new("feeds", None)?),
            protocols: Protocols::Http2AndHttp1,
            timeout: UpstreamLimits::default().connect_timeout,
        },
        BLOB_READ_BYTES,
    )))
}

/// Builds a client that sends bodies to one place that settings name, over HTTP/1.1: verified by the authorities of `ca_file`
/// alone where there is one. Over plain HTTP it goes there itself, whatever proxies the environment names.
///
/// # Errors
/// The authorities cannot be used, or TLS cannot be set up.
pub fn report_client(url: &Url, ca_file: Option<PathBuf>) -> Result<HttpClient<Full<Bytes>>, InvalidUpstream> {
    let proxies = if url.scheme() == "https" { Matcher::from_env() } else { Matcher::builder().build() };
    Ok(HttpClient(pool(
        Connector {
            policy: Arc::new(AddressPolicy::new(HostRule::everywhere().to_vec())),
            proxies: Arc::new(proxies),
            roots: Arc::new(Roots::beside("report", ca_file, Beside::Nothing)?),
            protocols: Protocols::Http1,
            timeout: UpstreamLimits::default().connect_timeout,
        },
        SMALL_BUFFER,
    )))
}

impl<B> HttpClient<B>
where
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Sends a request, which needs an absolute URL, and waits for the headers of its answer.
    ///
    /// # Errors
    /// No connection, or no HTTP on it.
    pub async fn request(&self, mut request: Request<B>) -> Result<Response<Incoming>, PoolError> {
        request.headers_mut().entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        self.0.request(request).await
    }
}
