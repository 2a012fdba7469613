//! OpenVEX 0.2.0: what was decided about the findings of one image.
//!
//! Findings that nobody decided about are not in it: weir says what matches, and people say what that means.

use std::collections::BTreeMap;

use super::purl;
use crate::report::document::{ExceptionPart, ResultDocument, VulnerabilityPart};
use crate::report::exceptions::{Component, Document, Statement, Vulnerability, Words, document_of};

/// The document; `None` where nothing was decided.
pub(super) fn document(document: &ResultDocument) -> Option<Document> {
    let product = product(document)?;
    let mut order: Vec<(&str, &str)> = Vec::new();
    let mut groups: BTreeMap<(&str, &str), (&ExceptionPart, Vec<&VulnerabilityPart>)> = BTreeMap::new();
    for finding in document.vulnerabilities.iter().flatten() {
        let Some(exception) = &finding.exception else { continue };
        let key = (finding.id.as_str(), exception.id.as_str());
        let (_, group) = groups.entry(key).or_insert_with(|| {
            order.push(key);
            (exception, Vec::new())
        });
        group.push(finding);
    }
    let statements = order.iter().map(|key| {
        let (exception, findings) = &groups[key];
        statement(&product, exception, findings)
    });
    document_of(statements.collect(), 0)
}

/// The image as a product; `None` for what has no digest.
fn product(document: &ResultDocument) -> Option<String> {
    let image = &document.image;
    let digest = image.digest.as_ref()?;
    let url = image.reference.as_deref().and_then(|name| purl::image(name, digest, image.platform.as_deref()));
    Some(url.unwrap_or_else(|| format!("pkg:oci/image@{digest}")))
}

fn statement(product: &str, exception: &ExceptionPart, findings: &[&VulnerabilityPart]) -> Statement {
    let justification = exception.justification.map(|word| word.name());
    let (status, words) = Words::of(exception.kind, justification, &exception.reason);
    let mut packages: Vec<&str> = findings.iter().map(|finding| finding.package.as_str()).collect();
    packages.sort_unstable();
    packages.dedup();
    let mut aliases: Vec<String> = findings.iter().flat_map(|finding| finding.aliases.iter().cloned()).collect();
    aliases.sort_unstable();
    aliases.dedup();
    let subcomponents = packages.into_iter().map(|package| Component::new(package.to_owned())).collect();
    let name = findings.first().map(|finding| finding.id.clone()).unwrap_or_default();
    Statement {
        vulnerability: Vulnerability { name, aliases },
        timestamp: exception.at.clone(),
        products: vec![Component { id: product.to_owned(), subcomponents }],
        status,
        status_notes: words.status_notes,
        justification: words.justification,
        impact_statement: words.impact_statement,
        action_statement: words.action_statement,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::report::format::sample;

    #[test]
    fn every_decision_is_a_statement_about_the_image_and_its_packages() {
        let written = serde_json::to_value(document(&sample::decided())).unwrap();
        assert_eq!((&written["@context"], &written["version"]), (&json!("https://openvex.dev/ns/v0.2.0"), &json!(1)));
        let statements = written["statements"].as_array().unwrap();
        assert_eq!(statements.len(), 2);
        assert_eq!(statements[0]["vulnerability"], json!({"name": "CVE-2023-0464", "aliases": ["DSA-5417-1"]}));
        let product = &statements[0]["products"][0];
        assert!(product["@id"].as_str().unwrap().starts_with("pkg:oci/app@sha256:"), "{product}");
        assert_eq!(product["subcomponents"], json!([{"@id": sample::OPENSSL}]));
        let said = |at: usize, member: &str| statements[at][member].as_str().unwrap_or("none");
        assert_eq!((said(0, "status"), said(0, "impact_statement")), ("not_affected", "never called"));
        assert_eq!(said(0, "justification"), "vulnerable_code_not_in_execute_path");
        assert_eq!((said(1, "status"), said(1, "action_statement")), ("affected", "will not fix: end of life"));
    }

    #[test]
    fn without_a_decision_there_is_no_document() {
        for (name, other) in sample::all() {
            assert_eq!(document(&other), None, "{name}");
        }
    }
}
