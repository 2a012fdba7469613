//! The tabs of an image made by hand: what exceptions hide, for whom, and what is counted.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use weir_scanner::advisory::Feed;
use weir_scanner::exception::{Exception, Kind, Rules, Scope, Target};
use weir_scanner::finding::{Finding, FixState, ImageFindings, Severity};
use weir_scanner::image::{ImageInventory, ImagePackage, ScanStatus};
use weir_scanner::oci::Digest;
use weir_scanner::package::{Ecosystem, Package, PackageType};
use weir_storage::index::{FindingsRecord, ImageRecord, WorkloadKey};

use super::ask::Ask;
use super::decision::Decisions;
use super::facts::OneImage;
use super::*;
use crate::report::fleet::{FleetView, Known, RunningImage};
use crate::report::model::sample::cluster;
use crate::report::{Parameters, current::Current};
use crate::workload::{ClusterInventory, ClusterStatus, Inventory, Workload};

const NOW: i64 = 1_000;
const ZLIB: &str = "pkg:npm/zlib@1.0.0";

fn digest() -> Digest {
    Digest::of(b"image")
}

fn package(name: &str, layer: u32) -> ImagePackage {
    ImagePackage {
        package: Package::new(PackageType::Npm, name, "1.0.0"),
        purl: format!("pkg:npm/{name}@1.0.0"),
        layer,
        paths: vec![format!("app/{name}/package.json")],
        owner: None,
    }
}

fn finding(id: &str, name: &str, severity: Severity, fix: Option<&str>) -> Finding {
    Finding {
        id: id.into(),
        package: format!("pkg:npm/{name}@1.0.0"),
        severity,
        fixed_version: fix.map(str::to_owned),
        fix_state: if fix.is_some() { FixState::Fixed } else { FixState::None },
        ..Finding::default()
    }
}

/// Three findings in two packages, and one that a distribution's feed covers.
fn image() -> OneImage {
    let covered =
        Finding { covered_by: Some("pkg:deb/debian/a@1".into()), ..finding("CVE-4", "zlib", Severity::Critical, None) };
    let findings = vec![
        finding("CVE-1", "zlib", Severity::High, Some("1.0.2")),
        finding("CVE-2", "zlib", Severity::Low, Some("1.0.10")),
        finding("CVE-1", "left-pad", Severity::Medium, None),
        covered,
    ];
    let ecosystem = Ecosystem::new("npm", None);
    let feeds = vec![Feed { ecosystem, records: 4, as_of: Some(1), fetched_at: 2 }];
    let findings =
        ImageFindings { findings, feeds, missing_feeds: Vec::new(), uncovered_packages: 0, uncovered: Vec::new() };
    let record = ImageRecord {
        status: ScanStatus::Complete,
        reasons: Vec::new(),
        platform: None,
        config: Digest::of(b"config"),
        layers: Vec::new(),
        history: Vec::new(),
        base: None,
        names: vec![("docker.io".into(), weir_scanner::oci::Repository::parse("team/app").unwrap())],
        access_restricted: false,
        first_seen: 0,
        last_pulled: None,
        inventory_fingerprint: None,
        matched_at: Some(5),
    };
    let inventory = ImageInventory {
        status: ScanStatus::Complete,
        reasons: Vec::new(),
        distribution: None,
        channels: Vec::new(),
        packages: vec![package("left-pad", 0), package("zlib", 0)],
        risks: Vec::new(),
    };
    let findings = FindingsRecord { findings, matched_at: 5, matched_by: String::new(), first_seen: BTreeMap::new() };
    OneImage::made(digest(), record, inventory, findings, Current::default())
}

fn exception(scope: Scope) -> Exception {
    Exception {
        id: "1".into(),
        target: Target::Vulnerability,
        kind: Kind::AcceptedRisk,
        vulnerability: vec!["CVE-1".into()],
        scope,
        justification: None,
        reason: "not reachable".into(),
        created_by: "somebody".into(),
        created_at: 0,
        expires_at: None,
        expire_on_fix: false,
        cancelled: None,
        document: None,
    }
}

/// The image runs in these namespaces.
fn running(namespaces: &[&str]) -> FleetView {
    let workload = |namespace: &&str| Workload {
        key: WorkloadKey {
            cluster: "east".into(),
            namespace: (*namespace).to_owned(),
            group: "apps".into(),
            kind: "Deployment".into(),
            name: "web".into(),
        },
        created_at: None,
        labels: Vec::new(),
        pods: 1,
        uses: Vec::new(),
    };
    let status = ClusterStatus { synced_at: NOW, ..cluster("east") };
    let workloads = Arc::new(namespaces.iter().map(workload).collect());
    let image = RunningImage {
        known: Known::Unseen(None),
        users: (0..namespaces.len()).map(|at| (0, at)).collect(),
        first_seen: 0,
    };
    FleetView {
        inventory: Inventory {
            clusters: vec![ClusterInventory { status, workloads, nodes: Arc::default() }],
            at: NOW,
            ..Inventory::default()
        },
        images: HashMap::from([(digest(), image)]),
        nodes: Vec::new(),
    }
}

