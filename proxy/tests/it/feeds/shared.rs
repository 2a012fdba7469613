//! The advisories beside the checkout, all of them: counts as their README states them.

use std::collections::BTreeMap;
use std::path::Path;

use weir_proxy::advisory::{FeedSource, Refreshed, refresh_feed};
use weir_storage::index::Index;

use super::NOW;

pub(super) const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/advisories");

/// The table of counts: ecosystem to records, and the list of releases: release to records.
fn stated(readme: &str) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
    let rows = readme.lines().skip_while(|line| !line.starts_with("| Ecosystem")).skip(2);
    let ecosystems = rows.take_while(|line| line.starts_with('|')).map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (cells[1].to_owned(), cells[2].parse().unwrap())
    });
    let lines =
        readme.lines().skip_while(|line| *line != "Releases:").skip(1).take_while(|line| line.starts_with("- "));
    let releases = lines.flat_map(|line| line.split_once(": ").unwrap().1.split(", ")).map(|part| {
        let (name, count) = part.strip_prefix('`').unwrap().split_once("` ").unwrap();
        (name.to_owned(), count.parse().unwrap())
    });
    (ecosystems.collect(), releases.collect())
}

#[tokio::test]
async fn every_shared_feed_is_imported_to_its_last_record() {
    let shared = Path::new(SHARED);
    let Ok(readme) = std::fs::read_to_string(shared.join("README.md")) else { return };
    let (ecosystems, releases) = stated(&readme);
    assert_eq!((ecosystems.len(), ecosystems.values().sum::<u64>()), (23, 69_531));
    let directory = tempfile::tempdir().unwrap();
    let index = Index::open(directory.path()).unwrap();
    let source = FeedSource::directory(shared.join("osv"));
    assert_eq!(source.ecosystems().await.unwrap(), ecosystems.keys().cloned().collect::<Vec<_>>());
    for (ecosystem, stated) in &ecosystems {
        let Refreshed::Imported(report) = refresh_feed(&index, &source, ecosystem, NOW).await else {
            panic!("{ecosystem} was not imported")
        };
        assert_eq!((report.counts.records, report.skipped), (*stated, 0), "{ecosystem}: {:?}", report.examples);
    }
    let feeds: BTreeMap<String, u64> = index
        .advisories()
        .feeds()
        .unwrap()
        .into_iter()
        .map(|feed| (feed.ecosystem.to_string(), feed.records))
        .collect();
    for (release, stated) in &releases {
        assert_eq!(feeds.get(release), Some(stated), "{release}");
    }
    // Every list agrees with what was imported, so nothing is fetched, and the second time it is not even read.
    for _ in 0..2 {
        for ecosystem in ecosystems.keys() {
            let again = refresh_feed(&index, &source, ecosystem, NOW).await;
            assert!(matches!(again, Refreshed::Unchanged), "{ecosystem}: {again:?}");
        }
    }
}
