//! The detectors that read layers, and the name of what they can.

use super::apk::Apk;
use super::dpkg::Dpkg;
use super::npm::Npm;
use super::os_release::OsRelease;
use super::python::Python;
use super::rpm::{ContentSets, MarinerManifest, Rpm};
use super::unread::{JavaArchives, UnreadDatabases};
use super::{Detector, Want, Watcher};
use crate::oci::Digest;

/// The detectors and watchers that read layers.
pub struct DetectorSet {
    detectors: Vec<Box<dyn Detector>>,
    watchers: Vec<Box<dyn Watcher>>,
    fingerprint: String,
}

impl DetectorSet {
    /// A set of the given detectors, of which a path goes to the first that wants it, and watchers, which all see every file.
    pub fn new(detectors: Vec<Box<dyn Detector>>, watchers: Vec<Box<dyn Watcher>>) -> Self {
        let detecting = detectors.iter().map(|detector| (detector.name(), detector.version()));
        let watching = watchers.iter().map(|watcher| (watcher.name(), watcher.version()));
        let names: String = detecting.chain(watching).map(|(name, version)| format!("{name} {version}\n")).collect();
        let fingerprint = Digest::of(names.as_bytes()).hex()[..16].to_owned();
        Self { detectors, watchers, fingerprint }
    }

    /// Every detector this version has.
    pub fn standard() -> Self {
        let detectors: Vec<Box<dyn Detector>> = vec![
            Box::new(OsRelease),
            Box::new(Dpkg),
            Box::new(Apk),
            Box::new(Rpm),
            Box::new(MarinerManifest),
            Box::new(ContentSets),
            Box::new(Python),
            Box::new(Npm),
            Box::new(UnreadDatabases),
            Box::new(JavaArchives),
        ];
        Self::new(detectors, Vec::new())
    }

    /// Sixteen hex digits over names and versions: inventories made by another set are made again.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The detector that wants the file at a cleaned path, and what of it.
    pub fn wanting(&self, path: &str) -> Option<(&dyn Detector, Want)> {
        self.detectors.iter().find_map(|detector| Some((&**detector, detector.wants(path)?)))
    }

    /// Those that see every file.
    pub fn watchers(&self) -> &[Box<dyn Watcher>] {
        &self.watchers
    }
}

impl std::fmt::Debug for DetectorSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.detectors.iter().map(|detector| detector.name());
        f.debug_list().entries(names.chain(self.watchers.iter().map(|watcher| watcher.name()))).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::FactList;

    #[test]
    fn the_fingerprint_names_the_set() {
        let standard = DetectorSet::standard();
        assert_eq!(standard.fingerprint(), DetectorSet::standard().fingerprint());
        assert_eq!(standard.fingerprint().len(), 16);
        assert_ne!(standard.fingerprint(), DetectorSet::new(vec![Box::new(Dpkg)], Vec::new()).fingerprint());
    }

    #[test]
    fn files_of_no_interest_are_left_alone() {
        for path in
            ["", "bin/sh", "etc/passwd", "var/lib/dpkg/status-old", "usr/share/doc/os-release", "a/package.json.bak"]
        {
            assert!(DetectorSet::standard().wanting(path).is_none(), "{path}");
        }
    }

    const PATHS: [&str; 15] = [
        "etc/os-release",
        "etc/debian_version",
        "etc/alpine-release",
        "var/lib/dpkg/status",
        "lib/apk/db/installed",
        "a/b-1.dist-info/METADATA",
        "a/b.egg-info",
        "node_modules/a/package.json",
        "app.jar",
        "var/lib/rpm/Packages",
        "usr/share/rpm/Packages.db",
        "usr/lib/sysimage/rpm/rpmdb.sqlite",
        "usr/lib/sysimage/rpm/rpmdb.sqlite-wal",
        "var/lib/rpmmanifest/container-manifest-2",
        "usr/share/buildinfo/a.json",
    ];

    proptest! {
        #[test]
        fn no_bytes_make_a_detector_panic(
            path in prop::sample::select(&PATHS[..]),
            pieces in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..24),
                    prop::sample::select(&[
                        "Package:", "Version:", "Status: install ok installed", "Source: a (", ")", "P:", "V:", "o:", "\n", "\n\n", " ",
                        "ID=", "\"", "\\", "{\"name\":", "\"version\":\"1\"", "}", "Name:", ":", "\r\n", "[[[[", "\u{feff}",
                    ][..]).prop_map(|text| text.as_bytes().to_vec()),
                ],
                0..40,
            ),
        ) {
            let set = DetectorSet::standard();
            let (detector, want) = set.wanting(path).unwrap();
            let mut facts = FactList::new(1 << 20);
            match want {
                Want::Bytes => detector.detect(path, &pieces.concat(), &mut facts),
                Want::Content => drop(detector.examine(path, &pieces.concat().into(), &mut facts)),
            }
        }
    }
}
