//! What honest sources bring: whole feeds once, increments after that.

use weir_proxy::advisory::Refreshed;
use weir_storage::index::Touch;

use super::{Mirror, archive, json, made, many};

fn package(name: &str) -> Touch {
    Touch::Package { ecosystem: "npm".into(), package: name.into() }
}

fn names<const N: usize>(names: [&str; N]) -> impl Iterator<Item = Touch> {
    names.into_iter().map(|name| Touch::Name(name.into()))
}

#[tokio::test]
async fn after_the_first_import_only_what_changed_is_fetched() {
    let mut records = many(60, 1);
    let mirror = Mirror::of(&records).await;
    mirror.assert_holds(&records, "first");
    assert_eq!(mirror.bucket.asked_after(0), ["/npm/all.zip"]);
    // That its releases came is a row of its own, as whenever they come or go.
    assert_eq!(mirror.touched(), [Touch::Folder("npm".into()), Touch::Ecosystem("npm".into())]);

    // The list is read once, to know its entity tag; from then on it answers that nothing changed.
    for answered in [1, 2, 3] {
        let before = mirror.bucket.asks();
        assert!(matches!(mirror.refresh().await, Refreshed::Unchanged), "{answered}");
        assert_eq!(mirror.bucket.asked_after(before), ["/npm/modified_id.csv"]);
    }
    assert!(mirror.bucket.server.asked().last().unwrap().header("if-none-match").is_some());
    assert_eq!(mirror.touched(), []);

    records[7] = made("A-007", 2, "other");
    records.remove(3);
    records.push(made("NEW", 3, "new"));
    mirror.bucket.publish(&records);
    let before = mirror.bucket.asks();
    let report = mirror.imported().await;
    assert!(report.increment);
    assert_eq!((report.counts.records, report.counts.changed, report.counts.removed), (60, 2, 1));
    let asked = ["/npm/A-003.json", "/npm/A-007.json", "/npm/NEW.json", "/npm/modified_id.csv"];
    assert_eq!(mirror.bucket.asked_after(before), asked);
    mirror.assert_holds(&records, "increment");
    let packages = ["new", "other", "p3", "p7"].map(package);
    let names = names(["A-003", "A-007", "CVE-new", "CVE-other", "CVE-p3", "CVE-p7", "NEW"]);
    assert_eq!(mirror.touched(), packages.into_iter().chain(names).collect::<Vec<_>>());
    assert!(matches!(mirror.refresh().await, Refreshed::Unchanged));
}

#[tokio::test]
async fn many_changes_come_as_an_archive() {
    let mirror = Mirror::of(&many(60, 1)).await;
    let mut records = many(60, 1);
    for record in &mut records[..30] {
        record.1 = 2;
    }
    mirror.bucket.publish(&records);
    let before = mirror.bucket.asks();
    let report = mirror.imported().await;
    assert_eq!((report.increment, report.counts.changed), (false, 30));
    assert_eq!(mirror.bucket.asked_after(before), ["/npm/all.zip", "/npm/modified_id.csv"]);
    mirror.assert_holds(&records, "archive");
}

#[tokio::test]
async fn a_source_without_lists_or_single_records_gives_its_archive() {
    let mirror = Mirror::of(&many(30, 1)).await;
    for without in ["/npm/modified_id.csv", "/npm/A-005.json"] {
        let mut records = many(30, 1);
        records[5] = made("A-005", if without.ends_with("csv") { 2 } else { 3 }, without);
        mirror.bucket.publish(&records);
        mirror.bucket.remove(without);
        let report = mirror.imported().await;
        assert_eq!((report.increment, report.counts.changed), (false, 1), "{without}");
        mirror.assert_holds(&records, without);
    }
}

#[tokio::test]
async fn a_record_that_lags_behind_the_list_is_asked_for_again() {
    let mirror = Mirror::of(&many(30, 1)).await;
    let mut records = many(30, 1);
    records[5] = made("A-005", 4, "late");
    mirror.bucket.publish(&records);
    mirror.bucket.put("/npm/A-005.json", json(&made("A-005", 1, "p5")));
    assert!(matches!(mirror.refresh().await, Refreshed::Unchanged));
    mirror.assert_holds(&many(30, 1), "the old form");
    mirror.bucket.put("/npm/A-005.json", json(&records[5]));
    mirror.imported().await;
    mirror.assert_holds(&records, "the new form");
}

#[tokio::test]
async fn a_bad_record_is_reported_and_skipped_and_had_once_it_is_good() {
    let mirror = Mirror::of(&many(30, 1)).await;
    let mut records = many(30, 1);
    records[5] = made("A-005", 2, "good");
    records[6] = made("A-006", 2, "good");
    mirror.bucket.publish(&records);
    mirror.bucket.put("/npm/A-005.json", "{\"id\":\"A-005\"}");
    let report = mirror.imported().await;
    assert_eq!((report.skipped, report.counts.changed), (1, 1));
    assert!(report.examples[0].contains("A-005") && report.examples[0].contains("modified"), "{:?}", report.examples);
    let without = |at: usize| {
        let mut held = records.clone();
        held[at] = many(30, 1)[at].clone();
        held
    };
    mirror.assert_holds(&without(5), "one skipped");
    mirror.bucket.put("/npm/A-005.json", json(&records[5]));
    mirror.imported().await;
    mirror.assert_holds(&records, "both");

    // The same in an archive: an entry that is no record, and one whose checksum is wrong.
    let old = records.clone();
    for record in &mut records {
        record.1 = 5;
    }
    mirror.bucket.publish(&records);
    let mut files: Vec<_> = records.iter().map(|record| (record.0.clone(), json(record))).collect();
    files[0].1 = b"{}".to_vec();
    let mut bytes = archive(files);
    // The first byte of the last entry's data, behind its local header of 30 bytes and its name.
    let last = (0..bytes.len()).rev().find(|at| bytes[*at..].starts_with(b"PK\x03\x04")).unwrap();
    bytes[last + 30 + "A-029.json".len()] ^= 0x55;
    mirror.bucket.put("/npm/all.zip", bytes);
    let report = mirror.imported().await;
    assert_eq!((report.increment, report.skipped, report.counts.records), (false, 2, 30));
    for at in [0, 29] {
        records[at] = old[at].clone();
    }
    let (stored, count, _) = mirror.stored();
    assert_eq!((stored.len(), count), (30, 30));
    assert_eq!(stored[0].modified, stored[29].modified);
    assert!(stored[1].modified > stored[0].modified);
}

#[tokio::test]
async fn redirects_are_followed_within_reason() {
    let mirror = Mirror::of(&many(30, 1)).await;
    let mut records = many(30, 1);
    records.push(made("NEW", 2, "new"));
    mirror.bucket.publish(&records);
    let moved = super::list(&records);
    mirror.bucket.put("/elsewhere.csv", moved);
    mirror.bucket.lie(|ask, _| {
        let to = [("Location", "/elsewhere.csv")];
        ask.path().ends_with("modified_id.csv").then(|| super::Answer::new(302, &to, b""))
    });
    assert!(mirror.imported().await.increment);
    mirror.assert_holds(&records, "by a redirect");
}
