//! The way through an archive and those inside it, within limits.
//!
//! Owns what one file may cost: entries looked at, archives opened, bytes inflated, depth. Only what tells an identity and
//! archives are inflated; an inner archive that is stored is read where it lies. Reaching a limit, or an inner
//! archive that cannot be read, is said with the inner path (`app.war!/WEB-INF/lib/a.jar`), and the rest is read.

use std::collections::BTreeSet;
use std::io;

use super::identity::Evidence;
use super::manifest::{self, Manifest};
use super::{Kind, kind, pom};
use crate::content::Content;
use crate::detect::FactList;
use crate::detect::zip_file::{Entry, Part, ZipError, ZipFile};
use crate::layer::{Fact, Reason, ReasonCode};
use crate::package::Package;

/// What one file may cost, with all archives inside it.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Archives within archives.
    depth: usize,
    /// Archives opened.
    archives: u64,
    /// Entries of directories looked at.
    entries: u64,
    /// Bytes taken out of entries, inflated or not.
    bytes: u64,
    /// Bytes of one inner archive.
    archive_bytes: u64,
    /// Libraries found.
    packages: usize,
    /// Troubles told.
    troubles: usize,
}

const LIMITS: Limits = Limits {
    depth: 16,
    archives: 10_000,
    entries: 2_000_000,
    bytes: 1 << 30,
    archive_bytes: 512 << 20,
    packages: 20_000,
    troubles: 20,
};

/// How much of an inner name is kept, in bytes from its end: more than any file name a library has.
const MAX_NAME: usize = 300;

/// Adds the libraries in an archive to `facts`. Errors are those of reading the content.
pub(super) fn search(path: &str, content: &Content, facts: &mut FactList) -> io::Result<()> {
    search_within(path, content, LIMITS, facts)
}

fn search_within(path: &str, content: &Content, limits: Limits, facts: &mut FactList) -> io::Result<()> {
    let mut search = Search { facts, left: limits, exhausted: false, found: BTreeSet::new() };
    search.archive(path, kind(path.as_bytes()), Part::whole(content))?;
    for package in search.found {
        facts.push(Fact::Package(package));
    }
    Ok(())
}

struct Search<'f> {
    facts: &'f mut FactList,
    /// What is left of the limits.
    left: Limits,
    /// Whether one of the whole file is reached; it was told then.
    exhausted: bool,
    /// Each library once, however often it is packed in.
    found: BTreeSet<Package>,
}

