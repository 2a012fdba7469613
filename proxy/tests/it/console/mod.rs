//! The console over a socket, as a browser without scripts meets it.

mod exceptions;
mod guard;
mod nodes;
mod pages;

use serde_json::Value;
use weir_scanner::fixture::BuiltImage;

use crate::scan::{advisory, image, over, pull};
use crate::support::{Got, Registry, Weir, get, send};

/// weir that has pulled, read and matched one image, with one vulnerability in it that has a fix and one that has none.
async fn matched() -> (Registry, Weir, BuiltImage) {
    let image = image();
    let debian: [Value; 1] = [advisory("DSA-1", "CVE-2026-1111", "Debian:12", "openssl", "3.0.99-1")];
    let python: [Value; 1] = [advisory("GHSA-aaaa-bbbb-cccc", "CVE-2026-2222", "PyPI", "requests", "2.20.0")];
    let feeds: [(&str, &[Value]); 2] = [("Debian", &debian), ("PyPI", &python)];
    let (registry, weir) = over(&[&image], std::time::Duration::from_millis(50), &feeds).await;
    pull(&weir, 1, &image).await;
    weir.scanned(&image.manifest_digest).await;
    (registry, weir, image)
}

/// A page, which must be one.
async fn page(weir: &Weir, target: &str) -> String {
    let got = get(weir.report, target).await;
    let text = String::from_utf8(got.body.clone()).unwrap();
    assert_eq!(got.status, 200, "{target}: {text}");
    assert_eq!(got.header("content-type"), Some("text/html; charset=utf-8"), "{target}");
    assert!(text.len() <= 60 * 1024, "{target}: {} bytes", text.len());
    text
}

/// Sends a form.
async fn submit(weir: &Weir, target: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Got {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let length = form.len().to_string();
    let mut all = vec![("Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", length.as_str())];
    all.extend(headers);
    send(weir.report, "POST", target, &all, form.as_bytes()).await
}

/// The value of a field that a page's form has.
fn field(page: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let rest = page.split(&start).nth(1).unwrap_or_else(|| panic!("no field {name}"));
    rest.split('"').next().unwrap().to_owned()
}
