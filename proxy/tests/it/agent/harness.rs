//! A server whose index the test reads, an agent that observes what the test says, and the truth both are held to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weir_proxy::admin::local::{LocalRequest, ask};
use weir_proxy::app::Overrides;
use weir_proxy::auth::NewToken;
use weir_proxy::workload::agent::{Agent, AgentPace, AgentSettings};
use weir_proxy::workload::watch::Observed;
use weir_storage::index::engine::{FaultyEngine, RocksEngine};
use weir_storage::index::{
    ClusterObject, ClusterRecord, ContainerKind, ContainerRecord, ContainerState, Index, NodeRecord, ObjectKey,
    PodRecord, WatchedKind,
};

use super::relay::Relay;
use crate::support::{Weir, eventually};

pub(super) const CLUSTER: &str = "east";

/// The server behind a relay, over an index whose disk can fail.
pub(super) struct Server {
    pub(super) weir: Weir,
    pub(super) index: Index,
    pub(super) disk: Arc<FaultyEngine>,
    pub(super) relay: Relay,
    settings: Vec<(String, String)>,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub(super) async fn start_with(settings: &[(&str, &str)]) -> Self {
        let settings: Vec<_> = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let relay = Relay::start().await;
        let directory = tempfile::tempdir().unwrap();
        let (weir, index, disk) = open(directory, &settings).await;
        relay.lead_to(Some(weir.report));
        Self { weir, index, disk, relay, settings }
    }

    /// Stops the server, and starts another over the same data.
    pub(super) async fn restart(self) -> Self {
        let Self { weir, index, disk, relay, settings } = self;
        relay.lead_to(None);
        let directory = weir.stop().await;
        drop((index, disk));
        let (weir, index, disk) = open(directory, &settings).await;
        relay.lead_to(Some(weir.report));
        Self { weir, index, disk, relay, settings }
    }

    /// A token of this role, made over the local socket.
    pub(super) async fn token(&self, role: &str, cluster: Option<&str>) -> String {
        let cluster = cluster.map(str::to_owned);
        let token = NewToken { role: role.into(), name: None, cluster, lifetime_seconds: None };
        let made = ask(&self.weir.data(), &LocalRequest::CreateToken { token }, |_| {}).await.unwrap();
        made.as_str().unwrap().to_owned()
    }

    pub(super) fn record(&self) -> Option<ClusterRecord> {
        self.index.clusters().get(CLUSTER).unwrap()
    }

    /// What the index holds of the cluster.
    pub(super) fn objects(&self) -> Objects {
        self.objects_of(CLUSTER)
    }

    pub(super) fn objects_of(&self, cluster: &str) -> Objects {
        self.index
            .clusters()
            .objects(cluster)
            .map(|object| object.unwrap())
            .map(|object| (object.key(), object))
            .collect()
    }

    /// Waits until the index holds exactly this.
    pub(super) async fn holds(&self, truth: &Objects) {
        eventually("the server holds the cluster as it is", || async { (self.objects() == *truth).then_some(()) })
            .await;
    }
}

async fn open(directory: TempDir, settings: &[(String, String)]) -> (Weir, Index, Arc<FaultyEngine>) {
    let path = directory.path().join("data").join("index");
    std::fs::create_dir_all(&path).unwrap();
    // Tasks of the server before may hold the index a moment longer.
    let engine = eventually("the index opens", || async { RocksEngine::open(&path).ok() }).await;
    let disk = Arc::new(FaultyEngine::new(Arc::new(engine)));
    let index = Index::new(Arc::clone(&disk) as Arc<_>);
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let overrides = Overrides { index: Some(index.clone()), ..Overrides::default() };
    (Weir::start_with(directory, &settings, overrides).await, index, disk)
}

pub(super) type Objects = BTreeMap<ObjectKey, ClusterObject>;

