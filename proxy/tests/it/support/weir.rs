//! weir in this process, on ports of its own, with a data directory that goes with it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use weir_proxy::app::App;
use weir_proxy::clock::Clock;

/// weir with its clock and its data.
pub struct Weir {
    pub mirror: SocketAddr,
    pub report: SocketAddr,
    pub clock: Clock,
    app: App,
    directory: TempDir,
}

impl Weir {
    /// Starts weir with these settings on top of loopback ports: `("UPSTREAM__0__URL", …)`.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings).await
    }

    /// One upstream, `docker.io`, at `url`.
    pub async fn over(url: &str) -> Self {
        Self::start(&[("UPSTREAM__0__NAME", "docker.io"), ("UPSTREAM__0__URL", url)]).await
    }

    /// The same over a data directory that may hold something already.
    pub async fn start_in(directory: TempDir, settings: &[(&str, &str)]) -> Self {
        let feeds = directory.path().join("feeds");
        std::fs::create_dir_all(&feeds).unwrap();
        let own = [
            ("LISTEN__MIRROR", "127.0.0.1:0".to_owned()),
            ("LISTEN__REPORT", "127.0.0.1:0".to_owned()),
            ("DATA__DIRECTORY", directory.path().join("data").display().to_string()),
            ("ADVISORY__SOURCE", feeds.display().to_string()),
        ];
        let mut variables: Vec<(String, String)> = own.into_iter().map(|(name, value)| (format!("WEIR_{name}"), value)).collect();
        for (name, value) in settings {
            let name = format!("WEIR_{name}");
            variables.retain(|(known, _)| *known != name);
            variables.push((name, (*value).to_owned()));
        }
        let checked = weir_config::check(None, variables, Path::new("/"));
        let config = checked.config.unwrap_or_else(|| panic!("{:?}", checked.mistakes));
        let clock = Clock::set(1_790_000_000);
        let app = App::start(config, clock.clone()).await.unwrap();
        Self { mirror: app.mirror, report: app.report, clock, app, directory }
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Where a blob would be stored.
    pub fn blob_file(&self, digest: &weir_scanner::oci::Digest) -> PathBuf {
        let hex = digest.hex();
        self.data().join("store/blobs").join(digest.algorithm().name()).join(&hex[..2]).join(hex)
    }

    /// Files of fetches that are neither committed nor removed.
    pub fn partial_files(&self) -> usize {
        std::fs::read_dir(self.data().join("store/partial")).map_or(0, Iterator::count)
    }

    /// Stops weir as a signal would and keeps the data.
    pub async fn stop(self) -> TempDir {
        self.app.stop().await;
        self.directory
    }
}

/// Asks again until `check` has an answer, for a bounded time.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut check: impl FnMut() -> F) -> T {
    let mut pause = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..3000 {
        pause.tick().await;
        if let Some(answer) = check().await {
            return answer;
        }
    }
    panic!("{what}: not within half a minute");
}
