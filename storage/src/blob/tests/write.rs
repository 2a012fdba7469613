use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use weir_scanner::oci::{Algorithm, Digest, DigestHasher};

use super::{Harness, MIB, append_all, content, read_all, read_available, read_ok};
use crate::blob::{BlobError, Claim, Progress};

#[tokio::test]
async fn a_blob_is_visible_only_once_it_is_verified_and_renamed() {
    let harness = Harness::new().await;
    let body = content(3 * MIB + 17);
    let digest = Digest::of(&body);
    let (mut writer, reader) = harness.fetch(&digest).await;
    append_all(&mut writer, &body, 100_000).await;
    assert_eq!(harness.store.stored(&digest).await, None);
    assert!(harness.store.open_stored(&digest).await.is_none());
    assert_eq!(names_of(&harness).await, (0, 1));
    assert_eq!(writer.position(), body.len() as u64);

    let committed = writer.commit().await.unwrap();
    assert_eq!((committed.len, committed.stored), (body.len() as u64, true));
    assert_eq!(harness.store.stored(&digest).await.unwrap().size, body.len() as u64);
    assert_eq!(harness.files().await, (vec![digest.hex()], vec![]));
    assert_eq!(read_ok(reader).await, body);
    let Claim::Stored(stored) = harness.store.claim(&digest).await else { panic!("it is stored") };
    assert!(matches!(stored.progress(), Progress::Complete { len } if len == body.len() as u64));
    assert_eq!(read_ok(stored).await, body);
}

async fn names_of(harness: &Harness) -> (usize, usize) {
    let (blobs, partials) = harness.files().await;
    (blobs.len(), partials.len())
}

#[tokio::test]
async fn a_wrong_body_is_never_completed_and_never_kept() {
    let harness = Harness::new().await;
    for (size, announced) in [(1, true), (100, false), (2 * MIB, true), (2 * MIB, false)] {
        let digest = Digest::of(b"something else");
        let body = content(size);
        let (mut writer, reader) = harness.fetch(&digest).await;
        if announced {
            writer.set_expected_len(body.len() as u64).unwrap();
        }
        append_all(&mut writer, &body, 64 << 10).await;
        let mut early = reader.another();
        assert!(read_available(&mut early).await < body.len());
        let error = writer.commit().await.unwrap_err();
        assert!(matches!(&error, BlobError::DigestMismatch { expected, actual }
            if **expected == digest && **actual == Digest::of(&body)));
        for reader in [reader, early] {
            let (seen, error) = read_all(reader).await;
            assert!(matches!(error, Some(BlobError::DigestMismatch { .. })));
            assert!(seen.len() < body.len());
        }
        assert_eq!(names_of(&harness).await, (0, 0));
        assert!(matches!(harness.store.claim(&digest).await, Claim::Fetch(..)));
    }
}

#[tokio::test]
async fn a_body_of_another_length_than_announced_fails() {
    let harness = Harness::new().await;
    let body = content(100);
    let digest = Digest::of(&body);

    let (mut writer, reader) = harness.fetch(&digest).await;
    writer.set_expected_len(101).unwrap();
    writer.append(body.clone()).await.unwrap();
    assert!(matches!(writer.commit().await, Err(BlobError::LengthMismatch { expected: 101, actual: 100 })));
    assert!(matches!(read_all(reader).await.1, Some(BlobError::LengthMismatch { .. })));

    let (mut writer, reader) = harness.fetch(&digest).await;
    writer.set_expected_len(99).unwrap();
    assert!(matches!(writer.append(body.clone()).await, Err(BlobError::LengthMismatch { expected: 99, actual: 100 })));
    drop(writer);
    assert!(matches!(read_all(reader).await, (seen, Some(BlobError::LengthMismatch { .. })) if seen.is_empty()));

    let (mut writer, _reader) = harness.fetch(&digest).await;
    writer.append(body.clone()).await.unwrap();
    assert!(writer.set_expected_len(99).is_err());
    writer.set_expected_len(100).unwrap();
    assert!(writer.set_expected_len(101).is_err());
    assert!(writer.commit().await.unwrap().stored);
}

#[tokio::test]
async fn a_writer_lost_at_any_byte_is_an_error_and_leaves_nothing() {
    let harness = Harness::new().await;
    let body = content(2 * MIB);
    let digest = Digest::of(&body);
    let batch = 512 << 10;
    for cut in [0, 1, batch - 1, batch, batch + 1, 3 * batch + 7, body.len() - 1, body.len()] {
        let (mut writer, reader) = harness.fetch(&digest).await;
        writer.set_expected_len(body.len() as u64).unwrap();
        append_all(&mut writer, &body.slice(..cut), 40_000).await;
        drop(writer);
        let (seen, error) = read_all(reader).await;
        assert!(matches!(error, Some(BlobError::WriterGone)), "cut at {cut}: {error:?}");
        assert!(body.starts_with(&seen) && seen.len() < body.len());
        assert_eq!(names_of(&harness).await, (0, 0), "cut at {cut}");
    }
    assert_eq!(harness.store.usage().partials, 0);
}

