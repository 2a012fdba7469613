//! Java's archives of code: what `jar`, `war`, `ear` and their kin hold, at any depth.
//!
//! Owns which files are such archives. What is inside is one file's facts: the path of a library in a war is the war's. An archive is
//! a library by each `pom.properties` Maven left in it, and by its own name where none of those says it
//! ([`identity`] has the rules); a folder an archive was unpacked into counts by the former alone.

mod file_name;
mod group;
mod identity;
mod manifest;
mod pom;
mod search;

use std::io;

use super::{Detector, FactList, Want, base_name};
use crate::content::Content;
use crate::layer::Fact;
use crate::package::{Package, PackageType};

/// Extensions of nothing but zip archives of Java: one that is no zip is broken.
const ARCHIVES: [&str; 7] = ["jar", "war", "ear", "jmod", "hpi", "jpi", "lpkg"];
/// Extensions other formats have too (WinRAR, NetBSD's archives, Perl's): read where they are zip archives.
const SHARED: [&str; 6] = ["par", "sar", "nar", "kar", "far", "rar"];

/// Archives of Java code.
pub(crate) struct JavaArchives;

impl Detector for JavaArchives {
    fn name(&self) -> &'static str {
        "java-archive"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        kind(path.as_bytes()).map(|_| Want::Content)
    }

    fn detect(&self, _path: &str, _bytes: &[u8], _facts: &mut FactList) {}

    fn examine(&self, path: &str, content: &Content, facts: &mut FactList) -> io::Result<()> {
        search::search(path, content, facts)
    }
}

/// What Maven left in a folder an archive was unpacked into.
pub(crate) struct PomProperties;

impl Detector for PomProperties {
    fn name(&self) -> &'static str {
        "java-pom-properties"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        (base_name(path) == pom::PROPERTIES && pom::Place::of(path).is_some()).then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        let Some(coordinates) = pom::Place::of(path).and_then(|place| pom::coordinates(place, bytes)) else { return };
        facts.push(Fact::Package(coordinates.package()));
    }
}

/// How sure an extension is of its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Archive,
    Shared,
}

/// Longest extension of either kind.
const EXTENSION_BYTES: usize = 4;

/// The kind of archive a path names, in a layer or in another archive. Asked for every file of both.
fn kind(path: &[u8]) -> Option<Kind> {
    let (before, tail) = path.split_at_checked(path.len().checked_sub(EXTENSION_BYTES + 1)?)?;
    let dot = tail.iter().rposition(|byte| *byte == b'.')?;
    let extension = &tail[dot + 1..];
    if matches!(tail[..dot].last().or(before.last()), None | Some(b'/')) {
        return None;
    }
    let is = |known: &&str| extension.eq_ignore_ascii_case(known.as_bytes());
    if ARCHIVES.iter().any(is) { Some(Kind::Archive) } else { SHARED.iter().any(is).then_some(Kind::Shared) }
}

/// What Maven calls a library by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Coordinates {
    /// `None` where nothing says it.
    group: Option<String>,
    artifact: String,
    version: String,
}

impl Coordinates {
    /// Named `group:artifact` as advisories do, or `artifact` alone, which matches none.
    fn package(self) -> Package {
        let name = match self.group {
            Some(group) => format!("{group}:{}", self.artifact),
            None => self.artifact,
        };
        Package::new(PackageType::Maven, name, self.version)
    }
}

/// Longest part of coordinates, in bytes; a path's component is no longer.
const MAX_PART: usize = 255;

/// A group or an artifact, where the text may be one: what a path's component in a repository is made of.
fn part(text: &str) -> Option<&str> {
    let text = text.trim();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let is_part =
        text.len() <= MAX_PART && text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
    (is_part && text.bytes().all(plain)).then_some(text)
}

/// A version, where the text may be one: a word with a digit, no placeholder that was never filled in.
fn version(text: &str) -> Option<&str> {
    let text = text.trim().trim_matches('"');
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'$' | b'{' | b'}' | b'"');
    let is_version =
        text.len() <= MAX_PART && text.bytes().all(plain) && text.bytes().any(|byte| byte.is_ascii_digit());
    (is_version && text.starts_with(|first: char| first.is_ascii_alphanumeric())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_known_by_their_extension() {
        for path in
            ["opt/app/lib/log4j-core-2.14.1.JAR", "a.war", "a.Ear", "plugins/git.jpi", "a.hpi", "a.lpkg", "a.jmod"]
        {
            assert_eq!(JavaArchives.wants(path), Some(Want::Content), "{path}");
            assert_eq!(kind(path.as_bytes()), Some(Kind::Archive), "{path}");
        }
        for path in ["a.par", "a.sar", "a.nar", "a.kar", "a.far", "a.RAR"] {
            assert_eq!(kind(path.as_bytes()), Some(Kind::Shared), "{path}");
        }
        for path in
            ["", "jar", ".jar", "opt/app.jar.txt", "home/.jar", "a.jar/b", "a.whl", "a.zip", "a.ajar", "app.class"]
        {
            assert_eq!(JavaArchives.wants(path), None, "{path}");
        }
    }

    #[test]
    fn an_unpacked_archive_counts_by_what_maven_left_in_it() {
        let path = "usr/local/tomcat/webapps/ROOT/META-INF/maven/org.example/shop/pom.properties";
        assert_eq!(PomProperties.wants(path), Some(Want::Bytes));
        for other in ["pom.properties", "META-INF/maven/a/pom.properties", "META-INF/maven/a/b/pom.xml"] {
            assert_eq!(PomProperties.wants(other), None, "{other}");
        }
        let mut facts = FactList::new(1 << 20);
        PomProperties.detect(path, b"version=1.2\ngroupId=org.example\nartifactId=shop\n", &mut facts);
        PomProperties.detect(path, b"", &mut facts);
        let expected = Package::new(PackageType::Maven, "org.example:shop", "1.2");
        assert_eq!(facts.facts(), [Fact::Package(expected)]);
    }

    #[test]
    fn placeholders_and_prose_are_neither_names_nor_versions() {
        for text in ["", " ", "${project.version}", "@VERSION@", "unspecified", "1.0 (build 3)", "-1", &"1".repeat(300)]
        {
            assert_eq!(version(text), None, "{text}");
        }
        assert_eq!((version(" 1.2.3 "), version("\"1.4\"")), (Some("1.2.3"), Some("1.4")));
        for text in ["", "${groupId}", "Apache Commons", "a:b", "a/b", "-a", ".a"] {
            assert_eq!(part(text), None, "{text}");
        }
        assert_eq!(part(" org.example "), Some("org.example"));
    }
}
