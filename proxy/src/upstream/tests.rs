//! The client over sockets, against servers that lie.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use weir_scanner::oci::{Digest, MAX_MANIFEST_BYTES, Repository, Selector, Tag};

use super::scripted::{After, Recorded, Reply, Scripted, answer};
use super::*;

const MANIFEST: &str = r#"{"schemaVersion":2}"#;
const TYPE: &str = "content-type: application/vnd.oci.image.manifest.v1+json\r\n";
const OWN: ClientAuth = ClientAuth::Own;

fn repository() -> Repository {
    Repository::parse("library/nginx").unwrap()
}

fn tag() -> Selector {
    Selector::Tag(Tag::parse("1.27").unwrap())
}

fn digest() -> Digest {
    Digest::of(b"hello")
}

fn settings(url: &str) -> UpstreamSettings {
    let retry = RetryPolicy {
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(2),
        ..RetryPolicy::default()
    };
    UpstreamSettings {
        name: "test".to_owned(),
        url: url.parse().unwrap(),
        limits: UpstreamLimits { retry, ..UpstreamLimits::default() },
        proxies: Arc::new(Matcher::builder().build()),
        ..UpstreamSettings::default()
    }
}

fn client(server: &Scripted) -> UpstreamClient {
    UpstreamClient::new(settings(&server.url(""))).unwrap()
}

async fn get(client: &UpstreamClient) -> Result<ManifestReply, UpstreamError> {
    client.manifest(&repository(), &tag(), Method::Get, "*/*", &OWN).await
}

/// What the client makes of one answer to a manifest GET, without retries.
async fn outcome(reply: Reply) -> Result<ManifestReply, UpstreamError> {
    let server = Scripted::start(move |_, _| reply.clone()).await;
    let mut settings = settings(&server.url(""));
    settings.limits.retry.attempts = 1;
    get(&UpstreamClient::new(settings).unwrap()).await
}

async fn whole(mut reply: BlobReply) -> Result<String, UpstreamError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = reply.chunk().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8(bytes).unwrap())
}

#[tokio::test]
async fn a_manifest_comes_as_it_is() {
    let stated = digest();
    let server = Scripted::start(move |request, _| {
        let headers = format!("{TYPE}docker-content-digest: {stated}\r\n");
        if request.line.starts_with("HEAD") {
            (format!("HTTP/1.1 200 OK\r\ncontent-length: 19\r\n{headers}\r\n"), After::Keep)
        } else {
            answer(200, &headers, MANIFEST)
        }
    })
    .await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut settings = settings(&server.url("/prefix/"));
    let log = seen.clone();
    settings.observer = Arc::new(move |upstream, code| log.lock().unwrap().push(format!("{upstream} {code}")));
    let client = UpstreamClient::new(settings).unwrap();
    assert!(server.requests().is_empty(), "nothing is contacted at construction");
    for (method, bytes) in [(Method::Head, ""), (Method::Get, MANIFEST)] {
        let reply = client.manifest(&repository(), &tag(), method, "application/json, */*", &OWN).await.unwrap();
        assert_eq!((reply.digest, reply.len, &reply.bytes[..]), (Some(digest()), Some(19), bytes.as_bytes()));
        assert_eq!(reply.media_type.as_str(), "application/vnd.oci.image.manifest.v1+json");
    }
    assert_eq!(
        server.lines(),
        ["HEAD /prefix/v2/library/nginx/manifests/1.27", "GET /prefix/v2/library/nginx/manifests/1.27"]
    );
    let request = &server.requests()[1];
    assert_eq!(request.header("accept"), "application/json, */*");
    assert_eq!(request.header("accept-encoding"), "identity");
    assert!(request.header("user-agent").starts_with("weir/"));
    assert_eq!(*seen.lock().unwrap(), ["test 200", "test 200"]);
}

