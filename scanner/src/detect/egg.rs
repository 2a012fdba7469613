//! Zipped eggs: distributions setuptools installed as one zip archive, with `EGG-INFO/PKG-INFO` inside.
//!
//! Wheels are zip archives with metadata too, and are not read: a wheel in an image is no installed distribution.

use std::io;

use super::python::Python;
use super::zip_file::{Entry, Part, ZipError, ZipFile};
use super::{Detector, FactList, Want, base_name};
use crate::content::Content;

const METADATA: &[u8] = b"EGG-INFO/PKG-INFO";
/// How much of the metadata is read, in bytes; the description behind the headers may be longer.
const MAX_BYTES: usize = 1 << 20;
/// Most entries looked at.
const MAX_ENTRIES: usize = 1_000_000;

/// Eggs that are files.
pub(crate) struct ZippedEggs;

impl Detector for ZippedEggs {
    fn name(&self) -> &'static str {
        "python-egg"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        base_name(path).strip_suffix(".egg").filter(|stem| !stem.is_empty()).map(|_| Want::Content)
    }

    fn detect(&self, _path: &str, _bytes: &[u8], _facts: &mut FactList) {}

    fn examine(&self, path: &str, content: &Content, facts: &mut FactList) -> io::Result<()> {
        match metadata(content) {
            Ok(Some(bytes)) => Python.detect(path, &bytes, facts),
            Ok(None) => facts.malformed(path, "the egg has no EGG-INFO/PKG-INFO"),
            Err(ZipError::Read(error)) => return Err(error),
            Err(ZipError::Unsupported(detail)) => facts.unread(path, &detail),
            Err(error @ (ZipError::NoArchive | ZipError::Malformed(_))) => facts.malformed(path, &error.to_string()),
        }
        Ok(())
    }
}

/// The egg's metadata; `None` where it holds none.
fn metadata(content: &Content) -> Result<Option<Vec<u8>>, ZipError> {
    let zip = ZipFile::open(Part::whole(content))?;
    let mut entries = zip.entries()?;
    for _ in 0..MAX_ENTRIES {
        match entries.next()? {
            Some(entry) if entry.name == METADATA => return read(zip, &entry).map(Some),
            Some(_) => {}
            None => return Ok(None),
        }
    }
    Err(ZipError::Malformed("it has too many entries"))
}

fn read(zip: ZipFile<'_>, entry: &Entry<'_>) -> Result<Vec<u8>, ZipError> {
    let mut bytes = Vec::new();
    zip.read(entry, |piece| {
        bytes.extend_from_slice(&piece[..piece.len().min(MAX_BYTES - bytes.len())]);
        Ok(bytes.len() < MAX_BYTES)
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::zip_file::sample::{deflated, stored};
    use super::*;
    use crate::layer::Fact;
    use crate::package::{Package, PackageType};

    fn found(bytes: &[u8]) -> Vec<Fact> {
        let mut facts = FactList::new(1 << 20);
        ZippedEggs.examine("opt/a.egg", &bytes.to_vec().into(), &mut facts).unwrap();
        facts.into_parts().0
    }

    #[test]
    fn an_egg_is_a_distribution() {
        let description =
            format!("Metadata-Version: 1.0\nName: Zope.Event\nVersion: 4.5\n\n{}", "word ".repeat(300_000));
        let files = [("zope/event.py", &b"x"[..]), ("EGG-INFO/PKG-INFO", description.as_bytes())];
        let expected = [Fact::Package(Package::new(PackageType::Pypi, "zope-event", "4.5"))];
        assert_eq!(found(&deflated(&files)), expected);
        assert_eq!(found(&stored(&files)), expected);
    }

    #[test]
    fn what_is_no_egg_is_told() {
        for bytes in
            [&b"x"[..], b"PK\x03\x04", &stored(&[("a", b"b")]), &stored(&[("EGG-INFO/PKG-INFO", b"Name: a\n")])]
        {
            assert!(matches!(&found(bytes)[..], [Fact::Unread(_)]), "{bytes:?}");
        }
    }

    #[test]
    fn wheels_are_not_wanted() {
        assert_eq!(ZippedEggs.wants("site-packages/a-1-py3.11.egg"), Some(Want::Content));
        for path in ["a.whl", ".egg", "a.egg/x", "a.egg-info"] {
            assert_eq!(ZippedEggs.wants(path), None, "{path}");
        }
    }
}
