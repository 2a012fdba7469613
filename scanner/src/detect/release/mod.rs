//! The distribution's identity, from every file that states it.
//!
//! Owns the order in which such files are trusted and what each says by itself; which of them is visible is composition's
//! business. CPE names that a file states of the distribution are channels besides.

mod cpe;
mod os_release;
mod text;

use super::{Detector, FactList, Want};
use crate::layer::{Channel, ChannelKind, Fact};
use crate::package::Distribution;

/// Where an image states its identity, most trusted first: os-release(5) puts `etc` before `usr/lib`. Of the older files those
/// of one distribution come before those that others imitate: Oracle Linux has a `redhat-release` that says Red Hat, and
/// Ubuntu a `debian_version`.
pub(crate) const RELEASE_FILES: [&str; 13] = [
    "etc/os-release",
    "usr/lib/os-release",
    "etc/alpine-release",
    "etc/lsb-release",
    "etc/oracle-release",
    "etc/centos-release",
    "etc/rocky-release",
    "etc/almalinux-release",
    "etc/fedora-release",
    "etc/redhat-release",
    "etc/system-release",
    "etc/system-release-cpe",
    "etc/debian_version",
];

/// Longest identifier kept, in bytes.
const MAX_VALUE: usize = 256;

pub(crate) struct Release;

impl Detector for Release {
    fn name(&self) -> &'static str {
        "os-release"
    }

    fn version(&self) -> u32 {
        2
    }

    fn wants(&self, path: &str) -> Option<Want> {
        // Fedora links usr/lib/os-release to a variant in the folder beside it, and etc/fedora-release into usr/lib.
        let behind_links = |rest: &str| {
            rest.starts_with("os.release.d/")
                || RELEASE_FILES.iter().any(|known| known.strip_prefix("etc/") == Some(rest))
        };
        let wanted = match path.split_once('/')? {
            ("etc", _) => RELEASE_FILES.contains(&path),
            ("usr", rest) => rest.strip_prefix("lib/").is_some_and(behind_links),
            _ => false,
        };
        wanted.then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        let name = super::base_name(path);
        let (distribution, cpe) = match name {
            "alpine-release" => (text::version_file("alpine", bytes), None),
            // "12.5" on a release; "trixie/sid" between releases and on Ubuntu, which has no number.
            "debian_version" => (text::version_file("debian", bytes).map(major_only), None),
            "lsb-release" => (os_release::lsb_release(bytes), None),
            "system-release-cpe" => cpe::system_release(bytes),
            _ if name.ends_with("-release") && name != "os-release" => (text::release_line(bytes), None),
            _ => os_release::os_release(bytes),
        };
        facts.extend(distribution.map(Fact::Distribution));
        facts.extend(cpe.map(|name| Fact::Channel(Channel { kind: ChannelKind::Cpe, name })));
    }
}

/// A release by the first component of its version, which is what os-release(5) of the distribution has.
fn major_only(mut release: Distribution) -> Distribution {
    release.version.truncate(release.version.find('.').unwrap_or(release.version.len()));
    release
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(path: &str, text: &str) -> Vec<Fact> {
        let mut facts = FactList::new(1 << 20);
        Release.detect(path, text.as_bytes(), &mut facts);
        facts.into_parts().0
    }

    #[test]
    fn each_file_states_an_identity() {
        for (path, text, id, version) in [
            ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n", "debian", "12"),
            ("usr/lib/os-release", "ID=alpine\nVERSION_ID=3.20.1\n", "alpine", "3.20.1"),
            ("usr/lib/os.release.d/os-release-fedora", "ID=fedora\nVERSION_ID=40\n", "fedora", "40"),
            ("etc/debian_version", "12.5\n", "debian", "12"),
            ("etc/debian_version", "trixie/sid\n", "debian", ""),
            ("etc/alpine-release", "3.20.1\n", "alpine", "3.20.1"),
            ("etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04\n", "ubuntu", "22.04"),
            ("etc/redhat-release", "Red Hat Enterprise Linux release 8.9 (Ootpa)\n", "rhel", "8.9"),
            ("usr/lib/fedora-release", "Fedora release 40 (Forty)\n", "fedora", "40"),
            ("etc/system-release-cpe", "cpe:/o:redhat:enterprise_linux:8.9::baseos\n", "rhel", "8.9"),
        ] {
            assert_eq!(Release.wants(path), Some(Want::Bytes), "{path}");
            let facts = detect(path, text);
            let Some(Fact::Distribution(found)) = facts.first() else { panic!("{path}: {facts:?}") };
            assert_eq!((&*found.id, &*found.version), (id, version), "{path}");
        }
        for path in ["etc/alpine-release", "etc/os-release", "etc/redhat-release", "etc/system-release-cpe"] {
            assert_eq!(detect(path, ""), [], "{path}");
        }
        for path in ["etc/lsb-release.d/x", "usr/share/os-release", "lib/os-release", "etc/arch-release"] {
            assert_eq!(Release.wants(path), None, "{path}");
        }
    }

    #[test]
    fn a_cpe_name_is_a_channel() {
        let channel = |name: &str| Fact::Channel(Channel { kind: ChannelKind::Cpe, name: name.into() });
        let release = detect("etc/os-release", "ID=\"rhel\"\nCPE_NAME=\"cpe:/o:redhat:enterprise_linux:9::baseos\"\n");
        assert_eq!(release[1], channel("cpe:/o:redhat:enterprise_linux:9::baseos"));
        let without_id = detect("etc/os-release", "CPE_NAME=cpe:/o:x:y:1\n");
        assert_eq!(without_id, [channel("cpe:/o:x:y:1")]);
        assert_eq!(detect("etc/system-release-cpe", "cpe:/o:x:y:1\n"), [channel("cpe:/o:x:y:1")]);
    }
}