fn decisions(exceptions: Vec<Exception>, namespaces: &[&str]) -> Decisions {
    Decisions::new(Arc::new(Rules::new(exceptions)), Arc::new(running(namespaces)), NOW)
}

fn ask(query: &str) -> Ask {
    Ask::parse(&Parameters::parse(query)).unwrap()
}

fn ids(query: &str, decisions: &Decisions) -> Vec<String> {
    let found = vulnerabilities(&image(), &ask(query), decisions).unwrap();
    found.into_iter().map(|item| format!("{} {}", item.id, item.package_name)).collect()
}

#[test]
fn a_decision_takes_findings_out_of_the_list_and_shows_them_in_the_other() {
    let decided = decisions(vec![exception(Scope { package: Some(ZLIB.into()), ..Scope::default() })], &[]);
    assert_eq!(ids("", &decided), ["CVE-1 left-pad", "CVE-2 zlib"]);
    assert_eq!(ids("except=excepted", &decided), ["CVE-1 zlib"]);
    assert_eq!(ids("except=all", &decided).len(), 3);
    let excepted = vulnerabilities(&image(), &ask("except=excepted"), &decided).unwrap();
    let shown = excepted[0].exception.as_ref().unwrap();
    assert_eq!((&*shown.reason, &*shown.by, &*shown.kind), ("not reachable", "somebody", "accepted_risk"));
    // Counts and upgrades follow.
    let upgrades = fixes(&image(), &ask(""), &decided).unwrap();
    assert_eq!((&*upgrades[0].fixed_version, upgrades[0].clears), ("1.0.10", 1));
}

#[test]
fn a_decision_for_a_namespace_holds_where_it_is_the_only_one_meant() {
    let scope = Scope { namespace: Some("shop".into()), ..Scope::default() };
    let one = decisions(vec![exception(scope.clone())], &["shop"]);
    let two = decisions(vec![exception(scope.clone())], &["shop", "bank"]);
    assert_eq!(ids("", &one), ["CVE-2 zlib"]);
    assert_eq!(ids("", &two).len(), 3, "it runs elsewhere, too");
    assert_eq!(ids("namespace=shop", &two), ["CVE-2 zlib"]);
    assert_eq!(ids("namespace=bank", &two).len(), 3);
    assert_eq!(ids("", &decisions(vec![exception(scope)], &[])).len(), 3, "it runs nowhere");
}

#[test]
fn one_who_looks_at_it_is_named_and_hides_nothing() {
    let looked_at = Exception { kind: Kind::UnderInvestigation, ..exception(Scope::default()) };
    let decided = decisions(vec![looked_at], &[]);
    let found = vulnerabilities(&image(), &ask(""), &decided).unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(found.iter().filter(|item| item.exception.is_some()).count(), 2);
    assert!(ids("except=excepted", &decided).is_empty());
}

#[test]
fn what_a_feed_covers_counts_nowhere() {
    let nothing = decisions(Vec::new(), &[]);
    assert_eq!(ids("", &nothing), ["CVE-1 zlib", "CVE-1 left-pad", "CVE-2 zlib"]);
    assert_eq!(ids("covered=true", &nothing).len(), 4);
    let found = packages(&image(), &ask("covered=true"), &nothing).unwrap();
    let zlib = found.iter().find(|package| package.name == "zlib").unwrap();
    let counts = zlib.counts.as_ref().unwrap();
    assert_eq!((counts.vulnerabilities.critical, counts.vulnerabilities.total(), counts.fixable), (0, 2, 2));
    assert_eq!((zlib.fixed_version.as_deref(), zlib.clears), (Some("1.0.10"), 2));
}

#[test]
fn an_image_that_was_not_read_has_no_lists() {
    let (unseen, nothing) = (OneImage::unseen(digest(), None, ScanStatus::NeverSeen), decisions(Vec::new(), &[]));
    assert!(vulnerabilities(&unseen, &ask(""), &nothing).is_none());
    assert!(packages(&unseen, &ask(""), &nothing).is_none());
    assert!(layers(&unseen, &ask(""), &nothing).is_none());
    assert!(fixes(&unseen, &ask(""), &nothing).is_none());
    let compared = compare((&unseen, None), (&image(), None), &ask(""), &nothing);
    assert!(compared.fixed.is_none() && compared.packages.is_none() && compared.layers.is_none());
}
