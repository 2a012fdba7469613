//! What becomes of decisions: their states, their end, the audit, and that none is lost or changed.

use serde_json::{Value, json};

use super::{all, draft, listed, send, set};
use crate::support::{Weir, get};

/// Three decisions: one that ends, one about a repository, one in a cluster.
async fn decided() -> Weir {
    let weir = Weir::start(&[]).await;
    set(
        &weir,
        &json!({"expires_at": "2026-10-01T00:00:00Z", "scope": {"image": format!("sha256:{}", "a".repeat(64))}}),
    )
    .await;
    let repository = json!({"target": "repository", "kind": "false_positive", "scope": {"repository": "redis"},
                            "reason": "Never Shipped"});
    assert_eq!(send(&weir, "exceptions", &repository).await.status, 201);
    set(&weir, &json!({"vulnerability": "GHSA-aaaa-bbbb-cccc", "scope": {"cluster": "east", "namespace": "shop"}}))
        .await;
    weir
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_narrowed_and_paged() {
    let weir = decided().await;
    weir.clock.advance(30 * 86_400);
    assert_eq!(send(&weir, "exceptions/3/cancel", &json!({"reason": "mended"})).await.status, 200);
    for (query, ids) in [
        ("", vec!["3", "2", "1"]),
        ("?state=all", vec!["3", "2", "1"]),
        ("?state=active", vec!["2"]),
        ("?state=expired", vec!["1"]),
        ("?state=cancelled&state=expired", vec!["3", "1"]),
        ("?target=repository", vec!["2"]),
        ("?kind=accepted_risk", vec!["3", "1"]),
        ("?vulnerability=ghsa-AAAA-bbbb-cccc", vec!["3"]),
        ("?repository=redis", vec!["2"]),
        ("?cluster=east&namespace=shop", vec!["3"]),
        ("?cluster=west", vec![]),
        ("?q=never", vec!["2"]),
        ("?q=cve-2026", vec!["1"]),
        ("?q=namespace+shop", vec!["3"]),
        ("?by=anonymous", vec!["3", "2", "1"]),
        ("?by=ada", vec![]),
    ] {
        assert_eq!(all(&listed(&weir, &format!("exceptions{query}")).await, "id"), ids, "{query}");
    }
    let page = get(weir.report, "/api/v1/exceptions?limit=1").await.json();
    assert_eq!((all(page["items"].as_array().unwrap(), "id"), &page["total"]), (vec!["3"], &json!(3)));
    // What is set meanwhile is newer, and shifts nothing.
    set(&weir, &json!({"scope": {"cluster": "north"}})).await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = get(weir.report, &format!("/api/v1/exceptions?limit=2&cursor={cursor}")).await.json();
    assert_eq!((all(rest["items"].as_array().unwrap(), "id"), &rest["next_cursor"]), (vec!["2", "1"], &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_are_cancelled_at_once_or_none() {
    let weir = decided().await;
    for (body, status) in [
        (json!({"ids": ["1", "9"], "reason": "x"}), 404),
        (json!({"ids": ["1", "1"], "reason": "x"}), 409),
        (json!({"ids": [], "reason": "x"}), 422),
        (json!({"ids": ["1"], "reason": "  "}), 422),
        (json!({"ids": ["1"]}), 400),
    ] {
        assert_eq!(send(&weir, "exceptions/cancel", &body).await.status, status, "{body}");
    }
    assert_eq!(listed(&weir, "exceptions?state=active").await.len(), 3);
    let got = send(&weir, "exceptions/cancel", &json!({"ids": ["3", "1"], "reason": "mended"})).await;
    assert_eq!(got.status, 200, "{}", got.json());
    let items = got.json()["items"].as_array().unwrap().clone();
    assert_eq!((all(&items, "id"), all(&items, "state")), (vec!["3", "1"], vec!["cancelled", "cancelled"]));
    let cancelled = json!({"at": "2026-09-21T14:13:20Z", "by": "anonymous", "reason": "mended"});
    assert_eq!(items[0]["cancelled"], cancelled);
    // Once and for all: neither again, nor another way.
    assert_eq!(send(&weir, "exceptions/1/cancel", &json!({"reason": "no"})).await.status, 409);
    assert_eq!(get(weir.report, "/api/v1/exceptions/1").await.json()["cancelled"], cancelled);
    assert_eq!(send(&weir, "exceptions/x/cancel", &json!({"reason": "no"})).await.status, 404);
    let deleted = crate::support::request(weir.report, "DELETE", "/api/v1/exceptions/2", &[]).await;
    assert_eq!((deleted.status, deleted.header("allow")), (405, Some("GET, HEAD")));
    // What was cancelled may be decided anew.
    let again = json!({"vulnerability": "GHSA-aaaa-bbbb-cccc", "scope": {"cluster": "east", "namespace": "shop"}});
    assert_eq!(set(&weir, &again).await, "4");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_says_who_did_what() {
    let weir = decided().await;
    send(&weir, "exceptions/cancel", &json!({"ids": ["1"], "reason": "mended"})).await;
    let told = |items: &[Value]| -> Vec<String> {
        let line = |item: &Value| format!("{} {}", item["action"].as_str().unwrap(), item["subject"].as_str().unwrap());
        items.iter().map(line).collect()
    };
    let audit = listed(&weir, "audit").await;
    assert_eq!(told(&audit), ["exception.cancel 1", "exception.create 3", "exception.create 2", "exception.create 1"]);
    assert_eq!((&audit[0]["by"], &audit[0]["detail"]), (&json!("anonymous"), &json!("mended")));
    assert!(audit[2]["detail"].as_str().unwrap().contains("docker.io/library/redis"), "{}", audit[2]);
    assert_eq!(told(&listed(&weir, "audit?action=exception.cancel").await), ["exception.cancel 1"]);
    assert_eq!(told(&listed(&weir, "audit?q=redis").await), ["exception.create 2"]);
    let page = get(weir.report, "/api/v1/audit?limit=3").await.json();
    let next = page["next_cursor"].as_str().unwrap();
    assert_eq!(told(&listed(&weir, &format!("audit?cursor={next}")).await), ["exception.create 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_every_decision_and_its_end() {
    let weir = decided().await;
    send(&weir, "exceptions/2/cancel", &json!({"reason": "mended"})).await;
    let path = "exceptions?state=all";
    let (before, audit) = (listed(&weir, path).await, listed(&weir, "audit").await);
    let weir = Weir::start_in(weir.stop().await, &[]).await;
    assert_eq!((listed(&weir, path).await, listed(&weir, "audit").await), (before, audit));
    let got = send(&weir, "exceptions", &draft(&json!({"scope": {"cluster": "west"}}))).await;
    assert_eq!((got.status, &got.json()["id"]), (201, &json!("4")));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_decisions_and_what_they_hold_back() {
    let (_, world) = super::world().await;
    set(&world.weir, &json!({"scope": {"package": "pkg:deb/debian/openssl"}})).await;
    let repository = json!({"target": "repository", "kind": "accepted_risk", "reason": "a demo",
                            "scope": {"repository": "team/app", "namespace": "shop", "labels": ["app=two"]}});
    assert_eq!(send(&world.weir, "exceptions", &repository).await.status, 201);
    for (line, value) in [
        (r#"weir_exceptions{scope="package",state="active"}"#, 1.0),
        (r#"weir_exceptions{scope="repository",state="active"}"#, 1.0),
        (r#"weir_exceptions{scope="package",state="cancelled"}"#, 0.0),
        // One workload by its package, the other with all its findings.
        (r#"weir_exception_matches{scope="package"}"#, 1.0),
        (r#"weir_exception_matches{scope="repository"}"#, 2.0),
    ] {
        world.until_metric(line, value).await;
    }
    assert_eq!(send(&world.weir, "exceptions/2/cancel", &json!({"reason": "over"})).await.status, 200);
    world.until_metric(r#"weir_exceptions{scope="repository",state="cancelled"}"#, 1.0).await;
    world.until_metric(r#"weir_exception_matches{scope="package"}"#, 2.0).await;
}
