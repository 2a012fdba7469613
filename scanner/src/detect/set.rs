//! The detectors that read layers, and the name of what they can.

use super::composer::Composer;
use super::conan::Conan;
use super::conda::Conda;
use super::cran::Cran;
use super::egg::ZippedEggs;
use super::executable::{Assemblies, Binaries, DependencyManifests, GoPrograms, RustPrograms};
use super::gem::Gem;
use super::java::{JavaArchives, PomProperties};
use super::lock::{CargoLock, ConanLock, JuliaManifest, MixLock, PackageResolved, PubspecLock};
use super::luarocks::LuaRocks;
use super::npm::Npm;
use super::otp::Otp;
use super::pear::Pear;
use super::permission::{Modes, Passwd, Shadow};
use super::python::Python;
use super::release::Release;
use super::rpm::{ContentSets, MarinerManifest, Rpm};
use super::sbom::Sbom;
use super::secret::Secrets;
use super::wordpress::WordpressPlugin;
use super::{Detector, Want, Watcher, system};
use crate::layer::Fact;
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
        let mut detectors: Vec<Box<dyn Detector>> = vec![Box::new(Release)];
        detectors.extend(system::detectors());
        let rpm: [Box<dyn Detector>; 3] = [Box::new(Rpm), Box::new(MarinerManifest), Box::new(ContentSets)];
        detectors.extend(rpm);
        detectors.extend(languages());
        let accounts: [Box<dyn Detector>; 2] = [Box::new(Shadow), Box::new(Passwd)];
        detectors.extend(accounts);
        let mut watchers = system::watchers();
        let others: [Box<dyn Watcher>; 6] = [
            Box::new(GoPrograms::new()),
            Box::new(RustPrograms::new()),
            Box::new(Assemblies),
            Box::new(Binaries),
            Box::new(Modes),
            Box::new(Secrets),
        ];
        watchers.extend(others);
        Self::new(detectors, watchers)
    }

    /// Sixteen hex digits over names and versions: inventories made by another set are made again.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The detector that wants the file at a cleaned path, and what of it.
    pub fn wanting(&self, path: &str) -> Option<(&dyn Detector, Want)> {
        self.detectors.iter().find_map(|detector| Some((&**detector, detector.wants(path)?)))
    }

    /// What the directory at a cleaned path says by its place alone.
    pub fn of_directory(&self, path: &str) -> Option<Fact> {
        self.detectors.iter().find_map(|detector| detector.directory(path))
    }

    /// Those that see every file.
    pub fn watchers(&self) -> &[Box<dyn Watcher>] {
        &self.watchers
    }
}

/// What languages' own package managers leave behind.
fn languages() -> Vec<Box<dyn Detector>> {
    vec![
        Box::new(Python),
        Box::new(ZippedEggs),
        Box::new(Conda),
        Box::new(Npm),
        Box::new(Gem),
        Box::new(Composer),
        Box::new(Pear),
        Box::new(Cran),
        Box::new(Conan),
        Box::new(Otp),
        Box::new(LuaRocks),
        Box::new(WordpressPlugin),
        Box::new(JavaArchives),
        Box::new(PomProperties),
        Box::new(DependencyManifests),
        Box::new(CargoLock),
        Box::new(PubspecLock),
        Box::new(PackageResolved),
        Box::new(MixLock),
        Box::new(JuliaManifest),
        Box::new(ConanLock),
        Box::new(Sbom),
    ]
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
        assert_ne!(standard.fingerprint(), DetectorSet::new(vec![Box::new(Python)], Vec::new()).fingerprint());
    }

    #[test]
    fn files_of_no_interest_are_left_alone() {
        for path in
            ["", "bin/sh", "etc/passwd-", "var/lib/dpkg/status-old", "usr/share/doc/os-release", "a/package.json.bak"]
        {
            assert!(DetectorSet::standard().wanting(path).is_none(), "{path}");
        }
    }

    const PATHS: [&str; 42] = [
        "etc/os-release",
        "etc/debian_version",
        "etc/alpine-release",
        "etc/lsb-release",
        "etc/redhat-release",
        "etc/system-release-cpe",
        "var/lib/dpkg/status",
        "var/lib/dpkg/info/bash.list",
        "var/lib/dpkg/status.d/base.md5sums",
        "usr/lib/opkg/status",
        "usr/lib/opkg/info/libc.list",
        "lib/apk/db/installed",
        "etc/apk/repositories",
        "var/lib/chisel/manifest.wall",
        "var/lib/pacman/local/a-1-1/desc",
        "var/lib/pacman/local/a-1-1/files",
        "var/db/pkg/dev-libs/openssl-3/CONTENTS",
        "var/db/pkg/dev-libs/openssl/CONTENTS",
        "snap/core/1/meta/snap.yaml",
        "usr/local/Cellar/a/1/INSTALL_RECEIPT.json",
        "etc/cos-package-info.json",
        "usr/share/bottlerocket/application-inventory.json",
        "boot/vmlinuz",
        "var/lib/ubuntu-advantage/status.json",
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
        "usr/lib/os-release",
        "etc/centos-release",
        "etc/system-release",
        "var/lib/apk/db/installed",
        "opt/lib/opkg/status",
        "var/lib/snapd/snap/a/1/meta/snap.yaml",
        "META-INF/maven/a/b/pom.properties",
        "a.egg",
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
                        "/", "/usr", "F:a", "R:b", "%NAME%", "%VERSION%", "%FILES%", "obj /a", "sym /a", " -> ", "  ", "- ", "'",
                        "name: a", "version: 1", "architectures: [", "DISTRIB_ID=", "CentOS", " release ", "cpe:/o:", "é",
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
