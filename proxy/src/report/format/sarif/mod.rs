//! SARIF 2.1.0: a rule for each vulnerability and each risk, a result for each place, notifications for what is not known.
//!
//! A run over an image that was not read completely, or that lacks advisories, is not successful. Where vulnerabilities are
//! unknown, one result of kind `open` says so, since an empty list would say that there are none.

mod form;
mod rule;

use std::collections::BTreeMap;

use super::gap::{Gap, GapKind, gaps};
use super::{purl, word};
use crate::report::document::{PackagePart, ResultDocument, RiskPart, VulnerabilityPart};
use form::{
    Artifact, Automation, BaseId, Driver, Invocation, Level, Location, Log, LogicalLocation, Message, Notification,
    Physical, Region, ReportingReference, Result, ResultKind, ResultProperties, Rule, Run, RunProperties, Tool,
};

/// The form of fingerprints; it changes when what they are made of does.
const FINGERPRINT: &str = "weirFinding/v1";
/// The rule of the result that says that vulnerabilities are unknown.
const UNKNOWN: &str = GapKind::Unmatched.name();

/// The document as SARIF.
pub(super) fn log(document: &ResultDocument, now: i64) -> Log<'_> {
    let gaps = gaps(document);
    let rules = rule::rules(document);
    let numbers: BTreeMap<&str, usize> = rules.iter().enumerate().map(|(number, rule)| (&*rule.id, number)).collect();
    let packages: BTreeMap<(&str, u32), &PackagePart> =
        document.packages.iter().map(|package| ((package.purl.as_str(), package.layer), package)).collect();
    let unknown = gaps.iter().filter(|gap| gap.kind == GapKind::Unmatched);
    let mut results: Vec<Result<'_>> = unknown.map(|gap| open(document, gap)).collect();
    let findings = document.vulnerabilities.iter().flatten();
    results.extend(findings.map(|found| {
        let package = packages.get(&(found.package.as_str(), found.layer)).copied();
        finding(document, found, package)
    }));
    results.extend(document.risks.iter().map(|found| risk(document, found)));
    // A package that a lock file names in two versions is two findings.
    let marks = word::distinct(results.iter().map(|result| result.fingerprint().to_owned()));
    for (result, mark) in results.iter_mut().zip(marks) {
        result.rule_index = numbers.get(&*result.rule_id).copied();
        result.partial_fingerprints = BTreeMap::from([(FINGERPRINT, mark)]);
    }
    Log {
        schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            automation_details: Automation { id: format!("weir/{}/", word::image(document)) },
            invocations: [invocation(document, &gaps, now)],
            original_uri_base_ids: document.layers.iter().map(|layer| base(document, layer.index)).collect(),
            tool: Tool { driver: driver(rules) },
            results,
            column_kind: "unicodeCodePoints",
            properties: RunProperties { image: &document.image, scan: &document.scan, coverage: &document.coverage },
        }],
    }
}

fn driver(rules: Vec<Rule<'_>>) -> Driver<'_> {
    let notification = |kind: GapKind| Rule::new(kind.name(), kind.about(), gap_level(kind));
    Driver {
        name: "weir",
        semantic_version: env!("CARGO_PKG_VERSION"),
        rules,
        notifications: GapKind::ALL.map(notification).into(),
    }
}

/// What is not known, as notifications; with something that may hide vulnerabilities, the run has not succeeded.
fn invocation<'a>(document: &'a ResultDocument, gaps: &[Gap<'a>], now: i64) -> Invocation<'a> {
    let position = |kind: GapKind| GapKind::ALL.iter().position(|known| *known == kind);
    let notification = |gap: &Gap<'a>| Notification {
        descriptor: ReportingReference { id: gap.kind.name(), index: position(gap.kind) },
        level: gap_level(gap.kind),
        message: Message { text: gap.text.clone() },
        locations: gap.path.map(|path| location(document, gap.layer, path, None)).into_iter().collect(),
    };
    Invocation {
        execution_successful: !gaps.iter().any(|gap| gap.kind.hides()),
        end_time_utc: word::made_at(document, now),
        tool_execution_notifications: gaps.iter().map(notification).collect(),
    }
}

const fn gap_level(kind: GapKind) -> Level {
    if kind.hides() { Level::Error } else { Level::Warning }
}

fn base(document: &ResultDocument, index: u32) -> (String, BaseId) {
    let made_by =
        document.layers.iter().find(|layer| layer.index == index).and_then(|layer| layer.created_by.as_deref());
    let made_by = made_by.map(|command| format!(": {command}")).unwrap_or_default();
    (base_id(index), BaseId { description: Message { text: format!("{}{made_by}", word::layer(document, index)) } })
}

fn base_id(layer: u32) -> String {
    format!("LAYER{layer}")
}

/// The result that says that vulnerabilities are unknown.
fn open<'a>(document: &ResultDocument, gap: &Gap<'_>) -> Result<'a> {
    Result {
        kind: Some(ResultKind::Open),
        locations: vec![whole(document)],
        ..Result::new(UNKNOWN, Level::None, gap.text.clone(), word::fingerprint(&[UNKNOWN]))
    }
}

