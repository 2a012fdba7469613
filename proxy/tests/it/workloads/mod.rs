//! What runs where, as weir tells it: a test API server, a registry, and weir between them, in one process.

mod bounds;
mod identity;
mod life;
mod owners;
mod posture;
mod stale;
mod unseen;

use std::path::Path;

use serde_json::{Value, json};
use weir_proxy::app::Overrides;
use weir_scanner::fixture::{BuiltImage, ImageBuilder, LayerBuilder};
use weir_storage::index::ClusterObject;

use crate::api_server::{ApiServer, Behaviour};
pub(crate) use crate::api_server::{CREATED, node, owned_by, owner, pod, running, runs};
use crate::kubernetes::brisk;
use crate::scan::{advisory, write_feed};
use crate::scans::indexed;
use crate::support::{Answer, Ask, Image, Registry, Weir, eventually, get};

/// A vulnerability of the images that is known to be exploited; they have another one.
pub(crate) const EXPLOITED: &str = "CVE-2026-0001";

/// One tag of one repository, for two platforms.
pub(crate) struct Images {
    /// For linux/amd64, with the index of both.
    pub(crate) amd: BuiltImage,
    /// For linux/arm64.
    pub(crate) arm: BuiltImage,
}

impl Images {
    /// Images that are no others: `seed` is in their layers.
    pub(crate) fn new(seed: &str) -> Self {
        let build = |architecture: &str| {
            let status = format!(
                "Package: openssl\nStatus: install ok installed\nVersion: 3.0.1\nArchitecture: {architecture}\n\n\
                 Package: bash\nStatus: install ok installed\nVersion: 5.2\nArchitecture: {architecture}\n\n"
            );
            let layer = LayerBuilder::new()
                .file("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n")
                .file("var/lib/dpkg/status", &status)
                .file("seed", seed)
                .gzip();
            ImageBuilder::new().platform("linux", architecture).layer(layer).build()
        };
        let (amd, arm) = (build("amd64"), build("arm64"));
        Self { amd: indexed(&[&amd, &arm], &["amd64", "arm64"]), arm }
    }

    /// Both as a registry holds them, the tag naming the index.
    pub(crate) fn held(&self, repository: &str, tag: &str) -> Image {
        let mut held = Image::of(repository, tag, &self.amd);
        held.contents.extend(Image::of(repository, tag, &self.arm).contents);
        held
    }
}

/// A cluster, its registry and weir.
pub(crate) struct World {
    pub(crate) server: ApiServer,
    pub(crate) registry: Registry,
    pub(crate) weir: Weir,
    settings: Vec<(String, String)>,
}

impl World {
    /// With images, and nothing in the cluster but two nodes, `amd` and `arm`.
    pub(crate) async fn new(images: &[&Image]) -> Self {
        Self::with(images, &[], |_| None).await
    }

