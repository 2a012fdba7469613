//! CycloneDX 1.6 as JSON: components, their vulnerabilities, and how complete either is.
//!
//! What the form has no word for stands in properties named `weir:…`; what is not known and what is wrong besides packages
//! stands in annotations of the image, for people, and in compositions, for programs.

mod analysis;
mod form;
mod vulnerability;

use std::collections::BTreeSet;

use weir_scanner::oci::{Algorithm, Digest};

use super::gap::{Gap, GapKind, gaps};
use super::{purl, word};
use crate::report::document::{OsPart, PackagePart, ResultDocument};

use form::{
    Annotation, Annotator, Bom, Component, Composition, Dependency, Evidence, Hash, Metadata, Occurrence, Property,
    Tools, Vulnerability,
};
use vulnerability::vulnerabilities;

/// What the image is called inside the document.
const IMAGE: &str = "image";
const SYSTEM: &str = "operating-system";

/// The document as CycloneDX.
pub(super) fn bom(document: &ResultDocument, now: i64) -> serde_json::Result<Bom<'_>> {
    let made_at = word::made_at(document, now);
    let gaps = gaps(document);
    let mut components: Vec<Component<'_>> = document.image.os.iter().map(system).collect();
    let names = word::distinct(document.packages.iter().map(|package| reference(&package.purl, package.layer)));
    let packages = document.packages.iter().zip(names);
    components.extend(packages.map(|(package, name)| component(document, package, name)));
    let vulnerabilities = document.vulnerabilities.as_deref().map(|found| vulnerabilities(document, found));
    Ok(Bom {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: format!("urn:uuid:{}", word::uuid(document)?),
        version: 1,
        metadata: Metadata {
            timestamp: made_at.clone(),
            tools: Tools { components: vec![weir()] },
            component: image(document),
            properties: facts(document),
        },
        dependencies: vec![Dependency {
            reference: IMAGE,
            depends_on: components.iter().map(|component| component.bom_ref.clone()).collect(),
        }],
        compositions: compositions(&gaps, vulnerabilities.as_deref()),
        annotations: annotations(document, &gaps, &made_at),
        components,
        vulnerabilities,
    })
}

/// What was decided about the image, with the parts it is about, and nothing else.
pub(super) fn vex(document: &ResultDocument, now: i64) -> serde_json::Result<Bom<'_>> {
    let mut bom = bom(document, now)?;
    let decided = |found: &Vulnerability<'_>| found.analysis.is_some();
    let vulnerabilities: Vec<_> = bom.vulnerabilities.unwrap_or_default().into_iter().filter(decided).collect();
    let affected: BTreeSet<&str> =
        vulnerabilities.iter().flat_map(|found| &found.affects).map(|affected| affected.reference.as_str()).collect();
    bom.components.retain(|component| affected.contains(component.bom_ref.as_str()));
    for dependency in &mut bom.dependencies {
        dependency.depends_on.retain(|name| affected.contains(name.as_str()));
    }
    // Neither list is all there is: nothing is said of how whole they are.
    bom.compositions = Vec::new();
    bom.annotations = Vec::new();
    bom.serial_number = format!("urn:uuid:{}", word::uuid_of(bom.serial_number.as_bytes()));
    bom.vulnerabilities = Some(vulnerabilities);
    Ok(bom)
}

fn weir() -> Component<'static> {
    Component {
        version: Some(env!("CARGO_PKG_VERSION").into()),
        ..Component::new("application", "weir", "weir".into())
    }
}

fn image(document: &ResultDocument) -> Component<'_> {
    let image = &document.image;
    let package_url = image.digest.as_ref().zip(image.reference.as_deref());
    let mut properties = Vec::new();
    properties.extend(image.platform.as_ref().map(|platform| Property::new("weir:platform", platform)));
    if let Some(base) = &image.base {
        properties.extend(base.name.as_ref().map(|name| Property::new("weir:base.name", name)));
        properties.extend(base.digest.map(|digest| Property::new("weir:base.digest", digest)));
        properties.extend(base.layers.map(|layers| Property::new("weir:base.layers", layers)));
    }
    for layer in &document.layers {
        properties.push(Property::new(format!("weir:layer:{}:digest", layer.index), layer.digest));
        let diff_id = |digest| Property::new(format!("weir:layer:{}:diff_id", layer.index), digest);
        properties.extend(layer.diff_id.map(diff_id));
    }
    Component {
        name: word::image(document).into(),
        version: image.digest.map(|digest| digest.to_string().into()),
        hashes: image.digest.iter().map(hash).collect(),
        purl: package_url
            .and_then(|(digest, reference)| purl::image(reference, digest, image.platform.as_deref()))
            .map(Into::into),
        properties,
        ..Component::new("container", "", IMAGE.into())
    }
}

