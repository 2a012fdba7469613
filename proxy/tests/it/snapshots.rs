//! Shapes others build on: they change on purpose or not at all. A changed snapshot is accepted with `WEIR_SNAPSHOTS=write`.

use std::collections::BTreeSet;
use std::path::Path;

use weir_scanner::fixture::{ImageBuilder, LayerBuilder};
use weir_scanner::oci::Digest;

use crate::support::{Answer, Image, Registry, Weir, get, request};

pub(crate) fn check(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots").join(name);
    if std::env::var_os("WEIR_SNAPSHOTS").is_some_and(|value| value == "write") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "{name} changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_in_the_specifications_form() {
    let registry = Registry::start(|ask| {
        let refused = |status| Answer::new(status, &[("Retry-After", "60")], b"{}");
        match ask.path().split('/').nth(3).unwrap_or_default() {
            "denied" => refused(403),
            "limited" => refused(429),
            "broken" => refused(503),
            "page" => Answer::new(200, &[("Content-Type", "text/html")], b"<html></html>"),
            _ => Answer::new(
                404,
                &[("Content-Type", "application/json")],
                br#"{"errors":[{"code":"NAME_UNKNOWN","message":"no"}]}"#,
            ),
        }
    })
    .await;
    let weir = Weir::over(&registry.url()).await;
    let digest = Digest::of(b"x");
    let mut text = String::new();
    for (method, target) in [
        ("PUT", "/v2/team/app/manifests/1".to_owned()),
        ("GET", "/v2/quay.io/team/app/manifests/1".to_owned()),
        ("GET", "/v2/Team/app/manifests/1".to_owned()),
        ("GET", "/v2/team/app/blobs/none".to_owned()),
        ("GET", "/v1/".to_owned()),
        ("GET", "/v2/team/none/manifests/1".to_owned()),
        ("GET", format!("/v2/team/none/blobs/{digest}")),
        ("GET", "/v2/team/denied/manifests/1".to_owned()),
        ("GET", "/v2/team/limited/manifests/1".to_owned()),
        ("GET", "/v2/team/page/manifests/1".to_owned()),
        ("GET", "/v2/team/broken/manifests/1".to_owned()),
    ] {
        let got = request(weir.mirror, method, &target, &[]).await;
        assert_eq!(got.header("content-type"), Some("application/json"), "{target}");
        text.push_str(&format!("{method} {target}\n{}", got.status));
        if let Some(after) = got.header("retry-after") {
            text.push_str(&format!(" retry-after: {after}"));
        }
        text.push_str(&format!("\n{}\n\n", serde_json::to_string_pretty(&got.json()).unwrap()));
    }
    check("errors.txt", &text);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_labels_of_metrics() {
    let image = ImageBuilder::new().layer(LayerBuilder::new().file("a", "b").gzip()).build();
    let registry = Registry::with_images(&[&Image::of("team/app", "1", &image)], |_| None).await;
    // Nothing is sent to it: no image runs.
    let webhook = [("WEBHOOK__0__NAME", "ops"), ("WEBHOOK__0__URL", "https://receiver.invalid/")];
    let url = registry.url();
    let settings = [&[("UPSTREAM__0__NAME", "docker.io"), ("UPSTREAM__0__URL", &url)][..], &webhook].concat();
    let weir = Weir::start(&settings).await;
    for target in [
        "manifests/1".to_owned(),
        format!("manifests/{}", image.manifest_digest),
        format!("blobs/{}", image.layers[0].digest),
    ] {
        assert_eq!(get(weir.mirror, &format!("/v2/team/app/{target}")).await.status, 200);
    }
    weir.scanned(&image.manifest_digest).await;
    let got = get(weir.report, "/metrics").await;
    assert!(got.header("content-type").unwrap().starts_with("text/plain"));
    let page = String::from_utf8(got.body).unwrap();
    check("metrics.txt", &metric_names(&page));
}

/// Names, kinds and labels of what a page of metrics has, a line each.
pub(crate) fn metric_names(page: &str) -> String {
    let mut lines = BTreeSet::new();
    for line in page.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            lines.insert(kind.to_owned());
        } else if let Some((name, labels)) = line.split_once('{').filter(|_| !line.starts_with('#')) {
            let keys: Vec<&str> =
                labels.split(',').filter_map(|label| label.split_once("=\"")).map(|(key, _)| key).collect();
            lines.insert(format!("{name} {{{}}}", keys.join(", ")));
        }
    }
    lines.into_iter().collect::<Vec<_>>().join("\n") + "\n"
}
