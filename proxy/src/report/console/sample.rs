//! Things to show, for the tests of pages. Their names try to break out of where they are written.

use weir_config::Role;
use weir_scanner::finding::Severity;
use weir_scanner::verdict::SeverityCounts;

use super::frame::{Frame, Freshness, Section};
use super::query::{Place, Query};
use super::read::{
    AffectedImage, Cluster, ClusterProblem, Compared, ComparedScan, Comparison, Event, Failure, Feed, Fixing, List,
    PackageChange, SharedLayers, Token, Unresolved, VulnerabilityDetail, Workload,
};
use crate::auth::{Caller, How};
use crate::report::shape::{
    Counts, ExceptionItem, Facet, FacetValue, FindingException, ImageItem, ImageVulnerability, LayerItem,
    PreviewExample, RepositoryItem, ScopeItem, Statistics, VulnerabilityItem,
};

/// The time in samples.
pub(super) const NOW: i64 = 1_795_910_400;
/// A name that nobody should have.
pub(super) const HOSTILE: &str = "evil.example/\"><script>alert('x')</script>/{{7*7}}";

pub(super) fn frame(section: Section, title: &str, address: &str) -> Frame {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    Frame {
        title: title.to_owned(),
        section,
        caller: Some(Caller {
            name: "ada".to_owned(),
            role: Role::Administrator,
            how: How::Session { id: "s".to_owned(), csrf: "proof".to_owned() },
        }),
        csrf: Some("proof".to_owned()),
        freshness: Some(Freshness {
            feeds: 12,
            records: 412_311,
            stale: 0,
            failing: 0,
            oldest: Some("2026-11-29T00:12:00Z".to_owned()),
        }),
        notice: None,
        here: Place::new(path, Query::parse(query)),
        now: NOW,
    }
}

pub(super) fn severities(critical: u64, high: u64, medium: u64, low: u64) -> SeverityCounts {
    SeverityCounts { critical, high, medium, low, ..SeverityCounts::default() }
}

pub(super) fn counts(critical: u64, high: u64, medium: u64, low: u64) -> Counts {
    Counts {
        vulnerabilities: severities(critical, high, medium, low),
        fixable: critical + high,
        known_exploited: critical / 4,
    }
}

pub(super) fn digest(letter: char) -> String {
    format!("sha256:{}", letter.to_string().repeat(64))
}

pub(super) fn repository(name: &str, counts: Option<Counts>, statuses: &[(&str, u64)]) -> RepositoryItem {
    let images = statuses.iter().map(|(_, count)| count).sum();
    let read = statuses.iter().filter(|(status, _)| ["complete", "partial"].contains(status)).map(|(_, count)| count);
    RepositoryItem {
        name: name.to_owned(),
        images,
        scanned_images: if counts.is_some() { read.sum() } else { 0 },
        scan_statuses: statuses.iter().map(|(status, count)| ((*status).to_owned(), *count)).collect(),
        counts,
        clusters: vec!["prod-eu".to_owned(), "prod-us".to_owned()],
        running_resources: 14,
        latest_scanned_tag: Some("1.27.3".to_owned()),
        latest_scanned_image: Some(digest('a')),
        oldest_finding: Some("2026-10-02T10:00:00Z".to_owned()),
        exception: None,
    }
}

pub(super) fn statistics() -> Statistics {
    Statistics {
        repositories: 46,
        images: 128,
        scanned_images: 121,
        image_statuses: [("running".to_owned(), 128)].into(),
        scan_statuses: [("complete".to_owned(), 119), ("partial".to_owned(), 2), ("no_access".to_owned(), 7)].into(),
        clusters: 3,
        namespaces: 22,
        running_resources: 412,
        vulnerabilities: Some(counts(31, 212, 640, 1_204)),
        findings: severities(92, 1_210, 4_020, 9_233),
        fixable_findings: 1_302,
        known_exploited_findings: 41,
        overdue_findings: 87,
        excepted_vulnerabilities: 12,
        excepted_repositories: 1,
    }
}

pub(super) fn facets() -> Vec<Facet> {
    let facet = |parameter: &str, values: &[(&str, u64)]| Facet {
        parameter: parameter.to_owned(),
        values: values
            .iter()
            .map(|(value, images)| FacetValue {
                value: (*value).to_owned(),
                images: *images,
                selected: *value == "running",
            })
            .collect(),
    };
    vec![
        facet("image_status", &[("running", 128), ("idle", 64), ("retired", 212)]),
        facet("scan_status", &[("complete", 119), ("partial", 2), ("no_access", 7)]),
        facet("severity", &[("critical", 21), ("high", 70), ("medium", 101), ("low", 120)]),
        facet("known_exploited", &[("true", 9), ("false", 121)]),
        facet("fixable", &[("true", 88), ("false", 111)]),
        facet("cluster", &[("prod-eu", 90), ("prod-us", 84), ("staging", 40)]),
        facet("namespace", &[("shop", 20), ("payments", 12), ("kube-system", 31), (HOSTILE, 1)]),
        facet("label", &[("app=shop", 3)]),
        facet("except", &[("active", 128), ("excepted", 1), ("all", 129)]),
    ]
}

