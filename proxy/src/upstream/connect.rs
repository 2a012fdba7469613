//! Opens connections: name lookup, the address policy, proxies, TCP and TLS, all within one timeout.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;
use tower_service::Service;

use super::Cause;
use super::address::{AddressPolicy, Closed, literal};
use super::roots::{Protocols, Roots};

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("{host} is at {address}, which is not open")]
    Closed { host: String, address: IpAddr, never: bool },
    #[error("cannot look up {host}")]
    Lookup {
        host: String,
        #[source]
        cause: Cause,
    },
    #[error("cannot reach {host}")]
    Tcp {
        host: String,
        #[source]
        cause: Cause,
    },
    #[error("proxy {proxy} does not connect to {host}")]
    Proxy {
        proxy: String,
        host: String,
        #[source]
        cause: Cause,
    },
    #[error("{host} does not prove its identity")]
    Tls {
        host: String,
        #[source]
        cause: Cause,
    },
    #[error("no connection within {0:?}")]
    Timeout(Duration),
}

/// Opens connections for one pool.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) policy: Arc<AddressPolicy>,
    pub(crate) proxies: Arc<Matcher>,
    pub(crate) roots: Arc<Roots>,
    pub(crate) protocols: Protocols,
    pub(crate) timeout: Duration,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let limit = connector.timeout;
            tokio::time::timeout(limit, connector.connect(uri))
                .await
                .unwrap_or(Err(ConnectError::Timeout(limit)))
                .map(TokioIo::new)
        })
    }
}

impl Connector {
    async fn connect(&self, uri: Uri) -> Result<Stream, ConnectError> {
        let https = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default().to_owned();
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        if let Some(address) = literal(&host) {
            self.check(&host, port, address)?;
        }
        let (tcp, proxied) = match self.proxies.intercept(&uri) {
            Some(proxy) => (by_proxy(&proxy, uri, &host, https).await?, true),
            None => (self.direct(uri, &host, port).await?, false),
        };
        if !https {
            return Ok(Stream { io: Io::Plain(tcp), proxied });
        }
        let tls = |cause: Cause| ConnectError::Tls { host: host.clone(), cause };
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).map_err(|cause| tls(Arc::new(cause)))?;
        let config = self.roots.config(self.protocols, Instant::now());
        let stream =
            tokio_rustls::TlsConnector::from(config).connect(name, tcp).await.map_err(|cause| tls(Arc::new(cause)))?;
        // Inside the tunnel the exchange is with the upstream itself.
        Ok(Stream { io: Io::Tls(Box::new(stream)), proxied: false })
    }

    fn check(&self, host: &str, port: u16, address: IpAddr) -> Result<(), ConnectError> {
        self.policy.check(host, port, address).map_err(|closed| ConnectError::Closed {
            host: host.to_owned(),
            address,
            never: closed == Closed::LinkLocal,
        })
    }

    /// Looks the name up and connects to what it stands for and is open. The addresses checked are the addresses used, so a
    /// name that changes its mind between the two gains nothing.
    async fn direct(&self, uri: Uri, host: &str, port: u16) -> Result<TcpStream, ConnectError> {
        let mut open = Vec::new();
        if literal(host).is_none() {
            let found = tokio::net::lookup_host((host, port))
                .await
                .map_err(|cause| ConnectError::Lookup { host: host.to_owned(), cause: Arc::new(cause) })?;
            let mut refused = None;
            for address in found {
                match self.check(host, port, address.ip()) {
                    Ok(()) => open.push(address),
                    Err(error) => refused = Some(error),
                }
            }
            if let (true, Some(error)) = (open.is_empty(), refused) {
                return Err(error);
            }
        }
        let mut connector = HttpConnector::new_with_resolver(Checked(open));
        connector.enforce_http(false);
        connector.set_nodelay(true);
        let stream = connector
            .call(uri)
            .await
            .map_err(|cause| ConnectError::Tcp { host: host.to_owned(), cause: Arc::new(cause) })?;
        Ok(stream.into_inner())
    }
}

/// Through a tunnel for HTTPS (the proxy looks names up, so only literal addresses were checked); plain HTTP is spoken to
/// the proxy itself, which reads the target from the request line.
async fn by_proxy(proxy: &Intercept, uri: Uri, host: &str, https: bool) -> Result<TcpStream, ConnectError> {
    let place = proxy
        .uri()
        .authority()
        .map_or_else(String::new, |authority| authority.as_str().rsplit('@').next().unwrap_or_default().to_owned());
    let failed = |cause: Cause| ConnectError::Proxy { proxy: place.clone(), host: host.to_owned(), cause };
    if proxy.uri().scheme_str() != Some("http") {
        return Err(failed(Arc::new(io::Error::other("only http:// proxies are supported"))));
    }
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let stream = if https {
        let mut tunnel = Tunnel::new(proxy.uri().clone(), connector);
        if let Some(credentials) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        tunnel.call(uri).await.map_err(|cause| failed(Arc::new(cause)))?
    } else {
        connector.call(proxy.uri().clone()).await.map_err(|cause| failed(Arc::new(cause)))?
    };
    Ok(stream.into_inner())
}

/// Addresses that are known already, in a resolver's clothes: the connector behind it races IPv6 and IPv4.
#[derive(Clone)]
struct Checked(Vec<SocketAddr>);

impl Service<Name> for Checked {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        std::future::ready(Ok(self.0.clone().into_iter()))
    }
}

/// A connection to an upstream or to the proxy before it.
pub(crate) struct Stream {
    io: Io,
    proxied: bool,
}

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new().proxy(self.proxied);
        match &self.io {
            Io::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => connected.negotiated_h2(),
            _ => connected,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Io::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_flush(context),
            Io::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
