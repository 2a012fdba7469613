//! Random histories: after any of them the view equals what the server holds.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use weir_proxy::workload::watch::WatchOptions;
use weir_storage::index::WatchedKind;

use super::watching::{Watching, brisk};
use crate::api_server::{Act, ApiServer, Behaviour, Streams, sample};

/// The kinds that take part: one of each form, and one that is metadata only in a group.
const KINDS: [WatchedKind; 3] = [WatchedKind::Pod, WatchedKind::Node, WatchedKind::ReplicaSet];

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Put {
        kind: usize,
        number: u32,
        state: u32,
    },
    Delete {
        kind: usize,
        number: u32,
    },
    Bookmark,
    /// The watches end so many bytes into what they say next.
    Disconnect(usize),
    EndWatches,
    /// The next request, a list or a watch, is answered by so many bytes.
    Cut(usize),
    /// The next request is refused.
    Refuse(u16),
    Compact,
    Restart,
    /// The watch catches up.
    Settle,
    /// The other tasks run for a moment.
    Yield,
}

/// A server and what happens to it.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) behaviour: Behaviour,
    pub(crate) page_size: u32,
    pub(crate) before: Vec<Step>,
    pub(crate) steps: Vec<Step>,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..KINDS.len(), 0..12_u32, 0..4_u32).prop_map(|(kind, number, state)| Step::Put { kind, number, state }),
        4 => (0..KINDS.len(), 0..12_u32).prop_map(|(kind, number)| Step::Delete { kind, number }),
        1 => Just(Step::Bookmark),
        2 => prop_oneof![Just(0), 0..200_usize, 0..30_000_usize].prop_map(Step::Disconnect),
        1 => Just(Step::EndWatches),
        2 => prop_oneof![0..200_usize, 0..60_000_usize].prop_map(Step::Cut),
        1 => prop::sample::select(vec![403, 404, 410, 429, 500]).prop_map(Step::Refuse),
        1 => Just(Step::Compact),
        1 => Just(Step::Restart),
        2 => Just(Step::Settle),
        4 => Just(Step::Yield),
    ]
}

/// Any history.
pub(crate) fn history() -> impl Strategy<Value = History> {
    let server = (prop_oneof![Just(Streams::Yes), Just(Streams::Refused), Just(Streams::Ignored)], any::<bool>());
    let steps = (prop::collection::vec(step(), 0..15), prop::collection::vec(step(), 0..40));
    (server, 1..7_u32, steps).prop_map(|((streams, gone_as_status), page_size, (before, steps))| History {
        // A server that ignores streams is an old one here: the scripted histories have those that hide it.
        behaviour: Behaviour {
            streams,
            gone_as_status,
            minor: if streams == Streams::Ignored { 26 } else { 31 },
            ..Behaviour::default()
        },
        page_size,
        before,
        steps,
    })
}

/// What is done with the next requests.
#[derive(Clone, Default)]
pub(crate) struct Obstacles(Arc<Mutex<Vec<Act>>>);

impl Obstacles {
    /// Those of a server; its version is always told.
    pub(crate) fn of(server: &ApiServer) -> Self {
        let obstacles = Self::default();
        let next = obstacles.clone();
        server.on_request(move |ask, _| {
            let act = if ask.path() == "/version" { None } else { next.0.lock().unwrap().pop() };
            act.unwrap_or(Act::Serve)
        });
        obstacles
    }

    fn add(&self, act: Act) {
        self.0.lock().unwrap().push(act);
    }
}

/// Lets one thing happen.
async fn happen(server: &ApiServer, obstacles: &Obstacles, watching: Option<&Watching>, step: &Step) {
    match *step {
        Step::Put { kind, number, state } => server.change(|store| store.put(sample(KINDS[kind], number, state))),
        Step::Delete { kind, number } => server.change(|store| store.delete(&sample(KINDS[kind], number, 0).key())),
        Step::Bookmark => server.bookmark(),
        Step::Disconnect(bytes) => server.disconnect(bytes),
        Step::EndWatches => server.end_watches(),
        Step::Cut(bytes) => obstacles.add(Act::Cut(bytes)),
        Step::Refuse(code) => obstacles.add(Act::Refuse(code, "AsTheTestWants")),
        Step::Compact => server.change(crate::api_server::Store::compact),
        Step::Restart => server.restart(),
        Step::Settle => {
            if let Some(watching) = watching {
                settle(server, watching).await;
            }
        }
        Step::Yield => {
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn settle(server: &ApiServer, watching: &Watching) {
    watching.until_listed().await;
    watching.until("the view equals the server's objects", |view| view.objects == *server.store().records()).await;
    // Both were folded from the same, so there is nothing to wait for; only the server may have gone on, and it has not.
    watching.view(|view| {
        assert!(view.state.is_whole());
        assert_eq!(view.held(), *server.store().records(), "what weir holds");
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]
    #[test]
    fn after_any_history_the_view_equals_the_server(history in history()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let server = ApiServer::start(history.behaviour.clone()).await;
            let obstacles = Obstacles::of(&server);
            for step in &history.before {
                happen(&server, &obstacles, None, step).await;
            }
            let options = WatchOptions { page_size: history.page_size, ..brisk() };
            let watching = Watching::start(&server.kubeconfig(), options).await;
            for step in &history.steps {
                happen(&server, &obstacles, Some(&watching), step).await;
            }
            settle(&server, &watching).await;
            // And it goes on from there.
            server.change(|store| KINDS.map(|kind| store.put(sample(kind, 99, 1))));
            settle(&server, &watching).await;
            watching.stop().await;
        });
    }
}
