//! Databases and archives this version knows and cannot read: an image that shows one is partly read, never clean.

use std::io;

use super::{Detector, FactList, Want, base_name};
use crate::content::Content;

/// System package databases without a reader.
pub(crate) struct UnreadDatabases;

impl Detector for UnreadDatabases {
    fn name(&self) -> &'static str {
        "unread-database"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        let known = matches!(
            path,
            // Ubuntu's chisel, pacman, OpenWrt's opkg.
            "var/lib/chisel/manifest.wall"
                | "var/lib/pacman/local/ALPM_DB_VERSION"
                | "usr/lib/opkg/status"
                | "var/lib/opkg/status"
        );
        known.then_some(Want::Content)
    }

    fn detect(&self, _path: &str, _bytes: &[u8], _facts: &mut FactList) {}

    fn examine(&self, path: &str, _content: &Content, facts: &mut FactList) -> io::Result<()> {
        facts.unread(path, "this version does not read package databases of this kind");
        Ok(())
    }
}

/// Java archives, whose libraries are listed inside.
pub(crate) struct JavaArchives;

impl Detector for JavaArchives {
    fn name(&self) -> &'static str {
        "unread-java"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        let (stem, extension) = base_name(path).rsplit_once('.')?;
        let archive = ["jar", "war", "ear"].iter().any(|java| extension.eq_ignore_ascii_case(java));
        (archive && !stem.is_empty()).then_some(Want::Content)
    }

    fn detect(&self, _path: &str, _bytes: &[u8], _facts: &mut FactList) {}

    fn examine(&self, path: &str, _content: &Content, facts: &mut FactList) -> io::Result<()> {
        facts.unread(path, "this version does not read Java archives");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_known_by_their_place() {
        for path in ["var/lib/chisel/manifest.wall", "var/lib/opkg/status"] {
            assert_eq!(UnreadDatabases.wants(path), Some(Want::Content), "{path}");
        }
        for path in ["opt/var/lib/opkg/status", "var/lib/opkg/status.bak", "manifest.wall"] {
            assert_eq!(UnreadDatabases.wants(path), None, "{path}");
        }
    }

    #[test]
    fn java_archives_are_known_by_their_extension() {
        assert_eq!(JavaArchives.wants("opt/app/lib/log4j-core-2.14.1.JAR"), Some(Want::Content));
        assert_eq!(JavaArchives.wants("opt/app.jar.txt"), None);
        assert_eq!(JavaArchives.wants("home/.jar"), None);
    }
}
