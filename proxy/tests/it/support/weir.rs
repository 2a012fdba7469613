//! weir in this process, on ports of its own, with a data directory that goes with it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use weir_proxy::app::{App, Overrides};
use weir_proxy::clock::Clock;

/// weir with its clock and its data.
pub(crate) struct Weir {
    pub(crate) mirror: SocketAddr,
    pub(crate) report: SocketAddr,
    pub(crate) clock: Clock,
    app: App,
    directory: TempDir,
}

impl Weir {
    /// Starts weir with these settings on top of loopback ports: `("UPSTREAM__0__URL", …)`.
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings).await
    }

    /// One upstream, `docker.io`, at `url`.
    pub(crate) async fn over(url: &str) -> Self {
        Self::start(&[("UPSTREAM__0__NAME", "docker.io"), ("UPSTREAM__0__URL", url)]).await
    }

    /// The same over a data directory that may hold something already.
    pub(crate) async fn start_in(directory: TempDir, settings: &[(&str, &str)]) -> Self {
        Self::start_with(directory, settings, Overrides::default()).await
    }

    /// `docker.io` at `url`, with parts of the test's own.
    pub(crate) async fn over_with(url: &str, overrides: Overrides) -> Self {
        let settings = [("UPSTREAM__0__NAME", "docker.io"), ("UPSTREAM__0__URL", url)];
        Self::start_with(tempfile::tempdir().unwrap(), &settings, overrides).await
    }

    /// Everything at once.
    pub(crate) async fn start_with(directory: TempDir, settings: &[(&str, &str)], overrides: Overrides) -> Self {
        let feeds = directory.path().join("feeds");
        std::fs::create_dir_all(&feeds).unwrap();
        let own = [
            ("LISTEN__MIRROR", "127.0.0.1:0".to_owned()),
            ("LISTEN__REPORT", "127.0.0.1:0".to_owned()),
            ("DATA__DIRECTORY", directory.path().join("data").display().to_string()),
            ("ADVISORY__SOURCE", feeds.display().to_string()),
        ];
        let mut variables: Vec<(String, String)> =
            own.into_iter().map(|(name, value)| (format!("WEIR_{name}"), value)).collect();
        for (name, value) in settings {
            let name = format!("WEIR_{name}");
            variables.retain(|(known, _)| *known != name);
            variables.push((name, (*value).to_owned()));
        }
        let checked = weir_config::check(None, variables, Path::new("/"));
        let config = checked.config.unwrap_or_else(|| panic!("{:?}", checked.mistakes));
        let clock = Clock::set(1_790_000_000);
        let app = App::start_with(config, clock.clone(), overrides).await.unwrap();
        Self { mirror: app.mirror, report: app.report, clock, app, directory }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The value of one line of the metrics: its name with all its labels as the page writes them; 0 where it is not there.
    pub(crate) async fn metric(&self, line: &str) -> f64 {
        let page = String::from_utf8(super::get(self.report, "/metrics").await.body).unwrap();
        let value = page.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    /// The report on an image.
    pub(crate) async fn report_on(&self, digest: &weir_scanner::oci::Digest) -> super::Got {
        super::get(self.report, &format!("/api/v1/images/{digest}/report")).await
    }

    /// The report on an image once its scan has ended and, where it can be, was matched.
    pub(crate) async fn scanned(&self, digest: &weir_scanner::oci::Digest) -> serde_json::Value {
        eventually("the image's scan", || async {
            let got = self.report_on(digest).await;
            let document = (got.status == 200).then(|| got.json())?;
            let status = document["scan"]["status"].as_str().unwrap();
            let read = matches!(status, "complete" | "partial");
            let over =
                matches!(status, "failed" | "unsupported") || (read && !document["scan"]["matched_at"].is_null());
            over.then_some(document)
        })
        .await
    }

    /// Where a blob would be stored.
    fn blob_file(&self, digest: &weir_scanner::oci::Digest) -> PathBuf {
        let hex = digest.hex();
        self.data().join("store/blobs").join(digest.algorithm().name()).join(&hex[..2]).join(hex)
    }

    /// The stored bytes of a blob. The last bytes reach the client as soon as they are verified, and the file appears a
    /// moment later.
    pub(crate) async fn stored(&self, digest: &weir_scanner::oci::Digest) -> Vec<u8> {
        eventually("the blob is stored", || async { std::fs::read(self.blob_file(digest)).ok() }).await
    }

    /// Whether a blob is stored now.
    pub(crate) fn has_file(&self, digest: &weir_scanner::oci::Digest) -> bool {
        self.blob_file(digest).try_exists().unwrap()
    }

    /// Files of fetches that are neither committed nor removed.
    pub(crate) fn partial_files(&self) -> usize {
        std::fs::read_dir(self.data().join("store/partial")).map_or(0, Iterator::count)
    }

    /// Stops weir as a signal would and keeps the data.
    pub(crate) async fn stop(self) -> TempDir {
        self.app.stop().await;
        self.directory
    }
}

/// Asks again until `check` has an answer, for a bounded time.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut check: impl FnMut() -> F) -> T {
    let mut pause = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..3000 {
        pause.tick().await;
        if let Some(answer) = check().await {
            return answer;
        }
    }
    panic!("{what}: not within half a minute");
}
