//! Go's build info as the linker writes it, after Go's debug/buildinfo.

use crate::detect::executable::format::Fields;

use super::{MODULES_END, MODULES_START};

/// What it begins with.
pub(super) const MAGIC: &[u8; 14] = b"\xff Go buildinf:";
/// Its length before the strings.
const HEADER: usize = 32;
/// Longest release text; a development build's has 60 bytes.
const MAX_RELEASE: usize = 256;

/// The fixed part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pointer_bytes: u8,
    flags: u8,
    /// Addresses of the release and of the list of modules, in the old format.
    pub(super) pointers: [u64; 2],
}

/// What stands in it.
#[derive(Debug)]
pub(super) struct BuildInfo<'a> {
    /// The Go release, as Go prints it.
    pub(super) version: Option<&'a [u8]>,
    /// The list of modules, without its marks.
    pub(super) modules: Option<&'a [u8]>,
}

impl Header {
    /// Reads it from its magic number on; `None` where other bytes follow that number.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (pointer_bytes, flags) = (*bytes.get(14)?, *bytes.get(15)?);
        if !matches!(pointer_bytes, 4 | 8) || flags > 3 {
            return None;
        }
        let fields = Fields { bytes, big: flags & 1 != 0 };
        let wide = pointer_bytes == 8;
        let pointers = [fields.word(16, wide)?, fields.word(16 + usize::from(pointer_bytes), wide)?];
        Some(Self { pointer_bytes, flags, pointers })
    }

    /// Whether the strings follow, instead of pointers to them.
    pub(super) fn inline(&self) -> bool {
        self.flags & 2 != 0
    }

    /// Whether pointers have eight bytes, instead of four.
    pub(super) fn wide(&self) -> bool {
        self.pointer_bytes == 8
    }

    /// Whether the first byte of a number is its greatest.
    pub(super) fn big(&self) -> bool {
        self.flags & 1 != 0
    }
}

impl<'a> BuildInfo<'a> {
    /// Reads it from its magic number on; `None` where it ends early.
    pub(super) fn inline(bytes: &'a [u8]) -> Option<Self> {
        let (version, rest) = string(bytes.get(HEADER..)?)?;
        let (modules, _) = string(rest)?;
        let (start, end) = (MODULES_START.len(), MODULES_END.len());
        let modules = modules.len().checked_sub(end).and_then(|end| modules.get(start..end));
        Some(Self { version: Some(version), modules })
    }
}

/// A string behind its length, and what follows it.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut length, mut rest) = (0_usize, bytes);
    for shift in (0..63).step_by(7) {
        let (byte, after) = rest.split_first()?;
        length |= usize::from(byte & 0x7f) << shift;
        rest = after;
        if byte & 0x80 == 0 {
            return rest.split_at_checked(length);
        }
    }
    None
}

/// The release without `go` and without what vendors and experiments add: `go1.21.5 X:boringcrypto` is 1.21.5,
/// `go1.20.12 (Red Hat 1.20.12-1.el9)` 1.20.12. A development build of Go 1.22 (`devel go1.22-abcdef …`) is `1.22-abcdef`, which comes
/// before 1.22; those before Go 1.17 state no release at all.
pub(super) fn release(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= MAX_RELEASE)?;
    let development = text.strip_prefix("devel ");
    let number = development.unwrap_or(text).strip_prefix("go")?;
    let end = number.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(number.len());
    let (digits, suffix) = number.split_at(end);
    if !digits.split('.').all(|part| !part.is_empty()) || !digits.contains('.') {
        return None;
    }
    let kept = match suffix {
        _ if development.is_some() => suffix.split(' ').next().unwrap_or(""),
        _ if suffix.starts_with("rc") || suffix.starts_with("beta") => {
            let letters = suffix.find(|c: char| c.is_ascii_digit()).unwrap_or(suffix.len());
            let digits = suffix[letters..].find(|c: char| !c.is_ascii_digit());
            &suffix[..digits.map_or(suffix.len(), |digits| letters + digits)]
        }
        _ => "",
    };
    Some(format!("{digits}{kept}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_loses_what_vendors_and_experiments_add() {
        for (text, found) in [
            ("go1.21.5", Some("1.21.5")),
            ("go1.22", Some("1.22")),
            ("go1.21rc2", Some("1.21rc2")),
            ("go1.21rc2 X:loopvar", Some("1.21rc2")),
            ("go1.20.5 X:boringcrypto", Some("1.20.5")),
            ("go1.20.5-X:boringcrypto", Some("1.20.5")),
            ("go1.20.12 (Red Hat 1.20.12-1.el9)", Some("1.20.12")),
            ("go1.16.15b7", Some("1.16.15")),
            ("go1.21.5-custom", Some("1.21.5")),
            ("devel go1.22-abcdef12 Mon Jan 1", Some("1.22-abcdef12")),
            ("devel +abcdef Thu", None),
            ("go", None),
            ("go1..2", None),
            ("unknown", None),
        ] {
            assert_eq!(release(text.as_bytes()).as_deref(), found, "{text}");
        }
    }

    #[test]
    fn lengths_are_not_believed() {
        assert!(string(b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f").is_none());
        assert!(string(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff").is_none());
        assert!(string(b"\x03ab").is_none());
        assert_eq!(string(b"\x81\x00abc"), Some((&b"a"[..], &b"bc"[..])));
    }
}