pub(super) fn node(name: &str) -> ClusterObject {
    ClusterObject::Node(NodeRecord {
        name: name.into(),
        platform: Some("linux/arm64".parse().unwrap()),
        addresses: vec!["10.0.0.1".into()],
        runtime: None,
    })
}

/// A pod whose content tells its versions apart.
pub(super) fn pod(name: &str, version: u64) -> ClusterObject {
    ClusterObject::Pod(PodRecord {
        namespace: "shop".into(),
        name: name.into(),
        uid: format!("uid-{name}"),
        node: Some("n1".into()),
        created_at: 1_700_000_000,
        labels: [("version".to_owned(), version.to_string())].into(),
        owner: None,
        containers: vec![ContainerRecord {
            name: "app".into(),
            kind: ContainerKind::Container,
            image: "docker.io/library/nginx:1".into(),
            image_id: None,
            state: ContainerState::Running,
        }],
    })
}

pub(super) fn all(objects: impl IntoIterator<Item = ClusterObject>) -> Objects {
    objects.into_iter().map(|object| (object.key(), object)).collect()
}

/// An agent that observes what a test tells it.
pub(super) struct Driven {
    sender: mpsc::Sender<Observed>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    directory: TempDir,
}

/// Short waits, so that tests are.
pub(super) fn pace() -> AgentPace {
    AgentPace {
        gather: Duration::from_millis(20),
        heartbeat: Duration::from_millis(200),
        first_wait: Duration::from_millis(20),
        longest_wait: Duration::from_millis(100),
        slow_wait: Duration::from_millis(200),
        answer_time: Duration::from_secs(10),
        max_pending: 20_000,
    }
}

impl Driven {
    pub(super) fn start(report: &str, token: &str, ca: Option<&Path>, pace: AgentPace) -> Self {
        Self::start_as(CLUSTER, report, token, ca, pace)
    }

    pub(super) fn start_as(cluster: &str, report: &str, token: &str, ca: Option<&Path>, pace: AgentPace) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let token_file = directory.path().join("token");
        std::fs::write(&token_file, token).unwrap();
        let settings = AgentSettings {
            cluster: cluster.into(),
            report: report.parse().unwrap(),
            token_file,
            ca_file: ca.map(Path::to_owned),
            kubernetes_version: Some("v1.34.1".into()),
        };
        let (sender, observed) = mpsc::channel(64);
        let stop = CancellationToken::new();
        let task = tokio::spawn(Agent::new(settings, pace).unwrap().run(observed, stop.clone()));
        Self { sender, stop, task, directory }
    }

    /// An agent over the server's relay, by plain HTTP on loopback.
    pub(super) async fn of(server: &Server) -> Self {
        let token = server.token("agent", None).await;
        Self::start(&format!("http://{}", server.relay.address), &token, None, pace())
    }

    pub(super) async fn tell(&self, observed: Observed) {
        self.sender.send(observed).await.unwrap();
    }

    /// The first or another list of everything.
    pub(super) async fn list(&self, objects: &Objects) {
        for kind in WatchedKind::ALL {
            self.tell(Observed::Begin(kind)).await;
            for object in objects.values().filter(|object| object.key().kind == kind) {
                self.tell(Observed::Listed(object.clone())).await;
            }
            self.tell(Observed::End(kind)).await;
        }
    }

    /// One object changes, in the truth and for the agent.
    pub(super) async fn set(&self, truth: &mut Objects, object: ClusterObject) {
        truth.insert(object.key(), object.clone());
        self.tell(Observed::Set(object)).await;
    }

    /// One object goes, in the truth and for the agent.
    pub(super) async fn remove(&self, truth: &mut Objects, key: ObjectKey) {
        truth.remove(&key);
        self.tell(Observed::Gone(key)).await;
    }

    /// Gives the agent another token.
    pub(super) fn replace_token(&self, token: &str) {
        std::fs::write(self.directory.path().join("token"), token).unwrap();
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}
