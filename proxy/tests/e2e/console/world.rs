//! The world the console is opened in: registries, nodes that pull, two clusters, and weir between them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use weir_storage::index::ClusterObject;

use super::feed::{Feeds, LATER, LISTED, RERATED, WITHDRAWN};
use super::images::Images;
use super::workloads::{ENDED, edge, ended, prod};
use crate::api_server::Behaviour;
use crate::support::{Containerd, Daemon, DemoImage, Kubernetes, Registry, Weir, configure, free_port, run, tool};

/// Settings besides those of the world, such as who may sign in.
pub(super) type Extra<'a> = &'a [(&'a str, &'a str)];

/// Everything that runs. Dropping it ends it.
pub(super) struct World {
    pub(super) images: Images,
    /// The demo image's digest.
    pub(super) demo: String,
    settings: Vec<(String, String)>,
    directory: PathBuf,
    agent_arguments: Vec<String>,
    agent: Option<Daemon>,
    weir: Option<Weir>,
    _registry: Registry,
    clusters: [Kubernetes; 2],
}

impl World {
    /// Starts it, and waits until weir has read, matched and placed everything. Whoever reaches weir may do anything until
    /// [`World::closed`].
    pub(super) fn start(directory: &Path) -> Self {
        let feeds = Feeds::write(directory);
        let registry = Registry::start(directory);
        let demo = DemoImage::get();
        registry.push(&demo.layout("oci", "1"), "library/weir-demo:1");
        let images = Images::push(directory, &registry);
        let clusters = ["prod", "edge"].map(|name| Kubernetes::start(directory, name, Behaviour::default()));
        let path = |path: &Path| path.display().to_string();
        let settings = [
            ("UPSTREAM__0__NAME", "docker.io".to_owned()),
            ("UPSTREAM__0__URL", registry.url()),
            ("UPSTREAM__1__NAME", "quay.io".to_owned()),
            ("UPSTREAM__1__URL", registry.url()),
            ("ADVISORY__SOURCE", path(&feeds.osv)),
            ("ADVISORY__KEV", path(&feeds.kev)),
            ("ADVISORY__EPSS", path(&feeds.epss)),
            // The agent looks for weir where it was.
            ("LISTEN__REPORT", format!("127.0.0.1:{}", free_port())),
            ("CLUSTER__NAME", "prod".to_owned()),
            ("CLUSTER__KUBERNETES", path(&clusters[0].kubeconfig)),
        ];
        let settings = settings.map(|(key, value)| (key.to_owned(), value)).to_vec();
        let mut world = Self {
            images,
            demo: demo.digest("oci", "1").to_string(),
            settings,
            directory: directory.to_owned(),
            agent_arguments: Vec::new(),
            agent: None,
            weir: None,
            _registry: registry,
            clusters,
        };
        world.serve(&[]);
        world.agent_arguments = world.agent_arguments();
        world.watch();
        world.pull();
        world.clusters[0].put([world.ended()]);
        world.clusters[0].put(prod(&world.images, &world.demo));
        world.clusters[1].put(edge(&world.images));
        world.settle();
        world.go_on(&feeds);
        world
    }

    /// weir, as it serves now.
    pub(super) fn weir(&self) -> &Weir {
        self.weir.as_ref().unwrap()
    }

    /// Restarts weir with these settings besides: its data stays.
    pub(super) fn closed(&mut self, extra: Extra<'_>) {
        self.weir = None;
        self.serve(extra);
    }

    /// A token of a role.
    pub(super) fn token(&self, role: &str) -> String {
        let mut create = Weir::command(&[]);
        create.args(["token", "create", "--role", role, "--name", &format!("suite-{role}"), "--data"]);
        run(create.arg(&self.weir().data)).trim().to_owned()
    }

    fn serve(&mut self, extra: Extra<'_>) {
        let settings: Vec<_> = self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        self.weir = Some(Weir::start(&self.directory, &[&settings[..], extra].concat()));
    }

    /// A workload that is there at first only.
    fn ended(&self) -> ClusterObject {
        ended(&self.images)
    }

