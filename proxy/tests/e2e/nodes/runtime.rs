//! containerd with its CRI plugin, asked to pull as the kubelet asks: by `runtime.v1.ImageService/PullImage`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::write;
use crate::support::{Daemon, tool};

/// A containerd below a directory: its configuration, its `certs.d`, and the process where it runs.
pub(super) struct Runtime {
    directory: PathBuf,
    socket: PathBuf,
    daemon: Option<Daemon>,
}

impl Runtime {
    /// One that does not run yet, with this configuration: `CERTS` in it stands for its `certs.d`, `HERE` for its directory, and
    /// `[cri]` for the head of the CRI plugin's section.
    pub(super) fn new(directory: &Path, config: &str) -> Self {
        let runtime = Self { directory: directory.to_owned(), socket: directory.join("containerd.sock"), daemon: None };
        runtime.file("config.toml", config);
        runtime
    }

    /// The same, running.
    pub(super) fn start(directory: &Path, config: &str) -> Self {
        let mut runtime = Self::new(directory, config);
        let place = directory.display();
        assert!(runtime.socket.as_os_str().len() < 90, "{:?} is too long for a socket", runtime.socket);
        let mut daemon = Daemon::start("containerd", directory, &tool("containerd"), |command| {
            command.arg("--config").arg(runtime.config()).arg("--address").arg(&runtime.socket);
            command.arg("--root").arg(format!("{place}/root")).arg("--state").arg(format!("{place}/state"));
        });
        daemon.wait_until("containerd answers", 30, |_| runtime.ctr(&["version"]).status.success().then_some(()));
        runtime.daemon = Some(daemon);
        runtime
    }

    pub(super) fn config(&self) -> PathBuf {
        self.directory.join("config.toml")
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(super) fn certs(&self) -> PathBuf {
        self.directory.join("certs.d")
    }

    /// Writes a file beside the configuration, in the same terms.
    pub(super) fn file(&self, name: &str, text: &str) {
        let here = self.directory.display().to_string();
        let certs = self.certs().display().to_string();
        write(&self.directory.join(name), &text.replace("CERTS", &certs).replace("HERE", &here));
    }

    /// What containerd itself makes of the configuration; `Err` where it does not start with it.
    pub(super) fn config_path(&self) -> Result<String, String> {
        let mut dump = Command::new(tool("containerd"));
        let output =
            dump.arg("--config").arg(self.config()).args(["config", "dump"]).current_dir("/").output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            return Err(err.into_owned());
        }
        let line = out.lines().find_map(|line| line.trim().strip_prefix("config_path = ")).unwrap();
        Ok(line.trim_matches('"').to_owned())
    }

    /// Pulls as the kubelet does.
    pub(super) fn pull(&self, image: &str) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(pull(&self.socket, image)).unwrap_or_else(|error| Err(error.to_string()))
    }

    pub(super) fn log(&self) -> String {
        self.daemon.as_ref().map_or_else(String::new, Daemon::log)
    }

    fn ctr(&self, arguments: &[&str]) -> Output {
        Command::new(tool("ctr")).arg("--address").arg(&self.socket).args(arguments).output().unwrap()
    }
}

/// What a containerd below `HERE` needs besides what a test writes, so that it meets nothing of the machine's own and works on
/// every file system. `version` is that of the file, which decides what plugins are called.
pub(super) fn base(version: u32) -> String {
    let name = |plugin: &str, long: &str| if version < 2 { plugin.to_owned() } else { format!("\"{long}\"") };
    let (opt, cri) = (name("opt", "io.containerd.internal.v1.opt"), name("cri", "io.containerd.grpc.v1.cri"));
    let off: Vec<String> = ["aufs", "btrfs", "devmapper", "zfs"]
        .iter()
        .map(|kind| name(&format!("\"{kind}\""), &format!("io.containerd.snapshotter.v1.{kind}")))
        .collect();
    format!(
        r#"version = {version}
disabled_plugins = [{}]
[ttrpc]
address = "HERE/ttrpc.sock"
[plugins.{opt}]
path = "HERE/opt"
[plugins.{cri}.containerd]
snapshotter = "native"
[plugins.{cri}.cni]
bin_dir = "HERE/cni"
conf_dir = "HERE/cni"
"#,
        off.join(", ")
    )
}

type Trouble = Box<dyn std::error::Error + Send + Sync>;

async fn pull(socket: &Path, image: &str) -> Result<Result<(), String>, Trouble> {
    let stream = tokio::net::UnixStream::connect(socket).await?;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    // PullImageRequest { image: ImageSpec { image } }, each in field 1, in gRPC's frame.
    let length = u8::try_from(image.len()).unwrap();
    assert!(length < 120, "one byte of length");
    let mut frame = vec![0, 0, 0, 0, length + 4, 0x0a, length + 2, 0x0a, length];
    frame.extend(image.as_bytes());
    let request = Request::post("http://localhost/runtime.v1.ImageService/PullImage")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(bytes::Bytes::from(frame)))?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let headers = response.headers().clone();
        let body = response.into_body().collect().await?;
        // An answer without a body has its status among the headers.
        let trailers = body.trailers().cloned().unwrap_or(headers);
        let text = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let status = text("grpc-status");
        Ok::<_, Trouble>(if status == "0" { Ok(()) } else { Err(format!("{status}: {}", text("grpc-message"))) })
    };
    tokio::select! {
        answer = exchange => answer,
        ended = connection => Err(format!("the connection ended: {ended:?}").into()),
    }
}
