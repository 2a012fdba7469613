//! VEX documents in and out.

use serde_json::{Value, json};

use super::{OPENSSL, all, listed, send, set, world};
use crate::support::{Got, Weir, get};

const DOCUMENT: &str = "https://vex.example/app";

/// A document of one version with these statements.
fn document(version: u64, statements: &[Value]) -> Value {
    json!({"@context": "https://openvex.dev/ns/v0.2.0", "@id": DOCUMENT, "author": "ada", "version": version,
           "timestamp": "2026-09-01T00:00:00Z", "statements": statements})
}

/// A statement about a vulnerability in one product.
fn says(vulnerability: &str, product: &str, status: &str, words: &Value) -> Value {
    let mut statement =
        json!({"vulnerability": {"name": vulnerability}, "products": [{"@id": product}], "status": status});
    for (member, value) in words.as_object().unwrap() {
        statement[member] = value.clone();
    }
    statement
}

async fn import(weir: &Weir, document: &Value) -> Value {
    let got = send(weir, "vex", document).await;
    assert_eq!(got.status, 200, "{}", got.json());
    got.json()
}

fn counts(imported: &Value) -> [usize; 4] {
    ["created", "cancelled", "unchanged", "skipped"].map(|list| imported[list].as_array().unwrap().len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_becomes_decisions_and_its_next_version_changes_them() {
    let weir = Weir::start(&[]).await;
    let nginx = "pkg:oci/nginx?repository_url=docker.io/library/nginx";
    let justified = json!({"justification": "component_not_present"});
    let first = document(
        1,
        &[
            says("CVE-2026-1", nginx, "not_affected", &justified),
            says("CVE-2026-2", "pkg:npm/a@1", "fixed", &json!({})),
            says("CVE-2026-3", "pkg:npm/a", "under_investigation", &json!({})),
            says("CVE-2026-4", "pkg:npm/a", "affected", &json!({"action_statement": "will not fix: end of life"})),
            says("CVE-2026-5", "pkg:npm/a", "affected", &json!({"action_statement": "upgrade"})),
            says("CVE-2026-6", "pkg:oci/nginx", "fixed", &json!({})),
        ],
    );
    let dry = send(&weir, "vex?dry_run=true", &first).await.json();
    assert_eq!((counts(&dry), listed(&weir, "exceptions").await.len()), ([4, 0, 0, 2], 0));
    let imported = import(&weir, &first).await;
    assert_eq!(counts(&imported), [4, 0, 0, 2]);
    let skipped = imported["skipped"].as_array().unwrap();
    assert_eq!((&skipped[0]["statement"], &skipped[1]["statement"]), (&json!(4), &json!(5)));
    assert!(skipped[1]["reason"].as_str().unwrap().contains("repository_url"), "{imported}");
    let items = listed(&weir, "exceptions").await;
    assert_eq!(all(&items, "kind"), ["accepted_risk", "under_investigation", "false_positive", "false_positive"]);
    assert_eq!(all(&items, "reason"), ["end of life", "under investigation", "fixed", "component_not_present"]);
    assert_eq!(
        (&items[0]["document"], &items[3]["justification"]),
        (&json!(DOCUMENT), &json!("component_not_present"))
    );
    assert_eq!(items[3]["scope"]["repository"], "docker.io/library/nginx");

    // The same again changes nothing, the next version what it says otherwise.
    assert_eq!(counts(&import(&weir, &first).await), [0, 0, 4, 2]);
    let second = document(
        2,
        &[
            says("CVE-2026-1", nginx, "not_affected", &justified),
            says("CVE-2026-3", "pkg:npm/a", "not_affected", &json!({"impact_statement": "never called"})),
        ],
    );
    let imported = import(&weir, &second).await;
    assert_eq!(counts(&imported), [1, 3, 1, 0]);
    let ended = &imported["cancelled"][0];
    assert!(ended["cancelled"]["reason"].as_str().unwrap().contains(DOCUMENT), "{ended}");
    // An older version is none of its business any more.
    let got = send(&weir, "vex", &first).await;
    assert!(got.status == 409 && got.json()["detail"].as_str().unwrap().contains("version 2"), "{}", got.json());
    let told: Vec<Value> = listed(&weir, "audit?action=vex.import").await;
    assert_eq!(all(&told, "subject"), [DOCUMENT; 3]);
    assert_eq!(told[0]["detail"], "version 2: 1 created, 3 cancelled, 1 unchanged, 0 skipped");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_word_counts_and_other_decisions_stay() {
    let weir = Weir::start(&[]).await;
    set(&weir, &json!({"vulnerability": "CVE-2026-9", "scope": {"package": "pkg:npm/a"}})).await;
    let at = |day: u8, status: &str| {
        says("CVE-2026-1", "pkg:npm/a", status, &json!({"timestamp": format!("2026-08-{day:02}T00:00:00Z")}))
    };
    let imported = import(
        &weir,
        &document(
            1,
            &[
                at(3, "under_investigation"),
                at(2, "not_affected"),
                says("CVE-2026-9", "pkg:npm/a", "not_affected", &json!({})),
            ],
        ),
    )
    .await;
    assert_eq!(counts(&imported), [1, 0, 0, 2]);
    assert_eq!(imported["created"][0]["kind"], "under_investigation");
    let reasons = all(imported["skipped"].as_array().unwrap(), "reason");
    assert!(
        reasons[0].contains("statement 0 says it later") && reasons[1].contains("exception 1 says so"),
        "{reasons:?}"
    );
    // Affected after all: what was said before ends, and nothing takes its place.
    let imported = import(&weir, &document(2, &[at(4, "affected")])).await;
    assert_eq!(counts(&imported), [0, 1, 0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_wrong_changes_nothing() {
    let weir = Weir::start(&[]).await;
    let right = says("CVE-2026-1", "pkg:npm/a", "fixed", &json!({}));
    for (body, says) in [
        (
            document(1, &[right.clone(), says("CVE-2026-2", "pkg:npm/a", "mended", &json!({}))]),
            "statements[1].status: ",
        ),
        (document(1, &[right, json!({"vulnerability": "a b", "status": "fixed"})]), "statements[1]: vulnerability: "),
        (json!({"bomFormat": "CycloneDX"}), "body: missing field"),
    ] {
        let got: Got = send(&weir, "vex", &body).await;
        let detail = got.json()["detail"].as_str().unwrap().to_owned();
        assert!(got.status == 422 && detail.starts_with(says), "{} {detail}", got.status);
    }
    assert!(listed(&weir, "exceptions").await.is_empty() && listed(&weir, "audit").await.is_empty());
    assert_eq!(get(weir.report, "/api/v1/vex").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_are_told_in_every_form_and_come_back_as_they_went() {
    let (images, world) = world().await;
    let weir = &world.weir;
    let digest = images.amd.manifest_digest;
    let report =
        async |format: &str| get(weir.report, &format!("/api/v1/images/{digest}/report?format={format}")).await;
    assert_eq!(report("openvex").await.status, 404, "nothing was decided");
    let plain = report("json").await.json();
    assert!(plain["vulnerabilities"][0].get("exception").is_none());

    set(weir, &json!({"kind": "false_positive", "justification": "vulnerable_code_not_in_execute_path", "reason": "never called",
                      "scope": {"image": digest, "package": "pkg:deb/debian/openssl"}})).await;
    set(weir, &json!({"vulnerability": "CVE-2026-0002", "reason": "in the shop", "scope": {"namespace": "shop"}}))
        .await;
    let result = report("json").await.json();
    let of = |id: &str| {
        let found = result["vulnerabilities"].as_array().unwrap().iter().find(|found| found["id"] == id);
        found.unwrap()["exception"].clone()
    };
    assert_eq!((&of(OPENSSL)["id"], &of(OPENSSL)["reason"]), (&json!("1"), &json!("never called")));
    // It runs in that namespace alone, so there it is excepted; what is told of the image to others is not.
    assert_eq!(of("CVE-2026-0002")["id"], "2");
    let vex = report("openvex").await;
    assert_eq!(vex.header("content-type"), Some("application/openvex+json"));
    let vex = vex.json();
    assert_eq!(vex["statements"].as_array().unwrap().len(), 1, "{vex}");
    assert_eq!(vex["statements"][0]["status"], "not_affected");
    for format in ["cyclonedx", "cyclonedx-vex"] {
        let bom = report(format).await.json();
        let analyses: Vec<&Value> =
            bom["vulnerabilities"].as_array().unwrap().iter().filter_map(|found| found.get("analysis")).collect();
        assert_eq!(analyses.len(), 1, "{format}");
        assert_eq!((&analyses[0]["state"], &analyses[0]["detail"]), (&json!("not_affected"), &json!("never called")));
    }

    let exported = get(weir.report, "/api/v1/vex").await.json();
    assert_eq!(exported["statements"].as_array().unwrap().len(), 1, "{exported}");
    assert!(exported["tooling"].as_str().unwrap().contains("1 decision"), "{exported}");
    assert_eq!(exported, get(weir.report, "/api/v1/vex").await.json());
    for document in [exported, vex] {
        let other = Weir::start(&[]).await;
        let imported = import(&other, &document).await;
        assert_eq!(counts(&imported), [1, 0, 0, 0], "{imported}");
        let created = &imported["created"][0];
        assert_eq!((&created["vulnerability"], &created["reason"]), (&json!(OPENSSL), &json!("never called")));
        assert_eq!(created["justification"], "vulnerable_code_not_in_execute_path");
        assert_eq!(created["scope"]["image"], digest.to_string());
        assert!(created["scope"]["package"].as_str().unwrap().starts_with("pkg:deb/debian/openssl"), "{created}");
    }
}
