//! Samples of every version of every stored form: bytes kept in `tests/samples` that must read for ever as what they
//! were written from. A missing sample is written by `WEIR_UPDATE_SAMPLES=1 cargo test` into the folder of the workspace's version; one
//! of a released version is never changed.

mod decision;
mod workload;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::PathBuf;

use proptest::prelude::*;
use weir_scanner::advisory::epss::EpssScore;
use weir_scanner::advisory::kev::KevEntry;
use weir_scanner::advisory::{Advisory, Affected, AffectedRange, Feed, RangeEvent, Rating, RatingValue};
use weir_scanner::finding::{CvssScore, Finding, FixState, ImageFindings, Severity, Uncovered, UncoveredReason};
use weir_scanner::image::{Base, ImageInventory, ImagePackage, ImageReason, ImageRisk, ScanStatus};
use weir_scanner::layer::{Channel, ChannelKind, Fact, LayerInventory, PathHash, PathKind, Reason, ReasonCode};
use weir_scanner::oci::{Algorithm, Digest, HistoryEntry, MediaType, Repository};
use weir_scanner::package::{Distribution, Ecosystem, Package, PackageType, SourcePackage};
use weir_scanner::risk::{Risk, RiskKind};

use self::decision::{audit_entry, cancelled, exceptions, vex_document};
use self::workload::{
    cluster, cluster_objects, node_check, pull, scan_requests, sessions, token, webhook, webhook_delivery,
};
use super::*;
use crate::index::cve::CveRatings;
use crate::index::format::FORMAT_FILE;
use crate::index::*;

/// The samples: a folder for each version of weir, with the forms that version wrote first.
struct Samples {
    /// By name, such as `image-v3`.
    files: BTreeMap<String, PathBuf>,
    /// Those that were compared.
    read: BTreeSet<String>,
}

/// The folders, by version.
fn releases() -> Vec<PathBuf> {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "samples"].iter().collect();
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Where this version's samples go.
fn current() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "samples", env!("CARGO_PKG_VERSION")].iter().collect()
}

fn is_to_be_written() -> bool {
    std::env::var_os("WEIR_UPDATE_SAMPLES").is_some()
}

impl Samples {
    fn open() -> Self {
        let mut files = BTreeMap::new();
        for file in releases().iter().flat_map(|release| std::fs::read_dir(release).unwrap()) {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "bin") {
                let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
                assert!(!files.contains_key(&name), "{name} was written by one version first, not by two");
                files.insert(name, path);
            }
        }
        Self { files, read: BTreeSet::new() }
    }

    /// The value must read from the sample of `version`, and be written as it where that is the current version.
    fn check<R: Record + PartialEq + Debug + 'static>(&mut self, name: &str, version: u8, value: &R) {
        // Every form is in the list that an index's format is made from.
        form_of::<R>();
        let name = format!("{name}-v{version}");
        if is_to_be_written() && version == R::VERSION && !self.files.contains_key(&name) {
            std::fs::create_dir_all(current()).unwrap();
            let path = current().join(format!("{name}.bin"));
            std::fs::write(&path, encode(value)).unwrap();
            self.files.insert(name.clone(), path);
        }
        let path = self.files.get(&name).unwrap_or_else(|| panic!("no sample {name}; WEIR_UPDATE_SAMPLES=1 writes it"));
        let sample = std::fs::read(path).unwrap();
        assert_eq!(&decode::<R>(Table::Stamps, b"", &sample).unwrap(), value, "{name}");
        if version == R::VERSION {
            assert_eq!(encode(value), sample, "{name} is written otherwise: that needs a new version");
        }
        self.read.insert(name);
    }
}

#[test]
fn an_index_in_the_format_of_every_version_of_weir_is_opened() {
    let file = current().join(FORMAT_FILE);
    if is_to_be_written() {
        std::fs::create_dir_all(current()).unwrap();
        std::fs::write(&file, Format::own().to_string()).unwrap();
    }
    let own = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        own,
        Format::own().to_string(),
        "WEIR_UPDATE_SAMPLES=1 writes it, as long as this version is not released"
    );
    for release in releases() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::copy(release.join(FORMAT_FILE), directory.path().join(FORMAT_FILE)).unwrap();
        Index::open(directory.path()).unwrap();
    }
}

