//! The distribution's identity: os-release(5), and the older files some images have in its place.

use super::stanza::lines;
use super::{Detector, FactList, Want};
use crate::layer::Fact;
use crate::package::Distribution;

/// Where an image states its identity, most trusted first: os-release(5) puts `etc` before `usr/lib`.
pub(crate) const RELEASE_FILES: [&str; 4] =
    ["etc/os-release", "usr/lib/os-release", "etc/alpine-release", "etc/debian_version"];

/// Longest identifier kept, in bytes.
const MAX_VALUE: usize = 256;

pub(crate) struct OsRelease;

impl Detector for OsRelease {
    fn name(&self) -> &'static str {
        "os-release"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, path: &str) -> Option<Want> {
        // Fedora links usr/lib/os-release to a variant in the folder beside it.
        (RELEASE_FILES.contains(&path) || path.starts_with("usr/lib/os.release.d/")).then_some(Want::Bytes)
    }

    fn detect(&self, path: &str, bytes: &[u8], facts: &mut FactList) {
        let distribution = match path {
            "etc/alpine-release" => version_file("alpine", bytes),
            // "12.5" on a release; "trixie/sid" between releases and on Ubuntu, which has no number.
            "etc/debian_version" => version_file("debian", bytes).map(|release| Distribution {
                version: release.version.split('.').next().unwrap_or_default().to_owned(),
                ..release
            }),
            _ => os_release(bytes),
        };
        if let Some(distribution) = distribution {
            facts.push(Fact::Distribution(distribution));
        }
    }
}

fn version_file(id: &str, bytes: &[u8]) -> Option<Distribution> {
    let text = String::from_utf8_lossy(bytes.trim_ascii());
    let numbered = text.starts_with(|first: char| first.is_ascii_digit()) && text.len() <= MAX_VALUE;
    let version = if numbered { text.lines().next().unwrap_or_default().to_owned() } else { String::new() };
    (!text.is_empty()).then(|| Distribution { id: id.to_owned(), version, pretty_name: None })
}

fn os_release(bytes: &[u8]) -> Option<Distribution> {
    let (mut id, mut version, mut pretty_name) = (None, None, None);
    for line in lines(bytes) {
        let line = line.trim_ascii();
        let Some(equals) = line.iter().position(|byte| *byte == b'=') else { continue };
        let value =
            || Some(unquote(&String::from_utf8_lossy(&line[equals + 1..]))).filter(|value| value.len() <= MAX_VALUE);
        match &line[..equals] {
            b"ID" => id = value(),
            b"VERSION_ID" => version = value(),
            b"PRETTY_NAME" => pretty_name = value(),
            _ => {}
        }
    }
    let id = id.filter(|id| !id.is_empty())?.to_ascii_lowercase();
    Some(Distribution {
        id,
        version: version.unwrap_or_default(),
        pretty_name: pretty_name.filter(|name| !name.is_empty()),
    })
}

/// Takes off a shell's quotes and, between double ones, its backslashes.
fn unquote(value: &str) -> String {
    let value = value.trim();
    if let Some(inner) = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return inner.to_owned();
    }
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        text.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(path: &str, text: &str) -> Option<(String, String, Option<String>)> {
        let mut facts = FactList::new(1 << 20);
        OsRelease.detect(path, text.as_bytes(), &mut facts);
        match facts.into_parts().0.pop() {
            Some(Fact::Distribution(found)) => Some((found.id, found.version, found.pretty_name)),
            _ => None,
        }
    }

    #[test]
    fn os_release_is_read_as_a_shell_would() {
        let debian = "# comment\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n";
        let expected = ("debian".into(), "12".into(), Some("Debian GNU/Linux 12 (bookworm)".into()));
        assert_eq!(detect("etc/os-release", debian), Some(expected));
        assert_eq!(
            detect("usr/lib/os-release", "ID='alpine'\r\nVERSION_ID=3.20.1"),
            Some(("alpine".into(), "3.20.1".into(), None))
        );
        assert_eq!(
            detect("etc/os-release", "ID=debian\nPRETTY_NAME=\"a \\\"b\\\"\""),
            Some(("debian".into(), String::new(), Some("a \"b\"".into())))
        );
        assert_eq!(detect("etc/os-release", "NAME=x\n"), None);
    }

    #[test]
    fn older_files_state_a_version_only() {
        assert_eq!(detect("etc/debian_version", "12.5\n"), Some(("debian".into(), "12".into(), None)));
        assert_eq!(detect("etc/debian_version", "trixie/sid\n"), Some(("debian".into(), String::new(), None)));
        assert_eq!(detect("etc/alpine-release", "3.20.1\n"), Some(("alpine".into(), "3.20.1".into(), None)));
        assert_eq!(detect("etc/alpine-release", ""), None);
    }
}
