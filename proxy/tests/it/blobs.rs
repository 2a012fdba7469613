//! Blobs as clients pull them: ranges, growing ones, whose repository they are in, and eviction.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use weir_scanner::oci::Digest;

use crate::support::{Answer, Ask, Gate, Image, Registry, Weir, eventually, get, get_with, head, noise, request};

#[tokio::test(flavor = "multi_thread")]
async fn ranges_of_a_stored_blob() {
    let bytes = noise(1, 200_000);
    let registry = Registry::with_images(&[&Image::of_blobs("team/app", &[&bytes])], |_| None).await;
    let weir = Weir::over(&registry.url()).await;
    let target = format!("/v2/team/app/blobs/{}", Digest::of(&bytes));
    assert_eq!(get(weir.mirror, &target).await.body, bytes);
    let headed = head(weir.mirror, &target).await;
    assert_eq!((headed.header("content-length"), headed.header("accept-ranges")), (Some("200000"), Some("bytes")));
    for (range, start, end) in [
        ("bytes=0-", 0, 200_000),
        ("bytes=150000-", 150_000, 200_000),
        ("bytes=100-199", 100, 200),
        ("bytes=199999-", 199_999, 200_000),
        ("bytes=199990-999999", 199_990, 200_000),
        ("bytes=-5", 199_995, 200_000),
        ("bytes=-999999", 0, 200_000),
    ] {
        let got = get_with(weir.mirror, &target, &[("Range", range)]).await;
        assert_eq!(got.status, 206, "{range}");
        assert_eq!(got.header("content-range"), Some(format!("bytes {start}-{}/200000", end - 1).as_str()));
        assert!(got.whole && got.body == bytes[start..end], "{range}");
    }
    for range in ["bytes=200000-", "bytes=500000-600000", "bytes=-0", "bytes=9-5"] {
        let got = get_with(weir.mirror, &target, &[("Range", range)]).await;
        assert_eq!((got.status, got.header("content-range")), (416, Some("bytes */200000")), "{range}");
    }
    for range in ["bytes=0-1,5-6", "items=0-1", "bytes=x"] {
        let got = get_with(weir.mirror, &target, &[("Range", range)]).await;
        assert!(got.status == 200 && got.body == bytes, "{range}");
    }
    assert_eq!(registry.count("GET", &Digest::of(&bytes).to_string()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_of_a_growing_blob_and_a_client_that_leaves() {
    let bytes = noise(2, 400_000);
    let (gate, right) = (Gate::default(), bytes.clone());
    let held = gate.clone();
    let registry = Registry::with_images(&[&Image::of_blobs("team/app", &[&bytes])], move |ask: &Ask| {
        (ask.method == "GET" && ask.range_start().is_none())
            .then(|| Answer::new(200, &[], &right).gated(200_000, &held))
    })
    .await;
    let weir = Weir::over(&registry.url()).await;
    let digest = Digest::of(&bytes);
    let target = format!("/v2/team/app/blobs/{digest}");

    // The first client reads a little and leaves: nothing but its own body ends.
    let mut first = TcpStream::connect(weir.mirror).await.unwrap();
    first.write_all(format!("GET {target} HTTP/1.1\r\nHost: weir\r\n\r\n").as_bytes()).await.unwrap();
    first.read_exact(&mut [0; 1000]).await.unwrap();
    drop(first);

    // What has come is served while the rest is still held back; only a range's last byte waits for the digest.
    let mut early = TcpStream::connect(weir.mirror).await.unwrap();
    let text = format!("GET {target} HTTP/1.1\r\nHost: weir\r\nRange: bytes=1000-1999\r\nConnection: close\r\n\r\n");
    early.write_all(text.as_bytes()).await.unwrap();
    let (mut begun, wanted) = (Vec::new(), &bytes[1000..1999]);
    while !begun.ends_with(wanted) {
        assert_ne!(early.read_buf(&mut begun).await.unwrap(), 0, "the range ended early");
    }
    assert!(begun.starts_with(b"HTTP/1.1 206"));
    let got = get_with(weir.mirror, &target, &[("Range", "bytes=400000-")]).await;
    assert_eq!((got.status, got.header("content-range")), (416, Some("bytes */400000")));
    // What has not come is waited for.
    let ahead = ["bytes=300000-", "bytes=-10", "bytes=390000-390009"].map(|range| {
        let (address, target) = (weir.mirror, target.clone());
        tokio::spawn(async move { get_with(address, &target, &[("Range", range)]).await })
    });
    gate.open();
    early.read_to_end(&mut begun).await.unwrap();
    assert!(begun.ends_with(&bytes[1000..2000]) && !begun.ends_with(&bytes[1000..2001]));
    let expected = [&bytes[300_000..], &bytes[399_990..], &bytes[390_000..390_010]];
    for (ahead, expected) in ahead.into_iter().zip(expected) {
        let got = ahead.await.unwrap();
        assert_eq!(got.status, 206);
        assert!(got.whole && got.body == expected);
    }
    assert!(weir.stored(&digest).await == bytes);
    assert_eq!(registry.asked().iter().filter(|ask| ask.method == "GET" && ask.range_start().is_none()).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_no_manifest_named_is_checked_upstream_first() {
    let (ours, theirs) = (noise(3, 5000), noise(4, 5000));
    let images = [Image::of_blobs("team/app", &[&ours]), Image::of_blobs("other/app", &[&theirs])];
    let registry = Registry::with_images(&[&images[0], &images[1]], |_| None).await;
    let weir = Weir::over(&registry.url()).await;
    let digest = Digest::of(&theirs);
    assert_eq!(get(weir.mirror, &format!("/v2/other/app/blobs/{digest}")).await.body, theirs);
    assert!(weir.stored(&digest).await == theirs);
    for method in ["GET", "HEAD"] {
        let got = request(weir.mirror, method, &format!("/v2/team/app/blobs/{digest}"), &[]).await;
        assert_eq!(got.status, 404, "a digest learned elsewhere opened a repository that does not have it");
    }
    assert_eq!(registry.count("GET", &format!("team/app/blobs/{digest}")), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn eviction_keeps_to_the_budget_and_never_takes_what_is_read() {
    const SIZE: usize = 6 << 20;
    let blobs: Vec<Vec<u8>> = (10..16).map(|seed| noise(seed, SIZE)).collect();
    let slices: Vec<&[u8]> = blobs.iter().map(Vec::as_slice).collect();
    let registry = Registry::with_images(&[&Image::of_blobs("team/app", &slices)], |_| None).await;
    let url = registry.url();
    let weir =
        Weir::start(&[("UPSTREAM__0__NAME", "docker.io"), ("UPSTREAM__0__URL", &url), ("DATA__BLOB_BUDGET", "16MiB")])
            .await;
    let target = |bytes: &[u8]| format!("/v2/team/app/blobs/{}", Digest::of(bytes));
    assert_eq!(get(weir.mirror, &target(&blobs[0])).await.body, blobs[0]);
    // A client that takes its first bytes and then its time, while five more blobs press on the budget.
    let mut slow = TcpStream::connect(weir.mirror).await.unwrap();
    let text = format!("GET {} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n", target(&blobs[0]));
    slow.write_all(text.as_bytes()).await.unwrap();
    let mut begun = vec![0; 4096];
    slow.read_exact(&mut begun).await.unwrap();
    for bytes in &blobs[1..] {
        assert!(get(weir.mirror, &target(bytes)).await.body == *bytes);
    }
    eventually("the budget holds", || async {
        let stored = blobs.iter().filter(|bytes| weir.has_file(&Digest::of(bytes))).count();
        (stored * SIZE <= 16 << 20).then_some(())
    })
    .await;
    slow.read_to_end(&mut begun).await.unwrap();
    assert!(begun.ends_with(&blobs[0]), "the slow client lost its blob");
    // What was evicted is fetched again.
    for bytes in &blobs {
        assert!(get(weir.mirror, &target(bytes)).await.body == *bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sha512_and_empty_blobs_are_blobs() {
    let bytes = noise(5, 70_000);
    let digest = {
        let mut hasher = weir_scanner::oci::DigestHasher::new(weir_scanner::oci::Algorithm::Sha512);
        hasher.update(&bytes);
        hasher.finish()
    };
    let mut image = Image::of_blobs("team/app", &[b""]);
    image.contents.insert(digest, (String::new(), bytes.clone()));
    let registry = Registry::with_images(&[&image], |_| None).await;
    let weir = Weir::over(&registry.url()).await;
    for _ in 0..2 {
        let got = get(weir.mirror, &format!("/v2/team/app/blobs/{digest}")).await;
        assert!(got.status == 200 && got.whole && got.body == bytes);
        let got = get(weir.mirror, &format!("/v2/team/app/blobs/{}", Digest::of(b""))).await;
        assert_eq!((got.status, got.header("content-length"), got.body.len()), (200, Some("0"), 0));
    }
    assert!(weir.stored(&digest).await == bytes);
    assert!(weir.stored(&Digest::of(b"")).await.is_empty());
}