pub(super) fn repositories() -> Vec<RepositoryItem> {
    vec![
        repository("docker.io/library/nginx", Some(counts(3, 24, 61, 80)), &[("complete", 3)]),
        repository("ghcr.io/acme/payments-api", Some(counts(12, 60, 140, 212)), &[("complete", 9), ("partial", 1)]),
        repository("quay.io/prometheus/prometheus", Some(counts(0, 2, 9, 4)), &[("complete", 1)]),
        repository("registry.k8s.io/pause", Some(counts(0, 0, 0, 0)), &[("complete", 1)]),
        repository("docker.io/library/redis", Some(counts(0, 0, 3, 0)), &[("partial", 2)]),
        repository("private.example/ml/train", None, &[("no_access", 2)]),
        repository(HOSTILE, None, &[("queued", 1)]),
        repository("gcr.io/distroless/static-debian12", Some(counts(0, 0, 0, 0)), &[("complete", 4)]),
    ]
}

/// Keeps a page where a person wants to look at it.
pub(super) fn keep(name: &str, page: &impl askama::Template) -> String {
    let text = page.render().unwrap();
    if let Some(directory) = std::env::var_os("WEIR_PAGES") {
        let directory = std::path::PathBuf::from(directory);
        std::fs::create_dir_all(directory.join("assets")).unwrap();
        for asset in [&*super::asset::STYLE, &*super::asset::SCRIPT, &*super::asset::ICON] {
            std::fs::write(directory.join(&asset.path[1..]), asset.text()).unwrap();
        }
        let shown = text.replace("\"/assets/", "\"assets/");
        std::fs::write(directory.join(format!("{name}.html")), shown).unwrap();
    }
    assert!(!text.contains("<script>"), "{name}: a name broke out");
    assert!(!text.contains(" style=") && !text.contains(" onclick="), "{name}: the policy forbids this");
    assert!(text.len() < 120_000, "{name}: {} bytes", text.len());
    text
}

pub(super) fn image(letter: char) -> ImageItem {
    ImageItem {
        digest: digest(letter),
        reference: Some("docker.io/library/nginx:1.27.3".into()),
        repositories: vec!["docker.io/library/nginx".into()],
        tags: vec!["docker.io/library/nginx:1.27.3".into(), "docker.io/library/nginx:stable".into()],
        platform: Some("linux/amd64".into()),
        image_status: "running".into(),
        running_resources: 14,
        clusters: vec!["prod-eu".into(), "prod-us".into()],
        scan_status: "complete".into(),
        reason: None,
        detail: None,
        first_seen: "2026-10-02T10:00:00Z".into(),
        last_pulled: Some("2026-11-28T10:00:00Z".into()),
        last_run: Some("2026-11-29T00:10:00Z".into()),
        matched_at: Some("2026-11-29T00:11:00Z".into()),
        vulnerabilities: Some(severities(3, 24, 61, 80)),
        fixable: Some(27),
        known_exploited: Some(1),
        exception: None,
    }
}

pub(super) fn vulnerability(id: &str, cvss: f64, epss: Option<f64>) -> VulnerabilityItem {
    VulnerabilityItem {
        id: id.into(),
        aliases: vec!["GHSA-aaaa-bbbb-cccc".into()],
        summary: "Out-of-bounds write in the HTTP/2 frame reader lets a client run code".into(),
        severity: if cvss >= 9.0 {
            Severity::Critical
        } else if cvss >= 7.0 {
            Severity::High
        } else {
            Severity::Medium
        },
        cvss: Some(cvss),
        epss,
        known_exploited: epss.map(|epss| epss > 0.5),
        fixable: cvss > 7.0,
        images: 9,
        repositories: 4,
        running_resources: 31,
        clusters: vec!["prod-eu".into(), "prod-us".into(), "staging".into()],
        packages: vec!["openssl".into(), "libssl3".into()],
        first_seen: "2026-10-02T10:00:00Z".into(),
    }
}

