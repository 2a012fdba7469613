//! `images/{digest}/report` in every form, and how a request asks for one.

use serde_json::{Value, json};

use crate::scan::{NEVER, advisory, image, over, pull};
use crate::support::{Got, Weir, get, request};

const TYPES: [(&str, &str); 4] = [
    ("json", "application/json"),
    ("cyclonedx", "application/vnd.cyclonedx+json"),
    ("spdx", "application/spdx+json"),
    ("sarif", "application/sarif+json"),
];

async fn asked(weir: &Weir, digest: impl std::fmt::Display, query: &str, accept: Option<&str>) -> Got {
    let headers: Vec<(&str, &str)> = accept.into_iter().map(|accept| ("Accept", accept)).collect();
    request(weir.report, "GET", &format!("/api/v1/images/{digest}/report{query}"), &headers).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_comes_in_every_form_by_parameter_and_by_accept() {
    let image = image();
    let feed = [advisory("DSA-1-1", "CVE-2024-0001", "Debian:12", "openssl", "3.0.11-1~deb12u2")];
    let (_registry, weir) = over(&[&image], NEVER, &[("Debian", &feed)]).await;
    pull(&weir, 1, &image).await;
    weir.scanned(&image.manifest_digest).await;
    for (name, media_type) in TYPES {
        let by_parameter = asked(&weir, image.manifest_digest, &format!("?format={name}"), None).await;
        assert_eq!((by_parameter.status, by_parameter.header("content-type")), (200, Some(media_type)));
        let by_accept = asked(&weir, image.index_digest, "", Some(media_type)).await;
        assert_eq!((by_accept.status, by_accept.header("content-type")), (200, Some(media_type)));
        assert_eq!(by_accept.header("vary"), Some("accept, accept-encoding"));
        assert_eq!(by_accept.body, by_parameter.body, "{name}: equal questions, equal bytes");
        let both = asked(&weir, image.manifest_digest, &format!("?format={name}"), Some("application/json")).await;
        assert_eq!(both.body, by_parameter.body, "{name}: the parameter wins");
    }
    let bom = asked(&weir, image.manifest_digest, "?format=cyclonedx", None).await.json();
    assert_eq!(bom["vulnerabilities"][0]["id"], "CVE-2024-0001");
    // Python's packages were compared with nothing: the list is not whole.
    assert_eq!(bom["compositions"][1]["aggregate"], "incomplete");
    let run = asked(&weir, image.manifest_digest, "?format=sarif", None).await.json()["runs"][0].clone();
    assert_eq!(run["results"][0]["ruleId"], "CVE-2024-0001");
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_form_is_refused_and_the_known_ones_named() {
    let image = image();
    let (_registry, weir) = over(&[&image], NEVER, &[]).await;
    pull(&weir, 1, &image).await;
    weir.scanned(&image.manifest_digest).await;
    let got = asked(&weir, image.manifest_digest, "?format=xml", None).await;
    assert_eq!((got.status, got.header("content-type")), (400, Some("application/problem+json")));
    assert_eq!(
        got.json()["detail"],
        "format \"xml\" is not known; known are json, cyclonedx, spdx, sarif, openvex, cyclonedx-vex"
    );
    let got = asked(&weir, image.manifest_digest, "", Some("text/csv")).await;
    assert_eq!((got.status, got.header("content-type")), (406, Some("application/problem+json")));
    for (_, media_type) in TYPES {
        assert!(got.json()["detail"].as_str().unwrap().contains(media_type), "{}", got.json());
    }
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let got = asked(&weir, image.manifest_digest, "", Some(browser)).await;
    assert_eq!((got.status, got.header("content-type")), (200, Some("application/json")));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_form_of_an_unmatched_image_looks_clean() {
    let image = image();
    let (_registry, weir) = over(&[&image], NEVER, &[]).await;
    pull(&weir, 1, &image).await;
    weir.scanned(&image.manifest_digest).await;
    let target = |format: &str| format!("/api/v1/images/{}/report?format={format}", image.manifest_digest);
    let bom = get(weir.report, &target("cyclonedx")).await.json();
    assert_eq!(bom.get("vulnerabilities"), None);
    assert_eq!(bom["compositions"][1]["aggregate"], "incomplete");
    let unknown = json!({"name": "weir:vulnerabilities", "value": "unknown"});
    assert!(bom["metadata"]["properties"].as_array().unwrap().contains(&unknown), "{}", bom["metadata"]);
    let spdx = get(weir.report, &target("spdx")).await.json();
    assert!(spdx["comment"].as_str().unwrap().contains("Vulnerabilities are unknown"), "{}", spdx["comment"]);
    let run = get(weir.report, &target("sarif")).await.json()["runs"][0].clone();
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    let open: Vec<&Value> =
        run["results"].as_array().unwrap().iter().filter(|result| result["kind"] == "open").collect();
    assert_eq!(open.len(), 1, "{}", run["results"]);
    assert_eq!(open[0]["ruleId"], "not-matched");
}
