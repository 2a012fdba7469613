//! A real containerd with its own root, state and socket. It needs root.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::{Daemon, run, tool};

/// containerd, and `ctr` to talk to it.
pub(crate) struct Containerd {
    socket: PathBuf,
    _daemon: Daemon,
}

impl Containerd {
    /// Starts one that has pulled nothing yet, below `directory`.
    pub(crate) fn start(directory: &Path) -> Self {
        let id = run(Command::new(tool("id")).arg("-u"));
        assert_eq!(id.trim(), "0", "containerd unpacks as root alone: run the tests as root");
        std::fs::create_dir_all(directory).unwrap();
        let (place, socket) = (directory.display(), directory.join("containerd.sock"));
        // A socket's path has 107 bytes at most.
        assert!(socket.as_os_str().len() < 90, "{socket:?} is too long for a socket: set TMPDIR to a shorter path");
        let config = format!(
            r#"version = 2
root = "{place}/root"
state = "{place}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.restart", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
address = "{place}/containerd.sock"
[ttrpc]
address = "{place}/containerd.sock.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
path = "{place}/opt"
"#
        );
        let file = directory.join("containerd.toml");
        std::fs::write(&file, config).unwrap();
        let mut daemon = Daemon::start("containerd", directory, &tool("containerd"), |command| {
            command.arg("--config").arg(&file);
        });
        let answers = |_: &Daemon| ctr(&socket).arg("version").output().ok().filter(|output| output.status.success());
        daemon.wait_until("containerd answers", 20, answers);
        Self { socket, _daemon: daemon }
    }

    /// Pulls and unpacks `reference`, the registries as in the `certs.d` tree `hosts`.
    pub(crate) fn pull(&self, hosts: &Path, reference: &str) -> Output {
        let mut pull = ctr(&self.socket);
        // The native snapshotter works on every file system, overlays included.
        pull.args(["images", "pull", "--snapshotter", "native", "--hosts-dir"]).arg(hosts).arg(reference);
        pull.output().unwrap()
    }

    /// The same for another platform than the machine's; it must succeed.
    #[track_caller]
    pub(crate) fn pull_platform(&self, hosts: &Path, reference: &str, platform: &str) {
        let mut pull = ctr(&self.socket);
        pull.args(["images", "pull", "--snapshotter", "native", "--platform", platform, "--hosts-dir"]).arg(hosts);
        run(pull.arg(reference));
    }

    /// Its version, as it tells registries.
    pub(crate) fn version(&self) -> String {
        let text = run(ctr(&self.socket).arg("version"));
        let server = text.split("Server:").nth(1).unwrap();
        server.lines().find_map(|line| line.trim().strip_prefix("Version:")).unwrap().trim().to_owned()
    }

    /// Gives what it keeps as `reference` another name too.
    pub(crate) fn tag(&self, reference: &str, name: &str) {
        run(ctr(&self.socket).args(["images", "tag", reference, name]));
    }

    /// A JSON document of its content store.
    pub(crate) fn document(&self, digest: &str) -> Value {
        serde_json::from_str(&run(ctr(&self.socket).args(["content", "get", digest]))).unwrap()
    }

    /// The digest under which containerd keeps `reference`.
    pub(crate) fn digest(&self, reference: &str) -> String {
        let list = run(ctr(&self.socket).args(["images", "list"]).arg(format!("name=={reference}")));
        let line = list.lines().find(|line| line.starts_with(reference)).unwrap_or_else(|| panic!("{list}"));
        line.split_whitespace().nth(2).unwrap().to_owned()
    }
}

fn ctr(socket: &Path) -> Command {
    let mut command = Command::new(tool("ctr"));
    command.arg("--address").arg(socket);
    command
}
