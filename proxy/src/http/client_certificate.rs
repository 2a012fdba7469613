//! Certificates that clients show: whom weir believes, and which node a certificate names.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::TlsError;
use super::tls::read_certificates;

/// What the common name of a kubelet's certificate begins with (Kubernetes, node authorization).
const KUBELET: &str = "system:node:";
/// Longest name taken from a certificate, in bytes: the longest name of a node.
const MAX_NAME: usize = 253;

/// A verifier of client certificates signed by an authority in the PEM file at `path`. Clients without one are let in.
///
/// # Errors
/// The file cannot be read, or holds no authority that can be used.
pub(super) fn verifier(path: &Path) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let unusable =
        |cause: Box<dyn std::error::Error + Send + Sync>| TlsError::Authority { path: path.to_owned(), cause };
    let mut roots = RootCertStore::empty();
    for authority in read_certificates(path)? {
        roots.add(authority).map_err(|cause| unusable(cause.into()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()))
        .allow_unauthenticated()
        .build()
        .map_err(|cause| unusable(cause.into()))
}

/// The node a verified certificate belongs to: a kubelet's common name `system:node:NAME` gives NAME; of others the first
/// DNS name counts, else the common name. `None` where there is none that could be a name.
pub(super) fn node_name(certificate: &CertificateDer<'_>) -> Option<Arc<str>> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let common = certificate.subject().iter_common_name().find_map(|name| name.as_str().ok());
    let name = match common.and_then(|name| name.strip_prefix(KUBELET)) {
        Some(kubelet) => kubelet,
        None => dns_name(&certificate).or(common)?,
    };
    let usable = !name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control);
    usable.then(|| name.into())
}

fn dns_name<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a str> {
    let names = certificate.subject_alternative_name().ok()??;
    names.value.general_names.iter().find_map(|name| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn named(common: &str, others: &[&str]) -> Option<String> {
        let mut params =
            CertificateParams::new(others.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if !common.is_empty() {
            params.distinguished_name.push(DnType::CommonName, common);
        }
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        node_name(certificate.der()).map(|name| name.to_string())
    }

    #[test]
    fn a_kubelet_is_its_node_and_others_are_their_dns_name() {
        let long = "n".repeat(300);
        for (common, others, node) in [
            ("system:node:worker-1", &["other.example"][..], Some("worker-1")),
            ("robot", &["10.0.0.1", "worker-2.example", "worker-3.example"], Some("worker-2.example")),
            ("worker-4", &[], Some("worker-4")),
            ("worker-5", &["10.0.0.1"], Some("worker-5")),
            ("system:node:", &["a.example"], None),
            ("a\nb", &[], None),
            (&long, &[], None),
            ("", &[], None),
        ] {
            assert_eq!(named(common, others).as_deref(), node, "{common:.20} {others:?}");
        }
        assert_eq!(node_name(&CertificateDer::from(vec![1, 2, 3])), None);
    }
}
