//! TLS on a listener, with certificates and authorities that are read again when their files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::client_certificate;
use super::reload::Reloaded;

/// Why a certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// A file holds no PEM of the kind it should, or a broken one.
    #[error("{path} holds no usable PEM {what}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// `certificate` or `key`.
        what: &'static str,
        /// Why.
        #[source]
        cause: rustls::pki_types::pem::Error,
    },
    /// The file holds no certificate at all.
    #[error("{path} holds no certificate")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The key cannot be used, or does not belong to the certificate.
    #[error("certificate {certificate} and key {key} cannot be used together")]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        #[source]
        cause: rustls::Error,
    },
    /// The file's certificates are none that can vouch for clients.
    #[error("{path} holds no usable certificate authority")]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// TLS itself cannot be set up.
    #[error("cannot set up TLS")]
    Setup(#[source] rustls::Error),
}

/// TLS for a listener: what [`super::serve`] needs to accept it. Clones share certificate and authorities.
#[derive(Clone)]
pub struct TlsListener {
    source: Source,
    certificate: Arc<Reloading>,
}

#[derive(Clone)]
enum Source {
    /// Clients are asked for nothing.
    Plain(TlsAcceptor),
    /// Clients may show a certificate of an authority in a file that may change. An acceptor made anew begins without the
    /// sessions of the one before, so that nobody resumes one that an authority since removed had opened.
    Asking(Arc<Reloaded<TlsAcceptor>>),
}

impl TlsListener {
    /// Reads the certificate chain and key, both PEM, and offers HTTP/2 and HTTP/1.1 with TLS 1.2 and 1.3. Where `client_ca`
    /// names a file of authorities, clients may show a certificate, and one that these did not sign ends the handshake.
    ///
    /// # Errors
    /// A file cannot be read or used.
    pub fn new(certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Self, TlsError> {
        let resolver = Arc::new(Reloading(pair(certificate, key)?));
        let source = match client_ca {
            None => Source::Plain(acceptor(Arc::clone(&resolver), WebPkiClientVerifier::no_client_auth())?),
            Some(path) => {
                let (file, resolver) = (path.to_owned(), Arc::clone(&resolver));
                let load = move || acceptor(Arc::clone(&resolver), client_certificate::verifier(&file)?);
                Source::Asking(Arc::new(Reloaded::new(&[path], load)?))
            }
        };
        Ok(Self { source, certificate: resolver })
    }

    /// When the first certificate of the chain that is shown now ceases to be valid, seconds since the epoch (RFC 5280, section 4.1.2.5).
    /// `None` where none of them can be read.
    pub fn not_after(&self) -> Option<i64> {
        let ends = |certificate: &CertificateDer<'_>| {
            let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
            Some(certificate.validity().not_after.timestamp())
        };
        self.certificate.0.current(Instant::now()).cert.iter().filter_map(ends).min()
    }

    /// What accepts a connection now.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        match &self.source {
            Source::Plain(acceptor) => acceptor.clone(),
            Source::Asking(acceptor) => acceptor.current(Instant::now()),
        }
    }
}

impl std::fmt::Debug for TlsListener {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TlsListener")
    }
}

fn acceptor(resolver: Arc<Reloading>, clients: Arc<dyn ClientCertVerifier>) -> Result<TlsAcceptor, TlsError> {
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config).into())
}

/// Answers handshakes with the newest certificate that could be read.
#[derive(Debug)]
struct Reloading(Reloaded<Arc<CertifiedKey>>);

impl ResolvesServerCert for Reloading {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current(Instant::now()))
    }
}

fn pair(certificate: &Path, key: &Path) -> Result<Reloaded<Arc<CertifiedKey>>, TlsError> {
    let files = (certificate.to_owned(), key.to_owned());
    Reloaded::new(&[certificate, key], move || load(&files.0, &files.1).map(Arc::new))
}

fn load(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = read_certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|cause| TlsError::Pem {
        path: key.to_owned(),
        what: "key",
        cause,
    })?;
    CertifiedKey::from_der(chain, private, &ring::default_provider()).map_err(|cause| TlsError::Mismatch {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        cause,
    })
}