fn sha512() -> Digest {
    Digest::from_bytes(Algorithm::Sha512, &[5; 64]).unwrap()
}

fn manifest() -> ManifestRecord {
    ManifestRecord {
        media_type: MediaType::new(MediaType::OCI_INDEX),
        bytes: b"{\"schemaVersion\":2}".to_vec(),
        stored_at: 1_700_000_000,
    }
}

fn link() -> LinkRecord {
    LinkRecord { kind: LinkKind::Blob, seen_at: -1, size: Some(u64::MAX), media_type: Some(MediaType::new("a/b")) }
}

fn edge() -> AliasEdge {
    AliasEdge {
        parent: sha512(),
        child: Digest::of(b"child"),
        kind: EdgeKind::Manifest,
        platform: Some("linux/arm64/v8".parse().unwrap()),
        position: 3,
    }
}

fn image_reason() -> ImageReason {
    ImageReason {
        layer: Some(1),
        reason: Reason::at(ReasonCode::UnreadDatabase, "var/lib/rpm/rpmdb.sqlite", "not read yet"),
    }
}

fn first_image() -> ImageRecord {
    let layer = ImageLayer {
        digest: Digest::of(b"layer"),
        size: 7,
        media_type: MediaType::new("a/b"),
        diff_id: Some(Digest::of(b"diff")),
    };
    let history = HistoryEntry {
        created: Some("2024-01-01T00:00:00Z".into()),
        created_by: Some("RUN x".into()),
        empty_layer: true,
    };
    ImageRecord {
        status: ScanStatus::Partial,
        reasons: vec![image_reason()],
        platform: Some("linux/amd64".parse().unwrap()),
        config: Digest::of(b"config"),
        layers: vec![layer],
        history: vec![history],
        base: None,
        names: vec![("docker.io".into(), Repository::parse("library/nginx").unwrap())],
        access_restricted: true,
        first_seen: 1,
        last_pulled: Some(2),
        inventory_fingerprint: Some("f1".into()),
        matched_at: Some(3),
    }
}

fn second_image() -> ImageRecord {
    let base = Base { name: Some("docker.io/library/debian".into()), digest: Some(sha512()), layers: Some(1) };
    ImageRecord { base: Some(base), ..first_image() }
}

fn image() -> ImageRecord {
    ImageRecord { last_pulled: None, ..second_image() }
}

fn package() -> Package {
    Package {
        package_type: PackageType::Deb,
        name: "libssl3".into(),
        version: "3.0.11-1~deb12u1".into(),
        architecture: Some("amd64".into()),
        source: Some(SourcePackage { name: "openssl".into(), version: "3.0.11-1~deb12u1".into() }),
        packager: Some("Debian".into()),
        module: None,
    }
}

fn modular() -> Package {
    let module = Some("nodejs:18:8080020230718:63b34585".into());
    Package { module, ..Package::new(PackageType::Rpm, "nodejs", "18.16.1-1.module+el8") }
}

fn risk() -> Risk {
    Risk {
        kind: RiskKind::Secret,
        rule: "private-key".into(),
        severity: Severity::High,
        detail: "----".into(),
        line: Some(1),
    }
}

fn channel() -> Channel {
    Channel { kind: ChannelKind::ContentSet, name: "rhel-9-for-x86_64-baseos-rpms".into() }
}

fn distribution() -> Distribution {
    Distribution { id: "debian".into(), version: "12".into(), pretty_name: Some("Debian 12".into()) }
}

fn first_facts() -> Vec<Fact> {
    vec![
        Fact::Package(package()),
        Fact::Distribution(distribution()),
        Fact::Unread(Reason::new(ReasonCode::ScannerFailed, "x")),
    ]
}

fn facts() -> Vec<Fact> {
    let more = [
        Fact::Package(modular()),
        Fact::Stated(package()),
        Fact::Owned { package: "libssl3".into(), paths: vec![PathHash(1), PathHash(u64::MAX)] },
        Fact::Channel(channel()),
        Fact::Risk(risk()),
    ];
    first_facts().into_iter().chain(more).collect()
}

