//! Two images beside each other.

use serde_json::{Value, json};
use weir_scanner::fixture::ImageBuilder;

use super::{debian, image, python, scanned};
use crate::scan::{NEVER, over, pull};
use crate::support::get;

fn ids(found: &Value) -> Vec<&str> {
    let mut ids: Vec<&str> = found.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    ids.dedup();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_mended_brought_and_kept() {
    let before = image();
    let after = ImageBuilder::new()
        .layer(debian("3.0.11-2"))
        .layer(python("requests", "2.18.0"))
        .layer(python("evil", "1.0"))
        .build();
    let (_registry, weir) = scanned(&[&before, &after]).await;
    let target = format!("/api/v1/compare?a={}&b={}", before.index_digest, after.config_digest);
    let got = get(weir.report, &target).await;
    let compared = got.json();
    assert_eq!(ids(&compared["fixed"]), ["CVE-2024-0001"], "{compared}");
    assert_eq!(ids(&compared["new"]), ["CVE-2024-0004"]);
    assert_eq!(ids(&compared["unchanged"]), ["CVE-2024-0002", "CVE-2024-0003"]);
    let changes: Vec<_> = compared["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| json!([change["name"], change["change"], change["from"], change["to"]]))
        .collect();
    assert_eq!(
        changes,
        [
            json!(["libssl3", "upgraded", "3.0.11-1", "3.0.11-2"]),
            json!(["openssl", "upgraded", "3.0.11-1", "3.0.11-2"]),
            json!(["evil", "added", null, "1.0"]),
            json!(["requests", "downgraded", "2.19.0", "2.18.0"]),
        ]
    );
    assert_eq!(compared["layers"], json!({"shared": 0, "shared_bytes": 0, "a": 4, "b": 3}));
    assert_eq!(
        (&compared["a"]["reference"], &compared["b"]["scan"]["status"]),
        (&json!("docker.io/team/app:1"), &json!("complete"))
    );
    let same = get(weir.report, &format!("/api/v1/compare?a={0}&b={0}", before.manifest_digest)).await.json();
    assert_eq!((&same["fixed"], &same["new"], &same["packages"]), (&json!([]), &json!([]), &json!([])));
    assert_eq!(same["layers"]["shared"], 4);
    let low = get(weir.report, &format!("{target}&severity=low")).await.json();
    assert_eq!((ids(&low["fixed"]).len(), ids(&low["unchanged"])), (0, vec!["CVE-2024-0003"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_of_an_image_that_was_not_read() {
    let (first, second) = (image(), ImageBuilder::new().layer(python("other", "1.0")).build());
    let (_registry, weir) = over(&[&first, &second], NEVER, &[]).await;
    pull(&weir, 1, &first).await;
    weir.scanned(&first.manifest_digest).await;
    assert_eq!(get(weir.mirror, &format!("/v2/team/app/manifests/{}", second.manifest_digest)).await.status, 200);
    let target = format!("/api/v1/compare?a={}&b={}", first.manifest_digest, second.manifest_digest);
    let compared = crate::support::eventually("both rows", || async {
        let got = get(weir.report, &target).await;
        (got.status == 200).then(|| got.json())
    })
    .await;
    for part in ["fixed", "new", "unchanged", "packages"] {
        assert_eq!(compared[part], Value::Null, "{part}");
    }
    for (query, status) in [("", 400), ("?a=x&b=y", 400), (&format!("?a={0}", first.manifest_digest), 400)] {
        assert_eq!(get(weir.report, &format!("/api/v1/compare{query}")).await.status, status, "{query}");
    }
    let unknown = weir_scanner::oci::Digest::of(b"unknown");
    let got = get(weir.report, &format!("/api/v1/compare?a={}&b={unknown}", first.manifest_digest)).await;
    assert_eq!(got.status, 404);
}
