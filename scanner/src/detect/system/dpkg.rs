//! dpkg's status database, and the `status.d` folder distroless images have in its place.
//!
//! Follows dpkg(1), deb-control(5) and deb-src-control(5). A package counts while its files are unpacked: by the third word of
//! `Status`, so that configuration left behind by a removed package does not. A half-installed one counts: dpkg was stopped
//! while it unpacked or removed its files, and whatever is there should not be missed.

use super::super::stanza::{field, is_continuation, stanzas, text};
use super::super::{Detector, FactList, Want};
use crate::layer::Fact;
use crate::package::{Package, PackageType, SourcePackage};

pub(crate) struct Dpkg;

impl Detector for Dpkg {
    fn name(&self) -> &'static str {
        "dpkg"
    }

    fn version(&self) -> u32 {
        2
    }

    fn wants(&self, path: &str) -> Option<Want> {
        let rest = path.strip_prefix("var/lib/dpkg/status")?;
        let in_folder = |name: &str| !name.contains('/') && !name.ends_with(".md5sums");
        (rest.is_empty() || rest.strip_prefix(".d/").is_some_and(in_folder)).then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        let mut broken = 0;
        for stanza in stanzas(bytes) {
            match package(&stanza) {
                Ok(Some(package)) => facts.push(Fact::Package(package)),
                Ok(None) => {}
                Err(Malformed) => broken += 1,
            }
        }
        if broken > 0 {
            facts.malformed(path, &format!("{broken} entries break the format of a dpkg database"));
        }
    }
}

struct Malformed;

/// The package a stanza states; `None` where it is not on disk.
fn package(stanza: &[&[u8]]) -> Result<Option<Package>, Malformed> {
    let (mut name, mut version, mut architecture, mut packager, mut source, mut status) =
        (None, None, None, None, None, None);
    for line in stanza {
        let Some((key, value)) = field(line) else {
            if is_continuation(line) {
                continue;
            }
            return Err(Malformed);
        };
        // dpkg compares field names without case.
        match key.to_ascii_lowercase().as_slice() {
            b"package" => name = text(value),
            b"version" => version = text(value),
            b"architecture" => architecture = text(value),
            b"maintainer" => packager = text(value),
            b"source" => source = text(value),
            b"status" => status = text(value),
            _ => {}
        }
    }
    let status = status.as_deref();
    if !is_on_disk(status) {
        return Ok(None);
    }
    let (name, version) = match (name, version) {
        (Some(name), Some(version)) => (name, version),
        // dpkg demands no version of a package whose first unpacking was stopped.
        (Some(_), None) if state(status) == Some("half-installed") => return Ok(None),
        _ => return Err(Malformed),
    };
    let source = source_package(source.as_deref(), &name, &version);
    Ok(Some(Package { architecture, source: Some(source), packager, ..Package::new(PackageType::Deb, name, version) }))
}

/// Whether a package of this `Status` has files on disk; distroless entries have none, and are there.
pub(super) fn is_on_disk(status: Option<&str>) -> bool {
    !matches!(state(status), Some("not-installed" | "config-files"))
}

/// The third word: what was done, after the wish and the flag.
fn state(status: Option<&str>) -> Option<&str> {
    status?.split_whitespace().nth(2)
}

/// `Source: NAME` or `Source: NAME (VERSION)`; each part defaults to the binary package's own.
fn source_package(source: Option<&str>, name: &str, version: &str) -> SourcePackage {
    let (source, stated) = source.unwrap_or(name).split_once('(').unwrap_or((source.unwrap_or(name), ""));
    let stated = stated.trim_end_matches(')').trim();
    SourcePackage {
        name: source.trim().to_owned(),
        version: if stated.is_empty() { version } else { stated }.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::ReasonCode;

    fn detect(text: &str) -> Vec<Fact> {
        let mut facts = FactList::new(1 << 20);
        Dpkg.detect("var/lib/dpkg/status", text.as_bytes(), &mut facts);
        facts.into_parts().0
    }

    fn names(facts: &[Fact]) -> Vec<&str> {
        facts
            .iter()
            .filter_map(|fact| if let Fact::Package(package) = fact { Some(&*package.name) } else { None })
            .collect()
    }

    #[test]
    fn a_package_carries_its_source_architecture_and_maintainer() {
        let facts = detect(
            "Package: libssl3\nStatus: install ok installed\nMaintainer: Debian OpenSSL Team <o@lists.debian.org>\nArchitecture: amd64\n\
             Source: openssl (3.0.11-1)\nVersion: 3.0.11-1+b1\nDescription: SSL\n Package: not-a-field\n",
        );
        let package = Package {
            package_type: PackageType::Deb,
            name: "libssl3".into(),
            version: "3.0.11-1+b1".into(),
            architecture: Some("amd64".into()),
            source: Some(SourcePackage { name: "openssl".into(), version: "3.0.11-1".into() }),
            packager: Some("Debian OpenSSL Team <o@lists.debian.org>".into()),
            module: None,
        };
        assert_eq!(facts, [Fact::Package(package)]);
    }

    #[test]
    fn a_source_defaults_to_the_binary_package() {
        for (source, name, version) in
            [(None, "a", "1"), (Some("b"), "b", "1"), (Some("b (2)"), "b", "2"), (Some("b ("), "b", "1")]
        {
            let expected = SourcePackage { name: name.into(), version: version.into() };
            assert_eq!(source_package(source, "a", "1"), expected, "{source:?}");
        }
    }

    #[test]
    fn only_packages_on_disk_count() {
        for (status, present) in [
            ("install ok installed", true),
            ("hold ok installed", true),
            ("deinstall ok installed", true),
            ("install ok unpacked", true),
            ("install ok half-configured", true),
            ("install reinstreq half-installed", true),
            ("install ok triggers-awaited", true),
            ("install ok triggers-pending", true),
            ("deinstall ok config-files", false),
            ("purge ok not-installed", false),
        ] {
            let facts = detect(&format!("Package: a\nStatus: {status}\nVersion: 1\n"));
            assert_eq!(names(&facts), if present { vec!["a"] } else { vec![] }, "{status}");
        }
        assert_eq!(names(&detect("Package: distroless\nVersion: 1\n")), ["distroless"]);
        assert!(detect("Package: gone\nStatus: unknown ok not-installed\n").is_empty());
    }

    #[test]
    fn a_first_unpacking_that_was_stopped_has_no_version() {
        assert!(detect("Package: a\nStatus: install reinstreq half-installed\n").is_empty());
        assert!(!detect("Package: a\nStatus: install ok unpacked\n").is_empty(), "malformed");
    }

    #[test]
    fn an_empty_database_holds_nothing_and_a_broken_one_says_so() {
        assert!(detect("").is_empty());
        let facts = detect("Package: a\nVersion: 1\n\nPackage: b\n\n<html>\n");
        assert_eq!(names(&facts), ["a"]);
        assert!(matches!(&facts[1], Fact::Unread(reason) if reason.code == ReasonCode::MalformedDatabase));
    }

    #[test]
    fn checksums_beside_distroless_entries_are_no_databases() {
        assert_eq!(Dpkg.wants("var/lib/dpkg/status.d/base"), Some(Want::Bytes));
        for path in ["var/lib/dpkg/status.d/base.md5sums", "var/lib/dpkg/status-old", "var/lib/dpkg/status.d/a/b"] {
            assert_eq!(Dpkg.wants(path), None, "{path}");
        }
    }
}
