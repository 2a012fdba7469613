//! Conan 2's `conan.lock`: the C and C++ packages a program was linked with.

use serde::Deserialize;

use super::wants_own;
use crate::detect::json::{Item, Items, Text, document};
use crate::detect::{Detector, FactList, Want};
use crate::layer::Fact;
use crate::package::{Package, PackageType};

pub(crate) struct ConanLock;

/// `build_requires`, which no program is linked with, are left out.
#[derive(Deserialize)]
struct Lock<'a> {
    #[serde(borrow)]
    requires: Items<Reference<'a>>,
}

/// `NAME/VERSION[@USER/CHANNEL][#REVISION[%TIME]]`
#[derive(Deserialize)]
struct Reference<'a>(#[serde(borrow)] Text<'a>);

impl Item for Reference<'_> {
    fn counts(&self) -> bool {
        self.0.get().is_some()
    }
}

impl Reference<'_> {
    fn package(&self) -> Option<Package> {
        let (name, rest) = self.0.get()?.split_once('/')?;
        let version = rest.split(['@', '#', '%']).next()?;
        (!name.is_empty() && !version.is_empty()).then(|| Package::new(PackageType::Conan, name, version))
    }
}

impl Detector for ConanLock {
    fn name(&self) -> &'static str {
        "conan-lock"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        wants_own(path, "conan.lock")
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        if bytes.is_empty() {
            return;
        }
        let Ok(Lock { requires }) = document(bytes) else {
            return facts.unread(path, "the file is no lock file of Conan 2's");
        };
        let mut complete = requires.complete;
        for reference in &requires.kept {
            match reference.package() {
                Some(package) => facts.push(Fact::Package(package)),
                None => complete = false,
            }
        }
        if !complete {
            facts.malformed(path, "some of the lock file's references cannot be read, or there are too many");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_name_packages() {
        let text = r#"{"version":"0.5","requires":["zlib/1.2.13#13c9%1701.1","poco/1.9@pocoproject/stable","x"],"build_requires":["cmake/3.25#1"],"python_requires":[]}"#;
        let package = |name, version| Fact::Package(Package::new(PackageType::Conan, name, version));
        let mut facts = FactList::new(1 << 20);
        ConanLock.detect("conan.lock", text.as_bytes(), &mut facts);
        assert_eq!(facts.facts()[..2], [package("zlib", "1.2.13"), package("poco", "1.9")]);
        assert!(matches!(facts.facts()[2..], [Fact::Unread(_)]));
    }

    #[test]
    fn the_first_conans_lock_files_are_unread() {
        for text in ["{", r#"{"graph_lock":{"nodes":{}},"version":"0.4"}"#] {
            let mut facts = FactList::new(1 << 20);
            ConanLock.detect("conan.lock", text.as_bytes(), &mut facts);
            assert!(matches!(facts.facts(), [Fact::Unread(_)]), "{text}");
        }
    }
}