    /// The same with settings of the test's own and a registry that does not always answer truthfully.
    pub(crate) async fn with(
        images: &[&Image],
        settings: &[(&str, &str)],
        lie: impl Fn(&Ask) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let registry = Registry::with_images(images, lie).await;
        let server = ApiServer::start(Behaviour::default()).await;
        server.change(|store| {
            store.put(node("amd", Some("amd64")));
            store.put(node("arm", Some("arm64")));
        });
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("kubeconfig"), server.kubeconfig()).unwrap();
        write_catalogue(directory.path(), &[EXPLOITED]);
        let feed = [
            advisory("DSA-1-1", EXPLOITED, "Debian:12", "openssl", "3.0.2"),
            advisory("DSA-2-1", "CVE-2026-0002", "Debian:12", "bash", "5.3"),
        ];
        write_feed(&at("feeds/Debian"), &feed);
        let own = [
            ("CLUSTER__NAME", "prod".to_owned()),
            ("CLUSTER__KUBERNETES", at("kubeconfig").display().to_string()),
            ("ADVISORY__KEV", at("kev.json").display().to_string()),
            ("UPSTREAM__0__NAME", "docker.io".to_owned()),
            ("UPSTREAM__0__URL", registry.url()),
        ];
        let given = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings: Vec<_> = own.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(given).collect();
        let weir = start(directory, &settings).await;
        Self { server, registry, weir, settings }
    }

    /// weir again, over what it had.
    pub(crate) async fn restart(self) -> Self {
        let Self { server, registry, weir, settings } = self;
        let now = weir.clock.now();
        let weir = start(weir.stop().await, &settings).await;
        weir.clock.advance(now - weir.clock.now());
        Self { server, registry, weir, settings }
    }

    /// Puts objects into the cluster.
    pub(crate) fn put(&self, objects: impl IntoIterator<Item = ClusterObject>) {
        self.server.change(|store| objects.into_iter().for_each(|object| store.put(object)));
    }

    /// Takes a pod out of it.
    pub(crate) fn delete(&self, name: &str) {
        self.server.change(|store| store.delete(&ClusterObject::Pod(pod(name, "amd", Vec::new())).key()));
    }

    /// Pulls an image through weir as a node of its platform does, and waits until it was read.
    pub(crate) async fn pull(&self, repository: &str, tag: &str, image: &BuiltImage) {
        for reference in [tag.to_owned(), image.manifest_digest.to_string()] {
            let target = format!("/v2/{repository}/manifests/{reference}?ns=docker.io");
            assert_eq!(get(self.weir.mirror, &target).await.status, 200);
        }
        for digest in image.layers.iter().map(|layer| layer.digest).chain([image.config_digest]) {
            let target = format!("/v2/{repository}/blobs/{digest}?ns=docker.io");
            assert_eq!(get(self.weir.mirror, &target).await.status, 200);
        }
        self.weir.scanned(&image.manifest_digest).await;
    }

    /// The items of a list.
    pub(crate) async fn items(&self, path: &str) -> Vec<Value> {
        let got = get(self.weir.report, &format!("/api/v1/{path}")).await;
        assert_eq!(got.status, 200, "{path}: {:?}", String::from_utf8_lossy(&got.body));
        got.json()["items"].as_array().unwrap().clone()
    }

    /// The items of a list once they are as the test wants them.
    pub(crate) async fn until(&self, path: &str, are: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let last = std::cell::RefCell::new(Vec::new());
        let waited = eventually(path, || async {
            let items = self.items(path).await;
            let fits = are(&items);
            last.replace(items.clone());
            fits.then_some(items)
        });
        let limit = std::time::Duration::from_secs(20);
        match tokio::time::timeout(limit, waited).await {
            Ok(items) => items,
            Err(_) => panic!("{path}: not in time; last {}", Value::from(last.take())),
        }
    }

    /// Waits until what runs was worked out at the time it is now.
    pub(crate) async fn until_made(&self) {
        let now = json!(weir_proxy::clock::rfc3339(self.weir.clock.now()));
        self.until("images?image_status=running", |items| items.iter().all(|item| item["last_run"] == now)).await;
    }

    /// A value of the metrics once it is what the test wants.
    pub(crate) async fn until_metric(&self, line: &str, value: f64) {
        let last = std::cell::Cell::new(0.0);
        let waited = eventually(line, || async {
            last.set(self.weir.metric(line).await);
            (last.get() == value).then_some(())
        });
        let limit = std::time::Duration::from_secs(20);
        if tokio::time::timeout(limit, waited).await.is_err() {
            panic!("{line}: {} and not {value}", last.get());
        }
    }
}

/// Makes the catalogue of known exploited vulnerabilities that a world in this directory reads.
pub(crate) fn write_catalogue(directory: &Path, exploited: &[&str]) {
    let entry = |cve: &&str| {
        json!({"cveID": cve, "dateAdded": "2026-01-01", "dueDate": "2026-02-01",
               "knownRansomwareCampaignUse": "Known", "vulnerabilityName": "n"})
    };
    let entries: Vec<Value> = exploited.iter().map(entry).collect();
    let catalogue = json!({"dateReleased": "2026-01-01T00:00:00Z", "vulnerabilities": entries});
    std::fs::write(directory.join("kev.json"), catalogue.to_string()).unwrap();
}

async fn start(directory: tempfile::TempDir, settings: &[(String, String)]) -> Weir {
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let overrides =
        Overrides { watch: Some(brisk()), notify_pace: Some(crate::webhooks::brisk()), ..Overrides::default() };
    Weir::start_with(directory, &settings, overrides).await
}

/// One field of every item, in order.
pub(crate) fn all<'a>(items: &'a [Value], field: &str) -> Vec<&'a Value> {
    items.iter().map(|item| &item[field]).collect()
}

/// The names of items.
pub(crate) fn names(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["name"].as_str().unwrap()).collect()
}
