//! Trying a webhook out: what would be sent, and what happens when it is.

use serde_json::{Value, json};
use weir_storage::index::Index;

use super::{Receiver, numbered, over, webhook};
use crate::support::{Answer, get, post};

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_is_sent_now_and_the_answer_says_what_happened() {
    let receiver = Receiver::answering(|before| match before {
        0 => Answer::new(200, &[], b"thanks"),
        _ => Answer::new(418, &[], b"a <teapot>\x1b[31m"),
    })
    .await;
    let index = Index::in_memory();
    let mut settings = webhook(&receiver, &[("KINDS", "closed,feed_stale")]);
    settings.extend(numbered(1, "chat", &receiver.url(), &[("FORMAT", "slack")]));
    settings.extend(numbered(2, "nobody", "http://127.0.0.1:1/hook/secret", &[]));
    settings.push(("REPORT__PUBLIC_URL".to_owned(), "https://weir.example.org/".to_owned()));
    let weir = over(&index, &settings).await;
    let test = |query: &'static str| post(weir.report, query, &[], b"");

    let dry = test("/api/v1/webhooks/ops/test?dry_run=true").await;
    let body = dry.json();
    assert_eq!((dry.status, &body["schema_version"], &body["kind"]), (200, &json!(1), &json!("closed")));
    assert_eq!((&body["test"], &body["webhook"]), (&json!(true), &json!("ops")));
    assert_eq!(body["items"][0]["url"], "https://weir.example.org/vulnerabilities/CVE-0000-0000");
    assert_eq!(receiver.got().len(), 0, "nothing is sent");

    let sent = test("/api/v1/webhooks/ops/test?kind=feed_stale").await.json();
    let got = receiver.until(1).await;
    assert_eq!((&sent["delivered"], &sent["status"], &sent["response"]), (&json!(true), &json!(200), &json!("thanks")));
    assert_eq!((got[0].json()["kind"].clone(), sent["id"].as_str()), (json!("feed_stale"), Some(got[0].id())));

    let refused = test("/api/v1/webhooks/chat/test").await.json();
    assert_eq!((&refused["delivered"], &refused["status"]), (&json!(false), &json!(418)));
    assert_eq!(refused["response"], "a <teapot> [31m");
    let message = receiver.until(2).await[1].json();
    assert_eq!(message["text"], "Test: 1 finding opened: 1 vulnerability in 1 image");
    let types: Vec<&Value> = message["blocks"].as_array().unwrap().iter().map(|block| &block["type"]).collect();
    assert_eq!(types, ["header", "section", "context"]);

    for (path, status) in [
        ("/api/v1/webhooks/none/test", 404),
        ("/api/v1/webhooks/ops/test?kind=any", 400),
        ("/api/v1/webhooks/ops/test?dry_run=1", 400),
        ("/api/v1/webhooks/ops/test?when=now", 400),
    ] {
        assert_eq!(test(path).await.status, status, "{path}");
    }
    let items = get(weir.report, "/api/v1/webhooks").await.json()["items"].clone();
    assert_eq!(
        (&items[0]["name"], &items[1]["name"], &items[1]["format"]),
        (&json!("ops"), &json!("chat"), &json!("slack"))
    );
    assert_eq!((&items[0]["delivered"], &items[0]["pending"]), (&json!(0), &json!(0)), "a trial is no notification");
    let page = get(weir.report, "/api/v1/webhooks?limit=1").await.json();
    assert_eq!((&page["items"][0]["name"], &page["next_cursor"]), (&json!("ops"), &json!("ops")));
    let page = get(weir.report, "/api/v1/webhooks?limit=1&cursor=ops").await.json();
    assert_eq!((&page["items"][0]["name"], &page["next_cursor"]), (&json!("chat"), &json!("chat")));
    let page = get(weir.report, "/api/v1/webhooks?limit=1&cursor=chat").await.json();
    assert_eq!((&page["items"][0]["name"], &page["next_cursor"]), (&json!("nobody"), &Value::Null));
    assert_eq!(get(weir.report, "/api/v1/webhooks?cursor=none").await.status, 400);
    let audit = index.audit().list(None, 9, |_| true).unwrap().entries;
    let said: Vec<_> = audit.iter().map(|(_, entry)| (entry.subject.as_str(), entry.detail.as_str())).collect();
    assert_eq!(said, [("chat", "418 I'm a teapot"), ("ops", "200 OK")]);

    let failed = test("/api/v1/webhooks/nobody/test").await.json();
    assert_eq!((&failed["delivered"], &failed["status"]), (&json!(false), &Value::Null));
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("127.0.0.1") && !error.contains("secret"), "{error}");
}
