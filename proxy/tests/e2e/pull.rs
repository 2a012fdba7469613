//! A node pulls the demo image with containerd, and the report is held against dpkg-query, pip and npm.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::support::{Containerd, DemoImage, Registry, Weir, advisories, expected_findings, machine, run};

const REFERENCE: &str = "docker.io/library/weir-demo:1";
/// Where `make-image.sh` brings what: Debian, its further packages, Python packages, the application.
const SYSTEM_LAYER: u64 = 1;
const PYTHON_LAYER: u64 = 2;
const APPLICATION_LAYER: u64 = 3;
/// The application itself, as `make-image.sh` writes its `package.json`.
const APPLICATION: [&str; 2] = ["weir-demo-shop", "1.0.0"];
/// Replaced in the application layer, by `deploy/image/python-upgraded.txt`.
const UPGRADED: [&str; 2] = ["django", "sqlparse"];

#[test]
fn containerd_pulls_through_weir_and_the_report_tells_the_truth() {
    let _machine = machine();
    let image = DemoImage::get();
    let directory = tempfile::tempdir().unwrap();
    let feeds = advisories(directory.path());
    let registry = Registry::start(directory.path());
    registry.push(&image.layout("oci", "1"), "library/weir-demo:1");
    let url = registry.url();
    let settings = [
        ("UPSTREAM__0__NAME", "docker.io"),
        ("UPSTREAM__0__URL", url.as_str()),
        ("ADVISORY__SOURCE", feeds.to_str().unwrap()),
    ];
    let mut weir = Weir::start(directory.path(), &settings);
    let hosts = directory.path().join("certs.d");
    run(Weir::command(&settings).args(["hosts", "--mirror", &weir.url(), "--out"]).arg(&hosts));
    let digest = image.digest("oci", "1").to_string();

    pull(&directory.path().join("node1"), &hosts, &digest);
    let report = weir.result(&digest, "", 300);
    packages_are_the_truth(&image, &report);
    layers_brought_their_packages(&report);
    coverage_names_its_feeds(&report);
    findings_are_the_feed_s(&image, &report, &feeds);

    // Once the upstream is gone, only weir can have the image.
    registry.stop();
    pull(&directory.path().join("node2"), &hosts, &digest);
}

/// A containerd that has nothing yet pulls, unpacks, and is gone again.
#[track_caller]
fn pull(node: &Path, hosts: &Path, digest: &str) {
    let containerd = Containerd::start(node);
    let output = containerd.pull(hosts, REFERENCE);
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the pull failed:\n{text}");
    assert_eq!(containerd.digest(REFERENCE), digest);
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

fn of_type<'a>(report: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    report["packages"].as_array().unwrap().iter().filter(move |package| package["type"] == kind)
}

fn named(report: &Value, kind: &str, fields: impl Fn(&Value) -> Vec<&str>) -> BTreeSet<Vec<String>> {
    of_type(report, kind).map(|package| fields(package).into_iter().map(str::to_owned).collect()).collect()
}

#[track_caller]
fn same(what: &str, found: &BTreeSet<Vec<String>>, truth: &BTreeSet<Vec<String>>) {
    let missing: Vec<_> = truth.difference(found).collect();
    let invented: Vec<_> = found.difference(truth).collect();
    assert!(missing.is_empty() && invented.is_empty(), "{what}: missing {missing:?}, invented {invented:?}");
    assert!(!truth.is_empty(), "{what}: the truth is empty");
}

/// As sets, both ways: what `dpkg-query -W` says is installed, what `pip list` says, and every `package.json` with a name and
/// a version directly under a `node_modules` folder; besides these only the application itself, by its own `package.json`.
/// Removed packages are in none of the truths, so a report that had one would have invented it.
pub(crate) fn packages_are_the_truth(image: &DemoImage, report: &Value) {
    let python = named(report, "pypi", |package| vec![text(package, "name"), text(package, "version")]);
    same("pypi", &python, &image.python());
    let mut npm = image.npm();
    npm.insert(APPLICATION.map(str::to_owned).into());
    same("npm", &named(report, "npm", |package| vec![text(package, "name"), text(package, "version")]), &npm);
    let own = of_type(report, "npm").find(|package| package["name"] == APPLICATION[0]).unwrap();
    assert_eq!(own["paths"], serde_json::json!(["srv/shop/package.json"]), "{own}");
    let debian = named(report, "deb", |package| {
        // dpkg's own rule: a package without a Source field is its own source.
        let (name, version) = (text(package, "name"), text(package, "version"));
        let source = &package["source"];
        let (source_name, source_version) =
            if source.is_null() { (name, version) } else { (text(source, "name"), text(source, "version")) };
        vec![name, version, text(package, "architecture"), source_name, source_version]
    });
    same("deb", &debian, &image.debian());
    let kinds: BTreeSet<&str> =
        report["packages"].as_array().unwrap().iter().map(|package| text(package, "type")).collect();
    assert_eq!(kinds, BTreeSet::from(["deb", "npm", "pypi"]), "packages of a kind that the image does not have");
}

