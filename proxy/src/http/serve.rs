//! The accept loop and the life of one connection.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::client_certificate::node_name;
use super::{Body, TlsListener, empty};
use crate::tasks::{CatchPanic, Tasks, panic_message};

/// Pause after an accept that failed for want of a resource, such as file descriptors; trying at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Longest request line and headers together; also bounds what is buffered of a response before it is written.
const MAX_BUFFER: usize = 256 * 1024;
/// Most header bytes of one HTTP/2 request.
const MAX_HTTP2_HEADERS: u32 = 32 * 1024;
/// How often an HTTP/2 peer is asked whether it is still there.
const HTTP2_PING: Duration = Duration::from_secs(30);

/// Who is on the other side of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnInfo {
    /// The peer's address.
    pub peer: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// The node that the peer's verified certificate names, where it showed one.
    pub node: Option<Arc<str>>,
}

/// Limits of a listener.
#[derive(Clone, Copy, Debug)]
pub struct ServeLimits {
    /// Connections open at once; further ones wait in the system's backlog.
    pub max_connections: usize,
    /// How long a handshake, and the headers of one request, may take; an idle connection is closed after the same time.
    pub header_timeout: Duration,
    /// How long open responses may go on once shutdown has begun.
    pub grace: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self { max_connections: 4096, header_timeout: Duration::from_secs(30), grace: Duration::from_secs(30) }
    }
}

/// Accepts connections on `listener` and answers their requests by `service`, over HTTP/1.1 and HTTP/2, until `tasks` are
/// cancelled. Then accepting stops at once, idle connections close, open responses get `limits.grace`, and what is left is
/// cut. Returns when the last connection has closed.
///
/// A panic in the service answers 500 and closes the connection.
pub async fn serve<S, F>(listener: TcpListener, tls: Option<TlsListener>, limits: ServeLimits, tasks: Tasks, service: S)
where
    S: Fn(Request<Incoming>, ConnInfo) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let stop = tasks.token();
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    loop {
        let Some((slot, accepted)) = stop.run_until_cancelled(next_connection(&listener, &slots)).await else { break };
        let (stream, peer) = match accepted {
            Ok(connection) => connection,
            Err(cause) => {
                accept_failed(&cause, &stop).await;
                continue;
            }
        };
        let (tls, stop, service) = (tls.clone(), stop.clone(), service.clone());
        tasks.spawn("http-connection", async move {
            let _slot = slot;
            connection(stream, peer, tls, limits, stop, service).await;
        });
    }
    drop(listener);
    // Every connection ends within the grace by itself; taking all slots waits for the last of them.
    let all = u32::try_from(limits.max_connections).unwrap_or(u32::MAX);
    let _: Result<_, _> = slots.acquire_many(all).await;
}

async fn next_connection(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (tokio::sync::OwnedSemaphorePermit, io::Result<(TcpStream, SocketAddr)>) {
    let slot = slots.clone().acquire_owned().await.expect("open: nothing closes this semaphore");
    (slot, listener.accept().await)
}

/// Errors of one connection (reset before accept) are passed over; those of the process (no descriptors left) are waited out.
async fn accept_failed(cause: &io::Error, stop: &CancellationToken) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(cause.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
    warn!(error = cause as &dyn std::error::Error, "cannot accept a connection: {cause}");
    stop.run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE)).await;
}

async fn connection<S, F>(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsListener>,
    limits: ServeLimits,
    stop: CancellationToken,
    service: S,
) where
    S: Fn(Request<Incoming>, ConnInfo) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    // The last packet of a body must not wait for an acknowledgement of the one before (Nagle). Without the option the
    // connection still works.
    let _: io::Result<()> = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return exchange(stream, ConnInfo { peer, tls: false, node: None }, limits, stop, service).await;
    };
    let handshake = tokio::time::timeout(limits.header_timeout, tls.acceptor().accept(stream));
    match stop.run_until_cancelled(handshake).await {
        Some(Ok(Ok(stream))) => {
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let node = shown.and_then(node_name);
            exchange(stream, ConnInfo { peer, tls: true, node }, limits, stop, service).await;
        }
        Some(Ok(Err(cause))) => debug!(%peer, "TLS handshake with {peer} failed: {cause}"),
        Some(Err(_)) => debug!(%peer, "TLS handshake with {peer} took too long"),
        None => {}
    }
}

