//! SPDX 2 as tags and values, a line each.

use std::borrow::Cow;

use super::Bom;
use super::spdx_json::{Relation, Stated, bill, relation};
use crate::detect::json::MAX_ITEMS;

/// Reads a document; `None` where it states no version of SPDX 2.
pub(super) fn read(text: &str) -> Option<Bom<'_>> {
    let (mut packages, mut relations, mut known) = (Vec::new(), Vec::new(), false);
    // What stands before the first package belongs to none and is put into this one, which is dropped.
    let mut package = Stated::default();
    let mut rest = text;
    while let Some((tag, value)) = tag(&mut rest) {
        match tag {
            "SPDXVersion" => known = value.starts_with("SPDX-2."),
            "PackageName" => packages.push(std::mem::take(&mut package)),
            // A file or snippet begins: what follows is not the package's.
            "FileName" | "SnippetSPDXID" => packages.push(std::mem::take(&mut package)),
            "SPDXID" if package.id.is_empty() => package.id = Cow::Borrowed(value),
            "PackageVersion" => package.version = Some(Cow::Borrowed(value)),
            "PrimaryPackagePurpose" => package.is_container = value == "CONTAINER",
            "ExternalRef" => package.purls.extend(purl(value).map(Cow::Borrowed)),
            "Relationship" => {
                let mut words = value.split_whitespace();
                if let (Some(from), Some(word), Some(to)) = (words.next(), words.next(), words.next()) {
                    relations.push(relation(from, word, to));
                }
            }
            _ => {}
        }
        relations.pop_if(|relation| *relation == Relation::Other);
        packages.pop_if(|package| package.purls.is_empty() && !package.is_container);
        if packages.len() > MAX_ITEMS || relations.len() > MAX_ITEMS {
            return Some(bill(packages, &relations, false));
        }
    }
    packages.push(package);
    known.then(|| bill(packages, &relations, true))
}

/// Takes the next tag and its value off the text. A value in `<text>` may go over several lines.
fn tag<'a>(rest: &mut &'a str) -> Option<(&'a str, &'a str)> {
    loop {
        if rest.is_empty() {
            return None;
        }
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        *rest = after;
        let Some((tag, value)) = line.split_once(':').filter(|_| !line.starts_with('#')) else { continue };
        if value.contains("<text>") && !value.contains("</text>") {
            *rest = after.split_once("</text>").map_or("", |(_, after)| after);
        }
        return Some((tag.trim(), value.trim()));
    }
}

/// The package URL of `PACKAGE-MANAGER purl LOCATOR`.
fn purl(reference: &str) -> Option<&str> {
    let mut words = reference.split_whitespace().skip(1);
    (words.next()? == "purl").then(|| words.next()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::components;
    use super::read;

    #[test]
    fn tags_state_packages() {
        let text = "SPDXVersion: SPDX-2.3\nSPDXID: SPDXRef-DOCUMENT\n# PackageName: no\n\nPackageName: a\nSPDXID: SPDXRef-a\nPackageVersion: 1\n\
            PackageComment: <text>x\nExternalRef: PACKAGE-MANAGER purl pkg:gem/no@1\n</text>\r\nExternalRef: PACKAGE-MANAGER purl pkg:gem/a\r\n\
            ExternalRef: SECURITY cpe23Type cpe:2.3:a\n\nFileName: ./f\nSPDXID: SPDXRef-f\nPackageName: b\nSPDXID: SPDXRef-b\nExternalRef: PACKAGE_MANAGER purl pkg:gem/b@2\n\n\
            Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-a\nRelationship: SPDXRef-a GENERATED_FROM SPDXRef-b\n";
        assert_eq!(components(text.as_bytes()), Some((vec!["pkg:gem/a".into()], false)));
        assert_eq!(read(text).unwrap().components[0].version.as_deref(), Some("1"));
        let image = text.replace("PackageVersion: 1", "PrimaryPackagePurpose: CONTAINER");
        assert!(components(image.as_bytes()).unwrap().1);
    }

    #[test]
    fn text_without_a_version_is_no_bill() {
        for text in
            ["", "a: b", "PackageName: a\nExternalRef: PACKAGE-MANAGER purl pkg:gem/a@1\n", "SPDXVersion: SPDX-9"]
        {
            assert!(read(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "((SPDXVersion|PackageName|FileName|Relationship|ExternalRef|SPDXID): ?(<text>|SPDX-2\\.|purl|é| )*\n?){0,12}") {
            read(&text);
        }
    }
}