#[tokio::test]
async fn a_digest_that_is_none_is_not_passed_on() {
    for header in ["", "docker-content-digest: sha256:abc\r\n"] {
        assert_eq!(outcome(answer(200, &format!("{TYPE}{header}"), MANIFEST)).await.unwrap().digest, None);
    }
    let own = outcome(answer(200, "", r#"{"mediaType":"application/x"}"#)).await.unwrap();
    assert_eq!(own.media_type.as_str(), "application/x", "without a Content-Type the manifest speaks for itself");
}

#[tokio::test]
async fn failures_are_told_apart() {
    let oci = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no\nsuch"}]}"#;
    let not_found =
        |reply| async { matches!(outcome(reply).await, Err(UpstreamError::NotFound { authoritative: true, .. })) };
    assert!(not_found(answer(404, "", oci)).await);
    assert!(not_found(answer(404, "docker-distribution-api-version: registry/2.0\r\n", "")).await);
    assert!(!not_found(answer(404, "content-type: text/html\r\n", "<html>")).await);

    let error = outcome(answer(403, "", oci)).await.unwrap_err();
    assert!(
        error.is_refusal()
            && error.fault() == Fault::Client
            && error.to_string().ends_with(": MANIFEST_UNKNOWN: nosuch"),
        "{error}"
    );
    let error = outcome(answer(429, "retry-after: 7\r\n", "")).await.unwrap_err();
    assert!(matches!(error, UpstreamError::RateLimited { after: Some(after), .. } if after == Duration::from_secs(7)));
    assert_eq!((error.fault(), error.retry()), (Fault::Upstream, Retry::After(Duration::from_secs(7))));
    for (status, heals) in
        [(300, false), (304, false), (400, false), (408, true), (500, true), (503, true), (507, false)]
    {
        let error =
            outcome((format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n"), After::Close)).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Status { status: shown, .. } if shown == status), "{error}");
        assert_eq!(error.may_heal(), heals, "{status}");
    }
    let error = outcome(answer(200, "content-type: Text/HTML; charset=utf-8\r\n", "<html>")).await.unwrap_err();
    assert!(matches!(&error, UpstreamError::NotRegistry { content_type, .. } if content_type == "text/html"));
    let error = outcome(("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), After::Close)).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Protocol { .. }), "{error:?}");
    let error = outcome((String::new(), After::Close)).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Cut { received: 0, .. }), "{error:?}");
    let error = outcome((format!("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n{TYPE}\r\nshort"), After::Close))
        .await
        .unwrap_err();
    assert!(matches!(error, UpstreamError::Cut { received: 5, .. }), "{error:?}");
}

#[tokio::test]
async fn nothing_over_a_manifests_size_is_held() {
    let error = outcome(answer(200, TYPE, &"x".repeat(MAX_MANIFEST_BYTES + 1))).await.unwrap_err();
    assert!(matches!(error, UpstreamError::TooLarge { .. }));
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{TYPE}\r\n{:x}\r\n{}",
        MAX_MANIFEST_BYTES + 1,
        "x".repeat(MAX_MANIFEST_BYTES + 1)
    );
    assert!(matches!(outcome((chunked, After::Stall)).await.unwrap_err(), UpstreamError::TooLarge { .. }));
}

#[tokio::test]
async fn transient_failures_are_retried_and_others_are_not() {
    for (status, tries) in
        [(408, 3), (429, 3), (500, 3), (502, 3), (503, 3), (504, 3), (400, 1), (403, 1), (404, 1), (501, 1)]
    {
        let server = Scripted::start(move |_, _| answer(status, "", "")).await;
        get(&client(&server)).await.unwrap_err();
        assert_eq!(server.requests().len(), tries, "{status}");
    }
    let server = Scripted::start(|_, before| match before {
        0 => answer(503, "retry-after: 0\r\n", ""),
        1 => (String::new(), After::Close),
        _ => answer(200, TYPE, MANIFEST),
    })
    .await;
    get(&client(&server)).await.unwrap();
    let server = Scripted::start(|_, _| answer(503, "retry-after: 60\r\n", "")).await;
    get(&client(&server)).await.unwrap_err();
    assert_eq!(server.requests().len(), 1, "a minute is not waited out");
}

#[tokio::test]
async fn the_breaker_opens_and_answers_at_once() {
    let server = Scripted::start(|_, before| if before < 2 { answer(404, "", "") } else { answer(500, "", "") }).await;
    let mut settings = settings(&server.url(""));
    settings.limits.retry.attempts = 1;
    settings.limits.breaker.failures = 3;
    let client = UpstreamClient::new(settings).unwrap();
    for _ in 0..5 {
        assert!(!matches!(get(&client).await, Err(UpstreamError::Unavailable { .. })));
    }
    let error = get(&client).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Unavailable { .. }) && error.fault() == Fault::Upstream && error.may_heal());
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn nobody_listening_is_a_connect_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = get(&UpstreamClient::new(settings(&url)).unwrap()).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Connect { .. }) && error.may_heal(), "{error:?}");
}

