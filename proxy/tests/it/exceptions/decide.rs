//! What may be decided, and what a decision would match before it is made.

use serde_json::{Value, json};

use super::{OPENSSL, all, draft, listed, send, set, world};
use crate::support::{Weir, get};

#[tokio::test(flavor = "multi_thread")]
async fn decisions_are_made_all_or_none() {
    let weir = Weir::start(&[]).await;
    let one = send(&weir, "exceptions", &draft(&json!({"scope": {"repository": "nginx"}}))).await;
    assert_eq!((one.status, one.header("location")), (201, Some("/api/v1/exceptions/1")));
    let item = one.json();
    for (member, value) in [
        ("state", json!("active")),
        ("created_by", json!("anonymous")),
        ("vulnerability", json!(OPENSSL)),
        ("created_at", json!("2026-09-21T14:13:20Z")),
        ("cancelled", Value::Null),
    ] {
        assert_eq!(item[member], value, "{member}");
    }
    assert_eq!(item["scope"]["repository"], "docker.io/library/nginx");
    assert_eq!(get(weir.report, "/api/v1/exceptions/1").await.json(), item);

    // The second is wrong, so the first is not there either.
    let wrong = json!([
        draft(&json!({"scope": {"cluster": "a"}})),
        draft(&json!({"reason": ""})),
        draft(&json!({"vulnerability": "a b"}))
    ]);
    let got = send(&weir, "exceptions", &wrong).await;
    assert_eq!(got.status, 422);
    assert_eq!(all(got.json()["errors"].as_array().unwrap(), "at"), ["[1].reason", "[2].vulnerability"]);
    // The same, in another spelling.
    let same = draft(&json!({"vulnerability": "cve-2026-0001", "scope": {"repository": "docker.io/library/nginx"}}));
    let got = send(&weir, "exceptions", &json!([draft(&json!({"scope": {"cluster": "a"}})), same])).await;
    assert_eq!((got.status, &got.json()["exception"]), (409, &json!("1")));
    let twice = draft(&json!({"scope": {"cluster": "b"}}));
    assert_eq!(send(&weir, "exceptions", &json!([twice, twice])).await.status, 409);
    assert_eq!(listed(&weir, "exceptions").await.len(), 1);

    // A note beside a decision is another matter.
    let note = draft(&json!({"kind": "under_investigation", "scope": {"repository": "nginx"}}));
    let several = send(&weir, "exceptions", &json!([note, twice])).await;
    assert_eq!((several.status, several.json()["items"].as_array().unwrap().len()), (201, 2));
    assert_eq!(all(&listed(&weir, "exceptions").await, "id"), ["3", "2", "1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_decision_is_refused() {
    let weir = Weir::start(&[]).await;
    for (body, status, says) in [
        ("{".to_owned(), 400, "body: "),
        ("[]".to_owned(), 422, "1 to 1000"),
        ("[1]".to_owned(), 400, "body[0]: "),
        (draft(&json!({"colour": 1})).to_string(), 400, "colour"),
        (draft(&json!({"expires_at": "2026-09-21T14:13:20Z"})).to_string(), 422, "not in the future"),
        (json!(vec![draft(&json!({})); 1001]).to_string(), 422, "at most 1000"),
        (" ".repeat((4 << 20) + 1), 413, "over the limit"),
    ] {
        let got = crate::support::post(weir.report, "/api/v1/exceptions", &[], body.as_bytes()).await;
        let detail = got.json()["detail"].as_str().unwrap().to_owned();
        assert!(got.status == status && detail.contains(says), "{} {detail}", got.status);
    }
    let crossed = [("Content-Type", "application/json"), ("Sec-Fetch-Site", "cross-site")];
    let body = draft(&json!({})).to_string();
    assert_eq!(crate::support::post(weir.report, "/api/v1/exceptions", &crossed, body.as_bytes()).await.status, 403);
    for (target, status) in [("exceptions/9", 404), ("exceptions?colour=red", 400), ("exceptions?state=gone", 400)] {
        assert_eq!(get(weir.report, &format!("/api/v1/{target}")).await.status, status, "{target}");
    }
    assert!(listed(&weir, "exceptions").await.is_empty() && listed(&weir, "audit").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_counts_and_sets_nothing() {
    let (images, world) = world().await;
    let weir = &world.weir;
    let preview = async |members: Value| {
        let got = send(weir, "exceptions?dry_run=true", &draft(&members)).await;
        assert_eq!(got.status, 200, "{}", got.json());
        got.json()["preview"].clone()
    };
    let counts = |preview: &Value| {
        ["images", "repositories", "findings", "vulnerabilities", "workloads"]
            .map(|name| preview[name].as_u64().unwrap())
    };
    let everywhere = preview(json!({})).await;
    assert_eq!(counts(&everywhere), [2, 1, 2, 1, 2]);
    assert!(everywhere["warning"].as_str().unwrap().contains("everywhere"), "{everywhere}");
    assert_eq!(everywhere["examples"][0]["vulnerability"], OPENSSL);
    for (scope, expected) in [
        (json!({"namespace": "shop", "labels": ["app=two"]}), [1, 1, 1, 1, 1]),
        (json!({"cluster": "other"}), [0, 0, 0, 0, 0]),
        (json!({"image": images.arm.manifest_digest}), [1, 1, 1, 1, 1]),
        (json!({"package": "pkg:deb/debian/openssl"}), [2, 1, 2, 1, 2]),
        (json!({"package": "pkg:deb/debian/openssl@9"}), [0, 0, 0, 0, 0]),
        (json!({"repository": "team/app"}), [2, 1, 2, 1, 2]),
    ] {
        assert_eq!(counts(&preview(json!({"scope": scope})).await), expected, "{scope}");
    }
    // Any name of the vulnerability; one that has a fix does not stay excepted.
    assert_eq!(counts(&preview(json!({"vulnerability": "DSA-1-1"})).await), [2, 1, 2, 1, 2]);
    assert_eq!(counts(&preview(json!({"expire_on_fix": true})).await), [0, 0, 0, 0, 0]);
    // An index of several images is none.
    let index = draft(&json!({"scope": {"image": images.amd.index_digest}}));
    let got = send(weir, "exceptions?dry_run=true", &index).await;
    assert!(got.status == 422 && got.json()["detail"].as_str().unwrap().contains("several images"), "{}", got.json());
    let repository = json!([{"target": "repository", "kind": "accepted_risk", "scope": {"repository": "team/app"},
                             "reason": "a demo"}]);
    let got = send(weir, "exceptions?dry_run=true", &repository).await.json();
    assert_eq!(counts(&got["items"][0]["preview"]), [2, 1, 4, 2, 2]);
    assert!(listed(weir, "exceptions").await.is_empty() && listed(weir, "audit").await.is_empty());
    set(weir, &json!({})).await;
    assert_eq!(send(weir, "exceptions?dry_run=true", &draft(&json!({}))).await.status, 409);
}
