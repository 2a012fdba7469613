//! Imports against the engine in memory, cut at every write.

use std::sync::Arc;

use weir_scanner::advisory::{AdvisorySource, Affected, FeedTally, MemoryAdvisories};
use weir_scanner::fixture::{SUITE_NOW, advisory_source_suite, suite_advisories};
use weir_scanner::package::Ecosystem;

use super::super::engine::{FaultyEngine, MemoryEngine};
use super::*;

fn advisory(id: &str, modified: i64, package: &str) -> Advisory {
    let affected = Affected {
        ecosystem: Ecosystem::parse("npm"),
        package: package.into(),
        ranges: Vec::new(),
        versions: Vec::new(),
        binaries: Vec::new(),
        imports: Vec::new(),
        ratings: Vec::new(),
    };
    Advisory {
        id: id.into(),
        modified,
        withdrawn: None,
        aliases: vec![format!("CVE-{package}")],
        upstream: Vec::new(),
        related: Vec::new(),
        summary: String::new(),
        ratings: Vec::new(),
        affected: vec![affected],
    }
}

fn import(index: &Index, folder: &str, advisories: &[Advisory], now: i64) -> Result<ImportCounts, IndexError> {
    let mut tally = FeedTally::new(folder, now);
    let mut import = index.advisories().begin(folder)?;
    for advisory in advisories {
        tally.count(advisory);
        import.put(advisory.clone())?;
    }
    let archive = Validators { etag: Some("e".into()), last_modified: None };
    import.finish(ImportFinish { feeds: tally.feeds(), archive, now, ..ImportFinish::default() })
}

fn found(index: &Index, package: &str) -> Vec<String> {
    let found = index.advisories().source().affecting("npm", package).unwrap();
    found.iter().map(|advisory| advisory.id.clone()).collect()
}

/// Rows of all tables of advisories, to see that nothing is left over.
fn rows(index: &Index) -> usize {
    let tables =
        [Table::Advisories, Table::AdvisoryNames, Table::AdvisoryPackages, Table::AdvisoryMembers, Table::Feeds];
    tables.iter().map(|table| index.rows(Scan::prefix(*table, Vec::new())).count()).sum()
}

#[test]
fn the_index_answers_as_every_source_must() {
    let directory = tempfile::tempdir().unwrap();
    for index in [Index::in_memory(), Index::open(directory.path()).unwrap()] {
        let advisories = suite_advisories();
        let mut folders: Vec<&str> =
            advisories.iter().flat_map(|a| &a.affected).map(|affected| affected.ecosystem.name()).collect();
        folders.sort_unstable();
        folders.dedup();
        for folder in folders {
            let listed: Vec<_> = advisories
                .iter()
                .filter(|a| a.affected.iter().any(|affected| affected.ecosystem.name() == folder))
                .cloned()
                .collect();
            import(&index, folder, &listed, SUITE_NOW).unwrap();
        }
        advisory_source_suite(&index.advisories().source());
    }
}

#[test]
fn an_import_adds_changes_and_removes() {
    let index = Index::in_memory();
    let first = import(&index, "npm", &[advisory("A", 1, "left"), advisory("B", 1, "right")], 10).unwrap();
    assert_eq!(first, ImportCounts { records: 2, changed: 2, removed: 0 });
    let second = import(&index, "npm", &[advisory("A", 2, "up"), advisory("C", 1, "down")], 20).unwrap();
    assert_eq!(second, ImportCounts { records: 2, changed: 2, removed: 1 });
    assert_eq!((found(&index, "left"), found(&index, "right")), (Vec::new(), Vec::new()));
    assert_eq!((found(&index, "up"), found(&index, "down")), (vec!["A".into()], vec!["C".into()]));
    let source = index.advisories().source();
    assert!(source.named("CVE-left").unwrap().is_empty());
    assert_eq!(source.named("CVE-up").unwrap()[0].id, "A");
    assert_eq!(source.named("A").unwrap()[0].id, "A");
    let third = import(&index, "npm", &[advisory("A", 2, "up"), advisory("C", 1, "down")], 30).unwrap();
    assert_eq!(third, ImportCounts { records: 2, changed: 0, removed: 0 });
    let state = index.advisories().import("npm").unwrap().unwrap();
    assert_eq!((state.imported_at, state.records, state.archive.etag.as_deref()), (Some(30), 2, Some("e")));
    index.advisories().unchanged("npm", 40).unwrap();
    assert_eq!(source.feed(&Ecosystem::parse("npm")).unwrap().unwrap().fetched_at, 40);
    assert_eq!(index.advisories().import("npm").unwrap().unwrap().imported_at, Some(30));

    import(&index, "npm", &[], 50).unwrap();
    assert_eq!(rows(&index), 0);
}

#[test]
fn an_older_record_never_replaces_a_newer_one() {
    let index = Index::in_memory();
    import(&index, "npm", &[advisory("A", 5, "new")], 10).unwrap();
    import(&index, "npm", &[advisory("A", 4, "old")], 20).unwrap();
    assert_eq!(index.advisories().get("A").unwrap().unwrap().modified, 5);
    import(&index, "npm", &[advisory("A", 7, "newest"), advisory("A", 6, "newer")], 30).unwrap();
    assert_eq!(index.advisories().get("A").unwrap().unwrap().modified, 7);
    assert_eq!(rows(&index), 6);
}

