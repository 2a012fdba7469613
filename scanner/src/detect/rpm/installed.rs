//! The package a header describes, and the paths that belong to it.

use std::fmt::Write as _;

use super::header::{Header, tag};
use crate::detect::FactList;
use crate::layer::{Fact, PathHash, clean, text};
use crate::package::{Package, PackageType, SourcePackage};

/// Longest name, version or label that is believed, in bytes.
const MAX_VALUE: usize = 4096;
/// Most files, and most directories, of one package.
const MAX_FILES: usize = 1_000_000;
/// Longest path of a file; Linux's `PATH_MAX`.
const MAX_PATH: usize = 4096;
/// Most bytes of paths that are hashed for one database: one directory's name may stand before a million files.
const MAX_PATH_BYTES: usize = 256 << 20;

/// Collects the packages of one database.
pub(super) struct Installed<'a> {
    facts: &'a mut FactList,
    broken: u32,
    /// Bytes of paths that may still be hashed.
    path_bytes_left: usize,
}

struct Malformed;

impl<'a> Installed<'a> {
    pub(super) fn new(facts: &'a mut FactList) -> Self {
        Self { facts, broken: 0, path_bytes_left: MAX_PATH_BYTES }
    }

    /// Adds the package of one header.
    pub(super) fn header(&mut self, blob: &[u8]) {
        if self.package(blob).is_err() {
            self.broken += 1;
        }
    }

    /// Adds what was wrong with the headers of the database at `path`.
    pub(super) fn finish(self, path: &str) {
        if self.broken > 0 {
            self.facts.malformed(path, &format!("{} entries break the format of an rpm header", self.broken));
        }
    }

    fn package(&mut self, blob: &[u8]) -> Result<(), Malformed> {
        let header = Header::parse(blob).ok_or(Malformed)?;
        let name = required(&header, tag::NAME)?;
        if is_key(&name) {
            return Ok(());
        }
        let (version, release) = (required(&header, tag::VERSION)?, required(&header, tag::RELEASE)?);
        let epoch = header.numbers(tag::EPOCH).and_then(|mut numbers| numbers.next());
        let version = format!("{version}-{release}");
        let source = optional(&header, tag::SOURCE_RPM)?;
        self.facts.push(Fact::Package(Package {
            architecture: optional(&header, tag::ARCH)?,
            source: Some(source_package(source.as_deref(), &name, &version)),
            packager: optional(&header, tag::VENDOR)?,
            module: optional(&header, tag::MODULARITY_LABEL)?,
            ..Package::new(PackageType::Rpm, name.clone(), with_epoch(epoch, version))
        }));
        let paths = self.paths(&header)?;
        if !paths.is_empty() {
            self.facts.push(Fact::Owned { package: name, paths });
        }
        Ok(())
    }

    /// Hashes of the paths of the package's files, sorted.
    fn paths(&mut self, header: &Header<'_>) -> Result<Vec<PathHash>, Malformed> {
        let (files, directories) = (header.count(tag::BASE_NAMES), header.count(tag::DIR_NAMES));
        if files.max(directories).max(header.count(tag::OLD_FILE_NAMES)) > MAX_FILES {
            return Err(Malformed);
        }
        let mut paths = Vec::new();
        if let Some(names) = header.texts(tag::BASE_NAMES) {
            let directories: Vec<&[u8]> = header.texts(tag::DIR_NAMES).ok_or(Malformed)?.collect();
            let indexes = header.numbers(tag::DIR_INDEXES).ok_or(Malformed)?;
            for (name, index) in names.zip(indexes) {
                let directory = usize::try_from(index).ok().and_then(|index| directories.get(index));
                paths.push(self.path(directory.ok_or(Malformed)?, name)?);
            }
        } else if let Some(names) = header.texts(tag::OLD_FILE_NAMES) {
            // Whole names: packages from before rpm 4.
            for name in names {
                paths.push(self.path(b"", name)?);
            }
        }
        if paths.len() < files {
            return Err(Malformed);
        }
        paths.sort_unstable();
        paths.dedup();
        Ok(paths)
    }

