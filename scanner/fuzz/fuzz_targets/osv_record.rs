//! OSV records: any bytes are refused or read, and what is read can be counted and matched.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_scanner::advisory::{Affected, FeedTally, MemoryAdvisories, RangeEvent, osv};
use weir_scanner::finding::match_image;
use weir_scanner::image::{ImageInventory, ImagePackage, ScanStatus};
use weir_scanner::package::{Distribution, Package, PackageType};
use weir_scanner::verdict::Verdict;

fuzz_target!(|bytes: &[u8]| {
    let Ok(advisory) = osv::read(bytes) else { return };
    let packages: Vec<ImagePackage> = advisory.affected.iter().flat_map(installed).take(16).collect();
    let mut tally = FeedTally::new("PyPI", i64::MAX);
    tally.count(&advisory);
    let withdrawn = advisory.withdrawn.is_some();
    let mut source = MemoryAdvisories::new(i64::MAX);
    source.insert(advisory);
    let inventory = ImageInventory {
        status: ScanStatus::Complete,
        reasons: Vec::new(),
        distribution: Some(Distribution { id: "debian".into(), version: "12".into(), pretty_name: None }),
        packages,
        channels: Vec::new(),
        risks: Vec::new(),
    };
    let findings = match match_image(&inventory, &source) {
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
});

/// The affected package as if installed, at the first versions the record names.
fn installed(affected: &Affected) -> Vec<ImagePackage> {
    let package_type = match affected.ecosystem.name() {
        "PyPI" => PackageType::Pypi,
        "npm" => PackageType::Npm,
        _ => PackageType::Deb,
    };
    let events = affected.ranges.iter().flat_map(|range| &range.events).map(|event| match event {
        RangeEvent::Introduced(at) | RangeEvent::Fixed(at) | RangeEvent::LastAffected(at) | RangeEvent::Limit(at) => at,
    });
    let package = |version: &String| ImagePackage {
        package: Package {
            package_type,
            name: affected.package.clone(),
            version: version.clone(),
            architecture: None,
            source: None,
            packager: None,
            module: None,
        },
        purl: affected.package.clone(),
        layer: 0,
        paths: Vec::new(),
        owner: None,
    };
    events.chain(&affected.versions).take(4).map(package).collect()
}
