//! The demo image of `deploy/image`, and the truth about it as dpkg-query, pip and npm's own files tell it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use weir_scanner::oci::Digest;

use super::{checkout, run};

/// The image's directory, made by `deploy/image/make-image.sh`.
pub(crate) struct DemoImage {
    directory: PathBuf,
}

impl DemoImage {
    /// The image where it is there, else it is made: some minutes, once a machine.
    pub(crate) fn get() -> Self {
        let given = std::env::var_os("WEIR_IMAGE_DIR").map(PathBuf::from);
        let directory = given.unwrap_or_else(|| cache().join("weir/image"));
        run(Command::new(checkout().join("deploy/image/make-image.sh")).arg(&directory));
        Self { directory }
    }

    /// An OCI layout of it with a tag, as skopeo names it: `("oci", "1")`, `("oci", "multi")`, `("oci-zstd", "1")`.
    pub(crate) fn layout(&self, name: &str, tag: &str) -> String {
        format!("{}:{tag}", self.directory.join(name).display())
    }

    /// What a tag of a layout names.
    pub(crate) fn digest(&self, layout: &str, tag: &str) -> Digest {
        let index: Value = self.document(layout, "index.json");
        let entries = index["manifests"].as_array().unwrap();
        let named = |entry: &&Value| entry["annotations"]["org.opencontainers.image.ref.name"] == tag;
        Digest::parse(entries.iter().find(named).unwrap()["digest"].as_str().unwrap()).unwrap()
    }

    /// A JSON blob of a layout.
    pub(crate) fn blob(&self, layout: &str, digest: &Digest) -> Value {
        self.document(layout, &format!("blobs/{}/{}", digest.algorithm().name(), digest.hex()))
    }

    /// The blobs of a layout, as files.
    pub(crate) fn blobs(&self, layout: &str) -> Vec<PathBuf> {
        let blobs = self.directory.join(layout).join("blobs/sha256").canonicalize().unwrap();
        std::fs::read_dir(blobs).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// The size of a blob of a layout.
    pub(crate) fn size(&self, layout: &str, digest: &Digest) -> u64 {
        let file = self.directory.join(layout).join("blobs").join(digest.algorithm().name()).join(digest.hex());
        file.metadata().unwrap().len()
    }

    /// Sizes of the configuration and the layers of tag `1`, as its manifest states them.
    pub(crate) fn blob_sizes(&self, layout: &str) -> Vec<u64> {
        let manifest = self.blob(layout, &self.digest(layout, "1"));
        let layers = manifest["layers"].as_array().unwrap().iter();
        layers.chain([&manifest["config"]]).map(|blob| blob["size"].as_u64().unwrap()).collect()
    }

    /// The installed Debian packages: name, version, architecture, source package, its version.
    pub(crate) fn debian(&self) -> BTreeSet<Vec<String>> {
        self.truth("dpkg")
    }

    /// The Python packages: name as PyPI's index spells it (PEP 503), version.
    pub(crate) fn python(&self) -> BTreeSet<Vec<String>> {
        let spell = |name: &str| name.to_ascii_lowercase().replace(['_', '.'], "-");
        self.truth("pip").into_iter().map(|row| vec![spell(&row[0]), row[1].clone()]).collect()
    }

    /// The packages directly under a `node_modules` folder: name, version. One that lies there twice counts once.
    pub(crate) fn npm(&self) -> BTreeSet<Vec<String>> {
        self.truth("npm")
    }

    fn truth(&self, name: &str) -> BTreeSet<Vec<String>> {
        let text = std::fs::read_to_string(self.directory.join(format!("truth/{name}.tsv"))).unwrap();
        text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    }

    fn document(&self, layout: &str, path: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.directory.join(layout).join(path)).unwrap()).unwrap()
    }
}

fn cache() -> PathBuf {
    let given = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    given.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache"))
}
