use std::fs::OpenOptions;

use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;
use weir_scanner::oci::Digest;

use super::{Harness, MIB, append_all, content, read_all, read_available, read_ok};
use crate::blob::{BlobError, Claim, Progress};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_followers_read_one_file() {
    let harness = Harness::new().await;
    let body = content(4 * MIB + 1234);
    let digest = Digest::of(&body);
    let (mut writer, first) = harness.fetch(&digest).await;
    let mut readers = JoinSet::new();
    readers.spawn(read_ok(first));
    for _ in 1..200 {
        let Claim::Joined(reader) = harness.store.claim(&digest).await else { panic!("one fetches") };
        readers.spawn(read_ok(reader));
    }
    append_all(&mut writer, &body, 50_000).await;
    assert_eq!(harness.files().await.1.len(), 1);
    assert!(writer.commit().await.unwrap().stored);
    while let Some(seen) = readers.join_next().await {
        assert!(seen.unwrap() == body);
    }
    assert_eq!(harness.files().await, (vec![digest.hex()], vec![]));
}

#[tokio::test]
async fn a_reader_that_stands_still_holds_up_nobody() {
    let harness = Harness::new().await;
    let body = content(8 * MIB);
    let digest = Digest::of(&body);
    let (mut writer, still) = harness.fetch(&digest).await;
    let mut half = writer.reader();
    let fast = tokio::spawn(read_ok(writer.reader()));
    append_all(&mut writer, &body.slice(..MIB), 70_000).await;
    let mut begun = half.next_chunk().await.unwrap().unwrap().to_vec();
    append_all(&mut writer, &body.slice(MIB..), 70_000).await;
    assert!(writer.commit().await.unwrap().stored);
    assert_eq!(fast.await.unwrap(), body);
    assert_eq!(read_ok(still).await, body);
    begun.extend(read_ok(half).await);
    assert_eq!(begun, body);
}

#[tokio::test]
async fn a_client_that_leaves_stops_only_its_own_body() {
    let harness = Harness::new().await;
    let body = content(2 * MIB);
    let digest = Digest::of(&body);
    let (mut writer, mut client) = harness.fetch(&digest).await;
    append_all(&mut writer, &body.slice(..MIB), 65_536).await;
    assert!(client.next_chunk().await.unwrap().is_some());
    drop(client);
    append_all(&mut writer, &body.slice(MIB..), 65_536).await;
    assert!(writer.commit().await.unwrap().stored);
    let Claim::Stored(reader) = harness.store.claim(&digest).await else { panic!("it is stored") };
    assert_eq!(read_ok(reader).await, body);
}

#[tokio::test]
async fn a_reader_waits_for_bytes_and_for_the_length() {
    let harness = Harness::new().await;
    let body = content(1000);
    let (mut writer, reader) = harness.fetch(&Digest::of(&body)).await;
    let mut length = writer.reader();
    assert_eq!(reader.len_hint(), None);
    let reading = tokio::spawn(read_ok(reader));
    let asking = tokio::spawn(async move { length.known_len().await });
    tokio::task::yield_now().await;
    assert!(!reading.is_finished() && !asking.is_finished());
    writer.set_expected_len(1000).unwrap();
    assert_eq!(asking.await.unwrap().unwrap(), 1000);
    assert_eq!(writer.reader().len_hint(), Some(1000));
    append_all(&mut writer, &body, 300).await;
    assert!(matches!(writer.reader().progress(), Progress::Growing { len: 1000, expected: Some(1000) }));
    writer.commit().await.unwrap();
    assert_eq!(reading.await.unwrap(), body);
}

#[tokio::test]
async fn the_length_of_a_body_without_one_is_known_at_its_end() {
    let harness = Harness::new().await;
    let (mut writer, mut reader) = harness.fetch(&Digest::of(b"abc")).await;
    let asking = tokio::spawn(async move { reader.known_len().await });
    append_all(&mut writer, &"abc".into(), 1).await;
    tokio::task::yield_now().await;
    assert!(!asking.is_finished());
    writer.commit().await.unwrap();
    assert_eq!(asking.await.unwrap().unwrap(), 3);
}

#[tokio::test]
async fn the_last_chunk_waits_for_the_hash() {
    let harness = Harness::new().await;
    let body = content(1000);
    for announced in [true, false] {
        let digest = Digest::of(format!("not the digest, {announced}").as_bytes());
        let (mut writer, mut client) = harness.fetch(&digest).await;
        let mut scanner = writer.reader().unverified();
        if announced {
            writer.set_expected_len(1000).unwrap();
        }
        append_all(&mut writer, &body.slice(..900), 300).await;
        // With the length announced these cannot be the last bytes; without it they may be.
        assert_eq!(read_available(&mut client).await, if announced { 900 } else { 600 });
        append_all(&mut writer, &body.slice(900..), 100).await;
        read_available(&mut client).await;
        assert_eq!(client.position(), 900);
        assert_eq!(read_available(&mut scanner).await, 1000);
        // A range that reaches the end is the end; of any other the last byte waits.
        let mut tail = writer.reader().range(950, Some(1000));
        let mut middle = writer.reader().range(100, Some(200));
        assert_eq!((read_available(&mut tail).await, read_available(&mut middle).await), (0, 99));

        writer.commit().await.unwrap_err();
        for reader in [client, scanner, tail, middle] {
            let (seen, error) = read_all(reader).await;
            assert!(seen.is_empty() && matches!(error, Some(BlobError::DigestMismatch { .. })));
        }
    }
}

