//! What is there on the node: containerd's version, its configuration, and the directories it looks into.

use std::path::{Path, PathBuf};

use super::PlaceArgs;
use super::finding::{Code, Finding, Level};
use super::record::{self, Outcome, Record};
use super::root::HostRoot;
use super::runtime::{self, ConfigPath, Places};
use super::version::{self, Version};

/// Where weir's record may be besides the directories in use: the configuration may have changed since.
const USUAL: [&str; 3] = [
    "/etc/containerd/certs.d",
    "/var/lib/rancher/k3s/agent/etc/containerd/certs.d",
    "/var/lib/rancher/rke2/agent/etc/containerd/certs.d",
];

/// A node before anything is judged.
pub(super) struct Survey {
    pub(super) root: HostRoot,
    pub(super) version: Option<Version>,
    pub(super) config_files: Vec<PathBuf>,
    pub(super) config_path: Option<ConfigPath>,
    pub(super) sandbox_image: Option<String>,
    /// The directories that containerd looks into, in its order.
    pub(super) directories: Vec<PathBuf>,
    /// The one that weir writes into.
    certs_d: Option<PathBuf>,
    /// What is wrong with containerd and its configuration.
    pub(super) findings: Vec<Finding>,
}

impl Survey {
    pub(super) async fn of(args: &PlaceArgs) -> Self {
        let root = args.root();
        let places = Places::of(&root);
        let given = |path: &Option<PathBuf>| path.as_ref().map(|path| args.on_node(path));
        let socket = given(&args.containerd_socket).unwrap_or_else(|| places.socket.into());
        let config = given(&args.containerd_config).unwrap_or_else(|| places.config.into());
        let certs_d = given(&args.certs_d);
        let mut findings = Vec::new();
        let answer = match root.place(&socket) {
            Ok(place) => version::ask(&place).await,
            Err(error) => Err(error.to_string()),
        };
        let version = answer.map_err(|error| {
            let detail = format!(
                "{}: {error}; its version is unknown, and what depends on it is told as possible; --containerd-socket \
                 names another",
                socket.display()
            );
            findings.push(Finding::warning(Code::ContainerdUnreachable, detail));
        });
        let version = version.ok();
        let found = runtime::read(&root, &config, version.as_ref());
        findings.extend(found.findings);
        let mut directories = found.config_path.as_ref().map_or_else(Vec::new, |path| path.directories.clone());
        if let Some(certs_d) = &certs_d {
            if found.files.is_empty() {
                // There is no configuration to see, and the command line says what is in it.
                findings.retain(|finding| finding.code != Code::ConfigPathMissing);
                directories = vec![certs_d.clone()];
            } else if !directories.is_empty() && !directories.contains(certs_d) {
                let detail = format!(
                    "--certs-d {}: containerd does not look there; its config_path is {:?}",
                    certs_d.display(),
                    found.config_path.as_ref().map_or("", |path| &path.text)
                );
                findings.push(Finding::error(Code::CertsDNotRead, detail));
            }
        }
        Self {
            certs_d: certs_d.or_else(|| directories.first().cloned()),
            root,
            version,
            config_files: found.files,
            config_path: found.config_path,
            sandbox_image: found.sandbox_image,
            directories,
            findings,
        }
    }

    /// Whether containerd reads its directories as far as its configuration goes.
    pub(super) fn is_read(&self) -> bool {
        !self.directories.is_empty() && self.findings.iter().all(|finding| finding.level != Level::Error)
    }

    /// The directory to write into; `None` where containerd would not read it.
    pub(super) fn writable(&self) -> Option<&Path> {
        self.certs_d.as_deref().filter(|_| self.is_read())
    }

    /// Where weir wrote, and its record.
    pub(super) fn record(&self) -> anyhow::Result<Option<(PathBuf, Record)>> {
        let usual = USUAL.iter().map(PathBuf::from);
        for directory in self.certs_d.iter().cloned().chain(self.directories.iter().cloned()).chain(usual) {
            if let Some(record) = Record::load(&self.root, &directory)? {
                return Ok(Some((directory, record)));
            }
        }
        Ok(None)
    }

    /// Takes back what weir wrote; `None` where it wrote nothing.
    pub(super) fn remove(&self) -> anyhow::Result<Option<Outcome>> {
        match self.record()? {
            Some((directory, _)) => record::remove(&self.root, &directory),
            None => Ok(None),
        }
    }
}
