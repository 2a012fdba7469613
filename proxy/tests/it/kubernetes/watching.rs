//! A watch of the test's server with its view.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use weir_config::Kubernetes;
use weir_proxy::tasks::Tasks;
use weir_proxy::workload::client::connect;
use weir_proxy::workload::watch::{Observed, WatchOptions, watch as watch_cluster};
use weir_storage::index::WatchedKind;

use super::view::View;

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running watch; dropping it ends it.
pub(crate) struct Watching {
    view: Arc<Mutex<View>>,
    changed: watch::Receiver<()>,
    tasks: Tasks,
    _directory: TempDir,
}

/// Options for tests: pauses that nobody notices.
pub(crate) fn brisk() -> WatchOptions {
    WatchOptions {
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(20),
        unavailable_pause: Duration::from_millis(20),
        ..WatchOptions::default()
    }
}

impl Watching {
    /// Watches what a kubeconfig names.
    pub(crate) async fn start(kubeconfig: &str, options: WatchOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kubeconfig");
        std::fs::write(&path, kubeconfig).unwrap();
        let client = connect(&Kubernetes::Kubeconfig(path)).await.unwrap().unwrap();
        let tasks = Tasks::new();
        // As narrow as it can be, so that the watch waits for its receiver all the time.
        let (sender, mut receiver) = mpsc::channel::<Observed>(1);
        let owner = tasks.clone();
        tasks.spawn("watch", async move { watch_cluster(client, sender, options, &owner).await });
        let view: Arc<Mutex<View>> = Arc::default();
        let (told, changed) = watch::channel(());
        let folded = Arc::clone(&view);
        tasks.spawn("fold", async move {
            while let Some(observed) = receiver.recv().await {
                folded.lock().unwrap().apply(observed);
                told.send_replace(());
            }
        });
        Self { view, changed, tasks, _directory: directory }
    }

    /// What the view says.
    pub(crate) fn view<T>(&self, read: impl FnOnce(&View) -> T) -> T {
        read(&self.view.lock().unwrap())
    }

    /// Waits until the view fulfils a condition.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&View) -> bool) {
        let mut changed = self.changed.clone();
        let waited = tokio::time::timeout(PATIENCE, async {
            while !self.view(&condition) {
                changed.changed().await.expect("the watch goes on");
            }
        });
        if waited.await.is_err() {
            let view = self.view.lock().unwrap();
            let keys: Vec<_> = view.objects.keys().map(|key| format!("{}/{}", key.namespace, key.name)).collect();
            panic!(
                "{what}: not in time; lists {:?}, failed {:?}, unavailable {:?}, objects {keys:?}",
                view.lists, view.failed, view.unavailable
            );
        }
    }

    /// Waits until every kind was listed.
    pub(crate) async fn until_listed(&self) {
        self.until("every kind is listed", |view| WatchedKind::ALL.iter().all(|kind| view.listed(*kind) > 0)).await;
    }

    /// Ends the watch and waits for its tasks.
    pub(crate) async fn stop(self) {
        self.tasks.cancel();
        assert_eq!(self.tasks.wait(Duration::from_secs(10)).await, Ok(()));
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.tasks.cancel();
    }
}
