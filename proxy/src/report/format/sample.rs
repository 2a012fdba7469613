//! Small documents for the tests of every form.

use weir_scanner::exception::{Justification, Kind, Target};
use weir_scanner::finding::{CvssScore, FixState, Severity};
use weir_scanner::image::{ImageReason, ScanStatus};
use weir_scanner::layer::{Reason, ReasonCode};
use weir_scanner::oci::Digest;
use weir_scanner::risk::RiskKind;

use crate::report::document::{
    BasePart, CoveragePart, ExceptionPart, FeedPart, ImagePart, LayerPart, OsPart, PackagePart, ResultDocument,
    RiskPart, RuntimePart, ScanPart, SourcePart, VulnerabilityPart,
};

/// 2026-01-02T12:00:00Z, two hours after the samples were matched.
pub(super) const NOW: i64 = 1_767_355_200;
const MATCHED_AT: &str = "2026-01-02T10:00:00Z";
const TABLE_DATE: &str = "2025-12-01T00:00:00Z";
pub(super) const OPENSSL: &str = "pkg:deb/debian/libssl3@3.0.11-1?arch=amd64&distro=debian-12";
pub(super) const LODASH: &str = "pkg:npm/lodash@4.17.11";

/// Read completely, compared with everything: a secret, a configuration, three findings of two vulnerabilities.
pub(super) fn complete() -> ResultDocument {
    ResultDocument {
        schema_version: 1,
        image: ImagePart {
            reference: Some("docker.io/team/app:1".into()),
            digest: Some(Digest::of(b"manifest")),
            platform: Some("linux/amd64".into()),
            os: Some(OsPart {
                id: "debian".into(),
                version: "12".into(),
                pretty_name: Some("Debian GNU/Linux 12 (bookworm)".into()),
                supported: true,
                end_of_life: Some(false),
            }),
            runtimes_end_of_life: Vec::new(),
            base: Some(BasePart {
                name: Some("docker.io/library/debian:12".into()),
                digest: Some(Digest::of(b"base")),
                layers: Some(1),
            }),
        },
        scan: ScanPart { status: ScanStatus::Complete, reasons: Vec::new(), matched_at: Some(MATCHED_AT.into()) },
        coverage: CoveragePart {
            feeds: vec![feed("Debian:12", false), feed("npm", false)],
            missing_feeds: Vec::new(),
            uncovered_packages: Some(0),
            uncovered: Vec::new(),
            end_of_life_table_date: TABLE_DATE.into(),
        },
        layers: vec![layer(0, "CMD debian"), layer(1, "RUN npm install")],
        build_history: Vec::new(),
        packages: packages(),
        vulnerabilities: Some(vulnerabilities()),
        risks: risks(),
    }
}

/// Read in part and compared with some, on a system past its end of life.
pub(super) fn partial() -> ResultDocument {
    let mut document = complete();
    let reasons = [
        Reason::at(ReasonCode::ArchiveLimit, "opt/a b.jar", "a Java archive is nested too deep"),
        Reason::new(ReasonCode::DecodeFailed, "the gzip stream ends early."),
    ];
    document.scan.status = ScanStatus::Partial;
    document.scan.reasons = reasons.map(|reason| ImageReason { layer: Some(1), reason }).into();
    document.coverage = CoveragePart {
        feeds: vec![feed("Debian:12", true)],
        missing_feeds: vec!["npm".into()],
        uncovered_packages: Some(2),
        uncovered: Vec::new(),
        end_of_life_table_date: TABLE_DATE.into(),
    };
    if let Some(os) = &mut document.image.os {
        os.end_of_life = Some(true);
    }
    document.image.runtimes_end_of_life = vec![RuntimePart {
        name: "node",
        version: "16.20.2".into(),
        package: "pkg:generic/node@16.20.2".into(),
        ended: "2023-09-12T00:00:00Z".into(),
    }];
    if let Some(found) = &mut document.vulnerabilities {
        found.truncate(1);
    }
    document
}

/// Read completely, compared with nothing.
pub(super) fn unmatched() -> ResultDocument {
    let mut document = complete();
    document.scan.matched_at = None;
    document.coverage = CoveragePart { end_of_life_table_date: TABLE_DATE.into(), ..CoveragePart::default() };
    document.vulnerabilities = None;
    document.risks = Vec::new();
    document
}

/// Nothing is known but a digest.
pub(super) fn never_seen() -> ResultDocument {
    let mut document = unmatched();
    document.image.reference = None;
    document.image.platform = None;
    document.image.os = None;
    document.image.base = None;
    document.scan.status = ScanStatus::NeverSeen;
    document.layers = Vec::new();
    document.packages = Vec::new();
    document
}

/// Read completely, compared with everything, and nothing found.
pub(super) fn clean() -> ResultDocument {
    let mut document = complete();
    document.vulnerabilities = Some(Vec::new());
    document.risks = Vec::new();
    document
}

/// A root directory: no digest, no platform, a name that is a path.
pub(super) fn directory() -> ResultDocument {
    let mut document = complete();
    document.image.reference = Some("dir:/srv/root".into());
    document.image.digest = None;
    document.image.platform = None;
    document.layers = vec![layer(0, "")];
    for layer in document.packages.iter_mut().map(|package| &mut package.layer) {
        *layer = 0;
    }
    for layer in document.vulnerabilities.iter_mut().flatten().map(|found| &mut found.layer) {
        *layer = 0;
    }
    document.risks.truncate(1);
    document.risks[0].layer = Some(0);
    document
}

