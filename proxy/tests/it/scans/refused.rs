//! Requests that are not taken.

use serde_json::json;

use super::{ask, post};
use crate::support::{Answer, Gate, Registry, Weir, get, request};

async fn nothing() -> (Registry, Weir) {
    let registry = Registry::start(|_| Answer::new(404, &[], b"{}")).await;
    let weir = Weir::over(&registry.url()).await;
    (registry, weir)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_scanned_is_said_at_once() {
    let (registry, weir) = nothing().await;
    for (body, status, code, said) in [
        (r#"{"reference": "Team/App:1"}"#, 422, Some("bad_reference"), "reference: \"Team/App\""),
        (r#"{"reference": "quay.io/team/app:1"}"#, 422, Some("unknown_upstream"), "\"quay.io\" is not a configured"),
        (r#"{"reference": "a", "platform": "linux"}"#, 422, None, "platform: "),
        (
            "{\"reference\": \"a\",\n \"tag\": \"1\"}",
            400,
            None,
            "unknown field `tag`, expected `reference` or `platform` at line 2 column 6",
        ),
        (r#"{"platform": "linux/amd64"}"#, 400, None, "missing field `reference`"),
        (r#"{"reference": 5}"#, 400, None, "invalid type: integer `5`, expected a string at line 1 column 15"),
        ("", 400, None, "EOF while parsing a value at line 1 column 0"),
    ] {
        let got = post(&weir, body, &[]).await;
        let problem = got.json();
        assert_eq!((got.status, problem["code"].as_str()), (status, code), "{body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(said), "{body}: {problem}");
        assert_eq!(got.header("content-type"), Some("application/problem+json"));
    }
    let long = json!({"reference": "a".repeat(17_000)}).to_string();
    assert_eq!(post(&weir, &long, &[]).await.status, 413);
    let body = r#"{"reference": "team/app:1"}"#;
    assert_eq!(post(&weir, body, &[("Sec-Fetch-Site", "cross-site")]).await.status, 403);
    let got = request(weir.report, "DELETE", "/api/v1/scans", &[]).await;
    assert_eq!((got.status, got.header("allow")), (405, Some("GET, HEAD, POST")));
    assert_eq!(get(weir.report, "/api/v1/scans/none").await.status, 404);
    assert_eq!(get(weir.report, "/api/v1/scans?state=done").await.status, 400);
    assert_eq!(get(weir.report, "/api/v1/scans").await.json(), json!({"items": [], "next_cursor": null}));
    assert_eq!(registry.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_too_many_wait_one_is_asked_to_come_again() {
    let gate = Gate::default();
    let held = gate.clone();
    let registry = Registry::start(move |_| Answer::new(404, &[], b"{}").gated(0, &held)).await;
    let weir = Weir::over(&registry.url()).await;
    for n in 0..256 {
        ask(&weir, &json!({"reference": format!("team/app:{n}")})).await;
    }
    let got = post(&weir, r#"{"reference": "team/app:one-more"}"#, &[]).await;
    assert_eq!((got.status, got.header("retry-after")), (503, Some("30")));
    // The same request as one that waits needs no room.
    ask(&weir, &json!({"reference": "team/app:7"})).await;
    gate.open();
}
