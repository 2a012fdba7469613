//! SPDX 3.0 as JSON: one graph of elements.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Bom, is_image};
use crate::detect::json::{Item, Items, Text, document};

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, default, rename = "@graph")]
    graph: Items<Element<'a>>,
}

/// An element of any type, with what counts of a package, a relationship and a bill's head.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Element<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    spdx_id: Text<'a>,
    #[serde(borrow, default, rename = "software_packageUrl")]
    package_url: Text<'a>,
    #[serde(borrow, default, rename = "software_packageVersion")]
    package_version: Text<'a>,
    #[serde(borrow, default, rename = "software_primaryPurpose")]
    purpose: Text<'a>,
    #[serde(borrow, default)]
    external_identifier: Items<Identifier<'a>>,
    #[serde(borrow, default)]
    from: Text<'a>,
    #[serde(borrow, default)]
    to: Items<Id<'a>>,
    #[serde(borrow, default)]
    relationship_type: Text<'a>,
    /// The part of the life cycle a relationship holds in.
    #[serde(borrow, default)]
    scope: Text<'a>,
    #[serde(borrow, default)]
    root_element: Items<Id<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identifier<'a> {
    #[serde(borrow, default)]
    external_identifier_type: Text<'a>,
    #[serde(borrow, default)]
    identifier: Text<'a>,
}

#[derive(Deserialize)]
struct Id<'a>(#[serde(borrow)] Text<'a>);

impl Item for Id<'_> {
    fn counts(&self) -> bool {
        self.0.get().is_some()
    }
}

impl Item for Identifier<'_> {
    fn counts(&self) -> bool {
        matches!(self.external_identifier_type.get(), Some("packageUrl" | "packageURL"))
            && self.identifier.get().is_some()
    }
}

impl Item for Element<'_> {
    fn counts(&self) -> bool {
        self.is_package() || !self.root_element.kept.is_empty() || self.is_generation() || self.is_of_making()
    }
}

impl Element<'_> {
    fn is_package(&self) -> bool {
        self.kind.get() == Some("software_Package")
    }

    /// Whether something was generated from something that is thus not itself installed.
    fn is_generation(&self) -> bool {
        self.relationship_type.get() == Some("generates") && self.from.get().is_some()
    }

    /// Whether something is needed for making another only.
    fn is_of_making(&self) -> bool {
        matches!(self.scope.get(), Some("build" | "development" | "test")) && !self.to.kept.is_empty()
    }
}

/// Reads a document; `None` where it is broken.
pub(super) fn read(bytes: &[u8]) -> Option<Bom<'_>> {
    let Document { graph } = document(bytes).ok()?;
    let (mut subjects, mut others) = (BTreeSet::new(), BTreeSet::new());
    for element in &graph.kept {
        subjects.extend(element.root_element.kept.iter().filter_map(|id| id.0.get()).map(str::to_owned));
        if element.is_generation() {
            others.extend(element.from.get().map(str::to_owned));
        }
        if element.is_of_making() {
            others.extend(element.to.kept.iter().filter_map(|id| id.0.get()).map(str::to_owned));
        }
    }
    let mut bom = Bom { complete: graph.complete, ..Bom::new() };
    for element in graph.kept.into_iter().filter(Element::is_package) {
        let id = element.spdx_id.get().unwrap_or_default();
        let (container, is_subject) = (element.purpose.get() == Some("container"), subjects.contains(id));
        let installed = !others.contains(id);
        let identified =
            element.external_identifier.kept.into_iter().next().and_then(|found| found.identifier.into_inner());
        let purl = element.package_url.into_inner().or(identified);
        bom.of_image |= is_subject && (container || purl.as_deref().is_some_and(is_image));
        if let Some(purl) = purl.filter(|_| installed) {
            bom.push(purl, element.package_version.into_inner());
        }
    }
    Some(bom)
}

#[cfg(test)]
mod tests {
    use super::super::tests::components;

    fn graph(purpose: &str) -> String {
        format!(
            r#"{{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[
            {{"type":"SpdxDocument","spdxId":"d","rootElement":["s"]}},{{"type":"software_Sbom","spdxId":"s","rootElement":["a"]}},
            {{"type":"software_Package","spdxId":"a","software_packageVersion":"1","software_primaryPurpose":"{purpose}","software_packageUrl":"pkg:gem/a@1"}},
            {{"type":"software_Package","spdxId":"b","externalIdentifier":[{{"externalIdentifierType":"packageUrl","identifier":"pkg:gem/b@1"}}]}},
            {{"type":"software_Package","spdxId":"c","software_packageUrl":"pkg:gem/c@1"}},
            {{"type":"software_Package","spdxId":"e","software_packageUrl":"pkg:gem/e@1"}},
            {{"type":"Relationship","from":"c","to":["a"],"relationshipType":"generates"}},
            {{"type":"LifecycleScopedRelationship","from":"a","to":["e"],"relationshipType":"dependsOn","scope":"build"}}]}}"#
        )
    }

    #[test]
    fn the_graphs_packages_count() {
        let found = vec!["pkg:gem/a@1".to_owned(), "pkg:gem/b@1".to_owned()];
        assert_eq!(components(graph("library").as_bytes()), Some((found.clone(), false)));
        assert_eq!(components(graph("container").as_bytes()), Some((found, true)));
    }
}
