//! Measures matching over a fleet of stored images: `fleet ADVISORIES WORK [IMAGES]`.
//!
//! Takes a folder laid out as the OSV bucket, an empty folder to work in, and how many images (10,000). Images have 500
//! packages: names and versions are real ones of the feeds, chosen by a fixed seed; 40 bases of six releases, 500 applications,
//! five packages of each image's own. The PyPI feed comes last, without what is said of two packages, one that a few
//! images hold and one that most do; then each of the two is published, and the commonest CVE becomes known to be exploited.
//! Every layer is left out, so the size on disk is what an image costs beyond its layers. Prints one figure a line.
#![allow(clippy::unwrap_used, reason = "a program for measuring: whatever fails ends it")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use weir_proxy::advisory::{AdvisoryParts, AdvisoryService, CveSources, FeedSource, Refreshed};
use weir_proxy::app::open_index;
use weir_proxy::clock::Clock;
use weir_proxy::metrics::Metrics;
use weir_proxy::scan::match_image;
use weir_proxy::tasks::Tasks;
use weir_scanner::advisory::archive::AdvisoryArchive;
use weir_scanner::advisory::kev::KevEntry;
use weir_scanner::advisory::{Advisory, RangeEvent};
use weir_scanner::finding::{Answers, Stale};
use weir_scanner::image::{ImageInventory, ImagePackage, ScanStatus};
use weir_scanner::oci::{Digest, MediaType, Repository};
use weir_scanner::package::{Distribution, Ecosystem, Package, PackageType, package_url};
use weir_scanner::version::{Scheme, compare};
use weir_storage::index::{CveFinish, CveKind, ImageLayer, ImageRecord, Index, InventoryRecord};

const RELEASES: [(&str, &str, &str, PackageType); 6] = [
    ("debian", "11", "Debian:11", PackageType::Deb),
    ("debian", "10", "Debian:10", PackageType::Deb),
    ("ubuntu", "18.04", "Ubuntu:18.04:LTS", PackageType::Deb),
    ("alpine", "3.11.0", "Alpine:v3.11", PackageType::Apk),
    ("almalinux", "9.0", "AlmaLinux:9", PackageType::Rpm),
    ("almalinux", "8.0", "AlmaLinux:8", PackageType::Rpm),
];
const LANGUAGES: [(&str, PackageType); 6] = [
    ("PyPI", PackageType::Pypi),
    ("npm", PackageType::Npm),
    ("Go", PackageType::Golang),
    ("Maven", PackageType::Maven),
    ("RubyGems", PackageType::Gem),
    ("crates.io", PackageType::Cargo),
];
const BASES: usize = 40;
const APPLICATIONS: usize = 500;
const OF_BASE: usize = 250;
const OF_APPLICATION: usize = 245;
const OWN: usize = 5;
const COMMON: &str = "django";
/// One whose records name nothing that a distribution has.
const RARE: &str = "mlflow";
/// One package in so many is of any version, the others of the newest one that a record names.
const OUTDATED: usize = 20;
/// One image in so many holds the rare package.
const RARITY: usize = 200;

/// What kept answers may weigh, as in the service.
const WEIGHT: usize = 262_144;
/// The time of the first matching.
const NOW: i64 = 1_700_000_000;