fn layers_brought_their_packages(report: &Value) {
    let layers = report["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 5, "{layers:?}");
    let created_by = |layer: u64| text(&layers[usize::try_from(layer).unwrap()], "created_by");
    assert!(created_by(0).starts_with("mmdebstrap"), "{}", created_by(0));
    assert!(created_by(PYTHON_LAYER).starts_with("pip install"), "{}", created_by(PYTHON_LAYER));
    for package in of_type(report, "pypi") {
        let layer = if UPGRADED.contains(&text(package, "name")) { APPLICATION_LAYER } else { PYTHON_LAYER };
        assert_eq!(package["layer"], layer, "{package}");
    }
    for package in of_type(report, "npm") {
        assert_eq!(package["layer"], APPLICATION_LAYER, "{package}");
    }
    let debian: BTreeMap<&str, u64> =
        of_type(report, "deb").map(|package| (text(package, "name"), package["layer"].as_u64().unwrap())).collect();
    // The status file was written again by two upper layers; what it lists stays with the layer that brought it.
    assert_eq!((debian["base-files"], debian["dpkg"]), (0, 0));
    assert_eq!(
        (debian["openssl"], debian["ca-certificates"], debian["python3"]),
        (SYSTEM_LAYER, SYSTEM_LAYER, SYSTEM_LAYER)
    );
    assert!(debian.values().all(|layer| *layer <= SYSTEM_LAYER), "{debian:?}");
}

fn coverage_names_its_feeds(report: &Value) {
    assert_eq!(report["image"]["os"]["id"], "debian");
    assert_eq!(report["image"]["os"]["version"], "12");
    assert_eq!(report["scan"]["reasons"].as_array().unwrap().len(), 0, "{}", report["scan"]);
    let feeds = report["coverage"]["feeds"].as_array().unwrap();
    for ecosystem in ["Debian:12", "PyPI", "npm"] {
        let feed = feeds.iter().find(|feed| feed["ecosystem"] == ecosystem);
        let feed = feed.unwrap_or_else(|| panic!("no feed {ecosystem}: {}", report["coverage"]));
        assert!(feed["records"].as_u64().unwrap() > 0 && feed["as_of"].is_string(), "{feed}");
    }
    assert_eq!(report["coverage"]["missing_feeds"].as_array().unwrap().len(), 0, "{}", report["coverage"]);
}

/// Every record of the feed that lists a Python package's very version as affected is among the findings of that package.
fn findings_are_the_feed_s(image: &DemoImage, report: &Value, feeds: &Path) {
    let python = image.python();
    let packages = python.iter().map(|row| (row[0].as_str(), row[1].as_str()));
    let expected = expected_findings(&feeds.join("PyPI/all.zip"), packages);
    assert!(!expected["django"].is_empty(), "the feed has nothing for Django 3.2.12");
    let findings = report["vulnerabilities"].as_array().unwrap();
    for (package, ids) in expected {
        let purl = format!("pkg:pypi/{package}@");
        let known: BTreeSet<&str> = findings
            .iter()
            .filter(|finding| text(finding, "package").starts_with(&purl))
            .flat_map(|finding| {
                let lists = ["aliases", "advisories"].map(|key| finding[key].as_array().unwrap());
                lists.into_iter().flatten().chain([&finding["id"]]).map(|id| id.as_str().unwrap())
            })
            .collect();
        let missing: Vec<&String> = ids.iter().filter(|id| !known.contains(id.as_str())).collect();
        assert!(missing.is_empty(), "{package}: {missing:?} of {ids:?} not among {known:?}");
    }
    let purls: BTreeSet<&str> =
        report["packages"].as_array().unwrap().iter().map(|package| text(package, "purl")).collect();
    for finding in findings {
        assert!(purls.contains(text(finding, "package")), "a finding of a package that is not there: {finding}");
        assert!(!text(finding, "package").contains("tornado"), "a finding of a removed package: {finding}");
    }
}
