//! What is to be on the node: one `hosts.toml` for each upstream, and the authority they name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::super::hosts::{Hosts, origin};
use super::SetupArgs;
use super::record::Plan;

/// The authority's copy on the node, below `certs.d`.
pub(super) const AUTHORITY: &str = ".weir/ca.pem";

/// The files for `certs_d` of the node.
pub(super) fn plan(args: &SetupArgs, certs_d: &Path) -> anyhow::Result<Plan> {
    let config = args.config.load()?;
    for registry in &args.except {
        let known = config.upstreams.iter().any(|upstream| upstream.name == *registry);
        anyhow::ensure!(known, "--except {registry}: no upstream has that name");
    }
    let mut files = BTreeMap::new();
    let authority = certs_d.join(AUTHORITY);
    if let Some(ca) = &args.ca {
        files.insert(PathBuf::from(AUTHORITY), certificates(ca).with_context(|| format!("--ca {}", ca.display()))?);
    }
    let hosts = Hosts {
        mirror: &args.mirror,
        ca: args.ca.is_some().then_some(authority.as_path()),
        node: args.node.as_deref(),
        node_header: &config.cluster.node_header,
        only: args.only,
    };
    let mut registries = Vec::new();
    for upstream in config.upstreams.iter().filter(|upstream| !args.except.contains(&upstream.name)) {
        files.insert(Path::new(&upstream.name).join("hosts.toml"), hosts.text(&upstream.url).into_bytes());
        registries.push(upstream.name.clone());
    }
    anyhow::ensure!(!registries.is_empty(), "--except leaves no registry");
    Ok(Plan { mirror: origin(&args.mirror), only: args.only, registries, files, adopt: args.adopt })
}

fn certificates(path: &Path) -> anyhow::Result<Vec<u8>> {
    let pem = std::fs::read(path)?;
    let usable = CertificateDer::pem_slice_iter(&pem).any(|certificate| certificate.is_ok());
    anyhow::ensure!(usable, "it holds no certificate in PEM");
    Ok(pem)
}