fn finding<'a>(
    document: &ResultDocument,
    found: &'a VulnerabilityPart,
    package: Option<&'a PackagePart>,
) -> Result<'a> {
    let (name, version) =
        package.map_or((found.package.as_str(), ""), |part| (part.name.as_str(), part.version.as_str()));
    let fixed = match &found.fixed_version {
        Some(version) => format!("fixed in {version}"),
        None => "no fixed version is known".into(),
    };
    let exploited = if found.known_exploited == Some(true) { " It is known to be exploited." } else { "" };
    let about = match found.summary.trim_end_matches('.') {
        "" => String::new(),
        summary => format!(" {}.", rule::title(summary)),
    };
    let text =
        format!("{name} {version} is affected by {} ({}; {fixed}).{exploited}{about}", found.id, found.severity.name());
    let paths = package.map(|part| part.paths.as_slice()).unwrap_or_default();
    let mut places: Vec<Location<'_>> =
        paths.iter().map(|path| location(document, Some(found.layer), path, None)).collect();
    if places.is_empty() {
        places.push(whole(document));
    }
    places[0].logical_locations = vec![LogicalLocation { name, fully_qualified_name: &found.package, kind: "package" }];
    let kind = package.map_or("", |part| part.package_type);
    let architecture = package.and_then(|part| part.architecture.as_deref()).unwrap_or_default();
    // Neither version nor layer: after an upgrade that does not help, it is the same finding still.
    let mut marks = vec![found.id.as_str(), kind, name, architecture];
    marks.extend(paths.iter().map(String::as_str));
    Result {
        locations: places,
        properties: Some(ResultProperties {
            severity: found.severity,
            package: Some(&found.package),
            installed_version: package.map(|part| part.version.as_str()),
            fixed_version: found.fixed_version.as_deref(),
            layer: Some(found.layer),
            known_exploited: found.known_exploited,
            epss: found.epss,
            first_seen: Some(&found.first_seen),
            visible: None,
        }),
        ..Result::new(found.id.as_str(), rule::level(found.severity), text, word::fingerprint(&marks))
    }
}

fn risk<'a>(document: &ResultDocument, found: &'a RiskPart) -> Result<'a> {
    let rule = rule::of_risk(found);
    let path = found.path.as_deref();
    let mark = word::fingerprint(&[&rule, path.unwrap_or_default(), &found.detail]);
    Result {
        locations: vec![path.map_or_else(|| whole(document), |path| location(document, found.layer, path, found.line))],
        properties: Some(ResultProperties {
            layer: found.layer,
            visible: Some(found.visible),
            ..ResultProperties::of(found.severity)
        }),
        ..Result::new(rule, rule::level(found.severity), rule::title(&word::risk(document, found)), mark)
    }
}

/// The image as a whole, as if it were a file.
fn whole<'a>(document: &ResultDocument) -> Location<'a> {
    location(document, None, &word::image(document), None)
}

