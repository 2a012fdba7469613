use std::collections::HashSet;
use std::fs;

use bytes::Bytes;
use weir_scanner::oci::Digest;

use super::{Harness, append_all, content, read_ok, time};
use crate::blob::{Claim, Usage};

#[tokio::test]
async fn a_restart_keeps_blobs_and_removes_what_is_none() {
    let harness = Harness::new().await;
    let body = content(5000);
    let digest = harness.put(&body).await;
    let layout = &harness.store.shared.layout;
    let other = Digest::of(b"other");
    fs::write(layout.partial(&other, 3), b"oth").unwrap();
    fs::write(layout.shard(&digest).join("nonsense"), b"x").unwrap();
    // A right name in the wrong directory would never be found, and never be counted.
    fs::write(layout.shard(&digest).join(other.hex()), b"other").unwrap();

    let harness = harness.reopen(u64::MAX).await;
    assert_eq!(harness.files().await, (vec![digest.hex()], vec![]));
    let usage = Usage { blobs: 1, blob_bytes: 5000, counted: true, ..Usage::default() };
    assert_eq!(harness.store.usage(), usage);
    let Claim::Stored(reader) = harness.store.claim(&digest).await else { panic!("it is stored") };
    assert_eq!(read_ok(reader).await, body);
}

#[tokio::test]
async fn the_least_recently_used_leave_and_the_open_stay() {
    let harness = Harness::with_budget(3000).await;
    let mut digests = Vec::new();
    for (age, len) in [1001usize, 1002, 990].into_iter().enumerate() {
        harness.set_seconds(1_000_000 + 100 * age as u64);
        digests.push(harness.put(&content(len)).await);
    }
    assert_eq!(harness.settled().await.usage().blobs, 3);
    // The oldest is open, so the one after it has to leave for a fourth.
    harness.set_seconds(1_000_001);
    let Claim::Stored(open) = harness.store.claim(&digests[0]).await else { panic!("it is stored") };
    harness.set_seconds(1_000_400);
    digests.push(harness.put(&content(500)).await);
    assert!(harness.settled().await.stored(&digests[1]).await.is_none());
    for kept in [0, 2, 3] {
        assert!(harness.store.stored(&digests[kept]).await.is_some(), "{kept}");
    }
    let usage = harness.store.usage();
    assert_eq!((usage.blob_bytes, usage.evicted_blobs, usage.evicted_bytes), (2491, 1, 1002));
    assert_eq!(read_ok(open).await.len(), 1001);
}

#[tokio::test]
async fn what_was_open_leaves_when_it_is_closed() {
    let harness = Harness::with_budget(1500).await;
    let old = harness.put(&content(1000)).await;
    let Claim::Stored(reader) = harness.store.claim(&old).await else { panic!("it is stored") };
    harness.set_seconds(1_000_100);
    let body = content(900);
    let (mut writer, follower) = harness.fetch(&Digest::of(&body)).await;
    append_all(&mut writer, &body, 900).await;
    writer.commit().await.unwrap();
    assert_eq!(harness.settled().await.usage().blob_bytes, 1900);
    drop(reader);
    assert_eq!(harness.settled().await.usage().blob_bytes, 900);
    assert!(harness.store.stored(&old).await.is_none());
    assert_eq!(read_ok(follower).await, body);
}

#[tokio::test]
async fn blobs_of_running_workloads_leave_last() {
    let harness = Harness::with_budget(2500).await;
    let running = harness.put(&content(1000)).await;
    harness.store.set_running(HashSet::from([running]));
    harness.set_seconds(1_000_100);
    let idle = harness.put(&content(1001)).await;
    harness.set_seconds(1_000_200);
    harness.put(&content(1002)).await;
    assert!(harness.settled().await.stored(&idle).await.is_none());
    assert!(harness.store.stored(&running).await.is_some());
}

#[tokio::test]
async fn a_use_is_noted_once_a_minute_and_survives_a_restart() {
    let harness = Harness::new().await;
    let digest = harness.put(&content(1000)).await;
    let used = async |harness: &Harness| harness.store.stored(&digest).await.unwrap().used;
    // The file system's own clock wrote the first time; the first use under this one replaces it.
    for (seconds, noted) in
        [(5_000_000_000, 5_000_000_000), (5_000_000_059, 5_000_000_000), (5_000_000_060, 5_000_000_060)]
    {
        harness.set_seconds(seconds);
        assert!(matches!(harness.store.claim(&digest).await, Claim::Stored(_)));
        assert_eq!(used(&harness).await, time(noted), "at {seconds}");
    }
    let unused = harness.put(&content(1001)).await;
    let harness = harness.reopen(1500).await;
    harness.settled().await;
    assert!(harness.store.stored(&unused).await.is_none(), "its time is the real one, long before");
    assert!(harness.store.stored(&digest).await.is_some());
}

#[tokio::test]
async fn a_budget_no_blob_fits_in_still_serves_those_who_asked() {
    let harness = Harness::with_budget(0).await;
    let body = Bytes::from_static(b"larger than nothing");
    let (mut writer, reader) = harness.fetch(&Digest::of(&body)).await;
    append_all(&mut writer, &body, 5).await;
    assert!(writer.commit().await.unwrap().stored);
    assert_eq!(harness.files().await.0.len(), 1);
    assert_eq!(read_ok(reader).await, body);
    assert_eq!(harness.files().await.0.len(), 0);
}
