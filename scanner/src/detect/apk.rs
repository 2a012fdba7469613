//! apk's database of installed packages, after apk-tools' installed database format (apk-package(5) and apk(5)).

use super::stanza::{field, stanzas, text};
use super::{Detector, FactList, Want};
use crate::layer::Fact;
use crate::package::{Package, PackageType, SourcePackage};

pub(crate) struct Apk;

impl Detector for Apk {
    fn name(&self) -> &'static str {
        "apk"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        matches!(path, "lib/apk/db/installed" | "usr/lib/apk/db/installed").then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        let mut broken = 0;
        for stanza in stanzas(bytes) {
            match package(&stanza) {
                Some(package) => facts.push(Fact::Package(package)),
                None => broken += 1,
            }
        }
        if broken > 0 {
            facts.malformed(path, &format!("{broken} entries break the format of an apk database"));
        }
    }
}

fn package(stanza: &[&[u8]]) -> Option<Package> {
    let (mut name, mut version, mut architecture, mut origin, mut packager) = (None, None, None, None, None);
    for line in stanza {
        match field(line)? {
            (b"P", value) => name = text(value),
            (b"V", value) => version = text(value),
            (b"A", value) => architecture = text(value),
            (b"o", value) => origin = text(value),
            (b"m", value) => packager = text(value),
            _ => {}
        }
    }
    let (name, version) = (name?, version?);
    // A package and its origin are built together and share their version.
    let source = SourcePackage { name: origin.unwrap_or_else(|| name.clone()), version: version.clone() };
    Some(Package { architecture, source: Some(source), packager, ..Package::new(PackageType::Apk, name, version) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(text: &str) -> Vec<Fact> {
        let mut facts = FactList::new(1 << 20);
        Apk.detect("lib/apk/db/installed", text.as_bytes(), &mut facts);
        facts.into_parts().0
    }

    #[test]
    fn a_package_carries_its_origin() {
        let facts = detect(
            "C:Q1abc=\nP:libcrypto3\nV:3.1.4-r5\nA:x86_64\no:openssl\nm:A B <a@alpinelinux.org>\nF:lib\nR:libcrypto.so.3\nZ:Q1x=\n\n\
             P:musl\nV:1.2.4-r2\n\n",
        );
        let [Fact::Package(crypto), Fact::Package(musl)] = &facts[..] else { panic!("{facts:?}") };
        assert_eq!(
            (&*crypto.name, &*crypto.version, crypto.architecture.as_deref()),
            ("libcrypto3", "3.1.4-r5", Some("x86_64"))
        );
        assert_eq!(crypto.source, Some(SourcePackage { name: "openssl".into(), version: "3.1.4-r5".into() }));
        assert_eq!(musl.source.as_ref().unwrap().name, "musl");
    }

    #[test]
    fn an_entry_without_a_version_is_malformed() {
        assert!(matches!(&detect("P:a\nA:x86_64\n\nP:b\nV:1\n")[..], [Fact::Package(_), Fact::Unread(_)]));
        assert!(detect("").is_empty());
    }
}
