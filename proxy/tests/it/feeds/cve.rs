//! The sources of CVEs over sockets and from the files beside the checkout.

use std::path::Path;

use weir_config::Source;
use weir_proxy::advisory::{CveRefreshed, CveSource, CveSources, refresh_cve, refresh_cves};
use weir_storage::index::{CveKind, Index};

use super::{Answer, Bucket, NOW};

const KEV: &str = r#"{"dateReleased":"2025-01-01T00:00:00Z","vulnerabilities":[
    {"cveID":"CVE-2024-1","dateAdded":"2024-02-03","dueDate":"2024-03-04","knownRansomwareCampaignUse":"Known","vulnerabilityName":"n"}]}"#;
const EPSS: &str =
    "#model_version:v1,score_date:2025-01-01\ncve,epss,percentile\nCVE-2024-1,0.5,0.9\nCVE-2024-2,0.1,0.2\n";

fn nvd(cve: &str, vector: &str) -> String {
    format!(
        r#"{{"format":"NVD_CVE","version":"2.0","timestamp":"t","vulnerabilities":[{{"cve":{{"id":"{cve}","metrics":
        {{"cvssMetricV31":[{{"source":"nvd@nist.gov","cvssData":{{"vectorString":"{vector}"}}}}]}}}}}}]}}"#
    )
}

fn source(bucket: &Bucket, path: &str, scratch: &Path) -> CveSource {
    let url = format!("{}{path}", bucket.server.url()).parse().unwrap();
    CveSource::new(Source::Url(url), scratch.to_owned()).unwrap().with_idle(super::IDLE)
}

fn failure(index: &Index, kind: CveKind) -> Option<String> {
    index.cves().source(kind).unwrap()?.failure.map(|failure| failure.error)
}

#[tokio::test]
async fn sources_are_joined_by_cve_and_asked_again_by_their_tags() {
    let (bucket, index, scratch) = (Bucket::start().await, Index::in_memory(), tempfile::tempdir().unwrap());
    bucket.put("/kev.json", KEV);
    bucket.put("/epss.csv", EPSS);
    bucket.put("/nvd/nvdcve-2.0-2023.json.gz", nvd("CVE-2023-1", "CVSS:3.1/A"));
    bucket.put("/nvd/nvdcve-2.0-2024.json", nvd("CVE-2024-1", "CVSS:3.1/B"));
    let at = |path| Some(source(&bucket, path, scratch.path()));
    let sources = CveSources { kev: at("/kev.json"), epss: at("/epss.csv"), scores: at("/nvd") };
    let outcomes = refresh_cves(&index, &sources, NOW).await;
    let kinds: Vec<_> = outcomes.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [CveKind::Kev, CveKind::Epss, CveKind::YearScores(2023), CveKind::YearScores(2024)]);
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, CveRefreshed::Imported(_))), "{outcomes:?}");
    let known = index.cves().get("CVE-2024-1").unwrap();
    assert_eq!(known.known_exploited.unwrap().due_date.as_deref(), Some("2024-03-04"));
    assert_eq!((known.epss.unwrap().percentile, known.ratings.len()), (0.9, 1));
    assert_eq!(index.cves().ratings("CVE-2023-1").unwrap().len(), 1);
    let states = index.cves().sources().unwrap();
    assert!(states.iter().all(|source| source.state.fetched_at == Some(NOW)), "{states:?}");

    let again = refresh_cves(&index, &sources, NOW + 5).await;
    assert!(again.iter().all(|(_, outcome)| *outcome == CveRefreshed::Unchanged), "{again:?}");
    bucket.put("/nvd/nvdcve-2.0-2024.json", nvd("CVE-2024-1", "CVSS:3.1/C"));
    let again = refresh_cves(&index, &sources, NOW + 9).await;
    let changed: Vec<_> = again.iter().filter(|(_, outcome)| *outcome != CveRefreshed::Unchanged).collect();
    assert!(matches!(changed[..], [(CveKind::YearScores(2024), CveRefreshed::Imported(counts))] if counts.touched));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_breaks_leaves_the_old_set() {
    type Lie = fn(&[u8]) -> Answer;
    let lies: [(&str, Lie); 6] = [
        ("cut", |bytes| Answer::new(200, &[], bytes).cut(bytes.len() / 2)),
        ("half", |bytes| Answer::new(200, &[], &bytes[..bytes.len() / 2])),
        ("silent", |bytes| Answer::new(200, &[], bytes).gated(9, &crate::support::Gate::default())),
        ("500", |_| Answer::new(500, &[], b"")),
        ("a page", |_| Answer::new(200, &[], b"<html>Sign in</html>")),
        ("nothing", |_| Answer::new(200, &[], b"")),
    ];
    let scratch = tempfile::tempdir().unwrap();
    let files = [
        (CveKind::Kev, KEV.to_owned()),
        (CveKind::Epss, EPSS.to_owned()),
        (CveKind::Scores, nvd("CVE-2024-1", "CVSS:3.1/A")),
        (CveKind::Scores, "cve,type,vector,source\nCVE-2024-1,CVSS_V2,AV:N,nvd\n".to_owned()),
    ];
    for (kind, good) in files {
        for (name, lie) in lies {
            let (bucket, index) = (Bucket::start().await, Index::in_memory());
            bucket.put("/file.csv", good.as_str());
            let source = source(&bucket, "/file.csv", scratch.path());
            assert!(matches!(refresh_cve(&index, kind, &source, NOW).await, CveRefreshed::Imported(_)));
            let before = index.cves().get("CVE-2024-1").unwrap();
            assert_ne!(before, Default::default());
            bucket.lie(move |_, bytes| Some(lie(bytes)));
            let CveRefreshed::Failed(error) = refresh_cve(&index, kind, &source, NOW).await else {
                panic!("{kind:?} {name} did not fail")
            };
            assert_eq!(failure(&index, kind), Some(error), "{kind:?} {name}");
            assert_eq!(index.cves().get("CVE-2024-1").unwrap(), before, "{kind:?} {name}");
            bucket.be_honest();
            assert_eq!(refresh_cve(&index, kind, &source, NOW).await, CveRefreshed::Unchanged);
            assert_eq!(failure(&index, kind), None);
        }
    }
}