fn layer(facts: Vec<Fact>) -> LayerOutcome {
    let kinds = [
        PathKind::File,
        PathKind::Directory,
        PathKind::Symlink,
        PathKind::Hardlink,
        PathKind::Whiteout,
        PathKind::Opaque,
    ];
    LayerOutcome::Read(LayerInventory {
        diff_id: Digest::of(b"diff"),
        uncompressed_bytes: 10_240,
        paths: kinds.iter().zip(1..).map(|(kind, n)| (PathHash(n << 56 | n), *kind)).collect(),
        symlinks: BTreeMap::from([("bin".into(), "usr/bin".into())]),
        hardlinks: BTreeMap::from([("a".into(), "b".into())]),
        facts: BTreeMap::from([("empty".into(), Vec::new()), ("var/lib/dpkg/status".into(), facts)]),
        reasons: vec![Reason::at(ReasonCode::TooManyEntries, "p", "d")],
    })
}

fn first_inventory() -> InventoryRecord {
    let package = ImagePackage {
        package: package(),
        purl: "pkg:deb/debian/libssl3@3.0.11-1~deb12u1".into(),
        layer: 0,
        paths: vec!["var/lib/dpkg/status".into()],
        owner: None,
    };
    let inventory = ImageInventory {
        status: ScanStatus::Complete,
        reasons: vec![image_reason()],
        distribution: Some(distribution()),
        channels: Vec::new(),
        packages: vec![package],
        risks: Vec::new(),
    };
    InventoryRecord { fingerprint: "f1".into(), inventory }
}

fn inventory() -> InventoryRecord {
    let mut record = first_inventory();
    let inventory = &mut record.inventory;
    inventory.packages[0].owner = Some("pkg:deb/debian/openssl@3".into());
    inventory.channels = vec![channel()];
    let path = Some("root/.ssh/id_rsa".into());
    inventory.risks = vec![ImageRisk { risk: risk(), layer: Some(2), path, visible: false }];
    record
}

fn feed() -> Feed {
    Feed { ecosystem: Ecosystem::parse("Debian:12"), records: 51_000, as_of: Some(5), fetched_at: 6 }
}

fn first_findings() -> FindingsRecord {
    let cvss = CvssScore { version: "3.1".into(), score: 7.5, vector: "CVSS:3.1/AV:N".into() };
    let finding = Finding {
        id: "CVE-2023-0464".into(),
        aliases: vec!["DSA-5417-1".into()],
        advisories: vec!["DSA-5417-1".into()],
        package: "pkg:deb/debian/libssl3@3".into(),
        layer: 2,
        severity: Severity::High,
        cvss: Some(cvss),
        fixed_version: Some("3.0.9-1".into()),
        fix_state: FixState::Fixed,
        summary: "openssl".into(),
        ..Finding::default()
    };
    let findings = ImageFindings {
        findings: vec![finding],
        feeds: vec![feed()],
        missing_feeds: vec!["npm".into()],
        uncovered_packages: 4,
        uncovered: Vec::new(),
    };
    FindingsRecord::first(findings, 1_700_000_000, String::new())
}

fn findings() -> FindingsRecord {
    let mut record = first_findings();
    record.matched_by = "f1/1".into();
    let finding = &mut record.findings.findings[0];
    finding.rated_by = Some("nvd".into());
    finding.ratings = [
        ("nvd", RatingValue::Cvss("CVSS:3.1/AV:N".into())),
        ("Ubuntu", RatingValue::Word("medium".into())),
        ("GHSA-1", RatingValue::Score("7.5".into())),
    ]
    .map(|(source, value)| Rating { source: source.into(), value })
    .into();
    finding.fix_state = FixState::Pro;
    finding.other_fixes = vec!["3.1.1-1".into()];
    finding.imports = vec!["net/http".into()];
    finding.covered_by = Some("pkg:deb/debian/libssl-dev@3".into());
    let examples = vec!["pkg:npm/a@1".into()];
    record.findings.uncovered =
        vec![Uncovered { ecosystem: "npm".into(), reason: UncoveredReason::MissingFeed, packages: 4, examples }];
    record
}

