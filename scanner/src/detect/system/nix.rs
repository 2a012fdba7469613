//! Packages of the Nix store, by the names of its directories: `nix/store/HASH-NAME-VERSION[-OUTPUT]`.
//!
//! The store has no other list that is always in an image: its SQLite database is left out of most. A directory whose name
//! has no version is a script, a profile or a source and no package. Several outputs of one package are that
//! package, in several places.

use super::super::{Detector, FactList, Want};
use crate::layer::Fact;
use crate::package::{Package, PackageType};

/// Length of the hash in a store path, and its alphabet, which lacks the letters of common curses.
const HASH_LENGTH: usize = 32;
const HASH_ALPHABET: &str = "0123456789abcdfghijklmnpqrsvwxyz";

/// Names of outputs that nixpkgs appends to a package's name.
const OUTPUTS: [&str; 18] = [
    "bin", "debug", "dev", "devdoc", "dist", "doc", "getent", "info", "lib", "libgcc", "login", "man", "modules",
    "mount", "out", "static", "swap", "terminfo",
];

pub(crate) struct Nix;

impl Detector for Nix {
    fn name(&self) -> &'static str {
        "nix"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, _path: &str) -> Option<Want> {
        None
    }

    fn detect(&self, _path: &str, _bytes: &[u8], _facts: &mut FactList) {}

    fn directory(&self, path: &str) -> Option<Fact> {
        let entry = path.strip_prefix("nix/store/").filter(|entry| !entry.contains('/'))?;
        let (name, version) = package(entry)?;
        Some(Fact::Package(Package::new(PackageType::Nix, name, version)))
    }
}

/// Name and version of a store path.
fn package(entry: &str) -> Option<(&str, &str)> {
    let (hash, rest) = entry.split_at_checked(HASH_LENGTH)?;
    let rest = rest.strip_prefix('-').filter(|_| hash.chars().all(|letter| HASH_ALPHABET.contains(letter)))?;
    let (name, version) = split(rest)?;
    let is_output = |(_, output): &(&str, &str)| OUTPUTS.contains(output);
    let version = version.rsplit_once('-').filter(is_output).map_or(version, |(version, _)| version);
    (!name.is_empty()).then_some((name, version))
}

/// `builtins.parseDrvName`: the version begins behind the first hyphen that no letter follows.
fn split(name: &str) -> Option<(&str, &str)> {
    let begins = |at: &usize| name.as_bytes().get(at + 1).is_some_and(|next| !next.is_ascii_alphabetic());
    let at = memchr::memchr_iter(b'-', name.as_bytes()).find(begins)?;
    Some((&name[..at], &name[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_path_is_a_name_and_a_version() {
        let hash = "0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r";
        for (name, expected) in [
            ("openssl-3.0.13", Some(("openssl", "3.0.13"))),
            ("openssl-3.0.13-bin", Some(("openssl", "3.0.13"))),
            ("glibc-2.38-44", Some(("glibc", "2.38-44"))),
            ("glibc-2.38-44-dev", Some(("glibc", "2.38-44"))),
            ("python3.11-requests-2.31.0", Some(("python3.11-requests", "2.31.0"))),
            ("linux-6.6.8-modules", Some(("linux", "6.6.8"))),
            ("source", None),
            ("user-environment", None),
            ("-1", None),
            ("a-", None),
        ] {
            assert_eq!(package(&format!("{hash}-{name}")), expected, "{name}");
        }
        for entry in [
            "",
            "openssl-3.0.13",
            ".links",
            "eeee2c3d4f5g6h7i8j9k0l1m2n3p4q5r-a-1",
            "0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5\u{e9}-a-1",
        ] {
            assert_eq!(package(entry), None, "{entry}");
        }
    }

    #[test]
    fn only_the_stores_own_directories_count() {
        let entry = "nix/store/0a1b2c3d4f5g6h7i8j9k0l1m2n3p4q5r-bash-5.2";
        assert!(matches!(Nix.directory(entry), Some(Fact::Package(found)) if found.name == "bash"));
        assert_eq!(Nix.directory(&format!("{entry}/bin")), None);
        assert_eq!(Nix.directory(&format!("opt/{entry}")), None);
    }
}
