//! Ways that lead elsewhere: redirects, token endpoints, and strangers' certificates.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use weir_scanner::oci::Digest;

use crate::support::{Answer, Ending, Image, Registry, Weir, get, noise, truth};

use super::{LENGTH, Liar, REPOSITORY, Seen, image};

#[tokio::test(flavor = "multi_thread")]
async fn redirects_that_go_round_end() {
    let liar = Liar::start(|ask, _, _| Some(Answer::new(307, &[("Location", ask.target.as_str())], b""))).await;
    let weir = Weir::over(&liar.registry.url()).await;
    liar.judge("a loop", &weir, Seen::Refused(502, "UNAVAILABLE")).await;

    let liar = Liar::start(|ask, _, _| {
        Some(Answer::new(302, &[("Location", &format!("{}?x={}", ask.path(), ask.target.len()))], b""))
    })
    .await;
    let weir = Weir::over(&liar.registry.url()).await;
    liar.judge("an endless row", &weir, Seen::Refused(502, "UNAVAILABLE")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_elsewhere_carry_no_credentials_and_lead_nowhere_private_unasked() {
    let bytes = noise(9, LENGTH);
    let image = Image::of_blobs(REPOSITORY, &[&bytes]);
    let images = vec![image.clone()];
    let storage = Registry::start(move |ask| truth(&images, ask)).await;
    let elsewhere = storage.url();
    let front = Registry::start(move |ask| match (ask.path(), ask.header("authorization")) {
        ("/v2/", _) => Answer::new(200, &[], b"{}"),
        (_, Some("Basic d2Vpcjp3b3Jk")) => {
            Answer::new(307, &[("Location", &format!("{elsewhere}{}?signature=1", ask.path()))], b"")
        }
        _ => Answer::new(401, &[("WWW-Authenticate", "Basic realm=\"front\"")], b"{}"),
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let password = directory.path().join("password");
    std::fs::write(&password, "word").unwrap();
    let url = front.url();
    let host = storage.address.to_string();
    let mut settings = vec![
        ("UPSTREAM__0__NAME", "docker.io"),
        ("UPSTREAM__0__URL", url.as_str()),
        ("UPSTREAM__0__USERNAME", "weir"),
        ("UPSTREAM__0__PASSWORD_FILE", password.to_str().unwrap()),
    ];
    let target = format!("/v2/{REPOSITORY}/blobs/{}", Digest::of(&bytes));

    let weir = Weir::start(&settings).await;
    let got = get(weir.mirror, &target).await;
    assert_eq!((got.status, got.code().as_str()), (502, "UNAVAILABLE"));
    assert_eq!(storage.asked().len(), 0, "a private place nobody allowed was contacted");
    weir.stop().await;

    settings.push(("UPSTREAM__0__REDIRECT_HOSTS", host.as_str()));
    let weir = Weir::start(&settings).await;
    let got = get(weir.mirror, &target).await;
    assert!(got.status == 200 && got.whole && got.body == bytes, "{}", got.status);
    assert!(!storage.asked().is_empty());
    assert!(storage.asked().iter().all(|ask| ask.header("authorization").is_none()), "credentials went elsewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn token_endpoints_fail_in_words_a_client_understands() {
    type TokenAnswer = fn() -> Answer;
    let cases: &[(&str, TokenAnswer, u16, &str)] = &[
        ("500", || Answer::new(500, &[], b"no"), 502, "UNAVAILABLE"),
        ("401", || Answer::new(401, &[], b"no"), 403, "DENIED"),
        ("403", || Answer::new(403, &[], b"no"), 403, "DENIED"),
        ("429", || Answer::new(429, &[("Retry-After", "60")], b"no"), 503, "UNAVAILABLE"),
        ("a page", || Answer::new(200, &[("Content-Type", "text/html")], b"<html></html>"), 502, "UNAVAILABLE"),
        ("no token", || Answer::new(200, &[], b"{}"), 502, "UNAVAILABLE"),
        ("a cut answer", || Answer::new(200, &[], b"{\"token\":\"abc\"}").cut(5), 502, "UNAVAILABLE"),
        ("silence", || Answer::raw(*b"", Ending::Close), 502, "UNAVAILABLE"),
    ];
    for (name, token, status, code) in cases {
        let (token, built) = (*token, image());
        let images = vec![Image::of(REPOSITORY, "1", &built)];
        let healed = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&healed);
        let registry = Registry::start(move |ask| {
            if ask.path() == "/token" {
                return if told.load(Ordering::SeqCst) {
                    Answer::new(200, &[], b"{\"token\":\"abc\"}")
                } else {
                    token()
                };
            }
            if ask.header("authorization") == Some("Bearer abc") {
                return truth(&images, ask);
            }
            let host = ask.header("host").unwrap();
            let challenge =
                format!("Bearer realm=\"http://{host}/token\",service=\"x\",scope=\"repository:{REPOSITORY}:pull\"");
            Answer::new(401, &[("WWW-Authenticate", &challenge)], b"{}")
        })
        .await;
        let weir = Weir::over(&registry.url()).await;
        let target = format!("/v2/{REPOSITORY}/manifests/1");
        let got = get(weir.mirror, &target).await;
        assert_eq!(
            (got.status, got.code().as_str()),
            (*status, *code),
            "{name}: {}",
            String::from_utf8_lossy(&got.body)
        );
        assert!(got.header("www-authenticate").is_none(), "{name}: weir's own challenge is nobody else's");
        healed.store(true, Ordering::SeqCst);
        let got = get(weir.mirror, &target).await;
        assert_eq!((got.status, got.body), (200, built.index.clone()), "{name}");
        weir.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_does_not_verify_ends_it() {
    let signed = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let spoken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&spoken);
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that trusts nobody here breaks the handshake off.
            if acceptor.accept(stream).await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let weir = Weir::over(&url).await;
    let got = get(weir.mirror, &format!("/v2/{REPOSITORY}/manifests/1")).await;
    assert_eq!((got.status, got.code().as_str()), (502, "UNAVAILABLE"));
    let cause = got.json()["errors"][0]["detail"]["cause"].as_str().unwrap().to_lowercase();
    assert!(cause.contains("certificate") || cause.contains("tls"), "{cause}");
    assert_eq!(spoken.load(Ordering::SeqCst), 0, "a request was sent to a stranger");
    task.abort();
}
