use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use weir_scanner::oci::Digest;

use super::{Harness, MIB, append_all, content, read_all, read_available, read_ok};
use crate::blob::{BlobError, BlobWriter, Claim, Committed};

async fn write(mut writer: BlobWriter, body: Bytes) -> Result<Committed, BlobError> {
    for start in (0..body.len()).step_by(100_000) {
        writer.append(body.slice(start..body.len().min(start + 100_000))).await?;
    }
    writer.commit().await
}

#[tokio::test]
async fn a_full_disk_costs_no_reader_a_byte() {
    let harness = Harness::new().await;
    harness.fill_disk();
    let body = content(20 * MIB);
    let digest = Digest::of(&body);
    let (writer, client) = harness.fetch(&digest).await;
    let scanner = writer.reader().unverified();
    let Claim::Joined(joined) = harness.store.claim(&digest).await else { panic!("one fetches") };
    let readers = [client, scanner, joined].map(|reader| tokio::spawn(read_ok(reader)));
    let committed = write(writer, body.clone()).await.unwrap();
    assert_eq!(committed, Committed { len: body.len() as u64, stored: false });
    for reading in readers {
        assert!(reading.await.unwrap() == body);
    }
    assert_eq!(harness.files().await, (vec![], vec![]));
    assert!(matches!(harness.store.claim(&digest).await, Claim::Fetch(..)));
}