/// Names with the versions that records call fixed, by feed.
type Known = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, work, ..] = &arguments[..] else { panic!("fleet ADVISORIES WORK [IMAGES]") };
    let (source, work) = (PathBuf::from(source), PathBuf::from(work));
    let count = arguments.get(2).map_or(10_000, |count| count.parse().unwrap());
    let index = open_index(&work).unwrap();
    let service = service(&index, &source);

    let known = known(&source);
    let ecosystems = FeedSource::directory(source.clone()).ecosystems().await.unwrap();
    let began = Instant::now();
    let mut records = 0;
    for ecosystem in ecosystems.iter().filter(|name| *name != "PyPI") {
        match service.refresh(ecosystem).await {
            Refreshed::Imported(report) => records += report.counts.records,
            other => panic!("{ecosystem}: {other:?}"),
        }
    }
    service.settle().await;
    print("import of all feeds but PyPI", records as f64 / began.elapsed().as_secs_f64(), "records/s");
    index.sync().unwrap();
    let before = size(&work);

    let began = Instant::now();
    let digests = store(&index, &known, count);
    print("stored images", count as f64, "");
    print("storing them", began.elapsed().as_secs_f64(), "s");
    let (began, mut answers) = (Instant::now(), Answers::new(WEIGHT));
    for digest in &digests {
        match_image(&index, digest, NOW, &mut answers, &Stale::everything()).unwrap();
    }
    print("first match of all", began.elapsed().as_secs_f64(), "s");
    let findings = digests.iter().take(200).map(|digest| index.findings().get(digest).unwrap().unwrap().findings);
    print("findings of an image", findings.map(|found| found.findings.len()).sum::<usize>() as f64 / 200.0, "");

    let feeds = work.join("feeds");
    let all = read(&source.join("PyPI/all.zip"));
    publish(&feeds, &all, &[COMMON, RARE]);
    let local = FeedSource::directory(feeds.clone());
    let began = Instant::now();
    expect(service.refresh_from(&local, "PyPI").await);
    let imported = began.elapsed();
    let matched = service.settle().await;
    print("a new feed: its import", imported.as_secs_f64(), "s");
    print("a new feed: images matched again", matched as f64, "");
    print("a new feed: full re-match", (began.elapsed() - imported).as_secs_f64(), "s");

    publish(&feeds, &all, &[COMMON]);
    step(&service, &local, "an increment for a package of one image in 200").await;
    publish(&feeds, &all, &[]);
    step(&service, &local, "an increment for a package of most images").await;

    let some = &digests[..digests.len().min(200)];
    let cve = most_common(&index, some);
    list_exploited(&index, &["CVE-0000-0000"]);
    list_exploited(&index, &["CVE-0000-0000", &cve]);
    let began = Instant::now();
    print("a CVE of most images is exploited: images looked at", service.settle().await as f64, "");
    print("a CVE of most images is exploited: telling it", began.elapsed().as_secs_f64(), "s");
    let (everything, mut common) = (Stale::everything(), Stale::default());
    common.add_packages([("PyPI".to_owned(), COMMON.to_owned())]);
    let fresh = || Answers::new(WEIGHT);
    let nothing = median(some, |digest| match_image(&index, digest, NOW, &mut fresh(), &everything).is_ok());
    print("match of one image, nothing answered before", nothing, "ms");
    for digest in some {
        match_image(&index, digest, NOW, &mut answers, &everything).unwrap();
    }
    let all = median(some, |digest| match_image(&index, digest, NOW, &mut answers, &everything).is_ok());
    print("match of one image, everything answered before", all, "ms");
    let one = median(some, |digest| match_image(&index, digest, NOW, &mut answers, &common).is_ok());
    print("match of one image, one package touched", one, "ms");
    index.sync().unwrap();
    print("size on disk", size(&work).saturating_sub(before) as f64 / 1000.0 / count as f64, "KB an image");
    print("peak memory", peak() as f64 / 1000.0, "MB");
}

/// The CVE that most of these images have.
fn most_common(index: &Index, images: &[Digest]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for image in images {
        let found = index.findings().get(image).unwrap().unwrap().findings.findings;
        let cves: BTreeSet<String> =
            found.into_iter().map(|finding| finding.id).filter(|id| id.starts_with("CVE-")).collect();
        cves.into_iter().for_each(|cve| *counts.entry(cve).or_default() += 1);
    }
    counts.into_iter().max_by_key(|(_, count)| *count).unwrap().0
}

/// Takes a catalogue of known exploited vulnerabilities, which comes after all that was found.
fn list_exploited(index: &Index, cves: &[&str]) {
    let mut import = index.cves().begin(CveKind::Kev).unwrap();
    for cve in cves {
        let entry = KevEntry { date_added: String::new(), due_date: None, ransomware: false, name: String::new() };
        import.put_kev(cve, &entry).unwrap();
    }
    import.finish(CveFinish { now: Clock::system().now() + 1, ..CveFinish::default() }).unwrap();
}

