//! Replacements against the engine in memory, cut at every write.

use std::sync::Arc;

use weir_scanner::advisory::RatingValue;

use super::super::cve::CveRecord;
use super::super::engine::{FaultyEngine, MemoryEngine};
use super::*;

fn rating(vector: &str) -> Rating {
    Rating { source: "nvd".into(), value: RatingValue::Cvss(vector.into()) }
}

fn scores(index: &Index, kind: CveKind, rows: &[(&str, &str)], now: i64) -> Result<CveCounts, CveImportError> {
    let mut import = index.cves().begin(kind)?;
    for (cve, vector) in rows {
        import.put_ratings(cve, vec![rating(vector)])?;
    }
    import.finish(CveFinish { now, ..CveFinish::default() })
}

fn epss(index: &Index, score: f64, cves: usize) -> Result<CveCounts, CveImportError> {
    let mut import = index.cves().begin(CveKind::Epss)?;
    for n in 0..cves {
        import.put_epss(&format!("CVE-2024-{n}"), EpssScore { score, percentile: 0.5 })?;
    }
    import.finish(CveFinish::default())
}

fn touches(index: &Index) -> Vec<Touch> {
    let rows = index.touched().take(10_000).unwrap();
    index.touched().done(&rows).unwrap();
    rows.into_iter().map(|row| row.touch).collect()
}

#[test]
fn what_sources_say_of_a_cve_is_joined() {
    let directory = tempfile::tempdir().unwrap();
    for index in [Index::in_memory(), Index::open(directory.path()).unwrap()] {
        let kev = KevEntry { date_added: "2024-01-01".into(), due_date: None, ransomware: true, name: "A".into() };
        let mut import = index.cves().begin(CveKind::Kev).unwrap();
        import.put_kev("CVE-2024-1", &kev).unwrap();
        import.finish(CveFinish::default()).unwrap();
        epss(&index, 0.25, 3).unwrap();
        scores(&index, CveKind::Scores, &[("CVE-2024-1", "A"), ("CVE-2024-1", "B"), ("CVE-2024-1", "A")], 1).unwrap();
        scores(&index, CveKind::YearScores(2024), &[("CVE-2024-1", "C")], 1).unwrap();
        scores(&index, CveKind::YearScores(2002), &[("CVE-1999-1", "D")], 1).unwrap();
        let known = index.cves().get("CVE-2024-1").unwrap();
        assert_eq!(known.known_exploited, Some(kev));
        assert_eq!(known.epss, Some(EpssScore { score: 0.25, percentile: 0.5 }));
        assert_eq!(known.ratings, ["A", "B", "C"].map(rating));
        assert_eq!(index.cves().ratings("CVE-1999-1").unwrap(), [rating("D")]);
        let others = index.cves().get_all(&["CVE-2024-2", "CVE-2024-9", "GHSA-1", "CVE-1"]).unwrap();
        assert!(others[0].epss.is_some());
        assert!(others[1..].iter().all(|record| *record == CveRecord::default()));
        let kinds: Vec<_> = index.cves().sources().unwrap().into_iter().map(|source| source.kind).collect();
        let years = [2002, 2024].map(CveKind::YearScores);
        assert_eq!(kinds, [CveKind::Scores, years[0], years[1], CveKind::Epss, CveKind::Kev]);
    }
}

#[test]
fn a_replacement_cut_anywhere_leaves_the_old_set_or_the_new() {
    const CVES: usize = 3000;
    for writes in 0.. {
        let engine = Arc::new(FaultyEngine::new(Arc::new(MemoryEngine::default())));
        let index = Index::new(engine.clone());
        epss(&index, 0.1, CVES).unwrap();
        engine.fail_writes_after(writes);
        let outcome = epss(&index, 0.2, CVES);
        engine.fail_writes(false);
        let read = (0..CVES).map(|n| index.cves().get(&format!("CVE-2024-{n}")).unwrap().epss.unwrap().score);
        let scores: Vec<f64> = read.collect();
        assert!(scores.iter().all(|score| *score == scores[0]), "a mixture after {writes} writes");
        epss(&index, 0.3, CVES).unwrap();
        assert_eq!(index.rows(Scan::prefix(Table::Cves, Vec::new())).count(), CVES, "after {writes} writes");
        if outcome.is_ok() {
            assert!(writes >= 8, "begin, three batches, the change, three sweeps; got {writes}");
            break;
        }
    }
}

