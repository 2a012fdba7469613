//! opkg's status database (OpenWrt, Entware): dpkg's format, and a list of files per package beside it.

use super::super::stanza::{field, lines, stanzas, text};
use super::super::{Detector, FactList, Want};
use super::dpkg::is_on_disk;
use super::owned::push_owned;
use crate::layer::Fact;
use crate::package::{Package, PackageType};

pub(crate) struct Opkg;

impl Detector for Opkg {
    fn name(&self) -> &'static str {
        "opkg"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        (is_status(path) || listed_package(path).is_some()).then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        if let Some(package) = listed_package(path) {
            // "PATH", or "PATH\tMODE" and more.
            let files = lines(bytes).filter_map(|line| std::str::from_utf8(line).ok()?.split('\t').next());
            return push_owned(facts, path, package, files);
        }
        let mut broken = 0;
        for stanza in stanzas(bytes) {
            match package(&stanza) {
                Some((package, true)) => facts.push(Fact::Package(package)),
                Some((_, false)) => {}
                None => broken += 1,
            }
        }
        if broken > 0 {
            facts.malformed(path, &format!("{broken} entries break the format of an opkg database"));
        }
    }
}

/// `lib/opkg/status` in `usr`, `var` or below `opt`, where Entware has its own.
fn is_status(path: &str) -> bool {
    folder(path.strip_suffix("/lib/opkg/status"))
}

/// The package whose files `lib/opkg/info/NAME.list` lists.
fn listed_package(path: &str) -> Option<&str> {
    let (root, name) = path.strip_suffix(".list")?.rsplit_once("/lib/opkg/info/")?;
    (folder(Some(root)) && !name.is_empty() && !name.contains('/')).then_some(name)
}

fn folder(root: Option<&str>) -> bool {
    root.is_some_and(|root| matches!(root, "usr" | "var" | "opt") || root.starts_with("opt/"))
}

/// The package a stanza states, and whether it is on disk.
fn package(stanza: &[&[u8]]) -> Option<(Package, bool)> {
    let (mut name, mut version, mut architecture, mut packager, mut status) = (None, None, None, None, None);
    for (key, value) in stanza.iter().filter_map(|line| field(line)) {
        match key {
            b"Package" => name = text(value),
            b"Version" => version = text(value),
            b"Architecture" => architecture = text(value),
            b"Maintainer" => packager = text(value),
            b"Status" => status = text(value),
            _ => {}
        }
    }
    let package = Package { architecture, packager, ..Package::new(PackageType::Opkg, name?, version?) };
    Some((package, is_on_disk(status.as_deref())))
}

#[cfg(test)]
mod tests {
    use super::super::owned::check::{facts, named, owned, packages, says_unread};
    use super::*;

    #[test]
    fn databases_of_openwrt_and_entware_are_known() {
        for path in ["usr/lib/opkg/status", "var/lib/opkg/status", "opt/lib/opkg/status", "opt/x/lib/opkg/info/a.list"]
        {
            assert_eq!(Opkg.wants(path), Some(Want::Bytes), "{path}");
        }
        for path in ["lib/opkg/status", "home/x/lib/opkg/status", "usr/lib/opkg/info/a.control", "usr/lib/opkg/lists"] {
            assert_eq!(Opkg.wants(path), None, "{path}");
        }
    }

    #[test]
    fn a_database_lists_what_is_installed() {
        let text = "Package: libc\nVersion: 1.2.4-4\nDepends: libgcc1\nStatus: install hold installed\nArchitecture: x86_64\n\
             Installed-Time: 1700000000\n\nPackage: gone\nVersion: 1\nStatus: deinstall ok not-installed\n\nPackage: b\n";
        let found = facts(&Opkg, "usr/lib/opkg/status", text.as_bytes());
        assert_eq!(named(&found), [("libc", "1.2.4-4")]);
        assert_eq!(packages(&found)[0].architecture.as_deref(), Some("x86_64"));
        assert!(says_unread(&found));
        let list = facts(&Opkg, "usr/lib/opkg/info/libc.list", b"/lib/libc.so\n/lib/ld.so\t0777\tlibc.so\n");
        assert_eq!(list, [owned("libc", &["lib/libc.so", "lib/ld.so"])]);
    }
}
