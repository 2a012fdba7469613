//! That a catalog that followed its index step by step is the one that is read anew.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_scanner::advisory::Feed;
use weir_scanner::advisory::epss::EpssScore;
use weir_scanner::advisory::kev::KevEntry;
use weir_scanner::finding::{Finding, ImageFindings, Rematched};
use weir_scanner::fixture::{finding, inventory};
use weir_scanner::image::ScanStatus;
use weir_scanner::oci::{Digest, MediaType, Repository, Tag};
use weir_scanner::package::Ecosystem;
use weir_storage::index::{CveFinish, CveKind, ImageRecord, Index, ManifestPut, Matching};

use super::{Page, Shared};
use crate::report::filter::Filter;
use crate::report::fleet::FleetView;

const NOW: i64 = 1_000;
/// CVEs of a list beside those that matter here: a list that shrinks much is refused.
const REST: u8 = 30;

/// One change of an index.
#[derive(Clone, Debug)]
enum Change {
    Image {
        image: u8,
        repository: u8,
        status: bool,
    },
    Remove {
        image: u8,
    },
    /// The image is matched and has these vulnerabilities, of which the odd ones have a second name.
    Findings {
        image: u8,
        vulnerabilities: Vec<u8>,
    },
    Tag {
        image: u8,
        repository: u8,
        tag: u8,
    },
    Untag {
        repository: u8,
        tag: u8,
    },
    Exploited(Vec<u8>),
    Likely {
        vulnerability: u8,
        percent: u8,
    },
}

fn digest(image: u8) -> Digest {
    Digest::of(&[image])
}

fn repository(number: u8) -> Repository {
    Repository::parse(&format!("team/app-{number}")).unwrap()
}

fn record(repository_number: u8, is_read: bool) -> ImageRecord {
    ImageRecord {
        status: if is_read { ScanStatus::Complete } else { ScanStatus::Queued },
        reasons: Vec::new(),
        platform: None,
        config: Digest::of(b"config"),
        layers: Vec::new(),
        history: Vec::new(),
        base: None,
        names: vec![("docker.io".to_owned(), repository(repository_number))],
        access_restricted: false,
        first_seen: 5,
        last_pulled: None,
        inventory_fingerprint: None,
        matched_at: None,
    }
}

fn matched(index: &Index, image: u8, findings: Vec<Finding>) {
    let feed = Feed { ecosystem: Ecosystem::parse("npm"), records: 1, as_of: None, fetched_at: 0 };
    let found = ImageFindings { findings, feeds: vec![feed], ..ImageFindings::default() };
    let matching = Matching { at: NOW, by: "1".into(), inventory: &inventory(None, &[]) };
    let find = |earlier: Option<ImageFindings>| {
        let before = earlier.map(|earlier| earlier.findings).unwrap_or_default();
        Ok(Rematched { before, found, ..Rematched::default() })
    };
    index.findings().update(&digest(image), matching, find).unwrap();
}

