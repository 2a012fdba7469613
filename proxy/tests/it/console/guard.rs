//! What keeps a page from doing anything that weir did not write.

use super::{field, matched, page, submit};
use crate::support::{Weir, get};

#[tokio::test]
async fn no_page_has_script_or_style_of_its_own_and_none_may_load_from_elsewhere() {
    let (_registry, weir, image) = matched().await;
    let image = format!("/images/{}", image.manifest_digest);
    for target in [
        "/?image_status=",
        "/vulnerabilities",
        "/vulnerabilities/CVE-2026-1111",
        "/repositories/docker.io/team/app",
        &image,
        &format!("{image}?view=fixes"),
        &format!("{image}?tab=packages&layer=1"),
        &format!("{image}?tab=resources"),
        &format!("{image}?tab=history"),
        &format!("{image}?tab=exceptions"),
        "/compare",
        "/exceptions",
        "/exceptions/new?target=vulnerability&vulnerability=CVE-2026-1111",
        "/clusters",
        "/feeds",
        "/activity",
        "/activity?tab=audit",
        "/tokens",
        "/sign-in",
    ] {
        let got = get(weir.report, target).await;
        let text = String::from_utf8(got.body.clone()).unwrap();
        assert_eq!(got.status, 200, "{target}: {text}");
        let policy = got.header("content-security-policy").unwrap_or_default();
        for part in ["default-src 'none'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{target}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{target}: {policy}");
        assert_eq!(got.header("x-content-type-options"), Some("nosniff"), "{target}");
        for own in ["<script>", " style=\"", "<style", " onclick=", "javascript:"] {
            assert!(!text.contains(own), "{target} has {own}");
        }
        for outside in ["src=\"http", "href=\"http", "src=\"//"] {
            assert!(!text.contains(outside), "{target} has {outside}");
        }
        assert!(text.contains("<title>") && text.contains("<h1"), "{target}");
    }
}

#[tokio::test]
async fn assets_are_kept_for_ever_under_the_name_of_what_they_hold() {
    let weir = Weir::over("http://127.0.0.1:9").await;
    let text = page(&weir, "/feeds").await;
    for (start, media_type) in [("rel=\"stylesheet\" href=\"", "text/css"), ("<script src=\"", "text/javascript")] {
        let path = text.split(start).nth(1).unwrap().split('"').next().unwrap();
        let got = get(weir.report, path).await;
        assert_eq!(got.status, 200, "{path}");
        assert!(got.header("content-type").unwrap().starts_with(media_type));
        assert_eq!(got.header("cache-control"), Some("public, max-age=31536000, immutable"));
    }
    assert_eq!(get(weir.report, "/assets/weir.css").await.status, 404);
    assert_eq!(get(weir.report, "/assets/..%2f..%2fetc%2fpasswd").await.status, 404);
}

#[tokio::test]
async fn a_form_of_another_site_is_refused_and_changes_nothing() {
    let (_registry, weir, _) = matched().await;
    let form = page(
        &weir,
        "/exceptions/new?target=vulnerability&vulnerability=CVE-2026-1111&kind=accepted_risk&scope=everywhere&until=",
    )
    .await;
    let mark = field(&form, "mark");
    let fields = [
        ("target", "vulnerability"),
        ("vulnerability", "CVE-2026-1111"),
        ("kind", "accepted_risk"),
        ("scope", "everywhere"),
        ("until", ""),
        ("reason", "because"),
        ("mark", mark.as_str()),
    ];
    for header in [("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")] {
        let got = submit(&weir, "/exceptions", &fields, &[header]).await;
        assert_eq!(got.status, 403, "{header:?}");
        assert_eq!(got.header("content-type"), Some("text/html; charset=utf-8"), "a browser is told in HTML");
    }
    assert!(page(&weir, "/exceptions").await.contains("Nothing is excepted"));
    let got = submit(&weir, "/exceptions", &fields, &[("Sec-Fetch-Site", "same-origin")]).await;
    assert_eq!(got.status, 303, "{}", String::from_utf8_lossy(&got.body));
}

#[tokio::test]
async fn what_is_wrong_with_an_address_is_said_on_a_page() {
    let weir = Weir::over("http://127.0.0.1:9").await;
    for (target, status, said) in [
        ("/images/sha256:0", 400, "sha256"),
        ("/repositories/docker.io/nobody/nothing", 404, "nobody/nothing"),
        ("/vulnerabilities/CVE-0000-0000", 404, "Not known here"),
        ("/exceptions/77", 404, "77"),
        ("/?colour=red", 400, "colour"),
        ("/images/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855?tab=x", 404, "Not known"),
    ] {
        let got = get(weir.report, target).await;
        let text = String::from_utf8(got.body.clone()).unwrap();
        assert_eq!(got.status, status, "{target}: {text}");
        assert!(text.contains("<h1>") && text.contains(said), "{target}: {text}");
    }
}