    fn agent_arguments(&self) -> Vec<String> {
        let weir = self.weir();
        let mut create = Weir::command(&[]);
        create.args(["token", "create", "--role", "agent", "--cluster", "edge", "--data"]).arg(&weir.data);
        let token = self.directory.join("edge.token");
        std::fs::write(&token, run(&mut create)).unwrap();
        let report = format!("http://{}", weir.report);
        let paths = [&token, &self.clusters[1].kubeconfig].map(|path| path.display().to_string());
        let arguments =
            ["--cluster", "edge", "--report", &report, "--token-file", &paths[0], "--kubernetes", &paths[1]];
        arguments.map(str::to_owned).to_vec()
    }

    fn watch(&mut self) {
        self.agent = Some(Daemon::start("agent-edge", &self.directory, Weir::binary(), |command| {
            configure(command, &[]);
            command.arg("agent").args(&self.agent_arguments);
        }));
    }

    /// containerd pulls the demo image, and skopeo what is smaller, as containerd asks for it.
    fn pull(&self) {
        let hosts = self.directory.join("certs.d");
        let settings: Vec<_> = self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        run(Weir::command(&settings).args(["hosts", "--mirror", &self.weir().url(), "--out"]).arg(&hosts));
        let containerd = Containerd::start(&self.directory.join("node"));
        containerd.pull_platform(&hosts, "docker.io/library/weir-demo:1", "linux/amd64");
        assert_eq!(containerd.digest("docker.io/library/weir-demo:1"), self.demo);
        std::fs::create_dir(self.directory.join("copies")).unwrap();
        for name in [
            "docker.io/library/debian:12",
            "docker.io/acme/shop:1.0",
            "docker.io/acme/shop:1",
            "docker.io/acme/shop:1.1",
            "docker.io/acme/shop:latest",
            "docker.io/acme/log:1",
            "docker.io/acme/empty:1",
            "docker.io/acme/broken:1",
            "docker.io/acme/sealed:1",
            "docker.io/acme/plain:1",
            "quay.io/team/tool:1",
        ] {
            let mut copy = Command::new(tool("skopeo"));
            copy.args([
                "--insecure-policy",
                "copy",
                "--quiet",
                "--all",
                "--preserve-digests",
                "--src-tls-verify=false",
            ]);
            copy.arg(format!("docker://{}/{name}", self.weir().mirror));
            run(copy.arg(format!("oci:{}/copies/{}", self.directory.display(), name.replace(['/', ':'], "-"))));
        }
    }

    /// The feeds change, and a workload ends.
    fn go_on(&self, feeds: &Feeds) {
        feeds.go_on();
        run(Weir::command(&[]).args(["advisories", "refresh", "--data"]).arg(&self.weir().data));
        let wanted = [("opened", LATER), ("rerated", RERATED), ("rerated", LISTED), ("closed", WITHDRAWN)];
        self.weir().until("events?limit=1000", 60, |events| {
            let is = |kind: &str, name: &str| {
                events.iter().any(|event| event["kind"] == kind && event["vulnerability"] == name)
            };
            wanted.iter().all(|(kind, name)| is(kind, name)).then_some(())
        });
        self.clusters[0].delete(&self.ended().key());
        self.weir().until("resources?cluster=prod&limit=1000", 30, |resources| {
            resources.iter().all(|resource| resource["name"] != ENDED).then_some(())
        });
    }

    /// Waits until nothing is on its way: every image has its final status, and both clusters have theirs in the report.
    fn settle(&self) {
        let is_final = |image: &Value| {
            let status = image["scan_status"].as_str().unwrap_or_default();
            !["queued", "scanning", "never_seen"].contains(&status)
                && (status != "complete" || image["matched_at"].is_string())
        };
        self.weir().until("images?limit=1000", 120, |images| {
            (images.len() == self.images.count() && images.iter().all(is_final)).then_some(())
        });
        self.weir().until("clusters", 30, |clusters| {
            (clusters.len() == 2 && clusters.iter().all(|cluster| cluster["status"] == "live")).then_some(())
        });
    }
}
