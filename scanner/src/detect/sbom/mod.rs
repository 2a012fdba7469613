//! Bills of materials inside an image: SPDX as JSON (2.2, 2.3 and 3.0) and as tags and values, CycloneDX as JSON and XML.
//!
//! Files are known by their names (`*.spdx`, `*.spdx.json`, `*.cdx.json`, `*.cdx.xml`, `bom.json`, `bom.xml`) and by their place in a Python
//! distribution (PEP 770: `NAME.dist-info/sboms/`), formats by their content. Their packages are what their package URLs
//! name, as stated facts: a package database of the image knows better. Only Bitnami's own files are the word of a package
//! manager, for Bitnami's components. Not counted, because they are not installed in this image:
//!
//! - bills below `share/doc/`: they document;
//! - bills whose subject is a container image: an image cannot hold its own, so they describe another or an earlier one;
//! - what a package was generated from, or built, developed or tested with, and CycloneDX's excluded components;
//! - source packages, components without a version, and package URLs of types this version does not know.

mod cyclonedx_json;
mod cyclonedx_xml;
mod spdx_json;
mod spdx_text;
mod spdx_three;

use std::borrow::Cow;

use serde::Deserialize;

use super::json::{MAX_ITEMS, Text, document};
use super::{Detector, FactList, Want, base_name};
use crate::layer::{Fact, parent};
use crate::package::{PackageType, PackageUrl};

pub(crate) struct Sbom;

/// Names no other kind of file has; one that is no bill is broken.
const CERTAIN: [&str; 4] = [".spdx", ".spdx.json", ".cdx.json", ".cdx.xml"];
/// Names of CycloneDX that other programs use as well; one that is no bill is something else.
const GENERIC: [&str; 2] = ["bom.json", "bom.xml"];
/// SPDX's other forms.
const UNREAD: [&str; 5] = [".spdx.yaml", ".spdx.yml", ".spdx.xml", ".spdx.rdf", ".spdx.rdf.xml"];

impl Detector for Sbom {
    fn name(&self) -> &'static str {
        "sbom"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        let named = |endings: &[&str]| endings.iter().any(|ending| path.ends_with(ending));
        let wanted = named(&CERTAIN) || named(&UNREAD) || GENERIC.contains(&base_name(path)) || in_distribution(path);
        (wanted && !path.starts_with("share/doc/") && !path.contains("/share/doc/")).then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        if bytes.is_empty() {
            return;
        }
        if UNREAD.iter().any(|ending| path.ends_with(ending)) {
            return facts.unread(path, "this version reads SPDX as JSON and as tags and values only");
        }
        match read(bytes) {
            Some(Bom { of_image: true, .. }) => {}
            Some(bom) => state(&bom, path, facts),
            None if GENERIC.contains(&base_name(path)) => {}
            None => facts.malformed(path, "the file is no bill of materials this version can read"),
        }
    }
}

/// Whether the file lies where PEP 770 puts bills of materials.
fn in_distribution(path: &str) -> bool {
    parent(path).ends_with(".dist-info/sboms")
}

/// A bill of materials, as far as it counts.
#[derive(Debug)]
struct Bom<'a> {
    components: Vec<Component<'a>>,
    /// Whether its subject is a container image.
    of_image: bool,
    /// Whether all components that count were kept.
    complete: bool,
}

impl<'a> Bom<'a> {
    fn new() -> Self {
        Self { components: Vec::new(), of_image: false, complete: true }
    }

    fn push(&mut self, purl: Cow<'a, str>, version: Option<Cow<'a, str>>) {
        if self.components.len() < MAX_ITEMS {
            self.components.push(Component { purl, version });
        } else {
            self.complete = false;
        }
    }
}

/// A component that is known by a package URL.
#[derive(Debug)]
struct Component<'a> {
    purl: Cow<'a, str>,
    /// The version beside the package URL, for one without.
    version: Option<Cow<'a, str>>,
}

/// What tells the JSON forms apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind<'a> {
    #[serde(borrow, default)]
    bom_format: Text<'a>,
    #[serde(borrow, default)]
    spdx_version: Text<'a>,
    #[serde(borrow, default, rename = "@context")]
    context: Text<'a>,
}

