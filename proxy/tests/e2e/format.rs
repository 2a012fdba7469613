//! The result of a real image in the forms of others, held against their official schemas by `deploy/validate.py`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::skopeo::{copy, start};
use crate::support::{DemoImage, Registry, Weir, checkout, get, machine, post, run, tool};

const FORMS: [&str; 3] = ["cyclonedx", "spdx", "sarif"];

#[test]
fn every_form_of_a_real_result_is_valid_and_whole() {
    let _machine = machine();
    let directory = tempfile::tempdir().unwrap();
    let (_registry, weir, digest, result) = scanned(directory.path());
    let [bom, spdx, sarif] = valid(&weir, directory.path(), &digest);

    let packages = list(&result, "/packages").len();
    let findings = list(&result, "/vulnerabilities");
    let ids: BTreeSet<String> = findings.iter().map(|finding| finding["id"].to_string()).collect();
    assert!(packages > 100 && !ids.is_empty());
    // The system besides.
    assert_eq!(list(&bom, "/components").len(), packages + 1);
    assert_eq!(
        list(&bom, "/vulnerabilities").iter().map(|found| found["id"].to_string()).collect::<BTreeSet<_>>(),
        ids
    );
    let affected: usize = list(&bom, "/vulnerabilities").iter().map(|found| list(found, "/affects").len()).sum();
    assert_eq!(affected, findings.len());
    // The system and the image besides.
    assert_eq!(list(&spdx, "/packages").len(), packages + 2);
    assert_eq!(list(&sarif, "/runs/0/results").len(), findings.len() + list(&result, "/risks").len());
    assert_eq!(sarif["runs"][0]["invocations"][0]["executionSuccessful"], true);
}

#[test]
fn forms_without_advisories_are_valid_and_say_so() {
    let _machine = machine();
    let image = DemoImage::get();
    let directory = tempfile::tempdir().unwrap();
    let registry = Registry::start(directory.path());
    registry.push(&image.layout("oci", "1"), "library/weir-demo:1");
    let (url, nothing) = (registry.url(), directory.path().join("nothing"));
    std::fs::create_dir(&nothing).unwrap();
    let settings = [
        ("UPSTREAM__0__NAME", "docker.io"),
        ("UPSTREAM__0__URL", url.as_str()),
        ("ADVISORY__SOURCE", nothing.to_str().unwrap()),
    ];
    let mut weir = Weir::start(directory.path(), &settings);
    copy(&weir, directory.path(), "1", &[]);
    let digest = image.digest("oci", "1").to_string();
    assert_eq!(weir.result(&digest, "", 300)["vulnerabilities"], Value::Null);
    let [bom, spdx, sarif] = valid(&weir, directory.path(), &digest);
    assert_eq!(bom.get("vulnerabilities"), None);
    assert!(spdx["comment"].as_str().unwrap().contains("Vulnerabilities are unknown"), "{}", spdx["comment"]);
    assert_eq!(sarif["runs"][0]["results"][0]["kind"], "open");
    assert_eq!(sarif["runs"][0]["invocations"][0]["executionSuccessful"], false);
}

#[test]
fn decisions_are_told_in_valid_vex() {
    let _machine = machine();
    let directory = tempfile::tempdir().unwrap();
    let (_registry, weir, digest, result) = scanned(directory.path());
    let found: Vec<&Value> = list(&result, "/vulnerabilities").iter().take(4).collect();
    let decision = |at: usize, members: Value| {
        let mut decision = json!({"target": "vulnerability", "vulnerability": found[at]["id"], "reason": format!("reason {at}"),
                                  "scope": {"image": digest, "package": found[at]["package"]}});
        decision.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        decision
    };
    let path = "vulnerable_code_cannot_be_controlled_by_adversary";
    let decisions = json!([
        decision(0, json!({"kind": "false_positive", "justification": path})),
        decision(1, json!({"kind": "false_positive"})),
        decision(2, json!({"kind": "accepted_risk"})),
        decision(3, json!({"kind": "under_investigation"})),
    ]);
    let answer = post(weir.report, "/api/v1/exceptions", &decisions).unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    let mut validate = Command::new(tool("python3"));
    validate.arg(checkout().join("deploy/validate.py"));
    let report = format!("/api/v1/images/{digest}/report?format=");
    for (name, form, target) in [
        ("image", "openvex", format!("{report}openvex")),
        ("all", "openvex", "/api/v1/vex".to_owned()),
        ("vex", "cyclonedx", format!("{report}cyclonedx-vex")),
        ("bom", "cyclonedx", format!("{report}cyclonedx")),
    ] {
        let answer = get(weir.report, &target).unwrap();
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        let document = answer.json();
        let decided = match form {
            "openvex" => list(&document, "/statements").len(),
            _ => list(&document, "/vulnerabilities").iter().filter(|found| found.get("analysis").is_some()).count(),
        };
        assert_eq!(decided, 4, "{name}");
        let file = directory.path().join(name);
        std::fs::write(&file, &answer.body).unwrap();
        validate.arg(form).arg(file);
    }
    run(&mut validate);
}

/// A registry and a weir that has read and matched the demo image, the image's digest, and its result.
#[track_caller]
fn scanned(directory: &Path) -> (Registry, Weir, String, Value) {
    let image = DemoImage::get();
    let (registry, mut weir) = start(directory, &image);
    copy(&weir, directory, "1", &[]);
    let digest = image.digest("oci", "1").to_string();
    let result = weir.result(&digest, "", 300);
    (registry, weir, digest, result)
}

/// The forms as the report's API gives them, once the validators have found nothing wrong with any.
#[track_caller]
fn valid(weir: &Weir, directory: &Path, digest: &str) -> [Value; 3] {
    let mut validate = Command::new(tool("python3"));
    validate.arg(checkout().join("deploy/validate.py"));
    let documents = FORMS.map(|form| {
        let answer = get(weir.report, &format!("/api/v1/images/{digest}/report?format={form}")).unwrap();
        assert_eq!(answer.status, 200, "{form}: {}", answer.text());
        let file = directory.join(form);
        std::fs::write(&file, &answer.body).unwrap();
        validate.arg(form).arg(file);
        answer.json()
    });
    run(&mut validate);
    documents
}

#[track_caller]
fn list<'a>(document: &'a Value, at: &str) -> &'a Vec<Value> {
    document.pointer(at).and_then(Value::as_array).unwrap_or_else(|| panic!("no list at {at}"))
}