async fn exchange<I, S, F>(stream: I, info: ConnInfo, limits: ServeLimits, stop: CancellationToken, service: S)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Fn(Request<Incoming>, ConnInfo) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let asked = Arc::new(AtomicBool::new(false));
    let peer = info.peer;
    let answer = {
        let asked = asked.clone();
        service_fn(move |request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            let version = request.version();
            let future = service(request, info.clone());
            async move { Ok::<_, Infallible>(guarded(future, version).await) }
        })
    };
    let builder = builder(limits.header_timeout);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), answer));

    // hyper's header timeout starts only after it has told HTTP/1 from HTTP/2; a peer that never says a word is ours.
    let mut silence = std::pin::pin!(tokio::time::sleep(limits.header_timeout));
    let mut watching = true;
    loop {
        tokio::select! {
            outcome = connection.as_mut() => return ended(peer, outcome),
            () = silence.as_mut(), if watching => {
                watching = false;
                if !asked.load(Ordering::Relaxed) {
                    return;
                }
            }
            () = stop.cancelled() => break,
        }
    }
    connection.as_mut().graceful_shutdown();
    match tokio::time::timeout(limits.grace, connection).await {
        Ok(outcome) => ended(peer, outcome),
        Err(_) => {
            warn!(%peer, "connection of {peer} cut: still open at the end of the shutdown's grace")
        }
    }
}

fn builder(header_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(header_timeout).max_buf_size(MAX_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP2_PING)
        .max_header_list_size(MAX_HTTP2_HEADERS)
        .adaptive_window(true);
    builder
}

