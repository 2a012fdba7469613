//! Homebrew's installed formulae: `Cellar/NAME/VERSION/INSTALL_RECEIPT.json`, which is in every one; the folders say the rest.

use super::super::{Detector, FactList, Want};
use crate::layer::Fact;
use crate::package::{Package, PackageType};

pub(crate) struct Homebrew;

impl Detector for Homebrew {
    fn name(&self) -> &'static str {
        "homebrew"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        formula(path).map(|_| Want::Bytes)
    }

    fn detect(&self, path: &str, _bytes: &[u8], facts: &mut FactList) {
        if let Some((name, version)) = formula(path) {
            facts.push(Fact::Package(Package::new(PackageType::Generic, name, version)));
        }
    }
}

/// Name and version of the formula whose receipt lies at `path`.
fn formula(path: &str) -> Option<(&str, &str)> {
    let mut folders = path.strip_suffix("/INSTALL_RECEIPT.json")?.rsplit('/');
    let (version, name, cellar) = (folders.next()?, folders.next()?, folders.next()?);
    (cellar == "Cellar").then_some((name, version))
}

#[cfg(test)]
mod tests {
    use super::super::owned::check::{facts, named};
    use super::*;

    #[test]
    fn a_receipts_folders_name_the_formula() {
        let path = "home/linuxbrew/.linuxbrew/Cellar/openssl@3/3.2.1_1/INSTALL_RECEIPT.json";
        assert_eq!(named(&facts(&Homebrew, path, b"{}")), [("openssl@3", "3.2.1_1")]);
        for path in ["Cellar/1/INSTALL_RECEIPT.json", "a/b/c/INSTALL_RECEIPT.json", "Cellar/a/1/b/INSTALL_RECEIPT.json"]
        {
            assert_eq!(Homebrew.wants(path), None, "{path}");
        }
    }
}
