//! SPDX 2.3 as JSON: the image, the packages it contains, and where to read about their vulnerabilities.
//!
//! SPDX has no word for "unknown": what was not read or not compared stands in the document's comment and in annotations of
//! the image, as do risks.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use weir_scanner::oci::{Algorithm, Digest};

use super::gap::{Gap, gaps};
use super::{purl, word};
use crate::report::document::{OsPart, PackagePart, ResultDocument, VulnerabilityPart};

/// SPDX's word for what a maker of a document does not say.
const NO_ASSERTION: &str = "NOASSERTION";
const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const IMAGE: &str = "SPDXRef-Image";
const SYSTEM: &str = "SPDXRef-OperatingSystem";
const TOOL: &str = concat!("Tool: weir-", env!("CARGO_PKG_VERSION"));

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'a> {
    #[serde(rename = "SPDXID")]
    id: &'static str,
    spdx_version: &'static str,
    data_license: &'static str,
    name: String,
    document_namespace: String,
    creation_info: CreationInfo,
    comment: String,
    packages: Vec<Package<'a>>,
    relationships: Vec<Relationship>,
}

#[derive(Debug, Serialize)]
struct CreationInfo {
    created: String,
    creators: [&'static str; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Package<'a> {
    #[serde(rename = "SPDXID")]
    id: String,
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_info: Option<Cow<'a, str>>,
    primary_package_purpose: &'static str,
    supplier: &'static str,
    download_location: &'static str,
    files_analyzed: bool,
    license_concluded: &'static str,
    license_declared: &'static str,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_info: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checksums: Vec<Checksum>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<ExternalRef>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<Annotation>,
}

impl<'a> Package<'a> {
    /// A package of which nothing but its name is known.
    fn new(id: String, name: impl Into<Cow<'a, str>>, purpose: &'static str) -> Self {
        Self {
            id,
            name: name.into(),
            version_info: None,
            primary_package_purpose: purpose,
            supplier: NO_ASSERTION,
            download_location: NO_ASSERTION,
            files_analyzed: false,
            license_concluded: NO_ASSERTION,
            license_declared: NO_ASSERTION,
            copyright_text: NO_ASSERTION,
            source_info: None,
            checksums: Vec::new(),
            external_refs: Vec::new(),
            annotations: Vec::new(),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: &'static str,
    checksum_value: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Annotation {
    annotation_date: String,
    annotation_type: &'static str,
    annotator: &'static str,
    comment: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: String,
    relationship_type: &'static str,
    related_spdx_element: String,
}

/// The document as SPDX.
pub(super) fn document(document: &ResultDocument, now: i64) -> serde_json::Result<Document<'_>> {
    let created = word::made_at(document, now);
    let gaps = gaps(document);
    let mut packages = vec![image(document, &gaps, &created)];
    packages.extend(document.image.os.iter().map(system));
    let found = findings(document.vulnerabilities.as_deref().unwrap_or_default());
    let ids = word::distinct(document.packages.iter().map(package_id));
    let parts = document.packages.iter().zip(&ids);
    packages.extend(parts.map(|(package, id)| self::package(document, package, id.clone(), &found)));
    Ok(Document {
        id: DOCUMENT,
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        name: word::image(document),
        document_namespace: format!("urn:uuid:{}", word::uuid(document)?),
        creation_info: CreationInfo { created, creators: [TOOL] },
        comment: comment(document, &gaps),
        relationships: relationships(document, &packages, &ids),
        packages,
    })
}

/// How much stands behind the document.
fn comment(document: &ResultDocument, gaps: &[Gap<'_>]) -> String {
    let feeds: Vec<&str> = document.coverage.feeds.iter().map(|feed| feed.ecosystem.as_str()).collect();
    let mut lines = vec![format!("Scan status: {}.", document.scan.status.name())];
    if document.vulnerabilities.is_some() {
        lines.push(format!("Packages were compared with the advisories of {}.", feeds.join(", ")));
    }
    lines.extend(gaps.iter().map(|gap| gap.placed(document)));
    lines.join("\n")
}

fn image<'a>(document: &'a ResultDocument, gaps: &[Gap<'_>], created: &str) -> Package<'a> {
    let image = &document.image;
    let named = image.digest.as_ref().zip(image.reference.as_deref());
    let url = named.and_then(|(digest, reference)| purl::image(reference, digest, image.platform.as_deref()));
    let notes = gaps.iter().map(|gap| gap.placed(document));
    let risks = document.risks.iter().map(|risk| format!("Risk: {}", word::risk(document, risk)));
    let annotation = |comment: String| Annotation {
        annotation_date: created.to_owned(),
        annotation_type: "OTHER",
        annotator: TOOL,
        comment,
    };
    Package {
        version_info: image.digest.map(|digest| digest.to_string().into()),
        source_info: layers(document),
        checksums: image.digest.iter().map(checksum).collect(),
        external_refs: url.map(purl_reference).into_iter().collect(),
        annotations: notes.chain(risks).map(annotation).collect(),
        ..Package::new(IMAGE.into(), word::image(document), "CONTAINER")
    }
}

fn checksum(digest: &Digest) -> Checksum {
    let algorithm = match digest.algorithm() {
        Algorithm::Sha256 => "SHA256",
        Algorithm::Sha512 => "SHA512",
    };
    Checksum { algorithm, checksum_value: digest.hex() }
}

fn layers(document: &ResultDocument) -> Option<String> {
    let platform = document.image.platform.iter().map(|platform| format!("platform {platform}"));
    let base = document.image.base.iter().map(|base| format!("built on {}", word::base(base)));
    let layers = document.layers.iter().map(|layer| word::layer(document, layer.index));
    let parts: Vec<String> = platform.chain(base).chain(layers).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn system(os: &OsPart) -> Package<'_> {
    Package {
        version_info: (!os.version.is_empty()).then(|| os.version.as_str().into()),
        source_info: os.pretty_name.clone(),
        ..Package::new(SYSTEM.into(), &os.id, "OPERATING-SYSTEM")
    }
}

/// What a package is called inside the document: readable, and one name for one URL and layer.
fn package_id(package: &PackagePart) -> String {
    let plain = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).take(64).collect()
    };
    let mark = word::fingerprint(&[&package.purl, &package.layer.to_string()]);
    format!("SPDXRef-Package-{}-{}-{}", package.package_type, plain(&package.name), &mark[..16])
}

type Findings<'a> = BTreeMap<(&'a str, u32), Vec<&'a VulnerabilityPart>>;

fn findings(found: &[VulnerabilityPart]) -> Findings<'_> {
    let mut findings = Findings::new();
    for finding in found {
        findings.entry((&finding.package, finding.layer)).or_default().push(finding);
    }
    findings
}

fn package<'a>(document: &ResultDocument, package: &'a PackagePart, id: String, found: &Findings<'_>) -> Package<'a> {
    let advisories = found.get(&(package.purl.as_str(), package.layer)).into_iter().flatten();
    let source = package.source.as_ref().map(|source| format!("; source package {} {}", source.name, source.version));
    Package {
        version_info: Some(package.version.as_str().into()),
        source_info: Some(format!(
            "{}: {}{}",
            word::layer(document, package.layer),
            package.paths.join(", "),
            source.unwrap_or_default()
        )),
        external_refs: [purl_reference(package.purl.clone())]
            .into_iter()
            .chain(advisories.map(|found| advisory(found)))
            .collect(),
        ..Package::new(id, &package.name, "LIBRARY")
    }
}

fn purl_reference(url: String) -> ExternalRef {
    let (category, kind) = ("PACKAGE-MANAGER", "purl");
    ExternalRef { reference_category: category, reference_type: kind, reference_locator: url, comment: None }
}

fn advisory(finding: &VulnerabilityPart) -> ExternalRef {
    let fixed = finding.fixed_version.as_ref().map(|version| format!(", fixed in {version}")).unwrap_or_default();
    ExternalRef {
        reference_category: "SECURITY",
        reference_type: "advisory",
        reference_locator: word::record_url(&finding.id),
        comment: Some(format!("{} ({}{fixed})", finding.id, finding.severity.name())),
    }
}

/// The document describes the image; the image contains its system and packages, a system package what is made of its files.
fn relationships(document: &ResultDocument, packages: &[Package<'_>], ids: &[String]) -> Vec<Relationship> {
    let relationship = |from: &str, kind: &'static str, to: &str| Relationship {
        spdx_element_id: from.to_owned(),
        relationship_type: kind,
        related_spdx_element: to.to_owned(),
    };
    let described = relationship(DOCUMENT, "DESCRIBES", IMAGE);
    let parts = packages.iter().filter(|package| package.id != IMAGE);
    let contained = parts.map(|package| relationship(IMAGE, "CONTAINS", &package.id));
    let parts = || document.packages.iter().zip(ids);
    let owners: BTreeMap<&str, &String> = parts().map(|(package, id)| (package.purl.as_str(), id)).collect();
    let owned = parts().filter_map(|(package, id)| {
        let owner = owners.get(package.owner.as_deref()?)?;
        Some(relationship(owner, "CONTAINS", id))
    });
    [described].into_iter().chain(contained).chain(owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::report::format::sample;

    fn written(of: &ResultDocument) -> Value {
        serde_json::to_value(document(of, sample::NOW).unwrap()).unwrap()
    }

    #[test]
    fn the_image_contains_its_packages() {
        let written = written(&sample::complete());
        let packages = written["packages"].as_array().unwrap();
        let names: Vec<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["docker.io/team/app:1", "debian", "libssl3", "lodash", "lodash"]);
        let ids: std::collections::BTreeSet<&str> =
            packages.iter().map(|package| package["SPDXID"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 5, "one URL in two layers is two packages");
        assert_eq!(packages[0]["checksums"][0]["checksumValue"], Digest::of(b"manifest").hex());
        let openssl = &packages[2];
        assert_eq!(openssl["externalRefs"][0]["referenceLocator"], sample::OPENSSL);
        assert_eq!(openssl["externalRefs"][1]["comment"], "CVE-2023-0464 (high, fixed in 3.0.11-2)");
        let source = openssl["sourceInfo"].as_str().unwrap();
        assert!(source.starts_with("layer 0 (sha256:"), "{source}");
        assert!(source.ends_with("): var/lib/dpkg/status; source package openssl 3.0.11-1"), "{source}");
        let related: Vec<(&Value, &Value)> = written["relationships"]
            .as_array()
            .unwrap()
            .iter()
            .map(|related| (&related["spdxElementId"], &related["relationshipType"]))
            .collect();
        assert_eq!(related.len(), 6);
        assert_eq!(related[0], (&json!(DOCUMENT), &json!("DESCRIBES")));
        assert_eq!(related[1], (&json!(IMAGE), &json!("CONTAINS")));
        assert_eq!(related[5], (&openssl["SPDXID"], &json!("CONTAINS")));
    }

    #[test]
    fn what_is_not_known_is_said() {
        for (name, of) in sample::all() {
            let written = written(&of);
            let comment = written["comment"].as_str().unwrap();
            assert!(comment.starts_with(&format!("Scan status: {}.", of.scan.status.name())), "{name}: {comment}");
            let unknown = comment.contains("Vulnerabilities are unknown");
            assert_eq!(unknown, of.vulnerabilities.is_none(), "{name}: {comment}");
            assert_eq!(comment.contains("were compared with the advisories of"), !unknown, "{name}: {comment}");
        }
        let partial = written(&sample::partial());
        assert_eq!(partial["packages"][0]["annotations"].as_array().unwrap().len(), 9, "seven gaps and two risks");
        assert!(partial["comment"].as_str().unwrap().contains("No advisories are at hand for npm"));
    }
}
