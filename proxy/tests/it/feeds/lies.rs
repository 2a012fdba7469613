//! Sources that break off, fall silent, lie or go back in time: what was stored stays, and the next honest answer is taken.

use weir_proxy::advisory::Refreshed;

use super::{Answer, Ask, Made, Mirror, archive, json, list, made, many};
use crate::support::{Ending, Gate};

const RECORDS: usize = 40;

fn old() -> Vec<Made> {
    let mut records = many(RECORDS, 2);
    records[0].1 = 9;
    records
}

/// One record changed, one new, one gone.
fn new() -> Vec<Made> {
    let mut records = old();
    records[1] = made("A-001", 10, "changed");
    records.remove(2);
    records.push(made("NEW", 11, "new"));
    records
}

/// A state of the feed before `old`: half of it older, a record that was taken back since, some not there yet.
fn before() -> Vec<Made> {
    let mut records = many(RECORDS - 5, 1);
    records.push(made("GONE", 1, "gone"));
    records
}

type Lie = fn(&Ask, &[u8]) -> Answer;

fn status<const CODE: u16>(_: &Ask, _: &[u8]) -> Answer {
    Answer::new(CODE, &[], b"no")
}

fn cut(_: &Ask, bytes: &[u8]) -> Answer {
    Answer::new(200, &[], bytes).cut(bytes.len() / 2)
}

fn silent(_: &Ask, bytes: &[u8]) -> Answer {
    Answer::new(200, &[], bytes).gated(bytes.len() / 2, &Gate::default())
}

fn mute(_: &Ask, bytes: &[u8]) -> Answer {
    let mut answer = Answer::new(200, &[], bytes).gated(0, &Gate::default());
    answer.gate.as_mut().unwrap().0 = 0;
    answer
}

fn page(_: &Ask, _: &[u8]) -> Answer {
    Answer::new(200, &[], b"<html>Sign in</html>\n")
}

fn shortened(_: &Ask, bytes: &[u8]) -> Answer {
    Answer::new(200, &[], &bytes[..bytes.len() * 2 / 3])
}

fn unended(_: &Ask, bytes: &[u8]) -> Answer {
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".as_bytes();
    Answer::raw([head, &bytes[..bytes.len() - 3]].concat(), Ending::Close)
}

fn round(ask: &Ask, _: &[u8]) -> Answer {
    Answer::new(302, &[("Location", ask.target.as_str())], b"")
}

fn empty_list(_: &Ask, _: &[u8]) -> Answer {
    Answer::new(200, &[], b"")
}

fn empty_archive(_: &Ask, _: &[u8]) -> Answer {
    Answer::new(200, &[], &archive([]))
}

fn older_list(_: &Ask, _: &[u8]) -> Answer {
    Answer::new(200, &[], &list(&before()))
}

fn older_archive(_: &Ask, _: &[u8]) -> Answer {
    Answer::new(200, &[], &archive(before().iter().map(|record| (record.0.clone(), json(record)))))
}

/// Newer than everything in one record, older in all others: a mirror that mixes two states.
fn mixed_archive(_: &Ask, _: &[u8]) -> Answer {
    let mut records = many(RECORDS, 1);
    records[0].1 = 20;
    Answer::new(200, &[], &archive(records.iter().map(|record| (record.0.clone(), json(record)))))
}

fn rotten_archive(_: &Ask, _: &[u8]) -> Answer {
    let bad = |(id, ..): &Made| (id.clone(), b"{\"id\":1}".to_vec());
    Answer::new(200, &[], &archive(new().iter().map(bad)))
}

