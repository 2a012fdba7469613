//! SPDX 2.2 and 2.3 as JSON.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Bom, is_image};
use crate::detect::json::{Item, Items, Text, document};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(borrow, default)]
    packages: Items<SpdxPackage<'a>>,
    #[serde(borrow, default)]
    relationships: Items<Relationship<'a>>,
    /// The older word for the relationship `DESCRIBES`.
    #[serde(borrow, default)]
    document_describes: Items<Id<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpdxPackage<'a> {
    #[serde(borrow, default, rename = "SPDXID")]
    id: Text<'a>,
    #[serde(borrow, default)]
    version_info: Text<'a>,
    #[serde(borrow, default)]
    primary_package_purpose: Text<'a>,
    #[serde(borrow, default)]
    external_refs: Items<ExternalRef<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef<'a> {
    #[serde(borrow, default)]
    reference_type: Text<'a>,
    #[serde(borrow, default)]
    reference_locator: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Relationship<'a> {
    #[serde(borrow, default)]
    spdx_element_id: Text<'a>,
    #[serde(borrow, default)]
    relationship_type: Text<'a>,
    #[serde(borrow, default)]
    related_spdx_element: Text<'a>,
}

#[derive(Deserialize)]
struct Id<'a>(#[serde(borrow)] Text<'a>);

impl Item for SpdxPackage<'_> {
    fn counts(&self) -> bool {
        !self.external_refs.kept.is_empty() || self.primary_package_purpose.get() == Some("CONTAINER")
    }
}

impl Item for ExternalRef<'_> {
    fn counts(&self) -> bool {
        self.reference_type.get() == Some("purl") && self.reference_locator.get().is_some()
    }
}

impl Item for Relationship<'_> {
    fn counts(&self) -> bool {
        self.relation() != Relation::Other
    }
}

impl Item for Id<'_> {
    fn counts(&self) -> bool {
        self.0.get().is_some()
    }
}

impl Relationship<'_> {
    fn relation(&self) -> Relation<'_> {
        let [from, word, to] = [&self.spdx_element_id, &self.relationship_type, &self.related_spdx_element]
            .map(|text| text.get().unwrap_or_default());
        relation(from, word, to)
    }
}

/// What a relationship of SPDX 2 says of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation<'a> {
    /// It is what the document is about.
    Subject(&'a str),
    /// It was used to make another and is not part of it.
    NotInstalled(&'a str),
    /// Nothing that counts here.
    Other,
}

/// `FROM WORD TO`, after SPDX 2.3, clause 11.
pub(super) fn relation<'a>(from: &'a str, word: &str, to: &'a str) -> Relation<'a> {
    match word {
        "DESCRIBES" => Relation::Subject(to),
        "DESCRIBED_BY" => Relation::Subject(from),
        "GENERATED_FROM" => Relation::NotInstalled(to),
        "GENERATES"
        | "BUILD_DEPENDENCY_OF"
        | "BUILD_TOOL_OF"
        | "DEV_DEPENDENCY_OF"
        | "DEV_TOOL_OF"
        | "TEST_DEPENDENCY_OF"
        | "TEST_TOOL_OF"
        | "TEST_OF"
        | "TEST_CASE_OF"
        | "EXAMPLE_OF"
        | "DOCUMENTATION_OF" => Relation::NotInstalled(from),
        _ => Relation::Other,
    }
}

/// One package of SPDX 2, in any form.
#[derive(Debug, Default)]
pub(super) struct Stated<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) version: Option<Cow<'a, str>>,
    pub(super) purls: Vec<Cow<'a, str>>,
    pub(super) is_container: bool,
}