#[tokio::test]
async fn a_place_without_any_file_is_a_failure() {
    let (bucket, index, scratch) = (Bucket::start().await, Index::in_memory(), tempfile::tempdir().unwrap());
    let scores = Some(source(&bucket, "/nvd", scratch.path()));
    let outcomes = refresh_cves(&index, &CveSources { scores, ..CveSources::default() }, NOW).await;
    assert!(matches!(&outcomes[..], [(CveKind::Scores, CveRefreshed::Failed(error))] if error.contains("nvdcve")));
    let missing = CveSource::from(scratch.path().join("none.json").as_path());
    let outcome = refresh_cve(&index, CveKind::Kev, &missing, NOW).await;
    assert!(matches!(&outcome, CveRefreshed::Failed(error) if error.contains("is not there")), "{outcome:?}");
}

#[tokio::test]
async fn the_shared_sources_are_stored_to_their_last_cve() {
    let shared = Path::new(super::shared::SHARED);
    if !shared.join("epss").is_dir() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let index = Index::open(directory.path()).unwrap();
    let at = |path: &str| Some(CveSource::from(shared.join(path).as_path()));
    let sources = CveSources {
        kev: at("kev/known_exploited_vulnerabilities.json"),
        epss: at("epss/epss_scores.csv.gz"),
        scores: at("cvss/cve_cvss.csv.gz"),
    };
    let outcomes = refresh_cves(&index, &sources, NOW).await;
    let records: Vec<_> = outcomes
        .iter()
        .map(|(_, outcome)| match outcome {
            CveRefreshed::Imported(counts) => counts.records,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(records, [1404, 360_142, 141_729]);
    let log4shell = index.cves().get("CVE-2021-44228").unwrap();
    assert!(log4shell.known_exploited.unwrap().ransomware && log4shell.epss.unwrap().score > 0.5);
    let again = refresh_cves(&index, &sources, NOW).await;
    assert!(again.iter().all(|(_, outcome)| *outcome == CveRefreshed::Unchanged), "{again:?}");
}
