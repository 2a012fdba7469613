//! What the agents' door answers, message by message.

use serde_json::{Value, json};
use weir_proxy::workload::wire::{self, DeltaBatch, SnapshotPart};
use weir_storage::index::{ClusterChange, ClusterObject};

use super::harness::{CLUSTER, Server, all, node, pod};
use crate::support::{Got, post, request};

fn part(session: &str, number: u32, last: bool, objects: Vec<ClusterObject>) -> Vec<u8> {
    let part = SnapshotPart {
        agent_version: "0.1.0".into(),
        kubernetes_version: None,
        session: session.into(),
        part: number,
        last,
        objects,
    };
    serde_json::to_vec(&part).unwrap()
}

fn batch(session: &str, sequence: u64, changes: Vec<ClusterChange>) -> Vec<u8> {
    serde_json::to_vec(&DeltaBatch { session: session.into(), sequence, changes }).unwrap()
}

struct Door<'a> {
    server: &'a Server,
    token: String,
}

impl Door<'_> {
    async fn send(&self, cluster: &str, what: &str, body: &[u8]) -> Got {
        self.send_with(cluster, what, &[], body).await
    }

    async fn send_with(&self, cluster: &str, what: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
        let authorization = format!("Bearer {}", self.token);
        let mut all = vec![("Authorization", authorization.as_str())];
        all.extend(headers);
        post(self.server.weir.report, &format!("/api/v1/agents/{cluster}/{what}"), &all, body).await
    }

    async fn snapshot(&self, body: &[u8]) -> Got {
        self.send(CLUSTER, "snapshot", body).await
    }

    async fn deltas(&self, body: &[u8]) -> Got {
        self.send(CLUSTER, "deltas", body).await
    }
}

async fn door(server: &Server) -> Door<'_> {
    Door { server, token: server.token("agent", None).await }
}

fn accepted(got: &Got, sequence: u64) {
    assert_eq!((got.status, got.json()), (200, json!({"sequence": sequence})));
}

fn resync(got: &Got) {
    assert_eq!((got.status, &got.json()["resync"]), (409, &Value::Bool(true)));
    problem(got, 409);
}