fn apply(index: &Index, change: &Change) {
    match change {
        Change::Image { image, repository, status } => {
            index.images().put(&digest(*image), record(*repository, *status)).unwrap();
        }
        Change::Remove { image } => _ = index.images().remove(&digest(*image), |_| true).unwrap(),
        Change::Findings { image, vulnerabilities } => {
            let found = vulnerabilities.iter().map(|number| {
                let second = format!("CVE-2026-{}", number + 100);
                let aliases: &[&str] = if number % 2 == 1 { &[&second] } else { &[] };
                finding(&format!("CVE-2026-{number}"), aliases, "pkg:npm/a@1")
            });
            matched(index, *image, found.collect());
        }
        Change::Tag { image, repository: number, tag } => {
            let put = ManifestPut {
                upstream: "docker.io".into(),
                repository: repository(*number),
                digest: digest(*image),
                media_type: MediaType::new("application/vnd.oci.image.manifest.v1+json"),
                bytes: vec![*image],
                tag: Some(Tag::parse(&format!("v{tag}")).unwrap()),
                children: Vec::new(),
                link_children: false,
                now: NOW,
            };
            index.manifests().put(put).unwrap();
        }
        Change::Untag { repository: number, tag } => {
            index.tags().remove("docker.io", &repository(*number), &Tag::parse(&format!("v{tag}")).unwrap()).unwrap();
        }
        Change::Exploited(numbers) => {
            let entry = KevEntry { date_added: String::new(), due_date: None, ransomware: false, name: String::new() };
            let mut import = index.cves().begin(CveKind::Kev).unwrap();
            numbers.iter().for_each(|number| import.put_kev(&format!("CVE-2026-{number}"), &entry).unwrap());
            (0..REST).for_each(|number| import.put_kev(&format!("CVE-1999-{number}"), &entry).unwrap());
            import.finish(CveFinish::default()).unwrap();
        }
        Change::Likely { vulnerability, percent } => {
            let score = EpssScore { score: f64::from(*percent) / 100.0, percentile: 0.5 };
            let mut import = index.cves().begin(CveKind::Epss).unwrap();
            import.put_epss(&format!("CVE-2026-{vulnerability}"), score).unwrap();
            import.finish(CveFinish::default()).unwrap();
        }
    }
}

/// All that the lists say.
fn lists(shared: &Shared) -> Value {
    let (model, filter, page) = (shared.model(), Filter::default(), Page::default());
    let exploited =
        Filter { known_exploited: crate::report::filter::Choice { yes: true, no: false }, ..Filter::default() };
    json!({
        "images": model.images(&filter, &page).unwrap(),
        "exploited": model.images(&exploited, &page).unwrap(),
        "repositories": model.repositories(&filter, &page).unwrap(),
        "vulnerabilities": model.vulnerabilities(&filter, &page).unwrap(),
        "statistics": model.statistics(&filter),
    })
}

fn follow(shared: &Shared, index: &Index) {
    shared.follow(index).unwrap();
    shared.set_view(FleetView::default(), Arc::default, index, NOW).unwrap();
}

fn change() -> impl Strategy<Value = Change> {
    let vulnerabilities =
        prop::collection::btree_set(0..4_u8, 0..4).prop_map(|numbers| numbers.into_iter().collect::<Vec<_>>());
    // The second names are exploited as often as the first.
    let exploited = prop::collection::vec(prop_oneof![0..4_u8, 100..104_u8], 0..3);
    prop_oneof![
        3 => (0..3_u8, 0..2_u8, prop::bool::weighted(0.8))
            .prop_map(|(image, repository, status)| Change::Image { image, repository, status }),
        1 => (0..3_u8).prop_map(|image| Change::Remove { image }),
        4 => (0..3_u8, vulnerabilities)
            .prop_map(|(image, vulnerabilities)| Change::Findings { image, vulnerabilities }),
        2 => (0..3_u8, 0..2_u8, 0..2_u8).prop_map(|(image, repository, tag)| Change::Tag { image, repository, tag }),
        1 => (0..2_u8, 0..2_u8).prop_map(|(repository, tag)| Change::Untag { repository, tag }),
        1 => exploited.prop_map(Change::Exploited),
        1 => (0..4_u8, 0..100_u8).prop_map(|(vulnerability, percent)| Change::Likely { vulnerability, percent }),
    ]
}

proptest! {
    #[test]
    fn a_catalog_that_followed_is_the_one_read_anew(changes in prop::collection::vec(change(), 1..20)) {
        let (index, shared) = (Index::in_memory(), Shared::default());
        for change in &changes {
            apply(&index, change);
            follow(&shared, &index);
            let anew = Shared::default();
            follow(&anew, &index);
            prop_assert_eq!(lists(&shared), lists(&anew), "after {:?}", change);
        }
    }
}

