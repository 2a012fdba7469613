//! C and C++ packages in Conan's caches.
//!
//! Conan 1 keeps a built package in `.conan/data/NAME/VERSION/USER/CHANNEL/package/ID/`, Conan 2 copies one to
//! `full_deploy/host/NAME/VERSION/…` when asked to deploy it; in both the file `conaninfo.txt` stands for the package, and only the path
//! names it exactly. Conan 2's own cache names its folders by shortened names and hashes and keeps the real names in a
//! database beside them (`p/cache.sqlite3`), which is said to be unread.

use std::io;

use super::{Detector, FactList, Want, base_name};
use crate::content::Content;
use crate::layer::Fact;
use crate::package::{Package, PackageType};

pub(crate) struct Conan;

impl Detector for Conan {
    fn name(&self) -> &'static str {
        "conan"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        match base_name(path) {
            "conaninfo.txt" => identity(path).map(|_| Want::Bytes),
            "cache.sqlite3" => path.ends_with(".conan2/p/cache.sqlite3").then_some(Want::Content),
            _ => None,
        }
    }

    fn detect(&self, path: &str, _bytes: &[u8], facts: &mut FactList) {
        // An empty file stands for its package as well.
        if let Some((name, version)) = identity(path) {
            facts.push(Fact::Package(Package::new(PackageType::Conan, name, version)));
        }
    }

    fn examine(&self, path: &str, _content: &Content, facts: &mut FactList) -> io::Result<()> {
        facts.unread(path, "this version does not read the database of Conan 2's cache, which names its packages");
        Ok(())
    }
}

/// Name and version of the package a `conaninfo.txt` stands for.
fn identity(path: &str) -> Option<(&str, &str)> {
    if let Some((_, within)) = path.rsplit_once(".conan/data/") {
        let parts: Vec<&str> = within.split('/').collect();
        let [name, version, _user, _channel, "package", _id, _file] = parts[..] else { return None };
        return Some((name, version));
    }
    let (_, within) = path.rsplit_once("full_deploy/")?;
    // `host` is what the program is linked with, `build` what built it.
    let mut parts = within.strip_prefix("host/")?.split('/');
    let (name, version) = (parts.next()?, parts.next()?);
    parts.next().map(|_| (name, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_names_a_package() {
        for (path, name, version) in [
            ("root/.conan/data/zlib/1.2.13/_/_/package/6af9cc7c/conaninfo.txt", "zlib", "1.2.13"),
            (".conan/data/poco/1.9.4/pocoproject/stable/package/a/conaninfo.txt", "poco", "1.9.4"),
            ("app/full_deploy/host/openssl/3.1.0/Release/x86_64/conaninfo.txt", "openssl", "3.1.0"),
            ("app/full_deploy/host/asio/1.28.0/conaninfo.txt", "asio", "1.28.0"),
        ] {
            assert_eq!(Conan.wants(path), Some(Want::Bytes), "{path}");
            let mut facts = FactList::new(1 << 20);
            Conan.detect(path, b"[settings]\n", &mut facts);
            assert_eq!(facts.facts(), [Fact::Package(Package::new(PackageType::Conan, name, version))]);
        }
        for path in [
            "conaninfo.txt",
            "root/.conan2/p/zlib2047526/p/conaninfo.txt",
            "app/full_deploy/build/cmake/3.25.0/conaninfo.txt",
            "app/full_deploy/host/zlib/conaninfo.txt",
            "root/.conan/data/zlib/1.2.13/_/_/build/6af9cc7c/conaninfo.txt",
        ] {
            assert_eq!(Conan.wants(path), None, "{path}");
        }
    }

    #[test]
    fn the_second_caches_database_is_unread() {
        let path = "root/.conan2/p/cache.sqlite3";
        assert_eq!(Conan.wants(path), Some(Want::Content));
        let mut facts = FactList::new(1 << 20);
        Conan.examine(path, &vec![1].into(), &mut facts).unwrap();
        assert!(matches!(facts.facts(), [Fact::Unread(_)]));
    }
}
