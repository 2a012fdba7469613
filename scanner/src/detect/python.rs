//! Installed Python distributions: `METADATA` of wheels, `PKG-INFO` of eggs.
//!
//! Follows the core metadata specification and PEP 503 for names. Only the headers count; the description behind the first
//! blank line may be anything, in any encoding.

use super::stanza::{field, lines, text};
use super::{Detector, FactList, Want, base_name};
use crate::layer::{Fact, parent};
use crate::package::{Package, PackageType, python_name};

pub(crate) struct Python;

impl Detector for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn version(&self) -> u32 {
        2
    }

    fn wants(&self, path: &str) -> Option<Want> {
        let folder = parent(path);
        let wanted = match base_name(path) {
            "METADATA" => folder.ends_with(".dist-info"),
            "PKG-INFO" => folder.ends_with(".egg-info") || base_name(folder) == "EGG-INFO",
            name => name.ends_with(".egg-info"),
        };
        // pip renames what it is about to remove; such a leftover is installed no more.
        (wanted && !base_name(folder).starts_with('~')).then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        if bytes.is_empty() {
            return;
        }
        let (mut name, mut version) = (None, None);
        for line in lines(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).take_while(|line| !line.is_empty()) {
            match field(line) {
                Some((key, value)) if key.eq_ignore_ascii_case(b"name") => name = name.or_else(|| text(value)),
                Some((key, value)) if key.eq_ignore_ascii_case(b"version") => version = version.or_else(|| text(value)),
                _ => {}
            }
        }
        match (name, version) {
            (Some(name), Some(version)) => {
                facts.push(Fact::Package(Package::new(PackageType::Pypi, python_name(&name), version)));
            }
            _ => facts.malformed(path, "the metadata state no name or no version"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(bytes: &[u8]) -> Vec<Fact> {
        let mut facts = FactList::new(1 << 20);
        Python.detect("a/b.dist-info/METADATA", bytes, &mut facts);
        facts.into_parts().0
    }

    #[test]
    fn headers_state_name_and_version_whatever_the_description_is() {
        let facts = detect(b"Metadata-Version: 2.1\nName: Zope.Interface__x\nVersion: 5.4.0\nAuthor: Andr\xe9\n\nName: other\n\xff\xfe");
        let [Fact::Package(package)] = &facts[..] else { panic!("{facts:?}") };
        assert_eq!((&*package.name, &*package.version), ("zope-interface-x", "5.4.0"));
    }

    #[test]
    fn metadata_without_a_name_are_malformed_and_empty_ones_hold_nothing() {
        assert!(matches!(&detect(b"Version: 1\n\nName: a\n")[..], [Fact::Unread(_)]));
        assert!(detect(b"").is_empty());
    }

    #[test]
    fn wheels_eggs_and_plain_egg_info_files_are_wanted() {
        for path in [
            "usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA",
            "usr/lib/python3/dist-packages/foo.egg-info",
            "opt/foo.egg-info/PKG-INFO",
            "opt/foo-1.egg/EGG-INFO/PKG-INFO",
        ] {
            assert_eq!(Python.wants(path), Some(Want::Bytes), "{path}");
        }
        for path in ["METADATA", "src/PKG-INFO", "a.dist-info/RECORD", "site-packages/~ip-21.0.dist-info/METADATA"] {
            assert_eq!(Python.wants(path), None, "{path}");
        }
    }
}