#[tokio::test]
async fn the_cause_of_a_failure_reaches_readers_that_wait() {
    let harness = Harness::new().await;
    let (writer, reader) = harness.fetch(&Digest::of(b"x")).await;
    let waiting = tokio::spawn(read_all(reader));
    tokio::task::yield_now().await;
    writer.fail(BlobError::Upstream(Arc::from(Box::<dyn std::error::Error + Send + Sync>::from("503 from docker.io"))));
    let (_, error) = waiting.await.unwrap();
    assert_eq!(error.unwrap().to_string(), "the upstream failed: 503 from docker.io");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_claims_at_once_one_fetches() {
    let harness = Harness::new().await;
    for round in 0..40 {
        let body = content(70_000 + round);
        let digest = Digest::of(&body);
        let barrier = Arc::new(Barrier::new(32));
        let mut tasks = JoinSet::new();
        for _ in 0..32 {
            let (store, body, barrier) = (harness.store.clone(), body.clone(), Arc::clone(&barrier));
            tasks.spawn(async move {
                barrier.wait().await;
                let (reader, fetched) = match store.claim(&digest).await {
                    Claim::Fetch(mut writer, reader) => {
                        append_all(&mut writer, &body, 9_000).await;
                        assert!(writer.commit().await.unwrap().stored);
                        (reader, 1)
                    }
                    Claim::Joined(reader) | Claim::Stored(reader) => (reader, 0),
                };
                assert_eq!(read_ok(reader).await, body);
                fetched
            });
        }
        assert_eq!(tasks.join_all().await.iter().sum::<usize>(), 1, "round {round}");
    }
    assert_eq!(harness.settled().await.usage().blobs, 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_failure_one_of_those_who_ask_again_fetches() {
    let harness = Harness::new().await;
    let digest = Digest::of(b"right");
    let mut tasks = JoinSet::new();
    for _ in 0..32 {
        let store = harness.store.clone();
        tasks.spawn(async move {
            let mut fetched = 0;
            loop {
                let reader = match store.claim(&digest).await {
                    Claim::Fetch(mut writer, reader) => {
                        fetched += 1;
                        let body: &'static [u8] = if fetched == 3 { b"right" } else { b"wrong" };
                        writer.append(Bytes::from_static(body)).await.unwrap();
                        let _ = writer.commit().await;
                        reader
                    }
                    Claim::Joined(reader) | Claim::Stored(reader) => reader,
                };
                match read_all(reader).await {
                    (seen, None) => return assert_eq!(seen, b"right"),
                    (seen, Some(_)) => assert!(seen.is_empty()),
                }
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(harness.files().await, (vec![digest.hex()], vec![]));
}

#[tokio::test]
async fn sha512_and_the_empty_blob_are_blobs_too() {
    let harness = Harness::new().await;
    let body = content(100_000);
    let mut hasher = DigestHasher::new(Algorithm::Sha512);
    hasher.update(&body);
    let digest = hasher.finish();
    let (mut writer, reader) = harness.fetch(&digest).await;
    append_all(&mut writer, &body, 30_000).await;
    assert!(writer.commit().await.unwrap().stored);
    assert_eq!(read_ok(reader).await, body);

    let empty = Digest::of(b"");
    let (writer, reader) = harness.fetch(&empty).await;
    writer.set_expected_len(0).unwrap();
    assert!(writer.commit().await.unwrap().stored);
    assert_eq!(read_ok(reader).await, b"");
    let Claim::Stored(reader) = harness.store.claim(&empty).await else { panic!("it is stored") };
    assert_eq!((reader.len_hint(), read_ok(reader).await), (Some(0), vec![]));
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_is_stored() {
    let harness = Harness::new().await;
    let body = content(10_000);
    let digest = Digest::of(&body);
    let (mut writer, reader) = harness.fetch(&digest).await;
    append_all(&mut writer, &body, 1).await;
    writer.append(Bytes::new()).await.unwrap();
    assert!(writer.commit().await.unwrap().stored);
    assert_eq!(read_ok(reader).await, body);
}

#[tokio::test]
async fn a_commit_goes_on_when_nobody_waits_for_it() {
    let harness = Harness::new().await;
    let body = content(MIB);
    let digest = Digest::of(&body);
    let (mut writer, reader) = harness.fetch(&digest).await;
    append_all(&mut writer, &body, MIB).await;
    let mut commit = Box::pin(writer.commit());
    let mut reading = tokio::spawn(read_ok(reader));
    // The commit is polled until the readers have everything, and then dropped.
    let seen = tokio::select! {
        biased;
        seen = &mut reading => seen.unwrap(),
        _ = &mut commit => reading.await.unwrap(),
    };
    drop(commit);
    assert_eq!(seen, body);
    match harness.store.claim(&digest).await {
        Claim::Stored(reader) | Claim::Joined(reader) => assert_eq!(read_ok(reader).await, body),
        Claim::Fetch(..) => panic!("the commit was lost"),
    }
}