/// The bill of some packages and the relationships between them.
pub(super) fn bill<'a>(packages: Vec<Stated<'a>>, relations: &[Relation<'_>], complete: bool) -> Bom<'a> {
    let (mut subjects, mut others) = (BTreeSet::new(), BTreeSet::new());
    for relation in relations {
        match relation {
            Relation::Subject(id) => drop(subjects.insert(*id)),
            Relation::NotInstalled(id) => drop(others.insert(*id)),
            Relation::Other => {}
        }
    }
    let mut bom = Bom { complete, ..Bom::new() };
    for package in packages {
        let container = package.is_container || package.purls.iter().any(|purl| is_image(purl));
        bom.of_image |= container && subjects.contains(&*package.id);
        if !others.contains(&*package.id) {
            package.purls.into_iter().for_each(|purl| bom.push(purl, package.version.clone()));
        }
    }
    bom
}

/// Reads a document; `None` where it is broken.
pub(super) fn read(bytes: &[u8]) -> Option<Bom<'_>> {
    let document: Document<'_> = document(bytes).ok()?;
    let described = document.document_describes.kept.iter().filter_map(|id| id.0.get()).map(Relation::Subject);
    let relations: Vec<_> = document.relationships.kept.iter().map(Relationship::relation).chain(described).collect();
    let complete =
        document.packages.complete && document.relationships.complete && document.document_describes.complete;
    let packages = document.packages.kept.into_iter().map(|package| Stated {
        is_container: package.primary_package_purpose.get() == Some("CONTAINER"),
        id: package.id.into_inner().unwrap_or_default(),
        version: package.version_info.into_inner().filter(|version| version != "NOASSERTION" && version != "NONE"),
        purls: package
            .external_refs
            .kept
            .into_iter()
            .filter_map(|found| found.reference_locator.into_inner())
            .collect(),
    });
    Some(bill(packages.collect(), &relations, complete))
}

#[cfg(test)]
mod tests {
    use super::super::tests::components;

    fn package(id: &str, purl: &str, more: &str) -> String {
        format!(
            r#"{{"SPDXID":"SPDXRef-{id}","name":"{id}","versionInfo":"1"{more},"externalRefs":[{{"referenceCategory":"PACKAGE_MANAGER","referenceLocator":"{purl}","referenceType":"purl"}},
            {{"referenceCategory":"SECURITY","referenceLocator":"cpe:2.3:a","referenceType":"cpe23Type"}}]}}"#
        )
    }

    fn related(from: &str, word: &str, to: &str) -> String {
        format!(
            r#"{{"spdxElementId":"SPDXRef-{from}","relationshipType":"{word}","relatedSpdxElement":"SPDXRef-{to}"}}"#
        )
    }

    #[test]
    fn packages_count_unless_others_were_made_from_them() {
        // As apko and melange write it beside Wolfi's packages.
        let text = format!(
            r#"{{"SPDXID":"SPDXRef-DOCUMENT","spdxVersion":"SPDX-2.3","files":[{{"SPDXID":"f"}}],"packages":[{},{},{},{{"SPDXID":"x","name":"no purl"}}],"relationships":[{},{},{},{}]}}"#,
            package("curl", "pkg:apk/wolfi/curl@8.1.2-r0?arch=x86_64", ""),
            package("source", "pkg:generic/curl@8.1.2", ""),
            package("cmake", "pkg:apk/wolfi/cmake@3", ""),
            related("DOCUMENT", "DESCRIBES", "curl"),
            related("curl", "GENERATED_FROM", "source"),
            related("cmake", "BUILD_TOOL_OF", "curl"),
            related("curl", "DEPENDS_ON", "x"),
        );
        assert_eq!(components(text.as_bytes()), Some((vec!["pkg:apk/wolfi/curl@8.1.2-r0?arch=x86_64".into()], false)));
    }

    #[test]
    fn a_bill_about_an_image_is_known() {
        let image = |more: &str, tail: &str| {
            let packages = [package("i", "pkg:gem/a@1", more), package("o", "pkg:oci/debian@sha256:1", "")].join(",");
            components(format!(r#"{{"spdxVersion":"SPDX-2.2","packages":[{packages}]{tail}}}"#).as_bytes()).unwrap().1
        };
        let container = r#","primaryPackagePurpose":"CONTAINER""#;
        assert!(!image("", "") && !image(container, "") && !image("", r#","documentDescribes":["SPDXRef-i"]"#));
        assert!(image(container, r#","documentDescribes":["SPDXRef-i"]"#));
        assert!(image("", &format!(r#","relationships":[{}]"#, related("DOCUMENT", "DESCRIBES", "o"))));
    }
}
