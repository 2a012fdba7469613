//! Which files belong to a package of dpkg: `info/NAME.list`, and the checksums distroless images have in its place.
//!
//! A `.list` names every path the package unpacked, one a line, the directories on the way to it among them; those say nothing
//! and are left out. Files moved away by a diversion stand under the name the package gave them.

use super::super::stanza::lines;
use super::super::{Detector, FactList, Want};
use super::owned::{push_owned, without_parents};

const LISTS: &str = "var/lib/dpkg/info/";
const CHECKSUMS: &str = "var/lib/dpkg/status.d/";

pub(crate) struct DpkgLists;

impl Detector for DpkgLists {
    fn name(&self) -> &'static str {
        "dpkg-list"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        package(path).map(|_| Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        let Some(package) = package(path) else { return };
        let lines = lines(bytes).filter_map(|line| std::str::from_utf8(line).ok());
        if path.starts_with(LISTS) {
            push_owned(facts, path, package, without_parents(lines).into_iter());
        } else {
            // "MD5  PATH"; files alone, relative to the root.
            let files = lines.filter_map(|line| Some(line.split_once("  ")?.1));
            push_owned(facts, path, package, files);
        }
    }
}

/// The package a list is of: `NAME.list`, or `NAME:ARCHITECTURE.list` where it can be installed for several.
fn package(path: &str) -> Option<&str> {
    let name = match path.strip_prefix(LISTS) {
        Some(file) => file.strip_suffix(".list")?,
        None => path.strip_prefix(CHECKSUMS)?.strip_suffix(".md5sums")?,
    };
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::super::owned::check::{facts, owned};
    use super::*;

    #[test]
    fn a_list_is_of_the_package_its_file_is_named_for() {
        for (path, name) in [
            ("var/lib/dpkg/info/bash.list", Some("bash")),
            ("var/lib/dpkg/info/libc6:amd64.list", Some("libc6")),
            ("var/lib/dpkg/status.d/base.md5sums", Some("base")),
            ("var/lib/dpkg/info/bash.md5sums", None),
            ("var/lib/dpkg/info/.list", None),
            ("var/lib/dpkg/info/a/b.list", None),
            ("opt/var/lib/dpkg/info/bash.list", None),
        ] {
            assert_eq!(package(path), name, "{path}");
        }
    }

    #[test]
    fn files_links_and_empty_directories_are_owned() {
        let list = b"/.\n/bin\n/bin/bash\n/usr\n/usr/share\n/usr/share/doc\n/usr/share/doc/bash\n/bin/rbash\n/\xff\n";
        let found = facts(&DpkgLists, "var/lib/dpkg/info/bash.list", list);
        assert_eq!(found, [owned("bash", &["bin/bash", "bin/rbash", "usr/share/doc/bash"])]);
        assert_eq!(facts(&DpkgLists, "var/lib/dpkg/info/base.list", b"/.\n"), []);
        assert_eq!(facts(&DpkgLists, "var/lib/dpkg/info/base.list", b""), []);
    }

    #[test]
    fn checksums_name_files_relative_to_the_root() {
        let sums = b"d41d8cd98f00b204e9800998ecf8427e  etc/a b\n0cc175b9c0f1b6a831c399e269772661  ./usr/c\nbroken\n";
        let found = facts(&DpkgLists, "var/lib/dpkg/status.d/base.md5sums", sums);
        assert_eq!(found, [owned("base", &["etc/a b", "usr/c"])]);
    }
}
