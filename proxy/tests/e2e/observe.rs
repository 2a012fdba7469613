//! What `deploy/observe` and `docs/metrics.md` say, against a real weir that a real Prometheus scrapes: every query of every dashboard has
//! an answer, every rule is evaluated, one of them fires, every link leads to a page, and nothing is shown that the page does not have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use weir_scanner::fixture::{BuiltImage, ImageBuilder, LayerBuilder};
use weir_storage::index::{ClusterObject, PodRecord};

use crate::api_server::{Behaviour, node, pod, runs};
use crate::support::{
    Kubernetes, Prometheus, Registry, Weir, checkout, eventually, free_port, get, layout_of, machine, run, tool,
    write_feed,
};

const REPOSITORY: &str = "docker.io/library/shop";
/// Known to be exploited, and published while everything runs.
const LATER: &str = "CVE-2026-0001";
/// What a reader of a dashboard has chosen.
const CHOSEN: [(&str, &str); 9] = [
    ("${console}", ""),
    ("${cluster:customqueryparam:cluster}", "cluster=prod"),
    ("${namespace:customqueryparam:namespace}", "namespace=shop"),
    ("${__field.labels.cluster}", "prod"),
    ("${__field.labels.namespace}", "shop"),
    ("${__field.labels.severity}", "high"),
    ("${__field.labels.scan_status}", "complete"),
    ("$__rate_interval", "5m"),
    ("$upstream", "docker.io"),
];

/// A file of `deploy/observe/dashboards`.
struct Dashboard {
    name: String,
    text: String,
    document: Value,
}

impl Dashboard {
    fn all() -> Vec<Self> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(checkout().join("deploy/observe/dashboards"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        let read = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).unwrap();
            let document = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            Self { name: path.file_name().unwrap().to_string_lossy().into_owned(), text, document }
        };
        files.iter().map(read).collect()
    }

    /// Its panels without the headings of rows.
    fn panels(&self) -> impl Iterator<Item = &Value> {
        self.document["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
    }

    fn variables(&self) -> impl Iterator<Item = &Value> {
        self.document["templating"]["list"].as_array().unwrap().iter()
    }
}

/// The expressions of a panel.
fn expressions(panel: &Value) -> impl Iterator<Item = &str> {
    panel["targets"].as_array().unwrap().iter().map(|target| target["expr"].as_str().unwrap())
}

fn chosen(text: &str) -> String {
    let text = CHOSEN.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("$cluster", "prod").replace("$namespace", "shop")
}

/// The names of `docs/metrics.md` with the values that their labels have, where there are no others.
fn documented() -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let page = std::fs::read_to_string(checkout().join("docs/metrics.md")).unwrap();
    let ticked = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let read = |row: &str| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let closed = cells[3].split("; ").filter(|label| label.contains("` = `")).map(|label| {
            let mut names = ticked(label).into_iter();
            (names.next().unwrap(), names.collect())
        });
        (ticked(cells[0]).remove(0), closed.collect())
    };
    rows.map(read).collect()
}

/// The metrics an expression names; what rules record has a colon in its name.
fn metrics(expression: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let names = expression.split(|c: char| !is_part(c)).filter(|name| !name.contains(':'));
    let own = names.filter(|name| name.starts_with("weir_") || name.starts_with("process_"));
    own.map(|name| without_ending(name).to_owned()).collect()
}

/// A histogram's name of one of its series'.
fn without_ending(name: &str) -> &str {
    let endings = ["_bucket", "_sum", "_count"];
    endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

#[test]
fn dashboards_are_whole() {
    let (known, mut uids) = (documented(), BTreeSet::new());
    let dashboards = Dashboard::all();
    assert_eq!(dashboards.len(), 3);
    for dashboard in &dashboards {
        let name = &dashboard.name;
        assert!(uids.insert(dashboard.document["uid"].as_str().unwrap().to_owned()), "{name}: its uid is another's");
        let variables: BTreeSet<&str> = dashboard.variables().map(|it| it["name"].as_str().unwrap()).collect();
        // `$name`, `${name}` and `${name:form}`, but for what Grafana brings itself.
        for used in dashboard.text.split('$').skip(1) {
            let used = used.trim_start_matches('{');
            let used = used.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap();
            assert!(used.starts_with("__") || variables.contains(used), "{name}: ${used} is not defined");
        }
        let mut ids = BTreeSet::new();
        for panel in dashboard.panels() {
            let title = panel["title"].as_str().unwrap_or_default();
            assert!(!title.is_empty() && ids.insert(panel["id"].as_u64().unwrap()), "{name}: {panel}");
            assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{name}: {title}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{name}: {title}");
            for expression in expressions(panel) {
                let missing: Vec<_> = metrics(expression).into_iter().filter(|it| !known.contains_key(it)).collect();
                assert!(missing.is_empty(), "{name}: {title}: docs/metrics.md has no {missing:?}");
            }
        }
    }
}

/// An image with an old package; `seed` makes it no other's.
fn image(seed: &str) -> BuiltImage {
    let layer = LayerBuilder::new()
        .file("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n")
        .file(
            "var/lib/dpkg/status",
            "Package: openssl\nStatus: install ok installed\nVersion: 3.0.1\nArchitecture: amd64\n\n",
        )
        .file("seed", seed)
        .gzip();
    ImageBuilder::new().layer(layer).build()
}

fn advisory(cve: &str) -> Value {
    json!({
        "schema_version": "1.6.0", "id": format!("DEBIAN-{cve}"), "upstream": [cve], "modified": "2026-01-01T00:00:00Z",
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
        "affected": [{"package": {"ecosystem": "Debian:12", "name": "openssl"},
                      "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.0.2"}]}]}],
    })
}