/// A file of a layer. Without a line it is the first: services that show results refuse those that name none.
fn location<'a>(document: &ResultDocument, layer: Option<u32>, path: &str, line: Option<u32>) -> Location<'a> {
    let known = |index: &u32| document.layers.iter().any(|layer| layer.index == *index);
    Location {
        physical_location: Physical {
            artifact_location: Artifact { uri: purl::uri_path(path), uri_base_id: layer.filter(known).map(base_id) },
            region: Region { start_line: line.unwrap_or(1).max(1) },
        },
        logical_locations: Vec::new(),
        message: layer.map(|layer| Message { text: format!("{}: {path}", word::layer(document, layer)) }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::report::format::sample;

    fn written(document: &ResultDocument) -> Value {
        serde_json::to_value(log(document, sample::NOW)).unwrap()["runs"][0].clone()
    }

    fn list<'a>(run: &'a Value, at: &str) -> &'a Vec<Value> {
        run.pointer(at).and_then(Value::as_array).unwrap_or_else(|| panic!("no {at} in {run}"))
    }

    #[test]
    fn every_finding_and_risk_is_a_result_of_a_rule() {
        let run = written(&sample::complete());
        let ids: Vec<&str> = list(&run, "/tool/driver/rules").iter().map(|rule| rule["id"].as_str().unwrap()).collect();
        let expected = ["CVE-2023-0464", "GHSA-0000-0000-0001", "configuration/runs-as-root", "secret/private-key"];
        assert_eq!(ids, expected);
        let severity = |rule: usize| &run["tool"]["driver"]["rules"][rule]["properties"]["security-severity"];
        assert_eq!((severity(0), severity(1), severity(3)), (&json!("7.5"), &Value::Null, &json!("8.0")));
        let results = list(&run, "/results");
        let shown: Vec<(&str, &str)> =
            results.iter().map(|found| (found["ruleId"].as_str().unwrap(), found["level"].as_str().unwrap())).collect();
        let expected = [
            ("CVE-2023-0464", "error"),
            ("CVE-2023-0464", "warning"),
            ("GHSA-0000-0000-0001", "warning"),
            ("secret/private-key", "error"),
            ("configuration/runs-as-root", "warning"),
        ];
        assert_eq!(shown, expected);
        for found in results {
            assert_eq!(ids[usize::try_from(found["ruleIndex"].as_u64().unwrap()).unwrap()], found["ruleId"]);
        }
        assert_eq!(
            results[0]["message"]["text"],
            "libssl3 3.0.11-1 is affected by CVE-2023-0464 (high; fixed in 3.0.11-2). It is known to be exploited. \
             A flaw in openssl."
        );
        assert!(results[3]["message"]["text"].as_str().unwrap().starts_with("High secret private-key in root/.ssh"));
        assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    }

    #[test]
    fn a_place_is_a_path_in_a_layer() {
        let run = written(&sample::complete());
        let place = &run["results"][3]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"], json!({"uri": "root/.ssh/id_rsa", "uriBaseId": "LAYER1"}));
        assert_eq!(place["region"], json!({"startLine": 1}));
        let base = run["originalUriBaseIds"]["LAYER1"]["description"]["text"].as_str().unwrap();
        assert!(base.starts_with("layer 1 (sha256:") && base.ends_with("): RUN npm install"), "{base}");
        let logical = &run["results"][0]["locations"][0]["logicalLocations"][0];
        assert_eq!((&logical["name"], &logical["fullyQualifiedName"]), (&json!("libssl3"), &json!(sample::OPENSSL)));
        let whole = &run["results"][4]["locations"][0]["physicalLocation"]["artifactLocation"];
        assert_eq!(whole, &json!({"uri": "docker.io/team/app%3A1"}), "an image's configuration is in no layer");
        let partial = written(&sample::partial());
        let unread = &partial["invocations"][0]["toolExecutionNotifications"][1];
        assert_eq!(unread["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "opt/a%20b.jar");
    }

    #[test]
    fn fingerprints_outlive_an_upgrade_and_tell_findings_apart() {
        let marks = |document: &ResultDocument| -> Vec<String> {
            let run = written(document);
            list(&run, "/results").iter().map(|found| found["partialFingerprints"][FINGERPRINT].to_string()).collect()
        };
        let before = marks(&sample::complete());
        let mut upgraded = sample::complete();
        upgraded.packages[0].version = "3.0.11-2".into();
        assert_eq!(marks(&upgraded), before);
        let different: std::collections::BTreeSet<&String> = before.iter().collect();
        assert_eq!(different.len(), before.len());
    }

    #[test]
    fn what_is_not_known_is_notified_and_no_success() {
        for (name, document) in sample::all() {
            let run = written(&document);
            let success = matches!(name, "complete" | "clean" | "directory");
            assert_eq!(run["invocations"][0]["executionSuccessful"], success, "{name}");
            let open = list(&run, "/results").iter().filter(|found| found["kind"] == "open").count();
            assert_eq!(open, usize::from(document.vulnerabilities.is_none()), "{name}");
        }
        let run = written(&sample::partial());
        let told = list(&run, "/invocations/0/toolExecutionNotifications");
        let told: Vec<(&str, &str)> = told
            .iter()
            .map(|note| (note["descriptor"]["id"].as_str().unwrap(), note["level"].as_str().unwrap()))
            .collect();
        assert_eq!(told.len(), 7);
        assert_eq!((told[0], told[1]), (("scan-incomplete", "error"), ("unread", "warning")));
        assert_eq!((told[3], told[4]), (("missing-feed", "error"), ("stale-feed", "warning")));
        let run = written(&sample::unmatched());
        assert_eq!(run["results"][0]["level"], "none");
        assert_eq!(run["results"][0]["ruleId"], "not-matched");
    }
}