#[tokio::test]
async fn a_disk_that_fills_midway_costs_no_reader_a_byte() {
    let harness = Harness::new().await;
    let body = content(24 * MIB);
    let (mut writer, slow) = harness.fetch(&Digest::of(&body)).await;
    let fast = tokio::spawn(read_ok(writer.reader()));
    // The slow reader still has all of this to read from the file when the disk is full.
    append_all(&mut writer, &body.slice(..8 * MIB), 100_000).await;
    harness.fill_disk();
    let slow = tokio::spawn(read_ok(slow));
    let rest = body.slice(8 * MIB..);
    assert!(!write(writer, rest).await.unwrap().stored);
    assert!(fast.await.unwrap() == body);
    assert!(slow.await.unwrap() == body);
    assert_eq!(harness.files().await, (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn on_a_full_disk_a_reader_that_stands_still_is_cut_loose() {
    let harness = Harness::new().await;
    harness.fill_disk();
    let body = content(12 * MIB);
    let (writer, mut still) = harness.fetch(&Digest::of(&body)).await;
    let reading = tokio::spawn(read_ok(writer.reader()));
    let started = Instant::now();
    let writing = tokio::spawn(write(writer, body.clone()));
    assert!(!writing.await.unwrap().unwrap().stored);
    let waited = started.elapsed();
    assert!(waited >= Duration::from_secs(10) && waited < Duration::from_secs(12), "{waited:?}");
    assert!(reading.await.unwrap() == body);
    assert!(matches!(still.next_chunk().await, Err(BlobError::Lagged { position: 0 })));
}

#[tokio::test(start_paused = true)]
async fn on_a_full_disk_a_scanner_that_stands_still_costs_a_second() {
    let harness = Harness::new().await;
    harness.fill_disk();
    let body = content(12 * MIB);
    let (writer, client) = harness.fetch(&Digest::of(&body)).await;
    let scanner = writer.reader().unverified();
    let reading = tokio::spawn(read_ok(client));
    let started = Instant::now();
    write(writer, body.clone()).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(2));
    assert!(reading.await.unwrap() == body);
    assert!(matches!(read_all(scanner).await.1, Some(BlobError::Lagged { .. })));
}

#[tokio::test(start_paused = true)]
async fn on_a_full_disk_time_spent_waiting_for_the_upstream_is_not_standing_still() {
    let harness = Harness::new().await;
    let body = content(20 * MIB);
    let (mut writer, waits) = harness.fetch(&Digest::of(&body)).await;
    let behind = writer.reader();
    append_all(&mut writer, &body.slice(..MIB), 100_000).await;
    let waits = tokio::spawn(read_ok(waits));
    // Before the disk is full one reader has not moved for long, which was its right; after, the other has nothing to
    // read for as long.
    tokio::time::sleep(Duration::from_secs(60)).await;
    harness.fill_disk();
    let behind = tokio::spawn(read_ok(behind));
    append_all(&mut writer, &body.slice(MIB..10 * MIB), 100_000).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!write(writer, body.slice(10 * MIB..)).await.unwrap().stored);
    assert!(waits.await.unwrap() == body);
    assert!(behind.await.unwrap() == body);
}

#[tokio::test]
async fn on_a_full_disk_others_join_as_long_as_the_first_bytes_are_there() {
    let harness = Harness::new().await;
    harness.fill_disk();
    let body = content(12 * MIB);
    let digest = Digest::of(&body);
    let (mut writer, mut client) = harness.fetch(&digest).await;
    append_all(&mut writer, &body.slice(..2 * MIB), 100_000).await;
    let Claim::Joined(joined) = harness.store.claim(&digest).await else { panic!("all bytes are in memory") };
    drop(joined);
    for start in (2 * MIB..8 * MIB).step_by(MIB) {
        read_available(&mut client).await;
        append_all(&mut writer, &body.slice(start..start + MIB), 100_000).await;
    }
    let (other, second) = harness.fetch(&digest).await;
    let second = tokio::spawn(read_ok(second));
    assert!(!write(other, body.clone()).await.unwrap().stored);
    assert!(second.await.unwrap() == body);
    // The first fetch goes on by itself.
    let rest = client.position() as usize;
    let client = tokio::spawn(read_ok(client));
    append_all(&mut writer, &body.slice(8 * MIB..), 100_000).await;
    writer.commit().await.unwrap();
    assert!(client.await.unwrap() == body[rest..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whenever_the_disk_fills_every_reader_gets_every_byte() {
    let body = content(9 * MIB + 11);
    for round in 0..24 {
        let harness = Harness::new().await;
        let digest = Digest::of(&body);
        let (mut writer, client) = harness.fetch(&digest).await;
        let ranged = writer.reader().range(5 * MIB as u64, None);
        let readers =
            [client, writer.reader().unverified(), writer.reader()].map(|reader| tokio::spawn(read_ok(reader)));
        let ranged = tokio::spawn(read_ok(ranged));
        let full_at = round * body.len() / 24;
        append_all(&mut writer, &body.slice(..full_at), 130_000).await;
        harness.fill_disk();
        assert!(!write(writer, body.slice(full_at..)).await.unwrap().stored);
        for reading in readers {
            assert!(reading.await.unwrap() == body, "full at {full_at}");
        }
        assert!(ranged.await.unwrap() == body[5 * MIB..], "full at {full_at}");
        assert_eq!(harness.files().await, (vec![], vec![]));
    }
}

#[tokio::test]
async fn on_a_full_disk_a_wrong_body_is_still_not_completed() {
    let harness = Harness::new().await;
    harness.fill_disk();
    let body = content(6 * MIB);
    let (writer, reader) = harness.fetch(&Digest::of(b"another")).await;
    let reading = tokio::spawn(read_all(reader));
    assert!(matches!(write(writer, body.clone()).await, Err(BlobError::DigestMismatch { .. })));
    let (seen, error) = reading.await.unwrap();
    assert!(seen.len() < body.len() && matches!(error, Some(BlobError::DigestMismatch { .. })));
}

#[tokio::test]
async fn on_a_full_disk_a_fetch_nobody_reads_ends() {
    let harness = Harness::new().await;
    harness.fill_disk();
    let body = content(6 * MIB);
    let (writer, reader) = harness.fetch(&Digest::of(&body)).await;
    drop(reader);
    assert!(matches!(write(writer, body).await, Err(BlobError::Abandoned)));
    assert_eq!(harness.store.usage().partials, 0);
}

#[tokio::test]
async fn a_full_disk_makes_old_blobs_leave() {
    let harness = Harness::new().await;
    let old = harness.put(&content(100_000)).await;
    harness.set_seconds(1_000_100);
    let new = harness.put(&content(100_001)).await;
    harness.settled().await;
    harness.fill_disk();
    let (writer, reader) = harness.fetch(&Digest::of(b"x")).await;
    let reading = tokio::spawn(read_ok(reader));
    assert!(!write(writer, Bytes::from_static(b"x")).await.unwrap().stored);
    assert_eq!(reading.await.unwrap(), b"x");
    // The reserve is 1000 bytes: one blob is more than enough.
    let (blobs, _) = harness.files().await;
    assert_eq!(blobs, [new.hex()], "{old} was to leave");
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_degrades_too() {
    let harness = Harness::new().await;
    let partials = harness.directory.path().join("partial");
    std::fs::remove_dir(&partials).unwrap();
    std::fs::write(&partials, b"in the way").unwrap();
    let body = content(3 * MIB);
    let (writer, reader) = harness.fetch(&Digest::of(&body)).await;
    let reading = tokio::spawn(read_ok(reader));
    assert!(!write(writer, body.clone()).await.unwrap().stored);
    assert!(reading.await.unwrap() == body);
}
