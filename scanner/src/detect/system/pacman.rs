//! pacman's local database: one folder per package, after libalpm's format: `desc` says what it is, `files` what it owns.

use super::super::stanza::{lines, text};
use super::super::{Detector, FactList, Want};
use super::owned::push_owned;
use crate::layer::Fact;
use crate::package::{Package, PackageType, SourcePackage};

pub(crate) struct Pacman;

impl Detector for Pacman {
    fn name(&self) -> &'static str {
        "pacman"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        entry(path).map(|_| Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        match entry(path) {
            Some((_, "desc")) => match package(bytes) {
                Some(package) => facts.push(Fact::Package(package)),
                None => facts.malformed(path, "the entry of a pacman database has no name or version"),
            },
            Some((package, _)) => {
                let files = sections(bytes).filter(|(section, _)| *section == b"%FILES%").map(|(_, value)| value);
                // Directories end with "/".
                let files = files.filter(|path| !path.ends_with(b"/"));
                push_owned(facts, path, package, files.filter_map(|path| std::str::from_utf8(path).ok()));
            }
            None => {}
        }
    }
}

/// The package a file of the database is about, after its folder `NAME-VERSION-RELEASE`, and the file.
fn entry(path: &str) -> Option<(&str, &str)> {
    let (folder, file) = path.strip_prefix("var/lib/pacman/local/")?.split_once('/')?;
    let (name, _version) = folder.rsplit_once('-')?.0.rsplit_once('-')?;
    (matches!(file, "desc" | "files") && !name.is_empty()).then_some((name, file))
}

fn package(desc: &[u8]) -> Option<Package> {
    let (mut name, mut version, mut base, mut architecture, mut packager) = (None, None, None, None, None);
    for (section, value) in sections(desc) {
        match section {
            b"%NAME%" => name = text(value),
            b"%VERSION%" => version = text(value),
            b"%BASE%" => base = text(value),
            b"%ARCH%" => architecture = text(value),
            b"%PACKAGER%" => packager = text(value),
            _ => {}
        }
    }
    let (name, version) = (name?, version?);
    // The packages of one PKGBUILD share its version.
    let source = Some(SourcePackage { name: base.unwrap_or_else(|| name.clone()), version: version.clone() });
    Some(Package { source, architecture, packager, ..Package::new(PackageType::Alpm, name, version) })
}

/// Each value with the `%SECTION%` it stands under.
fn sections(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut section: &[u8] = b"";
    // A blank line ends a section, so that no value is mistaken for the head of one.
    lines(bytes).filter_map(move |line| {
        if line.is_empty() {
            section = b"";
        } else if section.is_empty() {
            section = line;
        } else {
            return Some((section, line));
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::super::owned::check::{facts, owned, says_unread};
    use super::*;

    #[test]
    fn an_entry_states_a_package_and_its_base() {
        let desc = b"%NAME%\nlibcurl-gnutls\n\n%VERSION%\n1:8.6.0-1\n\n%BASE%\ncurl\n\n%ARCH%\nx86_64\n\n%PACKAGER%\n\
            A B <a@archlinux.org>\n\n%DEPENDS%\n%NAME%\nglibc\n";
        let found = facts(&Pacman, "var/lib/pacman/local/libcurl-gnutls-1:8.6.0-1/desc", desc);
        let expected = Package {
            source: Some(SourcePackage { name: "curl".into(), version: "1:8.6.0-1".into() }),
            architecture: Some("x86_64".into()),
            packager: Some("A B <a@archlinux.org>".into()),
            ..Package::new(PackageType::Alpm, "libcurl-gnutls", "1:8.6.0-1")
        };
        assert_eq!(found, [Fact::Package(expected)]);
        assert!(says_unread(&facts(&Pacman, "var/lib/pacman/local/a-1-1/desc", b"")));
    }

    #[test]
    fn files_without_their_directories_are_owned() {
        let files = b"%FILES%\nusr/\nusr/bin/\nusr/bin/curl\nusr/share/a b\n\n%BACKUP%\netc/x\t0cc175b9c0f1b6a8\n";
        let found = facts(&Pacman, "var/lib/pacman/local/lib-curl-1:8.6.0-1/files", files);
        assert_eq!(found, [owned("lib-curl", &["usr/bin/curl", "usr/share/a b"])]);
        for path in
            ["var/lib/pacman/local/ALPM_DB_VERSION", "var/lib/pacman/local/a/desc", "var/lib/pacman/sync/a-1-1/desc"]
        {
            assert_eq!(Pacman.wants(path), None, "{path}");
        }
    }
}
