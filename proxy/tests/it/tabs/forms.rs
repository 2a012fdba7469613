//! CSV, entity tags and gzip, as every list has them.

use std::io::Read as _;

use super::{image, scanned};
use crate::support::{get, get_with, head, request};

#[tokio::test(flavor = "multi_thread")]
async fn every_list_comes_as_csv() {
    let image = image();
    let (_registry, weir) = scanned(&[&image]).await;
    let of_image = format!("/api/v1/images/{}", image.manifest_digest);
    let lists = ["advisories", "clusters", "events", "images", "pulls", "resources", "scans", "unresolved"];
    let tabs = ["fixes", "history", "layers", "packages", "pulls", "resources", "vulnerabilities"];
    let targets =
        lists.iter().map(|list| format!("/api/v1/{list}")).chain(tabs.iter().map(|tab| format!("{of_image}/{tab}")));
    for target in targets {
        let json = get(weir.report, &target).await;
        let csv = get(weir.report, &format!("{target}?format=csv")).await;
        assert_eq!((json.status, csv.status), (200, 200), "{target}");
        assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8; header=present"), "{target}");
        assert!(csv.header("content-disposition").unwrap().starts_with("attachment; filename=\"weir-"), "{target}");
        let text = String::from_utf8(csv.body.clone()).unwrap();
        let rows = text.matches("\r\n").count() - 1;
        assert_eq!(rows, json.json()["items"].as_array().map_or(0, Vec::len), "{target}: {text}");
        let accepted = get_with(weir.report, &target, &[("Accept", "text/csv")]).await;
        assert_eq!(accepted.body, csv.body, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_has_all_pages_and_json_one() {
    let image = image();
    let (_registry, weir) = scanned(&[&image]).await;
    let target = format!("/api/v1/images/{}/vulnerabilities?sort=id", image.manifest_digest);
    let lines = |body: &[u8]| String::from_utf8(body.to_vec()).unwrap().matches("\r\n").count();
    assert_eq!(lines(&get(weir.report, &format!("{target}&format=csv")).await.body), 6);
    assert_eq!(lines(&get(weir.report, &format!("{target}&format=csv&limit=2")).await.body), 3);
    let csv = get(weir.report, &format!("{target}&format=csv&severity=low")).await;
    let text = String::from_utf8(csv.body).unwrap();
    let (header, row) = text.split_once("\r\n").unwrap();
    assert!(header.starts_with("id,aliases,summary,package,package_name,"), "{header}");
    assert!(
        row.starts_with("CVE-2024-0003,PYSEC-1,a flaw,pkg:pypi/requests@2.19.0,requests,2.19.0,application,1,low,"),
        "{row}"
    );
    for (query, status) in [("&format=xml", 400), ("&format=", 400), ("&format=csv&format=json", 400)] {
        assert_eq!(get(weir.report, &format!("{target}{query}")).await.status, status, "{query}");
    }
    let got = get_with(weir.report, &target, &[("Accept", "image/png")]).await;
    assert_eq!((got.status, got.header("content-type")), (406, Some("application/problem+json")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_one_has_is_not_sent_again() {
    let image = image();
    let (_registry, weir) = scanned(&[&image]).await;
    let target = format!("/api/v1/images/{}/packages", image.manifest_digest);
    let got = get(weir.report, &target).await;
    let tag = got.header("etag").unwrap().to_owned();
    assert_eq!(got.header("cache-control"), Some("private, no-cache"));
    let again = get_with(weir.report, &target, &[("If-None-Match", &tag)]).await;
    assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(tag.as_str())));
    let headed = head(weir.report, &target).await;
    assert_eq!((headed.status, headed.header("etag")), (200, Some(tag.as_str())));
    let headed = request(weir.report, "HEAD", &target, &[("If-None-Match", &tag)]).await;
    assert_eq!(headed.status, 304);
    let other = get_with(weir.report, &format!("{target}?layer=1"), &[("If-None-Match", &tag)]).await;
    assert_eq!(other.status, 200);
    assert!(get(weir.report, "/api/v1/none").await.header("etag").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn long_answers_are_packed() {
    let image = image();
    let (_registry, weir) = scanned(&[&image]).await;
    let target = format!("/api/v1/images/{}/vulnerabilities", image.manifest_digest);
    let plain = get(weir.report, &target).await;
    let packed = get_with(weir.report, &target, &[("Accept-Encoding", "gzip, br")]).await;
    assert_eq!((plain.header("content-encoding"), packed.header("content-encoding")), (None, Some("gzip")));
    assert!(packed.body.len() < plain.body.len());
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut text).unwrap();
    assert_eq!(text, plain.body);
    assert_eq!(packed.header("etag"), plain.header("etag"));
    assert!(plain.header("vary").unwrap().contains("accept-encoding"));
}
