//! Vulnerabilities, packages, layers and upgrades of one image.

use serde_json::{Value, json};

use super::{each, image, scanned, tab};
use crate::scan::{NEVER, over, pull};
use crate::support::get;

#[tokio::test(flavor = "multi_thread")]
async fn findings_go_by_score_and_say_how_much_is_known() {
    let image = image();
    let (_registry, weir) = scanned(&[&image]).await;
    let all = tab(&weir, &image, "vulnerabilities", "").await;
    // Two flaws in each of the two packages of openssl, and the mild one; what was removed later is not there.
    assert_eq!(each(&all, "id"), ["CVE-2024-0001", "CVE-2024-0001", "CVE-2024-0002", "CVE-2024-0002", "CVE-2024-0003"]);
    assert_eq!((&all["total"], &all["next_cursor"]), (&json!(5), &Value::Null));
    assert_eq!((&all["scan"]["status"], &all["digest"]), (&json!("complete"), &json!(image.manifest_digest)));
    assert_eq!((&all["vulnerabilities"]["high"], &all["vulnerabilities"]["low"]), (&json!(2), &json!(1)));
    assert_eq!(all["matched_at"], all["scan"]["matched_at"]);
    assert!(all["advisories_as_of"].is_string() && all["coverage"]["feeds"].as_array().unwrap().len() == 2, "{all}");
    let first = &all["items"][0];
    assert_eq!((&first["package_name"], &first["package_kind"]), (&json!("libssl3"), &json!("os")));
    assert_eq!(
        (&first["fixed_version"], &first["fixable"], &first["layer"]),
        (&json!("3.0.11-2"), &json!(true), &json!(0))
    );
    let last = &all["items"][4];
    assert_eq!((&last["package_kind"], &last["package_version"]), (&json!("application"), &json!("2.19.0")));
    // Any digest the image goes by.
    for alias in [image.index_digest, image.config_digest] {
        let got = get(weir.report, &format!("/api/v1/images/{alias}/vulnerabilities?platform=linux/amd64")).await;
        assert_eq!(got.json()["items"], all["items"], "{alias}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_narrows_findings_and_packages_alike() {
    let image = image();
    let (_registry, weir) = scanned(&[&image]).await;
    let by_digest = format!("layer={}", image.layers[1].digest);
    for layer in ["layer=1", &by_digest] {
        let found = tab(&weir, &image, "vulnerabilities", layer).await;
        assert_eq!(each(&found, "id"), ["CVE-2024-0003"], "{layer}");
        let packages = tab(&weir, &image, "packages", layer).await;
        assert_eq!(each(&packages, "name"), ["requests"], "{layer}");
        assert_eq!(packages["vulnerabilities"], found["vulnerabilities"], "{layer}");
    }
    let both = tab(&weir, &image, "packages", "layer=0&layer=1").await;
    assert_eq!(each(&both, "name"), ["libssl3", "openssl", "requests", "bash"]);
    for (query, ids) in [
        ("severity=low", &["CVE-2024-0003"][..]),
        ("severity=low&severity=critical", &["CVE-2024-0003"]),
        ("fixable=false", &[]),
        ("known_exploited=true", &[]),
        ("except=excepted", &[]),
        ("q=0002&severity=high", &["CVE-2024-0002", "CVE-2024-0002"]),
        ("q=REQUESTS", &["CVE-2024-0003"]),
        ("layer=3", &[]),
    ] {
        assert_eq!(each(&tab(&weir, &image, "vulnerabilities", query).await, "id"), ids, "{query}");
    }
    assert_eq!(each(&tab(&weir, &image, "packages", "severity=low").await, "name"), ["requests"]);
    assert_eq!(each(&tab(&weir, &image, "packages", "q=bash").await, "name"), ["bash"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_orders_add_up() {
    let image = image();
    let (_registry, weir) = scanned(&[&image]).await;
    let all = tab(&weir, &image, "vulnerabilities", "sort=-package").await;
    assert_eq!(each(&all, "package_name"), ["requests", "openssl", "openssl", "libssl3", "libssl3"]);
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = tab(&weir, &image, "vulnerabilities", &format!("sort=-package&limit=2{cursor}")).await;
        assert_eq!(page["total"], 5);
        found.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(Value::from(found), all["items"]);
    let ascending = tab(&weir, &image, "vulnerabilities", "sort=cvss&limit=1").await;
    assert_eq!(each(&ascending, "id"), ["CVE-2024-0003"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_have_their_commands_and_their_own_counts() {
    let image = image();
    let (_registry, weir) = scanned(&[&image]).await;
    let layers = tab(&weir, &image, "layers", "").await;
    assert_eq!(each(&layers, "packages"), ["3", "1", "0", "0"]);
    assert_eq!(each(&layers, "created_by")[1], "RUN pip install requests");
    let high: Vec<_> = layers["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["counts"]["vulnerabilities"]["high"].clone())
        .collect();
    assert_eq!(high, [2, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_says_what_it_clears() {
    let image = image();
    let (_registry, weir) = scanned(&[&image]).await;
    let fixes = tab(&weir, &image, "fixes", "").await;
    assert_eq!(each(&fixes, "package"), ["openssl", "requests"]);
    // As Debian compares them: 10 is above 2.
    assert_eq!(each(&fixes, "fixed_version"), ["3.0.11-10", "2.20.0"]);
    assert_eq!(each(&fixes, "clears"), ["2", "1"]);
    assert_eq!(fixes["items"][0]["packages"].as_array().unwrap().len(), 2);
    let packages = tab(&weir, &image, "packages", "q=libssl3").await;
    assert_eq!(
        (&packages["items"][0]["fixed_version"], &packages["items"][0]["clears"]),
        (&json!("3.0.11-10"), &json!(2))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_null() {
    let image = image();
    let (_registry, weir) = over(&[&image], NEVER, &[]).await;
    let target = format!("/v2/team/app/manifests/{}", image.manifest_digest);
    assert_eq!(get(weir.mirror, &target).await.status, 200);
    crate::support::eventually("the image's row", || async {
        (weir.report_on(&image.manifest_digest).await.status == 200).then_some(())
    })
    .await;
    for name in ["vulnerabilities", "packages", "fixes"] {
        let unread = tab(&weir, &image, name, "").await;
        assert_eq!(
            (&unread["items"], &unread["vulnerabilities"], &unread["total"]),
            (&Value::Null, &Value::Null, &Value::Null)
        );
        assert_ne!(unread["scan"]["status"], "complete");
    }
    let layers = tab(&weir, &image, "layers", "").await;
    assert_eq!((layers["items"].as_array().unwrap().len(), &layers["items"][0]["packages"]), (4, &Value::Null));
    // Read, and compared with nothing: packages are known, what is wrong with them is not.
    pull(&weir, 1, &image).await;
    weir.scanned(&image.manifest_digest).await;
    assert_eq!(tab(&weir, &image, "vulnerabilities", "").await["items"], Value::Null);
    let packages = tab(&weir, &image, "packages", "").await;
    assert_eq!((packages["items"].as_array().unwrap().len(), &packages["items"][0]["counts"]), (4, &Value::Null));
    let never = weir_scanner::oci::Digest::of(b"never");
    assert_eq!(get(weir.report, &format!("/api/v1/images/{never}/packages")).await.status, 404);
}
