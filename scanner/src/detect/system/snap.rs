//! Snaps: `meta/snap.yaml` of those unpacked below `snap`, and a word on those still packed.
//!
//! Of the YAML only plain keys at the margin count, and lists of plain values below or beside them, which is how snapcraft
//! writes the file. The link `current` names the same folder again and carries no facts.

use super::super::stanza::{field, lines};
use super::super::{Detector, FactList, FileHead, Want, Watch, Watcher};
use crate::content::Buffers;
use crate::layer::Fact;
use crate::package::{Package, PackageType};

pub(crate) struct Snap;

impl Detector for Snap {
    fn name(&self) -> &'static str {
        "snap"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        let rest = path.strip_prefix("snap/").or_else(|| path.strip_prefix("var/lib/snapd/snap/"))?;
        let folder = rest.strip_suffix("/meta/snap.yaml")?;
        (folder.matches('/').count() == 1).then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        match package(bytes) {
            Some(package) => facts.push(Fact::Package(package)),
            None => facts.malformed(path, "a snap states no name or version"),
        }
    }
}

fn package(yaml: &[u8]) -> Option<Package> {
    let (mut name, mut version, mut architectures, mut in_architectures) = (None, None, Vec::new(), false);
    for line in lines(yaml) {
        let item = line.trim_ascii_start().strip_prefix(b"- ");
        if let Some(item) = item {
            if in_architectures {
                architectures.extend(scalar(item));
            }
            continue;
        }
        let Some((key, value)) = field(line) else { continue };
        in_architectures = key == b"architectures";
        match key {
            b"name" => name = scalar(value),
            b"version" => version = scalar(value),
            b"architectures" => {
                let list = value.strip_prefix(b"[").and_then(|list| list.strip_suffix(b"]"));
                architectures
                    .extend(list.into_iter().flat_map(|list| list.split(|byte| *byte == b',')).filter_map(scalar));
            }
            _ => {}
        }
    }
    // With several the snap runs on each of them.
    let architecture = if architectures.len() == 1 { architectures.pop() } else { None };
    Some(Package { architecture, ..Package::new(PackageType::Snap, name?, version?) })
}

/// A plain or quoted value without the comment behind it; `None` where it is empty.
fn scalar(value: &[u8]) -> Option<String> {
    let value = String::from_utf8_lossy(value.trim_ascii());
    let quoted = ['\'', '"'].into_iter().find_map(|quote| value.strip_prefix(quote)?.split_once(quote));
    let plain = quoted.map_or_else(|| value.split(" #").next().unwrap_or_default().trim_end(), |(inner, _)| inner);
    (!plain.is_empty()).then(|| plain.to_owned())
}

/// Snaps that lie packed below `var/lib/snapd`, as squashfs, which this version does not read.
pub(crate) struct PackedSnaps;

impl Watcher for PackedSnaps {
    fn name(&self) -> &'static str {
        "packed-snap"
    }

    fn version(&self) -> u32 {
        1
    }

    fn watch(&self, file: &FileHead<'_>, _buffers: &Buffers, facts: &mut FactList) -> Option<Box<dyn Watch>> {
        if file.path.starts_with("var/lib/snapd/") && file.path.ends_with(".snap") && file.head.starts_with(b"hsqs") {
            facts.unread(file.path, "this version does not read packed snaps");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::owned::check::{facts, packages, says_unread};
    use super::*;

    #[test]
    fn a_snap_states_name_version_and_architecture() {
        for (yaml, architecture) in [
            ("name: core22\nversion: '20240111'\narchitectures:\n- amd64\napps:\n  name: x\n", Some("amd64")),
            ("version: \"20240111\" # dated\nname: core22\narchitectures: [ arm64 ]\n", Some("arm64")),
            ("name: core22\nversion: 20240111\narchitectures: [amd64, arm64]\n", None),
            ("name: core22\nplugs:\n  - arm64\nversion: 20240111\n", None),
        ] {
            let found = facts(&Snap, "snap/core22/1122/meta/snap.yaml", yaml.as_bytes());
            let expected = Package {
                architecture: architecture.map(str::to_owned),
                ..Package::new(PackageType::Snap, "core22", "20240111")
            };
            assert_eq!(packages(&found), [&expected], "{yaml}");
        }
        assert!(says_unread(&facts(&Snap, "snap/a/1/meta/snap.yaml", b"name: a\n")));
        assert_eq!(Snap.wants("snap/a/meta/snap.yaml"), None);
    }

    #[test]
    fn packed_snaps_are_said_to_be_unread() {
        let mut facts = FactList::new(1 << 20);
        for (path, head) in [
            ("var/lib/snapd/snaps/core22_1122.snap", &b"hsqs\0"[..]),
            ("var/lib/snapd/snaps/core22_1122.snap", b"text"),
            ("opt/core22_1122.snap", b"hsqs\0"),
        ] {
            let file = FileHead { path, mode: 0o644, size: 5, head };
            assert!(PackedSnaps.watch(&file, &Buffers::default(), &mut facts).is_none());
        }
        assert_eq!(facts.facts().len(), 1);
    }
}
