//! Paths of tar entries: cleaned, as text, and told apart from whiteouts.
//!
//! A cleaned path has no leading `/` or `./`, no trailing `/`, and no empty, `.` or `..` component; the root is the empty
//! text. Bytes that are not UTF-8 become `\xHH`, so that different names stay different and the hash of the text
//! is the hash of the path everywhere.

use std::fmt::Write as _;

/// What an entry's name means for the layers below (OCI image specification, "Layer").
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EntryName {
    /// An ordinary path.
    Path(String),
    /// `.wh.NAME`: NAME's path, gone from the layers below.
    Whiteout(String),
    /// `.wh..wh..opq`: the directory whose lower content is gone.
    Opaque(String),
    /// AUFS bookkeeping (`.wh..wh.plnk` and the like), which no runtime extracts.
    Bookkeeping,
}

/// Reads an entry's name; `None` where it leaves the root.
pub(crate) fn entry_name(raw: &[u8]) -> Option<EntryName> {
    let path = clean(&text(raw))?;
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", &path));
    if name == ".wh..wh..opq" {
        return Some(EntryName::Opaque(directory.to_owned()));
    }
    if path.split('/').any(|component| component.starts_with(".wh..wh.")) {
        return Some(EntryName::Bookkeeping);
    }
    match name.strip_prefix(".wh.") {
        None => Some(EntryName::Path(path)),
        // containerd refuses these: they would remove the directory itself or its parent.
        Some("" | "." | "..") => None,
        Some(hidden) if directory.is_empty() => Some(EntryName::Whiteout(hidden.to_owned())),
        Some(hidden) => Some(EntryName::Whiteout(format!("{directory}/{hidden}"))),
    }
}

/// The bytes of a name as text, losing nothing: invalid UTF-8 is written as `\xHH`.
pub(crate) fn text(raw: &[u8]) -> String {
    let mut text = String::with_capacity(raw.len());
    for chunk in raw.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02X}").expect("a String takes every write");
        }
    }
    text
}

/// Cleans a path against the root; `None` where `..` leaves it.
pub(crate) fn clean(path: &str) -> Option<String> {
    let mut clean = String::with_capacity(path.len());
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." if clean.is_empty() => return None,
            ".." => clean.truncate(parent(&clean).len()),
            name => {
                if !clean.is_empty() {
                    clean.push('/');
                }
                clean.push_str(name);
            }
        }
    }
    Some(clean)
}

/// The directory a cleaned path lies in; the root's is the root.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_and_those_that_leave_the_root_are_none() {
        for (raw, path) in [("./a/b", "a/b"), ("/a//b/", "a/b"), ("a/./b/../c", "a/c"), ("./", ""), ("a/..", "")] {
            assert_eq!(entry_name(raw.as_bytes()), Some(EntryName::Path(path.into())), "{raw}");
        }
        for raw in ["../a", "a/../../b", "/..", "a/.wh..", "a/.wh...", ".wh."] {
            assert_eq!(entry_name(raw.as_bytes()), None, "{raw}");
        }
    }

    #[test]
    fn whiteouts_name_what_they_hide() {
        assert_eq!(entry_name(b"./etc/.wh.x"), Some(EntryName::Whiteout("etc/x".into())));
        assert_eq!(entry_name(b".wh.x"), Some(EntryName::Whiteout("x".into())));
        assert_eq!(entry_name(b"etc/.wh..wh..opq"), Some(EntryName::Opaque("etc".into())));
        assert_eq!(entry_name(b".wh..wh..opq"), Some(EntryName::Opaque(String::new())));
        assert_eq!(entry_name(b".wh..wh.plnk/1.2"), Some(EntryName::Bookkeeping));
    }

    #[test]
    fn names_that_are_not_utf8_stay_different() {
        assert_eq!(text(b"caf\xe9/\xff"), "caf\\xE9/\\xFF");
        assert_ne!(text(b"\xe9"), text(b"\xe8"));
    }
}
