//! `META-INF/MANIFEST.MF`: what an archive says of itself in its main section.
//!
//! After the JAR file specification: lines of at most 72 bytes that go on behind a blank, up to the first empty line. Behind it come
//! sections of single entries, whose attributes (an embedded API's `Implementation-Version`, say) are not the archive's.

use super::super::stanza::{field, is_continuation, lines};
use super::{Coordinates, part, version};

/// How much of a manifest is read, in bytes: bundles list what they import at length, signed archives every entry behind it.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// Longest value that is kept, in bytes.
const MAX_VALUE: usize = 1024;

/// The attributes that tell what an archive is, in the order of [`Manifest::values`].
const KEYS: [&str; 13] = [
    "Implementation-Title",
    "Implementation-Version",
    "Implementation-Vendor-Id",
    "Bundle-SymbolicName",
    "Bundle-Version",
    "Automatic-Module-Name",
    "Nar-Group",
    "Nar-Id",
    "Nar-Version",
    "Group-Id",
    "Artifact-Id",
    "Short-Name",
    "Plugin-Version",
];

/// Organisations that many projects state instead of their own group.
const UMBRELLAS: [&str; 6] = ["org.apache", "org.eclipse", "com.google", "com.ibm", "com.oracle", "com.sun"];

/// What the main section says.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    values: [Option<String>; KEYS.len()],
}

impl Manifest {
    /// Reads the main section.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut values: [Option<Vec<u8>>; KEYS.len()] = Default::default();
        let mut current = None;
        for line in lines(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).take_while(|line| !line.is_empty()) {
            if is_continuation(line) {
                let value = current.and_then(|index: usize| values[index].as_mut());
                if let Some(value) = value.filter(|value| value.len() < MAX_VALUE) {
                    value.extend_from_slice(&line[1..]);
                }
                continue;
            }
            let raw = line.iter().position(|byte| *byte == b':').map(|colon| &line[colon + 1..]);
            let key = field(line).map(|(key, _)| key);
            current = key.and_then(|key| KEYS.iter().position(|known| key.eq_ignore_ascii_case(known.as_bytes())));
            if let (Some(index), Some(raw)) = (current, raw) {
                // The end is kept as it is: a value may be cut at one of its blanks.
                values[index] = Some(raw.trim_ascii_start().to_vec());
            }
        }
        let text = |value: Option<Vec<u8>>| value.map(|value| String::from_utf8_lossy(value.trim_ascii()).into_owned());
        Self { values: values.map(text) }
    }

    fn value(&self, key: &str) -> Option<&str> {
        let index = KEYS.iter().position(|known| *known == key)?;
        self.values[index].as_deref()
    }

    /// The title, where it may be an artifact's name.
    pub(super) fn title(&self) -> Option<&str> {
        part(self.value("Implementation-Title")?)
    }

    /// The version of what the archive implements.
    pub(super) fn implementation_version(&self) -> Option<&str> {
        version(self.value("Implementation-Version")?).filter(|version| *version != "0.0.0")
    }

    /// The version of what the archive implements, else the bundle's.
    pub(super) fn version(&self) -> Option<&str> {
        let bundle = || version(self.value("Bundle-Version")?).filter(|version| *version != "0.0.0");
        self.implementation_version().or_else(bundle)
    }

    /// The vendor's ID, which Maven fills with the group; an organisation's own is none.
    pub(super) fn vendor_group(&self) -> Option<&str> {
        let id = part(self.value("Implementation-Vendor-Id")?)?;
        (id.contains('.') && !UMBRELLAS.contains(&id)).then_some(id)
    }

    /// The bundle's name, without its directives.
    pub(super) fn bundle(&self) -> Option<&str> {
        part(self.value("Bundle-SymbolicName")?.split(';').next()?)
    }

    /// The module's name.
    pub(super) fn module(&self) -> Option<&str> {
        part(self.value("Automatic-Module-Name")?)
    }

    /// What the plugins of Apache NiFi and Jenkins state in full.
    pub(super) fn coordinates(&self) -> Option<Coordinates> {
        let triples = [
            ("Nar-Group", "Nar-Id", "Nar-Version"),
            ("Group-Id", "Artifact-Id", "Plugin-Version"),
            ("Group-Id", "Short-Name", "Plugin-Version"),
        ];
        triples.into_iter().find_map(|(group, artifact, number)| {
            let group = part(self.value(group)?)?.to_owned();
            let artifact = part(self.value(artifact)?)?.to_owned();
            // Jenkins puts who built a snapshot behind a blank.
            let number = version(self.value(number)?.split_whitespace().next()?)?.to_owned();
            Some(Coordinates { group: Some(group), artifact, version: number })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_section_is_unfolded_and_ends_at_the_first_empty_line() {
        let manifest = Manifest::read(
            b"Manifest-Version: 1.0\r\nBundle-SymbolicName: org.apache.logging.lo\r\n g4j.core;singleton:=true\r\n\
              implementation-title: log4j-core\r\nImplementation-Version: 2.1\r\n 9.0\r\nImport-Package: a,\r\n b\r\n\r\n\
              Name: org/apache/\r\nImplementation-Version: 9\r\nImplementation-Vendor-Id: org.other\r\n",
        );
        assert_eq!(manifest.bundle(), Some("org.apache.logging.log4j.core"));
        assert_eq!((manifest.title(), manifest.version()), (Some("log4j-core"), Some("2.19.0")));
        assert_eq!((manifest.vendor_group(), manifest.coordinates()), (None, None));
    }

    #[test]
    fn values_that_are_no_names_are_none() {
        let manifest = Manifest::read(
            b"Implementation-Title: Apache Log4j Core\nImplementation-Version: ${version}\nBundle-Version: 1.2.0\n\
              Implementation-Vendor-Id: org.apache\n",
        );
        assert_eq!((manifest.title(), manifest.version(), manifest.vendor_group()), (None, Some("1.2.0"), None));
        assert_eq!(Manifest::read(b"").version(), None);
        assert_eq!(Manifest::read(&[b' '; 5000]).version(), None);
    }

    #[test]
    fn plugins_state_their_coordinates() {
        for text in [
            "Nar-Group: org.a\nNar-Id: b\nNar-Version: 1.2",
            "Short-Name: b\nGroup-Id: org.a\nPlugin-Version: 1.2 (private-0a1b-me)",
        ] {
            let found = Manifest::read(text.as_bytes()).coordinates().unwrap();
            let expected = Coordinates { group: Some("org.a".into()), artifact: "b".into(), version: "1.2".into() };
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_long_value_is_cut() {
        let text = format!("Implementation-Title: {}\n{}", "a".repeat(60), " bbbbbbbbbbbbbbbbbbbb\n".repeat(100_000));
        assert_eq!(Manifest::read(text.as_bytes()).title(), None);
        assert!(Manifest::read(text.as_bytes()).values[0].as_ref().unwrap().len() < MAX_VALUE + 70);
    }
}
