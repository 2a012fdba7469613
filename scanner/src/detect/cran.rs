//! Installed R packages: the file `DESCRIPTION` in a package's folder of an R library.
//!
//! R writes a line `Built:` into the file when it installs a package and refuses to load one without it, so that line tells an
//! installed package from sources, samples and what a repository offers (whose files say `Repository:` before they are
//! installed too). The folder has the package's name. R's own packages (`base`, `stats`) are among them, with R's version.

use super::stanza::{field, stanzas, text};
use super::{Detector, FactList, Want, base_name};
use crate::layer::{Fact, parent};
use crate::package::{Package, PackageType};

pub(crate) struct Cran;

impl Detector for Cran {
    fn name(&self) -> &'static str {
        "cran"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        path.ends_with("/DESCRIPTION").then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        let (mut name, mut version, mut built) = (None, None, false);
        for line in stanzas(bytes).next().unwrap_or_default() {
            match field(line) {
                Some((b"Package", value)) => name = text(value),
                Some((b"Version", value)) => version = text(value),
                Some((b"Built", value)) => built = !value.is_empty(),
                _ => {}
            }
        }
        let folder = base_name(parent(path));
        // Files of this name are common outside of R, so one that is no package's is passed over.
        if let (Some(name), Some(version), true) = (name.filter(|name| name == folder), version, built) {
            facts.push(Fact::Package(Package::new(PackageType::Cran, name, version)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(path: &str, text: &str) -> Option<(String, String)> {
        let mut facts = FactList::new(1 << 20);
        Cran.detect(path, text.as_bytes(), &mut facts);
        match facts.into_parts().0.pop() {
            Some(Fact::Package(package)) => Some((package.name, package.version)),
            _ => None,
        }
    }

    #[test]
    fn a_built_package_in_its_own_folder_counts() {
        let text = "Package: Rcpp\nType: Package\nTitle: Seamless\n  Version: 9\nVersion: 1.0.10\nRepository: CRAN\nBuilt: R 4.2.2; x86_64-pc-linux-gnu; 2023; unix\n";
        let found = Some(("Rcpp".to_owned(), "1.0.10".to_owned()));
        assert_eq!(detect("usr/lib/R/site-library/Rcpp/DESCRIPTION", text), found);
        assert_eq!(detect("usr/lib/R/site-library/other/DESCRIPTION", text), None);
    }

    #[test]
    fn sources_and_other_files_of_the_name_do_not() {
        for text in
            ["", "Package: a\nVersion: 1\nRepository: CRAN\n", "Package: a\nBuilt: R 4\n", "A game.\n", "\n\u{0}: :\n"]
        {
            assert_eq!(detect("b/a/DESCRIPTION", text), None, "{text}");
        }
        assert_eq!(Cran.wants("DESCRIPTION"), None);
    }
}
