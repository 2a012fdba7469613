//! The page, its form, and how often it may be sent.

use super::harness::{CLOSED, Door, cookie, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_a_session_and_signing_out_ends_it() {
    let door = Door::start(&[CLOSED]).await;
    let token = door.token("editor");
    let page = door.get("/sign-in?next=/images", &[]).await;
    assert_eq!((page.status, page.header("cache-control")), (200, Some("no-store")));
    assert!(page.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
    assert!(text(&page).contains("name=\"next\" value=\"/images\""), "{}", text(&page));

    let got = door.form("/sign-in", &[], &format!("token={}&next=%2Fimages%3Fq%3Da", token.text)).await;
    assert_eq!((got.status, got.header("location")), (303, Some("/images?q=a")));
    let line = got.cookies.iter().find(|line| line.starts_with("weir_session=")).unwrap();
    assert!(line.contains("HttpOnly") && line.contains("SameSite=Lax") && line.contains("Max-Age=604800"), "{line}");
    assert!(!line.contains("Secure") && !line.contains(&token.text), "{line}");
    let session = cookie(&got, "weir_session").unwrap();

    let me = door.get("/api/v1/me", &[("Cookie", &session)]).await.json();
    assert_eq!((&me["name"], &me["role"], &me["how"]), (&"editor's".into(), &"editor".into(), &"session".into()));
    let csrf = me["csrf_token"].as_str().unwrap().to_owned();
    let page = text(&door.get("/sign-in", &[("Cookie", &session)]).await);
    assert!(page.contains("/sign-out") && page.contains(&csrf), "{page}");

    let refused = door.form("/sign-out", &[("Cookie", &session)], "").await;
    assert_eq!(refused.status, 403, "without what the page sends back");
    let got = door.form("/sign-out", &[("Cookie", &session)], &format!("csrf={csrf}")).await;
    assert_eq!((got.status, got.header("location")), (303, Some("/sign-in")));
    assert!(got.cookies.iter().any(|line| line.starts_with("weir_session=;") && line.contains("Max-Age=0")));
    assert_eq!(door.get("/api/v1/me", &[("Cookie", &session)]).await.status, 401, "ended, whoever kept the cookie");
    let told = ["sign_in", "sign_out"].map(|action| ("editor's".into(), action.into(), "editor's".into()));
    assert_eq!(door.audit(), told);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_persons_token_opens_nothing() {
    let door = Door::start(&[CLOSED]).await;
    let (agent, over) = (door.token("agent"), door.token_for("viewer", Some(60)));
    door.weir.clock.advance(60);
    for wrong in [agent.text.as_str(), over.text.as_str(), "", "weir_aaaaaaaa_b"] {
        let got = door.form("/sign-in", &[], &format!("token={wrong}")).await;
        assert_eq!(got.status, 401, "{wrong}");
        assert!(text(&got).contains("role=\"alert\"") && cookie(&got, "weir_session").is_none(), "{wrong}");
        assert!(wrong.is_empty() || !text(&got).contains(wrong), "a page does not repeat a secret");
    }
    let got = door.form("/sign-in", &[("Origin", "http://evil.example")], "token=x").await;
    assert_eq!(got.status, 403, "a page of another site");
    let refused = door.audit();
    assert!(refused.len() == 4 && refused.iter().all(|(_, action, _)| action == "sign_in.refused"), "{refused:?}");
    assert_eq!(refused[0].0, "agent's", "who has a token is named");
    let long = format!("token={}", "x".repeat(20_000));
    assert_eq!(door.form("/sign-in", &[], &long).await.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_elsewhere() {
    let door = Door::start(&[CLOSED]).await;
    let token = door.token("viewer");
    for next in ["https://evil.example", "//evil.example", "/\\evil.example", "/%09/evil.example"] {
        let encoded: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        door.weir.clock.advance(60);
        let got = door.form("/sign-in", &[], &format!("token={}&next={encoded}", token.text)).await;
        let expected = if next.starts_with("/%09") { next } else { "/" };
        assert_eq!((got.status, got.header("location")), (303, Some(expected)), "{next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_attempts_have_to_wait() {
    let door = Door::start(&[CLOSED]).await;
    let token = door.token("viewer");
    let right = format!("token={}", token.text);
    for _ in 0..10 {
        assert_eq!(door.form("/sign-in", &[], "token=wrong").await.status, 401);
    }
    let got = door.form("/sign-in", &[], &right).await;
    assert_eq!((got.status, got.header("retry-after")), (429, Some("6")), "also with the right one");
    assert!(text(&got).contains("6 s"), "{}", text(&got));
    assert_eq!(door.get("/sign-in", &[]).await.status, 200, "the page itself is no attempt");
    door.weir.clock.advance(6);
    assert_eq!(door.form("/sign-in", &[], &right).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_that_ends_tls_cookies_are_secure() {
    let door = Door::start(&[CLOSED, ("REPORT__PUBLIC_URL", "https://weir.example")]).await;
    let token = door.token("viewer");
    let got = door.form("/sign-in", &[], &format!("token={}", token.text)).await;
    let line = got.cookies.iter().find(|line| line.starts_with("__Host-weir_session=")).unwrap();
    assert!(line.ends_with("; Secure"), "{line}");
    let session = cookie(&got, "__Host-weir_session").unwrap();
    assert_eq!(door.get("/api/v1/me", &[("Cookie", &session)]).await.status, 200);
    let unprefixed = session.strip_prefix("__Host-").unwrap();
    assert_eq!(door.get("/api/v1/me", &[("Cookie", unprefixed)]).await.status, 401, "anybody could have set it");
}