#[tokio::test]
async fn silence_ends_at_its_limit() {
    let quick = Duration::from_millis(30);
    let stall = |text: &str| {
        let text = text.to_owned();
        Scripted::start(move |_, _| (text.clone(), After::Stall))
    };
    let limited = |server: &Scripted| {
        let mut settings = settings(&server.url(""));
        settings.limits.retry.attempts = 1;
        (settings.limits.response_timeout, settings.limits.body_idle_timeout, settings.limits.small_body_timeout) =
            (quick * 10, quick, quick);
        UpstreamClient::new(settings).unwrap()
    };
    let server = stall("").await;
    assert!(matches!(get(&limited(&server)).await.unwrap_err(), UpstreamError::Timeout { stage: "answer", .. }));
    let server = stall("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345").await;
    assert!(matches!(get(&limited(&server)).await.unwrap_err(), UpstreamError::Timeout { stage: "whole body", .. }));
    let mut reply = limited(&server).blob(&repository(), &digest(), None, &OWN).await.unwrap();
    assert_eq!(reply.chunk().await.unwrap().unwrap(), "12345");
    assert!(matches!(reply.chunk().await.unwrap_err(), UpstreamError::Timeout { stage: "further bytes", .. }));
}

#[tokio::test]
async fn blobs_whole_and_in_part() {
    let server = Scripted::start(|request, _| match request.header("range") {
        "" => answer(200, "", "0123456789"),
        "bytes=4-" => answer(206, "content-range: bytes 4-9/10\r\n", "456789"),
        "bytes=5-" => answer(200, "", "0123456789"),
        "bytes=6-" => answer(206, "content-range: bytes 5-9/10\r\n", "56789"),
        "bytes=7-" => answer(206, "", "789"),
        _ => answer(416, "content-range: bytes */10\r\n", ""),
    })
    .await;
    let client = client(&server);
    for (from, start, body) in [(None, 0, "0123456789"), (Some(4), 4, "456789"), (Some(5), 0, "0123456789")] {
        let reply = client.blob(&repository(), &digest(), from, &OWN).await.unwrap();
        assert_eq!((reply.len, reply.start), (Some(10), start));
        assert_eq!(whole(reply).await.unwrap(), body);
    }
    for from in [6, 7] {
        assert!(matches!(
            client.blob(&repository(), &digest(), Some(from), &OWN).await,
            Err(UpstreamError::Protocol { .. })
        ));
    }
    let error = client.blob(&repository(), &digest(), Some(10), &OWN).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Status { status: 416, .. }) && error.fault() == Fault::Client);
}

#[tokio::test]
async fn a_cut_body_never_reads_as_whole() {
    for reply in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\n12345",
    ] {
        let server = Scripted::start(|_, _| (reply.to_owned(), After::Close)).await;
        let reply = client(&server).blob(&repository(), &digest(), None, &OWN).await.unwrap();
        let error = whole(reply).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Cut { received: 5, .. }) && error.may_heal(), "{error:?}");
    }
    let server = Scripted::start(|_, _| ("HTTP/1.1 200 OK\r\n\r\n12345".to_owned(), After::Close)).await;
    let reply = client(&server).blob(&repository(), &digest(), None, &OWN).await.unwrap();
    assert_eq!((reply.len, whole(reply).await.unwrap().as_str()), (None, "12345"));
    let encoded = outcome_of_blob("content-encoding: gzip\r\n").await;
    assert!(matches!(encoded, Err(UpstreamError::Protocol { .. })));
}

