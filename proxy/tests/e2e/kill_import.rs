//! kill -9 during imports of real feeds: every record is whole, an old one or the new one, and the next import counts right.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use weir_scanner::advisory::osv;
use weir_storage::index::Index;
use zip::write::SimpleFileOptions;

use crate::support::{Weir, checkout, machine};

const FEEDS: [&str; 3] = ["PyPI", "crates.io", "npm"];
const KILLS: usize = 20;
/// Each round leaves out one record in so many.
const LEFT_OUT: usize = 50;

/// Real records by feed and id, which every round changes.
struct Records(BTreeMap<&'static str, Vec<(String, Value)>>);

impl Records {
    /// The records beside the checkout, where they are.
    fn shared() -> Option<Self> {
        let folder = checkout().join("../shared/advisories/osv");
        let read = |feed: &'static str| {
            let mut archive = zip::ZipArchive::new(File::open(folder.join(feed).join("all.zip")).ok()?).unwrap();
            let records = (0..archive.len()).map(|at| {
                let mut text = String::new();
                archive.by_index(at).unwrap().read_to_string(&mut text).unwrap();
                let record: Value = serde_json::from_str(&text).unwrap();
                (record["id"].as_str().unwrap().to_owned(), record)
            });
            Some((feed, records.collect()))
        };
        FEEDS.into_iter().map(read).collect::<Option<_>>().map(Self)
    }

    /// A record as it is in a round, which its time and its summary both say.
    fn at(record: &Value, round: usize) -> Vec<u8> {
        let mut record = record.clone();
        record["modified"] = format!("2025-{:02}-{:02}T00:00:00Z", 1 + round / 28, 1 + round % 28).into();
        record["summary"] = format!("round {round}").into();
        serde_json::to_vec(&record).unwrap()
    }

    fn is_left_out(at: usize, round: usize) -> bool {
        at % LEFT_OUT == round % LEFT_OUT
    }

    /// Writes the feeds of a round.
    fn write(&self, directory: &Path, round: usize) {
        for (feed, records) in &self.0 {
            std::fs::create_dir_all(directory.join(feed)).unwrap();
            let mut archive = zip::ZipWriter::new(File::create(directory.join(feed).join("all.zip")).unwrap());
            let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
            for (at, (id, record)) in records.iter().enumerate() {
                if !Self::is_left_out(at, round) {
                    archive.start_file(format!("{id}.json"), stored).unwrap();
                    archive.write_all(&Self::at(record, round)).unwrap();
                }
            }
            archive.finish().unwrap();
        }
    }

    /// Looks at every record a killed process left: one of a round from the last whole one to the killed one.
    fn check(&self, data: &Path, whole: usize, killed: usize) {
        let index = Index::open(&data.join("index")).unwrap();
        for (at, (id, record)) in self.0.values().flat_map(|records| records.iter().enumerate()) {
            let missing_once = (whole..=killed).any(|round| Self::is_left_out(at, round));
            let Some(stored) = index.advisories().get(id).unwrap() else {
                assert!(missing_once, "{id} is gone after the kill in round {killed}");
                continue;
            };
            let round: usize = stored.summary.strip_prefix("round ").unwrap().parse().unwrap();
            assert!(round <= killed && (round >= whole || missing_once), "{id} is of round {round}");
            assert_eq!(stored, osv::read(&Self::at(record, round)).unwrap(), "{id} is a mixture");
        }
    }

    /// What is stored is exactly a round.
    fn check_whole(&self, data: &Path, round: usize) {
        self.check(data, round, round);
        let index = Index::open(&data.join("index")).unwrap();
        for (feed, records) in &self.0 {
            let kept = (0..records.len()).filter(|at| !Self::is_left_out(*at, round)).count() as u64;
            let import = index.advisories().import(feed).unwrap().unwrap();
            assert_eq!((import.records, import.failure), (kept, None), "{feed}");
            for (at, (id, _)) in records.iter().enumerate() {
                assert_eq!(index.advisories().get(id).unwrap().is_none(), Self::is_left_out(at, round), "{id}");
            }
        }
    }
}

fn start(feeds: &Path, data: &Path) -> Child {
    let mut command = Weir::command(&[]);
    command.args(["advisories", "import"]).arg(feeds).arg("--data").arg(data);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Imports to the end; the time it took.
fn import(feeds: &Path, data: &Path) -> Duration {
    let began = Instant::now();
    let output = start(feeds, data).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    began.elapsed()
}

#[test]
fn an_import_killed_at_any_moment_leaves_old_records_or_new_ones() {
    let _machine = machine();
    let Some(records) = Records::shared() else { return };
    let directory = tempfile::tempdir().unwrap();
    let (feeds, data) = (directory.path().join("feeds"), directory.path().join("data"));
    records.write(&feeds, 0);
    import(&feeds, &data);
    records.check_whole(&data, 0);
    records.write(&feeds, 1);
    let usual = import(&feeds, &data);
    let (mut whole, mut midway) = (1, 0);
    let mut random = fastrand::Rng::with_seed(4);
    for round in 2..KILLS + 2 {
        records.write(&feeds, round);
        let mut child = start(&feeds, &data);
        let moment = Instant::now() + usual.mul_f64(random.f64());
        while Instant::now() < moment && child.try_wait().unwrap().is_none() {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            whole = round;
        } else {
            midway += 1;
        }
        records.check(&data, whole, round);
        if round % 5 == 0 {
            import(&feeds, &data);
            records.check_whole(&data, round);
            whole = round;
        }
    }
    assert!(midway >= KILLS / 2, "only {midway} of {KILLS} kills met an import");
}
