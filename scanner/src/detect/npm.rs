//! Installed Node.js packages: every `package.json` with a name and a version, an application's own among them.
//!
//! Below `node_modules` only the file right in a package's folder counts, as for Node.js and `npm ls`; deeper ones are parts and test
//! data of that package. Files without a version, or whose name is a path (`yargs/helpers`), are stubs inside a package and no package. Broken
//! JSON is skipped silently: Node.js cannot load it either, and packages ship such files as test data.

use serde::Deserialize;

use super::json::{Text, document};
use super::{Detector, FactList, Want, base_name};
use crate::layer::{Fact, parent};
use crate::package::{Package, PackageType};

/// Longest name the registry ever accepted, in bytes; versions are held to the same.
const MAX_VALUE: usize = 214;

pub(crate) struct Npm;

#[derive(Deserialize)]
struct Manifest<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    version: Text<'a>,
}

impl Detector for Npm {
    fn name(&self) -> &'static str {
        "npm"
    }

    fn version(&self) -> u32 {
        2
    }

    fn wants(&self, path: &str) -> Option<Want> {
        (base_name(path) == "package.json" && is_package_folder(parent(path))).then_some(Want::Bytes)
    }

    fn detect(&self, _path: &str, bytes: &[u8], facts: &mut FactList) {
        let Ok(manifest) = document::<Manifest<'_>>(bytes) else { return };
        let (Some(name), Some(version)) = (manifest.name.get(), manifest.version.get()) else { return };
        if !is_package_name(name) || version.len() > MAX_VALUE {
            return;
        }
        let version = version.strip_prefix('v').unwrap_or(version);
        facts.push(Fact::Package(Package::new(PackageType::Npm, name, version)));
    }
}

/// Whether a folder can be a package's: any outside of `node_modules`, and `NAME` or `@SCOPE/NAME` right in the innermost one.
fn is_package_folder(folder: &str) -> bool {
    if !folder.split('/').any(|part| part == "node_modules") {
        return true;
    }
    let mut within = folder.rsplit('/').take_while(|part| *part != "node_modules");
    match (within.next(), within.next(), within.next()) {
        (Some(_), None, None) => true,
        (Some(_), Some(scope), None) => scope.starts_with('@'),
        _ => false,
    }
}

/// `name` or `@scope/name`, without blanks.
fn is_package_name(name: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && !part.contains('/') && !part.contains(char::is_whitespace);
    name.len() <= MAX_VALUE
        && match name.strip_prefix('@') {
            Some(scoped) => scoped.split_once('/').is_some_and(|(scope, name)| plain(scope) && plain(name)),
            None => plain(name),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(text: &str) -> Option<(String, String)> {
        let mut facts = FactList::new(1 << 20);
        Npm.detect("node_modules/a/package.json", text.as_bytes(), &mut facts);
        match facts.into_parts().0.pop() {
            Some(Fact::Package(package)) => Some((package.name, package.version)),
            _ => None,
        }
    }

    #[test]
    fn a_manifest_with_name_and_version_is_a_package() {
        let found = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        assert_eq!(detect(r#"{"name":"@babel/core","version":"7.1.0","x":[{}]}"#), found("@babel/core", "7.1.0"));
        assert_eq!(detect("\u{feff}{\"version\":\"v1.0.0\",\"name\":\"JSONStream\"}"), found("JSONStream", "1.0.0"));
    }

    #[test]
    fn only_a_packages_own_manifest_counts() {
        for path in [
            "package.json",
            "app/package.json",
            "usr/share/nodejs/a/package.json",
            "app/node_modules/a/package.json",
            "app/node_modules/@s/a/package.json",
            "app/node_modules/a/node_modules/b/package.json",
            "app/node_modules/.pnpm/a@1/node_modules/a/package.json",
        ] {
            assert_eq!(Npm.wants(path), Some(Want::Bytes), "{path}");
        }
        for path in [
            "app/node_modules/package.json",
            "app/node_modules/a/test/package.json",
            "app/node_modules/@s/a/dist/package.json",
            "app/node_modules/a/b/c/d/package.json",
            "app/node_modules/a/package.json.bak",
        ] {
            assert_eq!(Npm.wants(path), None, "{path}");
        }
    }

    #[test]
    fn stubs_and_broken_files_are_no_packages() {
        for text in [
            "",
            "{",
            "[]",
            "{\"type\":\"module\"}",
            r#"{"name":"a"}"#,
            r#"{"name":"a","version":""}"#,
            r#"{"name":"yargs/helpers","version":"1.0.0"}"#,
            r#"{"name":"@scope","version":"1.0.0"}"#,
            r#"{"name":{"a":1},"version":"1"}"#,
            r#"{"name":"a b","version":"1"}"#,
        ] {
            assert_eq!(detect(text), None, "{text}");
        }
        assert_eq!(detect(&"[".repeat(100_000)), None);
    }
}