#[test]
fn a_set_that_shrank_to_little_is_refused() {
    let index = Index::in_memory();
    epss(&index, 0.1, 10).unwrap();
    for count in [0, 4] {
        assert!(matches!(epss(&index, 0.2, count), Err(CveImportError::Shrunken { stored: 10, .. })), "{count}");
        assert_eq!(index.cves().get("CVE-2024-9").unwrap().epss.unwrap().score, 0.1);
    }
    epss(&index, 0.2, 5).unwrap();
    assert_eq!(index.cves().get("CVE-2024-9").unwrap().epss, None);
    assert!(matches!(epss(&Index::in_memory(), 0.1, 0), Err(CveImportError::Shrunken { .. })));
}

#[test]
fn changed_ratings_touch_their_cves_and_many_touch_everything() {
    let index = Index::in_memory();
    let kind = CveKind::Scores;
    let first = [("CVE-1", "A"), ("CVE-2", "B"), ("CVE-3", "C")];
    assert!(scores(&index, kind, &first, 1).unwrap().touched);
    assert_eq!(touches(&index), [Touch::AllNames]);
    assert!(!scores(&index, kind, &first, 2).unwrap().touched);
    assert_eq!(touches(&index), []);
    scores(&index, kind, &[("CVE-1", "A"), ("CVE-2", "X"), ("CVE-4", "D")], 3).unwrap();
    assert_eq!(touches(&index), ["CVE-2", "CVE-3", "CVE-4"].map(|cve| Touch::Name(cve.into())));
    let many: Vec<String> = (0..=NOTED).map(|n| format!("CVE-{n:05}")).collect();
    let many: Vec<_> = many.iter().map(|cve| (cve.as_str(), "A")).collect();
    scores(&index, kind, &many, 4).unwrap();
    assert_eq!(touches(&index), [Touch::AllNames]);
    epss(&index, 0.1, 3).unwrap();
    assert_eq!(touches(&index), [], "likelihoods are joined when they are read");
}

#[test]
fn failures_are_kept_until_a_success() {
    let index = Index::in_memory();
    let cves = index.cves();
    scores(&index, CveKind::Scores, &[("CVE-1", "A")], 1).unwrap();
    cves.failed(CveKind::Scores, 5, "answered 500").unwrap();
    let state = cves.source(CveKind::Scores).unwrap().unwrap();
    assert_eq!((state.failure.unwrap().error.as_str(), state.fetched_at), ("answered 500", Some(1)));
    cves.unchanged(CveKind::Scores, 6).unwrap();
    let state = cves.source(CveKind::Scores).unwrap().unwrap();
    assert_eq!((state.failure, state.fetched_at, state.records), (None, Some(6), 1));
}

#[test]
fn a_later_replacement_ends_an_earlier_one() {
    let index = Index::in_memory();
    let mut slow = index.cves().begin(CveKind::Scores).unwrap();
    slow.put_ratings("CVE-1", vec![rating("slow")]).unwrap();
    scores(&index, CveKind::Scores, &[("CVE-1", "fast")], 1).unwrap();
    let error = slow.finish(CveFinish::default()).unwrap_err();
    assert!(matches!(error, CveImportError::Index(IndexError::Superseded { .. })), "{error}");
    assert_eq!(index.cves().ratings("CVE-1").unwrap(), [rating("fast")]);
}