fn event() -> EventRecord {
    let change = |kind| FindingEvent {
        kind,
        id: "CVE-2023-0464".into(),
        package: "pkg:deb/debian/libssl3@3".into(),
        severity: Severity::High,
        fixed_version: Some("3.0.9-1".into()),
    };
    let kinds = [
        EventKind::Opened(OpenedReason::NewImage),
        EventKind::Opened(OpenedReason::DetectorChanged),
        EventKind::Rerated(Severity::Unknown),
        EventKind::Closed(ClosedReason::FixedInFeed),
        EventKind::Closed(ClosedReason::DetectorChanged),
        EventKind::Exploitation(Exploitation::Known),
        EventKind::Exploitation(Exploitation::Withdrawn),
    ];
    EventRecord { at: 1_700_000_000, image: sha512(), changes: kinds.map(change).into() }
}

fn first_event() -> EventRecord {
    let mut event = event();
    event.changes.truncate(5);
    event
}

fn first_advisory() -> Advisory {
    let mut advisory = advisory();
    advisory.affected[0].binaries.clear();
    advisory.affected[0].imports.clear();
    advisory.affected[0].ratings.truncate(1);
    advisory
}

fn advisory() -> Advisory {
    let events = ["0", "1", "2", "3"].map(String::from);
    let [introduced, fixed, last, limit] = events;
    let events = vec![
        RangeEvent::Introduced(introduced),
        RangeEvent::Fixed(fixed),
        RangeEvent::LastAffected(last),
        RangeEvent::Limit(limit),
    ];
    let rating = |value| Rating { source: "s".into(), value };
    let affected = Affected {
        ecosystem: Ecosystem::parse("Ubuntu:22.04:LTS"),
        package: "openssl".into(),
        ranges: vec![AffectedRange { events }],
        versions: vec!["1.0".into()],
        binaries: vec!["libssl3".into()],
        imports: vec!["net/http".into()],
        ratings: vec![rating(RatingValue::Word("medium".into())), rating(RatingValue::Score("7.5".into()))],
    };
    Advisory {
        id: "USN-1".into(),
        modified: 1_700_000_000,
        withdrawn: Some(1_700_000_001),
        aliases: vec!["CVE-1".into()],
        upstream: vec!["CVE-2".into()],
        related: vec!["CVE-3".into()],
        summary: "a summary".into(),
        ratings: vec![rating(RatingValue::Cvss("CVSS:3.1/AV:N".into()))],
        affected: vec![affected],
    }
}

fn validators(etag: &str) -> Validators {
    Validators { etag: Some(etag.into()), last_modified: Some("Mon".into()) }
}

fn failure() -> Option<SourceFailure> {
    Some(SourceFailure { at: 7, error: "cut".into() })
}

fn first_import() -> ImportRecord {
    ImportRecord {
        generation: 3,
        imported_at: Some(1),
        checked_at: Some(2),
        records: 4,
        archive: validators("\"e\""),
        ..ImportRecord::default()
    }
}

fn import() -> ImportRecord {
    ImportRecord {
        counted: 2,
        reader: 1,
        location: Some("https://feeds.example/osv".into()),
        list: validators("\"l\""),
        newest: Some(5),
        failure: failure(),
        ..first_import()
    }
}

fn kev() -> KevEntry {
    KevEntry {
        date_added: "2025-08-25".into(),
        due_date: Some("2025-09-15".into()),
        ransomware: true,
        name: "Git".into(),
    }
}

fn cve_state() -> CveState {
    CveState {
        current: Some(2),
        generation: 3,
        records: 1404,
        as_of: Some("2025-08-25".into()),
        fetched_at: Some(9),
        location: Some("https://feeds.example/kev.json".into()),
        validators: validators("\"k\""),
        failure: failure(),
    }
}