    fn path(&mut self, directory: &[u8], name: &[u8]) -> Result<PathHash, Malformed> {
        let length = directory.len() + name.len();
        self.path_bytes_left = self.path_bytes_left.checked_sub(length).ok_or(Malformed)?;
        if length > MAX_PATH {
            return Err(Malformed);
        }
        clean(&text(&[directory, name].concat())).map(|path| PathHash::of(&path)).ok_or(Malformed)
    }
}

/// Whether the name is of a key rpm trusts, which it keeps among the packages.
pub(super) fn is_key(name: &str) -> bool {
    name == "gpg-pubkey"
}

/// `EPOCH:VERSION-RELEASE`; no epoch is the same as zero, and advisories write neither.
pub(super) fn with_epoch(epoch: Option<u32>, mut version: String) -> String {
    if let Some(epoch) = epoch.filter(|epoch| *epoch > 0) {
        let release = std::mem::take(&mut version);
        write!(version, "{epoch}:{release}").expect("a String takes every write");
    }
    version
}

/// The package a source rpm's file name is of (`NAME-VERSION-RELEASE.src.rpm`); the binary's own where none is written.
pub(super) fn source_package(file: Option<&str>, name: &str, version: &str) -> SourcePackage {
    let stem = file.and_then(|file| file.strip_suffix(".src.rpm").or_else(|| file.strip_suffix(".nosrc.rpm")));
    let parts = stem.and_then(|stem| {
        let (release, _) = stem.rmatch_indices('-').nth(1)?;
        Some((&stem[..release], &stem[release + 1..]))
    });
    let (name, version) = parts.filter(|(name, _)| !name.is_empty()).unwrap_or((name, version));
    SourcePackage { name: name.to_owned(), version: version.to_owned() }
}

fn required(header: &Header<'_>, tag: u32) -> Result<String, Malformed> {
    optional(header, tag)?.ok_or(Malformed)
}

