//! Certificates made for one test, and clients that believe them and nothing else.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;

/// What a conversation goes over.
pub(crate) trait Line: Read + Write + Send {}

impl<T: Read + Write + Send> Line for T {}

/// How a server is spoken to: over TLS where a certificate is to be believed, else in the clear.
#[derive(Clone, Default)]
pub(crate) struct Trust(Option<Arc<rustls::ClientConfig>>);

impl Trust {
    /// The scheme of URLs.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.0.is_some() { "https" } else { "http" }
    }

    /// A conversation over an open connection.
    ///
    /// # Errors
    /// TLS refuses the address as a name.
    pub(crate) fn over(&self, stream: TcpStream, address: SocketAddr) -> io::Result<Box<dyn Line>> {
        let Some(config) = &self.0 else { return Ok(Box::new(stream)) };
        let client =
            rustls::ClientConnection::new(Arc::clone(config), address.ip().into()).map_err(io::Error::other)?;
        Ok(Box::new(rustls::StreamOwned::new(client, stream)))
    }

    fn in_certificate(certificate: &CertificateDer<'static>) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self(Some(Arc::new(config)))
    }
}

/// A server's certificate for 127.0.0.1, which is its own authority.
pub(crate) struct ServerCertificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) trust: Trust,
}

impl ServerCertificate {
    /// Makes one in a directory.
    pub(crate) fn make(directory: &Path) -> Self {
        let pair = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let (certificate, key) = (directory.join("tls.crt"), directory.join("tls.key"));
        std::fs::write(&certificate, pair.cert.pem()).unwrap();
        std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
        Self { certificate, key, trust: Trust::in_certificate(pair.cert.der()) }
    }
}

/// The authority of a cluster's nodes.
pub(crate) struct NodeAuthority {
    directory: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl NodeAuthority {
    /// Makes one; what it issues lies in the directory.
    pub(crate) fn make(directory: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { directory: directory.to_owned(), issuer }
    }

    /// Its own certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        let file = self.directory.join("nodes.pem");
        std::fs::write(&file, self.issuer.pem()).unwrap();
        file
    }

    /// Certificate and key in one file, as a kubelet keeps them.
    pub(crate) fn kubelet(&self, node: &str) -> PathBuf {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::OrganizationName, "system:nodes");
        params.distinguished_name.push(DnType::CommonName, format!("system:node:{node}"));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let file = self.directory.join(format!("{node}.pem"));
        std::fs::write(&file, certificate.pem() + &key.serialize_pem()).unwrap();
        file
    }
}