async fn outcome_of_blob(headers: &'static str) -> Result<BlobReply, UpstreamError> {
    let server = Scripted::start(move |_, _| answer(200, headers, "x")).await;
    client(&server).blob(&repository(), &digest(), None, &OWN).await
}

#[tokio::test]
async fn lists_carry_their_links() {
    let server = Scripted::start(|_, _| answer(200, "content-type: application/json\r\nlink: </x?last=b>; rel=\"next\"\r\noci-filters-applied: artifactType\r\n", "{}")).await;
    let client = client(&server);
    let tags = client.tags(&repository(), "n=2&last=a", &OWN).await.unwrap();
    assert_eq!(
        (tags.link.as_deref(), tags.filters_applied.as_deref()),
        (Some("</x?last=b>; rel=\"next\""), Some("artifactType"))
    );
    client.referrers(&repository(), &digest(), "", &OWN).await.unwrap();
    assert_eq!(
        server.lines(),
        [
            "GET /v2/library/nginx/tags/list?n=2&last=a".to_owned(),
            format!("GET /v2/library/nginx/referrers/{}", digest())
        ]
    );
}

// Redirects.

fn redirect(to: &str) -> Reply {
    answer(307, &format!("location: {to}\r\n"), "")
}

#[tokio::test]
async fn redirects_leave_the_credentials_behind() {
    let storage = Scripted::start(|_, _| answer(200, "", "hello")).await;
    let target = storage.url("/blob?signature=secret");
    let server = Scripted::start(
        move |request, _| if request.line.contains("/v2/") { redirect("/moved") } else { redirect(&target) },
    )
    .await;
    let mut settings = settings(&server.url(""));
    settings.redirect_hosts = vec![storage.address.to_string()];
    let client = UpstreamClient::new(settings).unwrap();
    let relayed = ClientAuth::Relayed(Some("Bearer mine".to_owned()));
    let reply = client.blob(&repository(), &digest(), None, &relayed).await.unwrap();
    assert_eq!(whole(reply).await.unwrap(), "hello");
    let sent: Vec<_> = server.requests().iter().map(|request| request.header("authorization").to_owned()).collect();
    assert_eq!(sent, ["Bearer mine", "Bearer mine"], "a relative redirect stays with the upstream");
    assert_eq!(storage.requests()[0].header("authorization"), "");
}

#[tokio::test]
async fn redirects_to_closed_places_are_refused() {
    let storage = Scripted::start(|_, _| answer(200, "", "hello")).await;
    for target in
        [storage.url("/x?token=secret"), format!("http://localhost:{}/x?token=secret", storage.address.port())]
    {
        let server = Scripted::start(move |_, _| redirect(&target)).await;
        let error = client(&server).blob(&repository(), &digest(), None, &OWN).await.unwrap_err();
        assert!(matches!(error, UpstreamError::ClosedAddress { never: false, .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
    assert!(storage.requests().is_empty());
    let server = Scripted::start(|_, _| redirect("http://169.254.169.254/latest/meta-data")).await;
    let mut settings = settings(&server.url(""));
    settings.redirect_hosts = vec!["169.254.0.0/16".to_owned()];
    let error = UpstreamClient::new(settings).unwrap().blob(&repository(), &digest(), None, &OWN).await.unwrap_err();
    assert!(matches!(error, UpstreamError::ClosedAddress { never: true, .. }), "{error:?}");
}

#[tokio::test]
async fn redirects_end() {
    let server = Scripted::start(|request, _| redirect(if request.line.ends_with("/a") { "/b" } else { "/a" })).await;
    let error = client(&server).blob(&repository(), &digest(), None, &OWN).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Redirect { refusal: RedirectRefusal::Loop, .. }));
    let server = Scripted::start(|_, before| redirect(&format!("/{before}"))).await;
    let error = client(&server).blob(&repository(), &digest(), None, &OWN).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Redirect { refusal: RedirectRefusal::TooMany(5), .. }));
    assert_eq!(server.requests().len(), 6);
}