#[test]
fn a_change_is_shown_before_its_maker_is_answered_and_a_flood_by_the_next_making() {
    let (index, shared) = (Index::in_memory(), Shared::default());
    // Before anything was read, whoever asks has all of it read.
    apply(&index, &Change::Image { image: 0, repository: 0, status: true });
    shared.refresh(&index, Arc::default(), NOW).unwrap();
    let count = |shared: &Shared| shared.model().images(&Filter::default(), &Page::default()).unwrap().total;
    assert_eq!(count(&shared), 1);
    let before = shared.model();
    shared.refresh(&index, Arc::default(), NOW).unwrap();
    assert!(Arc::ptr_eq(&shared.model(), &before), "nothing changed");
    apply(&index, &Change::Image { image: 1, repository: 0, status: true });
    shared.refresh(&index, Arc::default(), NOW).unwrap();
    assert_eq!(count(&shared), 2);
    for image in 2..102 {
        apply(&index, &Change::Image { image, repository: 0, status: true });
    }
    shared.refresh(&index, Arc::default(), NOW).unwrap();
    assert_eq!(count(&shared), 2, "too many to wait for");
    follow(&shared, &index);
    assert_eq!(count(&shared), 102);
}

#[test]
fn a_name_that_comes_later_says_of_every_image_that_it_is_exploited() {
    let (index, shared) = (Index::in_memory(), Shared::default());
    apply(&index, &Change::Exploited(vec![7]));
    for image in 0..2 {
        apply(&index, &Change::Image { image, repository: 0, status: true });
        matched(&index, image, vec![finding("GHSA-1", &[], "pkg:npm/a@1")]);
    }
    follow(&shared, &index);
    let exploited = |shared: &Shared| lists(shared)["exploited"]["total"].clone();
    assert_eq!(exploited(&shared), 0);
    matched(&index, 1, vec![finding("GHSA-1", &["CVE-2026-7"], "pkg:npm/a@1")]);
    follow(&shared, &index);
    assert_eq!(exploited(&shared), 2);
}

#[test]
fn names_that_only_one_package_of_an_image_brings_are_known_too() {
    let (index, shared) = (Index::in_memory(), Shared::default());
    apply(&index, &Change::Image { image: 0, repository: 0, status: true });
    let found: [(&str, &[&str]); 3] = [("pkg:npm/a@1", &[]), ("pkg:npm/b@1", &["GHSA-1"]), ("pkg:npm/c@1", &[])];
    matched(&index, 0, found.map(|(package, aliases)| finding("CVE-2026-1", aliases, package)).into());
    follow(&shared, &index);
    assert_eq!(lists(&shared)["vulnerabilities"]["items"][0]["aliases"], json!(["GHSA-1"]));
}

#[test]
fn rules_hold_from_when_they_are_set() {
    use super::sample::exception;
    let (index, shared) = (Index::in_memory(), Shared::default());
    apply(&index, &Change::Image { image: 0, repository: 0, status: true });
    apply(&index, &Change::Findings { image: 0, vulnerabilities: vec![1] });
    follow(&shared, &index);
    let statistics = |shared: &Shared| shared.model().statistics(&Filter::default());
    assert_eq!(statistics(&shared).excepted_vulnerabilities, 0);
    let mut decided = exception(0, None, weir_scanner::exception::Scope::default());
    decided.target = weir_scanner::exception::Target::Vulnerability;
    decided.vulnerability = vec!["CVE-2026-1".to_owned()];
    decided.expires_at = Some(NOW + 10);
    let rules = Arc::new(weir_scanner::exception::Rules::new(vec![decided]));
    shared.refresh(&index, Arc::clone(&rules), NOW).unwrap();
    assert_eq!(statistics(&shared).excepted_vulnerabilities, 1);
    assert_eq!(statistics(&shared).vulnerabilities.unwrap().vulnerabilities.total(), 0);
    // What expires is there again without anybody doing anything.
    shared.refresh(&index, rules, NOW + 10).unwrap();
    assert_eq!(statistics(&shared).vulnerabilities.unwrap().vulnerabilities.total(), 1);
}
