//! Feeds over real sockets: a bucket that serves a small feed with entity tags, changes, and lies.

mod cve;
mod lies;
mod refresh;
mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use weir_proxy::advisory::{FeedSource, Refreshed, refresh_feed};
use weir_scanner::advisory::{Advisory, AdvisorySource as _};
use weir_scanner::oci::Digest;
use weir_storage::index::{Index, Touch};
use zip::write::SimpleFileOptions;

use crate::support::{Answer, Ask, Registry};

/// After every record of the tests, seconds since the epoch.
const NOW: i64 = 1_800_000_000;
/// How long the tests wait for a server that has fallen silent.
const IDLE: Duration = Duration::from_millis(300);

/// A record: id, day of January 2024 it changed, package.
type Made = (String, u8, String);

fn made(id: &str, day: u8, package: &str) -> Made {
    (id.to_owned(), day, package.to_owned())
}

/// `count` records, each with a package of its own.
fn many(count: usize, day: u8) -> Vec<Made> {
    (0..count).map(|n| made(&format!("A-{n:03}"), day, &format!("p{n}"))).collect()
}

fn time(day: u8) -> String {
    format!("2024-01-{day:02}T00:00:00Z")
}

fn json((id, day, package): &Made) -> Vec<u8> {
    let record = serde_json::json!({
        "id": id, "modified": time(*day), "aliases": [format!("CVE-{package}")],
        "affected": [{"package": {"ecosystem": "npm", "name": package}, "versions": ["1"]}],
    });
    record.to_string().into_bytes()
}

