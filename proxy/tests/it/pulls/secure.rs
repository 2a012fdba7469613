//! Nodes that show a certificate of their own.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_proxy::app::Overrides;

use crate::scan::image;
use crate::support::{Image, Registry, Weir, eventually};

struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate as a kubelet has one.
fn kubelet(authority: &CertifiedIssuer<'_, KeyPair>, node: &str) -> Certificate {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::OrganizationName, "system:nodes");
    params.distinguished_name.push(DnType::CommonName, format!("system:node:{node}"));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let chain = vec![params.signed_by(&key, authority).unwrap().der().clone()];
    Certificate { chain, key: PrivateKeyDer::try_from(key.serialize_der()).unwrap() }
}

/// GET over TLS; the body as JSON where the answer is 200.
async fn get(
    address: SocketAddr,
    server: &CertificateDer<'static>,
    client: Option<&Certificate>,
    target: &str,
    headers: &str,
) -> Option<Value> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(server.clone()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match client {
        Some(client) => config.with_client_auth_cert(client.chain.clone(), client.key.clone_key()).unwrap(),
        None => config.with_no_client_auth(),
    };
    let stream = TcpStream::connect(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    // With TLS 1.3 a refused certificate shows at the first read.
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.ok()?;
    let request = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| serde_json::from_str(body).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_names_the_node_and_none_is_needed() {
    let image = image();
    let registry = Registry::with_images(&[&Image::of("team/app", "1", &image)], |_| None).await;
    let directory = tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).display().to_string();
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let nodes = authority();
    std::fs::write(file("tls.crt"), pair.cert.pem()).unwrap();
    std::fs::write(file("tls.key"), pair.signing_key.serialize_pem()).unwrap();
    std::fs::write(file("nodes.pem"), nodes.pem()).unwrap();
    let (server, url) = (pair.cert.der().clone(), registry.url());
    let (certificate, key, client_ca) = (file("tls.crt"), file("tls.key"), file("nodes.pem"));
    let settings = [
        ("UPSTREAM__0__NAME", "docker.io"),
        ("UPSTREAM__0__URL", url.as_str()),
        ("LISTEN__TLS__CERTIFICATE", certificate.as_str()),
        ("LISTEN__TLS__KEY", key.as_str()),
        ("LISTEN__TLS__CLIENT_CA", client_ca.as_str()),
    ];
    let weir = Weir::start_with(tempdir().unwrap(), &settings, Overrides::default()).await;
    let tag = "/v2/team/app/manifests/1";
    let header = "x-weir-node: impostor\r\n";
    let (known, stranger) = (kubelet(&nodes, "worker-1"), kubelet(&authority(), "worker-2"));
    assert!(get(weir.mirror, &server, Some(&known), tag, header).await.is_some());
    assert!(get(weir.mirror, &server, None, tag, "").await.is_some());
    assert_eq!(get(weir.mirror, &server, Some(&stranger), tag, "").await, None, "signed by nobody weir knows");
    // The report asks nobody for a certificate, so a stranger's is not even looked at.
    let listed = eventually("both pulls", || async {
        let page = get(weir.report, &server, Some(&stranger), "/api/v1/pulls", "").await.unwrap();
        let items = page["items"].as_array().unwrap().clone();
        (items.len() == 2).then_some(items)
    })
    .await;
    let named: Vec<_> = listed.iter().map(|pull| (&pull["node"], pull["node_source"].as_str().unwrap())).collect();
    assert_eq!(named, [(&Value::Null, "unknown"), (&"worker-1".into(), "certificate")]);
}