fn hash(digest: &Digest) -> Hash {
    let algorithm = match digest.algorithm() {
        Algorithm::Sha256 => "SHA-256",
        Algorithm::Sha512 => "SHA-512",
    };
    Hash { alg: algorithm, content: digest.hex() }
}

/// How much was read, and what it was compared with.
fn facts(document: &ResultDocument) -> Vec<Property> {
    let coverage = &document.coverage;
    let known = if document.vulnerabilities.is_some() { "matched" } else { "unknown" };
    let mut facts = vec![
        Property::new("weir:scan.status", document.scan.status.name()),
        Property::new("weir:vulnerabilities", known),
    ];
    let reason = |reason: &weir_scanner::image::ImageReason| {
        let layer = reason.layer.map(|layer| format!("layer {layer}: ")).unwrap_or_default();
        Property::new("weir:scan.reason", format!("{layer}{}", reason.reason))
    };
    facts.extend(document.scan.reasons.iter().map(reason));
    facts.extend(document.scan.matched_at.iter().map(|at| Property::new("weir:scan.matched_at", at)));
    for feed in &coverage.feeds {
        let as_of = feed.as_of.as_deref().unwrap_or("no date");
        let stale = if feed.stale { ", stale" } else { "" };
        let value =
            format!("{}: {} records as of {as_of}, fetched {}{stale}", feed.ecosystem, feed.records, feed.fetched_at);
        facts.push(Property::new("weir:coverage.feed", value));
    }
    facts.extend(coverage.missing_feeds.iter().map(|name| Property::new("weir:coverage.missing_feed", name)));
    let uncovered = coverage.uncovered_packages.iter();
    facts.extend(uncovered.map(|count| Property::new("weir:coverage.uncovered_packages", count)));
    facts.push(Property::new("weir:coverage.end_of_life_table_date", &coverage.end_of_life_table_date));
    let runtimes = document.image.runtimes_end_of_life.iter();
    facts.extend(runtimes.map(|runtime| {
        let value = format!("{} {} since {} ({})", runtime.name, runtime.version, runtime.ended, runtime.package);
        Property::new("weir:runtime.end_of_life", value)
    }));
    facts
}

fn system(os: &OsPart) -> Component<'_> {
    let mut properties = vec![Property::new("weir:supported", os.supported)];
    properties.extend(os.end_of_life.map(|over| Property::new("weir:end_of_life", over)));
    Component {
        version: Some(os.version.as_str().into()),
        description: os.pretty_name.as_deref(),
        properties,
        ..Component::new("operating-system", &os.id, SYSTEM.into())
    }
}

/// What a package is called inside the document: one URL may come from several layers.
fn reference(package_url: &str, layer: u32) -> String {
    format!("layer-{layer}/{package_url}")
}

fn component<'a>(document: &ResultDocument, package: &'a PackagePart, bom_ref: String) -> Component<'a> {
    let (group, name) = purl::split_name(package.package_type, &package.name);
    let mut properties = vec![Property::new("weir:layer.index", package.layer)];
    if let Some(digest) = word::layer_digest(document, package.layer) {
        properties.push(Property::new("weir:layer.digest", digest));
    }
    if let Some(source) = &package.source {
        properties.push(Property::new("weir:source.name", &source.name));
        properties.push(Property::new("weir:source.version", &source.version));
    }
    properties.extend(package.owner.iter().map(|owner| Property::new("weir:owner", owner)));
    let occurrences = package.paths.iter().map(|path| Occurrence { location: path }).collect();
    Component {
        group,
        version: Some(package.version.as_str().into()),
        purl: Some(package.purl.as_str().into()),
        evidence: Some(Evidence { occurrences }),
        properties,
        ..Component::new("library", name, bom_ref)
    }
}