/// Two decisions: one about a vulnerability in one of two packages, one about the other vulnerability.
pub(super) fn decided() -> ResultDocument {
    let mut document = complete();
    let decision = |id: &str, kind: Kind, justification, reason: &str| ExceptionPart {
        id: id.into(),
        target: Target::Vulnerability,
        kind,
        justification,
        reason: reason.into(),
        by: "ada".into(),
        at: "2026-01-01T12:00:00Z".into(),
        expires_at: None,
    };
    let path = Some(Justification::VulnerableCodeNotInExecutePath);
    let found = document.vulnerabilities.as_mut().unwrap();
    found[0].exception = Some(decision("7", Kind::FalsePositive, path, "never called"));
    found[2].exception = Some(decision("8", Kind::AcceptedRisk, None, "end of life"));
    document
}

/// Every sample with a name.
pub(super) fn all() -> [(&'static str, ResultDocument); 6] {
    [
        ("complete", complete()),
        ("partial", partial()),
        ("unmatched", unmatched()),
        ("never_seen", never_seen()),
        ("clean", clean()),
        ("directory", directory()),
    ]
}

fn feed(ecosystem: &str, stale: bool) -> FeedPart {
    FeedPart {
        ecosystem: ecosystem.into(),
        records: 51_000,
        as_of: Some("2026-01-01T00:00:00Z".into()),
        fetched_at: "2026-01-02T09:00:00Z".into(),
        stale,
        error: None,
    }
}

fn layer(index: u32, created_by: &str) -> LayerPart {
    LayerPart {
        index,
        digest: Digest::of(format!("layer {index}").as_bytes()),
        diff_id: Some(Digest::of(format!("diff {index}").as_bytes())),
        size_bytes: 100,
        created_by: Some(created_by.into()),
        base: None,
    }
}

fn packages() -> Vec<PackagePart> {
    let lodash = |layer: u32, path: &str, owner: Option<&str>| PackagePart {
        purl: LODASH.into(),
        package_type: "npm",
        name: "lodash".into(),
        version: "4.17.11".into(),
        architecture: None,
        source: None,
        layer,
        paths: vec![path.into()],
        owner: owner.map(str::to_owned),
    };
    let openssl = PackagePart {
        purl: OPENSSL.into(),
        package_type: "deb",
        name: "libssl3".into(),
        version: "3.0.11-1".into(),
        architecture: Some("amd64".into()),
        source: Some(SourcePart { name: "openssl".into(), version: "3.0.11-1".into() }),
        layer: 0,
        paths: vec!["var/lib/dpkg/status".into()],
        owner: None,
    };
    // The same package twice: what the distribution brought, and what the application brought.
    let own = lodash(0, "usr/share/node/lodash/package.json", Some(OPENSSL));
    vec![openssl, own, lodash(1, "app/node_modules/lodash/package.json", None)]
}

fn vulnerabilities() -> Vec<VulnerabilityPart> {
    let found = |id: &str, package: &str, layer: u32, severity: Severity, score: Option<f64>, fixed: Option<&str>| {
        let vector = || "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H".to_owned();
        VulnerabilityPart {
            id: id.into(),
            aliases: vec!["DSA-5417-1".into()],
            advisories: vec!["DSA-5417-1".into()],
            summary: format!("a flaw in {}", if layer == 0 { "openssl" } else { "lodash" }),
            package: package.into(),
            layer,
            severity,
            cvss: score.map(|score| CvssScore { version: "3.1".into(), score, vector: vector() }),
            rated_by: score.map(|_| "nvd".to_owned()),
            ratings: Vec::new(),
            fixed_version: fixed.map(str::to_owned),
            fix_state: if fixed.is_some() { FixState::Fixed } else { FixState::None },
            other_fixes: Vec::new(),
            imports: Vec::new(),
            covered_by: None,
            known_exploited: Some(id == "CVE-2023-0464"),
            epss: Some(0.003),
            first_seen: "2026-01-01T10:00:00Z".into(),
            exception: None,
        }
    };
    vec![
        found("CVE-2023-0464", OPENSSL, 0, Severity::High, Some(7.5), Some("3.0.11-2")),
        found("CVE-2023-0464", LODASH, 1, Severity::Medium, Some(5.0), Some("4.17.12")),
        found("GHSA-0000-0000-0001", LODASH, 1, Severity::Unknown, None, None),
    ]
}

fn risks() -> Vec<RiskPart> {
    vec![
        RiskPart {
            kind: RiskKind::Secret,
            rule: "private-key".into(),
            severity: Severity::High,
            detail: "-----BEGIN RSA PRIVATE KEY-----".into(),
            layer: Some(1),
            path: Some("root/.ssh/id_rsa".into()),
            line: Some(1),
            visible: false,
        },
        RiskPart {
            kind: RiskKind::Configuration,
            rule: "runs-as-root".into(),
            severity: Severity::Medium,
            detail: "No user is set: it runs as root.".into(),
            layer: None,
            path: None,
            line: None,
            visible: true,
        },
    ]
}