/// A weir that mirrored an image which runs in its cluster, with one finding.
struct World {
    weir: Weir,
    osv: PathBuf,
    directory: PathBuf,
    registry: Registry,
    cluster: Kubernetes,
}

impl World {
    fn start(directory: &Path) -> Self {
        let (osv, kev) = (directory.join("osv"), directory.join("kev.json"));
        write_feed(&osv, "Debian", [advisory("CVE-2026-0002")]);
        let listed = json!({"dateReleased": "2026-01-01T00:00:00Z", "vulnerabilities": [
            {"cveID": LATER, "dateAdded": "2026-01-01", "dueDate": "2026-02-01", "vulnerabilityName": "n"}]});
        std::fs::write(&kev, listed.to_string()).unwrap();
        let (registry, image) = (Registry::start(directory), image("running"));
        let cluster = Kubernetes::start(directory, "prod", Behaviour::default());
        let (url, closed) = (registry.url(), format!("http://127.0.0.1:{}/", free_port()));
        let weir = Weir::start(
            directory,
            &[
                ("UPSTREAM__0__NAME", "docker.io"),
                ("UPSTREAM__0__URL", &url),
                ("ADVISORY__SOURCE", osv.to_str().unwrap()),
                ("ADVISORY__KEV", kev.to_str().unwrap()),
                ("CLUSTER__NAME", "prod"),
                ("CLUSTER__KUBERNETES", cluster.kubeconfig.to_str().unwrap()),
                ("WEBHOOK__0__NAME", "ops"),
                ("WEBHOOK__0__URL", &closed),
            ],
        );
        let world = Self { weir, osv, directory: directory.to_owned(), registry, cluster };
        world.pull(&image, "1");
        let id = format!("{REPOSITORY}@{}", image.manifest_digest);
        let shop = PodRecord { namespace: "shop".to_owned(), ..pod("web", "worker", vec![runs("app", "shop:1", &id)]) };
        world.cluster.put([node("worker", Some("amd64")), ClusterObject::Pod(shop)]);
        world.weir.until("resources?cluster=prod", 60, |items| {
            items.iter().any(|item| item["findings"]["critical"] == 1).then_some(())
        });
        world
    }

    /// Publishes an image, pulls it through weir, and waits until it was read.
    fn pull(&self, image: &BuiltImage, tag: &str) {
        let at = |name: &str| self.directory.join(format!("{name}-{tag}"));
        self.registry.push(&layout_of(&at("layout"), image), &format!("library/shop:{tag}"));
        let mut copy = Command::new(tool("skopeo"));
        copy.args(["--insecure-policy", "copy", "--quiet", "--preserve-digests", "--src-tls-verify=false"]);
        copy.arg(format!("docker://{}/{REPOSITORY}:{tag}", self.weir.mirror));
        run(copy.arg(format!("oci:{}:{tag}", at("copy").display())));
        let digest = image.manifest_digest.to_string();
        self.weir.until("images?scan_status=complete", 60, |items| {
            items.iter().any(|item| item["digest"] == digest.as_str()).then_some(())
        });
    }

    /// A second advisory is published.
    fn publish(&self) {
        write_feed(&self.osv, "Debian", [advisory("CVE-2026-0002"), advisory(LATER)]);
        run(Weir::command(&[]).args(["advisories", "refresh", "--data"]).arg(&self.weir.data));
    }
}

/// The rules with every wait shortened: what they wait for is `promtool test rules`'s to prove.
fn impatient(directory: &Path) -> PathBuf {
    let text = std::fs::read_to_string(checkout().join("deploy/observe/rules/weir.yaml")).unwrap();
    let waits = |line: &str| line.trim_start().starts_with("for: ");
    let lines = text.lines().map(|line| if waits(line) { "        for: 1s" } else { line });
    let rules = directory.join("rules.yaml");
    std::fs::write(&rules, lines.collect::<Vec<_>>().join("\n")).unwrap();
    rules
}