pub(super) fn detail() -> VulnerabilityDetail {
    let affected = |letter, fixed: Option<&str>| AffectedImage {
        image: digest(letter),
        reference: Some("docker.io/library/nginx:1.27.3".into()),
        platform: Some("linux/amd64".into()),
        image_status: "running".into(),
        package: "pkg:deb/debian/openssl@3.0.15-1~deb12u1?distro=debian-12".into(),
        fixed_version: fixed.map(str::to_owned),
        fixable: fixed.is_some(),
        severity: Severity::Critical,
        running_resources: 14,
        clusters: vec!["prod-eu".into()],
        first_seen: "2026-10-02T10:00:00Z".into(),
        exception: None,
    };
    let items = vec![affected('a', Some("3.0.16-1~deb12u1")), affected('b', None)];
    VulnerabilityDetail {
        item: vulnerability("CVE-2026-1111", 9.8, Some(0.94)),
        affected: List { items, next_cursor: None, total: Some(2) },
        fixing: vec![Fixing {
            repository: "docker.io/library/nginx".into(),
            tag: "1.27.4".into(),
            image: digest('c'),
            platform: Some("linux/amd64".into()),
        }],
    }
}

pub(super) fn findings() -> Vec<ImageVulnerability> {
    let finding = |id: &str, severity, cvss, package: &str, fixed: Option<&str>, exploited| ImageVulnerability {
        id: id.into(),
        aliases: Vec::new(),
        summary: "Out-of-bounds write in the frame reader lets a client run code".into(),
        package: format!("pkg:deb/debian/{package}@3.0.15"),
        package_name: package.into(),
        package_version: "3.0.15".into(),
        package_kind: "os".into(),
        layer: 0,
        severity,
        cvss,
        cvss_version: cvss.map(|_| "3.1".into()),
        cvss_vector: Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H".into()),
        rated_by: Some("NVD".into()),
        epss: cvss.map(|cvss| cvss / 20.0),
        known_exploited: Some(exploited),
        fixed_version: fixed.map(str::to_owned),
        fixable: fixed.is_some(),
        other_fixes: Vec::new(),
        advisories: vec!["DSA-5999-1".into()],
        paths: vec!["var/lib/dpkg/status".into()],
        covered_by: None,
        first_seen: "2026-10-02T10:00:00Z".into(),
        exception: None,
    };
    let mut excepted = finding("CVE-2026-4444", Severity::Medium, Some(5.4), "zlib1g", None, false);
    excepted.exception = Some(FindingException {
        id: "12".into(),
        kind: "accepted_risk".into(),
        reason: "not reachable".into(),
        by: "ada".into(),
        at: "2026-11-01T10:00:00Z".into(),
        expires_at: Some("2027-01-01T00:00:00Z".into()),
    });
    vec![
        finding("CVE-2026-1111", Severity::Critical, Some(9.8), "openssl", Some("3.0.16"), true),
        finding("CVE-2026-2222", Severity::High, Some(7.5), "libxml2", Some("2.9.15"), false),
        finding("CVE-2026-3333", Severity::Low, Some(3.1), "tar", None, false),
        excepted,
        finding(HOSTILE, Severity::Unknown, None, "<img src=x>", None, false),
    ]
}

pub(super) fn layers() -> Vec<LayerItem> {
    let layer = |index, command: &str, size_bytes, base, counts| LayerItem {
        index,
        digest: digest(char::from(b'0' + u8::try_from(index).unwrap())),
        diff_id: None,
        size_bytes,
        created_by: Some(command.into()),
        created: None,
        base: Some(base),
        packages: Some(u64::from(90 / (index + 1))),
        counts: Some(counts),
    };
    vec![
        layer(0, "/bin/sh -c #(nop) ADD file:4b2f in / ", 29_000_000, true, counts(2, 20, 50, 80)),
        layer(
            1,
            "/bin/sh -c apt-get install -y nginx=1.27.3 ca-certificates && rm -rf /var/lib/apt/lists",
            43_000_000,
            false,
            counts(1, 4, 11, 0),
        ),
        layer(2, "COPY docker-entrypoint.sh / # buildkit", 1_600, false, counts(0, 0, 0, 0)),
        layer(3, "RUN echo '<script>alert(1)</script>'", 300, false, counts(0, 0, 0, 0)),
    ]
}

pub(super) fn cluster(name: &str, status: &str) -> Cluster {
    Cluster {
        name: name.into(),
        source: "agent".into(),
        status: status.into(),
        synced_at: "2026-11-29T00:10:00Z".into(),
        age_seconds: 120,
        first_seen: "2026-06-01T00:00:00Z".into(),
        kubernetes_version: Some("v1.34.1".into()),
        agent_version: Some("0.1.0".into()),
        nodes: 12,
        node_states: [("through_weir".into(), 9), ("bypasses".into(), 1), ("unknown".into(), 2)].into(),
        pods: 340,
        workloads: 96,
        namespaces: vec!["shop".into()],
        running_images: [("complete".into(), 80), ("no_access".into(), 2)].into(),
        unresolved_image_ids: 1,
        problems: vec![ClusterProblem { kind: "not_offered".into(), detail: "cronjobs cannot be listed".into() }],
    }
}

