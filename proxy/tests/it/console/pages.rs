//! The pages over images that were really pulled.

use super::{matched, page};
use crate::scan::{NEVER, image, over, pull};
use crate::support::{Weir, get};

#[tokio::test]
async fn a_repository_leads_to_its_image_and_that_to_what_is_wrong_with_it() {
    let (_registry, weir, image) = matched().await;
    let text = page(&weir, "/").await;
    assert!(text.contains("No cluster is watched"), "nothing says what runs");
    assert!(text.contains("href=\"/repositories/docker.io/team/app\""));
    let text = page(&weir, "/repositories/docker.io/team/app").await;
    assert!(text.contains(&format!("href=\"/images/{}\"", image.manifest_digest)));
    let text = page(&weir, &format!("/images/{}", image.manifest_digest)).await;
    for said in ["CVE-2026-1111", "CVE-2026-2222", "3.0.99-1", "pip install requests", "Debian GNU/Linux 12"] {
        assert!(text.contains(said), "{said}");
    }
    let text = page(&weir, "/vulnerabilities?severity=high").await;
    assert!(text.contains("CVE-2026-1111") && text.contains("Remove this filter"));
    let text = page(&weir, "/vulnerabilities/CVE-2026-2222").await;
    assert!(text.contains("GHSA-aaaa-bbbb-cccc") && text.contains("requests"));
}

#[tokio::test]
async fn a_layer_narrows_vulnerabilities_and_packages() {
    let (_registry, weir, image) = matched().await;
    let at = format!("/images/{}", image.manifest_digest);
    let text = page(&weir, &format!("{at}?layer=1")).await;
    assert!(text.contains(">CVE-2026-2222</a>") && !text.contains(">CVE-2026-1111</a>"), "{text}");
    let text = page(&weir, &format!("{at}?layer=0&tab=packages")).await;
    assert!(text.contains("libssl3") && !text.contains("requests <small>"), "{text}");
    let text = page(&weir, &format!("{at}?view=fixes")).await;
    assert!(text.contains("<b>2.20.0</b>"), "{text}");
}

#[tokio::test]
async fn an_index_leads_to_its_image() {
    let (_registry, weir, image) = matched().await;
    let got = get(weir.report, &format!("/images/{}?tab=packages", image.index_digest)).await;
    assert_eq!(got.status, 303);
    assert_eq!(got.header("location"), Some(format!("/images/{}?tab=packages", image.manifest_digest).as_str()));
}

#[tokio::test]
async fn what_was_not_read_is_no_zero() {
    let image = image();
    let (_registry, weir) = over(&[&image], NEVER, &[]).await;
    pull(&weir, 1, &image).await;
    let text = page(&weir, "/").await;
    assert!(text.contains("not known"), "{text}");
    assert!(!text.contains("<span class=\"dim\">0</span></td>"), "{text}");
    let text = page(&weir, &format!("/images/{}", image.manifest_digest)).await;
    assert!(
        // Reading goes on while the page is asked for.
        ["queued", "scanning", "Not matched yet"].iter().any(|status| text.contains(status))
            && !text.contains("Nothing is known against it"),
        "{text}"
    );
}

#[tokio::test]
async fn an_empty_weir_says_what_to_do() {
    let weir = Weir::over("http://127.0.0.1:9").await;
    let text = page(&weir, "/").await;
    for said in ["No cluster is watched", "No image yet", "No advisories yet"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(page(&weir, "/clusters").await.contains("weir token create"));
}
