//! Installed PHP packages: `installed.json`, which Composer writes into `vendor/composer/`.
//!
//! Composer 1 wrote a list, Composer 2 an object with `packages`. Versions stay as Composer shows them, a leading `v` included; names
//! are compared without case and lowercase in every advisory.

use serde::Deserialize;

use super::json::{Item, Items, Text, document};
use super::{Detector, FactList, Want};
use crate::layer::Fact;
use crate::package::{Package, PackageType};

pub(crate) struct Composer;

#[derive(Deserialize)]
struct Installed<'a> {
    #[serde(borrow)]
    packages: Items<Entry<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    version: Text<'a>,
}

impl Item for Entry<'_> {
    fn counts(&self) -> bool {
        self.name.get().is_some()
    }
}

impl Detector for Composer {
    fn name(&self) -> &'static str {
        "composer"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        let folder = path.strip_suffix("composer/installed.json")?;
        (folder.is_empty() || folder.ends_with('/')).then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        if bytes.is_empty() {
            return;
        }
        let list = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        let packages =
            if list { document(bytes) } else { document(bytes).map(|installed: Installed<'_>| installed.packages) };
        let Ok(packages) = packages else {
            return facts.malformed(path, "the file is no list of Composer's packages");
        };
        let complete = packages.complete && packages.kept.iter().all(|entry| entry.version.get().is_some());
        for Entry { name, version } in packages.kept {
            if let (Some(name), Some(version)) = (name.get(), version.get()) {
                facts.push(Fact::Package(Package::new(PackageType::Composer, name.to_lowercase(), version)));
            }
        }
        if !complete {
            facts.malformed(path, "some of Composer's packages have no version, or there are too many");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(text: &str) -> (Vec<(String, String)>, bool) {
        let mut facts = FactList::new(1 << 20);
        Composer.detect("app/vendor/composer/installed.json", text.as_bytes(), &mut facts);
        let (facts, _, _) = facts.into_parts();
        let package = |fact: &Fact| match fact {
            Fact::Package(package) => Some((package.name.clone(), package.version.clone())),
            _ => None,
        };
        (facts.iter().filter_map(package).collect(), !facts.iter().any(|fact| matches!(fact, Fact::Unread(_))))
    }

    #[test]
    fn both_forms_list_packages() {
        let packages = r#"[{"name":"Psr/Log","version":"3.0.0","version_normalized":"3.0.0.0","require":{"php":">=8"}},
            {"name":"symfony/console","version":"v6.2.1","type":"library"}]"#;
        let expected = [("psr/log", "3.0.0"), ("symfony/console", "v6.2.1")];
        let expected = expected.map(|(name, version)| (name.to_owned(), version.to_owned())).to_vec();
        assert_eq!(detect(packages), (expected.clone(), true));
        assert_eq!(
            detect(&format!(r#"{{"packages":{packages},"dev":true,"dev-package-names":[]}}"#)),
            (expected, true)
        );
    }

    #[test]
    fn what_is_no_list_is_said() {
        for text in ["{", "{}", "[1]", "x", r#"[{"name":"a/b"}]"#] {
            assert_eq!(detect(text), (Vec::new(), false), "{text}");
        }
        for text in ["", "[]", r#"{"packages":[]}"#, "[{}]"] {
            assert_eq!(detect(text), (Vec::new(), true), "{text}");
        }
    }

    #[test]
    fn the_file_lies_in_a_folder_of_composers() {
        for path in [
            "composer/installed.json",
            "app/vendor/composer/installed.json",
            "usr/share/php/Composer/composer/installed.json",
        ] {
            assert_eq!(Composer.wants(path), Some(Want::Bytes), "{path}");
        }
        for path in ["installed.json", "mycomposer/installed.json", "vendor/composer/installed.json.bak"] {
            assert_eq!(Composer.wants(path), None, "{path}");
        }
    }
}
