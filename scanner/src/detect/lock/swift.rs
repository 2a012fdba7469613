//! Swift's `Package.resolved`, versions 1 to 3: the packages a program was built from.
//!
//! Advisories call a package by its repository's address without scheme and ending (`github.com/apple/swift-nio`). Packages pinned
//! to a branch or a commit have no version that an advisory could speak of; they are left out.

use serde::Deserialize;

use super::wants_own;
use crate::detect::json::{Item, Items, Text, document};
use crate::detect::{Detector, FactList, Want};
use crate::layer::Fact;
use crate::package::{Package, PackageType};

pub(crate) struct PackageResolved;

#[derive(Deserialize)]
struct Resolved<'a> {
    #[serde(borrow, default)]
    pins: Option<Items<Pin<'a>>>,
    /// Where version 1 has its pins.
    #[serde(borrow, default)]
    object: Option<Pins<'a>>,
}

#[derive(Deserialize)]
struct Pins<'a> {
    #[serde(borrow, default)]
    pins: Items<Pin<'a>>,
}

#[derive(Deserialize)]
struct Pin<'a> {
    /// Named `repositoryURL` in version 1.
    #[serde(borrow, default, alias = "repositoryURL")]
    location: Text<'a>,
    #[serde(borrow)]
    state: State<'a>,
}

#[derive(Deserialize)]
struct State<'a> {
    #[serde(borrow, default)]
    version: Text<'a>,
}

impl Item for Pin<'_> {
    fn counts(&self) -> bool {
        self.state.version.get().is_some()
    }
}

impl Detector for PackageResolved {
    fn name(&self) -> &'static str {
        "swift-resolved"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        wants_own(path, "Package.resolved")
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        if bytes.is_empty() {
            return;
        }
        let resolved = document::<Resolved<'_>>(bytes).ok();
        let Some(pins) = resolved.and_then(|file| file.pins.or(file.object.map(|object| object.pins))) else {
            return facts.malformed(path, "the file is no lock file of Swift's");
        };
        let mut complete = pins.complete;
        for pin in &pins.kept {
            match (pin.location.get().and_then(name), pin.state.version.get()) {
                (Some(name), Some(version)) => {
                    facts.push(Fact::Package(Package::new(PackageType::Swift, name, version)));
                }
                _ => complete = false,
            }
        }
        if !complete {
            facts.malformed(path, "some of the packages have no address, or there are too many");
        }
    }
}

/// The address without its scheme, user and ending: `git@github.com:a/b.git` and `https://github.com/a/b` are both
/// `github.com/a/b`.
fn name(location: &str) -> Option<String> {
    let address = match location.split_once("://") {
        Some((_, address)) => address.to_owned(),
        None => location.replacen(':', "/", 1),
    };
    let (host, path) = address.trim_end_matches('/').split_once('/')?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let path = path.strip_suffix(".git").unwrap_or(path);
    (!host.is_empty() && !path.is_empty()).then(|| format!("{}/{path}", host.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(text: &str) -> Vec<Fact> {
        let mut facts = FactList::new(1 << 20);
        PackageResolved.detect("Package.resolved", text.as_bytes(), &mut facts);
        facts.into_parts().0
    }

    #[test]
    fn all_versions_list_pins() {
        let package = |name, version| Fact::Package(Package::new(PackageType::Swift, name, version));
        let first = r#"{"object":{"pins":[{"package":"NIO","repositoryURL":"git@github.com:apple/swift-nio.git","state":{"branch":null,"revision":"5","version":"2.40.0"}}]},"version":1}"#;
        assert_eq!(detect(first), [package("github.com/apple/swift-nio", "2.40.0")]);
        let third = r#"{"originHash":"x","pins":[{"identity":"vapor","kind":"remoteSourceControl","location":"https://GitHub.com/vapor/vapor","state":{"revision":"5","version":"4.1.0"}},
            {"identity":"b","kind":"remoteSourceControl","location":"https://example.com/b.git","state":{"branch":"main","revision":"5"}}],"version":3}"#;
        assert_eq!(detect(third), [package("github.com/vapor/vapor", "4.1.0")]);
        assert!(detect(r#"{"pins":[],"version":2}"#).is_empty());
    }

    #[test]
    fn what_is_no_lock_file_is_said() {
        for text in [
            "{",
            "[]",
            "{}",
            r#"{"pins":[{"state":{"version":"1"}}]}"#,
            r#"{"pins":[{"location":":","state":{"version":"1"}}]}"#,
        ] {
            assert!(matches!(&detect(text)[..], [Fact::Unread(_)]), "{text}");
        }
        assert!(detect("").is_empty());
    }
}
