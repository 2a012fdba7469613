//! Bottlerocket's inventory of what it was built from: RPM packages, without their database.

use serde::Deserialize;

use super::super::{Detector, FactList, Want};
use crate::layer::Fact;
use crate::package::{Package, PackageType};

pub(crate) struct Bottlerocket;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inventory {
    content: Vec<Application>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Application {
    name: String,
    version: String,
    #[serde(default)]
    release: String,
    #[serde(default)]
    epoch: String,
    #[serde(default)]
    architecture: Option<String>,
    #[serde(default)]
    publisher: Option<String>,
}

impl Detector for Bottlerocket {
    fn name(&self) -> &'static str {
        "bottlerocket"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        (path == "usr/share/bottlerocket/application-inventory.json").then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        let Ok(Inventory { content }) = serde_json::from_slice(bytes) else {
            return facts.malformed(path, "this is no inventory of Bottlerocket's");
        };
        for Application { name, version, release, epoch, architecture, publisher } in content {
            if name.is_empty() || version.is_empty() {
                facts.malformed(path, "a package has no name or version");
                continue;
            }
            let epoch = if matches!(&*epoch, "" | "0" | "(none)") { String::new() } else { format!("{epoch}:") };
            let release = if release.is_empty() { release } else { format!("-{release}") };
            let package = Package::new(PackageType::Rpm, name, format!("{epoch}{version}{release}"));
            facts.push(Fact::Package(Package { architecture, packager: publisher, ..package }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::owned::check::{facts, named, says_unread};
    use super::*;

    const PATH: &str = "usr/share/bottlerocket/application-inventory.json";

    #[test]
    fn an_inventory_lists_rpm_packages() {
        let text = br#"{"Content":[{"Name":"glibc","Publisher":"Bottlerocket","Version":"2.38","Release":"1.1",
            "InstalledTime":"2024-01-01T00:00:00Z","Epoch":"1","Architecture":"x86_64"},{"Name":"acpid","Version":"2.0.34"}]}"#;
        assert_eq!(named(&facts(&Bottlerocket, PATH, text)), [("glibc", "1:2.38-1.1"), ("acpid", "2.0.34")]);
        assert!(says_unread(&facts(&Bottlerocket, PATH, b"[]")));
    }
}
