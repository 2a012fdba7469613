//! `weir node` beside a real containerd whose CRI plugin pulls as the kubelet has it pull.
//!
//! What `weir node check` says is held against what containerd does with the same files.

mod files;
mod forms;
mod keeping;
mod runtime;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{Pace, ServerCertificate, Upstream, Weir};
use runtime::Runtime;

/// A registry that is nowhere: only weir can have its images. Nothing listens on its port, so that going past weir fails at once.
const REGISTRY: &str = "127.0.0.1:1";

/// weir before that registry, and the directory of everything.
struct Site {
    directory: tempfile::TempDir,
    upstream: Upstream,
    weir: Weir,
    url: String,
}

impl Site {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let upstream = Upstream::start();
        let url = upstream.url();
        let weir = Weir::start(directory.path(), &settings(&url));
        Self { directory, upstream, weir, url }
    }

    /// The same with TLS; answers with the file of the certificate too.
    fn start_tls() -> (Self, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let server = ServerCertificate::make(directory.path());
        let upstream = Upstream::start();
        let url = upstream.url();
        let (certificate, key) = (server.certificate.to_str().unwrap(), server.key.to_str().unwrap());
        let tls = [("LISTEN__TLS__CERTIFICATE", certificate), ("LISTEN__TLS__KEY", key)];
        let weir = Weir::start_tls(directory.path(), &[&settings(&url)[..], &tls].concat(), &server.trust);
        (Self { directory, upstream, weir, url }, server.certificate)
    }

    /// A path in the test's directory.
    fn place(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Holds a small image under `tag`; answers with its name.
    fn hold(&self, tag: &str) -> String {
        use weir_scanner::fixture::{ImageBuilder, LayerBuilder};
        let image =
            ImageBuilder::new().layer(LayerBuilder::new().dir("etc/").file("etc/motd", "weir\n").gzip()).build();
        let layer = &image.layers[0];
        self.upstream.hold(layer.media_type.as_str(), layer.bytes.clone(), Pace::Fast);
        self.upstream.hold("application/vnd.oci.image.config.v1+json", image.config.clone(), Pace::Fast);
        let manifest = image.manifest.clone();
        let manifest = self.upstream.hold("application/vnd.oci.image.manifest.v1+json", manifest, Pace::Fast);
        self.upstream.tag(tag, &manifest);
        format!("{REGISTRY}/team/small:{tag}")
    }

    /// `weir node COMMAND` for this containerd.
    fn node(&self, command: &str, runtime: &Runtime) -> Command {
        let mut node = Weir::command(&settings(&self.url));
        node.args(["node", command, "--containerd-config"]).arg(runtime.config());
        node.arg("--containerd-socket").arg(runtime.socket());
        node
    }

    /// `weir node setup` with the mirror's URL.
    fn setup(&self, runtime: &Runtime) -> Command {
        let mut setup = self.node("setup", runtime);
        setup.args(["--mirror", &self.weir.url()]);
        setup
    }

    /// What `weir node check` says, and whether it exits 0.
    #[track_caller]
    fn check(&self, runtime: &Runtime) -> (Value, bool) {
        let mut check = self.node("check", runtime);
        let output = check.args(["--format", "json", "--mirror", &self.weir.url()]).output().unwrap();
        let checked = serde_json::from_slice(&output.stdout);
        (checked.unwrap_or_else(|error| panic!("{error}: {}", said(&output))), output.status.success())
    }
}

fn settings(url: &str) -> [(&'static str, &str); 3] {
    [("UPSTREAM__0__NAME", REGISTRY), ("UPSTREAM__0__URL", url), ("ADVISORY__SOURCE", "/var/empty")]
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Codes of the findings of a check.
fn codes(checked: &Value) -> Vec<&str> {
    checked["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

/// Every path below a directory, with the contents of files.
fn tree(directory: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut tree = BTreeMap::new();
    let mut ahead = vec![directory.to_owned()];
    while let Some(directory) = ahead.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                ahead.push(path.clone());
            }
            tree.insert(path.clone(), std::fs::read(&path).ok());
        }
    }
    tree
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}
