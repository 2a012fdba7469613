//! Who a server may prove itself by: the system's certificate authorities and the file of the settings, beside them or in their
//! place. The file is read again when it changes. A changed file that cannot be used leaves the previous authorities in place.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::InvalidUpstream;
use crate::http::FileStamp;

/// How often new connections look at the file.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// Which versions of HTTP a connection offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocols {
    Http1,
    Http2AndHttp1,
}

#[derive(Debug)]
pub(crate) struct Roots {
    upstream: String,
    ca_file: Option<PathBuf>,
    beside: Beside,
    state: Mutex<State>,
}

/// What the authorities of a file are added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// The system's.
    System,
    /// None: they count alone.
    Nothing,
}

#[derive(Debug)]
struct State {
    configs: Configs,
    stamp: Option<FileStamp>,
    checked: Instant,
}

#[derive(Clone, Debug)]
struct Configs {
    http1: Arc<ClientConfig>,
    both: Arc<ClientConfig>,
}

impl Roots {
    /// The system's authorities, and those of the file where there is one.
    pub(crate) fn new(upstream: &str, ca_file: Option<PathBuf>) -> Result<Self, InvalidUpstream> {
        Self::beside(upstream, ca_file, Beside::System)
    }

    /// The authorities of the file beside others; the system's where there is no file.
    pub(crate) fn beside(upstream: &str, ca_file: Option<PathBuf>, beside: Beside) -> Result<Self, InvalidUpstream> {
        // The stamp before the contents: a change between the two is seen at the next check.
        let stamp = ca_file.as_deref().and_then(|path| FileStamp::of(path).ok());
        let configs = configs(ca_file.as_deref(), beside)?;
        let state = Mutex::new(State { configs, stamp, checked: Instant::now() });
        Ok(Self { upstream: upstream.to_owned(), ca_file, beside, state })
    }

    /// The TLS settings for a connection opened now.
    pub(crate) fn config(&self, protocols: Protocols, now: Instant) -> Arc<ClientConfig> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = &self.ca_file
            && now.saturating_duration_since(state.checked) >= CHECK_EVERY
        {
            state.checked = now;
            let stamp = FileStamp::of(path).ok();
            if stamp != state.stamp {
                state.stamp = stamp;
                match configs(Some(path), self.beside) {
                    Ok(configs) => {
                        state.configs = configs;
                        info!(upstream = self.upstream, "ca_file {} read again", path.display());
                    }
                    Err(cause) => error!(
                        upstream = self.upstream,
                        error = &cause as &dyn std::error::Error,
                        "ca_file {} changed and cannot be used, the previous authorities stay in use",
                        path.display()
                    ),
                }
            }
        }
        match protocols {
            Protocols::Http1 => state.configs.http1.clone(),
            Protocols::Http2AndHttp1 => state.configs.both.clone(),
        }
    }
}

fn configs(ca_file: Option<&Path>, beside: Beside) -> Result<Configs, InvalidUpstream> {
    let roots = match ca_file {
        None => system_roots().clone(),
        Some(path) => {
            Arc::new(with_file(path, beside).map_err(|cause| InvalidUpstream::CaFile { path: path.to_owned(), cause })?)
        }
    };
    let http1 = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(InvalidUpstream::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (mut http1, mut both) = (http1.clone(), http1);
    http1.alpn_protocols = vec![b"http/1.1".to_vec()];
    both.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Configs { http1: Arc::new(http1), both: Arc::new(both) })
}

fn with_file(path: &Path, beside: Beside) -> Result<RootCertStore, Box<dyn std::error::Error + Send + Sync>> {
    let mut roots = match beside {
        Beside::System => RootCertStore::clone(system_roots()),
        Beside::Nothing => RootCertStore::empty(),
    };
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(&std::fs::read(path)?) {
        roots.add(certificate?)?;
    }
    if roots.len() == before { Err("it holds no certificate".into()) } else { Ok(roots) }
}

/// The system's authorities, read once and shared by all upstreams.
fn system_roots() -> &'static Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let loaded = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(loaded.certs);
        if roots.is_empty() {
            warn!("no certificate authorities found on this system; only upstreams with a ca_file can be verified");
        }
        Arc::new(roots)
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn certificate() -> String {
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().cert.pem()
    }

    #[tokio::test]
    async fn a_changed_file_counts_and_a_broken_one_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        assert!(matches!(Roots::new("a", Some(path.clone())), Err(InvalidUpstream::CaFile { .. })));
        std::fs::write(&path, "no certificate").unwrap();
        assert!(matches!(Roots::new("a", Some(path.clone())), Err(InvalidUpstream::CaFile { .. })));
        std::fs::write(&path, certificate()).unwrap();
        let roots = Roots::new("a", Some(path.clone())).unwrap();
        let start = Instant::now();
        let at = |seconds| roots.config(Protocols::Http1, start + Duration::from_secs(seconds));
        let first = at(0);
        std::fs::write(&path, certificate() + &certificate()).unwrap();
        assert!(Arc::ptr_eq(&first, &at(1)));
        let second = at(10);
        assert!(!Arc::ptr_eq(&first, &second));
        std::fs::write(&path, "broken").unwrap();
        assert!(Arc::ptr_eq(&second, &at(20)));
    }
}