pub(super) fn workload() -> Workload {
    Workload { cluster: "prod-eu".into(), namespace: "shop".into(), kind: "Deployment".into(), name: HOSTILE.into() }
}

pub(super) fn unresolved() -> Unresolved {
    Unresolved {
        workload: workload(),
        container: "web".into(),
        image: "internal/web:dev".into(),
        image_id: Some("sha256:abc".into()),
        reason: "config_unknown".into(),
    }
}

pub(super) fn feeds() -> Vec<Feed> {
    let feed = |ecosystem: &str, stale, error: Option<&str>| Feed {
        kind: "osv".into(),
        ecosystem: ecosystem.into(),
        records: 41_203,
        as_of: Some("2026-11-28T23:00:00Z".into()),
        fetched_at: Some("2026-11-29T00:05:00Z".into()),
        stale,
        error: error.map(|detail| Failure { at: "2026-11-29T00:06:00Z".into(), detail: detail.into() }),
    };
    vec![
        feed("Debian:12", false, None),
        feed("Alpine:v3.21", true, None),
        feed("npm", false, Some("the bucket answered 503")),
    ]
}

pub(super) fn events() -> Vec<Event> {
    let event = |at: &str, kind: &str, previous| Event {
        at: at.into(),
        kind: kind.into(),
        reason: (kind != "rerated").then(|| "new_advisory".into()),
        image: digest('a'),
        vulnerability: "CVE-2026-1111".into(),
        package: "pkg:deb/debian/openssl@3.0.15?distro=x".into(),
        severity: Severity::High,
        previous_severity: previous,
        fixed_version: None,
    };
    vec![
        event("2026-11-28T12:00:00Z", "opened", None),
        event("2026-11-28T11:00:00Z", "opened", None),
        event("2026-11-28T10:00:00Z", "closed", None),
        event("2026-11-28T09:00:00Z", "rerated", Some(Severity::Low)),
        event("2026-11-27T09:00:00Z", "opened", None),
    ]
}

pub(super) fn comparison(read: bool) -> Comparison {
    let side = |letter, status: &str| Compared {
        digest: digest(letter),
        reference: Some(format!("docker.io/library/nginx:1.27.{letter}")),
        platform: Some("linux/amd64".into()),
        scan: ComparedScan { status: status.into() },
    };
    let change = PackageChange {
        kind: "deb".into(),
        name: HOSTILE.into(),
        change: "upgraded".into(),
        from: Some("3.0.15".into()),
        to: Some("3.0.16".into()),
    };
    Comparison {
        a: side('a', "complete"),
        b: side('b', if read { "complete" } else { "queued" }),
        fixed: read.then(findings),
        new: read.then(Vec::new),
        unchanged: read.then(findings),
        packages: read.then(|| vec![change]),
        layers: read.then_some(SharedLayers { shared: 2, shared_bytes: 29_000_000, a: 5, b: 6 }),
    }
}

pub(super) fn exception(id: &str, days: i64) -> ExceptionItem {
    ExceptionItem {
        id: id.into(),
        target: "vulnerability".into(),
        kind: "false_positive".into(),
        state: "active".into(),
        vulnerability: Some("CVE-2026-1111".into()),
        aliases: vec!["GHSA-aaaa-bbbb-cccc".into()],
        scope: ScopeItem { repository: Some("docker.io/library/nginx".into()), ..ScopeItem::default() },
        justification: Some("vulnerable_code_not_in_execute_path".into()),
        reason: format!("not reachable: {HOSTILE}"),
        created_by: "ada".into(),
        created_at: "2026-11-01T10:00:00Z".into(),
        expires_at: Some(crate::clock::rfc3339(NOW + days * 86_400)),
        expire_on_fix: true,
        cancelled: None,
        document: None,
    }
}

pub(super) fn example() -> PreviewExample {
    PreviewExample {
        image: digest('a'),
        repository: Some("docker.io/library/nginx".into()),
        vulnerability: Some("CVE-2026-1111".into()),
        package: Some("pkg:deb/debian/openssl@3.0.15".into()),
    }
}

pub(super) fn token(id: &str, revoked: Option<&str>) -> Token {
    Token {
        id: id.into(),
        role: "editor".into(),
        name: HOSTILE.into(),
        cluster: None,
        state: if revoked.is_some() { "revoked" } else { "active" }.into(),
        created_at: "2026-11-01T10:00:00Z".into(),
        expires_at: None,
        revoked_at: revoked.map(str::to_owned),
    }
}
