//! Linux kernels: the version in the header of a bootable image for x86, after the kernel's boot protocol.
//!
//! Kernels of other architectures have no such header and are left alone: most come compressed as a whole, and a package
//! manager speaks for them.

use std::io;

use super::super::{Detector, FactList, Want, base_name};
use crate::content::Content;
use crate::layer::{Fact, parent};
use crate::package::{Package, PackageType};

/// Where the header's mark lies, and the place of the version text, counted from the sector before the header.
const MARK_AT: u64 = 0x202;
const VERSION_POINTER_AT: u64 = 0x20e;
const SECTOR: u64 = 0x200;
/// Longest version text; the kernel's own is under 200 bytes.
const MAX_VERSION: u64 = 512;

pub(crate) struct Kernel;

impl Detector for Kernel {
    fn name(&self) -> &'static str {
        "linux-kernel"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        let folder = parent(path);
        let placed = folder == "boot" || matches!(parent(folder), "lib/modules" | "usr/lib/modules");
        (placed && base_name(path).starts_with("vmlinuz")).then_some(Want::Content)
    }

    fn detect(&self, _path: &str, _bytes: &[u8], _facts: &mut FactList) {}

    fn examine(&self, _path: &str, content: &Content, facts: &mut FactList) -> io::Result<()> {
        if content.length() < VERSION_POINTER_AT + 2 || *content.slice(MARK_AT, 4)? != *b"HdrS" {
            return Ok(());
        }
        let mut pointer = [0; 2];
        content.read_exact_at(VERSION_POINTER_AT, &mut pointer)?;
        let at = u64::from(u16::from_le_bytes(pointer)) + SECTOR;
        let length = content.length().saturating_sub(at).min(MAX_VERSION) as usize;
        let text = content.slice(at, length)?;
        // "6.1.0-18-amd64 (debian-kernel@…) #1 SMP …", and a zero byte.
        let text = text.split(|byte| matches!(byte, b' ' | 0)).next().unwrap_or_default();
        if let Some(version) =
            std::str::from_utf8(text).ok().filter(|text| text.starts_with(|c: char| c.is_ascii_digit()))
        {
            facts.push(Fact::Package(Package::new(PackageType::Generic, "linux-kernel", version)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::owned::check::named;
    use super::*;

    fn image(pointer: u16, version: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 0x400];
        bytes[0x202..0x206].copy_from_slice(b"HdrS");
        bytes[0x20e..0x210].copy_from_slice(&pointer.to_le_bytes());
        bytes.extend_from_slice(version);
        bytes
    }

    fn examine(bytes: Vec<u8>) -> io::Result<Vec<Fact>> {
        let mut facts = FactList::new(1 << 20);
        Kernel.examine("boot/vmlinuz", &bytes.into(), &mut facts)?;
        Ok(facts.into_parts().0)
    }

    #[test]
    fn the_header_leads_to_the_version() {
        let found = examine(image(0x200, b"6.1.0-18-amd64 (debian-kernel@lists) #1 SMP\0")).unwrap();
        assert_eq!(named(&found), [("linux-kernel", "6.1.0-18-amd64")]);
        assert_eq!(examine(image(0x200, b"\xff\xff")).unwrap(), []);
        assert_eq!(examine(b"\x1f\x8b".to_vec()).unwrap(), []);
        assert!(examine(image(0xffff, b"")).is_err(), "the file ends early");
    }

    #[test]
    fn kernels_lie_where_they_are_booted_from() {
        for (path, wanted) in [
            ("boot/vmlinuz-6.1.0-18-amd64", true),
            ("usr/lib/modules/6.7.0-arch1-1/vmlinuz", true),
            ("usr/share/doc/vmlinuz", false),
            ("boot/config-6.1.0", false),
        ] {
            assert_eq!(Kernel.wants(path).is_some(), wanted, "{path}");
        }
    }
}
