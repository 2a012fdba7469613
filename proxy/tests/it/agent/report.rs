//! An agent and its server through everything that breaks between them.

use std::time::Duration;

use weir_proxy::workload::agent::AgentPace;
use weir_proxy::workload::watch::Observed;
use weir_storage::index::{ClusterSource, WatchedKind};

use super::harness::{CLUSTER, Driven, Objects, Server, all, node, pace, pod};
use crate::support::{eventually, noise};

/// More than two parts of a snapshot.
fn large() -> Objects {
    all((0..4_500).map(|number| pod(&format!("pod-{number:05}"), 0)).chain([node("n1")]))
}

fn small() -> Objects {
    all([pod("a", 0), pod("b", 0), node("n1")])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_reported_over_tls_with_a_token() {
    let directory = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (directory.path().join("tls.crt"), directory.path().join("tls.key"));
    std::fs::write(&certificate, pair.cert.pem()).unwrap();
    std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let settings = [
        ("LISTEN__TLS__CERTIFICATE", certificate.to_str().unwrap()),
        ("LISTEN__TLS__KEY", key.to_str().unwrap()),
        // The report is closed to everyone else.
        ("AUTH__ANONYMOUS", "none"),
    ];
    let server = Server::start_with(&settings).await;
    let token = server.token("agent", Some(CLUSTER)).await;
    let report = format!("https://127.0.0.1:{}", server.relay.address.port());
    let mut truth = large();
    let agent = Driven::start(&report, &token, Some(&certificate), pace());
    agent.list(&truth).await;
    server.holds(&truth).await;
    agent.set(&mut truth, pod("pod-00000", 1)).await;
    agent.set(&mut truth, pod("new", 1)).await;
    agent.remove(&mut truth, pod("pod-00001", 0).key()).await;
    server.holds(&truth).await;
    let record = server.record().unwrap();
    assert!(matches!(&record.source, ClusterSource::Agent { token: id } if token.contains(id.as_str())));
    assert_eq!(record.kubernetes_version.as_deref(), Some("v1.34.1"));
    assert_eq!(record.agent_version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    // Nothing changes, and the server hears of that.
    let sequence = record.sequence;
    eventually("a heartbeat", || async { (server.record()?.sequence > sequence).then_some(()) }).await;
    assert_eq!(server.objects(), truth);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_who_it_should_be_gets_no_token() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = (directory.path().join("tls.crt"), directory.path().join("tls.key"));
    let pair = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(&certificate, pair.cert.pem()).unwrap();
    std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let settings =
        [("LISTEN__TLS__CERTIFICATE", certificate.to_str().unwrap()), ("LISTEN__TLS__KEY", key.to_str().unwrap())];
    let server = Server::start_with(&settings).await;
    let token = server.token("agent", None).await;
    let other = directory.path().join("other.crt");
    std::fs::write(&other, rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap().cert.pem())
        .unwrap();
    let report = format!("https://127.0.0.1:{}", server.relay.address.port());
    let agent = Driven::start(&report, &token, Some(&other), pace());
    agent.list(&small()).await;
    eventually("several tries", || async { (server.relay.connections() > 3).then_some(()) }).await;
    assert_eq!(server.record(), None);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_before_every_kind_was_listed() {
    let server = Server::start().await;
    let agent = Driven::of(&server).await;
    let mut truth = Objects::new();
    for kind in WatchedKind::ALL.into_iter().filter(|kind| *kind != WatchedKind::Node) {
        agent.tell(Observed::Begin(kind)).await;
        agent.tell(Observed::End(kind)).await;
    }
    for number in 0..200 {
        agent.set(&mut truth, pod("a", number)).await;
    }
    // Everything told was taken in: the channel to the agent holds less.
    assert_eq!(server.relay.connections(), 0);
    agent.tell(Observed::Begin(WatchedKind::Node)).await;
    agent.tell(Observed::Listed(node("n1"))).await;
    agent.tell(Observed::End(WatchedKind::Node)).await;
    truth.insert(node("n1").key(), node("n1"));
    server.holds(&truth).await;
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_restarts_and_the_session_goes_on() {
    let server = Server::start().await;
    let agent = Driven::of(&server).await;
    let mut truth = large();
    agent.list(&truth).await;
    agent.set(&mut truth, pod("a", 1)).await;
    server.holds(&truth).await;
    let before = server.record().unwrap();
    let server = server.restart().await;
    assert_eq!(server.objects(), truth);
    agent.set(&mut truth, pod("a", 2)).await;
    agent.remove(&mut truth, pod("pod-00000", 0).key()).await;
    server.holds(&truth).await;
    let after = server.record().unwrap();
    assert_eq!((after.session, after.first_seen), (before.session, before.first_seen));
    assert_eq!(server.relay.resyncs(), 0);
    assert!(after.sequence > before.sequence);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_while_the_server_is_away_arrive_once_it_is_back() {
    let server = Server::start().await;
    let agent = Driven::of(&server).await;
    let mut truth = small();
    agent.list(&truth).await;
    server.holds(&truth).await;
    let session = server.record().unwrap().session;
    server.relay.lead_to(None);
    for number in 0..1_500 {
        agent.set(&mut truth, pod(&format!("pod-{:04}", number % 1_200), number)).await;
    }
    agent.remove(&mut truth, pod("a", 0).key()).await;
    let server = server.restart().await;
    server.holds(&truth).await;
    assert_eq!(server.record().unwrap().session, session);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_changes_than_are_kept_give_way_to_a_new_snapshot() {
    let server = Server::start().await;
    let token = server.token("agent", None).await;
    let report = format!("http://{}", server.relay.address);
    let agent = Driven::start(&report, &token, None, AgentPace { max_pending: 100, ..pace() });
    let mut truth = small();
    agent.list(&truth).await;
    server.holds(&truth).await;
    let session = server.record().unwrap().session;
    server.relay.lead_to(None);
    for number in 0..300 {
        agent.set(&mut truth, pod(&format!("pod-{number}"), number)).await;
    }
    server.relay.lead_to(Some(server.weir.report));
    server.holds(&truth).await;
    assert_ne!(server.record().unwrap().session, session);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_between_two_parts_asks_for_a_new_snapshot() {
    let server = Server::start().await;
    let agent = Driven::of(&server).await;
    let mut truth = large();
    // The first part is answered. The second arrives again and again, so that the third waits.
    server.relay.lose(1, 1_000);
    agent.list(&truth).await;
    eventually("a part reached the server", || async { (server.relay.lost() > 0).then_some(()) }).await;
    assert_eq!(server.record(), None);
    let server = server.restart().await;
    server.relay.lose(0, 0);
    agent.set(&mut truth, pod("a", 1)).await;
    server.holds(&truth).await;
    assert_eq!(server.relay.resyncs(), 1);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_restarts_replaces_what_it_told_before() {
    let server = Server::start().await;
    let token = server.token("agent", None).await;
    let report = format!("http://{}", server.relay.address);
    let agent = Driven::start(&report, &token, None, pace());
    agent.list(&large()).await;
    server.holds(&large()).await;
    let first = server.record().unwrap();
    agent.stop().await;
    // Meanwhile the cluster changed, and nobody told.
    let mut truth = small();
    let agent = Driven::start(&report, &token, None, pace());
    agent.list(&truth).await;
    server.holds(&truth).await;
    agent.set(&mut truth, pod("c", 1)).await;
    server.holds(&truth).await;
    let record = server.record().unwrap();
    assert_ne!(record.session, first.session);
    assert_eq!(record.first_seen, first.first_seen);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_makes_a_repeat_that_is_not_counted() {
    let server = Server::start().await;
    let agent = Driven::of(&server).await;
    let mut truth = large();
    // The answers to the last part are lost after it was counted.
    server.relay.lose(2, 2);
    agent.list(&truth).await;
    server.holds(&truth).await;
    eventually("deltas", || async { (server.record()?.sequence > 0).then_some(()) }).await;
    assert_eq!(server.relay.lost(), 2);
    let session = server.record().unwrap().session;
    for number in 0..20 {
        server.relay.lose(0, 1);
        agent.set(&mut truth, pod("a", number)).await;
        server.holds(&truth).await;
        eventually("the answer is lost", || async { (server.relay.lost() > 2).then_some(()) }).await;
    }
    assert_eq!((server.record().unwrap().session, server.relay.resyncs()), (session, 0));
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_delays_and_loses_nothing() {
    let server = Server::start().await;
    let agent = Driven::of(&server).await;
    let mut truth = large();
    server.disk.fail_writes(true);
    agent.list(&truth).await;
    eventually("several refusals", || async { (server.relay.passed() > 3).then_some(()) }).await;
    assert!(server.objects().is_empty());
    server.disk.fail_writes(false);
    server.holds(&truth).await;
    let record = server.record().unwrap();
    server.disk.fail_writes(true);
    agent.set(&mut truth, pod("a", 1)).await;
    agent.remove(&mut truth, pod("pod-00000", 0).key()).await;
    let refused = server.relay.passed();
    eventually("several refusals", || async { (server.relay.passed() > refused + 3).then_some(()) }).await;
    assert_ne!(server.objects(), truth);
    server.disk.fail_writes(false);
    server.holds(&truth).await;
    assert_eq!((server.record().unwrap().session, server.relay.resyncs()), (record.session, 0));
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_ends_the_reports_and_another_goes_on() {
    let server = Server::start().await;
    let agent = Driven::of(&server).await;
    let mut truth = small();
    agent.list(&truth).await;
    server.holds(&truth).await;
    let record = server.record().unwrap();
    let ClusterSource::Agent { token } = record.source else { panic!("{record:?}") };
    assert!(server.index.tokens().revoke(&token, 0).unwrap());
    agent.set(&mut truth, pod("a", 1)).await;
    let passed = server.relay.passed();
    eventually("several refusals", || async { (server.relay.passed() > passed + 3).then_some(()) }).await;
    assert_ne!(server.objects(), truth);
    agent.replace_token(&server.token("agent", Some(CLUSTER)).await);
    server.holds(&truth).await;
    let after = server.record().unwrap();
    assert_eq!(after.session, record.session);
    assert_ne!(after.source, ClusterSource::Agent { token });
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clusters_are_kept_apart() {
    let server = Server::start().await;
    let (east, west) = (small(), all([pod("a", 7), node("w1")]));
    let agents = [(CLUSTER, &east), ("west", &west)];
    let report = format!("http://{}", server.relay.address);
    let mut running = Vec::new();
    for (cluster, truth) in agents {
        let token = server.token("agent", Some(cluster)).await;
        let agent = Driven::start_as(cluster, &report, &token, None, pace());
        agent.list(truth).await;
        running.push(agent);
    }
    server.holds(&east).await;
    eventually("the other cluster too", || async { (server.objects_of("west") == west).then_some(()) }).await;
    for agent in running {
        agent.stop().await;
    }
    assert_eq!(server.objects(), east);
}

/// Changes, lists, lost answers, full disks and restarts in an order of their own for each seed.
#[tokio::test(flavor = "multi_thread")]
async fn after_any_history_the_server_holds_the_cluster_as_it_is() {
    for seed in 1..=4 {
        let mut server = Server::start().await;
        let agent = Driven::of(&server).await;
        let mut truth = small();
        agent.list(&truth).await;
        for step in noise(seed, 300).chunks_exact(2) {
            let (what, which) = (step[0] % 32, step[1]);
            let name = format!("pod-{}", which % 40);
            match what {
                0..12 => agent.set(&mut truth, pod(&name, u64::from(which))).await,
                12..20 => agent.remove(&mut truth, pod(&name, 0).key()).await,
                20..23 => server.relay.lose(usize::from(which / 3 % 2), 1 + usize::from(which % 3)),
                23 => server.disk.fail_writes(true),
                24..27 => server.disk.fail_writes(false),
                27 => server.relay.lead_to(None),
                28 | 29 => server.relay.lead_to(Some(server.weir.report)),
                30 => {
                    // A list that broke off and began anew, over objects that came and went meanwhile.
                    agent.tell(Observed::Begin(WatchedKind::Pod)).await;
                    agent.tell(Observed::Listed(pod("gone again", 0))).await;
                    truth.remove(&pod(&name, 0).key());
                    truth.insert(pod("listed", 0).key(), pod("listed", u64::from(which)));
                    agent.list(&truth).await;
                }
                _ if which < 64 => {
                    server.disk.fail_writes(false);
                    server = server.restart().await;
                }
                _ => tokio::time::sleep(Duration::from_millis(u64::from(which % 30))).await,
            }
        }
        server.disk.fail_writes(false);
        server.relay.lead_to(Some(server.weir.report));
        server.relay.lose(0, 0);
        server.holds(&truth).await;
        agent.stop().await;
    }
}