async fn guarded(future: impl Future<Output = Response<Body>>, version: Version) -> Response<Body> {
    CatchPanic::new(future).await.unwrap_or_else(|panic| {
        error!("request handler panicked: {}", panic_message(panic.as_ref()));
        let mut response = Response::new(empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        if version < Version::HTTP_2 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    })
}

/// Failures of single connections are everyday (clients leave, bodies are cut on purpose); the handler has logged the rest.
fn ended(peer: SocketAddr, outcome: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(cause) = outcome {
        debug!(%peer, "connection of {peer} ended: {cause}");
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::{BodyError, from_chunks, full};
    use super::*;

    const LIMITS: ServeLimits =
        ServeLimits { max_connections: 8, header_timeout: Duration::from_secs(20), grace: Duration::from_secs(20) };

    async fn start<S, F>(
        limits: ServeLimits,
        tls: Option<TlsListener>,
        service: S,
    ) -> (SocketAddr, Tasks, crate::tasks::Task<()>)
    where
        S: Fn(Request<Incoming>, ConnInfo) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = Tasks::new();
        let server = tasks.spawn("server", serve(listener, tls, limits, tasks.clone(), service));
        (address, tasks, server)
    }

    /// Sends `request` and reads until the server closes; a reset is an error here.
    async fn ask(address: SocketAddr, request: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    async fn hello(_: Request<Incoming>, _: ConnInfo) -> Response<Body> {
        Response::new(full("hello"))
    }

    const CLOSE: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    const KEEP: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    #[tokio::test]
    async fn answers_and_stops() {
        let (address, tasks, server) = start(LIMITS, None, hello).await;
        assert!(ask(address, CLOSE).await.unwrap().ends_with("hello"));
        // An idle kept-alive connection does not hold up the shutdown.
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(KEEP.as_bytes()).await.unwrap();
        let mut start = [0; 12];
        idle.read_exact(&mut start).await.unwrap();
        tasks.cancel();
        server.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
        assert_eq!(tasks.wait(Duration::from_secs(5)).await, Ok(()));
    }

    #[tokio::test]
    async fn a_failing_body_closes_short_without_reset() {
        let broken = |length| {
            move |_, _| async move {
                let next = |part: u32| async move {
                    // The writer gets to flush the first part before the second fails.
                    tokio::task::yield_now().await;
                    if part == 0 {
                        Ok(Some((Bytes::from_static(&[b'x'; 100_000]), 1)))
                    } else {
                        Err(BodyError::new("cut"))
                    }
                };
                Response::new(from_chunks(0, length, next))
            }
        };
        let (address, _tasks, _server) = start(LIMITS, None, broken(None)).await;
        let answer = ask(address, KEEP).await.expect("FIN, not RST");
        assert!(
            answer.contains("transfer-encoding: chunked") && !answer.ends_with("0\r\n\r\n"),
            "no terminating chunk"
        );
        assert_eq!(answer.matches('x').count(), 100_000, "what was written arrives");

        let (address, _tasks, _server) = start(LIMITS, None, broken(Some(200_000))).await;
        let answer = ask(address, KEEP).await.expect("FIN, not RST");
        assert!(answer.contains("content-length: 200000"));
        assert_eq!(answer.matches('x').count(), 100_000);
    }

    #[tokio::test]
    async fn a_panic_answers_500_and_closes() {
        let service = |request: Request<Incoming>, _| async move {
            assert!(request.uri().path() != "/panic", "on purpose");
            Response::new(empty())
        };
        let (address, _tasks, _server) = start(LIMITS, None, service).await;
        let answer = ask(address, "GET /panic HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 500") && answer.contains("connection: close"));
        assert!(ask(address, CLOSE).await.unwrap().starts_with("HTTP/1.1 200"), "the listener goes on");
    }

    #[tokio::test]
    async fn open_bodies_finish_within_the_grace_and_are_cut_after_it() {
        async fn case(limits: ServeLimits, finish: bool) -> usize {
            let gate = Arc::new(Semaphore::new(0));
            let service = {
                let gate = gate.clone();
                move |_, _| {
                    let gate = gate.clone();
                    async move {
                        let next = move |part: u32| {
                            let gate = gate.clone();
                            async move {
                                if part == 1 {
                                    gate.acquire().await.unwrap().forget();
                                }
                                Ok((part < 2).then(|| (Bytes::from_static(b"xxxx"), part + 1)))
                            }
                        };
                        Response::new(from_chunks(0, Some(8), next))
                    }
                }
            };
            let (address, tasks, server) = start(limits, None, service).await;
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(KEEP.as_bytes()).await.unwrap();
            let mut answer = vec![0; 1];
            while !answer.ends_with(b"xxxx") {
                answer.push(client.read_u8().await.unwrap());
            }
            tasks.cancel();
            if finish {
                gate.add_permits(1);
            }
            client.read_to_end(&mut answer).await.unwrap();
            server.await.unwrap();
            String::from_utf8_lossy(&answer).matches('x').count()
        }
        assert_eq!(case(LIMITS, true).await, 8);
        assert_eq!(case(ServeLimits { grace: Duration::from_millis(20), ..LIMITS }, false).await, 4);
    }

    #[tokio::test]
    async fn a_silent_or_dawdling_peer_is_closed() {
        let limits = ServeLimits { header_timeout: Duration::from_millis(50), ..LIMITS };
        let (address, _tasks, _server) = start(limits, None, hello).await;
        for start in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nhost:"] {
            let answer = ask(address, start).await.unwrap_or_default();
            assert!(!answer.contains("hello"), "{start:?} got {answer:?}");
        }
    }

    #[tokio::test]
    async fn connections_over_the_limit_wait() {
        let limits = ServeLimits { max_connections: 1, ..LIMITS };
        let (address, _tasks, _server) = start(limits, None, hello).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(KEEP.as_bytes()).await.unwrap();
        first.read_u8().await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(CLOSE.as_bytes()).await.unwrap();
        assert!(
            tokio::time::timeout(Duration::from_millis(20), second.read_u8()).await.is_err(),
            "it waits in the backlog"
        );
        drop(first);
        assert_eq!(second.read_u8().await.unwrap(), b'H');
    }

    fn write_pair(directory: &Path) -> rustls::pki_types::CertificateDer<'static> {
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(directory.join("tls.crt"), pair.cert.pem()).unwrap();
        std::fs::write(directory.join("tls.key"), pair.signing_key.serialize_pem()).unwrap();
        pair.cert.der().clone()
    }

    #[tokio::test]
    async fn tls_carries_both_versions() {
        let directory = tempfile::tempdir().unwrap();
        let certificate = write_pair(directory.path());
        let tls = TlsListener::new(&directory.path().join("tls.crt"), &directory.path().join("tls.key"), None).unwrap();
        let service = |request: Request<Incoming>, info: ConnInfo| async move {
            assert!(info.tls && info.peer.ip().is_loopback());
            Response::new(full(format!("{:?}", request.version())))
        };
        let (address, _tasks, _server) = start(LIMITS, Some(tls), service).await;
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate).unwrap();
        for (protocol, shown) in [("h2", "HTTP/2.0"), ("http/1.1", "HTTP/1.1")] {
            let mut config =
                rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                    .with_safe_default_protocol_versions()
                    .unwrap()
                    .with_root_certificates(roots.clone())
                    .with_no_client_auth();
            config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
            let tcp = TcpStream::connect(address).await.unwrap();
            let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
                .connect("localhost".try_into().unwrap(), tcp)
                .await
                .unwrap();
            let request = Request::get("https://localhost/").body(empty()).unwrap();
            let response = if protocol == "h2" {
                let (mut sender, connection) =
                    hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
                let _driver = _tasks.spawn("client", connection);
                sender.send_request(request).await.unwrap()
            } else {
                let (mut sender, connection) =
                    hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
                let _driver = _tasks.spawn("client", connection);
                sender.send_request(request).await.unwrap()
            };
            let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
            assert_eq!(body, shown);
        }
    }
}