#[test]
fn everything_that_is_asked_of_prometheus_has_an_answer() {
    let _machine = machine();
    let directory = tempfile::tempdir().unwrap();
    let world = World::start(directory.path());
    let report = world.weir.report;
    let mut prometheus = Prometheus::start_with_rules(directory.path(), report, &impatient(directory.path()));
    // What is counted from here on is a rate; what was counted before is where it begins.
    prometheus.expect("weir_build_info", 1.0);
    world.pull(&image("pulled while watched"), "2");
    prometheus.expect("sum(increase(weir_layer_scans_total[5m])) > bool 0", 1.0);
    prometheus.expect("cluster:weir_running_known_exploited_findings:sum{cluster=\"prod\"}", 0.0);

    let mut links: BTreeSet<String> = BTreeSet::new();
    for dashboard in Dashboard::all() {
        for variable in dashboard.variables().filter(|variable| variable["type"] == "query") {
            let query = chosen(variable["query"]["query"].as_str().unwrap());
            let (of, label) =
                query.strip_prefix("label_values(").unwrap().trim_end_matches(')').rsplit_once(", ").unwrap();
            let found = prometheus.samples(&format!("count by ({label}) ({of})"));
            assert!(!found.is_empty(), "{}: {query} is empty", dashboard.name);
        }
        for panel in dashboard.panels() {
            for expression in expressions(panel) {
                let found = prometheus.samples(&chosen(expression));
                // A number that is none is what a share of nothing gives: nobody would see it.
                let numbers = found.iter().filter(|sample| sample["value"][1] != "NaN").count();
                assert!(numbers > 0, "{}: {}: {expression} has no answer", dashboard.name, panel["title"]);
            }
            let own = panel["fieldConfig"]["defaults"]["links"].as_array().into_iter().flatten();
            links.extend(own.map(|link| chosen(link["url"].as_str().unwrap())));
        }
    }

    world.publish();
    let firing = "ALERTS{alertname=\"WeirKnownExploitedFindingNew\",alertstate=\"firing\",cluster=\"prod\"}";
    prometheus.expect(firing, 1.0);
    let rules = prometheus.rules();
    let unwell: Vec<_> = rules.iter().filter(|rule| rule["health"] != "ok").collect();
    assert!(unwell.is_empty(), "{}", json!(unwell));
    rules_are_documented(&rules);
    let fired = rules.iter().flat_map(|rule| rule["alerts"].as_array().into_iter().flatten());
    let fired: Vec<_> = fired.filter(|alert| alert["labels"]["alertname"] == "WeirKnownExploitedFindingNew").collect();
    assert_eq!(fired[0]["annotations"]["summary"], "1 new known exploited findings run in prod");
    links.extend(
        rules
            .iter()
            .filter_map(|rule| rule["annotations"]["console_url"].as_str())
            .map(|link| link.replace("{{ $labels.cluster | urlquery }}", "prod")),
    );
    for link in &links {
        // Its page, and not the way to another.
        assert_eq!(get(report, link).unwrap().status, 200, "{link}");
    }
    shows_what_is_documented(&get(report, "/metrics").unwrap().text());
}

/// Each alert has a page, each page an alert; what rules ask for is in the table.
fn rules_are_documented(rules: &[Value]) {
    let known = documented();
    for rule in rules {
        let asked = metrics(rule["query"].as_str().unwrap()).into_iter();
        let missing: Vec<_> = asked.filter(|name| !known.contains_key(name)).collect();
        assert!(missing.is_empty(), "{}: docs/metrics.md has no {missing:?}", rule["name"]);
    }
    let mut alerts = BTreeSet::new();
    for rule in rules.iter().filter(|rule| rule["type"] == "alerting") {
        let (name, annotations) = (rule["name"].as_str().unwrap(), &rule["annotations"]);
        assert_eq!(annotations["runbook_url"], format!("docs/runbooks/{name}.md"));
        assert!(annotations["summary"].is_string() && annotations["description"].is_string(), "{name}");
        assert!(["critical", "warning", "info"].contains(&rule["labels"]["severity"].as_str().unwrap()), "{name}");
        alerts.insert(format!("{name}.md"));
    }
    let pages: BTreeSet<String> = std::fs::read_dir(checkout().join("docs/runbooks"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    assert_eq!(pages, alerts);
    let list = std::fs::read_to_string(checkout().join("docs/runbooks/README.md")).unwrap();
    for alert in &alerts {
        assert!(list.contains(&format!("]({alert})")), "docs/runbooks/README.md does not lead to {alert}");
    }
}

fn shows_what_is_documented(page: &str) {
    let known = documented();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (name, labels) = line.split_once(['{', ' ']).unwrap();
        let metric = known.get(name).or_else(|| known.get(without_ending(name)));
        let closed = metric.unwrap_or_else(|| panic!("docs/metrics.md has no {name}: write it anew"));
        for (label, values) in closed {
            let value = labels.split_once(&format!("{label}=\"")).unwrap().1.split('"').next().unwrap();
            assert!(
                values.contains(value),
                "docs/metrics.md does not have {value} among the values of {name}'s {label}"
            );
        }
    }
    // A page that is cut short would have nothing to complain of.
    eventually("the page has what runs", 1, || page.contains("weir_running_findings{").then_some(()));
}
