//! What is scanned for a reference.

use serde_json::{Value, json};

use super::{arm, ask, ended, images, indexed};
use crate::pulls::pulls;
use crate::scan::{NEVER, image, over};
use crate::support::get;

fn complete(digest: weir_scanner::oci::Digest, platform: &str) -> (String, String, String) {
    (digest.to_string(), platform.to_owned(), "complete".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_fetched_and_scanned_and_nobody_has_pulled_it() {
    let image = image();
    // No client is waited for, however long one is waited for otherwise.
    let (registry, weir) = over(&[&image], NEVER, &[]).await;
    let id = ask(&weir, &json!({"reference": "team/app:1"})).await;
    let request = ended(&weir, &id).await;
    assert_eq!((&request["state"], &request["error"]), (&"done".into(), &Value::Null), "{request}");
    assert_eq!((&request["reference"], &request["platform"]), (&"docker.io/team/app:1".into(), &Value::Null));
    assert_eq!(images(&request), [complete(image.manifest_digest, "linux/amd64")]);
    assert_eq!(request["requested_at"], "2026-09-21T14:13:20Z");
    let document = weir.scanned(&image.manifest_digest).await;
    assert_eq!(document["packages"].as_array().unwrap().len(), 3);
    for layer in &image.layers {
        assert_eq!(registry.count("GET", &layer.digest.to_string()), 1);
    }
    let row = get(weir.report, &format!("/api/v1/images/{}", image.manifest_digest)).await.json();
    assert_eq!(
        (&row["images"][0]["last_pulled"], &row["images"][0]["scan_status"]),
        (&Value::Null, &"complete".into())
    );

    // A client that comes later pulls it: that is told, and is the only pull there was.
    let target = format!("/v2/team/app/manifests/{}", image.manifest_digest);
    assert_eq!(get(weir.mirror, &target).await.status, 200);
    assert_eq!(pulls(&weir, "pulls", 1).await[0]["image"], image.manifest_digest.to_string());
    crate::support::eventually("the pull is noted", || async {
        let row = get(weir.report, &format!("/api/v1/images/{}", image.manifest_digest)).await.json();
        row["images"][0]["last_pulled"].as_str().map(str::to_owned)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_all_its_images_or_the_platform_asked_for() {
    let (amd, arm) = (image(), arm());
    let both = indexed(&[&amd, &arm], &["amd64", "arm64"]);
    let (registry, weir) = over(&[&both, &arm], NEVER, &[]).await;
    let one = ask(&weir, &json!({"reference": "docker.io/team/app:1", "platform": "linux/arm64"})).await;
    let request = ended(&weir, &one).await;
    assert_eq!((&request["state"], &request["platform"]), (&"done".into(), &"linux/arm64".into()), "{request}");
    assert_eq!(images(&request), [complete(arm.manifest_digest, "linux/arm64")]);
    assert_eq!(registry.count("GET", &amd.manifest_digest.to_string()), 0, "the other platform is left alone");

    let all = ask(&weir, &json!({"reference": "team/app:1"})).await;
    let request = ended(&weir, &all).await;
    let expected = [complete(amd.manifest_digest, "linux/amd64"), complete(arm.manifest_digest, "linux/arm64")];
    assert_eq!((images(&request).as_slice(), &request["state"]), (&expected[..], &"done".into()));

    let none = ask(&weir, &json!({"reference": "team/app:1", "platform": "linux/s390x"})).await;
    let request = ended(&weir, &none).await;
    assert_eq!(request["error"]["code"], "not_found");
    assert!(request["error"]["detail"].as_str().unwrap().contains("linux/amd64, linux/arm64"), "{request}");

    // A manifest says its platform only in its configuration.
    let reference = format!("team/app@{}", amd.manifest_digest);
    let other = ask(&weir, &json!({"reference": reference, "platform": "linux/arm64"})).await;
    assert_eq!(ended(&weir, &other).await["error"]["code"], "not_found");
    let same = ask(&weir, &json!({"reference": reference, "platform": "linux/amd64"})).await;
    assert_eq!(ended(&weir, &same).await["state"], "done");
}
