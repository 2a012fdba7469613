//! The list Azure Linux (once CBL-Mariner) leaves in images without an rpm database.
//!
//! One package a line, written with `rpm -qa --qf` at build: name, version-release, times of installation and build, vendor,
//! epoch, size, architecture, epoch as a number, source rpm.

use super::installed::{is_key, source_package, with_epoch};
use crate::detect::stanza::{lines, text};
use crate::detect::{Detector, FactList, Want};
use crate::layer::Fact;
use crate::package::{Package, PackageType};

pub(in crate::detect) struct MarinerManifest;

impl Detector for MarinerManifest {
    fn name(&self) -> &'static str {
        "mariner-manifest"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        (path == "var/lib/rpmmanifest/container-manifest-2").then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        let mut broken = 0;
        for line in lines(bytes).filter(|line| !line.is_empty()) {
            match package(line) {
                Some(package) if is_key(&package.name) => {}
                Some(package) => facts.push(Fact::Package(package)),
                None => broken += 1,
            }
        }
        if broken > 0 {
            facts.malformed(path, &format!("{broken} lines are none of a container manifest"));
        }
    }
}

/// The package of a line; `None` where the line is none.
fn package(line: &[u8]) -> Option<Package> {
    let columns: Vec<&[u8]> = line.split(|byte| *byte == b'\t').collect();
    let [name, version, _, _, vendor, _, _, architecture, epoch, source] = *columns else { return None };
    let (name, version) = (text(name)?, text(version)?);
    let epoch = str::from_utf8(epoch).ok()?.parse().ok()?;
    // rpm prints a tag a package lacks so.
    let stated = |column: &[u8]| text(column).filter(|value| value != "(none)");
    Some(Package {
        architecture: stated(architecture),
        source: Some(source_package(stated(source).as_deref(), &name, &version)),
        packager: stated(vendor),
        ..Package::new(PackageType::Rpm, name, with_epoch(Some(epoch), version))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::SourcePackage;

    fn detect(text: &str) -> Vec<Fact> {
        let mut facts = FactList::new(1 << 20);
        MarinerManifest.detect("var/lib/rpmmanifest/container-manifest-2", text.as_bytes(), &mut facts);
        facts.into_parts().0
    }

    const OPENSSL: &str = "openssl-libs\t1.1.1k-36.cm2\t1735838954\t1734553102\tMicrosoft Corporation\t(none)\t3365262\tx86_64\t0\t\
                           openssl-1.1.1k-36.cm2.src.rpm\n";

    #[test]
    fn a_line_is_a_package() {
        let expected = Package {
            architecture: Some("x86_64".into()),
            source: Some(SourcePackage { name: "openssl".into(), version: "1.1.1k-36.cm2".into() }),
            packager: Some("Microsoft Corporation".into()),
            ..Package::new(PackageType::Rpm, "openssl-libs", "1.1.1k-36.cm2")
        };
        assert_eq!(detect(OPENSSL), [Fact::Package(expected)]);
        let facts = detect(
            "dhcp\t4.4-1\t1\t1\t(none)\t12\t1\tnoarch\t12\t(none)\ngpg-pubkey\t1-2\t1\t1\t(none)\t0\t0\t(none)\t0\t(none)\n",
        );
        let expected = Package {
            architecture: Some("noarch".into()),
            source: Some(SourcePackage { name: "dhcp".into(), version: "4.4-1".into() }),
            ..Package::new(PackageType::Rpm, "dhcp", "12:4.4-1")
        };
        assert_eq!(facts, [Fact::Package(expected)]);
    }

    #[test]
    fn other_lines_are_said() {
        assert!(detect("").is_empty());
        let facts = detect(&format!("{OPENSSL}openssl\t1\nopenssl\t1\t\t\t\t\t\t\tx\t\n"));
        assert!(facts.len() == 2 && matches!(&facts[1], Fact::Unread(reason) if reason.detail.starts_with("2 ")));
    }
}