fn exploitation_change() -> ExploitationChange {
    ExploitationChange { at: 1_700_000_000, exploitation: Exploitation::Known, told: Some(sha512()) }
}

#[test]
fn every_sample_reads_as_what_it_was_written_from() {
    let mut samples = Samples::open();
    samples.check("stamp", 1, &StampRecord { at: 1, value: b"value".to_vec() });
    samples.check("manifest", 1, &manifest());
    samples.check("link", 1, &link());
    samples.check(
        "tag",
        1,
        &TagRecord { digest: sha512(), media_type: MediaType::new(MediaType::OCI_MANIFEST), checked_at: 5 },
    );
    samples.check("alias", 1, &edge());
    samples.check("image", 1, &first_image());
    samples.check("image", 2, &second_image());
    samples.check("image", 3, &image());
    samples.check("layer-read", 1, &layer(first_facts()));
    samples.check("layer-read", 2, &layer(facts()));
    let (foreign, cut) =
        (Reason::new(ReasonCode::ForeignLayer, "elsewhere"), Reason::new(ReasonCode::FetchFailed, "cut"));
    for version in [1, 2] {
        samples.check("layer-unsupported", version, &LayerOutcome::Unsupported(foreign.clone()));
        samples.check("layer-failed", version, &LayerOutcome::Failed(cut.clone()));
    }
    samples.check("inventory", 1, &first_inventory());
    samples.check("inventory", 2, &inventory());
    samples.check("findings", 1, &first_findings());
    samples.check("findings", 2, &findings());
    samples.check("event", 1, &first_event());
    samples.check("event", 2, &event());
    samples.check("advisory", 1, &first_advisory());
    samples.check("advisory", 2, &advisory());
    samples.check("mark", 1, &MarkRecord { generation: 300, modified: None });
    samples.check("mark", 2, &MarkRecord { generation: 300, modified: Some(1_700_000_000) });
    samples.check("import", 1, &first_import());
    samples.check("import", 2, &import());
    samples.check("feed", 1, &feed());
    samples.check("kev", 1, &kev());
    samples.check("epss", 1, &EpssScore { score: 0.033_51, percentile: 0.8765 });
    samples.check("cve-ratings", 1, &CveRatings(advisory().ratings));
    samples.check("cve-state", 1, &cve_state());
    samples.check("exploitation-change", 1, &exploitation_change());
    samples.check("cluster", 1, &cluster());
    for (name, object) in cluster_objects() {
        samples.check(name, 1, &object);
    }
    samples.check("life", 1, &LifeRecord { first_seen: -1, last_seen: 1_700_000_000 });
    samples.check("node-check", 1, &node_check());
    samples.check("pull", 1, &pull());
    samples.check("token", 1, &token());
    for (name, session) in sessions() {
        samples.check(name, 1, &session);
    }
    for (name, request) in scan_requests() {
        samples.check(name, 1, &request);
    }
    samples.check("webhook", 1, &webhook());
    samples.check("webhook-delivery", 1, &webhook_delivery());
    for (name, exception) in exceptions() {
        samples.check(name, 1, &exception);
    }
    samples.check("exception-cancelled", 1, &cancelled());
    samples.check("audit", 1, &audit_entry());
    samples.check("vex-document", 1, &vex_document());
    let unread: Vec<&String> = samples.files.keys().filter(|name| !samples.read.contains(*name)).collect();
    assert!(unread.is_empty(), "nothing reads {unread:?}");
}

proptest! {
    #[test]
    fn any_bytes_give_a_value_or_an_error(version in 0..4_u8, body in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_as_all(&[&[version], body.as_slice()].concat());
    }

    #[test]
    fn a_damaged_row_gives_a_value_or_an_error(
        record in 0..7_usize,
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut bytes = match record {
            0 => encode(&layer(facts())),
            1 => encode(&image()),
            2 => encode(&advisory()),
            3 => encode(&findings()),
            4 => encode(&pull()),
            5 => encode(&node_check()),
            _ => encode(&cluster_objects()[0].1),
        };
        let at = at.index(bytes.len());
        bytes[at] = byte;
        read_as_all(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        read_as_all(&bytes);
    }
}
