//! The images of the console's world besides the demo image: small, each with something that the console has to tell.

use std::path::Path;

use serde_json::{Value, json};
use weir_scanner::fixture::{BuiltImage, BuiltLayer, ImageBuilder, LayerBuilder};
use weir_scanner::oci::{Digest, MediaType};

use crate::support::{Registry, layout_of, layout_of_index};

/// The images, as they were pushed.
pub(super) struct Images {
    /// The base of the shop, an image of its own.
    pub(super) base: BuiltImage,
    /// Django 3.2.12, an old lodash, and a Jinja2 that an upper layer removes.
    pub(super) shop_old: BuiltImage,
    /// The same on the same base, with a newer Django and lodash.
    pub(super) shop_new: BuiltImage,
    /// One of two platforms, and the index over both.
    pub(super) log_amd: BuiltImage,
    pub(super) log_arm: BuiltImage,
    pub(super) log_index: Digest,
    /// A file and nothing that could be matched.
    pub(super) empty: BuiltImage,
    /// Its only layer is no gzip, although it says so.
    pub(super) broken: BuiltImage,
    /// Its only layer is encrypted.
    pub(super) sealed: BuiltImage,
    /// Its configuration has no history.
    pub(super) plain: BuiltImage,
    /// Of another registry.
    pub(super) tool: BuiltImage,
    /// Of a chart of somebody else, pulled past weir.
    pub(super) chart: BuiltImage,
}

impl Images {
    /// How many images the report has in the end: these, the demo image, and the private one that nobody could fetch.
    pub(super) fn count(&self) -> usize {
        11 + 2
    }
}

const STATUS: &str = "\
Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nSource: glibc\nVersion: 2.36-9\n\n\
Package: openssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.9-1\n\n\
Package: tar\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.34+dfsg-1.2\n\n\
Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nSource: zlib\nVersion: 1:1.2.13.dfsg-1\n\n";

impl Images {
    /// Builds them and puts them into the registry.
    pub(super) fn push(directory: &Path, registry: &Registry) -> Self {
        let base = ImageBuilder::new().layer_by(debian(), "debootstrap bookworm");
        let shop = |django: &str, lodash: &str| {
            base.clone()
                .layer_by(
                    python(&[("Django", django), ("Pillow", "9.3.0"), ("Jinja2", "2.11.2")]),
                    "RUN pip install -r requirements.txt",
                )
                .layer_by(without_python("Jinja2", "2.11.2"), "RUN pip uninstall --yes Jinja2")
                .layer_by(npm("lodash", lodash), "COPY node_modules /srv/node_modules")
                .build()
        };
        let log = |architecture: &str| {
            let layer = python(&[("Werkzeug", if architecture == "arm64" { "2.0.3" } else { "3.0.3" })]);
            ImageBuilder::new()
                .platform("linux", architecture)
                .layer_by(system(), "ADD system /")
                .layer_by(layer, "RUN pip install werkzeug")
                .build()
        };
        let application = |name: &str, version: &str| {
            ImageBuilder::new()
                .layer_by(system(), "ADD system /")
                .layer_by(python(&[(name, version)]), "RUN pip install")
                .build()
        };
        let images = Self {
            shop_old: shop("3.2.12", "4.17.11"),
            shop_new: shop("3.2.25", "4.17.21"),
            base: base.build(),
            log_amd: log("amd64"),
            log_arm: log("arm64"),
            log_index: Digest::of(b""),
            empty: ImageBuilder::new()
                .layer_by(LayerBuilder::new().file("main", "nothing to match").gzip(), "COPY main /")
                .build(),
            broken: ImageBuilder::new().layer_by(broken_layer(), "COPY . /").build(),
            sealed: ImageBuilder::new().layer_by(sealed_layer(), "COPY secret /").build(),
            plain: without_history(application("Pillow", "9.3.0")),
            tool: application("Jinja2", "2.11.2"),
            chart: application("Werkzeug", "2.0.3"),
        };
        images.push_all(directory, registry)
    }

    fn push_all(mut self, directory: &Path, registry: &Registry) -> Self {
        for (image, names) in [
            (&self.base, &["library/debian:12"][..]),
            (&self.shop_old, &["acme/shop:1.0", "acme/shop:1"]),
            (&self.shop_new, &["acme/shop:1.1", "acme/shop:latest"]),
            (&self.empty, &["acme/empty:1"]),
            (&self.broken, &["acme/broken:1"]),
            (&self.sealed, &["acme/sealed:1"]),
            (&self.plain, &["acme/plain:1"]),
            (&self.tool, &["team/tool:1"]),
            (&self.chart, &["vendor/chart:2"]),
        ] {
            let layout = layout_of(&directory.join(image.manifest_digest.hex()), image);
            names.iter().for_each(|name| registry.push(&layout, name));
        }
        let platforms = [("amd64", &self.log_amd), ("arm64", &self.log_arm)];
        let (layout, index) = layout_of_index(&directory.join("index"), &platforms);
        registry.push(&layout, "acme/log:1");
        self.log_index = index;
        self
    }
}

fn system() -> BuiltLayer {
    LayerBuilder::new().file("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n").gzip()
}

fn debian() -> BuiltLayer {
    let release = "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
    LayerBuilder::new().file("etc/os-release", release).file("var/lib/dpkg/status", STATUS).gzip()
}

fn metadata(name: &str, version: &str) -> String {
    format!("usr/local/lib/python3.11/site-packages/{name}-{version}.dist-info/METADATA")
}

fn python(packages: &[(&str, &str)]) -> BuiltLayer {
    let file = |layer: LayerBuilder, (name, version): &(&str, &str)| {
        layer.file(&metadata(name, version), format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"))
    };
    packages.iter().fold(LayerBuilder::new(), file).gzip()
}

fn without_python(name: &str, version: &str) -> BuiltLayer {
    LayerBuilder::new().whiteout(metadata(name, version).trim_end_matches("/METADATA")).gzip()
}

fn npm(name: &str, version: &str) -> BuiltLayer {
    let package = json!({"name": name, "version": version}).to_string();
    LayerBuilder::new().file(&format!("srv/node_modules/{name}/package.json"), package).gzip()
}

fn broken_layer() -> BuiltLayer {
    let layer = LayerBuilder::new().file("etc/hostname", "broken").gzip();
    let bytes = b"this is no gzip".to_vec();
    BuiltLayer { digest: Digest::of(&bytes), bytes, ..layer }
}

fn sealed_layer() -> BuiltLayer {
    let layer = LayerBuilder::new().file("secret", "sealed").gzip();
    BuiltLayer { media_type: MediaType::new("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"), ..layer }
}

/// The same image as a builder leaves it that records no commands.
fn without_history(image: BuiltImage) -> BuiltImage {
    let mut config: Value = serde_json::from_slice(&image.config).unwrap();
    config.as_object_mut().unwrap().remove("history");
    let config = config.to_string().into_bytes();
    let mut manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
    manifest["config"]["digest"] = json!(Digest::of(&config));
    manifest["config"]["size"] = json!(config.len());
    let manifest = manifest.to_string().into_bytes();
    BuiltImage { config_digest: Digest::of(&config), config, manifest_digest: Digest::of(&manifest), manifest, ..image }
}
