//! What `/openapi.json` says holds.

use serde_json::Value;

use super::{image, scanned};
use crate::support::{Weir, get, request};

async fn document(weir: &Weir) -> Value {
    let got = get(weir.report, "/openapi.json").await;
    assert_eq!((got.status, got.header("content-type")), (200, Some("application/json")));
    got.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_answers_with_the_members_that_are_described() {
    let image = image();
    let (_registry, weir) = scanned(&[&image]).await;
    let document = document(&weir).await;
    let resolved = |schema: &Value| match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap().clone(),
        None => schema.clone(),
    };
    let mut answered = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let Some(content) = operations.pointer("/get/responses/200/content/application~1json/schema") else { continue };
        let target = path.replace("{digest}", &image.manifest_digest.to_string());
        let target =
            if path.ends_with("/compare") { format!("{target}?a={0}&b={0}", image.manifest_digest) } else { target };
        let got = get(weir.report, &target).await;
        // Nothing with another id or name is there.
        if got.status != 200 {
            assert!(got.status == 404 && path.contains('{'), "{target}: {}", got.status);
            continue;
        }
        answered += 1;
        let schema = resolved(content);
        let (answer, members) = (got.json(), schema["properties"].as_object().cloned().unwrap_or_default());
        for name in schema["required"].as_array().into_iter().flatten() {
            assert!(answer.get(name.as_str().unwrap()).is_some(), "{target} lacks {name}");
        }
        if !members.is_empty() {
            for name in answer.as_object().unwrap().keys() {
                assert!(members.contains_key(name), "{target} has {name}, which is not described");
            }
        }
        if let (Some(items), Some(first)) = (members.get("items"), answer["items"].get(0)) {
            let item = resolved(&items["items"]);
            let members = item["properties"].as_object().unwrap_or_else(|| panic!("{target}: {item}"));
            for name in first.as_object().unwrap().keys() {
                assert!(members.contains_key(name), "{target}: an item has {name}, which is not described");
            }
        }
    }
    assert!(answered >= 15, "{answered}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_described_is_refused() {
    let image = image();
    let (_registry, weir) = scanned(&[&image]).await;
    let of_image = format!("/api/v1/images/{}", image.manifest_digest);
    for (target, status) in [
        ("/api/v1/images?colour=red".to_owned(), 400),
        ("/api/v1/images?limit=0".to_owned(), 400),
        ("/api/v1/images?limit=1001".to_owned(), 400),
        ("/api/v1/images?limit=%2B5".to_owned(), 400),
        ("/api/v1/images?limit=5&limit=6".to_owned(), 400),
        ("/api/v1/images?cluster=%00".to_owned(), 400),
        ("/api/v1/images?cluster=%FF".to_owned(), 400),
        ("/api/v1/images?cursor=none".to_owned(), 400),
        (format!("/api/v1/images?cluster={}", "x".repeat(600)), 400),
        (format!("{of_image}/packages?sort=colour"), 400),
        (format!("{of_image}/layers?layer=1"), 400),
        (format!("{of_image}/none"), 404),
        ("/api/v1/images/sha256:00/packages".to_owned(), 400),
    ] {
        let got = get(weir.report, &target).await;
        assert_eq!((got.status, got.header("content-type")), (status, Some("application/problem+json")), "{target}");
        assert_eq!(got.json()["status"], status, "{target}");
    }
    let got = request(weir.report, "PUT", "/api/v1/images", &[]).await;
    assert_eq!((got.status, got.header("allow")), (405, Some("GET, HEAD")));
    let kind = [("Content-Type", "text/plain")];
    assert_eq!(crate::support::post(weir.report, "/api/v1/scans", &kind, b"{}").await.status, 415);
}
