//! TLS on a listener, with certificates that are read again when their files change.
//!
//! Files that cannot be read or do not fit together stop the start; once running, they keep the old certificate in use and
//! are reported once per change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::time::Instant;
use tracing::{error, info};

use super::FileStamp;

/// How often handshakes look at the files.
const CHECK_EVERY: Duration = Duration::from_secs(2);

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
    /// TLS itself cannot be set up.
    #[error("cannot set up TLS")]
    Setup(#[source] rustls::Error),
}

/// TLS for a listener: what [`super::serve`] needs to accept it. Clones share the certificate.
#[derive(Clone)]
pub struct TlsListener {
    pub(super) acceptor: tokio_rustls::TlsAcceptor,
}

impl TlsListener {
    /// Reads the certificate chain and key, both PEM, and offers HTTP/2 and HTTP/1.1 with TLS 1.2 and 1.3.
    pub fn new(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let source = Reloading::new(certificate, key)?;
        let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(source));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: Arc::new(config).into() })
    }
}

impl std::fmt::Debug for TlsListener {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TlsListener")
    }
}

/// Answers handshakes with the newest certificate that could be read.
#[derive(Debug)]
struct Reloading {
    certificate: PathBuf,
    key: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    current: Arc<CertifiedKey>,
    stamps: Option<Stamps>,
    checked: Instant,
}

type Stamps = (FileStamp, FileStamp);

impl Reloading {
    fn new(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        // Stamps before contents: a change between the two is seen at the next check.
        let stamps = stamps(certificate, key);
        let current = Arc::new(load(certificate, key)?);
        let state = Mutex::new(State { current, stamps, checked: Instant::now() });
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), state })
    }

    fn current(&self, now: Instant) -> Arc<CertifiedKey> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(state.checked) >= CHECK_EVERY {
            state.checked = now;
            let stamps = stamps(&self.certificate, &self.key);
            if stamps != state.stamps {
                state.stamps = stamps;
                match load(&self.certificate, &self.key) {
                    Ok(loaded) => {
                        state.current = Arc::new(loaded);
                        info!(certificate = %self.certificate.display(), "certificate {} read again", self.certificate.display());
                    }
                    Err(cause) => error!(
                        error = &cause as &dyn std::error::Error,
                        "certificate {} changed and cannot be used, the previous one stays in use",
                        self.certificate.display()
                    ),
                }
            }
        }
        state.current.clone()
    }
}

impl ResolvesServerCert for Reloading {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current(Instant::now()))
    }
}

fn stamps(certificate: &Path, key: &Path) -> Option<Stamps> {
    Some((FileStamp::of(certificate).ok()?, FileStamp::of(key).ok()?))
}

fn load(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let read = |path: &Path| std::fs::read(path).map_err(|cause| TlsError::Read { path: path.to_owned(), cause });
    let pem = |path: &Path, what| {
        let path = path.to_owned();
        move |cause| TlsError::Pem { path, what, cause }
    };
    let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(pem(certificate, "certificate"))?;
    if chain.is_empty() {
        return Err(TlsError::Empty { path: certificate.to_owned() });
    }
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(pem(key, "key"))?;
    CertifiedKey::from_der(chain, private, &ring::default_provider()).map_err(|cause| TlsError::Mismatch {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        cause,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

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
        let source = Reloading::new(&certificate, &key).unwrap();
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
        assert!(matches!(TlsListener::new(&certificate, &key), Err(TlsError::Read { .. })));
        write_pair(directory.path());
        let other = tempfile::tempdir().unwrap();
        write_pair(other.path());
        assert!(matches!(
            TlsListener::new(&certificate, &other.path().join("tls.key")),
            Err(TlsError::Mismatch { .. })
        ));
        std::fs::write(&certificate, b"").unwrap();
        assert!(matches!(TlsListener::new(&certificate, &key), Err(TlsError::Empty { .. })));
    }
}
