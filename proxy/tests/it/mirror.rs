//! Routes, manifests and lists of the distribution specification's pull side, as clients use them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use weir_scanner::fixture::{BuiltImage, ImageBuilder, LayerBuilder};
use weir_scanner::oci::{Digest, MediaType};

use crate::support::{Answer, Image, Registry, Weir, get, get_with, head, request, truth};

fn built(text: &str) -> BuiltImage {
    ImageBuilder::new().layer(LayerBuilder::new().file("a", text).gzip()).build()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_is_named_in_three_ways_and_never_dialled_by_its_name() {
    let (hub_image, other_image) = (built("hub"), built("other"));
    let hub = Registry::with_images(&[&Image::of("library/nginx", "1", &hub_image)], |_| None).await;
    // The same repository and tag: only the upstream tells them apart.
    let other = Registry::with_images(&[&Image::of("library/nginx", "1", &other_image)], |_| None).await;
    let (hub_url, other_url) = (hub.url(), other.url());
    let weir = Weir::start(&[
        ("UPSTREAM__0__NAME", "docker.io"),
        ("UPSTREAM__0__URL", &hub_url),
        ("UPSTREAM__1__NAME", "ghcr.io"),
        ("UPSTREAM__1__URL", &other_url),
    ])
    .await;
    for _ in 0..2 {
        for (target, expected, namespace) in [
            ("/v2/library/nginx/manifests/1?ns=docker.io", &hub_image, Some("docker.io")),
            ("/v2/nginx/manifests/1?ns=docker.io", &hub_image, Some("docker.io")),
            ("/v2/nginx/manifests/1", &hub_image, None),
            ("/v2/docker.io/nginx/manifests/1", &hub_image, None),
            ("/v2/docker.io/library/nginx/manifests/1", &hub_image, None),
            ("/v2/library/nginx/manifests/1?ns=index.docker.io", &hub_image, Some("index.docker.io")),
            ("/v2/library/nginx/manifests/1?ns=ghcr.io", &other_image, Some("ghcr.io")),
            ("/v2/ghcr.io/library/nginx/manifests/1", &other_image, None),
        ] {
            let got = get(weir.mirror, target).await;
            assert_eq!((got.status, &got.body), (200, &expected.index), "{target}");
            assert_eq!(got.header("oci-namespace"), namespace, "{target}");
        }
    }
    // A digest known of one upstream is asked of the other before it is served in its name.
    let target = format!("/v2/ghcr.io/library/nginx/manifests/{}", hub_image.index_digest);
    assert_eq!(get(weir.mirror, &target).await.code(), "MANIFEST_UNKNOWN");
    let layer = hub_image.layers[0].digest;
    assert_eq!(get(weir.mirror, &format!("/v2/library/nginx/blobs/{layer}")).await.status, 200);
    assert_eq!(get(weir.mirror, &format!("/v2/ghcr.io/library/nginx/blobs/{layer}")).await.code(), "BLOB_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_upstream_is_refused_and_nobody_is_asked() {
    let registry = Registry::with_images(&[], |_| None).await;
    let weir = Weir::over(&registry.url()).await;
    let address = registry.address;
    for target in [
        "/v2/library/nginx/manifests/1?ns=quay.io".to_owned(),
        "/v2/quay.io/team/app/manifests/1".to_owned(),
        format!("/v2/team/app/manifests/1?ns={address}"),
        format!("/v2/{address}/team/app/manifests/1"),
        "/v2/localhost/team/app/manifests/1".to_owned(),
        "/v2/team/app/manifests/1?ns=".to_owned(),
    ] {
        let got = get(weir.mirror, &target).await;
        assert_eq!((got.status, got.code().as_str()), (404, "NAME_UNKNOWN"), "{target}");
    }
    for (target, status, code) in [
        ("/v2/Team/App/manifests/1", 400, "NAME_INVALID"),
        ("/v2/team/../app/manifests/1", 400, "NAME_INVALID"),
        ("/v2/team/app/manifests/sha256:00", 400, "MANIFEST_INVALID"),
        ("/v2/team/app/blobs/latest", 400, "DIGEST_INVALID"),
        ("/v2/team/app/referrers/latest", 400, "DIGEST_INVALID"),
    ] {
        let got = get(weir.mirror, target).await;
        assert_eq!((got.status, got.code().as_str()), (status, code), "{target}");
    }
    let ping = get(weir.mirror, "/v2/").await;
    assert_eq!((ping.status, ping.body.as_slice()), (200, &b"{}"[..]));
    assert_eq!(registry.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_and_deletions_are_refused() {
    let registry = Registry::with_images(&[], |_| None).await;
    let weir = Weir::over(&registry.url()).await;
    for (method, target) in [
        ("POST", "/v2/team/app/blobs/uploads/"),
        ("PUT", "/v2/team/app/manifests/1"),
        ("PATCH", "/v2/team/app/blobs/uploads/1"),
        ("DELETE", "/v2/team/app/manifests/1"),
    ] {
        let got = request(weir.mirror, method, target, &[("Content-Length", "0")]).await;
        assert_eq!((got.status, got.code().as_str()), (405, "UNSUPPORTED"), "{method}");
        assert_eq!(got.header("allow"), Some("GET, HEAD"));
    }
    assert_eq!(registry.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_are_the_upstreams_bytes_with_every_header_a_client_needs() {
    let mut image = built("x");
    // Spacing of its own must survive: a digest is over bytes.
    image.index = [b" \n".as_slice(), &image.index, b"\n\n"].concat();
    image.index_digest = Digest::of(&image.index);
    let registry = Registry::with_images(&[&Image::of("team/app", "1", &image)], |_| None).await;
    let weir = Weir::over(&registry.url()).await;
    let digest = image.index_digest.to_string();
    for _ in 0..2 {
        for reference in ["1", &digest] {
            let target = format!("/v2/team/app/manifests/{reference}");
            let (got, headed) = (get(weir.mirror, &target).await, head(weir.mirror, &target).await);
            assert_eq!(got.body, image.index);
            for answer in [got, headed] {
                assert_eq!(answer.status, 200);
                assert_eq!(answer.header("content-type"), Some(MediaType::OCI_INDEX));
                assert_eq!(answer.header("docker-content-digest"), Some(digest.as_str()));
                assert_eq!(answer.header("content-length"), Some(image.index.len().to_string().as_str()));
                assert_eq!(answer.header("docker-distribution-api-version"), Some("registry/2.0"));
                assert_eq!(answer.header("warning"), None);
            }
        }
    }
    let asked =
        registry.asked().iter().filter(|ask| ask.path().contains(&digest) || ask.path().ends_with("/1")).count();
    assert_eq!(asked, 1, "one GET of the tag answered all of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_fresh_then_checked_then_replaced() {
    let (old, new) = (built("old"), built("new"));
    let images = [Image::of("team/app", "1", &old), Image::of("team/app", "1", &new)];
    let turn = Arc::new(AtomicUsize::new(0));
    let which = Arc::clone(&turn);
    let registry = Registry::start(move |ask| truth(&images[which.load(Ordering::SeqCst)..], ask)).await;
    let weir = Weir::over(&registry.url()).await;
    let target = "/v2/team/app/manifests/1";
    let counts = || (registry.count("HEAD", "/manifests/1"), registry.count("GET", "/manifests/1"));

    assert_eq!(get(weir.mirror, target).await.body, old.index);
    assert_eq!(get(weir.mirror, target).await.body, old.index);
    assert_eq!(counts(), (0, 1), "fresh: not asked again");
    weir.clock.advance(86_400);
    assert_eq!(get(weir.mirror, target).await.body, old.index);
    assert_eq!(counts(), (1, 1), "unchanged: a HEAD and no transfer");
    assert_eq!(get(weir.mirror, target).await.body, old.index);
    assert_eq!(counts(), (1, 1), "fresh once more");
    turn.store(1, Ordering::SeqCst);
    weir.clock.advance(86_400);
    assert_eq!(get(weir.mirror, target).await.body, new.index);
    assert_eq!(counts(), (2, 2), "changed: fetched");
    // The old one stays what it is, by digest.
    assert_eq!(get(weir.mirror, &format!("/v2/team/app/manifests/{}", old.index_digest)).await.body, old.index);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_tag_bridges_outages_and_nothing_else() {
    for (status, bridged) in
        [(429, true), (500, true), (502, true), (503, true), (504, true), (401, false), (403, false), (404, false)]
    {
        let image = built("x");
        let answer = Arc::new(AtomicU16::new(200));
        let told = Arc::clone(&answer);
        let registry = Registry::with_images(&[&Image::of("team/app", "1", &image)], move |ask| {
            let status = told.load(Ordering::SeqCst);
            let body = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no"}]}"#;
            let json = [("Content-Type", "application/json"), ("Retry-After", "90")];
            (status != 200 && ask.path().ends_with("/manifests/1")).then(|| Answer::new(status, &json, body))
        })
        .await;
        let weir = Weir::over(&registry.url()).await;
        let target = "/v2/team/app/manifests/1";
        assert_eq!(get(weir.mirror, target).await.status, 200);
        weir.clock.advance(86_400);
        answer.store(status, Ordering::SeqCst);
        let got = get(weir.mirror, target).await;
        if bridged {
            assert_eq!((got.status, &got.body), (200, &image.index), "{status}");
            let warning = got.header("warning").unwrap();
            assert!(warning.starts_with("299 - \"") && warning.contains("last checked"), "{warning}");
        } else {
            assert_ne!(got.status, 200, "{status} was papered over");
            assert_eq!(got.header("warning"), None);
        }
        answer.store(200, Ordering::SeqCst);
        weir.clock.advance(6);
        let got = get(weir.mirror, target).await;
        assert_eq!((got.status, got.header("warning")), (200, None), "{status}");
        weir.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_tag_bridges_a_registry_that_is_gone_and_digests_need_none() {
    let image = built("x");
    let registry = Registry::with_images(&[&Image::of("team/app", "1", &image)], |_| None).await;
    let weir = Weir::over(&registry.url()).await;
    let layer = format!("/v2/team/app/blobs/{}", image.layers[0].digest);
    assert_eq!(get(weir.mirror, "/v2/team/app/manifests/1").await.status, 200);
    assert_eq!(get(weir.mirror, &format!("/v2/team/app/manifests/{}", image.manifest_digest)).await.status, 200);
    assert_eq!(get(weir.mirror, &layer).await.status, 200);
    drop(registry);
    weir.clock.advance(86_400);
    // Twice past the breaker's limit: it opens meanwhile, and what is stored is served all the same.
    for _ in 0..4 {
        let got = get(weir.mirror, "/v2/team/app/manifests/1").await;
        assert_eq!((got.status, &got.body), (200, &image.index));
        assert!(got.header("warning").is_some());
    }
    assert_eq!(
        get(weir.mirror, &format!("/v2/team/app/manifests/{}", image.manifest_digest)).await.body,
        image.manifest
    );
    assert_eq!(get(weir.mirror, &layer).await.body, image.layers[0].bytes);
    let got = get(weir.mirror, "/v2/team/app/manifests/2").await;
    assert_eq!((got.status, got.code().as_str()), (502, "UNAVAILABLE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn accept_is_honoured_and_an_old_clients_answer_stands_for_nobody_else() {
    let image = built("x");
    let docker = br#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":"application/vnd.docker.container.image.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;
    let registry = Registry::with_images(&[&Image::of("team/app", "1", &image)], move |ask| {
        let old = ask.header("accept").is_some_and(|accept| !accept.contains(MediaType::OCI_INDEX));
        (old && ask.path().ends_with("/manifests/1"))
            .then(|| Answer::new(200, &[("Content-Type", MediaType::DOCKER_MANIFEST)], docker))
    })
    .await;
    let weir = Weir::over(&registry.url()).await;
    let target = "/v2/team/app/manifests/1";
    let old = [("Accept", MediaType::DOCKER_MANIFEST)];
    for _ in 0..2 {
        let got = get_with(weir.mirror, target, &old).await;
        assert_eq!((got.header("content-type"), got.body.as_slice()), (Some(MediaType::DOCKER_MANIFEST), &docker[..]));
        let got = get(weir.mirror, target).await;
        assert_eq!((got.header("content-type"), &got.body), (Some(MediaType::OCI_INDEX), &image.index));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_404_is_believed_for_seconds() {
    let image = built("x");
    let exists = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&exists);
    let registry = Registry::with_images(&[&Image::of("team/app", "1", &image)], move |_| {
        // A HEAD has no body to say it: the header shows that a registry speaks, and no balancer before it.
        let body = br#"{"errors":[{"code":"NAME_UNKNOWN","message":"no"}]}"#;
        (told.load(Ordering::SeqCst) == 0)
            .then(|| Answer::new(404, &[("Docker-Distribution-Api-Version", "registry/2.0")], body))
    })
    .await;
    let weir = Weir::over(&registry.url()).await;
    let blob = format!("/v2/team/app/blobs/{}", image.layers[0].digest);
    let pulls = ["/v2/team/app/manifests/1".to_owned(), blob];
    for target in &pulls {
        for _ in 0..3 {
            assert_eq!(get(weir.mirror, target).await.status, 404);
        }
    }
    assert_eq!(registry.asked().len(), 2, "each was asked for once");
    exists.store(1, Ordering::SeqCst);
    weir.clock.advance(6);
    for target in &pulls {
        assert_eq!(get(weir.mirror, target).await.status, 200, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_and_referrers_pass_through_with_links_that_lead_back() {
    let subject = Digest::of(b"subject");
    let registry = Registry::start(move |ask| {
        let json = ("Content-Type", "application/json");
        match ask.path() {
            "/v2/team/app/tags/list" if ask.target.contains("n=2") => {
                let link = "</v2/team/app/tags/list?last=b&n=2>; rel=\"next\"";
                Answer::new(200, &[json, ("Link", link)], br#"{"name":"team/app","tags":["a","b"]}"#)
            }
            "/v2/team/app/tags/list" => Answer::new(200, &[json], br#"{"name":"team/app","tags":["a","b","c"]}"#),
            path if path.ends_with(&format!("/referrers/{subject}")) && path.starts_with("/v2/team/app/") => {
                let link = format!("<https://elsewhere.example/v2/team/app/referrers/{subject}?page=2>; rel=\"next\"");
                let kind = ("Content-Type", "application/vnd.oci.image.index.v1+json; charset=utf-8");
                Answer::new(
                    200,
                    &[kind, ("Link", &link), ("OCI-Filters-Applied", "artifactType")],
                    br#"{"schemaVersion":2,"manifests":[]}"#,
                )
            }
            _ => Answer::new(404, &[], b"404 page not found"),
        }
    })
    .await;
    let weir = Weir::over(&registry.url()).await;
    let got = get(weir.mirror, "/v2/team/app/tags/list?n=2&ns=docker.io").await;
    assert_eq!((got.status, got.json()["tags"].clone()), (200, serde_json::json!(["a", "b"])));
    assert_eq!(got.header("link"), Some("</v2/team/app/tags/list?last=b&n=2&ns=docker.io>; rel=\"next\""));
    assert_eq!(get(weir.mirror, "/v2/docker.io/team/app/tags/list").await.header("link"), None);
    assert!(registry.asked().iter().all(|ask| !ask.target.contains("ns=")), "ns is between the node and weir");

    let target = format!("/v2/docker.io/team/app/referrers/{subject}?artifactType=x");
    let got = get(weir.mirror, &target).await;
    assert_eq!((got.status, got.header("content-type")), (200, Some("application/vnd.oci.image.index.v1+json")));
    assert_eq!(got.header("oci-filters-applied"), Some("artifactType"));
    assert_eq!(
        got.header("link").unwrap(),
        format!("</v2/docker.io/team/app/referrers/{subject}?page=2>; rel=\"next\"")
    );
    assert!(registry.asked().last().unwrap().target.ends_with("?artifactType=x"));
    // An upstream without the endpoint is not given an empty list: the client looks for the fallback tag then.
    assert_eq!(get(weir.mirror, &format!("/v2/team/other/referrers/{subject}")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_outlives_a_restart() {
    let image = built("x");
    let registry = Registry::with_images(&[&Image::of("team/app", "1", &image)], |_| None).await;
    let url = registry.url();
    let settings = [("UPSTREAM__0__NAME", "docker.io"), ("UPSTREAM__0__URL", url.as_str())];
    let weir = Weir::start(&settings).await;
    let layer = format!("/v2/team/app/blobs/{}", image.layers[0].digest);
    for target in ["/v2/team/app/manifests/1", &format!("/v2/team/app/manifests/{}", image.manifest_digest), &layer] {
        assert_eq!(get(weir.mirror, target).await.status, 200);
    }
    weir.scanned(&image.manifest_digest).await;
    let directory = weir.stop().await;
    drop(registry);
    let weir = Weir::start_in(directory, &settings).await;
    assert_eq!(get(weir.mirror, "/v2/team/app/manifests/1").await.body, image.index);
    assert_eq!(get(weir.mirror, &layer).await.body, image.layers[0].bytes);
    assert_eq!(weir.scanned(&image.manifest_digest).await["scan"]["status"], "complete");
}
