//! weir's own binary as a process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Daemon, Trust, get_by};

/// `weir serve` over a data directory, ready.
pub(crate) struct Weir {
    pub(crate) mirror: SocketAddr,
    pub(crate) report: SocketAddr,
    /// How both are spoken to.
    pub(crate) trust: Trust,
    /// From its start until `/readyz` answered 200.
    pub(crate) start: Duration,
    pub(crate) data: PathBuf,
    pub(crate) daemon: Daemon,
}

impl Weir {
    /// The binary under test.
    pub(crate) fn binary() -> &'static Path {
        Path::new(env!("CARGO_BIN_EXE_weir"))
    }

    /// The value of a series of the report's metrics.
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let page = get_by(&self.trust, self.report, "/metrics").unwrap().text();
        page.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }

    /// A command of the binary, with no setting of the environment but `settings`: `("UPSTREAM__0__URL", …)`.
    pub(crate) fn command(settings: &[(&str, &str)]) -> Command {
        let mut command = Command::new(Self::binary());
        configure(&mut command, settings);
        command
    }

    /// Serves `directory/data` with these settings, on ports the system chooses.
    pub(crate) fn start(directory: &Path, settings: &[(&str, &str)]) -> Self {
        Self::start_in(directory, &directory.join("data"), settings)
    }

    /// The same for settings that have it serve over TLS.
    pub(crate) fn start_tls(directory: &Path, settings: &[(&str, &str)], trust: &Trust) -> Self {
        Self::launch(directory, &directory.join("data"), settings, trust.clone())
    }

    /// The same with the data elsewhere; the log stays in `directory`.
    pub(crate) fn start_in(directory: &Path, data: &Path, settings: &[(&str, &str)]) -> Self {
        Self::launch(directory, data, settings, Trust::default())
    }

    fn launch(directory: &Path, data: &Path, settings: &[(&str, &str)], trust: Trust) -> Self {
        let log = directory.join("weir.log");
        // Each process says in its own log where it listens.
        if let Err(error) = std::fs::remove_file(&log) {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
        }
        let began = Instant::now();
        let mut daemon = Daemon::start("weir", directory, Self::binary(), |command| {
            let usual = [("LISTEN__MIRROR", "127.0.0.1:0"), ("LISTEN__REPORT", "127.0.0.1:0"), ("LOG__FORMAT", "json")];
            // What a test sets itself comes last.
            configure(command, &[&usual[..], settings].concat());
            command.arg("serve").arg("--data").arg(data);
        });
        let (mirror, report) = daemon.wait_until("weir said where it listens", 30, |daemon| addresses(&daemon.log()));
        daemon.wait_until("weir is ready", 30, |_| {
            get_by(&trust, report, "/readyz").ok().filter(|answer| answer.status == 200)
        });
        Self { mirror, report, trust, start: began.elapsed(), data: data.to_owned(), daemon }
    }

    /// The mirror as a URL.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.trust.scheme(), self.mirror)
    }

    /// A blob of a repository, asked for by the path of any client.
    pub(crate) fn blob_target(repository: &str, digest: impl std::fmt::Display) -> String {
        format!("/v2/docker.io/{repository}/blobs/{digest}")
    }

    /// A document of the report's API that must be there.
    #[track_caller]
    pub(crate) fn ask(&self, target: &str) -> Value {
        let answer = get_by(&self.trust, self.report, target).unwrap();
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        answer.json()
    }

    /// What `are` finds in the items of a list of the report's API, once it finds something; panics with the last list otherwise.
    #[track_caller]
    pub(crate) fn until<T>(&self, list: &str, seconds: u64, mut are: impl FnMut(&[Value]) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            let items = self.items(list);
            if let Some(found) = are(&items) {
                return found;
            }
            assert!(Instant::now() < deadline, "{list}: after {seconds} s still {}", Value::from(items));
            std::thread::sleep(super::LOOK);
        }
    }

    /// The items of a list of the report's API.
    #[track_caller]
    pub(crate) fn items(&self, list: &str) -> Vec<Value> {
        self.ask(&format!("/api/v1/{list}"))["items"].as_array().unwrap().clone()
    }

    /// The image's report once it is read completely and matched.
    #[track_caller]
    pub(crate) fn result(&mut self, digest: &str, query: &str, seconds: u64) -> Value {
        let target = format!("/api/v1/images/{digest}/report{query}");
        let (report, trust) = (self.report, self.trust.clone());
        self.daemon.wait_until("the image is read and matched", seconds, |_| {
            let answer = get_by(&trust, report, &target).ok().filter(|answer| answer.status == 200)?.json();
            let done = answer["scan"]["status"] == "complete" && answer["scan"]["matched_at"].is_string();
            done.then_some(answer)
        })
    }

    /// Files that were begun and never became blobs.
    pub(crate) fn partials(&self) -> Vec<PathBuf> {
        files(&self.data.join("store/partial"))
    }

    /// Whether the digest is stored.
    pub(crate) fn stores(&self, digest: &weir_scanner::oci::Digest) -> bool {
        let hex = digest.hex();
        self.data.join("store/blobs").join(digest.algorithm().name()).join(&hex[..2]).join(hex).is_file()
    }
}

/// The files of a directory, at any depth.
fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Gives a command these settings, and none of the environment's.
pub(crate) fn configure(command: &mut Command, settings: &[(&str, &str)]) {
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy().to_ascii_uppercase();
        // Loopback is reached without a proxy, and the settings of whoever runs the tests are not the tests'.
        if name_text.starts_with("WEIR_") || name_text.ends_with("_PROXY") {
            command.env_remove(&name);
        }
    }
    for (key, value) in settings {
        command.env(format!("WEIR_{key}"), value);
    }
}

fn addresses(log: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line = log.lines().find(|line| line.contains("\"weir is ready\""))?;
    let line: Value = serde_json::from_str(line).ok()?;
    let address = |key: &str| line[key].as_str()?.parse().ok();
    Some((address("mirror")?, address("report")?))
}