fn archive(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (id, bytes) in files {
        writer.start_file(format!("{id}.json"), SimpleFileOptions::default()).unwrap();
        writer.write_all(&bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn list(records: &[Made]) -> Vec<u8> {
    records.iter().map(|(id, day, _)| format!("{},{id}\n", time(*day))).collect::<String>().into_bytes()
}

type Lie = dyn Fn(&Ask, &[u8]) -> Option<Answer> + Send;

#[derive(Default)]
struct Files {
    by_path: BTreeMap<String, Vec<u8>>,
    lie: Option<Box<Lie>>,
}

/// A bucket with one feed, `npm`.
struct Bucket {
    server: Registry,
    files: Arc<Mutex<Files>>,
}

impl Bucket {
    async fn start() -> Self {
        let files: Arc<Mutex<Files>> = Arc::default();
        let served = Arc::clone(&files);
        let server = Registry::start(move |ask| {
            let files = served.lock().unwrap();
            let bytes = files.by_path.get(ask.path());
            let lie = files.lie.as_ref().and_then(|lie| lie(ask, bytes.map(Vec::as_slice).unwrap_or_default()));
            lie.unwrap_or_else(|| bytes.map_or_else(|| Answer::new(404, &[], b""), |bytes| honest(ask, bytes)))
        });
        Self { server: server.await, files }
    }

    /// Puts up a feed in every form.
    fn publish(&self, records: &[Made]) {
        let mut files = self.files.lock().unwrap();
        files.by_path.clear();
        files.by_path.insert("/npm/modified_id.csv".into(), list(records));
        let all = archive(records.iter().map(|record| (record.0.clone(), json(record))));
        files.by_path.insert("/npm/all.zip".into(), all);
        files.by_path.extend(records.iter().map(|record| (format!("/npm/{}.json", record.0), json(record))));
    }

    fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.files.lock().unwrap().by_path.insert(path.into(), bytes.into());
    }

    fn remove(&self, path: &str) {
        self.files.lock().unwrap().by_path.remove(path);
    }

    /// Answers as `lie` says, where it says something.
    fn lie(&self, lie: impl Fn(&Ask, &[u8]) -> Option<Answer> + Send + 'static) {
        self.files.lock().unwrap().lie = Some(Box::new(lie));
    }

    fn be_honest(&self) {
        self.files.lock().unwrap().lie = None;
    }

    fn source(&self, scratch: &std::path::Path) -> FeedSource {
        FeedSource::parse(&self.server.url(), scratch, &[]).unwrap().with_idle(IDLE)
    }

    /// Paths asked for since the last call, and how each was answered is the bucket's affair.
    fn asked_after(&self, before: usize) -> Vec<String> {
        let mut paths: Vec<_> = self.server.asked()[before..].iter().map(|ask| ask.path().to_owned()).collect();
        paths.sort();
        paths
    }

    fn asks(&self) -> usize {
        self.server.asked().len()
    }
}

fn honest(ask: &Ask, bytes: &[u8]) -> Answer {
    let etag = format!("\"{}\"", Digest::of(bytes).hex());
    if ask.header("if-none-match") == Some(&etag) {
        return Answer::new(304, &[("ETag", &etag)], b"");
    }
    Answer::new(200, &[("ETag", &etag)], bytes)
}

/// A feed: its ecosystem, its records, the newest of them.
type FeedRow = (String, u64, Option<i64>);

/// A mirror's index with the feed of a bucket.
struct Mirror {
    bucket: Bucket,
    index: Index,
    scratch: tempfile::TempDir,
}

impl Mirror {
    async fn of(records: &[Made]) -> Self {
        let mirror =
            Self { bucket: Bucket::start().await, index: Index::in_memory(), scratch: tempfile::tempdir().unwrap() };
        mirror.bucket.publish(records);
        mirror.imported().await;
        mirror
    }

    async fn refresh(&self) -> Refreshed {
        refresh_feed(&self.index, &self.bucket.source(self.scratch.path()), "npm", NOW).await
    }

    /// Refreshes, which must bring something.
    #[track_caller]
    fn imported(&self) -> impl Future<Output = weir_proxy::advisory::ImportReport> {
        let place = std::panic::Location::caller();
        async move {
            match self.refresh().await {
                Refreshed::Imported(report) => report,
                other => panic!("{place}: {other:?}"),
            }
        }
    }

    /// Everything stored of the feed: each record, its count, its feed.
    fn stored(&self) -> (Vec<Advisory>, u64, Vec<FeedRow>) {
        let advisories = self.index.advisories();
        let source = advisories.source();
        let ids = (0..600).map(|n| format!("A-{n:03}")).chain(["NEW", "GONE"].map(String::from));
        let records: Vec<Advisory> = ids.filter_map(|id| advisories.get(&id).unwrap()).collect();
        for record in &records {
            let found = source.affecting("npm", &record.affected[0].package).unwrap();
            assert!(found.iter().any(|other| other.id == record.id), "{} is not found", record.id);
        }
        let feeds = advisories.feeds().unwrap();
        let feeds = feeds.iter().map(|feed| (feed.ecosystem.to_string(), feed.records, feed.as_of)).collect();
        (records, advisories.import("npm").unwrap().unwrap().records, feeds)
    }

    /// What is stored is exactly these records.
    #[track_caller]
    fn assert_holds(&self, records: &[Made], what: &str) {
        let (stored, count, feeds) = self.stored();
        let pair = |record: &Advisory| (record.id.clone(), record.modified, record.affected[0].package.clone());
        let stored: BTreeSet<_> = stored.iter().map(pair).collect();
        let seconds = |day: u8| 1_704_067_200 + (i64::from(day) - 1) * 86_400;
        let expected: BTreeSet<_> =
            records.iter().map(|(id, day, package)| (id.clone(), seconds(*day), package.clone())).collect();
        assert_eq!(stored, expected, "{what}");
        let newest = records.iter().map(|(_, day, _)| seconds(*day)).max();
        assert_eq!(
            (count, feeds),
            (records.len() as u64, vec![("npm".into(), records.len() as u64, newest)]),
            "{what}"
        );
    }

    /// What was touched since the last call.
    fn touched(&self) -> Vec<Touch> {
        let rows = self.index.touched().take(10_000).unwrap();
        self.index.touched().done(&rows).unwrap();
        rows.into_iter().map(|row| row.touch).collect()
    }

    /// The reason that is kept of the last failure.
    fn failure(&self) -> Option<String> {
        self.index.advisories().import("npm").unwrap().unwrap().failure.map(|failure| failure.error)
    }
}