impl Search<'_> {
    /// Reads one archive with those inside, and tells what is wrong with it.
    fn archive(&mut self, path: &str, kind: Option<Kind>, part: Part<'_>) -> io::Result<()> {
        if self.left.archives == 0 {
            self.exhaust(path, "too many archives are inside one file");
            return Ok(());
        }
        self.left.archives -= 1;
        let mut evidence = Evidence { path: path.to_owned(), ..Evidence::default() };
        match ZipFile::open(part).and_then(|zip| self.entries(path, zip, &mut evidence)) {
            Ok(()) => {}
            // Another format's extension.
            Err(ZipError::NoArchive) if kind != Some(Kind::Archive) => return Ok(()),
            Err(error) => self.trouble(path, error)?,
        }
        for coordinates in evidence.own().into_iter().chain(evidence.poms) {
            if self.found.len() == self.left.packages {
                self.exhaust(path, "too many libraries are inside one file");
                break;
            }
            self.found.insert(coordinates.package());
        }
        Ok(())
    }

    fn entries(&mut self, path: &str, zip: ZipFile<'_>, evidence: &mut Evidence) -> Result<(), ZipError> {
        let mut entries = zip.entries()?;
        while let Some(entry) = entries.next()? {
            if self.left.entries == 0 {
                self.exhaust(path, "too many entries are inside one file");
            }
            if self.exhausted {
                break;
            }
            self.left.entries -= 1;
            let Some(interest) = Interest::of(entry.name) else { continue };
            let name = String::from_utf8_lossy(entry.name);
            let read = match interest {
                Interest::Archive(kind) => self.inner(&inner(path, &name), kind, zip, &entry),
                _ => self.evidence(&inner(path, &name), interest, zip, &entry, &name, evidence),
            };
            if let Err(error) = read {
                self.trouble(&inner(path, &name), error).map_err(ZipError::Read)?;
            }
        }
        Ok(())
    }

    /// Adds what an entry says of the archive it is in.
    fn evidence(
        &mut self,
        path: &str,
        interest: Interest,
        zip: ZipFile<'_>,
        entry: &Entry<'_>,
        name: &str,
        evidence: &mut Evidence,
    ) -> Result<(), ZipError> {
        if interest == Interest::Manifest {
            evidence.manifest = Manifest::read(&self.bytes(path, zip, entry, manifest::MAX_BYTES)?);
            return Ok(());
        }
        let Some(place) = pom::Place::of(name) else { return Ok(()) };
        if evidence.poms.len().max(evidence.places.len()) >= self.left.packages {
            return Ok(());
        }
        evidence.places.extend(place.owned());
        if interest == Interest::Properties {
            let bytes = self.bytes(path, zip, entry, pom::MAX_BYTES)?;
            evidence.poms.extend(pom::coordinates(place, &bytes));
        }
        Ok(())
    }

    /// The first bytes of an entry, `limit` at most.
    fn bytes(&mut self, path: &str, zip: ZipFile<'_>, entry: &Entry<'_>, limit: usize) -> Result<Vec<u8>, ZipError> {
        let limit = usize::try_from(self.left.bytes).unwrap_or(limit).min(limit);
        let mut bytes = Vec::new();
        zip.read(entry, |piece| {
            bytes.extend_from_slice(&piece[..piece.len().min(limit - bytes.len())]);
            Ok(bytes.len() < limit)
        })?;
        self.spend(path, bytes.len() as u64);
        Ok(bytes)
    }

    /// An archive inside another: where it lies if it is stored, else inflated.
    fn inner(&mut self, path: &str, kind: Kind, zip: ZipFile<'_>, entry: &Entry<'_>) -> Result<(), ZipError> {
        if self.left.depth == 0 {
            self.tell(ReasonCode::ArchiveLimit, path, "it is nested too deep");
            return Ok(());
        }
        if entry.bytes == 0 {
            return Ok(());
        }
        if entry.method == Entry::STORED {
            return self.deeper(path, kind, zip.stored(entry)?);
        }
        let limit = self.left.archive_bytes.min(self.left.bytes);
        let (mut spool, mut length) = (zip.spool(), 0);
        let read = zip.read(entry, |piece| {
            length += piece.len() as u64;
            if length > limit { Ok(false) } else { spool.append(piece).map(|()| true) }
        });
        self.spend(path, length);
        match read? {
            _ if self.exhausted => Ok(()),
            true => self.deeper(path, kind, Part::whole(&spool.finish())),
            false => {
                self.tell(ReasonCode::ArchiveLimit, path, "it unpacks to too much");
                Ok(())
            }
        }
    }

    fn deeper(&mut self, path: &str, kind: Kind, part: Part<'_>) -> Result<(), ZipError> {
        self.left.depth -= 1;
        let read = self.archive(path, Some(kind), part);
        self.left.depth += 1;
        read.map_err(ZipError::Read)
    }

    /// Tells why an archive or an entry could not be read; an error of reading the bytes themselves is passed on.
    fn trouble(&mut self, path: &str, error: ZipError) -> io::Result<()> {
        let code = match error {
            ZipError::Read(error) => return Err(error),
            ZipError::Unsupported(_) => ReasonCode::UnreadDatabase,
            ZipError::NoArchive | ZipError::Malformed(_) => ReasonCode::MalformedDatabase,
        };
        self.tell(code, path, &error.to_string());
        Ok(())
    }

    fn spend(&mut self, path: &str, bytes: u64) {
        self.left.bytes = self.left.bytes.saturating_sub(bytes);
        if self.left.bytes == 0 {
            self.exhaust(path, "the archives inside unpack to too much");
        }
    }

    /// Ends the search; the reason is told whatever was told before.
    fn exhaust(&mut self, path: &str, detail: &str) {
        if !self.exhausted {
            self.exhausted = true;
            self.facts.push(Fact::Unread(Reason::at(ReasonCode::ArchiveLimit, path, detail)));
        }
    }

    /// Adds a reason. A file full of broken archives is partly read by the first of them; a few more help to see why.
    fn tell(&mut self, code: ReasonCode, path: &str, detail: &str) {
        if let Some(left) = self.left.troubles.checked_sub(1) {
            self.left.troubles = left;
            self.facts.push(Fact::Unread(Reason::at(code, path, detail)));
        }
    }
}

/// What an entry is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interest {
    Archive(Kind),
    Manifest,
    Properties,
    Xml,
}

impl Interest {
    /// Asked for every entry, most of which are classes.
    fn of(name: &[u8]) -> Option<Self> {
        if name.ends_with(b".class") || name.ends_with(b"/") {
            return None;
        }
        let maven = |file: &str| name.strip_suffix(file.as_bytes()).is_some_and(|folder| folder.ends_with(b"/"));
        if maven(pom::PROPERTIES) {
            Some(Self::Properties)
        } else if maven(pom::XML) {
            Some(Self::Xml)
        } else if is_manifest(name) {
            Some(Self::Manifest)
        } else {
            kind(name).map(Self::Archive)
        }
    }
}

