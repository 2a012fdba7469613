//! Portage's database of installed packages: `var/db/pkg/CATEGORY/NAME-VERSION/CONTENTS`.
//!
//! Portage writes `CONTENTS` for every package, empty where it owns nothing, and the folder's name says the rest, after the
//! Package Manager Specification. The lines are `dir PATH`, `obj PATH MD5 TIME` and `sym PATH -> TARGET TIME`.

use super::super::stanza::lines;
use super::super::{Detector, FactList, Want};
use super::owned::push_owned;
use crate::layer::Fact;
use crate::package::{Package, PackageType};

pub(crate) struct Portage;

impl Detector for Portage {
    fn name(&self) -> &'static str {
        "portage"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        folder(path).map(|_| Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        let Some((category, folder)) = folder(path) else { return };
        let Some((name, version)) = split(folder) else {
            facts.malformed(path, "the folder of a Portage package is not named NAME-VERSION");
            return;
        };
        let name = format!("{category}/{name}");
        let lines = lines(bytes).filter_map(|line| std::str::from_utf8(line).ok());
        push_owned(facts, path, &name, lines.filter_map(owned_path));
        facts.push(Fact::Package(Package::new(PackageType::Ebuild, name, version)));
    }
}

/// Category and folder of a package's `CONTENTS`; none while Portage is still merging it.
fn folder(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("var/db/pkg/")?.strip_suffix("/CONTENTS")?;
    rest.split_once('/').filter(|(_, folder)| !folder.contains('/') && !folder.starts_with("-MERGING-"))
}

/// Splits `NAME-VERSION`: a name never ends in a hyphen and a version.
fn split(folder: &str) -> Option<(&str, &str)> {
    let (before, last) = folder.rsplit_once('-')?;
    let is_revision = last.strip_prefix('r').is_some_and(is_number);
    let name = if is_revision { before.rsplit_once('-')?.0 } else { before };
    let version = &folder[name.len() + 1..];
    (!name.is_empty() && version.starts_with(|first: char| first.is_ascii_digit())).then_some((name, version))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The path of a file or link; it may hold blanks, the fields behind it do not.
fn owned_path(line: &str) -> Option<&str> {
    if let Some(rest) = line.strip_prefix("obj ") {
        return Some(rest.rsplitn(3, ' ').nth(2).unwrap_or(rest));
    }
    Some(line.strip_prefix("sym ")?.split_once(" -> ")?.0)
}

#[cfg(test)]
mod tests {
    use super::super::owned::check::{facts, named, owned, packages, says_unread};
    use super::*;

    #[test]
    fn a_folder_is_a_name_and_a_version() {
        for (folder, expected) in [
            ("openssl-3.0.13", Some(("openssl", "3.0.13"))),
            ("openssl-3.0.13-r2", Some(("openssl", "3.0.13-r2"))),
            ("libpcre2-10.42_p1-r1", Some(("libpcre2", "10.42_p1-r1"))),
            ("font-adobe-100dpi-1.0.4", Some(("font-adobe-100dpi", "1.0.4"))),
            ("a-r1", None),
            ("a", None),
            ("-1", None),
            ("a-b", None),
        ] {
            assert_eq!(split(folder), expected, "{folder}");
        }
        assert_eq!(Portage.wants("var/db/pkg/dev-libs/-MERGING-openssl-3/CONTENTS"), None);
        assert_eq!(Portage.wants("var/db/pkg/dev-libs/openssl-3/PF"), None);
    }

    #[test]
    fn contents_own_files_and_links() {
        let contents = b"dir /usr\nobj /usr/a b d41d8cd98f00b204e9800998ecf8427e 1700000000\n\
            sym /usr/c -> ../x 1700000000\nfif /run/p\n";
        let found = facts(&Portage, "var/db/pkg/dev-libs/openssl-3.0.13-r1/CONTENTS", contents);
        assert_eq!(named(&found), [("dev-libs/openssl", "3.0.13-r1")]);
        assert_eq!(packages(&found)[0].package_type, PackageType::Ebuild);
        assert_eq!(found[0], owned("dev-libs/openssl", &["usr/a b", "usr/c"]));
        assert_eq!(named(&facts(&Portage, "var/db/pkg/virtual/libc-1-r1/CONTENTS", b"")), [("virtual/libc", "1-r1")]);
        assert!(says_unread(&facts(&Portage, "var/db/pkg/a/b/CONTENTS", b"")));
    }
}