// Credentials and tokens.

/// A registry that wants the tokens its own `/token` hands out, numbered, by `issue`.
async fn guarded(issue: impl Fn(&Recorded, usize) -> Reply + Send + Sync + 'static) -> Scripted {
    let issued = Mutex::new(0);
    Scripted::start(move |request, _| {
        let mut issued = issued.lock().unwrap();
        if request.line.starts_with("GET /token") {
            *issued += 1;
            return issue(request, *issued);
        }
        if *issued > 0 && request.header("authorization") == format!("Bearer t{issued}") {
            return answer(200, TYPE, MANIFEST);
        }
        let realm = format!("http://{}/token", request.header("host"));
        answer(401, &format!("www-authenticate: Bearer realm=\"{realm}\",service=\"s\",scope=\"repository:library/nginx:pull,push\"\r\n"), "")
    })
    .await
}

fn token(number: usize, lifetime: u64) -> Reply {
    answer(200, "", &format!(r#"{{"token":"t{number}","expires_in":{lifetime}}}"#))
}

#[tokio::test]
async fn a_token_is_fetched_once_and_held() {
    let server = guarded(|_, number| token(number, 300)).await;
    let client = client(&server);
    for _ in 0..3 {
        get(&client).await.unwrap();
    }
    let asked = "/token?service=s&scope=repository%3Alibrary%2Fnginx%3Apull";
    let manifest = "GET /v2/library/nginx/manifests/1.27";
    assert_eq!(server.lines(), [manifest, &format!("GET {asked}"), manifest, manifest, manifest]);
    let other = Repository::parse("other").unwrap();
    client.manifest(&other, &tag(), Method::Get, "*/*", &OWN).await.unwrap();
    assert!(
        server.lines().iter().any(|line| line.ends_with("scope=repository%3Aother%3Apull")),
        "each repository has its own"
    );
}

#[tokio::test]
async fn many_wait_for_one_token() {
    let server = guarded(|_, number| token(number, 300)).await;
    let client = client(&server);
    let tasks = crate::tasks::Tasks::new();
    let all: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            tasks.spawn("asker", async move { get(&client).await.map(|_| ()) })
        })
        .collect();
    for one in all {
        one.await.unwrap().unwrap();
    }
    assert_eq!(server.lines().iter().filter(|line| line.starts_with("GET /token")).count(), 1);
}

#[tokio::test]
async fn a_token_that_ends_or_is_refused_is_replaced_once() {
    let server = guarded(|_, number| token(number, 0)).await;
    let client = client(&server);
    get(&client).await.unwrap();
    get(&client).await.unwrap();
    assert_eq!(
        server.lines().iter().filter(|line| line.starts_with("GET /token")).count(),
        2,
        "renewed before the request"
    );
    assert_eq!(server.lines().len(), 5);

    // The endpoint always issues t1; the registry wants what it issued last, so a second token is refused as well.
    let server = guarded(|_, number| token(if number < 2 { number } else { 1 }, 300)).await;
    let client = self::client(&server);
    get(&client).await.unwrap();
    get(&client).await.unwrap();
    let forever = guarded(|_, _| token(9, 300)).await;
    let error = get(&self::client(&forever)).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Unauthorized { relayed: false, .. }));
    assert_eq!(forever.requests().len(), 3, "one retry");
}

#[tokio::test]
async fn own_credentials_go_to_the_realm_and_tokens_to_the_registry() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    std::fs::write(&file, "secret\n").unwrap();
    let server = guarded(|_, number| token(number, 300)).await;
    let mut settings = settings(&server.url(""));
    (settings.username, settings.password_file) = (Some("robot".to_owned()), Some(file.clone()));
    let client = UpstreamClient::new(settings).unwrap();
    get(&client).await.unwrap();
    let sent: Vec<_> = server.requests().iter().map(|request| request.header("authorization").to_owned()).collect();
    assert_eq!(sent, ["", "Basic cm9ib3Q6c2VjcmV0", "Bearer t1"]);
    std::fs::remove_file(&file).unwrap();
    let other = Repository::parse("other").unwrap();
    let error = client.manifest(&other, &tag(), Method::Get, "*/*", &OWN).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Credential { .. }) && error.fault() == Fault::Ours);
}