/// Reads a bill of any form; `None` where it is none, or a broken one.
fn read(bytes: &[u8]) -> Option<Bom<'_>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match bytes.trim_ascii_start().first()? {
        b'{' => {
            let kind: Kind<'_> = document(bytes).ok()?;
            match (kind.bom_format.get(), kind.spdx_version.get(), kind.context.get()) {
                (Some("CycloneDX"), _, _) => cyclonedx_json::read(bytes),
                (_, Some(version), _) if version.starts_with("SPDX-2.") => spdx_json::read(bytes),
                (_, _, Some(context)) if context.contains("spdx.org/rdf/3.") => spdx_three::read(bytes),
                _ => None,
            }
        }
        b'<' => cyclonedx_xml::read(bytes),
        _ => spdx_text::read(std::str::from_utf8(bytes).ok()?),
    }
}

/// Adds the packages of a bill.
fn state(bom: &Bom<'_>, path: &str, facts: &mut FactList) {
    let bitnami =
        (path.starts_with("opt/bitnami/") || path.contains("/opt/bitnami/")) && base_name(path).starts_with(".spdx-");
    let mut complete = bom.complete;
    for Component { purl, version } in &bom.components {
        let Ok(url) = PackageUrl::parse(purl) else {
            complete = false;
            continue;
        };
        match url.package(version.as_deref()) {
            Some(package) if bitnami && package.package_type == PackageType::Bitnami => {
                facts.push(Fact::Package(package))
            }
            Some(package) => facts.push(Fact::Stated(package)),
            None => {}
        }
    }
    if !complete {
        facts.malformed(path, "some of its package URLs cannot be read, or there are too many");
    }
}

/// Whether a package URL is of a container image.
fn is_image(purl: &str) -> bool {
    ["pkg:oci/", "pkg:docker/"].iter().any(|image| purl.starts_with(image))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Package;

    fn detect(path: &str, text: &str) -> Vec<Fact> {
        let mut facts = FactList::new(1 << 20);
        Sbom.detect(path, text.as_bytes(), &mut facts);
        facts.into_parts().0
    }

    /// The package URLs of a bill, of which `of_image` tells whether it is an image's.
    pub(super) fn components(bytes: &[u8]) -> Option<(Vec<String>, bool)> {
        let bom = read(bytes)?;
        Some((bom.components.iter().map(|component| component.purl.to_string()).collect(), bom.of_image))
    }

    #[test]
    fn names_and_places_tell_a_bill() {
        for path in [
            "var/lib/db/sbom/curl-8.1.2-r0.spdx.json",
            "opt/bitnami/nginx/.spdx-nginx.spdx",
            "app/bom.json",
            "app/sbom.cdx.xml",
            "usr/lib/python3/site-packages/a-1.dist-info/sboms/auditwheel.json",
        ] {
            assert_eq!(Sbom.wants(path), Some(Want::Bytes), "{path}");
        }
        for path in ["usr/share/doc/a/a.spdx.json", "app/mybom.json", "app/a.json", "a.dist-info/sboms", "app/.spdxrc"]
        {
            assert_eq!(Sbom.wants(path), None, "{path}");
        }
    }

    #[test]
    fn a_bills_packages_are_stated_and_bitnamis_own_are_packages() {
        let text = r#"{"spdxVersion":"SPDX-2.3","packages":[{"SPDXID":"a","versionInfo":"1.25.3","externalRefs":[
            {"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:bitnami/nginx@1.25.3-1?arch=amd64"}]},
            {"SPDXID":"b","versionInfo":"1.3","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:gem/b"}]},
            {"SPDXID":"c","versionInfo":"1","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:unknown/c@1"}]}]}"#;
        let nginx = || Package {
            architecture: Some("amd64".into()),
            ..Package::new(PackageType::Bitnami, "nginx", "1.25.3-1")
        };
        let gem = || Fact::Stated(Package::new(PackageType::Gem, "b", "1.3"));
        assert_eq!(detect("opt/bitnami/nginx/.spdx-nginx.spdx", text), [Fact::Package(nginx()), gem()]);
        assert_eq!(detect("app/nginx.spdx.json", text), [Fact::Stated(nginx()), gem()]);
    }

    #[test]
    fn what_is_no_bill_is_said_unless_its_name_is_common() {
        for text in ["{", "{}", "<a/>", "text", "[]", " ", r#"{"spdxVersion":"SPDX-2.3","packages":7,"#] {
            assert!(matches!(&detect("a.spdx.json", text)[..], [Fact::Unread(_)]), "{text}");
            assert!(detect("app/bom.json", text).is_empty(), "{text}");
        }
        assert!(detect("a.spdx", "").is_empty());
        assert!(matches!(&detect("a.spdx.yaml", "a: b")[..], [Fact::Unread(_)]));
        let broken = r#"{"bomFormat":"CycloneDX","components":[{"purl":"pkg:gem"}]}"#;
        assert!(matches!(&detect("bom.json", broken)[..], [Fact::Unread(_)]));
    }
}