/// The manifest at the root, in any case as Java takes it, or where a `jmod` has it.
fn is_manifest(name: &[u8]) -> bool {
    name.strip_prefix(b"classes/").unwrap_or(name).eq_ignore_ascii_case(b"META-INF/MANIFEST.MF")
}

/// An inner path as Java writes it; of a long one the end.
fn inner(path: &str, name: &str) -> String {
    let start = name.len().saturating_sub(MAX_NAME);
    match name.char_indices().map(|(at, _)| at).find(|at| *at >= start) {
        Some(at) if at > 0 => format!("{path}!/…{}", &name[at..]),
        _ => format!("{path}!/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::zip_file::sample::{deflated, stored};

    const POM: &[u8] = b"groupId=org.a\nartifactId=b\nversion=1\n";
    const PLACE: &str = "META-INF/maven/org.a/b/pom.properties";

    fn found_within(path: &str, bytes: &[u8], limits: Limits) -> (Vec<String>, Vec<String>) {
        let mut facts = FactList::new(1 << 20);
        search_within(path, &bytes.to_vec().into(), limits, &mut facts).unwrap();
        let (mut packages, mut reasons) = (Vec::new(), Vec::new());
        for fact in facts.into_parts().0 {
            match fact {
                Fact::Package(package) => packages.push(format!("{} {}", package.name, package.version)),
                Fact::Unread(reason) => reasons.push(reason.to_string()),
                other => panic!("{other:?}"),
            }
        }
        (packages, reasons)
    }

    /// Packages and reasons.
    fn found(path: &str, bytes: &[u8]) -> (Vec<String>, Vec<String>) {
        found_within(path, bytes, LIMITS)
    }

    fn of<const N: usize>(packages: [&str; N]) -> (Vec<String>, Vec<String>) {
        (packages.map(str::to_owned).to_vec(), Vec::new())
    }

    #[test]
    fn every_pom_of_a_shaded_archive_is_a_library_and_the_archive_is_one_once() {
        let other = b"groupId=org.c\nartifactId=d\nversion=2\n";
        let files = [
            ("META-INF/MANIFEST.MF", &b"Implementation-Version: 1\n"[..]),
            (PLACE, POM),
            ("META-INF/maven/org.c/d/pom.properties", other),
            ("META-INF/maven/org.c/e/pom.properties", b"groupId=org.c\n"),
            ("a/pom.properties", other),
            ("x.class", b""),
        ];
        assert_eq!(found("lib/b-1.jar", &deflated(&files)), of(["org.a:b 1", "org.c:d 2"]));
    }

    #[test]
    fn inner_archives_are_read_stored_and_inflated() {
        let library = deflated(&[(PLACE, POM)]);
        let plain = stored(&[("META-INF/MANIFEST.MF", b"Implementation-Vendor-Id: com.acme\n\nName: a\n")]);
        let module =
            stored(&[("WEB-INF/lib/b.jar", &library), ("WEB-INF/lib/util-3.1.JAR", &plain), ("empty.jar", b"")]);
        let expected = of(["com.acme:util 3.1", "org.a:b 1"]);
        for outer in [stored(&[("web.war", &module)]), deflated(&[("web.war", &module), ("again.war", &module)])] {
            assert_eq!(found("app.ear", &outer), expected);
            let script = [&b"#!/bin/bash\n"[..], &outer].concat();
            assert_eq!(found("app.jar", &script), expected);
        }
    }

    #[test]
    fn a_module_of_java_has_its_files_in_a_folder() {
        let archive = stored(&[("classes/META-INF/maven/org.a/b/pom.properties", POM)]);
        assert_eq!(found("b.jmod", &[&b"JM\x01\x00"[..], &archive].concat()), of(["org.a:b 1"]));
    }

    #[test]
    fn other_formats_with_the_same_extension_are_none() {
        assert_eq!(found("a.rar", b"Rar!\x1a\x07"), of([]));
        assert_eq!(found("a.rar", b"PK\x03\x04").1.len(), 1);
        assert_eq!(found("a.jar", b"x").1, ["malformed_database: a.jar: it is no zip archive"]);
    }

    #[test]
    fn trouble_inside_is_told_with_the_inner_path_and_the_rest_is_read() {
        let mut encrypted = stored(&[("META-INF/MANIFEST.MF", b"a: b\n"), (PLACE, POM)]);
        let directory = memchr::memmem::find(&encrypted, b"PK\x01\x02").unwrap();
        encrypted[directory + 8] = 1;
        let archive = stored(&[("lib/broken.jar", b"x"), ("lib/locked.jar", &encrypted)]);
        let (packages, reasons) = found("app.war", &archive);
        assert_eq!(packages, ["org.a:b 1"]);
        assert_eq!(
            reasons,
            [
                "malformed_database: app.war!/lib/broken.jar: it is no zip archive",
                "unread_database: app.war!/lib/locked.jar!/META-INF/MANIFEST.MF: it is encrypted",
            ]
        );
    }

    #[test]
    fn a_hundred_nested_archives_are_read_to_the_sixteenth() {
        for pack in [stored, deflated] {
            let nested = |count| (0..count).fold(pack(&[(PLACE, POM)]), |inner, _| pack(&[("in.jar", &inner)]));
            assert_eq!(found("a.jar", &nested(16)), of(["org.a:b 1"]));
            let (packages, reasons) = found("a.jar", &nested(100));
            assert_eq!(packages, [""; 0]);
            let path = format!("a.jar{}", "!/in.jar".repeat(17));
            assert_eq!(reasons, [format!("archive_limit: {path}: it is nested too deep")]);
        }
    }

    #[test]
    fn a_long_inner_path_keeps_its_file_name() {
        let name = format!("{}ü/commons-io-2.4.jar", "f".repeat(400));
        assert_eq!(found("a.jar", &stored(&[(&name, &stored(&[]))])), of(["commons-io:commons-io 2.4"]));
        assert!(inner("a.jar", &name).len() < 320 && inner("a.jar", "") == "a.jar!/");
    }

    /// An archive of `count` entries that are all the one inner archive.
    fn overlapping(name: &str, inner: &[u8], count: usize) -> Vec<u8> {
        let archive = stored(&[(name, inner)]);
        let directory = archive.len() - 22 - 46 - name.len();
        let entry = &archive[directory..archive.len() - 22];
        let mut end = archive[archive.len() - 22..].to_vec();
        end[8..12].copy_from_slice(&[(count as u16).to_le_bytes(); 2].concat());
        end[12..16].copy_from_slice(&((entry.len() * count) as u32).to_le_bytes());
        [&archive[..directory], &entry.repeat(count), &end].concat()
    }

    #[test]
    fn bombs_reach_a_limit() {
        let told = |limits, bytes: &[u8]| found_within("a.jar", bytes, limits).1.join(" ");
        let zeros = deflated(&[("in.jar", &vec![0; 4 << 20])]);
        let small = Limits { archive_bytes: 1 << 20, ..LIMITS };
        assert_eq!(told(small, &zeros), "archive_limit: a.jar!/in.jar: it unpacks to too much");
        let many = overlapping("in.jar", &zeros, 50);
        let total = Limits { bytes: 16 << 20, ..LIMITS };
        assert!(
            told(total, &many)
                .ends_with("archive_limit: a.jar!/in.jar!/in.jar: the archives inside unpack to too much")
        );
        // Fifty to the power of five archives in a few kilobytes.
        let deep = (0..5).fold(stored(&[(PLACE, POM)]), |inner, _| overlapping("in.jar", &inner, 50));
        assert!(deep.len() < 16 << 10);
        assert!(told(LIMITS, &deep).ends_with("too many archives are inside one file"));
        let entries = overlapping("a", b"", 1000);
        let few = Limits { entries: 100, ..LIMITS };
        assert_eq!(told(few, &entries), "archive_limit: a.jar: too many entries are inside one file");
        let packages = Limits { packages: 1, ..LIMITS };
        let two = stored(&[("commons-io-1.jar", &stored(&[])), ("commons-io-2.jar", &stored(&[]))]);
        assert!(told(packages, &two).contains("too many libraries are inside one file"));
    }

    #[test]
    fn a_file_full_of_broken_archives_is_told_of_in_few_words() {
        let broken = overlapping("in.jar", b"x", 5000);
        assert_eq!(found("a.jar", &broken).1.len(), LIMITS.troubles);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
            compress in any::<bool>(),
        ) {
            let pack = if compress { deflated } else { stored };
            let inner = pack(&[(PLACE, POM), ("META-INF/MANIFEST.MF", b"Bundle-Version: 1\n")]);
            let mut archive = pack(&[("lib/c-1.jar", &inner), (PLACE, POM)]);
            for (index, byte) in flips {
                let at = index.index(archive.len());
                archive[at] = byte;
            }
            found("a.jar", &archive);
        }
    }
}