#[tokio::test]
async fn basic_challenges_are_answered() {
    let server = Scripted::start(|request, _| match request.header("authorization") {
        "Basic cm9ib3Q6" => answer(200, TYPE, MANIFEST),
        _ => answer(401, "www-authenticate: Basic realm=\"r\"\r\n", ""),
    })
    .await;
    let mut with_user = settings(&server.url(""));
    with_user.username = Some("robot".to_owned());
    let client = UpstreamClient::new(with_user).unwrap();
    get(&client).await.unwrap();
    get(&client).await.unwrap();
    assert_eq!(server.requests().len(), 3, "the second request brings them along");
    let error = get(&UpstreamClient::new(settings(&server.url(""))).unwrap()).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Unauthorized { .. }));
}

#[tokio::test]
async fn token_endpoints_may_fail_in_every_way() {
    for (reply, tries, refusal) in [
        (answer(401, "", ""), 1, true),
        (answer(403, "", ""), 1, true),
        (answer(404, "", ""), 1, false),
        (answer(503, "", ""), 3, false),
        (answer(302, "location: http://127.0.0.1:1/\r\n", ""), 1, false),
        (answer(200, "", "<html>"), 1, false),
        (answer(200, "", "{}"), 1, false),
        (answer(200, "", &"x".repeat(300_000)), 1, false),
        ((String::new(), After::Close), 3, false),
    ] {
        let shown = reply.0.chars().take(40).collect::<String>();
        let server = guarded(move |_, _| reply.clone()).await;
        let error = get(&client(&server)).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Token { .. }), "{shown}: {error:?}");
        assert_eq!(error.is_refusal(), refusal, "{shown}");
        let asked = server.lines().iter().filter(|line| line.starts_with("GET /token")).count();
        assert!(asked >= tries && asked <= tries * 2, "{shown}: {asked}");
    }
}

#[tokio::test]
async fn a_realm_elsewhere_gets_nothing_unless_listed() {
    let elsewhere = Scripted::start(|_, _| token(1, 300)).await;
    // Another host by name, the same machine: what lies under "localhost" is not what lies under an address.
    let realm = format!("http://localhost:{}/token?x=secret", elsewhere.address.port());
    let server = Scripted::start(move |request, _| match request.header("authorization") {
        "Bearer t1" => answer(200, TYPE, MANIFEST),
        _ => answer(401, &format!("www-authenticate: Bearer realm=\"{realm}\"\r\n"), ""),
    })
    .await;
    let mut own = settings(&server.url(""));
    own.username = Some("robot".to_owned());
    let error = get(&UpstreamClient::new(own.clone()).unwrap()).await.unwrap_err();
    assert!(
        matches!(error, UpstreamError::UntrustedRealm { .. }) && error.to_string().contains("token_hosts"),
        "{error}"
    );
    assert!(error.to_string().contains("localhost") && !error.to_string().contains("secret"));
    assert!(elsewhere.requests().is_empty());
    own.token_hosts = vec!["localhost".to_owned()];
    get(&UpstreamClient::new(own).unwrap()).await.unwrap();
    assert!(elsewhere.requests()[0].header("authorization").starts_with("Basic "));
}

#[tokio::test]
async fn the_clients_credentials_pass_through_and_challenges_come_back() {
    let server = guarded(|_, number| token(number, 300)).await;
    let client = client(&server);
    for relayed in [None, Some("Bearer wrong".to_owned())] {
        let auth = ClientAuth::Relayed(relayed.clone());
        let error = client.manifest(&repository(), &tag(), Method::Get, "*/*", &auth).await.unwrap_err();
        let UpstreamError::Unauthorized { challenges, relayed: true, .. } = &error else { panic!("{error:?}") };
        assert!(challenges[0].starts_with("Bearer realm="));
        assert_eq!(server.requests().last().unwrap().header("authorization"), relayed.as_deref().unwrap_or_default());
    }
    get(&client).await.unwrap();
    let anonymous = client.manifest(&repository(), &tag(), Method::Get, "*/*", &ClientAuth::Relayed(None)).await;
    assert!(anonymous.is_err(), "weir's own token is not lent to clients");
    assert_eq!(format!("{:?}", ClientAuth::Relayed(Some("Bearer x".to_owned()))), "Relayed(***)");
}

