//! How a notification reaches its receiver: signed, again and again, over restarts, and no longer than it makes sense.

use serde_json::json;
use weir_proxy::notify::signature;
use weir_storage::index::Index;

use super::{Delivery, Receiver, numbered, over, put_up, until, webhook};
use crate::support::Answer;

fn ids(got: &[Delivery]) -> Vec<&str> {
    got.iter().map(Delivery::id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_is_sent_again_the_same_and_in_order() {
    let receiver = Receiver::answering(|before| match before {
        0 => Answer::new(503, &[], b"not\nyet"),
        1 => Answer::new(429, &[("Retry-After", "1")], b""),
        _ => Answer::new(204, &[], b""),
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (key, authorization) = (file("key", "a key\n"), file("authorization", "Bearer abc\n"));
    let index = Index::in_memory();
    put_up(&index, &["1", "2"]);
    let weir =
        over(&index, &webhook(&receiver, &[("SECRET_FILE", &key), ("AUTHORIZATION_FILE", &authorization)])).await;
    let got = receiver.until(4).await;
    assert_eq!(ids(&got), ["1", "1", "1", "2"]);
    for delivery in &got {
        let timestamp: i64 = delivery.headers["x-weir-timestamp"].parse().unwrap();
        assert_eq!(timestamp, weir.clock.now());
        let signed = format!("sha256={}", signature(b"a key", timestamp, &delivery.body));
        assert_eq!(delivery.headers["x-weir-signature"], signed);
        assert_eq!(delivery.headers["authorization"], "Bearer abc");
        assert_eq!(delivery.headers["content-type"], "application/json");
        assert_eq!((delivery.target.as_str(), &delivery.json()["id"]), ("/hook/secret", &json!(delivery.id())));
    }
    let item = until(&weir, |item| item["delivered"] == 2).await;
    assert_eq!((&item["state"], &item["pending"], &item["dropped"]), (&json!("idle"), &json!(0), &json!(0)));
    assert_eq!(item["last_error"]["detail"], "429 Too Many Requests");
    assert!(!item.to_string().contains("secret"), "the path of a URL is not shown: {item}");
    for (result, count) in [("delivered", 2.0), ("retried", 2.0), ("failed", 0.0), ("dropped", 0.0)] {
        let line = format!("weir_webhook_deliveries_total{{result=\"{result}\",webhook=\"ops\"}}");
        assert_eq!(weir.metric(&line).await, count, "{result}");
    }
    let last = weir.metric("weir_webhook_last_success_timestamp_seconds{webhook=\"ops\"}").await;
    assert_eq!(last, weir.clock.now() as f64);

    // Another key counts from the next notification on, and without one nothing is sent.
    weir.stop().await;
    std::fs::write(&key, "another").unwrap();
    put_up(&index, &["3"]);
    let weir = over(&index, &webhook(&receiver, &[("SECRET_FILE", &key)])).await;
    let third = receiver.until(5).await.remove(4);
    let signed = format!("sha256={}", signature(b"another", weir.clock.now(), &third.body));
    assert_eq!(
        (third.headers["x-weir-signature"].as_str(), third.headers.get("authorization")),
        (signed.as_str(), None)
    );
    weir.stop().await;
    std::fs::remove_file(&key).unwrap();
    put_up(&index, &["4"]);
    let weir = over(&index, &webhook(&receiver, &[("SECRET_FILE", &key)])).await;
    let item = until(&weir, |item| item["state"] == "retrying").await;
    assert!(item["last_error"]["detail"].as_str().unwrap().contains("secret_file"), "{item}");
    assert_eq!(receiver.got().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_outlives_a_restart_and_is_not_told_twice() {
    let down = Receiver::answering(|_| Answer::new(500, &[], b"")).await;
    let index = Index::in_memory();
    put_up(&index, &["1", "2"]);
    let weir = over(&index, &webhook(&down, &[])).await;
    until(&weir, |item| item["attempts"].as_u64() >= Some(2)).await;
    weir.stop().await;
    assert!(down.got().iter().all(|delivery| delivery.id() == "1"), "one that is down is asked about one");

    let up = Receiver::start().await;
    let weir = over(&index, &webhook(&up, &[])).await;
    until(&weir, |item| item["delivered"] == 2).await;
    weir.stop().await;
    let weir = over(&index, &webhook(&up, &[])).await;
    put_up(&index, &["3"]);
    weir.stop().await;
    let weir = over(&index, &webhook(&up, &[])).await;
    until(&weir, |item| item["delivered"] == 3).await;
    assert_eq!(ids(&up.got()), ["1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_not_repeated_for_ever_and_redirects_are_not_followed() {
    let elsewhere = Receiver::start().await;
    let place = elsewhere.url();
    let receiver = Receiver::answering(move |before| match before {
        0..3 => Answer::new(302, &[("Location", &place)], b""),
        3..6 => Answer::new(400, &[], b"what is this?"),
        _ => Answer::new(200, &[], b""),
    })
    .await;
    let index = Index::in_memory();
    put_up(&index, &["1", "2", "3"]);
    let weir = over(&index, &webhook(&receiver, &[])).await;
    let item = until(&weir, |item| item["delivered"] == 1).await;
    assert_eq!(
        (&item["dropped"], &item["last_error"]["detail"]),
        (&json!(2), &json!("400 Bad Request: what is this?"))
    );
    assert_eq!(ids(&receiver.got()), ["1", "1", "1", "2", "2", "2", "3"]);
    assert_eq!(elsewhere.got().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_is_left_alone_until_a_restart() {
    let receiver = Receiver::answering(|before| Answer::new(if before == 0 { 410 } else { 200 }, &[], b"")).await;
    let index = Index::in_memory();
    put_up(&index, &["1", "2"]);
    let weir = over(&index, &webhook(&receiver, &[])).await;
    let item = until(&weir, |item| item["state"] == "stopped").await;
    assert_eq!((&item["pending"], &item["dropped"]), (&json!(1), &json!(1)));
    weir.stop().await;
    assert_eq!(receiver.got().len(), 1);
    let weir = over(&index, &webhook(&receiver, &[])).await;
    until(&weir, |item| item["delivered"] == 1).await;
    assert_eq!(ids(&receiver.got()), ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_is_given_up_and_a_webhook_that_is_gone_is_forgotten() {
    let receiver = Receiver::answering(|_| Answer::new(503, &[], b"")).await;
    let index = Index::in_memory();
    put_up(&index, &["1"]);
    let weir = over(&index, &webhook(&receiver, &[("RETRY_FOR", "1h")])).await;
    until(&weir, |item| item["state"] == "retrying").await;
    weir.clock.advance(3601);
    let item = until(&weir, |item| item["dropped"] == 1).await;
    assert_eq!((&item["state"], &item["pending"]), (&json!("idle"), &json!(0)));
    weir.stop().await;
    put_up(&index, &["2"]);
    let weir = over(&index, &numbered(0, "other", &receiver.url(), &[])).await;
    crate::support::eventually("the old webhook is forgotten", || async {
        (index.webhooks().names().unwrap() == ["other"] && index.webhooks().waiting("ops").unwrap() == 0).then_some(())
    })
    .await;
    weir.stop().await;
}