/// The file a lie is told of, the lie, and a part of the reason that is kept.
const CASES: &[(&str, Lie, &str)] = &[
    ("modified_id.csv", status::<500>, "answered 500"),
    ("modified_id.csv", status::<403>, "answered 403"),
    ("modified_id.csv", cut, ""),
    ("modified_id.csv", silent, "no byte came"),
    ("modified_id.csv", mute, "no answer came"),
    ("modified_id.csv", page, "line 1"),
    ("modified_id.csv", unended, "cut off"),
    ("modified_id.csv", round, "redirected more than"),
    ("modified_id.csv", empty_list, "older than stored"),
    ("modified_id.csv", older_list, "older than stored"),
    ("A-001.json", status::<500>, "answered 500"),
    ("A-001.json", cut, ""),
    ("A-001.json", silent, "no byte came"),
    ("all.zip", status::<500>, "answered 500"),
    ("all.zip", status::<429>, "answered 429"),
    ("all.zip", cut, ""),
    ("all.zip", silent, "no byte came"),
    ("all.zip", page, "zip"),
    ("all.zip", shortened, "zip"),
    ("all.zip", unended, "zip"),
    ("all.zip", empty_archive, "older than stored"),
    ("all.zip", older_archive, "older than stored"),
    ("all.zip", mixed_archive, "older than stored"),
    ("all.zip", rotten_archive, "could not be read"),
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_source_does_what_is_stored_is_the_old_or_the_new() {
    for (number, (file, lie, reason)) in CASES.iter().enumerate() {
        let name = format!("case {number}: {file}, {reason:?}");
        let mirror = Mirror::of(&old()).await;
        mirror.touched();
        mirror.bucket.publish(&new());
        if *file == "all.zip" {
            // Without a list the archive is asked for.
            mirror.bucket.remove("/npm/modified_id.csv");
        }
        mirror.bucket.lie(move |ask, bytes| ask.path().ends_with(file).then(|| lie(ask, bytes)));
        for again in 0..2 {
            let Refreshed::Failed(error) = mirror.refresh().await else { panic!("{name} did not fail, {again}") };
            assert!(error.contains(reason), "{name}: {error}");
            assert_eq!(mirror.failure().as_deref(), Some(error.as_str()), "{name}");
            mirror.assert_holds(&old(), &name);
            assert_eq!(mirror.touched(), [], "{name}");
        }
        mirror.bucket.be_honest();
        mirror.imported().await;
        assert_eq!(mirror.failure(), None, "{name}");
        mirror.assert_holds(&new(), &name);
    }
}

#[tokio::test]
async fn a_list_cut_at_the_end_of_a_line_takes_nothing() {
    let mirror = Mirror::of(&old()).await;
    // Every record is still there, only the list's last lines are not.
    mirror.bucket.put("/npm/modified_id.csv", list(&old()[..RECORDS - 2]));
    let report = mirror.refresh().await;
    assert!(matches!(report, Refreshed::Unchanged | Refreshed::Imported(_)), "{report:?}");
    mirror.assert_holds(&old(), "a short list");
}

#[tokio::test]
async fn a_feed_that_vanished_stays() {
    let mirror = Mirror::of(&old()).await;
    mirror.bucket.lie(|_, _| Some(Answer::new(404, &[], b"")));
    assert!(matches!(mirror.refresh().await, Refreshed::Absent));
    mirror.assert_holds(&old(), "absent");
}

#[tokio::test]
async fn a_first_import_that_breaks_leaves_no_feed_and_the_next_one_is_whole() {
    for lie in [cut, silent, page, shortened, status::<500>] {
        let bucket = super::Bucket::start().await;
        bucket.publish(&new());
        bucket.lie(move |ask, bytes| Some(lie(ask, bytes)));
        let scratch = tempfile::tempdir().unwrap();
        let mirror = Mirror { bucket, index: weir_storage::index::Index::in_memory(), scratch };
        assert!(matches!(mirror.refresh().await, Refreshed::Failed(_)));
        assert_eq!(mirror.index.advisories().feeds().unwrap(), []);
        assert!(mirror.failure().is_some());
        mirror.bucket.be_honest();
        mirror.imported().await;
        mirror.assert_holds(&new(), "after a broken first import");
    }
}