/// The certificates of a PEM file, at least one.
pub(super) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|cause| TlsError::Pem { path: path.to_owned(), what: "certificate", cause })?;
    if certificates.is_empty() {
        return Err(TlsError::Empty { path: path.to_owned() });
    }
    Ok(certificates)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|cause| TlsError::Read { path: path.to_owned(), cause })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use super::*;

    fn write_pair(directory: &Path) -> Vec<u8> {
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(directory.join("tls.crt"), pair.cert.pem()).unwrap();
        std::fs::write(directory.join("tls.key"), pair.signing_key.serialize_pem()).unwrap();
        pair.cert.der().to_vec()
    }

    #[tokio::test]
    async fn a_changed_pair_is_used_and_a_broken_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = (directory.path().join("tls.crt"), directory.path().join("tls.key"));
        let first = write_pair(directory.path());
        let source = pair(&certificate, &key).unwrap();
        let start = Instant::now();
        let shown = |seconds| source.current(start + Duration::from_secs(seconds)).cert[0].to_vec();
        assert_eq!(shown(3), first);

        let second = write_pair(directory.path());
        assert_eq!(shown(4), first, "files are looked at only every two seconds");
        assert_eq!(shown(6), second);

        std::fs::write(&certificate, b"not a certificate").unwrap();
        assert_eq!(shown(9), second);
        std::fs::remove_file(&certificate).unwrap();
        assert_eq!(shown(12), second);
        let third = write_pair(directory.path());
        assert_eq!(shown(15), third);
    }

    #[test]
    fn files_that_cannot_be_used_are_errors_at_start() {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = (directory.path().join("tls.crt"), directory.path().join("tls.key"));
        assert!(matches!(TlsListener::new(&certificate, &key, None), Err(TlsError::Read { .. })));
        write_pair(directory.path());
        let other = tempfile::tempdir().unwrap();
        write_pair(other.path());
        assert!(matches!(
            TlsListener::new(&certificate, &other.path().join("tls.key"), None),
            Err(TlsError::Mismatch { .. })
        ));
        let authorities = directory.path().join("nodes.pem");
        let asking = || TlsListener::new(&certificate, &key, Some(&authorities));
        assert!(matches!(asking(), Err(TlsError::Read { .. })));
        std::fs::write(&authorities, b"").unwrap();
        assert!(matches!(asking(), Err(TlsError::Empty { .. })));
        std::fs::write(&authorities, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(matches!(asking(), Err(TlsError::Authority { .. })));
        std::fs::write(&certificate, b"").unwrap();
        assert!(matches!(TlsListener::new(&certificate, &key, None), Err(TlsError::Empty { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_chain_is_that_of_its_first_certificate_to_end() {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = (directory.path().join("tls.crt"), directory.path().join("tls.key"));
        let write = |years: &[i32]| {
            let signing = rcgen::KeyPair::generate().unwrap();
            let of = |year: &i32| {
                let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
                params.not_after = rcgen::date_time_ymd(*year, 1, 1);
                params.self_signed(&signing).unwrap().pem()
            };
            std::fs::write(&certificate, years.iter().map(of).collect::<String>()).unwrap();
            std::fs::write(&key, signing.serialize_pem()).unwrap();
        };
        write(&[2040, 2035]);
        let tls = TlsListener::new(&certificate, &key, None).unwrap();
        assert_eq!(tls.not_after(), Some(2_051_222_400));
        write(&[2040]);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(tls.not_after(), Some(2_208_988_800));
    }

    /// An authority, and a certificate it signed for a kubelet of this node.
    fn authority_and_client(node: &str) -> (String, (CertificateDer<'static>, PrivateKeyDer<'static>)) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = rcgen::CertifiedIssuer::self_signed(params, key).unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, format!("system:node:{node}"));
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let key = rcgen::KeyPair::generate().unwrap();
        let client = params.signed_by(&key, &authority).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (authority.pem(), (client.der().clone(), key))
    }

    /// What the listener learns of a client with this certificate; `Err` where the handshake fails.
    async fn shown(
        tls: &TlsListener,
        server: &[u8],
        client: Option<&(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    ) -> Result<Option<Arc<str>>, std::io::Error> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from(server.to_vec())).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match client {
            Some((certificate, key)) => {
                config.with_client_auth_cert(vec![certificate.clone()], key.clone_key()).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        let (near, far) = tokio::io::duplex(16_384);
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let (accepted, _connected) =
            tokio::join!(tls.acceptor().accept(near), connector.connect("localhost".try_into().unwrap(), far));
        let accepted = accepted?;
        let certificates = accepted.get_ref().1.peer_certificates();
        Ok(certificates.and_then(<[_]>::first).and_then(client_certificate::node_name))
    }

    #[tokio::test(start_paused = true)]
    async fn clients_may_show_a_certificate_and_a_bad_one_ends_the_handshake() {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = (directory.path().join("tls.crt"), directory.path().join("tls.key"));
        let authorities = directory.path().join("nodes.pem");
        let server = write_pair(directory.path());
        let ((first, client), (second, other)) = (authority_and_client("worker-1"), authority_and_client("worker-2"));
        std::fs::write(&authorities, &first).unwrap();
        let tls = TlsListener::new(&certificate, &key, Some(&authorities)).unwrap();
        assert_eq!(shown(&tls, &server, Some(&client)).await.unwrap().as_deref(), Some("worker-1"));
        assert_eq!(shown(&tls, &server, None).await.unwrap(), None);
        assert!(shown(&tls, &server, Some(&other)).await.is_err(), "signed by nobody known");

        // The file changes, and so does who is believed; one that cannot be used changes nothing.
        std::fs::write(&authorities, &second).unwrap();
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(shown(&tls, &server, Some(&other)).await.unwrap().as_deref(), Some("worker-2"));
        assert!(shown(&tls, &server, Some(&client)).await.is_err(), "its authority was removed");
        std::fs::write(&authorities, b"").unwrap();
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(shown(&tls, &server, Some(&other)).await.unwrap().as_deref(), Some("worker-2"));

        // Without authorities nobody is asked, and a certificate is not even sent.
        let plain = TlsListener::new(&certificate, &key, None).unwrap();
        assert_eq!(shown(&plain, &server, Some(&other)).await.unwrap(), None);
    }
}