// TLS and proxies.

fn certificate(directory: &Path) -> tokio_rustls::TlsAcceptor {
    let pair = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned(), "registry.example".to_owned()]).unwrap();
    std::fs::write(directory.join("ca.pem"), pair.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(pair.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], key)
        .unwrap();
    Arc::new(config).into()
}

#[tokio::test]
async fn only_a_certificate_that_verifies_is_spoken_to() {
    let directory = tempfile::tempdir().unwrap();
    let server = Scripted::start_tls(certificate(directory.path()), |_, _| answer(200, TYPE, MANIFEST)).await;
    let error = get(&client(&server)).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Tls { .. }) && error.fault() == Fault::Upstream, "{error:?}");
    assert!(server.requests().is_empty());
    let mut trusting = settings(&server.url(""));
    trusting.ca_file = Some(directory.path().join("ca.pem"));
    get(&UpstreamClient::new(trusting).unwrap()).await.unwrap();

    let mut missing = settings(&server.url(""));
    missing.ca_file = Some(directory.path().join("none.pem"));
    assert!(matches!(UpstreamClient::new(missing), Err(InvalidUpstream::CaFile { .. })));
    let mut broken = settings(&server.url(""));
    broken.redirect_hosts = vec!["10.0.0.0/40".to_owned()];
    assert!(matches!(UpstreamClient::new(broken), Err(InvalidUpstream::RedirectHost(_))));
    assert!(matches!(UpstreamClient::new(settings("https://user:secret@r.example")), Err(InvalidUpstream::Url)));
}

#[tokio::test]
async fn https_goes_through_a_tunnel_and_names_are_the_proxys_to_look_up() {
    let directory = tempfile::tempdir().unwrap();
    let server = Scripted::start_tls(certificate(directory.path()), |_, _| answer(200, TYPE, MANIFEST)).await;
    let (address, seen) = (server.address, Arc::new(Mutex::new(BTreeMap::new())));
    let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy_url = format!("http://user:pw@{}", proxy.local_addr().unwrap());
    let tasks = crate::tasks::Tasks::new();
    let log = seen.clone();
    tasks.spawn("proxy", async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut client, _) = proxy.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        log.lock().unwrap().insert("head", String::from_utf8(head).unwrap());
        client.write_all(b"HTTP/1.1 200 Established\r\n\r\n").await.unwrap();
        let mut upstream = tokio::net::TcpStream::connect(address).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
    });
    let mut settings = settings("https://registry.example");
    settings.ca_file = Some(directory.path().join("ca.pem"));
    settings.proxies = Arc::new(Matcher::builder().https(proxy_url).build());
    get(&UpstreamClient::new(settings).unwrap()).await.unwrap();
    let head = seen.lock().unwrap()["head"].clone();
    assert!(head.starts_with("CONNECT registry.example:443 ") && head.contains("Basic dXNlcjpwdw=="), "{head}");
    assert_eq!(server.requests()[0].header("proxy-authorization"), "");
}

#[tokio::test]
async fn plain_http_is_spoken_to_the_proxy_itself() {
    let proxy = Scripted::start(|_, _| answer(200, TYPE, MANIFEST)).await;
    let mut settings = settings("http://registry.example");
    settings.proxies = Arc::new(Matcher::builder().http(format!("http://user:pw@{}", proxy.address)).build());
    get(&UpstreamClient::new(settings).unwrap()).await.unwrap();
    assert_eq!(proxy.lines(), ["GET http://registry.example/v2/library/nginx/manifests/1.27"]);
    assert_eq!(proxy.requests()[0].header("proxy-authorization"), "Basic dXNlcjpwdw==");
}
