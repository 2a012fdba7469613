//! apk's database of installed packages, after apk-tools' installed database format (apk-package(5) and apk(5)), and the
//! list of repositories.

use super::super::stanza::{field, lines, stanzas, text};
use super::super::{Detector, FactList, Want};
use super::owned::push_owned;
use crate::layer::{Channel, ChannelKind, Fact};
use crate::package::{Package, PackageType, SourcePackage};

pub(crate) struct Apk;

impl Detector for Apk {
    fn name(&self) -> &'static str {
        "apk"
    }

    fn version(&self) -> u32 {
        2
    }

    fn wants(&self, path: &str) -> Option<Want> {
        let known = matches!(path, "lib/apk/db/installed" | "usr/lib/apk/db/installed" | "var/lib/apk/db/installed");
        known.then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        let mut broken = 0;
        for stanza in stanzas(bytes) {
            match package(&stanza) {
                Some(package) => {
                    push_owned(facts, path, &package.name, files(&stanza));
                    facts.push(Fact::Package(package));
                }
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

/// The files a stanza lists: `R` names one in the directory of the `F` above it.
fn files<'a>(stanza: &'a [&'a [u8]]) -> impl Iterator<Item = String> {
    let mut directory = "";
    let file = move |line: &&'a [u8]| {
        let (key, value) = field(line)?;
        let value = std::str::from_utf8(value).ok()?;
        match key {
            b"F" => directory = value,
            b"R" => return Some(format!("{directory}/{value}")),
            _ => {}
        }
        None
    };
    stanza.iter().filter_map(file)
}

/// `etc/apk/repositories`: where apk takes packages from, one a line. `@TAG` before one limits it to packages asked for by
/// that tag, and stays part of the channel's name.
pub(crate) struct Repositories;

impl Detector for Repositories {
    fn name(&self) -> &'static str {
        "apk-repositories"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        (path == "etc/apk/repositories").then_some(Want::Bytes)
    }

    fn detect(&self, _path: &str, bytes: &[u8], facts: &mut FactList) {
        for line in lines(bytes).map(<[u8]>::trim_ascii).filter(|line| !line.starts_with(b"#")) {
            if let Some(name) = text(line) {
                facts.push(Fact::Channel(Channel { kind: ChannelKind::ApkRepository, name }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::owned::check::owned;
    use super::*;

    fn detect(text: &str) -> Vec<Fact> {
        let mut facts = FactList::new(1 << 20);
        Apk.detect("lib/apk/db/installed", text.as_bytes(), &mut facts);
        facts.into_parts().0
    }

    #[test]
    fn a_package_carries_its_origin() {
        let facts = detect(
            "C:Q1abc=\nP:libcrypto3\nV:3.1.4-r5\nA:x86_64\no:openssl\nm:A B <a@alpinelinux.org>\nF:lib\nR:libcrypto.so.3\n\
             a:0:0:755\nZ:Q1x=\nF:\nR:root\nF:etc\nM:0:0:700\n\n\
             P:musl\nV:1.2.4-r2\n\n",
        );
        let [library, Fact::Package(crypto), Fact::Package(musl)] = &facts[..] else { panic!("{facts:?}") };
        assert_eq!(*library, owned("libcrypto3", &["lib/libcrypto.so.3", "root"]));
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

    #[test]
    fn repositories_are_channels_without_their_comments() {
        let mut facts = FactList::new(1 << 20);
        let list = b"https://mirror.example/alpine/v3.20/main\n# http://off\n\n \
            @edge https://mirror.example/alpine/edge/main\r\n";
        Repositories.detect("etc/apk/repositories", list, &mut facts);
        let channel = |name: &str| Fact::Channel(Channel { kind: ChannelKind::ApkRepository, name: name.into() });
        assert_eq!(
            facts.facts(),
            [
                channel("https://mirror.example/alpine/v3.20/main"),
                channel("@edge https://mirror.example/alpine/edge/main")
            ]
        );
    }
}
