//! Requests that end without an image, and the word for why.

use serde_json::{Value, json};
use weir_scanner::oci::{Digest, MediaType};

use super::{ask, ended};
use crate::support::{Answer, Registry, Weir};

async fn failure(weir: &Weir, reference: &str) -> (String, String) {
    let id = ask(weir, &json!({"reference": reference})).await;
    let request = ended(weir, &id).await;
    assert_eq!((&request["state"], &request["images"]), (&"failed".into(), &json!([])), "{request}");
    let text = |key: &str| request["error"][key].as_str().unwrap().to_owned();
    (text("code"), text("detail"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_of_the_upstream_has_its_code() {
    let registry = Registry::start(|ask| {
        let manifest = |document: &Value| {
            let media_type = document["mediaType"].as_str().unwrap().to_owned();
            Answer::new(200, &[("Content-Type", &media_type)], document.to_string().as_bytes())
        };
        let config =
            json!({"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": Digest::of(b"c"), "size": 1});
        match ask.path().split('/').nth(3).unwrap_or_default() {
            "secret" => Answer::new(401, &[], b"{}"),
            "denied" => Answer::new(403, &[], b"{}"),
            "limited" => Answer::new(429, &[("Retry-After", "60")], b"{}"),
            "broken" => Answer::new(500, &[], b"{}"),
            "chart" => manifest(
                &json!({"schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": config, "layers": []}),
            ),
            "empty" => manifest(&json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": []})),
            _ => Answer::new(
                404,
                &[("Content-Type", "application/json")],
                br#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#,
            ),
        }
    })
    .await;
    let weir = Weir::over(&registry.url()).await;
    for (repository, code) in [
        ("secret", "denied"),
        ("denied", "denied"),
        ("none", "not_found"),
        ("chart", "not_an_image"),
        ("empty", "not_an_image"),
        ("limited", "rate_limited"),
        ("broken", "upstream_failed"),
    ] {
        assert_eq!(failure(&weir, &format!("team/{repository}:1")).await.0, code, "{repository}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_not_there_is_unreachable_and_not_private() {
    let registry = Registry::start(|_| Answer::new(404, &[], b"{}")).await;
    let url = registry.url();
    drop(registry);
    let weir = Weir::over(&url).await;
    let (code, detail) = failure(&weir, "team/app:1").await;
    assert_eq!(code, "unreachable");
    assert!(detail.contains("cannot connect"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_read_with_clients_credentials_is_never_asked_in_weir_s_own_name() {
    let registry = Registry::start(|_| Answer::new(200, &[], b"{}")).await;
    let url = registry.url();
    let settings =
        [("UPSTREAM__0__NAME", "ghcr.io"), ("UPSTREAM__0__URL", url.as_str()), ("UPSTREAM__0__ACCESS", "client")];
    let weir = Weir::start(&settings).await;
    assert_eq!(failure(&weir, "ghcr.io/team/app:1").await.0, "credentials_needed");
    assert_eq!(registry.asked().len(), 0);
}