#[test]
fn an_import_cut_anywhere_takes_nothing_and_the_next_one_sets_all_right() {
    let old: Vec<_> = (0..300).map(|n| advisory(&format!("OLD-{n}"), 1, "p")).collect();
    let new: Vec<_> = (150..450).map(|n| advisory(&format!("OLD-{n}"), if n < 200 { 2 } else { 1 }, "p")).collect();
    let mut cuts = 0;
    for writes in 0.. {
        let engine = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::default())));
        let index = Index::new(engine.clone());
        import(&index, "npm", &old, 10).unwrap();
        engine.fail_writes_after(writes);
        let result = import(&index, "npm", &new, 20);
        engine.fail_writes(false);
        if result.is_ok() {
            break;
        }
        cuts += 1;
        for n in 150..300 {
            assert!(index.advisories().get(&format!("OLD-{n}")).unwrap().is_some(), "record {n} after {writes} writes");
        }
        let state = index.advisories().import("npm").unwrap().unwrap();
        assert_eq!((state.imported_at, state.records), (Some(10), 300), "after {writes} writes");
        assert_eq!(index.advisories().feeds().unwrap()[0].fetched_at, 10);
        let again = import(&index, "npm", &new, 30).unwrap();
        assert_eq!(again.records, 300);
        assert_eq!(found(&index, "p").len(), 300, "after {writes} writes");
        assert_eq!(rows(&index), 300 * 5 + 1, "five rows a record and the feed");
    }
    assert!(cuts >= 6, "begin, three batches of records, two of removals, the end; got {cuts}");
}

#[test]
fn what_an_abandoned_import_marked_does_not_outlive_the_next_one() {
    let index = Index::in_memory();
    let mut abandoned = index.advisories().begin("npm").unwrap();
    for n in 0..BATCH_RECORDS {
        abandoned.put(advisory(&format!("X-{n}"), 1, "x")).unwrap();
    }
    drop(abandoned);
    assert_eq!(found(&index, "x").len(), BATCH_RECORDS);
    import(&index, "npm", &[advisory("A", 1, "a")], 10).unwrap();
    assert_eq!((found(&index, "x").len(), found(&index, "a").len()), (0, 1));
}

#[test]
fn a_later_import_of_the_folder_ends_an_earlier_one() {
    let index = Index::in_memory();
    let mut slow = index.advisories().begin("npm").unwrap();
    slow.put(advisory("SLOW", 1, "slow")).unwrap();
    import(&index, "npm", &[advisory("FAST", 1, "fast")], 10).unwrap();
    assert!(
        matches!(slow.finish(ImportFinish::default()), Err(IndexError::Superseded { ecosystem }) if ecosystem == "npm")
    );
    assert_eq!(found(&index, "fast"), ["FAST"]);
}

#[test]
fn a_record_in_two_folders_goes_when_both_let_go() {
    let index = Index::in_memory();
    for folder in ["npm", "PyPI"] {
        import(&index, folder, &[advisory("A", 1, "both")], 10).unwrap();
    }
    import(&index, "npm", &[], 20).unwrap();
    assert_eq!(found(&index, "both"), ["A"]);
    import(&index, "PyPI", &[], 30).unwrap();
    assert_eq!((found(&index, "both").len(), rows(&index)), (0, 0));
}

#[test]
fn an_unreadable_record_keeps_its_last_good_form() {
    let index = Index::in_memory();
    import(&index, "npm", &[advisory("A", 1, "a"), advisory("B", 1, "b")], 10).unwrap();
    let mut import = index.advisories().begin("npm").unwrap();
    for id in ["A", "A", "UNKNOWN"] {
        import.keep(id).unwrap();
    }
    let counts = import.finish(ImportFinish::default()).unwrap();
    assert_eq!(counts, ImportCounts { records: 1, changed: 0, removed: 1 });
    assert_eq!((found(&index, "a").len(), found(&index, "b").len()), (1, 0));
}

#[test]
fn the_index_and_the_map_agree_on_packages_and_names() {
    let (index, mut map) = (Index::in_memory(), MemoryAdvisories::new(10));
    let advisories: Vec<_> = (0..500).map(|n| advisory(&format!("R-{n}"), n, &format!("p{}", n % 7))).collect();
    import(&index, "npm", &advisories, 1000).unwrap();
    for advisory in advisories {
        map.insert(advisory);
    }
    let source = index.advisories().source();
    for n in 0..8 {
        let package = format!("p{n}");
        assert_eq!(source.affecting("npm", &package).unwrap(), map.affecting("npm", &package).unwrap());
        // What these say of their packages is left out.
        let named = |records: Vec<Arc<Advisory>>| {
            let of = |record: Arc<Advisory>| (record.id.clone(), record.affected[0].package.clone());
            records.into_iter().map(of).collect::<Vec<_>>()
        };
        let cve = format!("CVE-{package}");
        assert_eq!(named(source.named(&cve).unwrap()), named(map.named(&cve).unwrap()));
    }
}
