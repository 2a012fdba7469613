//! OSV records: any bytes are refused or read, and what is read can be counted and matched.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_scanner::advisory::{Affected, FeedTally, MemoryAdvisories, osv};
use weir_scanner::finding::match_image;
use weir_scanner::image::{ImageInventory, ImagePackage, ScanStatus};
use weir_scanner::package::{Distribution, Ecosystem, Package, PackageType, SourcePackage};
use weir_scanner::verdict::Verdict;

/// The most entries of a record that are installed, each in an image of its own.
const MAX_IMAGES: usize = 8;

/// Every ecosystem the queries know: the type of its packages, and its distribution's ID where it is one's.
const ECOSYSTEMS: [(&str, PackageType, &str); 33] = [
    ("AlmaLinux", PackageType::Rpm, "almalinux"),
    ("Alpaquita", PackageType::Apk, "alpaquita"),
    ("Alpine", PackageType::Apk, "alpine"),
    ("Azure Linux", PackageType::Rpm, "azurelinux"),
    ("BellSoft Hardened Containers", PackageType::Apk, "bellsoft-hardened-containers"),
    ("Bitnami", PackageType::Bitnami, ""),
    ("CRAN", PackageType::Cran, ""),
    ("Chainguard", PackageType::Apk, "chainguard"),
    ("ConanCenter", PackageType::Conan, ""),
    ("Debian", PackageType::Deb, "debian"),
    ("Go", PackageType::Golang, ""),
    ("Hex", PackageType::Hex, ""),
    ("Julia", PackageType::Julia, ""),
    ("Mageia", PackageType::Rpm, "mageia"),
    ("Maven", PackageType::Maven, ""),
    ("MinimOS", PackageType::Apk, "minimos"),
    ("NuGet", PackageType::Nuget, ""),
    ("Packagist", PackageType::Composer, ""),
    ("Photon OS", PackageType::Rpm, "photon"),
    ("Pub", PackageType::Pub, ""),
    ("PyPI", PackageType::Pypi, ""),
    ("Red Hat", PackageType::Rpm, "rhel"),
    ("Rocky Linux", PackageType::Rpm, "rocky"),
    ("RubyGems", PackageType::Gem, ""),
    ("SUSE", PackageType::Rpm, "sles"),
    ("SwiftURL", PackageType::Swift, ""),
    ("Ubuntu", PackageType::Deb, "ubuntu"),
    ("Wolfi", PackageType::Apk, "wolfi"),
    ("crates.io", PackageType::Cargo, ""),
    ("npm", PackageType::Npm, ""),
    ("openEuler", PackageType::Rpm, "openeuler"),
    ("openSUSE", PackageType::Rpm, "opensuse-leap"),
    ("openSUSE", PackageType::Rpm, "opensuse-tumbleweed"),
];

fuzz_target!(|bytes: &[u8]| {
    let Ok(advisory) = osv::read(bytes) else { return };
    let images: Vec<ImageInventory> = advisory.affected.iter().flat_map(installed).take(MAX_IMAGES).collect();
    let mut tally = FeedTally::new("PyPI", i64::MAX);
    tally.count(&advisory);
    let withdrawn = advisory.withdrawn.is_some();
    let mut source = MemoryAdvisories::new(i64::MAX);
    source.insert(advisory);
    for inventory in &images {
        let findings = match match_image(inventory, &source) {
            Ok(findings) => findings,
            Err(never) => match never {},
        };
        assert!(!withdrawn || findings.findings.is_empty(), "a withdrawn record matched");
        let verdict = Verdict::of(&findings);
        assert!(verdict.vulnerabilities.total() <= verdict.findings);
        for finding in &findings.findings {
            assert!(!finding.aliases.contains(&finding.id), "{finding:?}");
            assert!(finding.cvss.as_ref().is_none_or(|cvss| (0.0..=10.0).contains(&cvss.score)), "{finding:?}");
        }
    }
});

/// Images that hold the affected package at the first versions the record names.
fn installed(affected: &Affected) -> impl Iterator<Item = ImageInventory> + '_ {
    let known = ECOSYSTEMS.iter().filter(|(name, ..)| *name == affected.ecosystem.name());
    known.map(|(_, package_type, id)| ImageInventory {
        status: ScanStatus::Complete,
        reasons: Vec::new(),
        distribution: (!id.is_empty()).then(|| distribution(id, &affected.ecosystem)),
        packages: versions(affected).map(|version| package(affected, *package_type, version)).collect(),
        channels: Vec::new(),
        risks: Vec::new(),
    })
}

fn versions(affected: &Affected) -> impl Iterator<Item = &str> {
    let events = affected.ranges.iter().flat_map(|range| &range.events).map(|event| event.version());
    events.chain(affected.versions.iter().map(String::as_str)).take(4)
}

/// The distribution whose ecosystem it is: `Alpine:v3.20` of 3.20, `openEuler:24.03-LTS-SP1` of openEuler 24.03 (LTS-SP1).
fn distribution(id: &str, ecosystem: &Ecosystem) -> Distribution {
    let release = ecosystem.release().unwrap_or_default();
    let numbers = release.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = numbers.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(numbers.len());
    let (version, suffix) = numbers.split_at(end);
    let pretty_name = match id {
        "openeuler" => format!("openEuler {version} ({})", suffix.trim_start_matches('-')),
        _ => format!("SUSE {release}"),
    };
    Distribution { id: id.into(), version: version.into(), pretty_name: Some(pretty_name) }
}

/// A binary the feed lists, or one named as its source.
fn package(affected: &Affected, package_type: PackageType, version: &str) -> ImagePackage {
    let source = SourcePackage { name: affected.package.clone(), version: version.to_owned() };
    let name = affected.binaries.first().unwrap_or(&affected.package);
    ImagePackage {
        package: Package {
            source: package_type.is_system().then_some(source),
            ..Package::new(package_type, name, version)
        },
        purl: affected.package.clone(),
        layer: 0,
        paths: Vec::new(),
        owner: None,
    }
}
