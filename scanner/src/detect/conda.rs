//! Packages in conda environments: `conda-meta/NAME.json`, which conda writes for each package it links.
//!
//! The base environment's (`opt/conda/conda-meta/`) are read like any other's; packages that only lie in a cache (`pkgs/`) have no
//! such file. A Python distribution that conda installed has its `.dist-info` folder too and is shown as both: conda's feed
//! and PyPI's are different, and so may be the versions.

use serde::Deserialize;

use super::json::{Text, document};
use super::{Detector, FactList, Want, base_name};
use crate::layer::{Fact, parent};
use crate::package::{Package, PackageType};

pub(crate) struct Conda;

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    version: Text<'a>,
    /// `null` for packages of no architecture.
    #[serde(borrow, default)]
    arch: Text<'a>,
}

impl Detector for Conda {
    fn name(&self) -> &'static str {
        "conda"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        (path.ends_with(".json") && base_name(parent(path)) == "conda-meta").then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        if bytes.is_empty() {
            return;
        }
        let Ok(record) = document::<Record<'_>>(bytes) else {
            return facts.malformed(path, "the record of a conda package is no JSON object");
        };
        let (Some(name), Some(version)) = (record.name.get(), record.version.get()) else {
            return facts.malformed(path, "the record of a conda package states no name or no version");
        };
        let architecture = record.arch.get().map(str::to_owned);
        facts.push(Fact::Package(Package { architecture, ..Package::new(PackageType::Conda, name, version) }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(text: &str) -> Vec<Fact> {
        let mut facts = FactList::new(1 << 20);
        Conda.detect("opt/conda/conda-meta/a-1-0.json", text.as_bytes(), &mut facts);
        facts.into_parts().0
    }

    #[test]
    fn a_record_is_a_package() {
        let package = |name: &str, version: &str, architecture: Option<&str>| Package {
            architecture: architecture.map(str::to_owned),
            ..Package::new(PackageType::Conda, name, version)
        };
        for (text, expected) in [
            (
                r#"{"arch":"x86_64","build":"h5eee18b_0","build_number":0,"files":["lib/libz.so"],"name":"zlib","subdir":"linux-64","version":"1.2.13"}"#,
                package("zlib", "1.2.13", Some("x86_64")),
            ),
            (r#"{"arch":null,"name":"tzdata","version":"2023c","noarch":"generic"}"#, package("tzdata", "2023c", None)),
        ] {
            assert_eq!(detect(text), [Fact::Package(expected)]);
        }
    }

    #[test]
    fn what_is_no_record_is_said() {
        for text in ["{", "[]", "{}", r#"{"name":"a"}"#, r#"{"name":"a","version":1}"#] {
            assert!(matches!(&detect(text)[..], [Fact::Unread(_)]), "{text}");
        }
        assert!(detect("").is_empty());
    }

    #[test]
    fn every_environment_counts_and_no_cache_does() {
        for path in ["opt/conda/conda-meta/a-1-0.json", "opt/conda/envs/b/conda-meta/a-1-0.json", "conda-meta/a.json"] {
            assert_eq!(Conda.wants(path), Some(Want::Bytes), "{path}");
        }
        for path in ["opt/conda/conda-meta/history", "opt/conda/pkgs/a-1-0/info/index.json", "a.json"] {
            assert_eq!(Conda.wants(path), None, "{path}");
        }
    }
}