fn problem(got: &Got, status: u16) {
    assert_eq!(got.status, status, "{:?}", String::from_utf8_lossy(&got.body));
    assert_eq!(got.header("content-type"), Some("application/problem+json"));
    assert_eq!(got.json()["status"], status);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_and_batches_count_once_and_in_order() {
    let server = Server::start().await;
    let door = door(&server).await;
    resync(&door.deltas(&batch("s", 1, Vec::new())).await);
    resync(&door.snapshot(&part("s", 1, true, Vec::new())).await);
    assert_eq!(server.record(), None);
    for _ in 0..2 {
        accepted(&door.snapshot(&part("s", 0, false, vec![pod("a", 0)])).await, 0);
    }
    assert_eq!(server.record(), None, "a snapshot counts when it is whole");
    for _ in 0..2 {
        accepted(&door.snapshot(&part("s", 1, true, vec![node("n1")])).await, 0);
    }
    assert_eq!(server.objects(), all([pod("a", 0), node("n1")]));

    let set = |version| vec![ClusterChange::Set(pod("a", version))];
    accepted(&door.deltas(&batch("s", 1, set(1))).await, 1);
    accepted(&door.deltas(&batch("s", 2, set(2))).await, 2);
    // What was counted is not counted again, whatever it says.
    accepted(&door.deltas(&batch("s", 1, set(1))).await, 2);
    accepted(&door.deltas(&batch("s", 2, vec![ClusterChange::Gone(pod("a", 0).key())])).await, 2);
    resync(&door.deltas(&batch("s", 4, set(4))).await);
    resync(&door.deltas(&batch("other", 3, set(4))).await);
    // The last part comes late once more: it replaces nothing.
    accepted(&door.snapshot(&part("s", 1, true, vec![node("n1")])).await, 2);
    assert_eq!(server.objects(), all([pod("a", 2), node("n1")]));
    let first = server.record().unwrap();
    server.weir.clock.advance(60);
    accepted(&door.deltas(&batch("s", 3, Vec::new())).await, 3);
    let record = server.record().unwrap();
    assert_eq!((record.sequence, record.synced_at, record.first_seen), (3, first.synced_at + 60, first.first_seen));

    // A new session begins beside the old one, which goes on until the new is whole.
    accepted(&door.snapshot(&part("t", 0, false, vec![pod("b", 0)])).await, 0);
    accepted(&door.deltas(&batch("s", 4, set(5))).await, 4);
    resync(&door.snapshot(&part("u", 1, true, Vec::new())).await);
    accepted(&door.snapshot(&part("t", 1, true, Vec::new())).await, 0);
    assert_eq!(server.objects(), all([pod("b", 0)]));
    resync(&door.deltas(&batch("s", 5, set(6))).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_changes_nothing_and_can_be_repeated() {
    let server = Server::start().await;
    let door = door(&server).await;
    accepted(&door.snapshot(&part("s", 0, false, vec![pod("a", 0)])).await, 0);
    let last = part("s", 1, true, vec![pod("b", 0)]);
    server.disk.fail_writes(true);
    for _ in 0..2 {
        let got = door.snapshot(&last).await;
        problem(&got, 503);
        assert!(got.header("retry-after").is_some());
    }
    assert_eq!(server.record(), None);
    server.disk.fail_writes(false);
    accepted(&door.snapshot(&last).await, 0);
    assert_eq!(server.objects(), all([pod("a", 0), pod("b", 0)]));
    let gone = batch("s", 1, vec![ClusterChange::Gone(pod("a", 0).key())]);
    server.disk.fail_writes(true);
    problem(&door.deltas(&gone).await, 503);
    problem(&door.deltas(&batch("s", 1, Vec::new())).await, 503);
    assert_eq!(server.record().unwrap().sequence, 0);
    server.disk.fail_writes(false);
    server.disk.fail_reads(true);
    problem(&door.deltas(&gone).await, 503);
    server.disk.fail_reads(false);
    accepted(&door.deltas(&gone).await, 1);
    assert_eq!(server.objects(), all([pod("b", 0)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_agents_token_opens_and_only_for_its_cluster() {
    let server = Server::start().await;
    let agent = door(&server).await;
    let whole = part("s", 0, true, vec![pod("a", 0)]);
    let place = format!("/api/v1/agents/{CLUSTER}/snapshot");
    let without = post(server.weir.report, &place, &[], &whole).await;
    problem(&without, 401);
    assert!(without.header("www-authenticate").unwrap().starts_with("Bearer"));
    let unknown = agent.token.replace("weir_", "weir_a");
    for header in [format!("Bearer {unknown}"), format!("Basic {}", agent.token), agent.token.clone()] {
        let got = post(server.weir.report, &place, &[("Authorization", &header)], &whole).await;
        problem(&got, 401);
        assert_eq!(got.body, without.body, "every refusal reads the same");
    }
    for role in ["viewer", "editor", "administrator"] {
        let other = Door { server: &server, token: server.token(role, None).await };
        problem(&other.snapshot(&whole).await, 403);
    }
    // Bound when it was made.
    let west = Door { server: &server, token: server.token("agent", Some("west")).await };
    problem(&west.snapshot(&whole).await, 403);
    // Bound by its first report.
    accepted(&agent.snapshot(&whole).await, 0);
    problem(&agent.send("west", "snapshot", &whole).await, 403);
    problem(&agent.send("west", "deltas", &batch("s", 1, Vec::new())).await, 403);
    accepted(&west.send("west", "snapshot", &part("w", 0, true, Vec::new())).await, 0);
    // Another site's page stays out, and so do other methods and names.
    let origin = [("Origin", "https://evil.example")];
    problem(&agent.send_with(CLUSTER, "deltas", &origin, &batch("s", 1, Vec::new())).await, 403);
    problem(&request(server.weir.report, "GET", &place, &[]).await, 405);
    problem(&agent.send("..", "deltas", b"").await, 400);
    problem(&agent.send(CLUSTER, "nothing", b"").await, 404);
    // Revoked: at once.
    let id = agent.token.split('_').nth(1).unwrap();
    assert!(server.index.tokens().revoke(id, 0).unwrap());
    problem(&agent.deltas(&batch("s", 1, Vec::new())).await, 401);
    assert_eq!(server.record().unwrap().sequence, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_large_or_no_messages_are_refused() {
    let server = Server::start().await;
    let door = door(&server).await;
    let gzip = [("Content-Encoding", "gzip")];
    for body in [&b""[..], b"{", b"{}", b"[]", br#"{"session":"s","sequence":-1,"changes":[]}"#] {
        problem(&door.deltas(body).await, 400);
        problem(&door.snapshot(body).await, 400);
    }
    problem(&door.send_with(CLUSTER, "deltas", &gzip, b"not gzip").await, 400);
    problem(&door.send_with(CLUSTER, "deltas", &[("Content-Encoding", "br")], b"").await, 415);
    let bomb = wire::gzip(&vec![b' '; wire::MAX_BODY_BYTES + 1]).unwrap();
    problem(&door.send_with(CLUSTER, "snapshot", &gzip, &bomb).await, 413);
    let many = (0..=wire::MAX_ITEMS).map(|number| node(&number.to_string())).collect();
    let many = wire::gzip(&part("s", 0, true, many)).unwrap();
    problem(&door.send_with(CLUSTER, "snapshot", &gzip, &many).await, 413);
    assert_eq!(server.record(), None);
    // Plain and gzipped are the same.
    let whole = wire::gzip(&part("s", 0, true, vec![node("n1")])).unwrap();
    accepted(&door.send_with(CLUSTER, "snapshot", &gzip, &whole).await, 0);
    assert_eq!(server.objects(), all([node("n1")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_let_in_where_the_report_is_closed() {
    let server = Server::start_with(&[("AUTH__ANONYMOUS", "none")]).await;
    let door = door(&server).await;
    assert_eq!(request(server.weir.report, "GET", "/api/v1/images", &[]).await.status, 401);
    accepted(&door.snapshot(&part("s", 0, true, vec![node("n1")])).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_report_answers_tokens_as_their_roles_allow() {
    let server = Server::start_with(&[("AUTH__ANONYMOUS", "none")]).await;
    let cluster = format!("/api/v1/clusters/{CLUSTER}");
    for (role, reads, refreshes, removes) in [
        ("viewer", 200, 403, 403),
        ("editor", 200, 202, 403),
        ("administrator", 200, 202, 404),
        ("agent", 403, 403, 403),
    ] {
        let bearer = format!("Bearer {}", server.token(role, None).await);
        let ask = async |method, path| {
            request(server.weir.report, method, path, &[("Authorization", bearer.as_str())]).await.status
        };
        let found = [
            ask("GET", "/api/v1/images").await,
            ask("POST", "/api/v1/advisories/refresh").await,
            ask("DELETE", cluster.as_str()).await,
        ];
        assert_eq!(found, [reads, refreshes, removes], "{role}");
    }
    let wrong = [("Authorization", "Bearer weir_aaaaaaaa_bbbb")];
    let refused = request(server.weir.report, "GET", "/api/v1/images", &wrong).await;
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer realm=\"weir\"")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_goes_for_good_once_it_is_silent_and_may_come_back() {
    let server = Server::start().await;
    let door = door(&server).await;
    let path = format!("/api/v1/clusters/{CLUSTER}");
    accepted(&door.snapshot(&part("s", 0, true, vec![node("n1")])).await, 0);
    assert_eq!(request(server.weir.report, "DELETE", &path, &[]).await.status, 409, "its agent reports it");
    server.weir.clock.advance(91);
    assert_eq!(request(server.weir.report, "DELETE", &path, &[]).await.status, 204);
    assert_eq!((server.record(), server.objects()), (None, all([])));
    resync(&door.deltas(&batch("s", 1, Vec::new())).await);
    accepted(&door.snapshot(&part("t", 0, true, vec![node("n2")])).await, 0);
    assert_eq!(server.objects(), all([node("n2")]));
}
