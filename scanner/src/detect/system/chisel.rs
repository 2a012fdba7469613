//! Chisel's manifest: what Ubuntu images hold that are cut from slices of packages and have no dpkg database.
//!
//! Follows chisel's documentation of its manifest: zstd over JSON lines ("jsonwall"), the first of which names the format.
//! Lines of kind `package` name what was cut, lines of kind `content` which path came with which slice. A slice is named
//! `PACKAGE_PART`, and no package has `_` in its name. The source package is not written down.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};

use serde::Deserialize;

use super::super::{Detector, FactList, Want};
use super::owned::push_hashes;
use super::zstd::ZstdReader;
use crate::layer::{Fact, PathHash, Reason, ReasonCode, clean};
use crate::package::{Package, PackageType, SourcePackage};

/// Most bytes unpacked; an image of all of Ubuntu's `main` would have less.
const MAX_UNPACKED: u64 = 256 << 20;
/// Longest line: a path of 4096 bytes, escaped, and the slices that share it.
const MAX_LINE: u64 = 64 << 10;

pub(crate) struct Chisel;

impl Detector for Chisel {
    fn name(&self) -> &'static str {
        "chisel"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        (path == "var/lib/chisel/manifest.wall").then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        let mut manifest = Manifest::default();
        if let Err(problem) = manifest.read(bytes, facts) {
            match problem {
                Problem::TooLarge => facts.push(Fact::Unread(Reason::at(
                    ReasonCode::ArchiveLimit,
                    path,
                    format!("the manifest unpacks to more than {MAX_UNPACKED} bytes"),
                ))),
                Problem::Malformed(detail) => facts.malformed(path, detail),
            }
        }
        for (package, paths) in manifest.owned {
            push_hashes(facts, &package, paths);
        }
    }
}

enum Problem {
    TooLarge,
    Malformed(&'static str),
}

/// One line; which fields it has is its kind's.
#[derive(Deserialize)]
struct Line {
    jsonwall: Option<String>,
    #[serde(default)]
    kind: String,
    name: Option<String>,
    version: Option<String>,
    arch: Option<String>,
    slice: Option<String>,
    path: Option<String>,
}

/// What the lines add up to; packages go to the facts as they come.
#[derive(Default)]
struct Manifest {
    owned: BTreeMap<String, Vec<PathHash>>,
}

impl Manifest {
    fn read(&mut self, bytes: &[u8], facts: &mut FactList) -> Result<(), Problem> {
        let mut reader = BufReader::new(ZstdReader::new(bytes).take(MAX_UNPACKED));
        let mut line = Vec::new();
        let mut first = true;
        loop {
            line.clear();
            let read = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
            let read = read.map_err(|_| Problem::Malformed("the manifest is no zstd stream, or is cut short"))?;
            if read == 0 {
                let whole = reader.get_ref().limit() > 0;
                return if first {
                    Err(Problem::Malformed("the manifest holds nothing"))
                } else if whole {
                    Ok(())
                } else {
                    Err(Problem::TooLarge)
                };
            }
            let line =
                serde_json::from_slice(&line).map_err(|_| Problem::Malformed("a line of the manifest is no JSON"))?;
            self.line(line, first, facts)?;
            first = false;
        }
    }

    fn line(&mut self, line: Line, first: bool, facts: &mut FactList) -> Result<(), Problem> {
        if first {
            let known = line.jsonwall.is_some_and(|version| version.starts_with("1."));
            return if known { Ok(()) } else { Err(Problem::Malformed("the manifest does not begin with its format")) };
        }
        match &*line.kind {
            "package" => {
                let stated = |text: Option<String>| text.filter(|text| !text.is_empty());
                let (Some(name), Some(version)) = (stated(line.name), stated(line.version)) else {
                    return Err(Problem::Malformed("a package has no name or version"));
                };
                let source = Some(SourcePackage { name: name.clone(), version: version.clone() });
                let package = Package::new(PackageType::Deb, name, version);
                facts.push(Fact::Package(Package { architecture: line.arch, source, ..package }));
            }
            "content" => {
                let (Some(slice), Some(path)) = (line.slice, line.path) else { return Ok(()) };
                let package = slice.split_once('_').map_or(&*slice, |(package, _)| package);
                // A directory ends with "/"; what lies in it has its own line.
                if let Some(path) = clean(&path).filter(|_| !path.ends_with('/')) {
                    self.owned.entry(package.to_owned()).or_default().push(PathHash::of(&path));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::owned::check::{facts, named, owned, packages, says_unread};
    use super::*;
    use crate::fixture::zstd;

    const PATH: &str = "var/lib/chisel/manifest.wall";
    const MANIFEST: &str = r#"{"jsonwall":"1.0","schema":"1.0","count":6}
{"kind":"content","slice":"openssl_bins","path":"/usr/bin/openssl"}
{"kind":"content","slice":"openssl_config","path":"/etc/ssl/"}
{"kind":"content","slice":"openssl_config","path":"/etc/ssl/openssl.cnf"}
{"kind":"package","name":"openssl","version":"3.0.13-0ubuntu3.4","sha256":"00","arch":"amd64"}
{"kind":"path","path":"/usr/bin/openssl","mode":"0755","slices":["openssl_bins"],"size":1004032}
{"kind":"slice","name":"openssl_bins"}
"#;

    #[test]
    fn a_manifest_names_packages_and_their_files() {
        let found = facts(&Chisel, PATH, &zstd(MANIFEST.as_bytes()));
        assert_eq!(named(&found), [("openssl", "3.0.13-0ubuntu3.4")]);
        let package = packages(&found)[0];
        assert_eq!((package.package_type, package.architecture.as_deref()), (PackageType::Deb, Some("amd64")));
        assert_eq!(found[1..], [owned("openssl", &["etc/ssl/openssl.cnf", "usr/bin/openssl"])]);
    }

    #[test]
    fn a_broken_manifest_says_so_and_keeps_what_came_before() {
        let whole = zstd(MANIFEST.as_bytes());
        let cut = MANIFEST.find("{\"kind\":\"path\"").unwrap() + 9;
        for bytes in [b"".to_vec(), b"{}".to_vec(), zstd(b""), zstd(b"{}\n"), whole[..whole.len() - 3].to_vec()] {
            assert!(says_unread(&facts(&Chisel, PATH, &bytes)), "{bytes:?}");
        }
        let found = facts(&Chisel, PATH, &zstd(&MANIFEST.as_bytes()[..cut]));
        assert_eq!(named(&found), [("openssl", "3.0.13-0ubuntu3.4")]);
        assert!(says_unread(&found));
    }

    #[test]
    fn a_manifest_that_unpacks_without_end_is_left() {
        let head = MANIFEST.split_inclusive('\n').next().unwrap();
        let blank = [head.as_bytes(), &vec![b' '; 200_000]].concat();
        assert!(says_unread(&facts(&Chisel, PATH, &zstd(&blank))), "a line over the limit");
    }

    proptest! {
        #[test]
        fn no_lines_make_it_panic(
            lines in prop::collection::vec(
                prop_oneof![prop::sample::select(MANIFEST.lines().collect::<Vec<_>>()).prop_map(str::to_owned), any::<String>()],
                0..8,
            ),
            cut in any::<prop::sample::Index>(),
        ) {
            let whole = zstd(lines.join("\n").as_bytes());
            facts(&Chisel, PATH, &whole);
            facts(&Chisel, PATH, &whole[..cut.index(whole.len())]);
        }
    }
}