/// How complete the list of components is, and that of vulnerabilities.
fn compositions(gaps: &[Gap<'_>], vulnerabilities: Option<&[Vulnerability<'_>]>) -> Vec<Composition> {
    let aggregate = |complete: bool| if complete { "complete" } else { "incomplete" };
    let read = !gaps.iter().any(|gap| matches!(gap.kind, GapKind::Scan | GapKind::Unread));
    let found = vulnerabilities.unwrap_or_default().iter().map(|found| found.bom_ref.clone()).collect();
    vec![
        Composition { aggregate: aggregate(read), assemblies: Some([IMAGE]), vulnerabilities: None },
        // Any gap may hide a vulnerability: an old feed does too.
        Composition { aggregate: aggregate(gaps.is_empty()), assemblies: None, vulnerabilities: Some(found) },
    ]
}

fn annotations(document: &ResultDocument, gaps: &[Gap<'_>], made_at: &str) -> Vec<Annotation> {
    let gaps = gaps.iter().map(|gap| (format!("gap/{}", gap.kind.name()), gap.placed(document)));
    let risks = document.risks.iter().map(|risk| {
        (format!("risk/{}/{}", word::risk_kind(risk.kind), risk.rule), format!("Risk: {}", word::risk(document, risk)))
    });
    let annotation = |(number, (name, text)): (usize, (String, String))| Annotation {
        bom_ref: format!("annotation-{number}/{name}"),
        subjects: [IMAGE],
        annotator: Annotator { component: Component::new("application", "weir", format!("annotator-{number}")) },
        timestamp: made_at.to_owned(),
        text,
    };
    gaps.chain(risks).enumerate().map(annotation).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::report::format::sample;

    fn written(document: &ResultDocument) -> Value {
        serde_json::to_value(bom(document, sample::NOW).unwrap()).unwrap()
    }

    fn properties(of: &Value, name: &str) -> Vec<String> {
        let list = of["properties"].as_array().unwrap().iter();
        list.filter(|property| property["name"] == name)
            .map(|property| property["value"].as_str().unwrap().into())
            .collect()
    }

    #[test]
    fn components_carry_their_packages() {
        let bom = written(&sample::complete());
        let names: Vec<&str> =
            bom["components"].as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["debian", "libssl3", "lodash", "lodash"]);
        let openssl = &bom["components"][1];
        assert_eq!((&openssl["type"], &openssl["purl"]), (&json!("library"), &json!(sample::OPENSSL)));
        assert_eq!(openssl["evidence"]["occurrences"], json!([{"location": "var/lib/dpkg/status"}]));
        assert_eq!(properties(openssl, "weir:source.name"), ["openssl"]);
        assert_eq!(properties(openssl, "weir:layer.index"), ["0"]);
        assert_eq!(properties(&bom["components"][2], "weir:owner"), [sample::OPENSSL]);
        let image = &bom["metadata"]["component"];
        assert_eq!((&image["type"], &image["name"]), (&json!("container"), &json!("docker.io/team/app:1")));
        assert!(image["purl"].as_str().unwrap().starts_with("pkg:oci/app@sha256:"), "{image}");
        assert_eq!(properties(image, "weir:base.name"), ["docker.io/library/debian:12"]);
        assert_eq!(bom["metadata"]["timestamp"], "2026-01-02T10:00:00Z");
    }

    #[test]
    fn a_vulnerability_stands_once_with_all_it_hits() {
        let bom = written(&sample::complete());
        let found = bom["vulnerabilities"].as_array().unwrap();
        assert_eq!(found.len(), 2);
        let ratings = json!([
            {"severity": "high", "score": 7.5, "method": "CVSSv31", "vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"},
            {"severity": "medium", "score": 5.0, "method": "CVSSv31", "vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"},
        ]);
        assert_eq!((&found[0]["id"], &found[0]["ratings"]), (&json!("CVE-2023-0464"), &ratings));
        let affects = json!([
            {"ref": format!("layer-0/{}", sample::OPENSSL),
             "versions": [{"version": "3.0.11-1", "status": "affected"}, {"version": "3.0.11-2", "status": "unaffected"}]},
            {"ref": format!("layer-1/{}", sample::LODASH),
             "versions": [{"version": "4.17.11", "status": "affected"}, {"version": "4.17.12", "status": "unaffected"}]},
        ]);
        assert_eq!(found[0]["affects"], affects);
        assert_eq!(found[0]["advisories"][0]["title"], "DSA-5417-1");
        assert_eq!(properties(&found[0], "weir:known_exploited"), ["true"]);
        assert!(found[0].get("analysis").is_none(), "whether it is exploitable here is nobody's word yet");
        assert_eq!(found[1]["ratings"], json!([{"severity": "unknown"}]));
        assert!(found[1].get("recommendation").is_none());
    }

    #[test]
    fn decisions_stand_beside_what_they_are_about() {
        let document = sample::decided();
        let bom = written(&document);
        let found = bom["vulnerabilities"].as_array().unwrap();
        let states: Vec<_> =
            found.iter().map(|found| (found["bom-ref"].as_str().unwrap(), &found["analysis"]["state"])).collect();
        assert_eq!(
            states,
            [
                ("vulnerability/CVE-2023-0464/exception/7", &json!("not_affected")),
                ("vulnerability/CVE-2023-0464", &Value::Null),
                ("vulnerability/GHSA-0000-0000-0001/exception/8", &json!("exploitable")),
            ]
        );
        let analysis = json!({"state": "not_affected", "justification": "code_not_reachable", "detail": "never called",
                              "firstIssued": "2026-01-01T12:00:00Z"});
        assert_eq!(found[0]["analysis"], analysis);
        assert_eq!(found[0]["affects"][0]["versions"][0]["status"], "unaffected");
        assert_eq!(found[2]["analysis"]["response"], json!(["will_not_fix"]));

        let vex = serde_json::to_value(vex(&document, sample::NOW).unwrap()).unwrap();
        assert_eq!(
            (vex["vulnerabilities"].as_array().unwrap().len(), vex["components"].as_array().unwrap().len()),
            (2, 2)
        );
        assert_ne!(vex["serialNumber"], bom["serialNumber"]);
    }

    #[test]
    fn what_is_not_known_is_incomplete_and_said() {
        for (name, document) in sample::all() {
            let bom = written(&document);
            let (read, known) = match name {
                "partial" | "never_seen" => ("incomplete", "incomplete"),
                "unmatched" => ("complete", "incomplete"),
                _ => ("complete", "complete"),
            };
            assert_eq!(bom["compositions"][0]["aggregate"], read, "{name}");
            assert_eq!(bom["compositions"][1]["aggregate"], known, "{name}");
            assert_eq!(bom["vulnerabilities"].is_array(), document.vulnerabilities.is_some(), "{name}");
            assert_eq!(properties(&bom["metadata"], "weir:scan.status"), [document.scan.status.name()], "{name}");
        }
        let bom = written(&sample::partial());
        let texts: Vec<&str> =
            bom["annotations"].as_array().unwrap().iter().map(|note| note["text"].as_str().unwrap()).collect();
        assert_eq!(texts.len(), 9, "seven gaps and two risks: {texts:?}");
        assert_eq!(texts[0], "The image was read in part only.");
        assert!(texts[1].starts_with("opt/a b.jar, layer 1 (sha256:"), "{}", texts[1]);
        assert!(texts[7].starts_with("Risk: high secret private-key"), "{}", texts[7]);
        let reasons = properties(&bom["metadata"], "weir:scan.reason");
        assert_eq!(reasons[0], "layer 1: archive_limit: opt/a b.jar: a Java archive is nested too deep");
        assert_eq!(properties(&bom["metadata"], "weir:coverage.missing_feed"), ["npm"]);
        let runtime = "node 16.20.2 since 2023-09-12T00:00:00Z (pkg:generic/node@16.20.2)";
        assert_eq!(properties(&bom["metadata"], "weir:runtime.end_of_life"), [runtime]);
        assert_eq!(properties(&bom["metadata"], "weir:coverage.end_of_life_table_date"), ["2025-12-01T00:00:00Z"]);
        assert_eq!(properties(&written(&sample::unmatched())["metadata"], "weir:vulnerabilities"), ["unknown"]);
    }
}