/// A tag's text; `None` where it is missing or empty.
fn optional(header: &Header<'_>, tag: u32) -> Result<Option<String>, Malformed> {
    let Some(value) = header.text(tag).filter(|value| !value.is_empty()) else { return Ok(None) };
    if value.len() > MAX_VALUE {
        return Err(Malformed);
    }
    Ok(Some(String::from_utf8_lossy(value).into_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::header::HeaderBuilder;
    use super::*;
    use crate::layer::ReasonCode;

    fn read(blob: &[u8]) -> Vec<Fact> {
        let mut facts = FactList::new(1 << 20);
        let mut installed = Installed::new(&mut facts);
        installed.header(blob);
        installed.finish("var/lib/rpm/Packages");
        facts.into_parts().0
    }

    fn is_malformed(fact: &Fact) -> bool {
        matches!(fact, Fact::Unread(reason) if reason.code == ReasonCode::MalformedDatabase)
    }

    #[test]
    fn a_package_carries_everything_matching_asks_for() {
        let header = HeaderBuilder::package("nodejs-libs", "18.16.1", "1.module_el8+1")
            .numbers(tag::EPOCH, &[1])
            .text(tag::ARCH, "x86_64")
            .text(tag::SOURCE_RPM, "nodejs-18.16.1-1.module_el8+1.src.rpm")
            .text(tag::VENDOR, "AlmaLinux")
            .text(tag::MODULARITY_LABEL, "nodejs:18:8080020230718:63b34585")
            .texts(tag::BASE_NAMES, &["node", "nodejs", "caf\u{e9}"])
            .texts(tag::DIR_NAMES, &["/usr/bin/", "/usr/share/doc//"])
            .numbers(tag::DIR_INDEXES, &[0, 1, 1]);
        let mut paths = ["usr/bin/node", "usr/share/doc/nodejs", "usr/share/doc/caf\u{e9}"].map(PathHash::of).to_vec();
        paths.sort();
        let package = Package {
            package_type: PackageType::Rpm,
            name: "nodejs-libs".into(),
            version: "1:18.16.1-1.module_el8+1".into(),
            architecture: Some("x86_64".into()),
            source: Some(SourcePackage { name: "nodejs".into(), version: "18.16.1-1.module_el8+1".into() }),
            packager: Some("AlmaLinux".into()),
            module: Some("nodejs:18:8080020230718:63b34585".into()),
        };
        let owned = Fact::Owned { package: "nodejs-libs".into(), paths };
        assert_eq!(read(&header.build()), [Fact::Package(package), owned]);
    }

    #[test]
    fn an_epoch_of_zero_is_not_written() {
        for (epoch, version) in [(None, "1-2"), (Some(0), "1-2"), (Some(3), "3:1-2")] {
            assert_eq!(with_epoch(epoch, "1-2".into()), version);
        }
    }

    #[test]
    fn a_source_is_read_from_its_file_name_and_defaults_to_the_binary() {
        for (file, name, version) in [
            (Some("a-b-1.0-2.el9.src.rpm"), "a-b", "1.0-2.el9"),
            (Some("kernel-5-1.nosrc.rpm"), "kernel", "5-1"),
            (Some("a-1.src.rpm"), "own", "7-8"),
            (Some("-1-2.src.rpm"), "own", "7-8"),
            (Some("(none)"), "own", "7-8"),
            (None, "own", "7-8"),
        ] {
            let expected = SourcePackage { name: name.into(), version: version.into() };
            assert_eq!(source_package(file, "own", "7-8"), expected, "{file:?}");
        }
    }

    #[test]
    fn keys_are_no_packages() {
        assert!(read(&HeaderBuilder::package("gpg-pubkey", "fd431d51", "4ae0493b").build()).is_empty());
    }

    #[test]
    fn names_of_before_rpm_4_are_whole_paths() {
        let facts = read(&HeaderBuilder::package("a", "1", "2").texts(tag::OLD_FILE_NAMES, &["/bin/a"]).build());
        assert!(matches!(&facts[1], Fact::Owned { paths, .. } if *paths == [PathHash::of("bin/a")]));
    }

    #[test]
    fn what_a_header_lacks_or_lies_about_is_said() {
        let package = || HeaderBuilder::package("a", "1", "2");
        let long = "x".repeat(MAX_VALUE + 1);
        for header in [
            HeaderBuilder::default().text(tag::NAME, "a").text(tag::VERSION, "1"),
            HeaderBuilder::package("", "1", "2"),
            HeaderBuilder::package(&long, "1", "2"),
        ] {
            let facts = read(&header.build());
            assert!(facts.len() == 1 && is_malformed(&facts[0]), "{facts:?}");
        }
        let files = |names: &[&str], directories: &[&str], indexes: &[u32]| {
            let header = package().texts(tag::BASE_NAMES, names).texts(tag::DIR_NAMES, directories);
            header.numbers(tag::DIR_INDEXES, indexes)
        };
        for header in [
            files(&["b"], &["/"], &[1]),
            files(&["b", "c"], &["/"], &[0]),
            files(&["../b"], &["/"], &[0]),
            files(&["b"], &[&"/x".repeat(3000)], &[0]),
            package().texts(tag::BASE_NAMES, &["b"]),
            package().value(tag::BASE_NAMES, 8, u32::MAX, b"b\0"),
        ] {
            let facts = read(&header.build());
            assert!(facts.len() == 2 && is_malformed(&facts[1]), "the package itself is known: {facts:?}");
        }
    }

    #[test]
    fn one_long_directory_before_many_files_is_not_worked_out_for_ever() {
        const FILES: u32 = 1000;
        let header = HeaderBuilder::package("a", "1", "2")
            .texts(tag::DIR_NAMES, &[&"x".repeat(MAX_PATH)])
            .value(tag::BASE_NAMES, 8, FILES, &[0; FILES as usize])
            .value(tag::DIR_INDEXES, 4, FILES, &[0; 4 * FILES as usize]);
        for (bytes_left, files) in [(1000 * MAX_PATH, 1), (1000 * MAX_PATH - 1, 0)] {
            let mut facts = FactList::new(1 << 20);
            let mut installed = Installed { facts: &mut facts, broken: 0, path_bytes_left: bytes_left };
            installed.header(&header.build());
            assert_eq!((installed.broken, facts.facts().len()), (1 - files, 1 + files as usize));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8)) {
            let mut blob = HeaderBuilder::package("a", "1", "2")
                .numbers(tag::EPOCH, &[1])
                .texts(tag::BASE_NAMES, &["b", "c"])
                .texts(tag::DIR_NAMES, &["/usr/", "/"])
                .numbers(tag::DIR_INDEXES, &[0, 1])
                .build();
            for (index, byte) in flips {
                let at = index.index(blob.len());
                blob[at] = byte;
            }
            read(&blob);
        }
    }
}