/// The median time of `work` on each image, in milliseconds.
fn median(images: &[Digest], mut work: impl FnMut(&Digest) -> bool) -> f64 {
    let mut times: Vec<Duration> = Vec::new();
    for image in images {
        let began = Instant::now();
        assert!(work(image));
        times.push(began.elapsed());
    }
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

async fn step(service: &AdvisoryService, source: &FeedSource, what: &str) {
    let began = Instant::now();
    expect(service.refresh_from(source, "PyPI").await);
    let imported = began.elapsed();
    let matched = service.settle().await;
    print(&format!("{what}: images matched again"), matched as f64, "");
    print(&format!("{what}: reading it"), imported.as_secs_f64() * 1000.0, "ms");
    print(&format!("{what}: re-match"), (began.elapsed() - imported).as_secs_f64() * 1000.0, "ms");
}

fn expect(refreshed: Refreshed) {
    assert!(matches!(refreshed, Refreshed::Imported(_)), "{refreshed:?}");
}

fn print(what: &str, value: f64, unit: &str) {
    println!("{what}: {value:.3} {unit}");
}

fn service(index: &Index, source: &Path) -> AdvisoryService {
    AdvisoryService::new(AdvisoryParts {
        source: FeedSource::directory(source.to_owned()),
        cves: CveSources::default(),
        configured: Vec::new(),
        refresh: Duration::MAX,
        event_retention: Duration::MAX,
        index: index.clone(),
        metrics: Metrics::new().unwrap().advisory,
        tasks: Tasks::new(),
        clock: Clock::system(),
    })
}

/// What the feeds speak of.
fn known(source: &Path) -> Known {
    let folders = RELEASES.iter().map(|(_, _, feed, _)| feed.split(':').next().unwrap());
    let folders: BTreeSet<&str> = folders.chain(LANGUAGES.iter().map(|(feed, _)| *feed)).collect();
    let mut known = Known::new();
    for folder in folders {
        let file = File::open(source.join(folder).join("all.zip")).unwrap();
        for advisory in AdvisoryArchive::open(BufReader::new(file)).unwrap().flatten() {
            learn(&mut known, &advisory);
        }
    }
    known
}

fn learn(known: &mut Known, advisory: &Advisory) {
    // Images have no kernels, which have more advisories than everything else together.
    for affected in advisory.affected.iter().filter(|affected| !affected.package.starts_with("linux")) {
        let fixes = affected.ranges.iter().flat_map(|range| &range.events).filter_map(|event| match event {
            RangeEvent::Fixed(version) => Some(version.clone()),
            _ => None,
        });
        let packages = known.entry(affected.ecosystem.to_string()).or_default();
        packages.entry(affected.package.clone()).or_default().extend(fixes);
    }
}

/// Stores the fleet; answers with its digests.
fn store(index: &Index, known: &Known, count: usize) -> Vec<Digest> {
    let mut random = fastrand::Rng::with_seed(7);
    let bases: Vec<(Distribution, Vec<ImagePackage>)> = (0..BASES)
        .map(|number| {
            let (id, version, feed, kind) = RELEASES[number % RELEASES.len()];
            let distribution = Distribution { id: id.into(), version: version.into(), pretty_name: None };
            let packages = (0..OF_BASE).map(|_| any(&mut random, known, feed, kind, Some(&distribution), 0)).collect();
            (distribution, packages)
        })
        .collect();
    let language = |random: &mut fastrand::Rng, layer| {
        let (feed, kind) = LANGUAGES[random.usize(..LANGUAGES.len())];
        any(random, known, feed, kind, None, layer)
    };
    let applications: Vec<Vec<ImagePackage>> =
        (0..APPLICATIONS).map(|_| (0..OF_APPLICATION).map(|_| language(&mut random, 1)).collect()).collect();
    (0..count)
        .map(|number| {
            let (distribution, base) = &bases[number % BASES];
            let mut packages = base.clone();
            packages.extend(applications[number % APPLICATIONS].iter().cloned());
            packages.extend((0..OWN).map(|_| language(&mut random, 2)));
            if number % 10 != 0 {
                packages.push(installed(Package::new(PackageType::Pypi, COMMON, "2.2.1"), None, 1));
            }
            if number % RARITY == 0 {
                packages.push(installed(Package::new(PackageType::Pypi, RARE, "2.0.0"), None, 1));
            }
            put(index, number, distribution.clone(), packages)
        })
        .collect()
}

/// A package of a feed in a version it knows, mostly the newest one.
fn any(
    random: &mut fastrand::Rng,
    known: &Known,
    feed: &str,
    kind: PackageType,
    distribution: Option<&Distribution>,
    layer: u32,
) -> ImagePackage {
    let packages = &known[feed];
    let (name, versions) = packages.iter().nth(random.usize(..packages.len())).unwrap();
    let scheme = Scheme::of(&Ecosystem::parse(feed)).unwrap();
    let version = match random.usize(..OUTDATED) {
        0 => random.choice(versions),
        _ => versions.iter().max_by(|a, b| compare(scheme, a, b)),
    };
    let version = version.map_or("1.0.0", String::as_str);
    installed(Package::new(kind, name.as_str(), version), distribution, layer)
}

fn installed(package: Package, distribution: Option<&Distribution>, layer: u32) -> ImagePackage {
    let purl = package_url(&package, distribution);
    ImagePackage { package, purl, layer, paths: vec!["var/lib/dpkg/status".into()], owner: None }
}

fn put(index: &Index, number: usize, distribution: Distribution, mut packages: Vec<ImagePackage>) -> Digest {
    packages.sort_by(|a, b| a.purl.cmp(&b.purl));
    packages.dedup_by(|a, b| a.purl == b.purl);
    let digest = Digest::of(format!("image {number}").as_bytes());
    let layers = (0..3).map(|layer| ImageLayer {
        digest: Digest::of(format!("layer {layer} of {}", number % BASES).as_bytes()),
        size: 1,
        media_type: MediaType::new("application/vnd.oci.image.layer.v1.tar+gzip"),
        diff_id: None,
    });
    let image = ImageRecord {
        status: ScanStatus::Complete,
        reasons: Vec::new(),
        platform: None,
        config: digest,
        layers: layers.collect(),
        history: Vec::new(),
        base: None,
        names: vec![("docker.io".into(), Repository::parse(&format!("team/app{}", number % APPLICATIONS)).unwrap())],
        access_restricted: false,
        first_seen: 1_700_000_000 + i64::try_from(number).unwrap(),
        last_pulled: Some(1_700_000_000),
        inventory_fingerprint: Some("fleet".into()),
        matched_at: None,
    };
    let inventory = ImageInventory {
        status: ScanStatus::Complete,
        reasons: Vec::new(),
        distribution: Some(distribution),
        channels: Vec::new(),
        packages,
        risks: Vec::new(),
    };
    index.inventories().put(&digest, &InventoryRecord { fingerprint: "fleet".into(), inventory }).unwrap();
    index.images().put(&digest, image).unwrap();
    digest
}

/// The records of an archive by file name.
fn read(archive: &Path) -> BTreeMap<String, String> {
    let mut zip = zip::ZipArchive::new(BufReader::new(File::open(archive).unwrap())).unwrap();
    let mut records = BTreeMap::new();
    for at in 0..zip.len() {
        let mut file = zip.by_index(at).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        records.insert(file.name().unwrap().into_owned(), text);
    }
    records
}

fn is_about(record: &str, package: &str) -> bool {
    record.contains(&format!("\"name\":\"{package}\""))
}

/// Writes a feed of PyPI as the bucket has it, without what is said of some packages.
fn publish(feeds: &Path, records: &BTreeMap<String, String>, without: &[&str]) {
    let folder = feeds.join("PyPI");
    std::fs::create_dir_all(&folder).unwrap();
    let mut zip = zip::ZipWriter::new(File::create(folder.join("all.zip")).unwrap());
    let mut list = File::create(folder.join("modified_id.csv")).unwrap();
    for (name, text) in records.iter().filter(|(_, text)| !without.iter().any(|package| is_about(text, package))) {
        zip.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
        let record: serde_json::Value = serde_json::from_str(text).unwrap();
        writeln!(list, "{},{}", record["modified"].as_str().unwrap(), name.trim_end_matches(".json")).unwrap();
    }
    zip.finish().unwrap();
}

fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder.join("index")).unwrap();
    entries.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

/// The most resident memory this process ever had, in kilobytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