#[tokio::test]
async fn an_unverified_reader_ends_only_when_the_digest_is_verified() {
    let harness = Harness::new().await;
    let body = content(1000);
    let (mut writer, reader) = harness.fetch(&Digest::of(&body)).await;
    let scanner = tokio::spawn(read_ok(reader.unverified()));
    append_all(&mut writer, &body, 500).await;
    tokio::task::yield_now().await;
    assert!(!scanner.is_finished());
    writer.commit().await.unwrap();
    assert_eq!(scanner.await.unwrap(), body);
}

#[tokio::test]
async fn ranges_of_growing_and_stored_blobs_hold_the_same_bytes() {
    let harness = Harness::new().await;
    let body = content(3 * MIB + 5);
    let len = body.len();
    let ranges =
        [(0, 1), (0, len), (1, len), (len - 1, len), (MIB - 1, MIB + 1), (5, 2 * MIB + 9), (len - 5, len + 9), (7, 7)];
    let digest = Digest::of(&body);
    let (mut writer, first) = harness.fetch(&digest).await;
    let follow = |(start, end)| tokio::spawn(read_ok(first.another().range(start as u64, Some(end as u64))));
    let early = ranges.map(follow);
    append_all(&mut writer, &body.slice(..2 * MIB), 99_999).await;
    let midway = ranges.map(follow);
    append_all(&mut writer, &body.slice(2 * MIB..), 99_999).await;
    writer.commit().await.unwrap();
    let late = ranges.map(follow);
    let Claim::Stored(stored) = harness.store.claim(&digest).await else { panic!("it is stored") };
    for (range, readers) in ranges.iter().zip(early.into_iter().zip(midway).zip(late)) {
        let expected = &body[range.0..range.1.min(len)];
        let ((early, midway), late) = readers;
        for reading in [early, midway, late] {
            assert!(reading.await.unwrap() == expected, "{range:?} growing");
        }
        let reader = stored.another().range(range.0 as u64, Some(range.1 as u64));
        assert!(read_ok(reader).await == expected, "{range:?} stored");
    }
    assert_eq!(read_ok(stored.range(10, None)).await, body[10..]);
}

#[tokio::test]
async fn what_the_page_cache_does_not_hold_is_read_on_a_blocking_thread() {
    let harness = Harness::new().await;
    let body = content(3 * MIB + 5);
    let (mut writer, follower) = harness.fetch(&Digest::of(&body)).await;
    append_all(&mut writer, &body, 99_999).await;
    let mut cancelled = follower.another().always_blocking();
    // A read that was begun and not waited for is taken up again, not repeated and not lost.
    let seen = read_available(&mut cancelled).await;
    assert!(seen < body.len());
    writer.commit().await.unwrap();
    assert_eq!(read_ok(cancelled).await, body[seen..]);
    assert_eq!(read_ok(follower.always_blocking().range(77, Some(2 * MIB as u64))).await, body[77..2 * MIB]);
}

#[tokio::test]
async fn decoders_read_the_same_bytes() {
    let harness = Harness::new().await;
    let body = content(MIB + 3);
    let (mut writer, mut follower) = harness.fetch(&Digest::of(&body)).await;
    let mut first = [0; 10];
    append_all(&mut writer, &body, 77_777).await;
    follower.read_exact(&mut first).await.unwrap();
    assert_eq!((&first[..], follower.position()), (&body[..10], 10));
    writer.commit().await.unwrap();
    let mut rest = Vec::new();
    follower.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, body[10..]);
}

#[tokio::test]
async fn a_failure_is_an_error_to_a_decoder_and_not_the_end() {
    let harness = Harness::new().await;
    let (writer, mut reader) = harness.fetch(&Digest::of(b"x")).await;
    drop(writer);
    let error = reader.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert!(matches!(error.downcast::<BlobError>(), Ok(BlobError::WriterGone)));
}

#[tokio::test]
async fn a_stored_file_that_somebody_cut_is_an_error_and_not_the_end() {
    let harness = Harness::new().await;
    let body = content(MIB);
    let digest = harness.put(&body).await;
    let Claim::Stored(reader) = harness.store.claim(&digest).await else { panic!("it is stored") };
    let path = harness.store.shared.layout.blob(&digest);
    OpenOptions::new().write(true).open(path).unwrap().set_len(1000).unwrap();
    let (seen, error) = read_all(reader).await;
    assert!(seen.len() <= 1000 && matches!(error, Some(BlobError::Io { .. })));
}
